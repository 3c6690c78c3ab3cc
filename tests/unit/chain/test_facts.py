"""A run's chain facts leave the chain and come back as they were; what was changed on the way is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dapp.chain.facts import export_events, import_events
from dapp.errors import AuditError, BlobError

from .world import World

Line = dict[str, Any]


@pytest.fixture
def exported(world: World, tmp_path: Path) -> Path:
    task_id = world.create_task()
    for device in world.accounts[3:6]:
        world.enrol(task_id, device)
    world.client.send(world.accounts[3], world.contracts.learning.open_round(task_id))
    path = tmp_path / "events.jsonl"
    assert export_events(world.client, world.contracts.deployment, path) == len(
        world.contracts.events(0, world.chain.head().number)
    )
    return path


def test_events_come_back_as_the_chain_gave_them(world: World, exported: Path) -> None:
    facts = import_events(exported)
    assert list(facts.events()) == world.contracts.events(0, world.chain.head().number)
    assert facts.deployment == world.contracts.deployment
    assert facts.to_block == world.chain.head().number


def test_transactions_come_back_with_sender_calldata_and_gas(world: World, exported: Path) -> None:
    enrolments = [facts for facts in import_events(exported).transactions if facts.sender == world.accounts[4].address]
    (enrolment,) = enrolments
    function, arguments = world.contracts.decode_call(enrolment.to, enrolment.data)
    assert function == "Learning.enrol"
    assert arguments["weight"] == 5
    assert enrolment.gas_used == world.client.gas_used["Learning.enrol"][1]


def test_the_header_of_every_block_with_an_event_is_there(world: World, exported: Path) -> None:
    facts = import_events(exported)
    for event in facts.events():
        header = facts.headers[event.block]
        assert header.hash == world.chain.block(event.block).hash
        assert header.timestamp == event.timestamp


def first(lines: list[Line], kind: str) -> Line:
    return next(line for line in lines if line["kind"] == kind)


def change_sender(lines: list[Line]) -> None:
    first(lines, "transaction")["sender"] = "0x" + "11" * 20


def change_calldata(lines: list[Line]) -> None:
    line = first(lines, "transaction")
    assert "6d" * 32 in line["raw"], "the first model's digest"
    line["raw"] = line["raw"].replace("6d" * 32, "6e" * 32)


def change_time(lines: list[Line]) -> None:
    first(lines, "log")["timestamp"] += 1


def change_both_times(lines: list[Line]) -> None:
    line = first(lines, "transaction")
    for other in lines:
        if other["kind"] in ("transaction", "log") and other["block"] == line["block"] and other is not line:
            other["timestamp"] += 1
    line["timestamp"] += 1


def change_contract(lines: list[Line]) -> None:
    first(lines, "log")["address"] = "0x" + "22" * 20


def change_header_number(lines: list[Line]) -> None:
    first(lines, "header")["number"] += 1


def cut_the_headers(lines: list[Line]) -> None:
    lines[:] = [line for line in lines if line["kind"] != "header"]


def move_a_log(lines: list[Line]) -> None:
    logs = [index for index, line in enumerate(lines) if line["kind"] == "log"]
    lines.insert(logs[-1], lines.pop(logs[0]))


@pytest.mark.parametrize(
    "tamper",
    [
        change_sender,
        change_calldata,
        change_time,
        change_both_times,
        change_contract,
        change_header_number,
        cut_the_headers,
        move_a_log,
    ],
)
def test_a_changed_line_is_found(exported: Path, tamper: Callable[[list[Line]], None]) -> None:
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    tamper(lines)
    exported.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(AuditError, match=r"events\.jsonl"):
        import_events(exported)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"kind": "chain", "format": 99}', "[]\n", '{"kind": "log"}'])
def test_another_file_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(BlobError, match="line 1"):
        import_events(path)


def test_a_line_that_is_cut_short_is_named(exported: Path) -> None:
    text = exported.read_text()
    exported.write_text(text[: len(text) // 2])
    with pytest.raises(BlobError, match=rf"line {text[: len(text) // 2].count(chr(10)) + 1}"):
        import_events(exported)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlobError, match="cannot be read"):
        import_events(tmp_path / "nothing.jsonl")
