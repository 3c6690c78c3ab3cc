"""Signature malleability: (r, n − s, v ⊕ 1) signs the same message; so may other spellings."""

from __future__ import annotations

import pytest
from evm import Refused
from house import Drive, House

from dapp.protocol.enums import SkipReason

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ZERO = bytes(20)


def other_form(signature: bytes) -> bytes:
    """The other signature of the same message by the same key."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    return r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])


SPELLINGS = {
    "the other s": other_form,
    "without its v": lambda signature: signature[:64],
    "with a byte more": lambda signature: signature + b"\0",
    "v counted from 0": lambda signature: signature[:64] + bytes([signature[64] - 27]),
    "all zeros": lambda signature: bytes(65),
    "nothing": lambda signature: b"",
}


@pytest.fixture
def drive(house: House) -> Drive:
    return house.start()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_defended_a_commit_counts_in_one_spelling_only(drive: Drive, spelling: str) -> None:
    house = drive.house
    address, update, deadline, signature = drive.signed_update(0)
    forged = address, update, deadline, SPELLINGS[spelling](signature)
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, [forged])
    assert sent.event("UpdateSkipped")["reason"] == SkipReason.BAD_SIGNATURE


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_defended_a_mark_and_a_share_count_in_one_spelling_only(drive: Drive, spelling: str) -> None:
    house, mining = drive.house, drive.house.mining
    drive.to_publish()
    *mark, signature = drive.attestation(0, drive.round.committed)
    sent = mining.send(house.edges[0], "attestBySig", *drive.place, [(*mark, SPELLINGS[spelling](signature))])
    assert sent.event("MessageSkipped")["reason"] == SkipReason.BAD_SIGNATURE
    drive.attest(drive.round.committed)
    drive.seal(house.edges[0])
    drive.advance("seal_end")
    drive.open(house.edges[0], 0)
    drive.advance("challenge_end")
    *share, signature = drive.signed_share(0)
    sent = mining.send(house.edges[0], "postSharesBySig", *drive.place, [(*share, SPELLINGS[spelling](signature))])
    assert sent.event("MessageSkipped")["reason"] == SkipReason.BAD_SIGNATURE


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_defended_a_ticket_admits_in_one_spelling_only(house: House, spelling: str) -> None:
    task_id, device = house.create(), house.anyone
    ticket = SPELLINGS[spelling](house.ticket(task_id, device))
    with pytest.raises(Refused, match="LearningBadTicket"):
        house.learning.send(device, "enrol", task_id, 1, bytes(32), ticket)


def test_defended_a_message_counts_once_however_often_it_is_signed(drive: Drive) -> None:
    """Another deadline makes another signature of the same commit: the key has committed, and that is that."""
    drive.commit([0])
    house = drive.house
    again = drive.signed_update(0, deadline=2**62)
    sent = house.learning.send(house.edges[1], "commitUpdates", *drive.place, [again])
    assert sent.event("UpdateSkipped")["reason"] == SkipReason.ALREADY_DONE


def test_defended_nobody_signs_for_the_zero_address(house: House) -> None:
    """A signature that recovers to nothing recovers to address 0: it is nobody's."""
    drive = house.start()
    _, update, deadline, _ = drive.signed_update(0)
    forged = ZERO, update, deadline, bytes(64) + b"\x1b"
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, [forged])
    assert sent.event("UpdateSkipped")["reason"] == SkipReason.NOT_ENROLLED
