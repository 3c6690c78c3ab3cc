"""The global model moved by no more than ε: the round closes as Converged, and the task is over."""

from __future__ import annotations

import numpy as np
import pytest
from stage import Stage

from dapp.learning.vectors import weights_of
from dapp.protocol.enums import Outcome

WEIGHTING = ("edge", "device")


@pytest.fixture(scope="module", params=WEIGHTING)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    changes = ("rounds=5", "epsilon=100", f"weighting={request.param}", "weight_cap=64")
    return Stage.build(tmp_path_factory.mktemp("converged"), *changes).play()


def test_the_task_ends_in_the_round_that_converged(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.CONVERGED]
    assert stage.world.facts.terms.learning.max_rounds == 5
    assert stage.chain_task.ended


def test_the_model_that_converged_is_kept(stage: Stage) -> None:
    (round_,) = stage.rounds
    moved = np.linalg.norm(weights_of(stage.blob(round_.result)) - weights_of(stage.world.first_model))
    assert 0 < moved <= 100
    assert stage.chain_task.model == round_.result.digest


def test_what_the_other_rounds_would_have_cost_goes_back_to_the_requester(stage: Stage) -> None:
    budget = stage.rounds[0].budget
    requester = stage.world.people.requester.address
    assert stage.world.contracts.escrow.pot_of(stage.view.task_id) == 0
    assert stage.world.client.balance(requester) > 1000 * 10**18 - 2 * budget


def test_a_smaller_epsilon_goes_on(tmp_path: object) -> None:
    stage = Stage.build(tmp_path / "on", "rounds=2", "epsilon=0.0001").play()  # type: ignore[operator]
    assert stage.outcomes == [Outcome.ACCEPTED] * 2
