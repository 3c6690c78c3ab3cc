"""The last revealer chooses the randomness: who is to contribute to a seed sees the others' parts first, and withholds
its own, or asks again, until the draw suits it."""

from __future__ import annotations

import pytest
from court import Court
from evm import Refused


def test_defended_no_participant_contributes_to_a_seed(court: Court) -> None:
    """Members, consumers and whoever summons or proves: none of them puts anything in."""
    case = court.case()
    with court.supposing():
        case.summon(court.anyone)
        case.prove(court.anyone)
        expected = [case.voter(seat) for seat in range(case.size)]
    case.summon(court.other)
    case.prove(court.members[0])
    assert [case.voter(seat) for seat in range(case.size)] == expected


def test_defended_a_seed_that_nobody_proves_is_not_asked_for_again(court: Court) -> None:
    """Whoever keeps a header back that it does not like: anybody else proves it, from any node's copy of the block."""
    case = court.case()
    case.summon()
    with pytest.raises(Refused, match="VerificationWrongAttempt"):
        case.summon(court.other)
    case.prove(court.other)
    assert case.voter(0)


def test_bounded_a_lapsed_seed_leads_to_a_larger_panel_and_never_to_another_draw_of_the_same(court: Court) -> None:
    case = court.case(seats=3)
    case.summon()
    court.evm.chain.travel(201)
    case.settle()
    again = case.again()
    again.summon()
    assert (case.size, again.size) == (3, 7)
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.prove()
