"""Devices enrol with a ticket of the admission key and a weight that stays fixed."""

from __future__ import annotations

import pytest
from evm import Refused
from house import FAR, House, digest

from dapp.chain.keys import Account
from dapp.crypto.sealed import enrolments_hash
from dapp.crypto.typed_data import Enrolment, Ticket, mining_domain
from dapp.protocol.enums import SkipReason
from dapp.types import TaskId


def skipped(sent, event: str = "EnrolmentSkipped") -> list[tuple[int, SkipReason]]:  # type: ignore[no-untyped-def]
    return [(e["index"], SkipReason(e["reason"])) for e in sent.events if e.name == event]


def enrol(house: House, task_id: TaskId, device: Account, weight: int, ticket: bytes | None = None):  # type: ignore[no-untyped-def]
    admitted = house.ticket(task_id, device) if ticket is None else ticket
    return house.learning.send(device, "enrol", task_id, weight, digest("owner"), admitted)


def test_an_enrolled_device_has_the_next_index_and_its_weight(house: House) -> None:
    task_id = house.create()
    house.enrol(task_id, [100, 250])
    assert house.learning.read("enrolmentOf", task_id, house.devices[0].address) == (1, 100)
    assert house.learning.read("enrolmentOf", task_id, house.devices[1].address) == (2, 250)
    assert house.learning.read("enrolmentOf", task_id, house.devices[2].address) == (0, 0)
    assert (house.task(task_id).enrolled, house.task(task_id).total_weight) == (2, 350)


def test_a_device_with_ether_may_enrol_itself(house: House) -> None:
    task_id, device = house.create(), house.anyone
    event = enrol(house, task_id, device, 500).event("DeviceEnrolled")
    assert (event["index"], event["weight"], event["ownership"]) == (0, 500, digest("owner"))


def test_enrolments_are_chained_in_order(house: House) -> None:
    task_id = house.create()
    house.enrol(task_id, [100, 250, 30])
    expected = bytes(32)
    for device, weight in zip(house.devices, (100, 250, 30), strict=False):
        expected = enrolments_hash(expected, device.address, weight, digest("owner", device.address))
    assert house.task(task_id).enrolments == expected


def test_a_ticket_admits_one_device_to_one_task(house: House) -> None:
    task_id, other = house.create(), house.create()
    device, thief = house.anyone, house.edges[0]
    ticket = house.ticket(task_id, device)
    for task, account in ((other, device), (task_id, thief)):
        with pytest.raises(Refused, match="LearningBadTicket"):
            enrol(house, task, account, 1, ticket)
    enrol(house, task_id, device, 1, ticket)


@pytest.mark.parametrize("ticket", [b"", bytes(65), b"\x01" * 65, b"\x01" * 64])
def test_a_ticket_that_nobody_signed_is_refused(house: House, ticket: bytes) -> None:
    with pytest.raises(Refused, match="LearningBadTicket"):
        enrol(house, house.create(), house.anyone, 1, ticket)


def test_a_ticket_for_another_domain_is_refused(house: House) -> None:
    task_id = house.create()
    elsewhere = mining_domain(house.evm.chain.chain_id, house.mining.address)
    ticket = house.admission.sign_digest(Ticket(task_id, house.anyone.address).signing_hash(elsewhere))
    with pytest.raises(Refused, match="LearningBadTicket"):
        enrol(house, task_id, house.anyone, 1, ticket)


@pytest.mark.parametrize("weight", [0, 501])
def test_a_weight_lies_between_one_and_the_cap(house: House, weight: int) -> None:
    with pytest.raises(Refused) as refused:
        enrol(house, house.create(), house.anyone, weight)
    assert (refused.value.name, *refused.value.values) == ("LearningWeightOutOfBounds", weight, 500)


def test_the_sum_of_weights_never_exceeds_what_the_slots_hold(house: House) -> None:
    task_id = house.create(house.terms(cohort={"max_weight": 1000}))
    house.enrol(task_id, [500, 499])
    with pytest.raises(Refused) as refused:
        enrol(house, task_id, house.anyone, 2)
    assert (refused.value.name, *refused.value.values) == ("LearningWeightTooLarge", 1001, 1000)
    enrol(house, task_id, house.anyone, 1)


def test_a_cohort_takes_no_more_than_its_most(house: House) -> None:
    task_id = house.create(house.terms(cohort={"max_devices": 3}))
    house.enrol(task_id, [1, 1, 1])
    with pytest.raises(Refused) as refused:
        enrol(house, task_id, house.anyone, 1)
    assert (refused.value.name, *refused.value.values) == ("LearningCohortFull", 3)


def test_nobody_enrols_twice(house: House) -> None:
    task_id = house.create()
    enrol(house, task_id, house.anyone, 1)
    with pytest.raises(Refused, match="LearningAlreadyEnrolled"):
        enrol(house, task_id, house.anyone, 1)


def test_a_batch_skips_what_cannot_be_enrolled_and_says_why(house: House) -> None:
    task_id = house.create(house.terms(cohort={"max_weight": 700}))
    good, again = (house.enrolment(task_id, house.devices[i], 100) for i in (0, 1))
    late = house.enrolment(task_id, house.devices[2], 100, deadline=house.evm.now)
    heavy = house.enrolment(task_id, house.devices[3], 501)
    over = house.enrolment(task_id, house.devices[4], 500)
    device, weight, ownership, deadline, ticket, signature = house.enrolment(task_id, house.devices[5], 100)
    lighter = device, 1, ownership, deadline, ticket, signature
    gatecrasher = device, weight, ownership, deadline, house.ticket(task_id, house.devices[6]), signature
    batch = [good, late, again, again, heavy, lighter, gatecrasher, house.enrolment(task_id, house.devices[7], 5), over]
    sent = house.learning.send(house.edges[0], "enrolBySig", task_id, batch)
    assert skipped(sent) == [
        (1, SkipReason.EXPIRED),
        (3, SkipReason.ALREADY_DONE),
        (4, SkipReason.TOO_LARGE),
        (5, SkipReason.BAD_SIGNATURE),
        (6, SkipReason.BAD_SIGNATURE),
        (8, SkipReason.TOO_LARGE),
    ]
    assert house.task(task_id).enrolled == 3


def test_a_relay_cannot_change_what_a_device_signed(house: House) -> None:
    task_id = house.create()
    device = house.devices[0]
    signed = Enrolment(task_id, device.address, 100, digest("owner", device.address), FAR)
    signature = house.sign(device, signed)
    ticket = house.ticket(task_id, device)
    for changed in ((200, signed.ownership, FAR), (100, digest("thief"), FAR), (100, signed.ownership, FAR - 1)):
        batch = [(device.address, *changed, ticket, signature)]
        sent = house.learning.send(house.edges[0], "enrolBySig", task_id, batch)
        assert skipped(sent) == [(0, SkipReason.BAD_SIGNATURE)]


def test_a_batch_holds_at_most_32(house: House) -> None:
    task_id = house.create()
    batch = [house.enrolment(task_id, house.devices[0], 1)] * 33
    with pytest.raises(Refused) as refused:
        house.learning.send(house.edges[0], "enrolBySig", task_id, batch)
    assert (refused.value.name, *refused.value.values) == ("LearningBatchTooLong", 33, 32)


def test_who_enrols_during_a_round_joins_the_next(house: House) -> None:
    drive = house.start()
    house.enrol(drive.task_id, [70], first=4)
    assert drive.round.enrolled == 4
    sent = drive.commit([4])
    assert skipped(sent, "UpdateSkipped") == [(0, SkipReason.NOT_ENROLLED)]
