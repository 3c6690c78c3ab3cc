"""What Cairn asks of an Ethereum node, in bytes and integers; the embedded chain and web3 both answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dapp.errors import ExitCode, Rejected, Retryable
from dapp.types import Address, Wei


class Reverted(Rejected):
    """A call or a transaction was refused; ``data`` is what the contract said."""

    code = ExitCode.CHAIN

    def __init__(self, data: bytes) -> None:
        super().__init__(f"reverted with 0x{data.hex()}")
        self.data = data


class WrongNonce(Retryable):
    """The node expects another nonce of the sender than the one that a transaction carried."""

    code = ExitCode.CHAIN


@dataclass(frozen=True, slots=True)
class Block:
    """``timestamp`` in seconds."""

    number: int
    timestamp: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """An event as it lies in a block; ``log_index`` counts within the block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    log_index: int
    timestamp: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction that is in a block. ``raw`` is its signed EIP-1559 envelope.

    A failed one is not ``ok``; ``refusal`` is what the contract said, where the node could find out.
    """

    hash: bytes
    block: int
    timestamp: int
    gas_used: int
    ok: bool
    refusal: bytes
    raw: bytes
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A call that nobody signed yet. ``to`` is empty for a deployment."""

    sender: Address
    to: bytes
    data: bytes
    value: Wei


class Node(Protocol):
    """A chain to read from and to send to."""

    @property
    def chain_id(self) -> int: ...

    def head(self) -> Block:
        """The last block."""

    def header(self, number: int) -> bytes:
        """RLP of a block's header."""

    def balance(self, address: Address) -> Wei: ...

    def nonce(self, address: Address) -> int:
        """How many transactions the address has sent."""

    def fees(self) -> tuple[Wei, Wei]:
        """Priority fee and fee cap per gas to offer now."""

    def gas_limit(self, message: Message) -> int:
        """Gas to allow for a message; raises :class:`Reverted` where the node knows that it fails."""

    def call(self, message: Message) -> bytes:
        """What a message returns at the head; raises :class:`Reverted`."""

    def send_all(self, raws: Sequence[bytes]) -> list[Mined]:
        """Sends signed transactions, in one block where that can be had, and waits until all are mined.

        Raises:
            WrongNonce: one had another nonce than the sender's next.
            ChainError: one is unfit for any block, for want of ether for example.
        """

    def logs(self, from_block: int, to_block: int) -> Sequence[Log]:
        """All logs of a range of blocks, both ends included, in order."""

    def mined(self, tx_hash: bytes) -> Mined:
        """A transaction that is in a block."""
