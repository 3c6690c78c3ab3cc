"""An edge seals and opens a wrong sum, and somebody watches: it is proven wrong on chain before anybody votes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forgery import calls, flipped, resign, rewritten
from stage import Stage, bonds_pot

from dapp.audit.replay import replay
from dapp.chain.facts import export_events, import_events
from dapp.crypto import fraud
from dapp.errors import AuditError
from dapp.protocol import events as ev
from dapp.protocol.enums import CandidateState, Outcome
from dapp.simulation.faults import Scenario

SCENARIO = Scenario(cheat="edge", watch=True)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("struck-out"), "edges=2", scenario=SCENARIO).play()


def test_it_is_struck_out_before_any_vote_and_the_honest_sum_closes_the_round(stage: Stage) -> None:
    (report,) = stage.reports
    assert {c.edge: c.status for c in report.candidates} == {"edge 0": "struck out", "edge 1": "valid"}
    assert stage.outcomes == [Outcome.ACCEPTED]
    contracts = stage.world.contracts
    events = contracts.events(contracts.deployment.block, stage.world.client.head().number)
    (struck,) = [event for event in events if isinstance(event, ev.CandidateStruckOut)]
    (panel,) = stage.rounds[0].panels
    assert struck.timestamp <= panel.summoned_at
    assert all(not vote.ballot.valid >> struck.slot & 1 for vote in panel.votes.values() if vote.ballot)


def test_half_of_its_bond_is_the_watchers_and_half_is_burnt(stage: Stage) -> None:
    (report,) = stage.reports
    bond = stage.world.facts.terms.money.edge_bond
    assert [(lost.name, lost.wei) for lost in report.slashed] == [("edge 0", bond)]
    assert [(p.to, p.wei) for p in report.payments if p.reason == "proof"] == [("watcher 0", bond // 2)]
    assert stage.world.contracts.escrow.pot_of(bonds_pot(stage.rounds[0])) == 0


def test_the_contract_and_the_view_agree_on_it(stage: Stage) -> None:
    (round_,) = stage.rounds
    slot = next(c.slot for c in round_.candidates.values() if c.state == CandidateState.STRUCK)
    kept = stage.world.contracts.mining.candidate_of(round_.task_id, round_.number, slot)
    assert kept.state == CandidateState.STRUCK
    assert not stage.world.contracts.mining.progress_of(round_.task_id, round_.number).candidates >> slot & 1


def test_an_auditor_believes_no_strike_without_its_proof(stage: Stage, tmp_path: Path) -> None:
    """Of the proof in the transaction every part is checked again, with the law in Python."""

    def another_number(args: list[Any]) -> None:
        args[3][0] = flipped(args[3][0])

    def a_device_less(args: list[Any]) -> None:
        args[5].pop()

    def another_key(args: list[Any]) -> None:
        args[0][3] = flipped(args[0][3])

    def as_if_right(args: list[Any]) -> None:
        args[2] = next(c.slot for c in stage.rounds[0].opened_candidates)

    for change, reason in (
        (another_number, "is not under the root of candidate"),
        (a_device_less, "it leaves included devices out"),
        (another_key, "it brings another key than the terms name"),
        (as_if_right, "is not under the root of candidate"),
    ):
        export_events(stage.world.client, stage.world.contracts.deployment, tmp_path / "events.jsonl")
        with rewritten(tmp_path) as lines:
            (call,) = calls(lines, "PaillierSum.strikeOut")
            resign(lines, call, "PaillierSum.strikeOut", change)
        with pytest.raises(AuditError, match=reason):
            replay(import_events(tmp_path / "events.jsonl"))


def test_a_proof_that_is_too_dear_for_one_transaction_takes_several(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fraud, "MOST_GAS", 1)  # one device a transaction
    stage = Stage.build(tmp_path_factory.mktemp("split"), "edges=2", scenario=SCENARIO).play()
    contracts = stage.world.contracts
    events = contracts.events(contracts.deployment.block, stage.world.client.head().number)
    steps = [event.remaining.bit_count() for event in events if isinstance(event, ev.ProductAdvanced)]
    assert steps == [3, 2, 1]
    assert any(isinstance(event, ev.CandidateStruckOut) for event in events)
    assert stage.faults("watcher 0") == [fault for fault in stage.faults("watcher 0") if "can prove" in fault]


def test_where_nobody_lies_the_watcher_has_nothing_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    stage = Stage.build(tmp_path_factory.mktemp("watched"), "edges=2", scenario=Scenario(watch=True)).play()
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert stage.faults("watcher 0") == []
    assert {c.status for c in stage.reports[0].candidates} == {"valid"}


def test_a_lone_liar_costs_the_round_and_nobody_waits_for_a_panel(tmp_path_factory: pytest.TempPathFactory) -> None:
    stage = Stage.build(tmp_path_factory.mktemp("alone"), "rounds=2", scenario=SCENARIO).play()
    assert stage.outcomes == [Outcome.NOT_OPENED, Outcome.NOT_OPENED]
    assert not any(round_.panels or round_.shares for round_ in stage.rounds)
    assert stage.view.model == stage.rounds[0].base
