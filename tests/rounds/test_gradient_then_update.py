"""Eq. 3 takes two encrypted exchanges an epoch: the gradient at the global model, then the update. An accepted gradient
is never repeated on its base, even where the update round that was to use it fails."""

from __future__ import annotations

import pytest
from stage import Stage, since

from dapp.protocol.enums import Outcome, Phase, RoundKind

GRADIENT, UPDATE = RoundKind.GRADIENT, RoundKind.UPDATE


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage.build(tmp_path_factory.mktemp("gradient"), "strategy=blockdeepnet", "rounds=2", "clip=4")
    return stage.silence("holder", range(4), since(Phase.SHARE, 1)).play()


def test_two_exchanges_an_epoch(stage: Stage) -> None:
    assert stage.world.facts.terms.learning.max_rounds == 2 * stage.world.settings.learning.rounds
    assert stage.rounds[0].kind == GRADIENT
    assert [round_.kind for round_ in stage.rounds[2:]] == [UPDATE, GRADIENT]


def test_after_a_failed_update_the_update_is_repeated_and_the_gradient_is_not(stage: Stage) -> None:
    assert [(round_.kind, round_.outcome) for round_ in stage.rounds] == [
        (GRADIENT, Outcome.ACCEPTED),
        (UPDATE, Outcome.NOT_OPENED),
        (UPDATE, Outcome.ACCEPTED),
        (GRADIENT, Outcome.ACCEPTED),
    ]
    assert len({round_.base for round_ in stage.rounds[:3]}) == 1


def test_no_base_has_two_accepted_gradients(stage: Stage) -> None:
    bases = [round_.base for round_ in stage.rounds if (round_.kind, round_.outcome) == (GRADIENT, Outcome.ACCEPTED)]
    assert len(bases) == len(set(bases)) == 2


def test_an_accepted_update_clears_the_gradient_and_an_accepted_gradient_moves_no_model(stage: Stage) -> None:
    update, gradient = stage.rounds[2:]
    assert gradient.base == update.result
    assert stage.chain_task.model == update.result.digest
    assert stage.chain_task.gradient == gradient.result.digest
    assert stage.view.gradient == gradient.result


def test_both_kinds_are_paid_alike(stage: Stage) -> None:
    for report in (stage.reports[0], stage.reports[2]):
        assert [payment.reason for payment in report.payments].count("device") == 4
