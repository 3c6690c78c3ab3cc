"""Reveal withholding: voters commit and, having seen the others' votes, stay silent, to stall or to choose late."""

from __future__ import annotations

import pytest
from court import BURN, NO, SLASH, STAKE, YES, Case, Court
from evm import Refused

from dapp.protocol.enums import Status


@pytest.fixture
def case(court: Court) -> Case:
    return court.case().seated()


def withheld(case: Case, silent: int) -> Case:
    """All commit to the same; the last seats do not reveal."""
    for seat in range(case.size):
        case.commit(seat, YES)
    for seat in range(case.size - silent):
        case.reveal(seat)
    case.to_end()
    return case


def test_defended_one_of_five_that_withholds_stalls_nothing(case: Case) -> None:
    withheld(case, silent=1).settle()
    assert case.verdict[0] == Status.DECIDED


def test_defended_who_withholds_counts_as_absent_and_not_as_a_smaller_panel(case: Case) -> None:
    """Two thirds of the seats, so that silence cannot turn a minority of votes into a verdict."""
    withheld(case, silent=2).settle()
    assert case.status == Status.UNDECIDED


def test_defended_the_next_panel_is_larger_and_newly_drawn(case: Case) -> None:
    withheld(case, silent=2).settle()
    again = case.again()
    again.summon()
    assert again.size == 7 > case.size
    assert again.read("panelOf")[0] != case.read("panelOf")[0], "another seed"


def test_defended_nobody_draws_again_for_free(case: Case) -> None:
    """A seed that does not please cannot be asked for again: one draw an attempt, the next after it is settled."""
    for attempt in (Case(case.court, case.key, case.pot), case.again()):
        with pytest.raises(Refused, match=r"VerificationWrong(Attempt|Status)"):
            attempt.summon()


def test_defended_there_is_an_end_to_it(court: Court) -> None:
    """Whoever withholds: the last panel that can grow is followed by Abandoned, which pays devices."""
    case = court.case().seated()
    withheld(case, silent=2).settle()
    again = case.again().seated()
    withheld(again, silent=3).settle()
    assert again.status == Status.ABANDONED, "seven members are all there are"


def test_defended_nobody_commits_twice_and_so_chooses_late(case: Case) -> None:
    for seat in range(case.size):
        case.commit(seat, YES)
    case.reveal(0)
    with pytest.raises(Refused):
        case.commit(1, NO)
    case.ballots[1] = NO
    with pytest.raises(Refused, match="VerificationSealMismatch"):
        case.reveal(1)


def test_bounded_a_stalled_attempt_costs_a_slash_for_every_silent_seat(case: Case) -> None:
    """To stall, more than a third of the seats must be silent: two of five, three of seven, 7 of 21. Half of each
    slash goes to whoever reports it, half is burnt, so that reporting oneself does not get it back."""
    court, reporter = case.court, case.court.other
    withheld(case, silent=2)
    case.settle(court.anyone)
    before, burnt = court.credit(reporter), court.credit(BURN)
    for seat in (3, 4):
        case.slash(seat, reporter)
        assert court.member(case.voter(seat))[4] == STAKE - SLASH
    assert court.credit(reporter) - before == SLASH
    assert court.credit(BURN) - burnt == SLASH
    for seat in (3, 4):
        with pytest.raises(Refused, match="VerificationNothingToClaim"):
            case.claim(seat)
        with pytest.raises(Refused, match="VerificationNotSilent"):
            case.slash(seat)


def test_bounded_the_silent_cannot_leave_with_their_stake_before_they_are_reported(case: Case) -> None:
    court = case.court
    withheld(case, silent=2)
    deserter = case.voter(4)
    court.leave(deserter)
    with pytest.raises(Refused, match="VerificationStillBound"):
        court.verification.send(court.anyone, "withdrawStakeFor", deserter.address)
    case.slash(4)
    assert court.member(deserter)[4] == STAKE - SLASH


def test_known_gap_who_reveals_last_knows_the_count_and_may_choose_silence(case: Case) -> None:
    """One bit, for the price of a slash: the last voter can turn a verdict of exactly two thirds into another attempt.
    It cannot turn it into the opposite verdict."""
    for seat in range(case.size):
        case.commit(seat, YES if seat < 4 else NO)
    for seat in (0, 1, 2, 4):
        case.reveal(seat)
    case.to_end()
    case.settle()
    assert case.status == Status.UNDECIDED
