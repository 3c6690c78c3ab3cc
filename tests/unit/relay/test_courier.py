"""A courier goes from door to door until the chain shows the message, and loses none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from porch import DEVICE, PLACE, TASK, Porch, commit, messages, ref, share, signed

from dapp.errors import CairnError, ChainError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed
from dapp.protocol.enums import Outcome, RoundKind
from dapp.protocol.relayed import is_on_chain
from dapp.protocol.view import Attestation, Commit, Enrolment, RoundView, Share, View
from dapp.relay import Courier, DoorClient, DoorRefused, DoorServer, DoorUnavailable
from dapp.types import Address, Digest, Round, TaskId, Wei

NOBODY = Address(bytes(20))
BASE = BlobRef(Digest(b"\1" * 32), 10)


def a_round(**changes: object) -> RoundView:
    blank = RoundView(TASK, Round(0), RoundKind.UPDATE, 0, 1, 1, BASE, bytes(32), Wei(0))
    return replace(blank, **changes)  # type: ignore[arg-type]


EMPTY = View(TASK, rounds=(a_round(),))
UPDATE = ref(b"an update")
COMMITTED = View(TASK, rounds=(a_round(commits={0: Commit(DEVICE.address, 0, UPDATE, b"\x08" * 32, 1500, NOBODY)}),))


@dataclass
class Box:
    """A letterbox that does as it is told."""

    url: str
    trouble: CairnError | None = None
    letters: list[Handed] = field(default_factory=list)
    knocks: int = 0

    def hand_in(self, handed: Handed) -> None:
        self.knocks += 1
        if self.trouble is not None:
            raise self.trouble
        self.letters.append(handed)


@dataclass
class Journey:
    """A courier with two letterboxes, reminded at times of the test's choice."""

    first: Box
    second: Box
    courier: Courier
    own: Box
    told: list[str]

    def at(self, now: int, view: View = EMPTY) -> int | None:
        """Reminds, waits for the doors that are tried then, and reminds again."""
        assert self.courier.settle(5)
        self.courier.remind(view, now)
        assert self.courier.settle(5)
        return self.courier.remind(view, now)

    @property
    def knocks(self) -> tuple[int, int, int]:
        return self.first.knocks, self.second.knocks, self.own.knocks


def journey(with_own: bool) -> Iterator[Journey]:
    first, second, own, told = Box("first"), Box("second"), Box("own"), []  # type: ignore[var-annotated]
    with Courier([first, second], patience=10, own=own.hand_in if with_own else None, told=told.append) as courier:
        yield Journey(first, second, courier, own, told)


@pytest.fixture
def going() -> Iterator[Journey]:
    yield from journey(with_own=False)


@pytest.fixture
def going_with_ether() -> Iterator[Journey]:
    yield from journey(with_own=True)


DOWN = DoorUnavailable("nobody answers")
NO = DoorRefused("it does not like it")
LETTER = signed(commit())


def test_a_message_that_is_relayed_in_time_goes_to_one_door(going: Journey) -> None:
    going.courier.hand_in(LETTER)
    assert going.at(100) == 110
    assert going.at(109) == 110
    assert going.at(110, COMMITTED) is None
    assert going.knocks == (1, 0, 0)
    assert going.courier.pending == ()
    assert going.told == ["the commit of round 0 was handed in at first"]


def test_what_the_first_edge_keeps_back_goes_to_the_second_and_round_again(going: Journey) -> None:
    going.courier.hand_in(LETTER)
    for now, knocks in ((100, (1, 0, 0)), (110, (1, 1, 0)), (119, (1, 1, 0)), (120, (2, 1, 0)), (130, (2, 2, 0))):
        going.at(now)
        assert going.knocks == knocks
    assert going.courier.pending == (LETTER,)


def test_who_has_ether_posts_it_itself_at_last(going_with_ether: Journey) -> None:
    going = going_with_ether
    going.courier.hand_in(LETTER)
    for now, knocks in ((100, (1, 0, 0)), (110, (1, 1, 0)), (120, (1, 1, 1)), (130, (2, 1, 1))):
        going.at(now)
        assert going.knocks == knocks
    assert "the commit of round 0 was posted from the own account" in going.told


def test_who_has_ether_posts_it_at_once_where_no_door_takes_it(going_with_ether: Journey) -> None:
    going = going_with_ether
    going.first.trouble, going.second.trouble = DOWN, NO
    going.courier.hand_in(LETTER)
    going.at(100)
    assert going.knocks == (1, 1, 1)


def test_ether_that_is_not_there_loses_no_message(going_with_ether: Journey) -> None:
    going = going_with_ether
    going.first.trouble, going.second.trouble, going.own.trouble = NO, NO, ChainError("too little ether")
    going.courier.hand_in(LETTER)
    going.at(100)
    going.first.trouble = None
    due = going.at(101)
    assert due is not None
    going.at(due)
    assert going.first.letters == [LETTER]
    assert "could not be posted from the own account: too little ether" in " ".join(going.told)


