"""The stopping test in integers against the same test in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dapp.learning.aggregate import converged


@st.composite
def openings(draw: st.DrawFn) -> tuple[list[int], int, int]:
    levels = (1 << draw(st.integers(1, 30))) - 1
    total = draw(st.integers(1, 1 << 30))
    return draw(st.lists(st.integers(0, total * levels), min_size=1, max_size=40)), total, levels


def squared_norm(sums: list[int], total: int, levels: int, clip_nano: int) -> Fraction:
    clip = Fraction(clip_nano, 10**9)
    return sum(((Fraction(2 * u, total * levels) - 1) * clip) ** 2 for u in sums) + Fraction(0)


@given(openings(), st.integers(1, 10**12), st.integers(0, 10**12))
def test_the_integer_test_decides_as_fractions_do(
    opening: tuple[list[int], int, int], clip_nano: int, epsilon_nano: int
) -> None:
    sums, total, levels = opening
    expected = squared_norm(sums, total, levels, clip_nano) <= Fraction(epsilon_nano, 10**9) ** 2
    assert converged(np.array(sums), total, levels, clip_nano, epsilon_nano) == expected


@given(openings())
def test_the_integer_test_is_sharp_at_the_norm_itself(opening: tuple[list[int], int, int]) -> None:
    sums, total, levels = opening
    sums = sums[:1]  # one weight: the norm is rational, so that an ε can meet it
    span = total * levels
    norm = abs(2 * sums[0] - span)
    assert converged(np.array(sums), total, levels, span, norm)
    assert norm == 0 or not converged(np.array(sums), total, levels, span, norm - 1)


def test_a_whole_model_at_the_ends_of_the_range_does_not_overflow() -> None:
    span = (1 << 62) - 1
    sums = np.where(np.arange(252_398) % 2, span, 0)
    assert squared_norm([span], span, 1, 10**9) == 1
    assert not converged(sums, span, 1, 10**9, 502_392_277_000)  # √252,398 = 502.39227…
    assert converged(sums, span, 1, 10**9, 502_392_278_000)
