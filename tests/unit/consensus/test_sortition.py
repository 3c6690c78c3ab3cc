"""Sortition is fair, its seats are distinct, and a panel is captured as often as the hypergeometric law says."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapp.consensus.sortition import capture_probability, member_at, panel, votes_needed
from dapp.crypto.merkle import keccak256
from dapp.errors import Rejected

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sortition.json").read_text())
SEEDS = st.integers(0, 2**128 - 1)
TWO_THIRDS = 6_667


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['size']} of {vector['eligible']}")
def test_the_recorded_panels_are_drawn(vector: dict[str, object]) -> None:
    assert (
        panel(int(str(vector["seed"]), 16), int(str(vector["eligible"])), int(str(vector["size"]))) == vector["panel"]
    )


@given(SEEDS, st.integers(1, 2**32), st.data())
def test_a_seat_alone_is_what_the_whole_panel_has_there(seed: int, eligible: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, min(eligible, 51)))
    assert panel(seed, eligible, size) == [member_at(seed, eligible, seat) for seat in range(size)]


@given(SEEDS, st.integers(1, 200))
def test_seats_are_distinct_and_a_full_panel_is_everybody(seed: int, eligible: int) -> None:
    assert sorted(panel(seed, eligible, eligible)) == list(range(eligible))


@given(SEEDS, st.integers(0, 60), st.integers(0, 60))
def test_there_is_no_seat_beyond_the_members(seed: int, eligible: int, beyond: int) -> None:
    with pytest.raises(Rejected):
        member_at(seed, eligible, eligible + beyond)
    with pytest.raises(Rejected):
        panel(seed, eligible, eligible + beyond + 1)


@pytest.mark.parametrize("seat", [0, 4, 20])
def test_every_member_is_as_likely_on_every_seat(seat: int) -> None:
    """χ² over 10⁵ draws of 33,334 seeds a seat: 25 members, 24 degrees of freedom, p > 0.001."""
    members, draws = 25, 33_334
    counts = [0] * members
    for i in range(draws):
        counts[member_at(int.from_bytes(keccak256(b"fair %d" % i)[16:], "big"), members, seat)] += 1
    expected = draws / members
    assert sum((count - expected) ** 2 / expected for count in counts) < 51.179


def test_every_pair_is_as_likely_to_sit_together() -> None:
    """χ² over 10⁴ panels of 3 of 7: 21 pairs, 20 degrees of freedom, p > 0.001."""
    members, draws = 7, 10_000
    together = {(a, b): 0 for a in range(members) for b in range(a)}
    for i in range(draws):
        first, second, _ = panel(int.from_bytes(keccak256(b"pair %d" % i)[16:], "big"), members, 3)
        together[max(first, second), min(first, second)] += 1
    expected = draws / len(together)
    assert sum((count - expected) ** 2 / expected for count in together.values()) < 45.315


@pytest.mark.parametrize(
    ("seats", "accept_bips", "needed"),
    [(21, TWO_THIRDS, 14), (5, TWO_THIRDS, 4), (3, TWO_THIRDS, 2), (21, 5_001, 11), (20, 5_001, 11), (20, 10_000, 20)],
)
def test_two_thirds_are_exact_and_all_else_is_rounded_up(seats: int, accept_bips: int, needed: int) -> None:
    assert votes_needed(seats, accept_bips) == needed


def test_capture_is_the_tail_of_the_hypergeometric_law() -> None:
    by_hand = sum(comb(30, k) * comb(70, 21 - k) for k in range(14, 22)) / comb(100, 21)
    assert capture_probability(100, 30, 21, TWO_THIRDS) == pytest.approx(by_hand)
    assert capture_probability(100, 30, 21, TWO_THIRDS) == pytest.approx(9.6e-5, rel=0.01)
    assert capture_probability(100, 20, 7, 5_001) == pytest.approx(2.8e-2, rel=0.02)


def test_nobody_captures_alone_and_everybody_does() -> None:
    assert capture_probability(10, 0, 5, TWO_THIRDS) == 0
    assert capture_probability(10, 3, 5, TWO_THIRDS) == 0
    assert capture_probability(10, 10, 5, TWO_THIRDS) == 1


def test_drawn_panels_are_captured_as_often_as_the_law_says() -> None:
    """10⁴ panels of 5 of 12 with 5 dishonest; four standard deviations."""
    draws, dishonest = 10_000, 5
    expected = capture_probability(12, dishonest, 5, TWO_THIRDS)
    captured = sum(
        sum(member < dishonest for member in panel(int.from_bytes(keccak256(b"law %d" % i)[16:], "big"), 12, 5)) >= 4
        for i in range(draws)
    )
    assert abs(captured / draws - expected) < 4 * (expected * (1 - expected) / draws) ** 0.5


@pytest.mark.parametrize(("members", "dishonest", "seats"), [(10, 11, 5), (10, -1, 5), (10, 3, 11), (10, 3, 0)])
def test_impossible_panels_are_refused(members: int, dishonest: int, seats: int) -> None:
    with pytest.raises(Rejected):
        capture_probability(members, dishonest, seats, TWO_THIRDS)
