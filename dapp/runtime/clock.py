"""Chain time. Deadlines are in seconds of the chain's own clock, which need not be that of the wall."""

from __future__ import annotations

from typing import Protocol

from dapp.chain.devnet import Devnet


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
