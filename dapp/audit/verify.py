"""All checks of a run, in order, with their counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dapp.audit.contents import Contents
from dapp.audit.folder import read_run
from dapp.audit.replay import replay
from dapp.crypto.paillier import MIN_BITS

REPLAYED = (
    "facts",
    "enrolments",
    "headers",
    "commits",
    "attestations",
    "candidates",
    "seeds",
    "seats",
    "payments",
)
"""Checks that end with the replay of the transactions."""

OPENED = ("terms", "updates", "sums", "openings", "shares", "votes", "models", "blobs")
"""Checks that end with the opening of the blobs."""

CHECKS = (*REPLAYED, *OPENED)
"""Every kind of check, in the order in which they end."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A run in which no lie was found.

    Attributes:
        counts: by kind of check, how many facts were checked.
        ended: whether the task came to its end; of an interrupted run only what is there was checked.
        findings: faults that the protocol dealt with, a sentence each.
    """

    counts: Mapping[str, int]
    ended: bool
    findings: tuple[str, ...]


def verify(folder: Path, listener: Callable[[str, int], None], *, min_key_bits: int = MIN_BITS) -> Audit:
    """Checks a run's folder from its events and blobs alone.

    Args:
        folder: with ``events.jsonl`` and ``store``, as a run leaves it.
        listener: is told the name and the count of each kind of check as it ends.
        min_key_bits: under 2,048 for tests only.

    Raises:
        AuditError: the first lie; names round, role and object.
        BlobError: the folder is no run's, or its events cannot be read.
    """
    run = read_run(folder)
    world = replay(run.facts)
    counts: dict[str, int] = {}

    def ended(check: str) -> None:
        counts[check] = world.checks[check]
        listener(check, counts[check])

    for check in REPLAYED:
        ended(check)
    contents = Contents(world, run.store, min_key_bits)
    facts = contents.facts()
    ended("terms")
    rounds = world.view.rounds
    for round_ in rounds:
        contents.updates(facts, round_)
    ended("updates")
    for round_ in rounds:
        contents.proven(round_)
        if round_.opened_candidates:
            contents.sums(facts, round_)
    ended("sums")
    ended("openings")
    for round_ in rounds:
        contents.shares(facts, round_)
    ended("shares")
    for round_ in rounds:
        contents.votes(round_)
    ended("votes")
    contents.models(run.model)
    ended("models")
    ended("blobs")
    return Audit(counts, world.view.ended, tuple(contents.findings))
