"""Promise 2: nobody's money can be held by another's silence. From any state, whoever is silent from there on: once the
last deadline has passed, everybody can withdraw.

The machines, transactions and wei are real; the heavy work is ready-made (``ready_made``). A bystander does in the end
what those who are silent left undone: anybody may, and is paid for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from silence import MOMENTS, ROLES, Theatre, moment

from dapp.protocol.enums import Outcome, Status

TREES, HISTORIES = 8, 25
"""200 random histories, grown as trees: what two have in common is played once."""

History = tuple[frozenset[tuple[str, frozenset[str]]], Outcome]
"""Who was silent in which moments, and how the round ended."""


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Theatre:
    return Theatre.build(tmp_path_factory.mktemp("silence"))


def check_end(theatre: Theatre, *, stakes: bool) -> None:
    theatre.check_everybody_withdrew()
    theatre.check_lock()
    theatre.check_getters()
    if stakes:
        theatre.leave()
        theatre.check_everybody_withdrew()
        assert theatre.stage.world.client.balance(theatre.stage.world.contracts.escrow.address) == 0


@pytest.mark.parametrize("role", ROLES)
def test_whoever_is_silent_from_whichever_moment_on(theatre: Theatre, role: str) -> None:
    """A whole role at once, in every moment of a round and ever after: 5 × 13 histories."""
    with theatre.supposing():
        for i, begins in enumerate(MOMENTS):
            while theatre.moment != begins:
                assert theatre.play_on(), f"a round without silence has no moment '{begins}'"
            with theatre.supposing({role: MOMENTS[i:]}):
                check_end(theatre.play(), stakes=True)


@pytest.mark.parametrize("role", ROLES)
def test_whoever_is_silent_in_one_moment_only(theatre: Theatre, role: str) -> None:
    with theatre.supposing({role: Random(role).sample(MOMENTS, 1)}):
        check_end(theatre.play(), stakes=False)


def test_everybody_is_silent_for_ever(theatre: Theatre) -> None:
    with theatre.supposing(dict.fromkeys(ROLES, MOMENTS)):
        check_end(theatre.play(), stakes=True)
        assert [round_.outcome for round_ in theatre.books.view.rounds] == [Outcome.TOO_FEW]


@pytest.mark.parametrize("tree", range(TREES))
def test_random_histories_of_silence(theatre: Theatre, tree: int) -> None:
    with theatre.supposing():
        histories = list(grow(theatre, Random(tree), HISTORIES))
    assert len(histories) == HISTORIES
    assert len({silences for silences, _ in histories}) > 0.9 * HISTORIES
    assert len({outcome for _, outcome in histories}) > 1


def grow(
    theatre: Theatre, random: Random, count: int
) -> Iterator[tuple[frozenset[tuple[str, frozenset[str]]], Outcome]]:
    """Plays so many histories that begin here."""
    now = theatre.moment
    if count == 1:
        for later in MOMENTS[MOMENTS.index(now) if now in MOMENTS else 0 :]:
            mute(theatre, later, random)
        yield ended(theatre)
        return
    branches = 1 if now == "before" else min(count, 3 if now == "commit" else random.choice([1, 2, 3]))
    left = 0
    for i in range(branches):
        size = count // branches + (i < count % branches)
        with theatre.supposing():
            mute(theatre, now, random)
            if theatre.play_on() and theatre.moment != "closed":
                yield from grow(theatre, random, size)
            else:
                yield ended(theatre)
                left += size - 1
    for _ in range(left):
        with theatre.supposing():
            yield from grow(theatre, random, 1)


def mute(theatre: Theatre, now: str, random: Random) -> None:
    """Each member says nothing in a moment with probability 1/10, a whole role with 1/60."""
    names = [node.name for node in theatre.loop.nodes if node.name != "bystander"]
    chosen = [name for name in names if random.random() < 1 / 10] + [role for role in ROLES if random.random() < 1 / 60]
    for who in chosen:
        theatre.silent = theatre.silent | {who: theatre.silent.get(who, frozenset()) | {now}}


def ended(theatre: Theatre) -> History:
    check_end(theatre.play(), stakes=False)
    return frozenset(theatre.silent.items()), theatre.books.view.round.outcome


def test_a_registry_that_empties_before_the_vote_abandons_the_round_and_pays_for_the_work(theatre: Theatre) -> None:
    world = theatre.stage.world
    with theatre.supposing():
        while theatre.moment != "opening":
            assert theatre.play_on()
        leaving = world.people.verifiers[:2]
        world.client.send_all([(verifier, world.contracts.verification.leave()) for verifier in leaving])
        check_end(theatre.play(), stakes=True)
        (round_,) = theatre.books.view.rounds
        assert round_.outcome == Outcome.ABANDONED
        assert [(panel.size, panel.settled) for panel in round_.panels] == [(0, Status.ABANDONED)]
        assert {role for role, _ in round_.paid} >= {"device", "holder", "relay"}


def test_a_seed_that_is_proven_too_late_seats_nobody(theatre: Theatre) -> None:
    world = theatre.stage.world
    with theatre.supposing({"chores": ["seed", "settle"]}):
        while theatre.moment != "seed":
            assert theatre.play_on()
        panel = theatre.books.view.round.panels[-1]
        world.clock.advance_to_block(panel.seed_block + 1)
        world.clock.advance_to(panel.deadlines(world.facts.terms)[0])
        header = world.client.node.header(panel.seed_block)
        world.client.send(world.people.requester, world.contracts.seed.prove(panel.request, header))
        theatre.check_getters()
        assert theatre.books.view.round.panels[-1].seed is None
        check_end(theatre.play(), stakes=False)
        assert len(theatre.books.view.round.panels) > 1


def test_the_moments_are_told_apart_by_the_view_alone(theatre: Theatre) -> None:
    seen = []
    with theatre.supposing():
        while theatre.play_on():
            seen.append(moment(theatre.books.view, theatre.now))
    assert seen == [*MOMENTS]
