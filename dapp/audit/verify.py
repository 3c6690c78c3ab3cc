"""All checks of a run, in order, with their counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dapp.audit.contents import Contents
from dapp.audit.folder import RunFolder, read_run
from dapp.audit.replay import replay
from dapp.crypto.paillier import MIN_BITS
from dapp.types import TaskId

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
"""Every kind of check of a run's folder, in the order in which they end. A live chain's are ``live.ASKED``, too."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A run in which no lie was found.

    Attributes:
        task_id: of the task that was audited.
        counts: by kind of check, how many facts were checked.
        ended: whether the task came to its end; of an interrupted run only what is there was checked.
        others: transactions of other tasks, which were taken as the chain gives them.
        unfollowed: transactions by way of other contracts, or of other kinds than EIP-1559, taken likewise.
        findings: faults that the protocol dealt with, a sentence each.
        trust: who had to be believed about the chain; empty where only a folder was read.
    """

    task_id: TaskId
    counts: Mapping[str, int]
    ended: bool
    others: int
    unfollowed: int
    findings: tuple[str, ...]
    trust: str = ""


def verify(
    run: Path | RunFolder,
    listener: Callable[[str, int], None],
    *,
    task: str | None = None,
    min_key_bits: int = MIN_BITS,
) -> Audit:
    """Checks a run from its events and blobs alone, and against the chain where that can be asked.

    Args:
        run: a folder with ``events.jsonl`` and ``store``, as a run leaves it; or what was read of one, or of a chain.
        listener: is told the name and the count of each kind of check as it ends.
        task: how the task's id begins; needed where several share the contracts.
        min_key_bits: under 2,048 for tests only.

    Raises:
        AuditError: the first lie; names round, role and object.
        BlobError: the folder is no run's, or its events cannot be read.
        SettingsError: no task, or more than one, has such an id.
        WrongCode: at the deployment's addresses are other contracts.
        Unreachable: the chain, which was there, does not answer.
    """
    read = read_run(run) if isinstance(run, Path) else run
    live = read.live
    counts: dict[str, int] = {}

    def ended(check: str, count: int) -> None:
        counts[check] = count
        listener(check, count)

    if live is not None:
        for check, held in live.checks(read.facts):
            ended(check, held)
    world = replay(read.facts, task, live.constants if live else None)
    for check in REPLAYED:
        ended(check, world.checks[check])
    if live is not None:
        ended("constants", live.constants.check(world.terms))
        ended("balance", live.check_books(world.pots, world.credits))
    contents = Contents(world, read.store, min_key_bits)
    facts = contents.facts()
    ended("terms", world.checks["terms"])
    rounds = world.view.rounds
    for round_ in rounds:
        contents.updates(facts, round_)
    ended("updates", world.checks["updates"])
    for round_ in rounds:
        contents.proven(round_)
        if round_.opened_candidates:
            contents.sums(facts, round_)
    ended("sums", world.checks["sums"])
    ended("openings", world.checks["openings"])
    for round_ in rounds:
        contents.shares(facts, round_)
    ended("shares", world.checks["shares"])
    for round_ in rounds:
        contents.votes(round_)
    ended("votes", world.checks["votes"])
    contents.models(read.model)
    ended("models", world.checks["models"])
    ended("blobs", world.checks["blobs"])
    return Audit(
        task_id=world.task_id,
        counts=counts,
        ended=world.view.ended,
        others=world.taken[True],
        unfollowed=world.taken[False],
        findings=tuple(contents.findings),
        trust=live.header.trust if live else "",
    )
