"""A device: trains, commits, publishes, and takes a global model up only after checking it itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from dapp.crypto.typed_data import UpdateCommit
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Done, Duty, Effect, Failed, Hand, Input, Job, Notice, Publish, Tick, Wake, Work
from dapp.protocol.enums import Outcome, Phase, RoundKind
from dapp.protocol.machine import Role, ask, observe
from dapp.protocol.view import Enrolment, RoundView
from dapp.protocol.work import Examination, Examine, UpdateMade, judged_sum
from dapp.types import Address


class LocalTraining(Protocol):
    """What a device trains on: makes the job of a round, which trains, encrypts and proves."""

    def job(self, round_: RoundView, enrolment: Enrolment, gradient: BlobRef | None) -> Job:
        """A job whose value is :class:`UpdateMade` and whose one blob is the update."""


@dataclass(frozen=True, slots=True)
class DeviceState(Role):
    """``model`` and ``gradient`` are what the device took up, last from round ``taken_up``; ``made``, by round, what it
    trained; ``refused``, by round, why it did not take a result up."""

    me: Address = Address(b"")
    training: LocalTraining | None = None
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
        case Done(("adopt", int(number)), Examination() as examination):
            return _judged(state, number, examination), ()
        case Failed(duty, reason):
            return _failed(state, duty, reason)
        case Tick(now):
            return ask(state, _due(state, now))
    return state, ()


def _due(state: DeviceState, now: int) -> Iterator[Effect]:
    view, me = state.view, state.view.enrolments.get(state.me)
    if view.terms is None or me is None or state.training is None:
        return
    for round_ in view.rounds[-2:]:
        if me.index < round_.enrolled and round_.outcome in (Outcome.ACCEPTED, Outcome.CONVERGED):
            yield Work(("adopt", round_.number), _examine(state, round_))
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


def _examine(state: DeviceState, round_: RoundView) -> Examine:
    winner, opening = round_.winner, round_.right_opening
    assert winner is not None, "an accepted round has a winner"
    assert opening is not None, "an accepted round has a right opening"
    return Examine(state.facts, judged_sum(state.view, round_), (winner,), (opening,))


def _judged(state: DeviceState, number: int, examination: Examination) -> DeviceState:
    """Takes the result up if product, opening and mean are right; else keeps the old weights."""
    if number <= state.taken_up:
        return state
    round_ = state.view.rounds[number]
    if not (examination.valid and examination.right):
        return replace(state, refused={**state.refused, number: "; ".join(examination.reasons)})
    if round_.kind == RoundKind.GRADIENT:
        return replace(state, gradient=round_.result, taken_up=number)
    return replace(state, model=round_.result, gradient=None, taken_up=number)


def _failed(state: DeviceState, duty: Duty, reason: str) -> tuple[DeviceState, tuple[Effect, ...]]:
    if duty[0] == "adopt":
        state = replace(state, refused={**state.refused, int(duty[1]): reason})
    return ask(state, (Notice(("failed", *duty), f"{duty[0]} in round {duty[1]}: {reason}"),))
