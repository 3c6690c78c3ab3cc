"""Who is paid, who is not, and who pays: voters, summoners, provers, settlers, and the silent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from court import (
    BOUNTY,
    BURN,
    COMMIT_WINDOW,
    COOL_DOWN,
    MIN_VOTER_PAY,
    MIN_WINDOW,
    NO,
    REVEAL_WINDOW,
    SLASH,
    STAKE,
    VOTER_PAY,
    YES,
    Court,
)
from evm import ETHER, Refused

from dapp.protocol.enums import Status
from dapp.protocol.records import Ballot

ACTIVE, LEAVING = 2, 3


@pytest.fixture(scope="module")
def built() -> Court:
    return Court.build()


@pytest.fixture
def court(built: Court) -> Iterator[Court]:
    with built.supposing():
        yield built


def test_summoning_proving_and_settling_earn_a_bounty_each(court: Court) -> None:
    summoner, prover, settler = court.members[7:10]
    case = court.case()
    case.summon(by=summoner)
    case.prove(by=prover)
    case.vote([YES] * 5).settle(by=settler)
    assert [court.credit(worker) for worker in (summoner, prover, settler)] == [BOUNTY] * 3
    assert court.pot(case.pot) == ETHER - 3 * BOUNTY


def test_every_voter_who_said_what_was_decided_is_paid_once(court: Court) -> None:
    case = court.case().seated().vote([YES] * 5)
    with pytest.raises(Refused, match="VerificationNothingToClaim"):
        case.claim(0)
    case.settle()
    for seat in range(5):
        case.claim(seat)
        assert court.credit(case.voter(seat)) == VOTER_PAY
        with pytest.raises(Refused, match="VerificationNothingToClaim"):
            case.claim(seat)


@pytest.mark.parametrize("dissent", [NO, Ballot(0b01, 0b10, 0, 0), Ballot(0, 0, 0, 0), Ballot(0b11, 0, 1, 0)])
def test_the_pay_of_who_contradicts_or_abstains_is_burnt(court: Court, dissent: Ballot) -> None:
    case = court.case().seated().vote([YES] * 4 + [dissent])
    case.settle()
    assert case.claim(4).event("VoterPayBurnt")["amount"] == VOTER_PAY
    assert court.credit(case.voter(4)) == 0
    assert court.credit(BURN) == VOTER_PAY
    with pytest.raises(Refused, match="VerificationNothingToClaim"):
        case.claim(4)


def test_on_what_was_not_decided_everybody_may_differ(court: Court) -> None:
    """The second candidate is disputed three to two; the first and the opening are not."""
    case = court.case().seated().vote([YES] * 3 + [Ballot(0b11, 0, 1, 0)] * 2)
    case.settle()
    assert case.verdict == (Status.DECIDED, 0, Ballot(0b01, 0, 1, 0))
    for seat in range(5):
        case.claim(seat)
        assert court.credit(case.voter(seat)) == VOTER_PAY


def test_of_an_undecided_attempt_all_who_revealed_are_paid(court: Court) -> None:
    case = court.case().seated().vote([YES, YES, NO, NO]).to_end()
    case.settle()
    for seat in range(4):
        case.claim(seat)
        assert court.credit(case.voter(seat)) == VOTER_PAY
    with pytest.raises(Refused, match="VerificationNothingToClaim"):
        case.claim(4)


def test_what_may_still_be_claimed_is_counted(court: Court) -> None:
    case = court.case()

    def attempts(*sizes: int) -> int:
        return sum(size * VOTER_PAY + 3 * BOUNTY for size in sizes)

    assert case.entitlements == attempts(5, 11, 23)
    case.summon()
    assert case.entitlements == attempts(5, 11, 23) - BOUNTY
    case.prove()
    assert case.entitlements == attempts(5, 11, 23) - 2 * BOUNTY
    case.vote([YES, YES, NO]).to_end().settle()
    assert case.status == Status.UNDECIDED
    assert case.entitlements == attempts(11, 23) + 3 * VOTER_PAY
    case.claim(0)
    assert case.entitlements == attempts(11, 23) + 2 * VOTER_PAY
    second = case.again().seated()
    second.vote([YES] * 7).settle()
    assert case.entitlements == 9 * VOTER_PAY
    for attempt, seats in ((case, (1, 2)), (second, range(7))):
        for seat in seats:
            attempt.claim(seat)
    assert case.entitlements == 0


def test_the_pot_always_covers_the_entitlements(court: Court) -> None:
    case = court.case(fund=0, seats=1)
    court.escrow.send(court.anyone, "fund", case.pot, value=case.entitlements)
    for _ in range(3):
        for step in ("summon", "prove", "to_reveal", "settle"):
            getattr(case, step)()
            assert court.pot(case.pot) >= case.entitlements
        case = case.again()
    assert case.verdict[0] == Status.ABANDONED


# Slashing


@pytest.mark.parametrize("committed", [False, True], ids=["never committed", "did not reveal"])
def test_a_silent_seat_loses_stake_half_to_who_reports_it_half_burnt(court: Court, committed: bool) -> None:
    case = court.case().seated()
    if committed:
        case.commit(4)
        del case.ballots[4]
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.slash(4)
    case.vote([YES] * 4).to_end()
    reporter, silent = court.members[8], case.voter(4)
    case.slash(4, by=reporter)
    assert court.member(silent)[4] == STAKE - SLASH
    assert (court.credit(reporter), court.credit(BURN)) == (SLASH // 2, SLASH // 2)
    assert court.pot(court.stakes_pot) == 7 * STAKE - SLASH
    with pytest.raises(Refused, match="VerificationNotSilent"):
        case.slash(4)


def test_who_revealed_is_not_slashed(court: Court) -> None:
    case = court.case().seated().vote([YES] * 5)
    case.settle()
    for seat in range(5):
        with pytest.raises(Refused, match="VerificationNotSilent"):
            case.slash(seat)
    case.claim(0)
    with pytest.raises(Refused, match="VerificationNotSilent"):
        case.slash(0)


def test_nobody_is_slashed_where_no_seed_was_proven(court: Court) -> None:
    case = court.case()
    case.summon()
    court.evm.chain.travel(1_000)
    for slashable in (False, True):
        with pytest.raises(Refused, match="VerificationNotSilent"):
            case.slash(0)
        if not slashable:
            case.settle()


def test_a_silent_seat_is_slashed_after_settling_too_and_after_its_member_left(court: Court) -> None:
    case = court.case().seated().vote([YES] * 4)
    silent = case.voter(4)
    court.leave(silent)
    case.to_end().settle()
    case.slash(4)
    assert court.member(silent)[0] == LEAVING
    court.evm.advance_to(court.member(silent)[3])
    court.verification.send(court.anyone, "withdrawStakeFor", silent.address)
    assert court.credit(silent) == STAKE - SLASH


def test_the_cool_down_leaves_time_to_slash_who_left_in_time(court: Court) -> None:
    case = court.case().seated()
    silent = case.voter(0)
    court.leave(silent)
    until = court.member(silent)[3]
    case.to_reveal()
    assert until >= case.read("voteDeadlinesOf")[2] + COOL_DOWN


@pytest.mark.parametrize(
    "harsh",
    [{"commit_vote": MIN_WINDOW - 1}, {"reveal_vote": MIN_WINDOW - 1}, {"voter_pay": MIN_VOTER_PAY - 1}],
    ids=lambda harsh: next(iter(harsh)),
)
def test_no_seat_is_slashed_in_a_case_that_gave_it_too_little_time_or_pay(court: Court, harsh: dict[str, int]) -> None:
    """Or whoever writes the terms makes honest members silent and reports them."""
    case = court.case(**harsh).seated()
    seated = case.voter(0)
    case.to_end()
    with pytest.raises(Refused) as refused:
        case.slash(0)
    least = {"commit_vote": COMMIT_WINDOW, "reveal_vote": REVEAL_WINDOW, "voter_pay": VOTER_PAY} | harsh
    assert (refused.value.name, *refused.value.values) == ("VerificationCaseTooHarsh", *least.values())
    assert court.member(seated)[4] == STAKE


def test_at_the_least_time_and_pay_silence_is_slashed(court: Court) -> None:
    case = court.case(commit_vote=MIN_WINDOW, reveal_vote=MIN_WINDOW, voter_pay=MIN_VOTER_PAY).seated().to_end()
    assert case.slash(0).event("MemberSlashed")["amount"] == SLASH


def test_a_member_whose_stake_is_used_up_is_removed(court: Court) -> None:
    silent, last = court.members[0], STAKE // SLASH
    cases = []
    for number in range(last + 1):
        case = court.case(f"case {number}", seats=7).seated()
        cases.append((case, next(seat for seat in range(7) if case.voter(seat) is silent)))
        case.to_reveal()
    for case, seat in cases[:last]:
        assert court.member(silent)[0] == ACTIVE
        case.slash(seat)
    assert court.member(silent)[0] == LEAVING
    assert court.member(silent)[4] == 0
    assert court.verification.read("memberCount") == (6, 0)
    case, seat = cases[last]
    with pytest.raises(Refused, match="VerificationNotMember"):
        case.slash(seat)
    court.evm.advance_to(court.member(silent)[3])
    court.verification.send(court.anyone, "withdrawStakeFor", silent.address)
    assert court.credit(silent) == 0
    assert court.solvent()
