"""The tasks of a deployment as the chain's events tell them: found, and said for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from dapp.chain.contracts import Contracts
from dapp.chain.keys import checksummed
from dapp.crypto.cid import cid_v1
from dapp.errors import SettingsError
from dapp.protocol.enums import Outcome, Phase
from dapp.protocol.events import Event, TaskCreated
from dapp.protocol.terms import Terms
from dapp.protocol.view import RoundView, View, apply, bits
from dapp.report.summary import ether
from dapp.types import TaskId


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device of the cohort."""

    index: int
    address: str
    weight: int


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """A round. ``ends``: chain time at which its phase ends at the latest, 0 where that is not known; ``committed``,
    ``missing`` and ``included`` are enrolment indices."""

    number: int
    kind: str
    phase: str
    ends: int
    outcome: str
    committed: tuple[int, ...]
    missing: tuple[int, ...]
    included: tuple[int, ...]
    candidates: int
    shares: int
    openings: int
    panels: int


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task. Times in seconds of the chain, ``pot`` in wei."""

    task: str
    requester: str
    created: int
    now: int
    ended: bool
    pot: int
    model: str
    max_rounds: int
    devices: tuple[DeviceFacts, ...]
    rounds: tuple[RoundFacts, ...]
    terms: dict[str, Any]

    @property
    def state(self) -> str:
        """Where it is, in a few words."""
        done = sum(round_.outcome != "open" for round_ in self.rounds)
        if self.ended:
            return f"ended after {_count(done, 'round')}"
        if self.rounds and self.rounds[-1].outcome == "open":
            return f"round {self.rounds[-1].number} of {self.max_rounds}: {self.rounds[-1].phase}"
        return f"waits for round {done} of {self.max_rounds}"

    def to_json(self) -> str:
        """As JSON: bytes in 0x-prefixed hex."""
        return json.dumps(asdict(self), indent=2, default=_hex)

    def lines(self) -> Iterator[str]:
        """For people."""
        terms = self.terms
        yield f"task       {self.task}"
        yield f"requester  {self.requester}, {_moment(self.created)}"
        yield f"state      {self.state}; {ether(self.pot)} in the pot"
        yield f"model      {self.model}"
        key, cohort = terms["key"], terms["cohort"]
        yield f"key        {key['bits']} bits, {key['threshold']} of {key['holders']} holders open a sum"
        least, most = cohort["min_devices"], cohort["max_devices"]
        yield f"cohort     {_count(len(self.devices), 'device')} of {least} to {most}"
        for device in self.devices:
            yield f"           {device.index:>3}  {device.address}  weight {device.weight}"
        windows = ", ".join(f"{name} {seconds}" for name, seconds in terms["windows"].items())
        yield f"windows    {windows} (seconds)"
        for round_ in self.rounds:
            yield from self._round(round_)

    def _round(self, round_: RoundFacts) -> Iterator[str]:
        yield ""
        state = round_.phase
        if round_.outcome != "open":
            state = f"closed: {round_.outcome}"
        elif round_.ends > self.now:
            state += f", at most {round_.ends - self.now} s more"
        yield f"round {round_.number:<4} {round_.kind}; {state}"
        told = f"committed {_indices(round_.committed)}"
        if round_.missing:
            told += f"; not {_indices(round_.missing)}"
        yield f"           {told}"
        counts = (
            f"included {_indices(round_.included)}" if round_.included else "",
            _count(round_.candidates, "candidate") if round_.candidates else "",
            _count(round_.shares, "share") if round_.shares else "",
            _count(round_.openings, "opening") if round_.openings else "",
            _count(round_.panels, "panel") if round_.panels else "",
        )
        if any(counts):
            yield f"           {'; '.join(filter(None, counts))}"


def all_tasks(contracts: Contracts, to_block: int) -> dict[TaskId, tuple[TaskCreated, View]]:
    """Every task of a deployment up to a block, oldest first."""
    return fold(contracts.events(contracts.deployment.block, to_block))


def fold(events: Sequence[Event]) -> dict[TaskId, tuple[TaskCreated, View]]:
    """The tasks that events tell of."""
    created = [event for event in events if isinstance(event, TaskCreated)]
    views = {event.task_id: View(event.task_id) for event in created}
    for event in events:
        for task_id, view in views.items():
            views[task_id] = apply(view, event)
    return {event.task_id: (event, views[event.task_id]) for event in created}


def find(tasks: dict[TaskId, tuple[TaskCreated, View]], text: str | None) -> TaskId:
    """The task whose id begins with `text`; of several that nobody named, the only one that has not ended.

    Raises:
        SettingsError: there is none, or more than one.
    """
    if text is None:
        fitting = [task_id for task_id, (_, view) in tasks.items() if not view.ended]
        what = "task that has not ended"
    else:
        begins = text.lower().removeprefix("0x")
        fitting = [task_id for task_id in tasks if task_id.hex().startswith(begins)]
        what = f"task {text}"
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise SettingsError(f"there is no {what} here", help="`cairn task list` names the tasks of these contracts.")
    names = ", ".join(f"0x{task_id.hex()[:12]}…" for task_id in fitting[:4])
    raise SettingsError(f"there is more than one {what}: {names}", help="Name one by more of its id.")


def facts(created: TaskCreated, view: View, pot: int, now: int) -> TaskFacts:
    """What there is to say of a task at chain time ``now``."""
    assert view.terms is not None
    model = view.model
    return TaskFacts(
        task=f"0x{view.task_id.hex()}",
        requester=checksummed(view.requester),
        created=created.timestamp,
        now=now,
        ended=view.ended,
        pot=pot,
        model=cid_v1(model.digest, model.size) if model else "",
        max_rounds=view.terms.learning.max_rounds,
        devices=tuple(DeviceFacts(e.index, checksummed(e.device), e.weight) for e in view.by_index),
        rounds=tuple(_round_facts(round_, view.terms, now) for round_ in view.rounds),
        terms=asdict(view.terms),
    )


def _round_facts(round_: RoundView, terms: Terms, now: int) -> RoundFacts:
    phase, ends = round_.phase(terms, now), round_.deadlines(terms)
    end = {
        Phase.COMMIT: ends.commit_end,
        Phase.PUBLISH: ends.publish_end,
        Phase.SEAL: ends.seal_end,
        Phase.OPEN: ends.open_end,
        Phase.CHALLENGE: ends.challenge_end,
        Phase.SHARE: ends.share_end,
        Phase.OPENING: ends.opening_end,
    }
    committed = tuple(sorted(round_.commits))
    return RoundFacts(
        number=round_.number,
        kind=round_.kind.name.lower(),
        phase=phase.name.lower(),
        ends=end.get(phase, 0),
        outcome=Outcome(round_.outcome).name.lower().replace("_", " "),
        committed=committed,
        missing=tuple(index for index in range(round_.enrolled) if index not in committed),
        included=tuple(bits(round_.included or 0)),
        candidates=len(round_.candidates),
        shares=len(round_.shares),
        openings=len(round_.openings),
        panels=len(round_.panels),
    )


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _indices(indices: Sequence[int]) -> str:
    return " ".join(map(str, indices)) or "nobody"


def _moment(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
