"""Aggregate copying: an edge that added nothing up seals a rival's seal, and opens it with what the rival shows."""

from __future__ import annotations

import pytest
from evm import Refused
from house import Drive, House
from test_mining_outcomes import BURNT

from dapp.protocol.enums import CandidateState, Outcome
from dapp.protocol.records import Ballot

RIVAL, COPIER = 0, 1


def copied(house: House) -> Drive:
    """Slot 0 is the rival's seal, slot 1 the same bytes under the copier's name; the rival has opened."""
    drive = house.start().to_seal()
    rival, copier = house.edges[RIVAL], house.edges[COPIER]
    drive.seal(rival)
    seal = drive.seal_of(rival, drive.aggregate(rival))
    house.mining.send(copier, "sealAggregate", *drive.place, seal, value=drive.terms.money.edge_bond)
    drive.advance("seal_end")
    drive.open(rival, 0)
    return drive


def test_defended_a_copied_seal_does_not_open_for_the_copier(house: House) -> None:
    drive = copied(house)
    rival, copier = house.edges[RIVAL], house.edges[COPIER]
    for salt in (drive.salt(rival), drive.salt(copier)):
        shown = drive.aggregate(rival).to_abi(), salt
        with pytest.raises(Refused, match="MiningSealMismatch"):
            house.mining.send(copier, "openAggregate", *drive.place, 1, *shown)


def test_defended_nobody_opens_anothers_candidate(house: House) -> None:
    drive = house.start().to_open()
    shown = drive.aggregate(house.edges[0]).to_abi(), drive.salt(house.edges[0])
    with pytest.raises(Refused, match="MiningNotOwner"):
        house.mining.send(house.edges[1], "openAggregate", *drive.place, 0, *shown)


def test_defended_the_copiers_bond_is_burnt_and_the_rival_is_paid(house: House) -> None:
    drive = copied(house)
    drive.advance("open_end")
    drive.advance("challenge_end")
    drive.share(range(3))
    drive.post_opening(house.edges[RIVAL])
    drive.advance("opening_end")
    drive.vote(Ballot(0b01, 0, 1, 0))
    drive.close()
    burnt = house.credit(BURNT)
    house.mining.send(house.anyone, "settleCandidateBond", *drive.place, 1)
    assert drive.candidate(1).state == CandidateState.FORFEITED
    assert house.credit(BURNT) - burnt == drive.terms.money.edge_bond
    event = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place).event("EdgePaid")
    assert bytes.fromhex(event["edge"][2:]) == house.edges[RIVAL].address


def test_defended_nobody_seals_once_a_candidate_is_open(house: House) -> None:
    """The seal window never ends early, and nothing is opened within it."""
    drive = house.start().to_seal()
    drive.seal(house.edges[0])
    with pytest.raises(Refused, match="MiningWrongPhase"):
        drive.open(house.edges[0], 0)
    drive.advance("seal_end")
    drive.open(house.edges[0], 0)
    with pytest.raises(Refused, match="MiningWrongPhase"):
        drive.seal(house.edges[1])


def test_defended_of_two_right_sums_the_first_sealed_is_paid_and_the_other_loses_nothing(house: House) -> None:
    """So there is nothing in being second, and no loss in having been honest."""
    drive = house.start().to_closed(edges=2, ballot=Ballot(0b11, 0, 1, 0))
    assert drive.outcome == Outcome.ACCEPTED
    paid = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place).event("EdgePaid")
    assert bytes.fromhex(paid["edge"][2:]) == house.edges[0].address
    house.mining.send(house.anyone, "settleCandidateBond", *drive.place, 1)
    assert house.credit(house.edges[1]) == drive.terms.money.edge_bond
