"""What the contracts were built with, as the chain says: no event tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dapp.chain.contracts import Contracts
from dapp.errors import AuditError
from dapp.protocol.terms import Terms


@dataclass(frozen=True, slots=True)
class Constants:
    """A deployment's constants: wei, seconds, blocks, bits.

    Attributes:
        shown: those that a replay meets in use, by the names that it has for them.
    """

    shown: Mapping[str, int]
    min_eligible: int
    min_key_bits: int
    min_window: int

    @classmethod
    def of(cls, contracts: Contracts) -> Constants:
        """Asks the contracts.

        Raises:
            ChainError: they do not answer.
        """
        verification, learning = contracts.verification, contracts.learning
        return cls(
            shown={
                "the stake": int(verification.immutable("STAKE")),
                "what a silent seat loses": int(verification.immutable("SLASH")),
                "the activation delay": int(verification.immutable("ACTIVATION_DELAY")),
                "the cool-down": int(verification.immutable("COOL_DOWN")),
                "the seed's delay": int(contracts.seed.immutable("DELAY_BLOCKS")),
            },
            min_eligible=int(verification.immutable("MIN_ELIGIBLE")),
            min_key_bits=int(learning.immutable("MIN_KEY_BITS")),
            min_window=int(learning.immutable("MIN_WINDOW")),
        )

    def check(self, terms: Terms) -> int:
        """Holds a task's terms against them; gives how many comparisons that took.

        Raises:
            AuditError: the contracts would not have taken these terms.
        """
        least = {f"windows.{name}": self.min_window for name in WINDOWS} | {"key.bits": self.min_key_bits}
        for name, bound in least.items():
            group, _, field = name.partition(".")
            value = getattr(getattr(terms, group), field)
            if value < bound:
                raise AuditError(f"the terms' {name} is {value:,}, and the contracts take no less than {bound:,}")
        return len(self.shown) + 1 + len(least)


WINDOWS = ("commit", "publish", "seal", "open", "share", "opening", "contest", "commit_vote", "reveal_vote", "seed")
"""Windows with a least length: all but the challenge."""
