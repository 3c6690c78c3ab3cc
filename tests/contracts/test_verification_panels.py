"""A panel's attempts: summoned, seated by the seed, committed, revealed, settled; or lapsed, or given up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from court import COMMIT_WINDOW, NO, REVEAL_WINDOW, SEED_WINDOW, YES, Court
from evm import Refused

from dapp.consensus.sortition import panel
from dapp.protocol.enums import Status
from dapp.protocol.records import Ballot

NOTHING = Ballot(0, 0, 0, 0)


@pytest.fixture(scope="module")
def built() -> Court:
    return Court.build()


@pytest.fixture
def court(built: Court) -> Iterator[Court]:
    with built.supposing():
        yield built


# Summon


def test_only_a_consumer_fixed_at_construction_is_asked_for_a_slate(court: Court) -> None:
    with pytest.raises(Refused, match="VerificationNotConsumer"):
        court.verification.send(court.anyone, "summon", court.anyone.address, court.case().key, 0)


def test_no_panel_before_the_slate_is_ready(court: Court) -> None:
    with pytest.raises(Refused, match="VerificationSlateNotReady"):
        court.case(ready=False).summon()


def test_an_attempt_is_summoned_once_and_in_order(court: Court) -> None:
    case = court.case()
    with pytest.raises(Refused, match="VerificationWrongAttempt"):
        case.again().summon()
    case.summon()
    with pytest.raises(Refused, match="VerificationWrongAttempt"):
        case.summon()
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.again().summon()


def test_the_slate_is_frozen_by_the_first_summons(court: Court) -> None:
    case = court.case().seated()
    court.case(seats=1, candidates=0, openings=0, voter_pay=0, bounty=0)
    case.vote([YES] * 5).settle()
    assert case.verdict == (Status.DECIDED, 0, YES)


def test_seats_are_the_slates_but_no_more_than_members_nor_51(court: Court) -> None:
    sizes = []
    for seats in (1, 5, 7, 8, 300):
        case = court.case(f"{seats} seats", seats=seats)
        case.summon()
        sizes.append(case.size)
    assert sizes == [1, 5, 7, 7, 7]


def test_without_enough_members_the_case_is_abandoned_at_the_summons(court: Court) -> None:
    for member in court.members[:5]:
        court.leave(member)
    case = court.case()
    sent = case.summon()
    assert sent.event("PanelSettled")["status"] == Status.ABANDONED
    assert case.verdict == (Status.ABANDONED, 0, NOTHING)
    assert case.status == Status.ABANDONED
    assert case.entitlements == 0
    with pytest.raises(Refused, match="VerificationUnknownSeat"):
        case.slash(0)
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.again().summon()


# Seed


def test_who_sits_where_is_the_shuffle_of_the_seed(court: Court) -> None:
    case = court.case().seated()
    request = case.read("panelOf")[0]
    seed, proven_at, _ = court.seed.read("seedOf", request)
    expected = [court.members[index] for index in panel(seed, 7, 5)]
    assert [case.voter(seat) for seat in range(5)] == expected
    assert case.read("panelOf")[6] == proven_at
    assert seed < 2**128


def test_nobody_is_seated_before_the_seed_is_proven(court: Court) -> None:
    case = court.case()
    case.summon()
    with pytest.raises(Refused, match="VerificationWrongStatus") as refused:
        case.read("seatOf", 0)
    assert refused.value.values == (Status.SEEDING, Status.COMMITTING)
    with pytest.raises(Refused, match="VerificationUnknownSeat"):
        case.read("seatOf", 5)
    assert case.read("voteDeadlinesOf")[1:] == (0, 0)


def test_a_seed_proven_elsewhere_seats_the_same_panel_at_the_same_time(court: Court) -> None:
    case = court.case()
    case.summon()
    header = case.header()
    with court.supposing():
        case.send(court.anyone, "proveSeed", header)
        seated = [case.voter(seat) for seat in range(5)], case.read("voteDeadlinesOf")
    court.seed.send(court.other, "prove", case.read("panelOf")[0], header)
    assert ([case.voter(seat) for seat in range(5)], case.read("voteDeadlinesOf")) == seated
    with pytest.raises(Refused, match="SeedAlreadyProven"):
        case.send(court.anyone, "proveSeed", header)
    case.vote([YES] * 5)
    before = court.credit(court.other)
    case.settle(by=court.anyone)
    assert court.credit(court.other) - before == 10**14


def test_a_seed_may_be_proven_at_the_very_end_of_its_window_and_not_later(court: Court) -> None:
    case = court.case()
    header = (case.summon(), case.header())[1]
    end = case.read("voteDeadlinesOf")[0]
    with court.supposing():
        court.evm.advance_to(end)
        case.send(court.anyone, "proveSeed", header)
        assert case.status == Status.COMMITTING
    court.evm.advance_to(end + 1)
    with pytest.raises(Refused, match="VerificationWrongStatus") as refused:
        case.send(court.anyone, "proveSeed", header)
    assert refused.value.values == (Status.ENDED, Status.SEEDING)
    assert case.status == Status.ENDED


def test_a_seed_proven_too_late_elsewhere_does_not_revive_the_attempt(court: Court) -> None:
    case = court.case()
    case.summon()
    header = case.header()
    court.evm.chain.travel(SEED_WINDOW + 1)
    court.seed.send(court.other, "prove", case.read("panelOf")[0], header)
    assert case.status == Status.ENDED
    assert case.read("panelOf")[6] == 0
    case.settle()
    assert case.status == Status.UNDECIDED
    assert court.credit(court.other) == 10**14, "for settling alone"
    with pytest.raises(Refused, match="VerificationNotSilent"):
        case.slash(0)


# Deadlines


def test_phases_end_when_all_committed_and_all_committed_votes_are_revealed(court: Court) -> None:
    case = court.case().seated()
    for seat in range(5):
        assert case.status == Status.COMMITTING
        case.commit(seat)
    for seat in range(5):
        assert case.status == Status.REVEALING
        case.reveal(seat)
    assert case.status == Status.ENDED
    last_commit, last_reveal = case.read("panelOf")[7:9]
    assert case.read("voteDeadlinesOf")[1:] == (last_commit, last_reveal)
    assert last_reveal == court.evm.now


def test_phases_wait_for_the_silent_until_their_deadlines(court: Court) -> None:
    case = court.case().seated()
    seeded_at = case.read("panelOf")[6]
    case.commit(0)
    case.commit(1)
    assert case.read("voteDeadlinesOf")[1:] == (seeded_at + COMMIT_WINDOW, seeded_at + COMMIT_WINDOW + REVEAL_WINDOW)
    court.evm.advance_to(seeded_at + COMMIT_WINDOW - 1)
    case.commit(2)
    assert case.status == Status.COMMITTING
    court.evm.chain.travel(1)
    assert case.status == Status.REVEALING
    case.reveal(1)
    court.evm.advance_to(seeded_at + COMMIT_WINDOW + REVEAL_WINDOW)
    assert case.status == Status.REVEALING
    court.evm.chain.travel(1)
    assert case.status == Status.ENDED


def test_where_nobody_committed_nothing_is_waited_for(court: Court) -> None:
    case = court.case().seated().to_reveal()
    assert case.status == Status.ENDED
    assert case.settle().event("PanelSettled")["status"] == Status.UNDECIDED


# Settling


@pytest.mark.parametrize(
    ("ballots", "status", "quorum"),
    [
        ([YES] * 4, Status.DECIDED, YES),
        ([YES] * 4 + [NO], Status.DECIDED, YES),
        ([YES] * 3 + [NO] * 2, Status.UNDECIDED, NOTHING),
        ([YES] * 3, Status.UNDECIDED, NOTHING),
        ([Ballot(0, 0b11, 0, 0)] * 4, Status.DECIDED, Ballot(0, 0b11, 0, 0)),
        ([YES, YES, Ballot(1, 0, 0, 0), Ballot(1, 0, 0, 0)], Status.UNDECIDED, Ballot(1, 0, 0, 0)),
        ([], Status.UNDECIDED, NOTHING),
    ],
)
def test_two_thirds_of_the_seats_decide_not_of_the_votes(
    court: Court, ballots: list[Ballot], status: Status, quorum: Ballot
) -> None:
    case = court.case().seated().vote(ballots).to_end()
    event = case.settle().event("PanelSettled")
    assert (event["status"], Ballot(*event["quorum"])) == (status, quorum)
    assert case.verdict == (status, 0, quorum)
    assert Ballot(*case.read("panelOf")[10]) == quorum


@pytest.mark.parametrize(
    ("seats", "bips", "needed"),
    [(3, 6_667, 2), (6, 6_667, 4), (7, 6_667, 5), (4, 5_001, 3), (5, 10_000, 5), (1, 5_001, 1)],
)
def test_the_votes_needed_are_rounded_up(court: Court, seats: int, bips: int, needed: int) -> None:
    for votes, status in ((needed - 1, Status.UNDECIDED), (needed, Status.DECIDED)):
        with court.supposing():
            case = court.case(seats=seats, accept_bips=bips).seated().vote([YES] * votes).to_end()
            case.settle()
            # Where the whole registry sat already, the larger panel cannot be.
            assert case.status == (Status.ABANDONED if status == Status.UNDECIDED and seats == 7 else status)


def test_every_item_of_the_largest_slate_is_counted_by_itself(court: Court) -> None:
    case = court.case(candidates=0xFF, openings=0xF, seats=6).seated()
    ballots = [Ballot(1 << i | 0b11000000, 0b00100000, 1 << i % 4, 8 >> i % 4) for i in range(4)]
    case.vote([*ballots, Ballot(0b11000000, 0, 0, 0)]).to_end().settle()
    assert case.verdict[2] == Ballot(0b11000000, 0b00100000, 0, 0)


def test_an_attempt_is_settled_once_and_not_before_it_ended(court: Court) -> None:
    case = court.case()
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.settle()
    case.seated()
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.settle()
    case.vote([YES] * 5).settle()
    with pytest.raises(Refused, match="VerificationWrongStatus") as refused:
        case.settle()
    assert refused.value.values == (Status.DECIDED, Status.ENDED)


# The ladder


def test_an_undecided_panel_is_followed_by_one_of_twice_its_size_and_one(court: Court) -> None:
    first = court.case(seats=3).seated().vote([YES, NO]).to_end()
    first.settle()
    second = first.again()
    assert second.seated().size == 7
    second.vote([YES, NO]).to_end().settle()
    assert second.verdict[:2] == (Status.ABANDONED, 1), "all seven sat already"
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        second.again().summon()


def test_the_third_undecided_attempt_is_the_last(court: Court) -> None:
    case = court.case(seats=1)
    sizes = []
    for _ in range(3):
        case.seated()
        sizes.append(case.size)
        case.to_reveal().settle()
        settled, case = case, case.again()
    assert sizes == [1, 3, 7]
    assert settled.verdict[:2] == (Status.ABANDONED, 2)


def test_a_later_attempt_decides_and_draws_anew(court: Court) -> None:
    first = court.case(seats=3).seated()
    first.to_reveal().settle()
    second = first.again().seated().vote([YES] * 7)
    second.settle()
    assert second.verdict == (Status.DECIDED, 1, YES)
    assert first.status == Status.UNDECIDED


def test_who_leaves_between_two_attempts_may_take_the_growth_away(court: Court) -> None:
    first = court.case(seats=3).seated()
    first.to_reveal().settle()
    assert first.status == Status.UNDECIDED
    for member in court.members[:4]:
        court.leave(member)
    second = first.again()
    second.summon()
    assert second.verdict[:2] == (Status.ABANDONED, 1)


def test_settling_costs_the_same_whatever_the_panels_size() -> None:
    court = Court.build(members=51, spare=0)

    def gas_of_settling(seats: int) -> int:
        with court.supposing():
            return court.case(seats=seats).seated().vote([YES] * seats).settle().gas

    assert abs(gas_of_settling(3) - gas_of_settling(51)) < 500
