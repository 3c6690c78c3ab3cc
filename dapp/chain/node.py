"""What Cairn asks of an Ethereum node, in bytes and integers; the embedded chain and web3 both answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dapp.errors import ChainError, ExitCode, Fatal, Rejected, Retryable
from dapp.types import Address, Wei


class Reverted(Rejected):
    """A call or a transaction was refused; ``data`` is what the contract said."""

    code = ExitCode.CHAIN

    def __init__(self, data: bytes) -> None:
        super().__init__(f"reverted with 0x{data.hex()}")
        self.data = data


class SignAnew(Retryable):
    """The node did not take a transaction as it was signed; with another nonce or other fees it may."""

    code = ExitCode.CHAIN


class WrongNonce(SignAnew):
    """The node expects another nonce of the sender than the one that a transaction carried."""


class Underpriced(SignAnew):
    """The fees that a transaction offers are under what the next block asks for."""


class Unreachable(Retryable):
    """No address answers, or what answers has not caught up."""

    code = ExitCode.CHAIN


class OutOfFunds(ChainError):
    """A sender has less ether than a transaction can cost; ``has`` and ``needed`` in wei."""

    def __init__(self, message: str, *, has: Wei, needed: Wei, help: str) -> None:
        super().__init__(message, help=help)
        self.has, self.needed = has, needed


class FeesTooHigh(ChainError):
    """The next block asks for more than the configured cap."""


class NotMined(ChainError):
    """A transaction was sent and is in no block yet; it may still come into one."""


class WrongChain(Fatal):
    """An address answers for another chain than the one configured, or than another address does."""

    code = ExitCode.CHAIN


class RolledBack(Fatal):
    """A block that was read is no longer part of the chain: what was concluded from it may be wrong."""

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
    """A transaction that is in a block. ``raw`` is its signed EIP-1559 envelope; empty where it is of another kind, or
    has an access list, as none of Cairn's own are.

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


Resign = Callable[[int, Wei, Wei], bytes]
"""The n-th transaction of a sending, signed anew with this priority fee and this fee cap, all else the same."""


class Node(Protocol):
    """A chain to read from and to send to."""

    @property
    def chain_id(self) -> int: ...

    def head(self) -> Block:
        """The last block; on a network, the last one that is settled by its settings.

        Raises:
            RolledBack: a block that was read before is no longer part of the chain.
        """

    def header(self, number: int) -> bytes:
        """RLP of a block's header."""

    def headers(self, numbers: Sequence[int]) -> Sequence[bytes]:
        """RLP of several blocks' headers, in this order."""

    def balance(self, address: Address) -> Wei: ...

    def nonce(self, address: Address) -> int:
        """How many transactions the address has sent, those not yet mined included."""

    def code(self, address: Address) -> bytes:
        """What a contract's address runs; empty where there is none."""

    def fees(self) -> tuple[Wei, Wei]:
        """Priority fee and fee cap per gas to offer now."""

    def gas_limit(self, message: Message) -> int:
        """Gas to allow for a message; raises :class:`Reverted` where the node knows that it fails."""

    def call(self, message: Message) -> bytes:
        """What a message returns at the head; raises :class:`Reverted`."""

    def send_all(self, raws: Sequence[bytes], resign: Resign | None = None) -> Sequence[Mined | SignAnew | ChainError]:
        """Sends signed transactions, in one block where that can be had, and waits until all are mined.

        Args:
            resign: asked for the same transaction with higher fees, where blocks pass it over.

        Returns:
            for each that it is mined, or why it is not.

        Raises:
            SignAnew, ChainError: one is unfit for any block, and none was sent.
            Unreachable: the node is gone; what became of them must be asked when it is back.
        """

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> Sequence[Log]:
        """Logs of a range of blocks, both ends included, in order; of these contracts, or of all.

        Raises:
            RolledBack: the blocks do not continue those that were read before.
        """

    def mined(self, tx_hash: bytes) -> Mined:
        """A transaction that is in a block."""

    def all_mined(self, hashes: Sequence[bytes]) -> Sequence[Mined]:
        """Several transactions that are in blocks, in this order."""
