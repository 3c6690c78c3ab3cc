"""Update plagiarism: a device that learnt nothing submits another's update, as it is or under fresh randomness."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from attackers import PLAGIARIST, VICTIM
from siege import Lab, Siege, ciphertexts_of, rerandomised, with_ciphertexts

from dapp.crypto import proofs
from dapp.crypto.paillier import FixedBase
from dapp.errors import BlobError, CryptoError
from dapp.protocol.blobs import UpdateBlob
from dapp.protocol.work import update_context
from dapp.types import Address, TaskId

THIEF, OWNER = 1, 0


@pytest.fixture
def stolen(lab: Lab) -> UpdateBlob:
    return UpdateBlob.decode(lab.updates[OWNER][1])


def test_defended_nothing_is_published_while_updates_can_still_be_committed(siege: Siege) -> None:
    assert siege.published_while_committing == []
    assert all(len(round_.commits) == 7 for round_ in siege.rounds)


def test_defended_an_update_as_it_was_names_its_owner(lab: Lab, stolen: UpdateBlob) -> None:
    commit, data = lab.committed(THIEF, stolen)
    with pytest.raises(BlobError, match="copied or replayed"):
        lab.check(commit, data)


def test_defended_an_update_under_another_name_has_no_proof(lab: Lab, stolen: UpdateBlob) -> None:
    with pytest.raises(CryptoError, match="proof of plaintext knowledge fails"):
        lab.check(*lab.committed(THIEF, replace(stolen, device=lab.devices[THIEF])))


def test_defended_a_re_randomised_update_has_no_proof(lab: Lab, stolen: UpdateBlob) -> None:
    copy = rerandomised(lab.facts, stolen, lab.devices[THIEF], 0, lab.random)
    decrypted = lab.private.decrypt_many(ciphertexts_of(lab.public, copy))
    assert decrypted == lab.private.decrypt_many(ciphertexts_of(lab.public, stolen)), "the attack copies the plaintexts"
    assert copy.ciphertexts != stolen.ciphertexts
    with pytest.raises(CryptoError, match="proof of plaintext knowledge fails"):
        lab.check(*lab.committed(THIEF, copy))


def test_defended_a_share_of_anothers_update_has_no_proof(lab: Lab, stolen: UpdateBlob) -> None:
    """One stolen ciphertext among the thief's own is enough to fail."""
    own = UpdateBlob.decode(lab.updates[THIEF][1])
    theft = [*ciphertexts_of(lab.public, own)[:-1], ciphertexts_of(lab.public, stolen)[-1]]
    with pytest.raises(CryptoError, match="proof of plaintext knowledge fails"):
        lab.check(*lab.committed(THIEF, with_ciphertexts(lab.public, own, theft)))


@pytest.mark.parametrize("other", ["round", "device", "task", "chain", "contract"])
def test_defended_a_proof_is_good_in_its_own_place_only(lab: Lab, stolen: UpdateBlob, other: str) -> None:
    facts = lab.facts
    places = {
        "round": update_context(facts, 1, lab.devices[OWNER]),
        "device": update_context(facts, 0, lab.devices[THIEF]),
        "task": update_context(replace(facts, task_id=TaskId(b"\1" * 32)), 0, lab.devices[OWNER]),
        "chain": update_context(replace(facts, chain_id=1), 0, lab.devices[OWNER]),
        "contract": update_context(replace(facts, learning=Address(b"\1" * 20)), 0, lab.devices[OWNER]),
    }
    proof = proofs.PlaintextProof.from_bytes(lab.public, stolen.proof)
    ciphertexts = ciphertexts_of(lab.public, stolen)
    proofs.verify(lab.public, ciphertexts, proof, update_context(facts, 0, lab.devices[OWNER]))
    with pytest.raises(CryptoError, match="does not hold"):
        proofs.verify(lab.public, ciphertexts, proof, places[other])


def test_defended_every_honest_holder_refuses_the_copy_by_name_and_it_is_neither_added_nor_paid(
    siege: Siege,
) -> None:
    for holder in range(5):
        told = siege.stage.faults(f"holder {holder}")
        assert any(f"device {PLAGIARIST}" in text and "proof of plaintext knowledge" in text for text in told)
    first, second = siege.rounds
    assert (first.included or 0) >> PLAGIARIST & 1, "it was honest in the first round"
    assert PLAGIARIST in second.commits
    assert not (second.included or 0) >> PLAGIARIST & 1
    thief = siege.address(PLAGIARIST)
    assert ("device", thief) in first.paid
    assert ("device", thief) not in second.paid
    assert ("device", siege.address(VICTIM)) in second.paid


def test_known_gap_who_is_told_the_plaintexts_proves_them_as_its_own(lab: Lab) -> None:
    """A proof of knowledge shows that somebody knows, not that it learnt. Two devices that collude can send one update
    twice; each must be admitted, has the weight of its own enrolment, and tells the other everything."""
    owner, twin = lab.devices[OWNER], lab.devices[THIEF]
    twins = replace(lab, devices=(owner, twin), weights=(3, 3), random=Random(1).getrandbits)
    twins.values[1][:] = twins.values[0]
    commit, data = twins.update(1)
    twins.check(commit, data)
    ours = lab.private.decrypt_many(ciphertexts_of(lab.public, UpdateBlob.decode(data)))
    assert ours == lab.private.decrypt_many(ciphertexts_of(lab.public, UpdateBlob.decode(twins.update(0)[1])))


def test_the_attack_changes_no_plaintext(lab: Lab, stolen: UpdateBlob) -> None:
    """hs^x is an n-th power: multiplying by it is the re-randomisation that the mitigation must withstand."""
    table = FixedBase.for_work(lab.public, 400, 2)
    assert lab.private.decrypt(table.power(12345)) == 0
