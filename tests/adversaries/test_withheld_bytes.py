"""Withheld bytes: publish a digest, and keep what it is the digest of."""

from __future__ import annotations

import pytest
from silence import Theatre

from dapp.protocol.enums import CandidateState, Outcome


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Theatre:
    return Theatre.build(tmp_path_factory.mktemp("withheld"))


def play_to(theatre: Theatre, moment: str) -> None:
    while theatre.moment != moment:
        assert theatre.play_on()


def withhold(theatre: Theatre, begins: bytes) -> int:
    """Takes blobs out of the store; gives how many."""
    kept = [digest for digest, blob in theatre.store.blobs.items() if blob.startswith(begins)]
    for digest in kept:
        del theatre.store.blobs[digest]
    return len(kept)


def test_defended_an_update_that_holders_cannot_fetch_is_left_out_and_earns_nothing(theatre: Theatre) -> None:
    with theatre.supposing():
        play_to(theatre, "publish")
        withholding = theatre.books.view.by_index[3]
        publish = theatre.store.put

        def keeps_back(data: bytes) -> object:
            return publish(data) if not data.startswith(b"update of 3") else None

        withhold(theatre, b"update of 3")
        theatre.store.put = keeps_back  # type: ignore[method-assign, assignment]
        try:
            theatre.play()
        finally:
            del theatre.store.put
        (round_,) = theatre.books.view.rounds
        assert round_.committed == 0b1111
        assert round_.included == 0b0111
        assert round_.outcome == Outcome.ACCEPTED
        assert ("device", withholding.device) not in round_.paid
        theatre.check_everybody_withdrew()


def test_defended_a_sum_that_nobody_can_fetch_is_called_invalid_and_its_bond_is_lost(theatre: Theatre) -> None:
    with theatre.supposing():
        play_to(theatre, "summon")
        assert withhold(theatre, b"sum over") > 0
        theatre.play()
        (round_,) = theatre.books.view.rounds
        assert round_.outcome == Outcome.NOT_OPENED
        assert {round_.bonds[False, slot] for slot in round_.candidates} == {CandidateState.FORFEITED}
        assert {role for role, _ in round_.paid} >= {"device", "relay"}
        theatre.check_everybody_withdrew()


def test_defended_an_opening_that_nobody_can_fetch_is_called_wrong_and_its_bond_is_lost(theatre: Theatre) -> None:
    with theatre.supposing():
        play_to(theatre, "summon")
        assert withhold(theatre, b"opening") > 0
        theatre.play()
        (round_,) = theatre.books.view.rounds
        assert round_.outcome == Outcome.NOT_OPENED
        assert round_.bonds[True, 0] == CandidateState.FORFEITED
        theatre.check_everybody_withdrew()
