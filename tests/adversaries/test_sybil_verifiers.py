"""Sybil verifiers: one person joins many times over, when it pays, and is gone before it costs anything."""

from __future__ import annotations

import pytest
from court import ACTIVATION_DELAY, COOL_DOWN, STAKE, Court
from evm import Refused

from dapp.consensus.sortition import TWO_THIRDS, capture_probability

SPARE = 7


def test_bounded_every_seat_in_the_draw_costs_a_whole_stake(court: Court) -> None:
    sybils = court.members[SPARE:]
    before = court.pot(court.stakes_pot)
    for sybil in sybils:
        court.join(sybil)
    assert court.pot(court.stakes_pot) - before == len(sybils) * STAKE


def test_defended_who_joins_when_a_vote_is_worth_something_is_too_late(court: Court) -> None:
    for sybil in court.members[SPARE:]:
        court.join(sybil)
    case = court.case()
    case.summon()
    case.prove()
    drawn = {case.voter(seat).address for seat in range(case.size)}
    assert drawn.isdisjoint(sybil.address for sybil in court.members[SPARE:])
    court.evm.chain.travel(ACTIVATION_DELAY)
    court.verification.send(court.anyone, "promote", 10)
    assert {case.voter(seat).address for seat in range(case.size)} == drawn


def test_defended_a_stake_stays_bound_until_its_owner_can_be_slashed(court: Court) -> None:
    case = court.case().seated()
    silent = case.voter(0)
    court.leave(silent)
    with pytest.raises(Refused, match="VerificationStillBound"):
        court.verification.send(silent, "withdrawStakeFor", silent.address)
    case.to_end()
    case.slash(0)
    court.evm.chain.travel(COOL_DOWN + 1_000)
    court.verification.send(silent, "withdrawStakeFor", silent.address)
    assert court.credit(silent) < STAKE


@pytest.mark.parametrize(("seats", "most"), [(7, 3.4e-3), (11, 7.8e-5), (21, 1e-7)])
def test_bounded_a_fifth_of_the_stakes_captures_a_panel_hardly_ever(seats: int, most: float) -> None:
    """Of 100 members, 20 are one person's: the chance that two thirds of the seats are."""
    chance = capture_probability(100, 20, seats, TWO_THIRDS)
    print(f"\n20 of 100 members capture {seats} seats with probability {chance:.1e}")
    assert 0 < chance < most
