"""When a holder of a key share refuses, when it stands by, and what it looks for twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dapp.protocol import holder
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Done, Effect, Hand, Notice, Pin, Tick, Work
from dapp.protocol.enums import Outcome, Phase, RoundKind
from dapp.protocol.holder import HolderState, earlier_sets, on_duty, refusal
from dapp.protocol.view import RoundView
from dapp.protocol.work import MISSING, CheckUpdates, MakeShare, ShareMade
from dapp.types import Digest, Round

if TYPE_CHECKING:
    from conftest import Recorded

OTHER = BlobRef(Digest(b"\1" * 32), 1)


@pytest.fixture
def state(recorded: Recorded) -> HolderState:
    """Holder 0 with all it saw in the end: four devices that weigh 6, 12, 18 and 24."""
    last: HolderState = recorded.tapes["holder 0"].last
    return replace(last, asked=frozenset(), made={})


def seeing(state: HolderState, sets: Sequence[Iterable[int]], **changes: object) -> tuple[HolderState, RoundView]:
    """A holder that saw sums over these sets shared on one base model, and is asked for the last."""
    rounds = []
    for number, chosen in enumerate(sets):
        indices = set(chosen)
        asked = replace(
            state.view.rounds[0],
            number=Round(number),
            included=sum(1 << i for i in indices),
            total_weight=sum(6 * (i + 1) for i in indices),
            **(changes if number == len(sets) - 1 else {}),
        )
        rounds.append(asked)
    return replace(state, view=replace(state.view, rounds=tuple(rounds))), rounds[-1]


def refused(state: HolderState, sets: Sequence[Iterable[int]], **changes: object) -> str | None:
    return refusal(*seeing(state, sets, **changes))


def test_it_shares_for_an_honest_set(state: HolderState) -> None:
    assert refused(state, [range(4)]) is None


def test_it_refuses_fewer_than_min_devices(state: HolderState) -> None:
    assert refused(state, [(0, 1)]) == "2 devices are included, fewer than 3"


def test_it_refuses_a_device_with_more_than_half_of_the_weight(state: HolderState) -> None:
    enrolments = {
        who: replace(e, weight=e.weight * (10 if e.index == 3 else 1)) for who, e in state.view.enrolments.items()
    }
    heavy = replace(state, view=replace(state.view, enrolments=enrolments))
    asked = replace(heavy.view.rounds[0], total_weight=276)
    assert refusal(heavy, asked) == "device 3 has more than half of the weight (240 of 276)"


def test_exactly_half_of_the_weight_is_allowed(state: HolderState) -> None:
    assert refused(state, [(0, 1, 2)]) is None  # 18 of 36


def test_it_refuses_a_set_that_with_an_earlier_one_gives_a_device_away(state: HolderState) -> None:
    assert refused(state, [range(4), (0, 1, 2)]) == "sums on this model could be combined into fewer than 3 devices"


def test_the_same_set_again_is_fine(state: HolderState) -> None:
    assert refused(state, [range(4), range(4)]) is None


def test_an_earlier_set_on_another_model_or_of_another_kind_does_not_count(state: HolderState) -> None:
    assert refused(state, [range(4), (0, 1, 2)], base=OTHER) is None
    assert refused(state, [range(4), (0, 1, 2)], kind=RoundKind.GRADIENT) is None


def test_a_set_that_nobody_shared_for_does_not_count(state: HolderState) -> None:
    asked, round_ = seeing(state, [range(4), (0, 1, 2)])
    unshared = replace(asked.view.rounds[0], shares={})
    asked = replace(asked, view=replace(asked.view, rounds=(unshared, round_)))
    assert earlier_sets(asked, round_) == ()
    assert refusal(asked, round_) is None


def test_the_round_asked_for_is_not_its_own_past(state: HolderState) -> None:
    asked, round_ = seeing(state, [range(4)])
    assert round_.shares
    assert earlier_sets(asked, round_) == ()


# Who shares when


def test_one_more_than_the_threshold_is_on_duty_and_everybody_in_turn(state: HolderState) -> None:
    key = replace(state.facts.terms.key, holders=10, threshold=6)
    many = replace(state, facts=replace(state.facts, terms=replace(state.facts.terms, key=key)))
    round_ = state.view.rounds[0]
    duties = [
        {i for i in range(10) if on_duty(replace(many, index=i), replace(round_, number=Round(number)))}
        for number in range(10)
    ]
    assert {len(duty) for duty in duties} == {7}
    assert set.union(*duties) == set(range(10))
    assert {sum(i in duty for duty in duties) for i in range(10)} == {7}


def unshared(round_: RoundView) -> RoundView:
    """The round as it was before anybody shared."""
    return replace(
        round_,
        shares={},
        threshold_shared_at=0,
        all_shared_at=0,
        openings=(),
        first_opening_at=0,
        panels=(),
        outcome=Outcome.OPEN,
    )


@pytest.fixture
def standby(state: HolderState) -> tuple[HolderState, RoundView]:
    """A holder off duty in a round whose share phase has begun, and nobody has shared."""
    key = replace(state.facts.terms.key, holders=6, threshold=3)
    terms = replace(state.facts.terms, key=key)
    facts = replace(state.facts, terms=terms)
    round_ = unshared(state.view.rounds[0])
    view = replace(state.view, terms=terms, rounds=(round_,))
    return replace(state, facts=facts, view=view, index=5), round_


def duties(effects: Iterable[Effect]) -> list[str]:
    return [str(effect.duty[0]) for effect in effects if isinstance(effect, Work | Hand | Notice | Pin)]


def test_a_holder_off_duty_shares_at_half_of_the_window(standby: tuple[HolderState, RoundView]) -> None:
    state, round_ = standby
    terms = state.facts.terms
    begins = round_.deadlines(terms).challenge_end
    half = begins + terms.windows.share // 2
    assert round_.phase(terms, begins) == Phase.SHARE
    assert not on_duty(state, round_)
    after, effects = holder.step(state, Tick(half - 1, 0))
    assert duties(effects) == []
    _, effects = holder.step(after, Tick(half, 0))
    assert [type(effect.job) for effect in effects if isinstance(effect, Work)] == [MakeShare]


@pytest.mark.parametrize(
    ("shares", "openings", "needed"),
    [(4, 1, False), (3, 1, True), (4, 2, True)],
    ids=["an opening that is believed", "one share may be junk", "openings that contradict each other"],
)
def test_beside_openings_a_holder_off_duty_shares_only_where_the_sum_may_be_open_to_doubt(
    state: HolderState, standby: tuple[HolderState, RoundView], shares: int, openings: int, needed: bool
) -> None:
    """Half-way through the contest, so that whoever opens the sum anew has the other half."""
    posted = state.view.rounds[0]
    state, round_ = standby
    terms = state.facts.terms
    begins = round_.deadlines(terms).challenge_end
    share = next(iter(posted.shares.values()))
    beside = replace(
        round_,
        shares={i: replace(share, holder=i) for i in range(shares)},
        threshold_shared_at=begins,
        openings=posted.openings[:1] * openings,
        first_opening_at=begins,
    )
    state = replace(state, view=replace(state.view, rounds=(beside,)))
    assert beside.phase(terms, begins) == Phase.OPENING
    half = begins + terms.windows.contest // 2
    assert not duties(holder.step(state, Tick(half - 1, 0))[1])
    assert duties(holder.step(state, Tick(half, 0))[1]) == (["share"] if needed else [])


def test_a_holder_on_duty_is_not_cut_off_by_an_opening(
    state: HolderState, standby: tuple[HolderState, RoundView]
) -> None:
    posted = state.view.rounds[0]
    state, round_ = standby
    begins = round_.deadlines(state.facts.terms).challenge_end
    share = next(iter(posted.shares.values()))
    beside = replace(
        round_,
        shares={i: replace(share, holder=i) for i in range(1, 4)},
        threshold_shared_at=begins,
        openings=posted.openings[:1],
        first_opening_at=begins,
    )
    state = replace(state, index=0, view=replace(state.view, rounds=(beside,)))
    assert duties(holder.step(state, Tick(begins + 1, 0))[1]) == ["share"]


def test_a_holder_that_finds_no_candidate_with_its_product_says_so_and_shares_nothing(
    standby: tuple[HolderState, RoundView],
) -> None:
    state, round_ = standby
    begins = round_.deadlines(state.facts.terms).challenge_end
    state = replace(state, index=0)
    state, effects = holder.step(state, Tick(begins, 0))
    assert duties(effects) == ["share"]
    state, _ = holder.step(state, Done(("share", 0), ShareMade(None)))
    _, effects = holder.step(state, Tick(begins + 1, 0))
    assert [effect.text for effect in effects if isinstance(effect, Notice)] == [
        "does not share: no opened candidate carries the product it computed"
    ]


# What it attests


def test_what_was_not_to_be_had_is_looked_for_again_ever_later(state: HolderState) -> None:
    terms = state.facts.terms
    round_ = unshared(
        replace(state.view.rounds[0], attestations={}, all_attested_at=0, included=None, candidates={}, all_opened_at=0)
    )
    state = replace(state, view=replace(state.view, rounds=(round_,)), findings={}, looks={})
    begins, ends = round_.deadlines(terms).commit_end, round_.deadlines(terms).publish_end
    state, effects = holder.step(state, Tick(begins, 0))
    (first,) = [effect.job for effect in effects if isinstance(effect, Work)]
    assert isinstance(first, CheckUpdates)
    assert len(first.commits) == 4

    state, _ = holder.step(state, Done(("check", 0, 0), {0: "", 1: MISSING, 2: "its proof is false", 3: ""}))
    last = 3 * terms.windows.publish // 4
    for look in range(1, holder.LAST_LOOK + 1):
        due = begins + (last >> (holder.LAST_LOOK - look))
        state, effects = holder.step(state, Tick(due - 1, 0))
        assert not [effect for effect in effects if isinstance(effect, Work | Hand)]
        state, effects = holder.step(state, Tick(due, 0))
        (again,) = [effect.job for effect in effects if isinstance(effect, Work)]
        assert [commit.index for commit in again.commits] == [1]
        state, _ = holder.step(state, Done(("check", 0, look), {1: "" if look == holder.LAST_LOOK else MISSING}))
    assert due == begins + last

    _, effects = holder.step(state, Tick(ends - 1, 0))
    (hand,) = [effect for effect in effects if isinstance(effect, Hand)]
    assert hand.message.mask == 0b1011
    (pin,) = [effect for effect in effects if isinstance(effect, Pin)]
    assert len(pin.blobs) == 3


def test_who_is_still_looking_attests_what_it_has_before_edges_stop_waiting(state: HolderState) -> None:
    """A store may take longer than the window to say that it has not got a blob."""
    terms = state.facts.terms
    round_ = unshared(
        replace(state.view.rounds[0], attestations={}, all_attested_at=0, included=None, candidates={}, all_opened_at=0)
    )
    state = replace(state, view=replace(state.view, rounds=(round_,)), findings={}, looks={})
    begins, ends = round_.deadlines(terms).commit_end, round_.deadlines(terms).publish_end
    state, _ = holder.step(state, Tick(begins, 0))
    state, _ = holder.step(state, Done(("check", 0, 0), {0: "", 1: MISSING, 2: "", 3: ""}))
    state, effects = holder.step(state, Tick(begins + terms.windows.publish // 2, 0))
    assert [effect for effect in effects if isinstance(effect, Work)], "a second look, which does not end"
    state, effects = holder.step(state, Tick(ends - 3 * terms.windows.publish // 16 - 1, 0))
    assert not [effect for effect in effects if isinstance(effect, Hand)]
    state, effects = holder.step(state, Tick(ends - 3 * terms.windows.publish // 16, 0))
    (hand,) = [effect for effect in effects if isinstance(effect, Hand)]
    assert hand.message.mask == 0b1101


def test_a_share_names_its_holder_and_the_round(recorded: Recorded) -> None:
    for index in range(4):
        tape = recorded.tapes[f"holder {index}"]
        shared = [e.message for e in tape.effects if isinstance(e, Hand) and e.duty[0] == "post share"]
        assert all(message.holder == index for message in shared)
        assert [message.round for message in shared] == sorted({message.round for message in shared})
