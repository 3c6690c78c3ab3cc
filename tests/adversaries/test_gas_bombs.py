"""Gas bombs: long lists, costly callbacks and long answers, so that another's transaction does not fit a block."""

from __future__ import annotations

import pytest
from evm import Refused
from house import FAR, House

LIMIT = 16_000_000


@pytest.mark.parametrize("length", [33, 200, 1_000])
def test_defended_a_batch_that_is_too_long_is_refused_before_it_is_read(house: House, length: int) -> None:
    drive = house.start()
    update = drive.update(0).to_abi()
    bomb = [(house.devices[0].address, update, FAR, b"")] * length
    with pytest.raises(Refused, match="LearningBatchTooLong"):
        house.learning.send(house.edges[0], "commitUpdates", *drive.place, bomb)
    marks = [(0, 0, FAR, [], b"")] * length
    with pytest.raises(Refused, match="MiningBatchTooLong"):
        house.mining.send(house.edges[0], "attestBySig", *drive.place, marks)


def test_bounded_one_message_of_a_batch_costs_the_others_nothing_but_its_own_bytes(house: House) -> None:
    """A signature of 20 kB and a branch of 500 words are skipped: the batch around them is taken."""
    drive = house.start()
    good = [drive.signed_update(device) for device in range(3)]
    bomb = (house.devices[3].address, drive.update(3).to_abi(), FAR, bytes(20_000))
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, [good[0], bomb, *good[1:]])
    names = [event.name for event in sent.events]
    assert (names.count("UpdateCommitted"), names.count("UpdateSkipped")) == (3, 1)
    drive.advance("commit_end")
    holder, marked, deadline, _, signature = drive.attestation(0, drive.round.committed)
    long = (holder, marked, deadline, [bytes(32)] * 500, signature)
    sent = house.mining.send(house.edges[0], "attestBySig", *drive.place, [long, drive.attestation(1, marked)])
    names = [event.name for event in sent.events]
    assert (names.count("UpdatesAttested"), names.count("MessageSkipped")) == (1, 1)
    assert sent.gas < 1_000_000


def test_defended_a_device_that_is_a_contract_is_never_called(house: House) -> None:
    """Signatures are of keys alone: no wallet contract is asked, so none burns the relay's gas."""
    task_id, bomb = house.create(), house.escrow.address
    signed = house.enrolment(task_id, house.devices[0], 10)
    sent = house.learning.send(house.edges[0], "enrolBySig", task_id, [(bomb, *signed[1:])])
    assert [event.name for event in sent.events] == ["EnrolmentSkipped"]


def test_bounded_storage_that_a_griefer_fills_makes_nobody_elses_transaction_dearer(house: House) -> None:
    """Promise 23: tasks, pots and members of strangers lie beside, not in, what a round walks over."""
    with house.supposing():
        plain = house.start().commit(range(4)).gas
    for i in range(20):
        house.create()
        house.escrow.send(house.anyone, "fund", bytes([i]) * 32, value=1)
    griefed = house.start().commit(range(4)).gas
    assert griefed <= plain
    print(f"\nfour commits: {plain:,} gas alone, {griefed:,} beside 20 strange tasks and pots")


def test_bounded_eight_candidates_of_a_griefer_cost_the_honest_edge_a_scan_of_eight(house: House) -> None:
    drive = house.start().to_seal()
    honest = house.edges[1]
    with house.supposing():
        alone = drive.seal(honest).gas
    for _ in range(8):
        drive.seal(house.edges[0])
    beside = drive.seal(honest, bond=2 * drive.terms.money.edge_bond).gas
    assert beside < alone + 100_000
    print(f"\nsealing: {alone:,} gas alone, {beside:,} where eight places are taken")
