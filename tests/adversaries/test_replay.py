"""Replay: a message signed for one round, task, contract or chain is sent again in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from evm import Refused, Sent
from house import FAR, Drive, House, digest
from siege import Lab

from dapp.chain.keys import Account
from dapp.crypto.sealed import vote_seal
from dapp.crypto.typed_data import (
    Attestation,
    Domain,
    Enrolment,
    Message,
    ShareCommit,
    Ticket,
    UpdateCommit,
    learning_domain,
    mining_domain,
)
from dapp.errors import BlobError
from dapp.protocol.enums import Phase, SkipReason
from dapp.protocol.records import Ballot
from dapp.types import Address, TaskId

OTHER = Address(b"\x11" * 20)

PLACES: dict[str, Callable[[House, Domain], Domain]] = {
    "another chain": lambda _, domain: replace(domain, chain_id=domain.chain_id + 1),
    "another deployment": lambda _, domain: replace(domain, contract=OTHER),
    "the other contract": lambda house, domain: replace(
        domain,
        contract=house.mining.address if domain.contract == house.learning.address else house.learning.address,
    ),
    "another name": lambda _, domain: replace(domain, name="Cairn"),
}


def sign(account: Account, message: Message, domain: Domain) -> bytes:
    return account.sign_digest(message.signing_hash(domain))


def skipped(sent: Sent) -> list[SkipReason]:
    return [SkipReason(e["reason"]) for e in sent.events if e.name in ("UpdateSkipped", "MessageSkipped")]


def commit(drive: Drive, domain: Domain, **changes: object) -> Sent:
    """A device's commit that was signed for somewhere else."""
    house, device, update = drive.house, drive.house.devices[0], drive.update(0)
    message = UpdateCommit(*drive.place, device.address, *update.to_abi(), FAR)
    signature = sign(device, replace(message, **changes), domain)  # type: ignore[arg-type]
    signed = device.address, update.to_abi(), FAR, signature
    return house.learning.send(house.edges[0], "commitUpdates", *drive.place, [signed])


def attest(drive: Drive, domain: Domain, **changes: object) -> Sent:
    house, marked = drive.house, drive.round.committed
    message = Attestation(*drive.place, 0, marked, FAR)
    signature = sign(house.holders[0], replace(message, **changes), domain)  # type: ignore[arg-type]
    signed = 0, marked, FAR, drive.branch(0), signature
    return house.mining.send(house.edges[0], "attestBySig", *drive.place, [signed])


def share(drive: Drive, domain: Domain, **changes: object) -> Sent:
    house = drive.house
    message = ShareCommit(*drive.place, 0, digest("share", 0), 20_000, FAR)
    signature = sign(house.holders[0], replace(message, **changes), domain)  # type: ignore[arg-type]
    signed = 0, message.digest, message.size, FAR, drive.branch(0), signature
    return house.mining.send(house.edges[0], "postSharesBySig", *drive.place, [signed])


@pytest.mark.parametrize("place", PLACES)
def test_defended_a_commit_signed_for_another_place_is_skipped(house: House, place: str) -> None:
    drive = house.start()
    assert skipped(commit(drive, PLACES[place](house, house.learning_domain))) == [SkipReason.BAD_SIGNATURE]
    assert skipped(commit(drive, house.learning_domain)) == []


@pytest.mark.parametrize("field", ["round", "task_id"])
def test_defended_a_message_of_another_round_or_task_is_skipped(house: House, field: str) -> None:
    elsewhere: dict[str, object] = {field: {"round": 1, "task_id": TaskId(b"\x22" * 32)}[field]}
    drive = house.start()
    assert skipped(commit(drive, house.learning_domain, **elsewhere)) == [SkipReason.BAD_SIGNATURE]
    drive.to_publish()
    assert skipped(attest(drive, house.mining_domain, **elsewhere)) == [SkipReason.BAD_SIGNATURE]
    drive.attest(drive.round.committed)
    drive.seal(house.edges[0])
    drive.advance("seal_end")
    drive.open(house.edges[0], 0)
    drive.advance("challenge_end")
    assert drive.phase == Phase.SHARE
    assert skipped(share(drive, house.mining_domain, **elsewhere)) == [SkipReason.BAD_SIGNATURE]
    for place in PLACES.values():
        assert skipped(share(drive, place(house, house.mining_domain))) == [SkipReason.BAD_SIGNATURE]
    assert skipped(share(drive, house.mining_domain)) == []


