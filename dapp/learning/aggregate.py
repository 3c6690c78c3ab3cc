"""The global update in the clear: the reference that the encrypted round is compared with, and its rounding rule."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from dapp.errors import LearningError
from dapp.learning.vectors import Vector

LIMB_BITS = 21
LIMBS = 3
BLOCK = 1 << 20
"""Squares of 21-bit limbs, a million of them, sum to less than 2⁶²: no int64 overflows."""


def weighted_mean(updates: Sequence[NDArray[np.float64]], weights: Sequence[int]) -> NDArray[np.float64]:
    """Σ s_k·x_k / Σ s_k, in float64 and in the order given: Eq. 4's mean, and Eq. 1's with its weights.

    Raises:
        LearningError: no updates, not a weight for each, or a weight that is not positive.
    """
    if not updates or len(updates) != len(weights) or min(weights) < 1:
        raise LearningError(f"{len(updates)} updates need as many positive weights, not {list(weights)}")
    total = np.zeros_like(updates[0], dtype=np.float64)
    for update, weight in zip(updates, weights, strict=True):
        total += weight * update
    return total / sum(weights)


def apply_update(w_base: Vector, mean_delta: NDArray[np.float64]) -> Vector:
    """w^(p) = w^(p−1) + the mean change (Eq. 4), added in float64 and rounded once to float32, ties to even.

    Every device, opener and verifier rounds by this rule and no other, so that all hold the same bits.

    Raises:
        LearningError: the two do not have the same shape.
    """
    if w_base.shape != mean_delta.shape:
        raise LearningError(f"a mean of shape {mean_delta.shape} does not go with weights of shape {w_base.shape}")
    return (w_base.astype(np.float64) + mean_delta).astype(np.float32)


def converged(sums: NDArray[np.integer], total: int, levels: int, clip_nano: int, epsilon_nano: int) -> bool:
    """Whether ‖w^(p) − w^(p−1)‖₂ ≤ ε, decided in integers from the opened sums.

    A slot's sum U stands for the mean B·(2U − S·L)/(S·L), so the test is B²·Σ(2U_j − S·L)² ≤ ε²·(S·L)².

    Args:
        sums: U_j = Σ_k s_k·u_k,j, for each weight, 0 ≤ U_j ≤ S·L.
        total: S = Σ s_k ≥ 1.
        levels: L = 2^q − 1.
        clip_nano: B in 10⁻⁹.
        epsilon_nano: ε in 10⁻⁹.

    Raises:
        LearningError: a sum outside its range, or S·L ≥ 2⁶².
    """
    span = total * levels
    if not 0 < span < 1 << 62:
        raise LearningError(f"total {total} times levels {levels} must be in 1…2⁶² − 1")
    if sums.min() < 0 or sums.max() > span:
        raise LearningError(f"an opened sum lies outside 0…{span}: the round overflowed")
    deviations = np.abs(2 * sums.astype(np.int64) - span)
    return clip_nano**2 * _sum_of_squares(deviations) <= (epsilon_nano * span) ** 2


def _sum_of_squares(values: NDArray[np.int64]) -> int:
    """Σ v², exact, for 0 ≤ v < 2⁶³: by dot products of 21-bit limbs."""
    total = 0
    for block in np.array_split(values, -(-len(values) // BLOCK)):
        limbs = [(block >> (LIMB_BITS * i)) & ((1 << LIMB_BITS) - 1) for i in range(LIMBS)]
        for i in range(LIMBS):
            for j in range(LIMBS):
                total += int(limbs[i] @ limbs[j]) << (LIMB_BITS * (i + j))
    return total


def best_epoch(losses: Sequence[float]) -> int:
    """The p whose w^(p) has the least global loss, the earliest of equals: w^f of Algorithm 1, line 13.

    Args:
        losses: F(w^(0)), F(w^(1)), …; NaN where a round gave none.

    Raises:
        LearningError: there is not one loss.
    """
    known = [inf if loss != loss else loss for loss in losses]
    if not known or min(known) == inf:
        raise LearningError("no round gave a global loss, so there is no best model")
    return known.index(min(known))
