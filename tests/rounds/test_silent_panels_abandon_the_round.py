"""No panel decides: the attempts grow until nobody is left to draw, the round is Abandoned, and whoever worked for an
opened sum is paid all the same."""

from __future__ import annotations

import pytest
from stage import Stage, bonds_pot

from dapp.protocol.enums import Outcome, Status


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage.build(tmp_path_factory.mktemp("abandoned"), "verifiers=8", "panel.seats=3")
    return stage.silence("verifier", range(8), lambda view, _: bool(view.rounds)).play()


def test_the_panels_grow_and_the_last_one_abandons(stage: Stage) -> None:
    (round_,) = stage.rounds
    assert stage.outcomes == [Outcome.ABANDONED]
    assert [panel.size for panel in round_.panels] == [3, 7, 8]
    assert [panel.settled for panel in round_.panels] == [Status.UNDECIDED, Status.UNDECIDED, Status.ABANDONED]


def test_the_model_is_unchanged(stage: Stage) -> None:
    assert stage.chain_task.model == stage.world.facts.terms.learning.model_digest


def test_devices_and_holders_are_paid_and_edges_are_not(stage: Stage) -> None:
    paid = [payment.reason for payment in stage.reports[0].payments]
    assert paid.count("device") == 4
    assert paid.count("holder") == len(stage.reports[0].openings[0].used) == 3
    assert {"edge", "opener", "voter"}.isdisjoint(paid)


def test_bonds_come_back_and_every_silent_seat_is_slashed(stage: Stage) -> None:
    (report,) = stage.reports
    assert stage.world.contracts.escrow.pot_of(bonds_pot(stage.rounds[0])) == 0
    assert len(report.slashed) == 3 + 7 + 8
    assert all(entry.name.startswith("verifier") for entry in report.slashed)


def test_the_round_lasted_no_longer_than_its_windows(stage: Stage) -> None:
    (round_,) = stage.rounds
    assert round_.closed_at - round_.opened_at <= stage.longest_round
