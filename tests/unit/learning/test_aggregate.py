from __future__ import annotations

from math import nan

import numpy as np
import pytest

from dapp.errors import LearningError
from dapp.learning.aggregate import apply_update, best_epoch, converged, weighted_mean


def test_the_mean_is_weighted_by_samples() -> None:
    mean = weighted_mean([np.array([1.0, 0.0]), np.array([4.0, 3.0])], [2, 1])
    assert mean.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("weights", [[], [1], [1, 0]])
def test_a_mean_needs_a_positive_weight_for_each_update(weights: list[int]) -> None:
    with pytest.raises(LearningError, match="2 updates need"):
        weighted_mean([np.zeros(1), np.zeros(1)], weights)


def test_the_update_is_added_in_double_precision_and_rounded_once() -> None:
    # 1 + 2⁻²⁴ is halfway between 1 and the next float32: to even, down; with 2⁻⁵² more, up.
    w = np.ones(2, np.float32)
    new = apply_update(w, np.array([2.0**-24, 2.0**-24 + 2.0**-52]))
    assert new.dtype == np.float32
    assert new.tolist() == [1.0, 1.0 + 2.0**-23]


def test_an_update_of_another_shape_is_refused() -> None:
    with pytest.raises(LearningError, match="does not go with"):
        apply_update(np.ones(2, np.float32), np.zeros(1))


def test_a_task_has_converged_at_equality_and_not_beyond() -> None:
    # One weight, B = 1, L = 4, S = 1: U = 3 stands for 1/2.
    assert converged(np.array([3]), 1, 4, 10**9, 5 * 10**8)
    assert not converged(np.array([3]), 1, 4, 10**9, 5 * 10**8 - 1)


def test_sums_outside_their_range_do_not_converge_but_fail() -> None:
    for sums in ([-1], [5]):
        with pytest.raises(LearningError, match="overflowed"):
            converged(np.array(sums), 1, 4, 1, 1)
    for total in (0, 1 << 62):
        with pytest.raises(LearningError, match="must be in"):
            converged(np.array([1]), total, 4, 1, 1)


def test_the_best_model_is_the_earliest_of_least_loss() -> None:
    assert best_epoch([2.0, 0.5, nan, 0.5, 0.7]) == 1


@pytest.mark.parametrize("losses", [[], [nan]])
def test_there_is_no_best_model_without_a_loss(losses: list[float]) -> None:
    with pytest.raises(LearningError, match="no best model"):
        best_epoch(losses)
