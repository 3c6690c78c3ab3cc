"""Promise 30: the events alone, folded by the view of every role, rebuild what every getter of the contracts says:
here at every moment of whole tasks; at the end of each of promise 2's histories in its own file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from books import Books, getters
from silence import MOMENTS, Theatre, agree, moment
from stage import Stage

import dapp
from dapp.protocol.enums import CandidateState, Outcome, RoundKind
from dapp.protocol.view import View
from dapp.simulation.faults import Scenario

ABI = Path(dapp.__file__).parent / "chain" / "abi"
FIXED = {"version", "eip712Domain"}
"""What no event changes, beside the constants, whose getters are in capitals."""

SILENCES: dict[str, Mapping[str, tuple[str, ...]]] = {
    "nobody": {},
    "a device, a holder and a verifier": {"device 3": MOMENTS, "holder 1": MOMENTS, "verifier 0": MOMENTS},
    "an edge that sealed": {"edge 0": MOMENTS[3:]},
    "all verifiers": {"verifier": MOMENTS},
    "who reveals": {"verifier 1": ("reveal",), "verifier 2": ("reveal",)},
    "all who share": {"holder": ("share",)},
}


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Theatre:
    """A task with a gradient and an update round."""
    return Theatre.build(tmp_path_factory.mktemp("events"), "strategy=blockdeepnet")


@pytest.mark.parametrize("silent", SILENCES.values(), ids=SILENCES)
def test_every_getter_at_every_moment(theatre: Theatre, silent: Mapping[str, tuple[str, ...]]) -> None:
    with theatre.supposing(silent):
        moments = 0
        while theatre.play_on():
            theatre.check_getters()
            moments += 1
        theatre.check_getters()
        assert moments > 10
        assert theatre.books.view.rounds[0].kind == RoundKind.GRADIENT
        assert Outcome.OPEN not in {round_.outcome for round_ in theatre.books.view.rounds}


@pytest.mark.parametrize("late", [False, True], ids=["at once", "during the vote"])
@pytest.mark.parametrize("edges", [1, 2], ids=["the only one", "one of two"])
def test_every_getter_where_a_sum_is_struck_out(tmp_path: Path, edges: int, late: bool) -> None:
    """With real sums: a proof needs something to multiply."""
    stage = Stage.build(tmp_path, f"edges={edges}", scenario=Scenario(cheat="edge", watch=True))
    if late:
        stage.silence("watcher", (0,), lambda view, _: view.round is None or not view.round.panels)
    contracts, clock, books = stage.world.contracts, stage.world.clock, Books(View(stage.view.task_id))
    read_to, before = contracts.deployment.block - 1, ""
    while True:
        head = stage.world.client.head().number
        for event in contracts.events(read_to + 1, head):
            books.fold(event)
        read_to, here = head, moment(books.view, clock.now())
        if here != before or stage.over():
            agree(getters(books, contracts, clock.now()))
        if stage.over():
            break
        before = here
        stage.loop.turn()
        stage.observer.after_turn()
    (round_,) = books.view.rounds
    assert CandidateState.STRUCK in {c.state for c in round_.candidates.values()}
    assert bool(round_.panels) == (late or edges == 2)


def test_phases_and_deadlines_after_every_turn(theatre: Theatre) -> None:
    with theatre.supposing({"device 3": MOMENTS, "holder 1": MOMENTS}):
        theatre.play(checked=True)


def test_a_registry_in_motion(theatre: Theatre) -> None:
    world = theatre.stage.world
    with theatre.supposing():
        while theatre.moment != "vote":
            assert theatre.play_on()
        leaver = world.people.verifiers[0]
        world.client.send(leaver, world.contracts.verification.leave())
        theatre.check_getters()
        theatre.play()
        theatre.leave()
        theatre.check_getters()
        assert theatre.books.members == {}


def test_no_getter_is_left_out(theatre: Theatre) -> None:
    with theatre.supposing():
        theatre.play()
        compared = {said[0].split()[0].rpartition(".")[2] for said in every(theatre)}
    declared = set().union(
        *map(views, ("Learning", "Mining", "Verification", "Escrow", "PrevrandaoSeed", "PaillierSum"))
    )
    assert len(declared) > 50
    assert {name for name in declared - FIXED if not name.isupper()} - compared == set()


def every(theatre: Theatre) -> Iterator[tuple[str, object, object]]:
    return getters(theatre.books_now(), theatre.stage.world.contracts, theatre.now)


def views(contract: str) -> set[str]:
    entries = json.loads((ABI / f"{contract}.json").read_text())["abi"]
    return {entry["name"] for entry in entries if entry.get("stateMutability") in ("view", "pure")}
