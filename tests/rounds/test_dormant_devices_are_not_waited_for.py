"""A device that missed three rounds is no longer waited for; when it comes back, it is one of them again."""

from __future__ import annotations

import pytest
from stage import Stage

from dapp.protocol.enums import Outcome


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    changes = ("rounds=6", "verifiers=1", "panel.seats=1")
    stage = Stage.build(tmp_path_factory.mktemp("dormant"), *changes)
    return stage.silence("device", (3,), lambda view, _: 1 <= len(view.rounds) <= 4).play()


def test_every_round_is_accepted_without_it(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.ACCEPTED] * 6
    assert [round_.committed for round_ in stage.rounds[:4]] == [0b0111] * 4


def test_three_rounds_wait_for_it_and_the_fourth_does_not(stage: Stage) -> None:
    terms = stage.world.facts.terms
    assert [round_.expected for round_ in stage.rounds[:4]] == [0b1111, 0b1111, 0b1111, 0b0111]
    waited = [round_.deadlines(terms).commit_end - round_.opened_at for round_ in stage.rounds[:4]]
    assert waited[:3] == [terms.windows.commit] * 3
    assert waited[3] == terms.windows.commit // 2, "which leaves it half of the window to come back"


def test_it_may_come_back_and_is_waited_for_again(stage: Stage) -> None:
    assert stage.rounds[4].expected == 0b0111
    assert stage.rounds[4].committed == stage.rounds[4].included == 0b1111
    assert stage.rounds[5].expected == 0b1111
