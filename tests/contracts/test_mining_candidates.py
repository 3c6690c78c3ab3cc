"""Candidates are sealed with a bond, then opened; a seal binds its owner, a header all that it stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import ETHER, Refused
from house import House, digest

from dapp.crypto.sealed import candidate_header
from dapp.protocol.enums import CandidateState, Outcome, Phase


def test_candidates_are_numbered_in_the_order_of_their_seals(house: House) -> None:
    drive = house.start().to_seal()
    for seq, edge in enumerate(house.edges[:3]):
        event = drive.seal(edge).event("AggregateSealed")
        assert (event["slot"], event["seq"], event["bond"]) == (seq, seq, ETHER)
        kept = drive.candidate(seq)
        assert (kept.seq, kept.edge, kept.state) == (seq, edge.address, CandidateState.SEALED)
        assert kept.seal == drive.seal_of(edge, drive.aggregate(edge))
        assert (kept.digest, kept.header) == (bytes(32), bytes(32)), "nothing is known of it yet"


def test_a_seal_costs_at_least_the_bond(house: House) -> None:
    drive = house.start().to_seal()
    with pytest.raises(Refused) as refused:
        drive.seal(house.edges[0], bond=ETHER - 1)
    assert (refused.value.name, *refused.value.values) == ("MiningBondTooSmall", ETHER - 1, ETHER)


def test_sealing_lasts_its_whole_window(house: House) -> None:
    drive = house.start().to_seal()
    end = drive.deadlines.seal_end
    for edge in house.edges[:2]:
        drive.seal(edge)
    with pytest.raises(Refused) as refused:
        drive.open(house.edges[0], 0)
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.SEAL, Phase.OPEN)
    house.evm.advance_to(end - 1)
    drive.seal(house.edges[2])
    with pytest.raises(Refused) as refused:
        drive.seal(house.edges[3])
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.OPEN, Phase.SEAL)


def test_opening_ends_when_all_sealed_candidates_are_open(house: House) -> None:
    drive = house.start().to_open(edges=2)
    drive.open(house.edges[1], 1)
    assert drive.phase == Phase.OPEN
    drive.open(house.edges[0], 0)
    assert drive.phase == Phase.CHALLENGE
    assert drive.deadlines.open_end == house.evm.now
    assert drive.progress.candidates == 0b11


def test_a_header_binds_parent_task_round_set_aggregate_edge_beta_and_nonce(house: House) -> None:
    drive = house.start().to_open()
    edge = house.edges[0]
    drive.open(edge, 0)
    aggregate = drive.aggregate(edge)
    assert drive.candidate(0).header == candidate_header(
        parent=drive.round.parent,
        task_id=drive.task_id,
        round=drive.number,
        kind=drive.round.kind,
        included=0b1111,
        total_weight=650,
        digest=aggregate.digest,
        size=aggregate.size,
        root=aggregate.root,
        edge=edge.address,
        beta=drive.terms.mining.beta,
        nonce=aggregate.nonce,
    )


def test_a_header_must_lie_under_the_target(house: House) -> None:
    target = 2**252
    drive = house.start(terms=house.terms(mining={"pow_target": target})).to_seal()
    edge = house.edges[0]
    headers = {}
    for nonce in range(200):
        aggregate = drive.aggregate(edge, nonce)
        headers[nonce] = candidate_header(
            parent=drive.round.parent,
            task_id=drive.task_id,
            round=drive.number,
            kind=0,
            included=0b1111,
            total_weight=650,
            digest=aggregate.digest,
            size=aggregate.size,
            root=aggregate.root,
            edge=edge.address,
            beta=3,
            nonce=nonce,
        )
    good = next(nonce for nonce, header in headers.items() if int.from_bytes(header, "big") <= target)
    bad = next(nonce for nonce, header in headers.items() if int.from_bytes(header, "big") > target)
    for nonce in (good, bad):
        sealed = drive.seal_of(edge, drive.aggregate(edge, nonce))
        house.mining.send(edge, "sealAggregate", *drive.place, sealed, value=ETHER)
    drive.advance("seal_end")
    opening = (*drive.place, 1, drive.aggregate(edge, bad).to_abi(), drive.salt(edge))
    with pytest.raises(Refused) as refused:
        house.mining.send(edge, "openAggregate", *opening)
    value = int.from_bytes(headers[bad], "big")
    assert (refused.value.name, *refused.value.values) == ("MiningWorkTooSmall", value, target)
    house.mining.send(edge, "openAggregate", *drive.place, 0, drive.aggregate(edge, good).to_abi(), drive.salt(edge))
    assert drive.candidate(0).header == headers[good]


def test_a_copied_seal_cannot_be_opened_by_the_copyist(house: House) -> None:
    drive = house.start().to_seal()
    author, copyist = house.edges[:2]
    drive.seal(author)
    sealed = drive.candidate(0).seal
    house.mining.send(copyist, "sealAggregate", *drive.place, sealed, value=ETHER)
    drive.advance("seal_end")
    aggregate, salt = drive.aggregate(author).to_abi(), drive.salt(author)
    with pytest.raises(Refused) as refused:
        house.mining.send(copyist, "openAggregate", *drive.place, 0, aggregate, salt)
    assert refused.value.name == "MiningNotOwner"
    drive.open(author, 0)
    with pytest.raises(Refused) as refused:
        house.mining.send(copyist, "openAggregate", *drive.place, 1, aggregate, salt)
    assert refused.value.name == "MiningSealMismatch"


def test_what_is_opened_is_what_was_sealed(house: House) -> None:
    drive = house.start().to_open()
    edge = house.edges[0]
    sealed = drive.aggregate(edge)
    for changed in (
        replace(sealed, digest=digest("other")),
        replace(sealed, size=1),
        replace(sealed, root=digest("other")),
        replace(sealed, nonce=1),
    ):
        with pytest.raises(Refused, match="MiningSealMismatch"):
            house.mining.send(edge, "openAggregate", *drive.place, 0, changed.to_abi(), drive.salt(edge))
    with pytest.raises(Refused, match="MiningSealMismatch"):
        house.mining.send(edge, "openAggregate", *drive.place, 0, sealed.to_abi(), digest("other salt"))


def test_a_place_without_a_seal_opens_nothing(house: House) -> None:
    drive = house.start().to_open(edges=2)
    with pytest.raises(Refused) as refused:
        drive.open(house.edges[0], 7)
    assert (refused.value.name, *refused.value.values) == ("MiningUnknownCandidate", 7)
    drive.open(house.edges[0], 0)
    with pytest.raises(Refused, match="MiningUnknownCandidate"):
        drive.open(house.edges[0], 0)


def test_an_aggregate_larger_than_an_update_may_be_is_refused(house: House) -> None:
    drive = house.start().to_seal()
    edge = house.edges[0]
    big = replace(drive.aggregate(edge), size=1_000_001)
    house.mining.send(edge, "sealAggregate", *drive.place, drive.seal_of(edge, big), value=ETHER)
    drive.advance("seal_end")
    with pytest.raises(Refused) as refused:
        house.mining.send(edge, "openAggregate", *drive.place, 0, big.to_abi(), drive.salt(edge))
    assert (refused.value.name, *refused.value.values) == ("MiningTooLarge", 1_000_001, 1_000_000)


def test_a_full_table_is_entered_by_twice_the_lowest_bond(house: House) -> None:
    drive = house.start().to_seal()
    bonds = [ETHER * b for b in (3, 1, 2, 1, 4, 3, 2, 5)]
    for slot, bond in enumerate(bonds):
        drive.seal(house.edges[slot % 4], bond=bond)
    rich = house.edges[4]
    with pytest.raises(Refused) as refused:
        drive.seal(rich, bond=2 * ETHER - 1)
    assert (refused.value.name, *refused.value.values) == ("MiningBondTooSmall", 2 * ETHER - 1, 2 * ETHER)
    before = house.credit(house.edges[3])
    sent = drive.seal(rich, bond=2 * ETHER)
    displaced, sealed = sent.event("CandidateDisplaced"), sent.event("AggregateSealed")
    assert (displaced["slot"], displaced["seq"]) == (3, 3), "of the two lowest bonds the later one goes"
    assert (sealed["slot"], sealed["seq"]) == (3, 8)
    assert house.credit(house.edges[3]) - before == ETHER, "who is displaced has the bond back"
    assert drive.candidate(3).edge == rich.address
    assert drive.progress.sealed_count == 8
    assert house.solvent()


def test_displacing_free_seals_still_costs_something(house: House) -> None:
    drive = house.start(terms=house.terms(money={"edge_bond": 0})).to_seal()
    for slot in range(8):
        drive.seal(house.edges[slot % 4], bond=0)
    with pytest.raises(Refused) as refused:
        drive.seal(house.edges[4], bond=0)
    assert (refused.value.name, *refused.value.values) == ("MiningBondTooSmall", 0, 1)


def test_without_an_opened_candidate_the_round_closes_at_once_and_the_seals_are_forfeit(house: House) -> None:
    drive = house.start().to_open(edges=2)
    drive.advance("open_end")
    assert (drive.phase, drive.outcome) == (Phase.VOTE, Outcome.NOT_OPENED)
    assert not house.mining.read("slateOf", drive.key)[0], "there is nothing to vote on"
    drive.close()
    burnt = bytes.fromhex("000000000000000000000000000000000000dead")
    for slot in range(2):
        house.mining.send(house.anyone, "settleCandidateBond", *drive.place, slot)
        assert drive.candidate(slot).state == CandidateState.FORFEITED
    assert house.credit(burnt) == 2 * ETHER
    assert house.solvent()
