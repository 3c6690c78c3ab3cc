from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from dapp.crypto.leverage import allowed, leverages

A = frozenset({1, 2, 3, 4, 5})
B = frozenset({4, 5, 6, 7, 8})


def test_in_one_sum_of_m_every_device_has_leverage_one_over_m() -> None:
    assert leverages([A]) == {k: Fraction(1, 5) for k in A}


def test_equal_sets_count_once() -> None:
    assert leverages([A, B, A, B]) == leverages([A, B])


def test_a_set_that_follows_from_the_others_adds_nothing() -> None:
    left, right = frozenset({1, 2}), frozenset({3, 4})
    assert leverages([left, right, left | right]) == leverages([left, right])
    assert leverages([left | right, left, right]) == leverages([left, right])


def test_two_sums_that_differ_by_one_device_give_it_away() -> None:
    assert leverages([A, A - {3}])[3] == 1
    assert not allowed([A], A - {3}, min_devices=3)


def test_three_sums_of_which_no_two_isolate_a_device_give_it_away_together() -> None:
    left, right, x = frozenset({1, 2, 3}), frozenset({4, 5, 6}), 1
    third = (left | right) - {x}  # left + right − third is x alone
    assert all(max(leverages(pair).values()) < 1 for pair in combinations([left, right, third], 2))
    assert leverages([left, right, third])[x] == 1
    assert not allowed([left, right], third, min_devices=3)


def test_disjoint_sums_are_allowed() -> None:
    assert allowed([frozenset({1, 2, 3})], frozenset({4, 5, 6}), min_devices=3)


def test_a_sum_of_too_few_devices_is_never_allowed() -> None:
    assert not allowed([], frozenset({1, 2}), min_devices=3)
    assert allowed([], frozenset({1, 2, 3}), min_devices=3)


def test_the_same_set_again_is_always_allowed() -> None:
    history = [frozenset(range(10)), frozenset(range(10, 20))]
    assert allowed(history[:1], history[1], min_devices=10)
    assert all(allowed(history, again, min_devices=10) for again in history)


def test_leverage_is_compared_exactly() -> None:
    assert leverages([A, B]) == dict.fromkeys(A ^ B, Fraction(5, 21)) | dict.fromkeys(A & B, Fraction(6, 21))
    assert allowed([A], B, min_devices=3)
    assert not allowed([A], B, min_devices=4)


def test_no_set_has_no_leverages() -> None:
    assert leverages([]) == {}
