"""The plain flow: everybody is there and honest."""

from __future__ import annotations

import pytest
from stage import Stage, bonds_pot, stakes_pot

from dapp.learning.vectors import weights_of
from dapp.protocol.enums import Outcome, RoundKind
from dapp.simulation.world import GWEI


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("accepted"), "rounds=2", "edges=2").play()


def test_every_round_is_accepted_with_every_device_in_its_sum(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.ACCEPTED] * 2
    assert [round_.included for round_ in stage.rounds] == [0b1111] * 2
    assert [round_.total_weight for round_ in stage.rounds] == [6 + 12 + 18 + 24] * 2
    assert {round_.kind for round_ in stage.rounds} == {RoundKind.UPDATE}


def test_every_round_builds_on_the_model_and_the_header_of_the_one_before(stage: Stage) -> None:
    first, second = stage.rounds
    assert second.base == first.result
    assert stage.view.model == second.result
    assert stage.chain_task.head == second.header
    assert stage.chain_task.model == second.result.digest


def test_every_device_took_up_the_last_model_after_its_own_check(stage: Stage) -> None:
    assert {node.state.model for node in stage.world.nodes_of("device")} == {stage.view.model}
    assert all(not node.state.refused for node in stage.world.nodes_of("device"))


def test_the_model_has_moved_and_is_a_model(stage: Stage) -> None:
    first, last = weights_of(stage.world.first_model), weights_of(stage.blob(stage.view.model))
    assert first.shape == last.shape
    assert (first != last).mean() > 0.9


def test_the_loss_that_came_out_of_the_sum_falls(stage: Stage) -> None:
    losses = [report.base_loss for report in stage.reports]
    assert losses[1] < losses[0]


def test_both_edges_formed_the_same_sum_and_the_first_sealed_is_paid(stage: Stage) -> None:
    for round_, report in zip(stage.rounds, stage.reports, strict=True):
        assert [candidate.status for candidate in report.candidates] == ["valid", "valid"]
        assert len({candidate.digest for candidate in report.candidates}) == 1
        winner = min(round_.candidates.values(), key=lambda candidate: candidate.seq)
        assert ("edge", winner.edge) in round_.paid


def test_devices_are_paid_by_weight(stage: Stage) -> None:
    pot = stage.world.facts.terms.money.device_pot
    for report in stage.reports:
        paid = {payment.to: payment.wei for payment in report.payments if payment.reason == "device"}
        assert paid == {f"device {k}": pot * 6 * (k + 1) // 60 for k in range(4)}


def test_nobody_is_owed_anything_and_only_stakes_remain(stage: Stage) -> None:
    assert stage.chain_task.ended
    pots = [round_.key for round_ in stage.rounds] + [bonds_pot(round_) for round_ in stage.rounds]
    escrow = stage.world.contracts.escrow
    assert [escrow.pot_of(pot) for pot in (*pots, stage.view.task_id)] == [0] * 5
    assert escrow.total_credit() == 0
    assert escrow.total_pots() == escrow.pot_of(stakes_pot(stage)) == 4 * stage.stake
    assert stage.world.client.balance(escrow.address) == escrow.total_pots()


def test_devices_sent_no_transaction_and_yet_have_their_pay(stage: Stage) -> None:
    for device in stage.world.people.devices:
        assert stage.world.client.node.nonce(device.address) == 0
        assert stage.world.client.balance(device.address) > 0


def test_the_budget_of_a_round_is_what_the_contract_reckons(stage: Stage) -> None:
    assert stage.world.contracts.learning.round_budget(stage.view.task_id) == stage.world.facts.terms.round_budget
    assert stage.world.settings.round_budget * GWEI == stage.world.facts.terms.round_budget
    assert {round_.budget for round_ in stage.rounds} == {stage.world.facts.terms.round_budget}


def test_nothing_went_wrong_on_the_way(stage: Stage) -> None:
    assert stage.observer.faults == []
