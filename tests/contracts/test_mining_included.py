"""The included set is exactly the devices marked by at least t holders; it is computed, not chosen."""

from __future__ import annotations

import random

import pytest
from evm import Refused
from house import FUNDS, Drive, House, mask
from test_learning_enrolment import skipped

from dapp.crypto.typed_data import Attestation, mining_domain
from dapp.protocol.enums import Outcome, Phase, SkipReason


def included(drive: Drive) -> tuple[int, int, int]:
    found: tuple[int, int, int] = drive.house.mining.read("includedSet", *drive.place)
    return found


def test_an_attestation_is_kept_with_its_holder(house: House) -> None:
    drive = house.start().to_publish()
    event = drive.attest(0b0111, holders=[2]).event("UpdatesAttested")
    assert (event["index"], event["mask"], event["relay"]) == (2, 0b0111, spelled(house.edges[0].address))
    who, marked = house.mining.read("attestationOf", *drive.place, 2)
    assert (who, marked) == (spelled(house.holders[2].address), 0b0111)
    assert house.mining.read("attestationOf", *drive.place, 1) == (spelled(bytes(20)), 0)


def spelled(address: bytes) -> str:
    return "0x" + address.hex()


def test_a_holder_with_ether_may_attest_itself(house: House) -> None:
    drive = house.start().to_publish()
    house.evm.transfer(house.anyone, house.holders[0].address, 10**18)
    arguments = (*drive.place, 0, 0b11, drive.branch(0))
    house.mining.send(house.holders[0], "attest", *arguments)
    assert drive.progress.attested == 1
    with pytest.raises(Refused, match="MiningAlreadyAttested"):
        house.mining.send(house.holders[0], "attest", *arguments)


def test_only_a_holder_attests_and_only_in_its_own_place(house: House) -> None:
    drive = house.start().to_publish()
    house.evm.transfer(house.anyone, house.holders[0].address, 10**18)
    for account, place, branch in (
        (house.anyone, 0, drive.branch(0)),
        (house.holders[0], 1, drive.branch(1)),
        (house.holders[0], 1, drive.branch(0)),
        (house.holders[0], 5, drive.branch(0)),
        (house.holders[0], 0, []),
    ):
        with pytest.raises(Refused) as refused:
            house.mining.send(account, "attest", *drive.place, place, 0, branch)
        assert refused.value.name == "MiningNotHolder"


def test_a_holder_proves_its_place_once_a_task(house: House) -> None:
    """From then on its address is compared, and the branch is not needed."""
    drive = house.start().to_closed()
    drive = house.open(drive.task_id).to_publish()
    holder, marked, deadline, _, signature = drive.attestation(3, 0b1111)
    batch = [(holder, marked, deadline, [], signature)]
    house.mining.send(house.edges[0], "attestBySig", *drive.place, batch)
    assert drive.progress.attested == 0b1000


def test_a_mask_beyond_the_committed_is_refused(house: House) -> None:
    drive = house.start().to_publish(devices=[0, 1, 2])
    house.evm.transfer(house.anyone, house.holders[0].address, 10**18)
    with pytest.raises(Refused) as refused:
        house.mining.send(house.holders[0], "attest", *drive.place, 0, 0b1001, drive.branch(0))
    assert (refused.value.name, *refused.value.values) == ("MiningBadMask", 0b1001, 0b0111)


def test_a_batch_skips_bad_attestations_and_takes_the_others(house: House) -> None:
    drive = house.start().to_publish()
    holder, marked, deadline, branch, signature = drive.attestation(1, 0b0011)
    batch = [
        drive.attestation(0, 0b1111),
        (holder, 0b1111, deadline, branch, signature),
        (holder, marked, deadline, [], signature),
        (2, marked, deadline, drive.branch(2), signature),
        (7, marked, deadline, branch, signature),
        drive.attestation(3, 0b1111, deadline=house.evm.now),
        drive.attestation(3, 0b10000),
        drive.attestation(0, 0b0001),
        drive.attestation(4, 0b0111),
    ]
    sent = house.mining.send(house.edges[0], "attestBySig", *drive.place, batch)
    assert skipped(sent, "MessageSkipped") == [
        (1, SkipReason.BAD_SIGNATURE),
        (2, SkipReason.BAD_SIGNATURE),
        (3, SkipReason.BAD_SIGNATURE),
        (4, SkipReason.NOT_ENROLLED),
        (5, SkipReason.EXPIRED),
        (6, SkipReason.TOO_LARGE),
        (7, SkipReason.ALREADY_DONE),
    ]
    assert drive.progress.attested == 0b10001


