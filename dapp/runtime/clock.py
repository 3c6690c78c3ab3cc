"""Chain time. Deadlines are in seconds of the chain's own clock, which need not be that of the wall."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from dapp.chain.devnet import Devnet

if TYPE_CHECKING:
    from dapp.chain.client import Client
    from dapp.chain.keys import Account
    from dapp.chain.web3_node import Web3Node

LOOK = 0.2
"""Seconds between two looks at a chain that mines by itself."""


class Clock(Protocol):
    """Tells the chain's time, and waits for it."""

    def now(self) -> int:
        """Timestamp of the last block, in seconds."""

    def advance_to(self, timestamp: int) -> None:
        """Returns once the last block's timestamp is at least this; at once where it is already."""

    def advance_to_block(self, number: int) -> None:
        """Returns once the last block's number is at least this; at once where it is already."""


class DevnetClock:
    """The embedded chain's clock: waiting is a block with a later timestamp, or several a second apart."""

    def __init__(self, devnet: Devnet) -> None:
        self._devnet = devnet

    def now(self) -> int:
        return self._devnet.head().timestamp

    def advance_to(self, timestamp: int) -> None:
        wait = timestamp - self.now()
        if wait > 0:
            self._devnet.travel(wait)

    def advance_to_block(self, number: int) -> None:
        self._devnet.mine(max(0, number - self._devnet.head().number))


class TravellingClock:
    """The clock of anvil and ganache, which go forward in time and mine when they are told to."""

    def __init__(self, node: Web3Node) -> None:
        self._node = node

    def now(self) -> int:
        return self._node.head().timestamp

    def advance_to(self, timestamp: int) -> None:
        from dapp.chain import development

        wait = timestamp - self.now()
        if wait > 0:
            development.travel(self._node, wait)

    def advance_to_block(self, number: int) -> None:
        from dapp.chain import development

        development.mine(self._node, max(0, number - self._node.head().number))


class WaitingClock:
    """The clock of a chain that nobody moves at will: one waits.

    Args:
        beat: makes a block, on a development chain that mines only what it is sent; each is a second later at least.
    """

    def __init__(self, client: Client, beat: Callable[[], object] | None = None) -> None:
        self._client, self._beat = client, beat or (lambda: time.sleep(LOOK))

    def now(self) -> int:
        return self._client.head().timestamp

    def advance_to(self, timestamp: int) -> None:
        while self.now() < timestamp:
            self._beat()

    def advance_to_block(self, number: int) -> None:
        while self._client.head().number < number:
            self._beat()


def clock_of(client: Client, node: Web3Node, heart: Account) -> Clock:
    """The clock that fits a chain.

    Args:
        heart: a key set aside for the empty transactions that move an instant development chain.

    Raises:
        Unreachable: the node does not answer.
    """
    from dapp.chain import development

    can = development.capabilities(node)
    if can.travels:
        return TravellingClock(node)
    return WaitingClock(client, None if can.mines_alone else lambda: development.heartbeat(client, heart))
