"""A device: trains, commits, publishes, and takes a global model up only after checking it itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from dapp.crypto import typed_data
from dapp.crypto.typed_data import UpdateCommit
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Done, Duty, Effect, Failed, Hand, Input, Job, Notice, Publish, Tick, Wake, Work
from dapp.protocol.enums import Outcome, Phase, RoundKind
from dapp.protocol.machine import Role, ask, observe
from dapp.protocol.view import Enrolment, RoundView
from dapp.protocol.work import MISSING, Examination, Examine, UpdateMade
from dapp.types import Address

DAY = 24 * 3600


class LocalTraining(Protocol):
    """What a device trains on: makes the job of a round, which trains, encrypts and proves."""

    def job(self, round_: RoundView, enrolment: Enrolment, gradient: BlobRef | None) -> Job:
        """A job whose value is :class:`UpdateMade` and whose one blob is the update."""


@dataclass(frozen=True, slots=True)
class Application:
    """How a device asks to take part: its weight s_k, the digest of its statement of ownership, and the ticket that the
    task's admission key signed for it."""

    weight: int
    ownership: bytes
    ticket: bytes


@dataclass(frozen=True, slots=True)
class DeviceState(Role):
    """``application``: what it enrols with while the chain does not know it. ``model`` and ``gradient`` are what it
    took up, last from round ``taken_up``; ``made``, by round, what it trained; ``refused``, by round, why it did not
    take a result up."""

    me: Address = Address(b"")
    training: LocalTraining | None = None
    application: Application | None = None
    model: BlobRef | None = None
    gradient: BlobRef | None = None
    taken_up: int = -1
    made: Mapping[int, UpdateMade] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)


def step(state: DeviceState, input: Input) -> tuple[DeviceState, tuple[Effect, ...]]:
    """One input in, the next state and what to do out."""
    if (observed := observe(state, input)) is not None:
        return observed, ()
    match input:
        case Done(("train", int(number)), UpdateMade() as made):
            return replace(state, made={**state.made, number: made}), ()
        case Done(("adopt", int(number), int()), Examination() as examination):
            return _judged(state, number, examination), ()
        case Failed(duty, reason):
            return _failed(state, duty, reason)
        case Tick(now):
            return ask(state, _due(state, now))
    return state, ()


def _due(state: DeviceState, now: int) -> Iterator[Effect]:
    view, me = state.view, state.view.enrolments.get(state.me)
    if view.terms is None or state.training is None:
        return
    if me is None:
        yield from _enrol(state, now)
        return
    yield from _adopt(state)
    current = view.round
    if current is None or me.index >= current.enrolled:
        return
    number = current.number
    phase = current.phase(view.terms, now)
    ends = current.deadlines(view.terms)
    made = state.made.get(number)
    if phase == Phase.COMMIT:
        if state.model == current.base and (current.kind == RoundKind.GRADIENT or state.gradient == view.gradient):
            yield Work(("train", number), state.training.job(current, me, state.gradient))
        elif state.refused:
            reason = state.refused[max(state.refused)]
            yield Notice(("sit out", number), f"sits out: it did not take up the model this round builds on ({reason})")
        if made is not None and me.index not in current.commits:
            yield Hand(("commit", number), _commit(state, number, made, ends.commit_end))
        yield Wake(at=ends.commit_end)
    elif me.index in current.commits and made is not None and phase != Phase.CLOSED:
        yield Publish(("publish", number), BlobRef(made.digest, made.size))


def _enrol(state: DeviceState, now: int) -> Iterator[Effect]:
    """Asks to be enrolled, once a day: a request that nobody brought to the chain by then has lapsed."""
    wanted = state.application
    if wanted is not None and not state.view.ended:
        deadline = (now // DAY + 2) * DAY
        message = typed_data.Enrolment(state.facts.task_id, state.me, wanted.weight, wanted.ownership, deadline)
        yield Hand(("enrol", deadline), message, (wanted.ticket,))


def _commit(state: DeviceState, number: int, made: UpdateMade, deadline: int) -> UpdateCommit:
    return UpdateCommit(
        task_id=state.facts.task_id,
        round=number,
        device=state.me,
        digest=made.digest,
        size=made.size,
        root=made.root,
        compute_millis=made.compute_millis,
        deadline=deadline,
    )


def _adopt(state: DeviceState) -> Iterator[Effect]:
    """Examines, in order, what was built on the model that this device holds; what was not to be had is looked for
    again in every later round."""
    latest = len(state.view.rounds) - 1
    for round_ in state.view.rounds[state.taken_up + 1 :]:
        number, reason = round_.number, state.refused.get(round_.number)
        accepted = round_.outcome in (Outcome.ACCEPTED, Outcome.CONVERGED)
        if accepted and round_.base == state.model and (reason is None or MISSING in reason):
            yield Work(("adopt", number, latest), _examine(state, round_))


def _examine(state: DeviceState, round_: RoundView) -> Examine:
    winner, opening = round_.winner, round_.right_opening
    assert winner is not None, "an accepted round has a winner"
    assert opening is not None, "an accepted round has a right opening"
    return Examine.of(state.facts, state.view, round_, (winner,), (opening,))


def _judged(state: DeviceState, number: int, examination: Examination) -> DeviceState:
    """Takes the result up if it builds on what this device holds, and product, opening and mean are right; else keeps
    the old weights."""
    round_ = state.view.rounds[number]
    if number <= state.taken_up or round_.base != state.model:
        return state
    if not (examination.valid and examination.right):
        return replace(state, refused={**state.refused, number: "; ".join(examination.reasons)})
    refused = {n: reason for n, reason in state.refused.items() if n != number}
    state = replace(state, taken_up=number, refused=refused)
    if round_.kind == RoundKind.GRADIENT:
        return replace(state, gradient=round_.result)
    return replace(state, model=round_.result, gradient=None)


def _failed(state: DeviceState, duty: Duty, reason: str) -> tuple[DeviceState, tuple[Effect, ...]]:
    if duty[0] == "adopt" and int(duty[1]) > state.taken_up:
        state = replace(state, refused={**state.refused, int(duty[1]): reason})
    return ask(state, (Notice(("failed", *duty), f"{duty[0]} in round {duty[1]}: {reason}"),))
