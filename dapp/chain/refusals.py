"""What nodes say when they refuse a request. JSON-RPC has few codes, so the words of geth, anvil and ganache decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dapp.chain.header import octets
from dapp.chain.node import Reverted, WrongChain
from dapp.errors import ChainError

KNOWN = ("already known", "already imported", "known transaction")
POOR = ("insufficient funds", "insufficient balance", "not have enough balance", "doesn't have enough funds")
UNDERPRICED = ("less than block base fee", "less than the block's basefee", "transaction underpriced", "fee too low")
OTHER_NONCE = ("nonce", "replacement transaction", "underpriced to replace")
FAILED = ("revert", "vm exception", "evm error", "invalid opcode", "out of gas", "stack underflow", "invalid jump")
PASSING = (
    "timeout",
    "timed out",
    "header not found",
    "unavailable",
    "temporar",
    "try again",
    "overloaded",
    "internal server error",
    "missing trie node",
    "indexing is in progress",
)
WORDS = 300
"""Characters of a node's own words that are shown."""


class Said(ChainError):
    """A node's refusal: ``words`` are its own, ``data`` is what a contract returned with it."""

    def __init__(self, code: int, words: str, data: bytes = b"") -> None:
        self.number, self.words, self.data = code, words or f"error {code}", data
        super().__init__(f"the node refused a request: {self.words}", help="The node's own words say why.")

    @classmethod
    def of(cls, error: Any) -> Said:
        """From the ``error`` of an answer, which some nodes give as a string."""
        if not isinstance(error, Mapping):
            return cls(0, str(error)[:WORDS])
        code = error.get("code")
        words = str(error.get("message") or "")[:WORDS]
        return cls(code if isinstance(code, int) else 0, words, _data(error.get("data")))

    def _has(self, words: tuple[str, ...]) -> bool:
        said = self.words.lower()
        return any(word in said for word in words)

    @property
    def known(self) -> bool:
        """The node has this very transaction already."""
        return self._has(KNOWN)

    @property
    def poor(self) -> bool:
        """The sender cannot pay."""
        return self._has(POOR)

    @property
    def underpriced(self) -> bool:
        """The fees are under what any block takes now."""
        return self._has(UNDERPRICED) and not self._has(("replacement",))

    @property
    def other_nonce(self) -> bool:
        """The nonce is used, or taken by another transaction that waits for more fees."""
        return self._has(OTHER_NONCE)

    @property
    def failed(self) -> bool:
        """The contract failed."""
        return self.number == 3 or (self._has(FAILED) and not self.underpriced)

    @property
    def passing(self) -> bool:
        """The same request may be answered in a moment."""
        return self._has(PASSING) and not self.failed

    def as_error(self) -> Reverted | ChainError:
        """What to raise to those who asked a contract."""
        return Reverted(self.data) if self.failed else self


def wrong_chain(where: str, actual: int, expected: int) -> WrongChain:
    """An address has another chain than the one that is wanted."""
    return WrongChain(
        f"{where} is on chain {actual}, the settings ask for chain {expected}",
        help="Give an address of the right chain, or correct the chain id in the settings.",
    )


def _data(data: Any) -> bytes:
    """Bytes that came with a revert: as such, or in ganache's report of it."""
    if isinstance(data, Mapping):
        data = data.get("result") or data.get("data")
    try:
        return octets(data) if isinstance(data, str) else b""
    except ChainError:
        return b""
