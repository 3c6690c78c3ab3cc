"""Members join with a stake, are drawn from once active, and leave only after every panel that may have drawn them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from court import (
    ACTIVATION_DELAY,
    BURN,
    COMMIT_WINDOW,
    COOL_DOWN,
    REVEAL_WINDOW,
    SEED_WINDOW,
    SLASH,
    STAKE,
    YES,
    Court,
)
from evm import Evm, Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NONE, PENDING, ACTIVE, LEAVING = range(4)
SPARE = 7
"""Index of the first account that has not joined."""


@pytest.fixture(scope="module")
def built() -> Court:
    return Court.build()


@pytest.fixture
def court(built: Court) -> Iterator[Court]:
    with built.supposing():
        yield built


def indices(court: Court) -> list[int]:
    return sorted(court.member(member)[1] for member in court.members if court.member(member)[0] == ACTIVE)


@pytest.mark.parametrize("value", [0, STAKE - 1, STAKE + 1])
def test_the_stake_is_exact(court: Court, value: int) -> None:
    with pytest.raises(Refused, match="VerificationWrongStake"):
        court.verification.send(court.members[SPARE], "join", value=value)


def test_a_member_joins_once(court: Court) -> None:
    court.join(court.members[SPARE])
    for member in (court.members[SPARE], court.members[0]):
        with pytest.raises(Refused, match="VerificationAlreadyMember"):
            court.join(member)


def test_a_new_member_is_pending_until_its_delay_is_over(court: Court) -> None:
    new = court.members[SPARE]
    joined = court.join(new).timestamp
    assert court.member(new) == (PENDING, 0, joined + ACTIVATION_DELAY, 0, STAKE)
    assert court.verification.read("memberCount") == (7, 1)
    court.evm.advance_to(joined + ACTIVATION_DELAY - 1)
    court.verification.send(court.anyone, "promote", 10)
    assert court.member(new)[0] == PENDING
    court.verification.send(court.anyone, "promote", 10)
    assert court.member(new)[:2] == (ACTIVE, 7)
    assert court.verification.read("memberCount") == (8, 0)


def test_the_matured_are_taken_in_by_whoever_joins_leaves_or_summons(court: Court) -> None:
    court.join(court.members[SPARE])
    court.evm.chain.travel(ACTIVATION_DELAY)
    case = court.case()
    for act in (
        lambda: court.join(court.members[SPARE + 1]),
        lambda: court.leave(court.members[0]),
        lambda: case.summon(),
    ):
        with court.supposing():
            act()
            assert court.member(court.members[SPARE])[0] == ACTIVE


def test_promotion_takes_in_no_more_than_asked_and_in_the_order_of_joining(court: Court) -> None:
    for member in court.members[SPARE : SPARE + 3]:
        court.join(member)
    court.evm.chain.travel(ACTIVATION_DELAY)
    court.verification.send(court.anyone, "promote", 1)
    assert [court.member(member)[0] for member in court.members[SPARE : SPARE + 3]] == [ACTIVE, PENDING, PENDING]


def test_the_last_member_takes_a_leavers_place(court: Court) -> None:
    event = court.leave(court.members[2]).event("MemberLeaving")
    assert event["index"] == 2
    assert court.account(event["movedIn"]) is court.members[6]
    assert court.member(court.members[6])[:2] == (ACTIVE, 2)
    assert indices(court) == [0, 1, 2, 3, 4, 5]


def test_nobody_moves_when_the_last_member_leaves(court: Court) -> None:
    assert int(court.leave(court.members[6]).event("MemberLeaving")["movedIn"], 16) == 0
    assert indices(court) == [0, 1, 2, 3, 4, 5]


def test_a_pending_member_that_left_is_passed_over(court: Court) -> None:
    first, second = court.members[SPARE : SPARE + 2]
    court.join(first)
    court.join(second)
    court.leave(first)
    assert court.verification.read("memberCount") == (7, 1)
    court.evm.chain.travel(ACTIVATION_DELAY)
    court.verification.send(court.anyone, "promote", 10)
    assert court.member(first)[0] == LEAVING
    assert court.member(second)[:2] == (ACTIVE, 7)


def test_who_left_and_came_back_waits_its_whole_delay_again() -> None:
    # A cool-down shorter than the activation delay, so that the old place in the queue is still there.
    court = _with_cool_down(1)
    member = court.members[3]
    court.join(member)
    court.leave(member)
    court.evm.chain.travel(2)
    court.verification.send(court.anyone, "withdrawStakeFor", member.address)
    court.evm.chain.travel(ACTIVATION_DELAY - 10)
    again = court.join(member).timestamp
    court.evm.chain.travel(20)
    court.verification.send(court.anyone, "promote", 10)
    assert court.member(member)[0] == PENDING
    court.evm.advance_to(again + ACTIVATION_DELAY)
    court.verification.send(court.anyone, "promote", 10)
    assert court.member(member)[:2] == (ACTIVE, 3)
    assert court.verification.read("memberCount") == (4, 0)


def _with_cool_down(seconds: int) -> Court:
    before = Court.build(members=3, spare=1)
    evm = Evm(8)
    escrow = evm.deploy("Escrow", BURN, BURN, evm.next_address(1))
    arguments = escrow.address, evm.next_address(1), [], STAKE, SLASH, ACTIVATION_DELAY, seconds, 3, 1, 0
    verification = evm.deploy("Verification", *arguments)
    seed = evm.deploy("PrevrandaoSeed", 2)
    court = Court(evm, escrow, verification, seed, before.consumer, evm.accounts[3:], evm.accounts[1], evm.accounts[2])
    for member in court.members[:3]:
        court.join(member)
    evm.chain.travel(ACTIVATION_DELAY)
    verification.send(court.anyone, "promote", 10)
    return court


def test_a_stake_comes_back_after_the_cool_down_and_not_before(court: Court) -> None:
    member = court.members[0]
    left = court.leave(member).timestamp
    assert court.member(member) == (LEAVING, 0, court.member(member)[2], left + COOL_DOWN, STAKE)
    court.evm.advance_to(left + COOL_DOWN - 1)
    with pytest.raises(Refused, match="VerificationStillBound") as refused:
        court.verification.send(court.anyone, "withdrawStakeFor", member.address)
    assert refused.value.values == (left + COOL_DOWN,)
    court.verification.send(court.anyone, "withdrawStakeFor", member.address)
    assert court.member(member) == (NONE, 0, 0, 0, 0)
    assert court.credit(member) == STAKE
    with pytest.raises(Refused, match="VerificationNotLeaving"):
        court.verification.send(court.anyone, "withdrawStakeFor", member.address)


def test_a_stake_is_bound_until_every_panel_that_may_have_drawn_its_owner_is_over(court: Court) -> None:
    case = court.case()
    summoned = case.summon().timestamp
    panel_end = summoned + SEED_WINDOW + COMMIT_WINDOW + REVEAL_WINDOW
    assert court.leave(court.members[0]).event("MemberLeaving")["until"] == panel_end + COOL_DOWN
    court.evm.chain.travel(10_000)
    left = court.leave(court.members[1])
    assert left.event("MemberLeaving")["until"] == left.timestamp + COOL_DOWN


def test_only_members_leave_and_only_leavers_withdraw(court: Court) -> None:
    with pytest.raises(Refused, match="VerificationNotMember"):
        court.leave(court.anyone)
    court.leave(court.members[0])
    with pytest.raises(Refused, match="VerificationNotMember"):
        court.leave(court.members[0])
    for address, state in ((court.anyone.address, NONE), (court.members[1].address, ACTIVE)):
        with pytest.raises(Refused, match="VerificationNotLeaving") as refused:
            court.verification.send(court.anyone, "withdrawStakeFor", address)
        assert refused.value.values[1] == state


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["leave", "join", "promote", "summon"]), max_size=12), st.randoms(use_true_random=False)
)
def test_whoever_joins_or_leaves_after_the_summons_changes_no_seat(court: Court, acts: list[str], pick: object) -> None:
    """Registry gaming: the seed can be read before it is proven, so what follows the summons must not matter."""
    with court.supposing():
        case = court.case()
        case.summon()
        with court.supposing():
            case.prove()
            seats = [case.voter(seat) for seat in range(5)]
        header = case.header()
        for number, act in enumerate(acts):
            _act(court, act, number, pick)
        if court.evm.now > case.read("voteDeadlinesOf")[0]:
            return
        case.send(court.anyone, "proveSeed", header)
        assert [case.voter(seat) for seat in range(5)] == seats
        case.vote([YES] * 5)


def _act(court: Court, act: str, number: int, pick) -> None:  # type: ignore[no-untyped-def]
    state = [court.member(member)[0] for member in court.members]
    if act == "leave" and ACTIVE in state:
        court.leave(pick.choice([m for m, s in zip(court.members, state, strict=True) if s == ACTIVE]))
    elif act == "join" and NONE in state:
        court.join(court.members[state.index(NONE)])
    elif act == "promote":
        court.evm.chain.travel(15)
        court.verification.send(court.anyone, "promote", 10)
    elif act == "summon":
        court.case(f"other {number}").summon()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["leave", "join", "promote", "summon"]), max_size=12), st.randoms(use_true_random=False)
)
def test_active_members_stand_at_the_first_indices_without_gaps(court: Court, acts: list[str], pick: object) -> None:
    with court.supposing():
        for number, act in enumerate(acts):
            _act(court, act, number, pick)
        assert indices(court) == list(range(court.verification.read("memberCount")[0]))


def test_the_constants_are_what_was_given_and_within_bounds() -> None:
    evm = Evm(2)
    good = BURN, BURN, [], STAKE, SLASH, 0, 0, 1, 60, 7
    verification = evm.deploy("Verification", *good)
    names = "STAKE", "SLASH", "MIN_ELIGIBLE", "MIN_WINDOW", "MIN_VOTER_PAY"
    assert [verification.read(name) for name in names] == [STAKE, SLASH, 1, 60, 7]
    bad = [(0, 0, 1, 1), (2**128, 1, 1, 1), (STAKE, 0, 1, 1), (STAKE, STAKE + 1, 1, 1), (STAKE, SLASH, 0, 1)]
    for stake, slash, eligible, window in [*bad, (STAKE, SLASH, 1, 0)]:
        with pytest.raises(Refused, match="VerificationConstantOutOfBounds"):
            evm.deploy("Verification", BURN, BURN, [], stake, slash, 0, 0, eligible, window, 0)
