"""Revert on receive: a payee that cannot, or will not, be paid must hold nobody else up."""

from __future__ import annotations

import pytest
from evm import Contract, Refused
from house import Drive, House
from test_mining_outcomes import claim_all, claim_votes, nothing_left

from dapp.chain.codec import encode_call
from dapp.crypto.sealed import aggregate_seal
from dapp.protocol.enums import Outcome
from dapp.protocol.records import Ballot

REENTERED = bytes.fromhex("3ee5aeb5")
"""ReentrancyGuardReentrantCall()"""


@pytest.fixture
def griefer(house: House) -> Contract:
    """A contract that takes part as an edge, and cannot be paid."""
    return house.evm.deploy("Griefer")


def act(house: House, griefer: Contract, target: Contract, function: str, *arguments: object, value: int = 0) -> None:
    """The griefer calls; a stranger sends the transaction."""
    data = encode_call(target.abi.functions[function], arguments)
    griefer.send(house.anyone, "act", target.address, data, value=value)


def winning(house: House, griefer: Contract) -> Drive:
    """A round that the griefer's sum and opening closed."""
    drive = house.start(weights=(100, 200, 300, 57)).to_seal()
    aggregate, salt = drive.aggregate(house.edges[0]), bytes(32)
    fields = aggregate.digest, aggregate.size, aggregate.root, aggregate.nonce
    seal = aggregate_seal(house.evm.chain.chain_id, house.mining.address, *drive.place, griefer.address, *fields, salt)
    money = drive.terms.money
    act(house, griefer, house.mining, "sealAggregate", *drive.place, seal, value=money.edge_bond)
    drive.advance("seal_end")
    act(house, griefer, house.mining, "openAggregate", *drive.place, 0, aggregate.to_abi(), salt)
    drive.advance("challenge_end")
    drive.share([0, 1, 2])
    opening = drive.claim_of().to_abi()
    act(house, griefer, house.mining, "postOpening", *drive.place, opening, value=money.opening_bond)
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close()
    return drive


def test_defended_a_payee_that_cannot_be_paid_stops_no_round_and_no_claim(house: House, griefer: Contract) -> None:
    drive = winning(house, griefer)
    assert drive.outcome == Outcome.ACCEPTED
    granted = claim_all(drive)
    assert (granted["edge"], granted["opener"], granted["device"]) == (1, 1, 4)
    claim_votes(drive)
    assert nothing_left(drive)
    money = drive.terms.money
    owed = money.edge_pay + money.bounty + money.edge_bond + money.opening_bond
    assert house.credit(griefer.address) >= owed, "credited, not sent"


def test_defended_the_others_withdraw_as_if_it_were_not_there(house: House, griefer: Contract) -> None:
    drive = winning(house, griefer)
    claim_all(drive)
    for device in house.devices[:4]:
        owed = house.credit(device)
        assert owed
        house.escrow.send(house.anyone, "withdrawFor", device.address)
        assert house.evm.chain.balance(device.address) == owed


def test_defended_who_cannot_be_paid_keeps_its_credit(house: House, griefer: Contract) -> None:
    drive = winning(house, griefer)
    claim_all(drive)
    owed = house.credit(griefer.address)
    with pytest.raises(Refused, match="EscrowTransferFailed"):
        house.escrow.send(house.anyone, "withdrawFor", griefer.address)
    assert house.credit(griefer.address) == owed
    assert house.solvent()


def test_defended_it_has_its_money_sent_to_an_address_that_can_be_paid(house: House, griefer: Contract) -> None:
    drive = winning(house, griefer)
    claim_all(drive)
    owed = house.credit(griefer.address)
    elsewhere = b"\x77" * 20
    act(house, griefer, house.escrow, "withdrawTo", elsewhere)
    assert house.evm.chain.balance(elsewhere) == owed
    assert house.credit(griefer.address) == 0


def test_defended_claims_send_no_ether(house: House, griefer: Contract) -> None:
    """So that they cost the same whoever the payee is: pay is credited, and drawn from there."""
    drive = winning(house, griefer)
    balance = house.evm.chain.balance(house.escrow.address)
    sent = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place)
    assert house.evm.chain.balance(house.escrow.address) == balance
    assert sent.gas < 150_000


def test_defended_a_receiver_that_asks_again_while_it_is_paid_gets_nothing_more(house: House) -> None:
    thief = house.evm.deploy("Reenterer", house.escrow.address)
    drive = house.start().to_closed()
    house.mining.send(house.anyone, "claimEdgePayFor", *drive.place)
    edge = house.edges[0]
    owed, held = house.credit(edge), house.evm.chain.balance(house.escrow.address)
    house.escrow.send(edge, "withdrawTo", thief.address)
    assert house.evm.chain.balance(thief.address) == owed
    assert house.evm.chain.balance(house.escrow.address) == held - owed
    assert thief.read("answer") == REENTERED
