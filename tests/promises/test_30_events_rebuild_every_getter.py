"""Promise 30: the events alone, folded by the view of every role, rebuild what every getter of the contracts says:
here at every moment of whole tasks; at the end of each of promise 2's histories in its own file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from books import getters
from silence import MOMENTS, Theatre

import dapp
from dapp.protocol.enums import Outcome, RoundKind

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
    declared = set().union(*map(views, ("Learning", "Mining", "Verification", "Escrow", "PrevrandaoSeed")))
    assert len(declared) > 50
    assert {name for name in declared - FIXED if not name.isupper()} - compared == set()


def every(theatre: Theatre) -> Iterator[tuple[str, object, object]]:
    return getters(theatre.books_now(), theatre.stage.world.contracts, theatre.now)


def views(contract: str) -> set[str]:
    entries = json.loads((ABI / f"{contract}.json").read_text())["abi"]
    return {entry["name"] for entry in entries if entry.get("stateMutability") in ("view", "pure")}
