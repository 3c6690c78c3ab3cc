"""What Learning and Mining cost on prague, at usual sizes and at the maxima."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from evm import ETHER, artifact
from gauge import Gas
from house import FUNDS, Drive, House, digest, mask, people

from dapp.protocol.records import Ballot
from dapp.protocol.terms import Terms

WORST_TRANSACTION = 8_000_000


@pytest.fixture(scope="module")
def built() -> House:
    return House.build(devices=64, holders=10)


@pytest.fixture
def house(built: House) -> Iterator[House]:
    with built.supposing():
        yield built


def terms(house: House) -> Terms:
    return house.terms(
        cohort={"max_devices": 64, "max_weight": 8000},
        panel={"seats": 5},
        key={"threshold": 6},
        windows={"publish": 3000, "share": 3000},
    )


def second_round(house: House, devices: int = 32) -> Drive:
    """In the first round holders prove their places and counters leave zero; the second is the usual one."""
    drive = house.start(weights=[100] * devices, terms=terms(house))
    drive.to_closed()
    return house.open(drive.task_id, drive.terms)


def test_creating_a_task(house: House, gas: Gas) -> None:
    sent = house.learning.send(house.requester, "createTask", terms(house).to_abi(), value=FUNDS)
    gas.check("create task and fund", sent.gas, 450_000)
    full = house.terms(mining={"pow_target": 2**255})
    sent = house.learning.send(house.requester, "createTask", full.to_abi(), value=FUNDS)
    gas.check("create task with proof of work", sent.gas, 450_000)


def test_enrolling(house: House, gas: Gas) -> None:
    task_id = house.create(terms(house))
    house.enrol(task_id, [100])
    device = house.anyone
    sent = house.learning.send(device, "enrol", task_id, 1, digest("owner"), house.ticket(task_id, device))
    gas.check("enrol", sent.gas, 110_000)
    (sent,) = house.enrol(task_id, [100] * 32, first=1)
    gas.check("enrol, each of a batch of 32", sent.gas // 32, 70_000)


def test_opening_a_round(house: House, gas: Gas) -> None:
    drive = house.start(weights=[100] * 32, terms=terms(house))
    drive.to_closed()
    sent = house.learning.send(house.anyone, "openRound", drive.task_id)
    gas.check("open round", sent.gas, 250_000)


def test_committing(house: House, gas: Gas) -> None:
    task_id, device = house.create(terms(house)), house.anyone
    house.learning.send(device, "enrol", task_id, 1, digest("owner"), house.ticket(task_id, device))
    house.enrol(task_id, [100] * 34)
    drive = house.open(task_id, terms(house))
    drive.commit([33])
    sent = house.learning.send(device, "commitUpdate", *drive.place, drive.update(0).to_abi())
    gas.check("commit update", sent.gas, 65_000)
    gas.check("commit update, each of a batch of 32", drive.commit(range(32)).gas // 32, 40_000)


def test_attesting(house: House, gas: Gas) -> None:
    drive = second_round(house).to_publish()
    house.evm.transfer(house.anyone, house.holders[9].address, ETHER)
    marked = drive.round.committed
    gas.check("attest, each of a batch of 9", drive.attest(marked, holders=range(9)).gas // 9, 50_000)
    sent = house.mining.send(house.holders[9], "attest", *drive.place, 9, marked, drive.branch(9))
    gas.check("attest", sent.gas, 85_000)


def test_from_the_included_set_to_the_opening(house: House, gas: Gas) -> None:
    drive = second_round(house).to_seal()
    with house.supposing():
        sent = house.mining.send(house.anyone, "fixIncluded", *drive.place)
        gas.check("fix included, 32 devices, 10 holders", sent.gas, 250_000)
        gas.check("seal aggregate", drive.seal(house.edges[0]).gas, 220_000)
    gas.check("seal aggregate and fix included, 32 devices, 10 holders", drive.seal(house.edges[0]).gas, 380_000)
    drive.advance("seal_end")
    gas.check("open aggregate", drive.open(house.edges[0], 0).gas, 180_000)
    drive.advance("challenge_end")
    gas.check("share, each of a batch of 6", drive.share(range(6)).gas // 6, 60_000)
    house.evm.transfer(house.anyone, house.holders[6].address, ETHER)
    sent = house.mining.send(house.holders[6], "postShare", *drive.place, 6, digest("s"), 9, drive.branch(6))
    gas.check("share", sent.gas, 90_000)
    gas.check("post opening", drive.post_opening(house.edges[0]).gas, 260_000)


def test_closing_and_claims(house: House, gas: Gas) -> None:
    drive = second_round(house).to_vote()
    drive.vote(Ballot(1, 0, 1, 0))
    learning, mining, place, anyone = house.learning, house.mining, drive.place, house.anyone
    gas.check("close round", drive.close().gas, 250_000)
    # Everybody was paid before: nobody's credit is new.
    for device in house.devices[:32]:
        sent = learning.send(anyone, "claimDevicePayFor", *place, device.address)
    gas.check("claim device pay and the dust", sent.gas, 150_000)
    with house.supposing():
        again = house.open(drive.task_id, drive.terms).to_closed()
        for device in house.devices[:2]:
            sent = learning.send(anyone, "claimDevicePayFor", *again.place, device.address)
        gas.check("claim device pay", sent.gas, 100_000)
    edge = house.edges[0].address
    gas.check("claim relay pay for commits", learning.send(anyone, "claimRelayPayFor", *place, edge).gas, 120_000)
    gas.check("claim relay pay for messages", mining.send(anyone, "claimRelayPayFor", *place, edge).gas, 120_000)
    gas.check("claim edge pay", mining.send(anyone, "claimEdgePayFor", *place).gas, 130_000)
    gas.check("claim opener pay", mining.send(anyone, "claimOpenerPayFor", *place).gas, 130_000)
    mining.send(anyone, "claimHolderPayFor", *place, 0)
    gas.check("claim holder pay", mining.send(anyone, "claimHolderPayFor", *place, 1).gas, 120_000)
    gas.check("settle candidate bond", mining.send(anyone, "settleCandidateBond", *place, 0).gas, 120_000)
    gas.check("settle opening bond", mining.send(anyone, "settleOpeningBond", *place, 0).gas, 120_000)


def test_withdrawing(house: House, gas: Gas) -> None:
    drive = house.start(weights=[100] * 3, terms=terms(house)).to_closed()
    house.learning.send(house.anyone, "claimDevicePayFor", *drive.place, house.devices[0].address)
    sent = house.escrow.send(house.anyone, "withdrawFor", house.devices[0].address)
    gas.check("withdraw for a device that never held ether", sent.gas, 75_000)
    gas.check("withdraw", house.escrow.send(house.anyone, "withdraw").gas, 50_000)


def test_at_the_maxima_no_transaction_costs_more_than_eight_million(gas: Gas) -> None:
    """256 devices, 32 holders, 8 candidates, 4 openings."""
    house = House.build(devices=256, holders=32)
    widest = house.terms(
        cohort={"max_devices": 256, "max_weight": 2**20, "weight_cap": 4096},
        key={"threshold": 17},
        windows=dict.fromkeys(("commit", "publish", "seal", "open", "share", "opening", "contest"), 5000),
    )
    task_id = house.create(widest)
    worst = max(sent.gas for sent in house.enrol(task_id, [4096] * 256))
    gas.check("batch of 32 enrolments", worst, WORST_TRANSACTION)
    drive = house.open(task_id, widest)
    worst = max(drive.commit(range(first, first + 32)).gas for first in range(0, 256, 32))
    gas.check("batch of 32 commits", worst, WORST_TRANSACTION)
    gas.check("batch of 32 attestations, places proven", drive.attest(2**256 - 1).gas, WORST_TRANSACTION)
    with house.supposing():
        sent = house.mining.send(house.anyone, "fixIncluded", *drive.place)
        gas.check("fix included, 256 devices, 32 holders", sent.gas, 330_000)
    for slot in range(8):
        drive.seal(house.edges[slot % 5])
    sent = drive.seal(house.edges[0], bond=2 * ETHER)
    gas.check("seal aggregate by displacing one of eight", sent.gas, WORST_TRANSACTION)
    drive.advance("seal_end")
    for slot in range(7):
        drive.open(house.edges[slot % 5], slot)
    gas.check("open the last of eight", drive.open(house.edges[0], 7).gas, WORST_TRANSACTION)
    drive.advance("challenge_end")
    gas.check("batch of 32 shares", drive.share(range(32)).gas, WORST_TRANSACTION)
    for index in range(4):
        sent = drive.post_opening(house.edges[index], drive.claim_of(index))
    gas.check("post the last of four openings", sent.gas, WORST_TRANSACTION)
    drive.advance("opening_end")
    drive.vote(Ballot(0x80, 0x7F, 0b1000, 0b0111))
    gas.check("close round at the maxima", drive.close().gas, WORST_TRANSACTION)
    for device in (255, 254):
        sent = house.learning.send(house.anyone, "claimDevicePayFor", *drive.place, house.devices[device].address)
        assert sent.gas < WORST_TRANSACTION
    assert mask(range(256)) == drive.progress.included_mask


@pytest.mark.parametrize("contract", ["Escrow", "Learning", "Mining", "Verification", "PrevrandaoSeed", "PaillierSum"])
def test_the_code_of_every_contract_fits_the_limit(contract: str) -> None:
    """EIP-170: 24,576 bytes of runtime code; EIP-3860: twice that to deploy it."""
    assert len(artifact(contract)["deployedBytecode"]) // 2 - 1 <= 24_576
    assert len(artifact(contract)["bytecode"]) // 2 - 1 <= 2 * 24_576


def test_the_cast_is_as_large_as_the_terms_allow() -> None:
    assert len({account.address for account in people("device", 256)}) == 256
