"""No holder shares: the sum stays closed, its candidates are judged for their bonds, and the round is NotOpened."""

from __future__ import annotations

import pytest
from stage import CHORES, Stage, bonds_pot, paid_for, since

from dapp.protocol.enums import Outcome, Phase


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage.build(tmp_path_factory.mktemp("not-opened"), "rounds=2", "edges=2")
    return stage.silence("holder", range(4), since(Phase.SHARE, 0)).play()


def test_the_round_is_not_opened_and_the_next_is_accepted_on_the_same_model(stage: Stage) -> None:
    first, second = stage.rounds
    assert stage.outcomes == [Outcome.NOT_OPENED, Outcome.ACCEPTED]
    assert first.shares == {}
    assert first.openings == ()
    assert second.base == first.base


def test_the_candidates_were_judged_and_their_bonds_given_back(stage: Stage) -> None:
    assert [candidate.status for candidate in stage.reports[0].candidates] == ["valid", "valid"]
    assert stage.reports[0].slashed == ()
    assert stage.world.contracts.escrow.pot_of(bonds_pot(stage.rounds[0])) == 0


def test_voters_and_chores_are_paid_and_nobody_else(stage: Stage) -> None:
    assert paid_for(stage.reports[0]) == {"voter", *CHORES}


def test_what_was_not_spent_went_back_to_the_task(stage: Stage) -> None:
    assert stage.world.contracts.escrow.pot_of(stage.rounds[0].key) == 0
