from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto.leverage import allowed, leverages

sets = st.lists(st.frozensets(st.integers(0, 9), min_size=1), min_size=1, max_size=8)


@settings(deadline=None)
@given(sets)
def test_leverages_are_those_of_the_pseudo_inverse(opened: list[frozenset[int]]) -> None:
    matrix = np.array([[float(k in s) for k in range(10)] for s in opened])
    projector = np.linalg.pinv(matrix) @ matrix
    for k, h in leverages(opened).items():
        assert abs(float(h) - projector[k, k]) < 1e-9


@settings(deadline=None)
@given(sets)
def test_leverages_sum_to_the_rank(opened: list[frozenset[int]]) -> None:
    matrix = np.array([[float(k in s) for k in range(10)] for s in opened])
    assert sum(leverages(opened).values()) == np.linalg.matrix_rank(matrix)


@settings(deadline=None)
@given(sets)
def test_order_and_repetition_do_not_matter(opened: list[frozenset[int]]) -> None:
    assert leverages([*opened[::-1], *opened]) == leverages(opened)


@settings(deadline=None)
@given(sets, st.integers(2, 4))
def test_what_is_allowed_one_by_one_never_isolates_a_device(asked: list[frozenset[int]], min_devices: int) -> None:
    opened: list[frozenset[int]] = []
    for one in asked:
        if allowed(opened, one, min_devices):
            opened.append(one)
            assert allowed(opened, one, min_devices)
    assert all(h * min_devices <= 1 for h in leverages(opened).values())