@pytest.mark.parametrize("wrong", ["round", "task", "chain", "contract"])
def test_an_attestation_is_good_in_its_round_task_chain_and_contract_only(house: House, wrong: str) -> None:
    drive = house.start().to_publish()
    task_id, number = (house.create() if wrong == "task" else drive.task_id), drive.number + (wrong == "round")
    chain_id = house.evm.chain.chain_id + (wrong == "chain")
    contract = house.learning.address if wrong == "contract" else house.mining.address
    message = Attestation(task_id, number, 0, 1, 2**63)
    signature = house.holders[0].sign_digest(message.signing_hash(mining_domain(chain_id, contract)))
    batch = [(0, 1, 2**63, drive.branch(0), signature)]
    sent = house.mining.send(house.edges[0], "attestBySig", *drive.place, batch)
    assert skipped(sent, "MessageSkipped") == [(0, SkipReason.BAD_SIGNATURE)]


def test_attesting_comes_after_committing_and_ends_with_the_last_holder(house: House) -> None:
    drive = house.start()
    with pytest.raises(Refused) as refused:
        drive.attest(0)
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.COMMIT, Phase.PUBLISH)
    drive.to_publish()
    drive.attest(0b1111, holders=range(4))
    assert drive.phase == Phase.PUBLISH
    drive.attest(0b1111, holders=[4])
    assert drive.phase == Phase.SEAL
    assert drive.deadlines.publish_end == house.evm.now


def test_the_set_is_who_was_marked_by_a_threshold_of_holders(house: House) -> None:
    drive = house.start(weights=(100, 200, 300, 50, 7)).to_publish()
    for holder, marked in enumerate((0b11111, 0b01111, 0b00111, 0b10011, 0b10000)):
        drive.attest(marked, holders=[holder])
    house.mining.send(house.anyone, "fixIncluded", *drive.place)
    assert included(drive) == (0b10111, 4, 607)


def test_the_set_is_right_for_any_masks(house: House) -> None:
    rng = random.Random(5)
    for _ in range(6):
        with house.supposing():
            drive = house.start(weights=(1, 2, 4, 8, 16, 32, 64, 128)).to_publish()
            masks = [rng.getrandbits(8) | rng.getrandbits(8) for _ in range(5)]
            silent = rng.sample(range(5), rng.randrange(2))
            for holder in set(range(5)) - set(silent):
                drive.attest(masks[holder], holders=[holder])
            if silent:
                drive.advance("publish_end")
            heard = [m for holder, m in enumerate(masks) if holder not in silent]
            expected = mask(i for i in range(8) if sum(m >> i & 1 for m in heard) >= 3)
            if expected.bit_count() < 3:
                assert drive.outcome == Outcome.TOO_FEW
            else:
                house.mining.send(house.anyone, "fixIncluded", *drive.place)
                assert included(drive) == (expected, expected.bit_count(), expected)


def test_who_fixes_the_set_cannot_choose_it_and_earns_the_bounty(house: House) -> None:
    drive = house.start().to_publish()
    drive.attest(0b0111)
    found = []
    for fixer in (house.anyone, house.edges[1]):
        with house.supposing():
            house.mining.send(fixer, "fixIncluded", *drive.place)
            found.append(included(drive))
            assert house.credit(fixer) == drive.terms.money.bounty
            with pytest.raises(Refused, match="MiningAlreadyFixed"):
                house.mining.send(fixer, "fixIncluded", *drive.place)
    drive.seal(house.edges[2])
    assert found == [included(drive)] * 2 == [(0b0111, 3, 600)] * 2
    assert house.credit(house.edges[2]) == drive.terms.money.bounty, "the first seal fixes it too"


def test_the_set_is_not_fixed_before_attesting_is_over(house: House) -> None:
    drive = house.start().to_publish()
    drive.attest(0b1111, holders=range(4))
    with pytest.raises(Refused) as refused:
        house.mining.send(house.anyone, "fixIncluded", *drive.place)
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.PUBLISH, Phase.SEAL)


def test_too_few_included_close_the_round_at_once(house: House) -> None:
    drive = house.start().to_publish()
    drive.attest(0b0011)
    assert (drive.phase, drive.outcome) == (Phase.VOTE, Outcome.TOO_FEW)
    with pytest.raises(Refused) as refused:
        drive.seal(house.edges[0])
    assert (refused.value.name, *refused.value.values) == ("MiningTooFewIncluded", 2, 3)
    budget = house.learning.read("roundBudget", drive.task_id)
    drive.close()
    assert house.pot(drive.key) == 0
    assert house.pot(drive.task_id) == FUNDS - drive.terms.money.bounty, f"all of {budget} but the closer's bounty"
