"""Front-running: whoever sees a transaction before it is mined sends its own first."""

from __future__ import annotations

import pytest
from evm import Refused
from house import FUNDS, House

from dapp.protocol.enums import Outcome, SkipReason
from dapp.protocol.records import Ballot


def test_defended_a_task_has_the_id_of_its_creator_whoever_copies_its_terms(house: House) -> None:
    with house.supposing():
        alone = house.create()
    terms = house.terms().to_abi()
    thief = house.learning.send(house.edges[1], "createTask", terms, value=FUNDS)
    assert house.create() == alone
    assert thief.event("TaskCreated")["taskId"] != alone


def test_defended_an_enrolment_sent_by_somebody_else_is_the_same_enrolment(house: House) -> None:
    """The relay can neither change it nor put another device in its place."""
    task_id, device = house.create(), house.devices[0]
    signed = house.enrolment(task_id, device, 100)
    address, weight, ownership, deadline, ticket, signature = signed
    for stolen in (
        (house.devices[1].address, weight, ownership, deadline, ticket, signature),
        (address, weight + 1, ownership, deadline, ticket, signature),
        (address, weight, b"\1" * 32, deadline, ticket, signature),
        (house.devices[1].address, 5, ownership, deadline, ticket, house.enrolment(task_id, house.devices[1], 5)[5]),
    ):
        sent = house.learning.send(house.edges[1], "enrolBySig", task_id, [stolen])
        assert sent.event("EnrolmentSkipped")["reason"] == SkipReason.BAD_SIGNATURE
    house.learning.send(
        house.edges[1], "enrolBySig", task_id, [(address, weight, ownership, deadline, ticket, signature)]
    )
    assert house.learning.read("enrolmentOf", task_id, device.address) == (1, 100)


def test_defended_a_ticket_seen_in_the_open_admits_nobody_else(house: House) -> None:
    task_id = house.create()
    ticket = house.ticket(task_id, house.devices[0])
    with pytest.raises(Refused, match="LearningBadTicket"):
        house.learning.send(house.edges[1], "enrol", task_id, 1, bytes(32), ticket)


def test_defended_a_claim_pays_whom_it_is_owed_whoever_sends_it(house: House) -> None:
    drive = house.start().to_closed()
    thief = house.edges[3]
    for contract, function, arguments in (
        (house.mining, "claimEdgePayFor", ()),
        (house.mining, "claimOpenerPayFor", ()),
        (house.mining, "claimHolderPayFor", (0,)),
        (house.learning, "claimDevicePayFor", (house.devices[0].address,)),
        (house.learning, "claimRelayPayFor", (house.edges[0].address,)),
    ):
        contract.send(thief, function, *drive.place, *arguments)
    assert house.credit(thief) == 0
    assert house.credit(house.devices[0]) > 0
    house.escrow.send(thief, "withdrawFor", house.devices[0].address)
    assert house.evm.chain.balance(house.devices[0].address) > 0


def test_defended_a_seal_seen_in_the_open_is_good_for_its_sender_only(house: House) -> None:
    drive = house.start().to_seal()
    edge, thief = house.edges[0], house.edges[1]
    seal = drive.seal_of(edge, drive.aggregate(edge))
    house.mining.send(thief, "sealAggregate", *drive.place, seal, value=drive.terms.money.edge_bond)
    drive.seal(edge)
    drive.advance("seal_end")
    with pytest.raises(Refused, match="MiningSealMismatch"):
        house.mining.send(thief, "openAggregate", *drive.place, 0, drive.aggregate(edge).to_abi(), drive.salt(edge))
    drive.open(edge, 1)
    assert drive.progress.opened_count == 1


def test_defended_a_batch_that_was_overtaken_loses_nothing_else(house: House) -> None:
    """The message that somebody else brought first is skipped, the others of the batch are taken."""
    drive = house.start()
    drive.commit([1], relay=house.edges[1])
    sent = drive.commit([0, 1, 2])
    assert [event["reason"] for event in sent.events if event.name == "UpdateSkipped"] == [SkipReason.ALREADY_DONE]
    assert drive.round.committed == 0b0111


def test_defended_calling_first_changes_no_result(house: House) -> None:
    """Which set is fixed, who is drawn, what is decided: a stranger's call does exactly what the edge's would."""

    def state(caller: int) -> tuple[object, ...]:
        with house.supposing():
            drive = house.start().to_seal()
            house.mining.send(house.edges[caller], "fixIncluded", *drive.place)
            return tuple(house.mining.read("includedSet", *drive.place))

    assert state(0) == state(3)


def test_bounded_who_overtakes_a_relay_takes_its_pay_for_that_message(house: House) -> None:
    """A relay's prize is a term, 20 wei here, for a transaction that costs gas; the device does not care who wins."""
    drive = house.start()
    drive.commit([0, 1], relay=house.edges[1])
    assert [event.name for event in drive.commit([0, 1]).events] == ["UpdateSkipped"] * 2
    assert drive.to_closed().outcome == Outcome.ACCEPTED
    for relay, brought in ((house.edges[1], 2), (house.edges[0], 2)):
        paid = house.learning.send(house.anyone, "claimRelayPayFor", *drive.place, relay.address).event("RelayPaid")
        assert paid["amount"] == brought * drive.terms.money.relay_pay


def test_bounded_who_copies_an_opening_risks_a_bond_for_a_bounty(house: House) -> None:
    """An opening is public once it is sent. Before half the window only edges that sealed, bonded and opened a
    candidate may post one; the copy earns the opener's bounty, and nothing of the edge's pay."""
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    edge, thief = house.edges[0], house.edges[1]
    with pytest.raises(Refused, match="MiningNotYetOpenToAll"):
        drive.post_opening(thief)
    drive.post_opening(edge)
    drive.post_opening(thief)
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 0b11, 0))
    drive.close()
    paid = house.mining.send(house.anyone, "claimOpenerPayFor", *drive.place).event("OpenerPaid")
    assert bytes.fromhex(paid["poster"][2:]) == edge.address
    assert house.credit(thief) == 0


def test_known_gap_a_rival_edge_may_take_the_openers_bounty(house: House) -> None:
    """With an opened candidate of its own it may copy and overtake: the bounty, 11 wei here, goes to the first right
    opening. The sum, the model and the edge's pay stay as they are."""
    drive = house.start().to_share(edges=2)
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[1])
    drive.post_opening(house.edges[0])
    drive.advance("opening_end")
    drive.vote(Ballot(0b11, 0, 0b11, 0))
    drive.close()
    opener = house.mining.send(house.anyone, "claimOpenerPayFor", *drive.place).event("OpenerPaid")
    assert bytes.fromhex(opener["poster"][2:]) == house.edges[1].address
    edge = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place).event("EdgePaid")
    assert bytes.fromhex(edge["edge"][2:]) == house.edges[0].address