def test_a_door_that_refuses_or_is_down_is_followed_by_the_next(going: Journey) -> None:
    for trouble in (NO, DOWN):
        going.first.trouble = trouble
        going.courier.hand_in(LETTER if trouble is NO else signed(share()))
    going.at(100)
    assert going.second.letters == [LETTER, signed(share())]
    assert "the commit of round 0 was not handed in: it does not like it" in going.told


def test_doors_that_are_down_are_passed_over_ever_longer_and_nothing_is_lost(going: Journey) -> None:
    going.first.trouble = going.second.trouble = DOWN
    going.courier.hand_in(LETTER)
    knocks = []
    for now in range(100, 160):
        before = going.first.knocks
        going.at(now)
        knocks += [now] * (going.first.knocks - before)
    waits = [later - earlier for earlier, later in pairwise(knocks)]
    assert max(waits) <= 11
    assert len(knocks) <= 10
    going.first.trouble = None
    for now in range(160, 171):
        going.at(now)
    assert going.first.letters == [LETTER]
    assert going.courier.pending == (LETTER,)


def test_what_is_past_its_deadline_is_let_go_and_said(going: Journey) -> None:
    going.courier.hand_in(LETTER)
    going.at(LETTER.message.deadline)
    assert going.courier.pending == (LETTER,)
    assert going.at(LETTER.message.deadline + 1) is None
    assert going.courier.pending == ()
    assert going.told[-1] == "the commit of round 0 did not reach the chain in time"


@pytest.mark.parametrize(
    "view", [replace(EMPTY, ended_at=90), View(TASK, rounds=(a_round(outcome=Outcome.TOO_FEW),))], ids=["task", "round"]
)
def test_what_is_of_a_round_or_task_that_is_over_is_let_go(going: Journey, view: View) -> None:
    going.courier.hand_in(LETTER)
    assert going.at(100, view) is None
    assert going.courier.pending == ()


def test_what_is_of_a_round_not_seen_yet_is_kept(going: Journey) -> None:
    early = signed(commit(round_=1))
    going.courier.hand_in(early)
    going.at(100)
    assert going.courier.pending == (early,)


def test_a_message_on_its_way_is_not_taken_twice(going: Journey) -> None:
    for _ in range(3):
        going.courier.hand_in(LETTER)
    going.at(100)
    assert going.first.letters == [LETTER]


def test_every_kind_of_message_is_named_for_people(going: Journey) -> None:
    for message in messages():
        going.courier.hand_in(signed(message))
    going.at(100)
    assert [line.removesuffix(" was handed in at first") for line in going.told] == [
        "the enrolment",
        "the commit of round 0",
        "the attestation of round 0",
        "the share of round 0",
    ]


def test_without_a_door_and_without_ether_it_waits(going: Journey) -> None:
    with Courier([], patience=10) as courier:
        courier.hand_in(LETTER)
        assert courier.settle(5)
        assert courier.remind(EMPTY, 100) == 101
        assert courier.pending == (LETTER,)


def test_a_bug_in_a_door_comes_out_in_the_callers_thread(going: Journey) -> None:
    going.first.hand_in = lambda handed: 1 // 0  # type: ignore[method-assign, assignment, return-value]
    going.courier.hand_in(LETTER)
    with pytest.raises(ZeroDivisionError):
        going.at(100)


def test_it_carries_to_a_real_door(door: DoorServer, porch: Porch) -> None:
    with Courier([DoorClient("http://127.0.0.1:9", PLACE), DoorClient(door.url, PLACE)], patience=10) as courier:
        courier.hand_in(LETTER)
        assert courier.settle(10)
    assert porch.taken == [LETTER]


# What the chain shows


def test_a_message_is_on_chain_when_the_chain_says_just_that() -> None:
    enrolment, update, attestation, blob = (signed(message) for message in messages())
    mask, name = (1 << 255) + 5, ref(b"a share")
    shown = View(
        TASK,
        enrolments={DEVICE.address: Enrolment(DEVICE.address, 0, 9, bytes(32))},
        rounds=(
            a_round(
                commits=COMMITTED.rounds[0].commits,
                attestations={0: Attestation(0, NOBODY, mask, NOBODY)},
                shares={0: Share(0, NOBODY, name, NOBODY)},
            ),
        ),
    )
    for handed in (enrolment, update, attestation, blob):
        assert is_on_chain(shown, handed)
        assert not is_on_chain(EMPTY, handed)
        assert not is_on_chain(View(TASK), handed)
        assert not is_on_chain(replace(shown, task_id=TaskId(bytes(32))), handed)
    for other in (
        replace(update.message, digest=Digest(bytes(32))),
        replace(update.message, device=NOBODY),
        replace(update.message, round=Round(1)),
        replace(attestation.message, mask=5),
        replace(attestation.message, holder=1),
        replace(blob.message, digest=Digest(bytes(32))),
        replace(blob.message, holder=1),
    ):
        assert not is_on_chain(shown, signed(other))
