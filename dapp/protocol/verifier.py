"""A verifier: when the lot falls on it, it recomputes everything, commits to one ballot, and reveals it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dapp.consensus.sortition import member_at
from dapp.crypto.sealed import derive_salt, vote_evidence, vote_seal
from dapp.protocol.effects import Done, Effect, Failed, Input, Notice, Tick, Transact, Wake, Work
from dapp.protocol.enums import Status
from dapp.protocol.machine import Role, ask, observe
from dapp.protocol.records import Ballot
from dapp.protocol.view import Panel, RoundView
from dapp.protocol.work import Examination, Examine
from dapp.types import Address

UNABLE = Examination(0, 0, 0, 0, bytes(32), ("an included update is not to be had",), None)
"""Of somebody who could not recompute the sum: an empty ballot, which is not silence."""


@dataclass(frozen=True, slots=True)
class VerifierState(Role):
    """``salt_secret`` gives every salt (HMAC), so that nothing is lost between commit and reveal."""

    me: Address = Address(b"")
    salt_secret: bytes = field(default=b"", repr=False)
    judged: Mapping[tuple[int, int], Examination] = field(default_factory=dict)


def step(state: VerifierState, input: Input) -> tuple[VerifierState, tuple[Effect, ...]]:
    """One input in, the next state and what to do out."""
    if (observed := observe(state, input)) is not None:
        return observed, ()
    match input:
        case Done(("judge", int(number), int(attempt)), Examination() as found):
            return _judged(state, number, attempt, found)
        case Failed(("judge", int(number), int(attempt)), reason):
            return _judged(state, number, attempt, replace(UNABLE, reasons=(reason,)))
        case Failed(duty, reason):
            return ask(state, (Notice(("failed", *duty), f"{duty[0]} in round {duty[1]}: {reason}"),))
        case Tick(now):
            return ask(state, _due(state, now))
    return state, ()


def seat_of(panel: Panel, who: Address) -> int | None:
    """The seat that the lot gave to ``who``; None without a seat, or before the seed is known."""
    if panel.seed is None:
        return None
    eligible = len(panel.members)
    for seat in range(panel.size):
        if panel.members[member_at(panel.seed, eligible, seat)] == who:
            return seat
    return None


def ballot_of(found: Examination) -> Ballot:
    """What an examiner votes."""
    return Ballot(found.valid, found.invalid, found.right, found.wrong)


def _judged(
    state: VerifierState, number: int, attempt: int, found: Examination
) -> tuple[VerifierState, tuple[Effect, ...]]:
    notices = tuple(
        Notice(("verdict", number, attempt, i), f"votes against {reason}") for i, reason in enumerate(found.reasons)
    )
    return ask(replace(state, judged={**state.judged, (number, attempt): found}), notices)


def _due(state: VerifierState, now: int) -> Iterator[Effect]:
    view, round_ = state.view, state.view.round
    if view.terms is None or round_ is None or not round_.panels:
        return
    panel = round_.panels[-1]
    status = panel.status(view.terms, now)
    if status not in (Status.COMMITTING, Status.REVEALING) or (seat := seat_of(panel, state.me)) is None:
        return
    _, commit_end, reveal_end = panel.deadlines(view.terms)
    found = state.judged.get((round_.number, panel.attempt))
    if status == Status.COMMITTING:
        if found is None:
            yield _judge(state, round_, panel)
        elif seat not in panel.votes:
            yield _commit(state, round_, panel, seat, found)
        yield Wake(at=commit_end)
    elif seat in panel.votes and panel.votes[seat].ballot is None:
        if found is None:  # it was started anew since it sealed: ballot, evidence and salt come out the same
            yield _judge(state, round_, panel)
        else:
            yield _reveal(state, round_, panel, seat, found)
        yield Wake(at=reveal_end)


def _judge(state: VerifierState, round_: RoundView, panel: Panel) -> Work:
    job = Examine.of(state.facts, state.view, round_, round_.opened_candidates, round_.openings)
    return Work(("judge", round_.number, panel.attempt), job)


def _commit(state: VerifierState, round_: RoundView, panel: Panel, seat: int, found: Examination) -> Transact:
    facts = state.facts
    seal = vote_seal(
        facts.chain_id,
        facts.verification,
        facts.mining,
        round_.key,
        panel.attempt,
        seat,
        state.me,
        ballot_of(found),
        vote_evidence(found.root, round_.key, state.me),
        _salt(state, round_, panel, seat),
    )
    args = (facts.mining, round_.key, panel.attempt, seat, seal)
    return Transact(("commit vote", round_.number, panel.attempt), "verification", "commit_vote", args)


def _reveal(state: VerifierState, round_: RoundView, panel: Panel, seat: int, found: Examination) -> Transact:
    args = (
        state.facts.mining,
        round_.key,
        panel.attempt,
        seat,
        ballot_of(found),
        vote_evidence(found.root, round_.key, state.me),
        _salt(state, round_, panel, seat),
    )
    return Transact(("reveal vote", round_.number, panel.attempt), "verification", "reveal_vote", args)


def _salt(state: VerifierState, round_: RoundView, panel: Panel, seat: int) -> bytes:
    facts = state.facts
    place = facts.chain_id.to_bytes(32, "big"), facts.verification, round_.key
    return derive_salt(state.salt_secret, b"vote", *place, bytes([panel.attempt]), seat.to_bytes(2, "big"))
