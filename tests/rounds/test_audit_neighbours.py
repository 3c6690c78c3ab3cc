"""Several tasks share a deployment: each is audited among the others, and no lie hides behind another's deeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgery import FORGER, calls, change, copied, flipped, logs, rewritten
from neighbours import Neighbours
from stage import Stage

from dapp import audit
from dapp.chain.facts import export_events, import_events
from dapp.errors import AuditError, SettingsError
from dapp.protocol import events as ev
from dapp.protocol.enums import Outcome
from dapp.protocol.view import View
from dapp.simulation.faults import Scenario

Line = dict[str, Any]
STRANGER = f"0x{FORGER.address.hex()}"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Neighbours:
    """Two tasks, round by round at the same time; in the first, an edge lies and a verifier falls silent."""
    folder = tmp_path_factory.mktemp("street")
    changes = ("edges=2", "rounds=2", "devices=5", "cohort.min_devices=3")
    return Neighbours.play(folder, *changes, scenario=Scenario(drop=1, cheat="edge"))


@pytest.fixture
def run(street: Neighbours, tmp_path: Path) -> Path:
    return copied(street.folder, tmp_path / "run")


def verify(folder: Path, task: str | None) -> audit.Audit:
    return audit.verify(folder, lambda *_: None, task=task, min_key_bits=512)


def of_task(lines: list[Line], event: str, task: str) -> list[Line]:
    """The logs of an event that name a task."""
    return [line for line in logs(lines, event) if task in line["topics"]]


def test_rounds_of_both_tasks_lie_between_one_another(street: Neighbours) -> None:
    opened = [
        (event.task_id, event.round)
        for event in import_events(street.folder / "events.jsonl").events()
        if isinstance(event, ev.RoundOpened)
    ]
    first, second = (view.task_id for view in street.views)
    assert sorted(opened) != opened or len({task for task, _ in opened[:2]}) == 2
    assert {first, second} == {task for task, _ in opened}
    assert street.views[0].members == street.views[1].members


def test_each_task_is_audited_among_the_other_ones_transactions(street: Neighbours) -> None:
    one, other = (verify(street.folder, task) for task in street.tasks)
    assert one.ended
    assert other.ended
    assert one.others > 50
    assert other.others > 50
    assert (one.unfollowed, other.unfollowed) == (0, 0)
    assert any("is invalid" in finding for finding in one.findings)
    assert not any("is invalid" in finding for finding in other.findings)


def test_an_inspection_is_of_one_task(street: Neighbours) -> None:
    told = audit.inspect(street.folder, task=street.tasks[1])
    assert [r.outcome for r in told.rounds] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert [c.verdict for r in told.rounds for c in r.candidates] == ["valid"] * 4
    assert told.credits == {}


def test_which_task_is_meant_must_be_said(street: Neighbours) -> None:
    with pytest.raises(SettingsError, match=r"2 tasks share these contracts: 0x\w+…, 0x\w+…"):
        verify(street.folder, None)
    with pytest.raises(SettingsError, match=r"no task begins with 0xnone"):
        verify(street.folder, "0xnone")
    with pytest.raises(SettingsError, match=r"several tasks begin with 0x"):
        verify(street.folder, "0x")


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("TaskCreated", {"termsDigest": flipped}),
    ("RoundOpened", {"parent": flipped}),
    ("UpdateCommitted", {"root": flipped}),
    ("SetIncluded", {"totalWeight": lambda weight: weight + 1}),
    ("AggregateSealed", {"seal": flipped}),
    ("SharePosted", {"digest": flipped}),
    ("RoundClosed", {"result": flipped}),
    ("DevicePaid", {"amount": lambda amount: amount + 1}),
    ("TaskEnded", {"refund": lambda amount: amount + 1}),
]


@pytest.mark.parametrize(("event", "fields"), CHANGES)
def test_a_changed_event_is_found_by_the_auditor_of_its_task(
    street: Neighbours, run: Path, event: str, fields: dict[str, Any]
) -> None:
    for task in street.tasks:
        (run / "events.jsonl").write_bytes((street.folder / "events.jsonl").read_bytes())
        with rewritten(run) as lines:
            change(of_task(lines, event, task)[0], **fields)
        with pytest.raises(AuditError, match=f"event {event}"):
            verify(run, task)


@pytest.mark.parametrize(
    "event", ["UpdateCommitted", "SetIncluded", "AggregateOpened", "OpeningPosted", "RoundClosed", "DevicePaid"]
)
def test_what_another_task_is_told_to_be_is_not_judged(street: Neighbours, run: Path, event: str) -> None:
    one, other = street.tasks
    with rewritten(run) as lines:
        for log in of_task(lines, event, other):
            lines.remove(log)
    verify(run, one)
    with pytest.raises(AuditError, match=rf"{event}.* which is missing|instead"):
        verify(run, other)


def told_also(lines: list[Line], log: Line, call: Line) -> None:
    """Tells a log once more, as the last of another transaction."""
    place = max(i for i, line in enumerate(lines) if line.get("tx_hash") == call["hash"])
    last = lines[place]
    for later in lines[place + 1 :]:
        if later["kind"] == "log" and later["block"] == last["block"]:
            later["log_index"] += 1
    where = {key: last[key] for key in ("block", "timestamp", "tx_hash", "sender", "gas_used")}
    lines.insert(place + 1, log | where | {"log_index": last["log_index"] + 1})


def call_of(lines: list[Line], function: str, event: str, task: str) -> Line:
    """A transaction about a task."""
    hashes = {log["tx_hash"] for log in of_task(lines, event, task)}
    return next(call for call in calls(lines, function) if call["hash"] in hashes)


@pytest.mark.parametrize("event", ["UpdateCommitted", "SharePosted", "RoundOpened", "RoundClosed", "TaskEnded"])
def test_no_event_of_a_task_hides_in_a_transaction_of_another(street: Neighbours, run: Path, event: str) -> None:
    one, other = street.tasks
    with rewritten(run) as lines:
        closing = call_of(lines, "Learning.closeRound", "RoundClosed", other)
        told_also(lines, of_task(lines, event, one)[0], closing)
    with pytest.raises(AuditError, match=rf"a call about another task caused the event {event} of this one"):
        verify(run, one)


POTS: dict[str, Callable[[View], bytes]] = {
    "the task's": lambda view: view.task_id,
    "a round's": lambda view: view.rounds[0].key,
}


@pytest.mark.parametrize("pot", POTS)
def test_no_money_of_a_task_goes_out_by_a_transaction_of_another(street: Neighbours, run: Path, pot: str) -> None:
    one, other = street.tasks
    with rewritten(run) as lines:
        closing = call_of(lines, "Learning.closeRound", "RoundClosed", other)
        paid = next(log for log in logs(lines, "Paid") if log["tx_hash"] == closing["hash"])
        change(paid, pot=POTS[pot](street.views[0]), to=STRANGER)
    with pytest.raises(AuditError, match=r"a call about another task caused the event Paid of this one"):
        verify(run, one)


def test_another_task_takes_no_more_than_there_is(street: Neighbours, run: Path) -> None:
    one, other = street.tasks
    with rewritten(run) as lines:
        closing = call_of(lines, "Learning.closeRound", "RoundClosed", other)
        change(next(log for log in logs(lines, "Paid") if log["tx_hash"] == closing["hash"]), amount=10**24)
    with pytest.raises(AuditError, match=r"it takes 1,000,000,000,000,000,000,000,000 wei of pot"):
        verify(run, one)


def shared(lines: list[Line], street: Neighbours, event: str) -> Line:
    """A log that all tasks concern, out of a transaction of the second."""
    keys = {f"0x{round_.key.hex()}" for round_ in street.views[1].rounds}
    hashes = {log["tx_hash"] for log in lines if log["kind"] == "log" and keys & set(log["topics"])}
    return next(log for log in logs(lines, event) if log["tx_hash"] in hashes)


@pytest.mark.parametrize(
    ("event", "fields", "said"),
    [
        ("SeedRequested", {"id": lambda id: id + 1}, "was not the next one"),
        ("SeedRequested", {"seedBlock": lambda block: block + 1}, "was not the next one|seed_block is"),
        ("SeedProven", {"id": lambda id: id + 7}, "was not there to be proven"),
        ("PanelSummoned", {"caseKey": flipped}, "which nobody created"),
    ],
)
def test_what_all_tasks_share_must_fit(
    street: Neighbours, run: Path, event: str, fields: dict[str, Any], said: str
) -> None:
    with rewritten(run) as lines:
        change(shared(lines, street, event), **fields)
    with pytest.raises(AuditError, match=said):
        verify(run, street.tasks[0])


@pytest.mark.parametrize("event", ["MemberJoined", "MemberActivated", "Withdrawn"])
def test_no_call_about_a_task_changes_the_registry_or_pays_out(street: Neighbours, run: Path, event: str) -> None:
    one, other = street.tasks
    with rewritten(run) as lines:
        told_also(lines, logs(lines, event)[-1], call_of(lines, "Learning.closeRound", "RoundClosed", other))
    with pytest.raises(AuditError, match=rf"no call about a task causes the event {event}"):
        verify(run, one)


# Transactions that cannot be followed


def unread(lines: list[Line], call: Line) -> None:
    """As a transaction of another kind is told: only that it caused its logs."""
    old = call["hash"]
    for line in lines:
        if old in (line.get("hash"), line.get("tx_hash")):
            line["sender"] = f"0x{bytes(20).hex()}"
    call["raw"] = "0x"


def test_what_nobody_can_follow_of_others_is_counted(street: Neighbours, run: Path) -> None:
    one, other = street.tasks
    with rewritten(run) as lines:
        unread(lines, call_of(lines, "Learning.commitUpdates", "UpdateCommitted", other))
    found = verify(run, one)
    assert found.unfollowed == 1
    with pytest.raises(AuditError, match=r"caused the event UpdateCommitted by way of another contract"):
        verify(run, other)


def test_whoever_funds_a_task_may_do_it_in_any_way(tmp_path: Path) -> None:
    world = Stage.build(tmp_path, "edges=2").world
    world.client.send(world.people.edges[0], world.contracts.escrow.fund(world.facts.task_id, 7))
    export_events(world.client, world.contracts.deployment, tmp_path / "events.jsonl")
    with rewritten(tmp_path) as lines:
        unread(lines, calls(lines, "Escrow.fund")[-1])
    assert verify(tmp_path, None).unfollowed == 1


def test_the_registry_must_be_followed(street: Neighbours, run: Path) -> None:
    with rewritten(run) as lines:
        unread(lines, calls(lines, "Verification.join")[0])
    with pytest.raises(AuditError, match=r"caused the event MemberJoined by way of another contract"):
        verify(run, street.tasks[0])


def test_a_transaction_without_bytes_has_no_sender(street: Neighbours, run: Path) -> None:
    with rewritten(run) as lines:
        calls(lines, "Verification.join")[0]["raw"] = "0x"
    with pytest.raises(AuditError, match=r"sender of a transaction that cannot be read"):
        verify(run, street.tasks[0])
