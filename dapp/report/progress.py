"""What a run tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dapp.report.schema import Fault, Report, Role, RoundReport

__all__ = ["Doing", "Fault", "Finished", "Idle", "Listener", "Phase", "Progress", "RoundDone", "Silent", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step outside the rounds begins: "making a 2048-bit key"."""

    what: str


@dataclass(frozen=True, slots=True)
class Doing:
    """A role turns to something: "encrypting 91 ciphertexts"."""

    role: Role
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Idle:
    """Whoever has this name waits."""

    name: str


@dataclass(frozen=True, slots=True)
class Phase:
    """A round enters a phase."""

    round: int
    name: str


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round is closed."""

    round: RoundReport


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over, its report written."""

    report: Report


Progress = Step | Doing | Idle | Phase | RoundDone | Fault | Finished


class Listener(Protocol):
    """Whoever watches a run. ``on`` must be quick: the run waits for it."""

    def on(self, progress: Progress) -> None:
        """Take note of ``progress``."""


class Silent:
    """A listener that takes no note."""

    def on(self, progress: Progress) -> None:
        """Do nothing."""