def test_defended_the_same_message_twice_counts_once_and_is_paid_once(house: House) -> None:
    drive = house.start()
    drive.commit([0])
    before = drive.round.committed
    assert skipped(drive.commit([0], relay=house.edges[1])) == [SkipReason.ALREADY_DONE]
    assert drive.round.committed == before


def test_defended_a_message_is_good_until_its_deadline(house: House) -> None:
    drive = house.start()
    device, update, _, signature = drive.signed_update(0, deadline=house.evm.now)
    late = device, update, house.evm.now, signature
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, [late])
    assert skipped(sent) == [SkipReason.EXPIRED]


def test_defended_a_longer_deadline_than_was_signed_is_no_signature(house: House) -> None:
    drive = house.start()
    device, update, _, signature = drive.signed_update(0, deadline=house.evm.now + 1000)
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, [(device, update, FAR, signature)])
    assert skipped(sent) == [SkipReason.BAD_SIGNATURE]


@pytest.mark.parametrize("place", PLACES)
def test_defended_an_enrolment_and_its_ticket_are_good_in_one_place(house: House, place: str) -> None:
    task_id, device = house.create(), house.devices[0]
    elsewhere = PLACES[place](house, house.learning_domain)
    message = Enrolment(task_id, device.address, 100, digest("owner"), FAR)
    ticket = Ticket(task_id, device.address)
    here = house.learning_domain
    for ticket_domain, own_domain in ((elsewhere, here), (here, elsewhere)):
        signed = sign(house.admission, ticket, ticket_domain), sign(device, message, own_domain)
        sent = house.learning.send(
            house.edges[0], "enrolBySig", task_id, [(device.address, 100, message.ownership, FAR, *signed)]
        )
        assert sent.event("EnrolmentSkipped")["reason"] == SkipReason.BAD_SIGNATURE


def test_defended_a_ticket_of_one_task_does_not_admit_to_another(house: House) -> None:
    first, second = house.create(), house.create()
    ticket = house.ticket(first, house.anyone)
    with pytest.raises(Refused, match="LearningBadTicket"):
        house.learning.send(house.anyone, "enrol", second, 1, bytes(32), ticket)


def test_defended_a_signature_made_for_a_fork_is_worthless_here(house: House) -> None:
    """A fork keeps addresses and history and has, by EIP-1344, a chain id of its own; the domain holds it."""
    chain_id = house.evm.chain.chain_id
    for here, fork in (
        (learning_domain(chain_id, house.learning.address), learning_domain(chain_id + 1, house.learning.address)),
        (mining_domain(chain_id, house.mining.address), mining_domain(chain_id + 1, house.mining.address)),
    ):
        message = UpdateCommit(TaskId(bytes(32)), 0, OTHER, digest("d"), 1, bytes(32), 0, FAR)
        assert message.signing_hash(here) != message.signing_hash(fork)


def test_defended_a_vote_of_another_round_does_not_open(house: House) -> None:
    """Its seal holds the case, the attempt and the seat."""
    drive = house.start().to_vote()
    case = house.mining.address, drive.key, 0
    house.verification.send(house.anyone, "summon", *case)
    voter = next(
        v for v in house.verifiers if v.address.hex() == house.verification.read("seatOf", *case, 0)[2:].lower()
    )
    ballot, evidence, salt = Ballot(1, 0, 1, 0), b"\1" * 32, b"\2" * 32
    where = house.evm.chain.chain_id, house.verification.address, house.mining.address
    earlier = vote_seal(*where, b"\3" * 32, 0, 0, voter.address, ballot, evidence, salt)
    house.verification.send(voter, "commitVote", *case, 0, earlier)
    house.evm.chain.travel(drive.terms.windows.commit_vote)
    with pytest.raises(Refused, match="VerificationSealMismatch"):
        house.verification.send(voter, "revealVote", *case, 0, (1, 0, 1, 0), evidence, salt)


def test_defended_an_update_of_an_earlier_round_is_refused(lab: Lab) -> None:
    """Blobs name their task and round, their proofs are bound to them, and the chain holds a digest for each."""
    commit_, data = lab.updates[0]
    lab.check(commit_, data, 0)
    with pytest.raises(BlobError, match="copied or replayed"):
        lab.check(commit_, data, 1)
    elsewhere = replace(lab, facts=replace(lab.facts, task_id=TaskId(b"\x22" * 32)))
    with pytest.raises(BlobError, match="copied or replayed"):
        elsewhere.check(commit_, data, 0)
