"""Sybil devices: one owner enrols many devices, to fill the cohort, to weigh more, to be the crowd that hides one
device's update, or to farm pay."""

from __future__ import annotations

import pytest
from evm import Refused
from house import FAR, House, digest
from siege import Lab

from dapp.chain.keys import Account
from dapp.crypto.typed_data import Enrolment, Ticket
from dapp.protocol.enums import SkipReason
from dapp.protocol.records import Ballot


def test_defended_without_a_ticket_there_is_no_device(house: House) -> None:
    task_id = house.create()
    sybils = [Account.from_seed(b"sybil", i) for i in range(8)]
    batch = []
    for sybil in sybils:
        ownership = digest("data of", sybil.address)
        own_ticket = house.sign(sybil, Ticket(task_id, sybil.address))
        signature = house.sign(sybil, Enrolment(task_id, sybil.address, 100, ownership, FAR))
        batch.append((sybil.address, 100, ownership, FAR, own_ticket, signature))
    sent = house.learning.send(house.edges[0], "enrolBySig", task_id, batch)
    assert [e["reason"] for e in sent.events] == [SkipReason.BAD_SIGNATURE] * 8
    assert house.task(task_id).enrolled == 0


def test_defended_a_ticket_admits_one_device_once(house: House) -> None:
    task_id = house.create()
    house.enrol(task_id, [100])
    (again,) = house.enrol(task_id, [200])
    assert again.event("EnrolmentSkipped")["reason"] == SkipReason.ALREADY_DONE


def test_defended_a_device_weighs_no_more_than_the_cap_and_for_ever_the_same(house: House) -> None:
    """s_k is what a device says it has; the cap bounds the lie, and it is fixed before the first round."""
    task_id = house.create()
    (sent,) = house.enrol(task_id, [501])
    assert sent.event("EnrolmentSkipped")["reason"] == SkipReason.TOO_LARGE
    house.enrol(task_id, [500])
    assert house.learning.read("enrolmentOf", task_id, house.devices[0].address) == (1, 500)


def test_defended_the_cohort_is_no_larger_than_the_terms_say(house: House) -> None:
    task_id = house.create(house.terms(cohort={"max_devices": 3}))
    house.enrol(task_id, [1, 1, 1])
    device = house.anyone
    with pytest.raises(Refused, match="LearningCohortFull"):
        house.learning.send(device, "enrol", task_id, 1, digest("o"), house.ticket(task_id, device))


def test_defended_holders_share_no_sum_in_which_one_device_has_more_than_half_of_the_weight(lab: Lab) -> None:
    """Three small devices beside one large one hide nothing of it: the mean is nearly its update."""
    weights = (10, 10, 10, 31, 10, 10, 10, 10)
    heavy = Lab(lab.facts, lab.private, lab.shares, lab.devices, weights, lab.random)
    assert "device 3 has more than half of the weight (31 of 61)" in str(heavy.refusal([{0, 1, 2, 3}]))
    assert heavy.refusal([{0, 1, 2, 3, 4}]) is None


def test_defended_holders_share_no_sum_of_fewer_than_min_devices(lab: Lab) -> None:
    assert "2 devices are included, fewer than 3" in str(lab.refusal([{0, 1}]))


def test_defended_terms_cannot_ask_for_fewer_than_three(house: House) -> None:
    with pytest.raises(Refused, match="LearningTermOutOfBounds"):
        house.create(house.terms(cohort={"min_devices": 2}))


def test_defended_updates_that_are_not_included_earn_neither_their_device_nor_their_relay_anything(
    house: House,
) -> None:
    """An edge that enrols devices of its own and relays junk for them farms nothing."""
    drive = house.start((100, 100, 100, 100, 100))
    drive.commit([0, 1, 2])
    drive.commit([3, 4], relay=house.edges[1])
    drive.attest(0b00111)
    drive.seal(house.edges[0])
    drive.advance("seal_end")
    drive.open(house.edges[0], 0)
    drive.advance("challenge_end")
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[0])
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close()
    for contract, function, who in (
        (house.learning, "claimDevicePayFor", house.devices[3].address),
        (house.learning, "claimRelayPayFor", house.edges[1].address),
    ):
        with pytest.raises(Refused, match="LearningNothingToClaim"):
            contract.send(house.anyone, function, *drive.place, who)
    paid = house.learning.send(house.anyone, "claimRelayPayFor", *drive.place, house.edges[0].address)
    assert paid.event("RelayPaid")["amount"] == 3 * drive.terms.money.relay_pay


def test_bounded_what_devices_farm_is_their_share_of_one_pot(house: House) -> None:
    """The pot of a round is a term: more devices divide it, and add nothing to it."""

    def rewards(weights: tuple[int, ...]) -> list[int]:
        with house.supposing():
            drive = house.start(weights).to_closed()
            for k in range(len(weights)):
                house.learning.send(house.anyone, "claimDevicePayFor", *drive.place, house.devices[k].address)
            return [house.credit(house.devices[k]) for k in range(len(weights))]

    alone, split = rewards((100, 100, 100)), rewards((100, 100, 50, 50))
    assert abs(alone[2] - sum(split[2:])) <= 2, "splitting one's weight over two devices earns the same"
    assert sum(split) <= house.terms().money.device_pot


def test_bounded_devices_that_went_silent_are_waited_for_three_rounds(house: House) -> None:
    task_id = house.create()
    house.enrol(task_id, [1, 1, 1, 1])
    for number in range(4):
        drive = house.open(task_id)
        assert drive.round.expected == (0b1111 if number < 3 else 0b0111)
        drive.commit([0, 1, 2])
        assert bool(drive.round.all_committed_at) is (number == 3), "the commit phase ends without the silent one"
        drive.advance("commit_end")
        drive.advance("publish_end")
        drive.close()


def test_known_gap_an_admitter_that_admits_its_own_devices_sees_what_is_left(lab: Lab) -> None:
    """Of an included set of three, two that share their plaintexts know the third. Privacy assumes an honest admitter
    and two honest included devices; minDevices is a term, and says how many must be admitted falsely."""
    victim, sybils = 0, (1, 2)
    opened = lab.open([1, 2, 3], lab.sum({victim, *sybils}))
    assert lab.refusal([{victim, *sybils}]) is None
    rest = opened - sum(lab.weights[k] * lab.units(k) for k in sybils)
    assert (rest == lab.weights[victim] * lab.units(victim)).all()
