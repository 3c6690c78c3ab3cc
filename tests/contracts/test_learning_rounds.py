"""Rounds are opened, committed to and closed; their headers form a chain; a task ends once nothing can come."""

from __future__ import annotations

import random
from dataclasses import astuple

import pytest
from evm import Refused
from house import CONVERGED, DAY, FUNDS, OVERFLOW, Drive, House, digest, mask
from hypothesis import example, given
from hypothesis import strategies as st
from test_learning_enrolment import skipped

from dapp.crypto.merkle import keccak256
from dapp.crypto.sealed import closing_header, failed_header, parent_hash
from dapp.crypto.typed_data import UpdateCommit, learning_domain
from dapp.crypto.words import encode_words
from dapp.protocol.enums import Outcome, Phase, RoundKind, SkipReason
from dapp.protocol.records import Ballot
from dapp.types import TaskId


def fail(house: House, drive: Drive) -> Drive:
    """The round in which nobody commits; gives the next."""
    drive.advance("commit_end")
    drive.close()
    return house.open(drive.task_id, drive.terms)


# Opening


def test_a_round_opens_with_its_budget_in_a_pot_of_its_own(house: House) -> None:
    drive = house.start()
    budget = house.learning.read("roundBudget", drive.task_id)
    assert house.pot(drive.key) == budget
    assert house.pot(drive.task_id) == FUNDS - budget


def test_a_round_needs_enough_devices(house: House) -> None:
    task_id = house.create()
    house.enrol(task_id, [1, 1])
    with pytest.raises(Refused) as refused:
        house.open(task_id)
    assert (refused.value.name, *refused.value.values) == ("LearningTooFewDevices", 2, 3)


def test_a_round_needs_its_whole_budget(house: House) -> None:
    budget = house.learning.read("roundBudget", house.create())
    task_id = house.create(value=budget)
    house.enrol(task_id, [1, 1, 1])
    drive = house.open(task_id).to_closed()
    held = house.pot(task_id)
    with pytest.raises(Refused) as refused:
        house.open(task_id)
    assert (refused.value.name, *refused.value.values) == ("LearningPotTooSmall", held, budget)
    house.escrow.send(house.anyone, "fund", task_id, value=budget - held)
    assert house.open(task_id).number == drive.number + 1


def test_one_round_at_a_time(house: House) -> None:
    drive = house.start()
    with pytest.raises(Refused, match="LearningRoundNotClosed"):
        house.open(drive.task_id)


def test_no_more_rounds_than_the_terms_say(house: House) -> None:
    drive = house.start(terms=house.terms(learning={"max_rounds": 2}))
    drive = fail(house, drive)
    drive.advance("commit_end")
    drive.close()
    with pytest.raises(Refused) as refused:
        house.open(drive.task_id)
    assert (refused.value.name, *refused.value.values) == ("LearningNoRoundsLeft", 2)


# Commit


def test_a_commit_is_kept_as_one_word(house: House) -> None:
    drive = house.start()
    drive.commit([2])
    types = ("bytes32", "uint32", "bytes32", "uint32")
    kept = house.learning.read("updateOf", *drive.place, house.devices[2].address)
    assert kept == keccak256(encode_words(types, drive.update(2).to_abi()))
    assert drive.round.committed == 0b100


def test_a_device_with_ether_may_commit_itself_and_only_once(house: House) -> None:
    task_id, device = house.create(), house.anyone
    house.learning.send(device, "enrol", task_id, 9, digest("o"), house.ticket(task_id, device))
    house.enrol(task_id, [1, 1, 1])
    drive = house.open(task_id)
    event = house.learning.send(device, "commitUpdate", *drive.place, drive.update(0).to_abi()).event("UpdateCommitted")
    assert event["relay"] == event["device"]
    with pytest.raises(Refused, match="LearningAlreadyCommitted"):
        house.learning.send(device, "commitUpdate", *drive.place, drive.update(0).to_abi())


def test_who_is_not_enrolled_commits_nothing(house: House) -> None:
    drive = house.start()
    with pytest.raises(Refused, match="LearningNotEnrolled"):
        house.learning.send(house.anyone, "commitUpdate", *drive.place, drive.update(0).to_abi())
    assert skipped(drive.commit([5]), "UpdateSkipped") == [(0, SkipReason.NOT_ENROLLED)]


def test_an_update_larger_than_the_terms_allow_is_refused(house: House) -> None:
    task_id, device = house.create(), house.anyone
    house.learning.send(device, "enrol", task_id, 9, digest("o"), house.ticket(task_id, device))
    house.enrol(task_id, [1, 1, 1])
    drive = house.open(task_id)
    _, _, *rest = drive.update(0).to_abi()
    with pytest.raises(Refused) as refused:
        house.learning.send(device, "commitUpdate", *drive.place, (digest("big"), 1_000_001, *rest))
    assert (refused.value.name, *refused.value.values) == ("LearningUpdateTooLarge", 1_000_001, 1_000_000)


def test_a_batch_skips_bad_commits_and_takes_the_others(house: House) -> None:
    drive = house.start()
    device, update, deadline, signature = drive.signed_update(1)
    batch = [
        drive.signed_update(0),
        (device, (digest("other"), *update[1:]), deadline, signature),
        drive.signed_update(1, deadline=house.evm.now),
        drive.signed_update(2, size=1_000_001),
        drive.signed_update(0),
        (device, update, deadline, signature[:64]),
        drive.signed_update(3),
    ]
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, batch)
    assert skipped(sent, "UpdateSkipped") == [
        (1, SkipReason.BAD_SIGNATURE),
        (2, SkipReason.EXPIRED),
        (3, SkipReason.TOO_LARGE),
        (4, SkipReason.ALREADY_DONE),
        (5, SkipReason.BAD_SIGNATURE),
    ]
    assert drive.round.committed == 0b1001


def test_the_other_signature_of_a_commit_is_refused(house: House) -> None:
    """s → order − s with v flipped recovers the same key, and anybody could make it."""
    drive = house.start()
    device, update, deadline, signature = drive.signed_update(0)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = order - int.from_bytes(signature[32:64], "big")
    other = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, [(device, update, deadline, other)])
    assert skipped(sent, "UpdateSkipped") == [(0, SkipReason.BAD_SIGNATURE)]


@pytest.mark.parametrize("wrong", ["round", "task", "chain", "contract"])
def test_a_commit_is_good_in_its_round_task_chain_and_contract_only(house: House, wrong: str) -> None:
    drive = house.start()
    device, update = house.devices[0], drive.update(0)
    task_id, number = (house.create() if wrong == "task" else drive.task_id), drive.number + (wrong == "round")
    chain_id = house.evm.chain.chain_id + (wrong == "chain")
    contract = house.mining.address if wrong == "contract" else house.learning.address
    message = UpdateCommit(task_id, number, device.address, *astuple(update), 2**63)
    signature = device.sign_digest(message.signing_hash(learning_domain(chain_id, contract)))
    batch = [(device.address, update.to_abi(), 2**63, signature)]
    sent = house.learning.send(house.edges[0], "commitUpdates", *drive.place, batch)
    assert skipped(sent, "UpdateSkipped") == [(0, SkipReason.BAD_SIGNATURE)]


def test_a_batch_of_commits_holds_at_most_32(house: House) -> None:
    drive = house.start()
    with pytest.raises(Refused, match="LearningBatchTooLong"):
        drive.commit([0] * 33)


def test_a_round_that_is_not_open_takes_no_commit(house: House) -> None:
    drive = house.start()
    late = Drive(house, drive.task_id, 1, drive.terms)
    with pytest.raises(Refused) as refused:
        late.commit([0])
    assert (refused.value.name, *refused.value.values) == ("LearningWrongRound", 1, 0)
    drive.advance("commit_end")
    with pytest.raises(Refused) as refused:
        drive.commit([0])
    assert (refused.value.name, *refused.value.values) == ("LearningWrongPhase", Phase.VOTE, Phase.COMMIT)


def test_the_commit_phase_ends_when_all_have_committed_and_not_before(house: House) -> None:
    drive = house.start()
    drive.commit([0, 1, 3])
    assert drive.phase == Phase.COMMIT
    drive.commit([2])
    assert drive.phase == Phase.PUBLISH
    assert drive.round.all_committed_at == drive.deadlines.commit_end == house.evm.now


def test_a_device_that_missed_three_rounds_is_not_waited_for_but_may_return(house: House) -> None:
    drive = house.start()
    for _ in range(3):
        assert drive.round.expected == 0b1111
        drive.commit([0, 1, 2])
        drive.advance("commit_end")
        drive.advance("publish_end")
        drive.close()
        drive = house.open(drive.task_id)
    assert drive.round.expected == 0b0111
    half = drive.round.opened_at + drive.terms.windows.commit // 2
    with house.supposing():
        drive.commit([0, 1, 2])
        assert drive.deadlines.commit_end == half
        drive.advance("commit_end")
        assert drive.phase == Phase.PUBLISH
    with house.supposing():
        house.evm.advance_to(half + 10)
        drive.commit([0, 1, 2])
        assert drive.phase == Phase.PUBLISH
        assert drive.deadlines.commit_end == house.evm.now == drive.round.all_committed_at
    drive.commit([3])
    assert drive.phase == Phase.COMMIT
    drive.commit([0, 1, 2])
    assert drive.phase == Phase.PUBLISH
    drive.advance("publish_end")
    drive.close()
    assert house.open(drive.task_id).round.expected == 0b1111


def test_a_device_that_missed_three_rounds_cannot_be_locked_out(house: House) -> None:
    """All the others commit in the second in which the round opens; half of the window is left to come back."""
    drive = house.start()
    for _ in range(3):
        drive.commit([0, 1, 2])
        drive.advance("commit_end")
        drive.advance("publish_end")
        drive.close()
        drive = house.open(drive.task_id)
    drive.commit([0, 1, 2])
    assert drive.phase == Phase.COMMIT
    house.evm.advance_to(drive.deadlines.commit_end - 1)
    drive.commit([3])
    assert drive.round.committed == 0b1111
    assert drive.phase == Phase.PUBLISH
    assert drive.deadlines.commit_end == drive.round.all_committed_at == house.evm.now
    drive.advance("publish_end")
    drive.close()
    assert house.open(drive.task_id).round.expected == 0b1111


def test_nobody_is_dormant_before_three_rounds_as_an_enrolled_device(house: House) -> None:
    drive = fail(house, house.start())
    house.enrol(drive.task_id, [5], first=4)
    for _ in range(2):
        drive = fail(house, drive)
    assert (drive.number, drive.round.enrolled) == (3, 5)
    assert drive.round.expected == 0b10000


def test_dormant_devices_never_make_a_round_fail_early(house: House) -> None:
    """Two are expected and three are needed: the phase lasts, for a third may return."""
    drive = house.start(weights=(1, 1, 1))
    for _ in range(3):
        drive.commit([0, 1])
        drive.advance("commit_end")
        drive.close()
        drive = house.open(drive.task_id)
    assert drive.round.expected == 0b011
    drive.commit([0, 1])
    assert drive.phase == Phase.COMMIT
    drive.commit([2])
    assert drive.phase == Phase.PUBLISH


# Closing


def test_too_few_commits_close_the_round_at_once(house: House) -> None:
    drive = house.start()
    drive.commit([0, 1])
    with pytest.raises(Refused, match="LearningNotDecided"):
        drive.close()
    drive.advance("commit_end")
    event = drive.close().event("RoundClosed")
    assert (event["outcome"], event["result"]) == (Outcome.TOO_FEW, bytes(32))
    assert drive.phase == Phase.CLOSED


def test_a_round_closes_once(house: House) -> None:
    drive = house.start()
    drive.advance("commit_end")
    drive.close()
    with pytest.raises(Refused) as refused:
        drive.close()
    assert (refused.value.name, *refused.value.values) == ("LearningWrongPhase", Phase.CLOSED, Phase.VOTE)
    with pytest.raises(Refused) as refused:
        Drive(house, drive.task_id, 7, drive.terms).close()
    assert (refused.value.name, *refused.value.values) == ("LearningWrongPhase", Phase.NONE, Phase.VOTE)


def test_whoever_closes_a_round_earns_the_bounty(house: House) -> None:
    drive = house.start()
    drive.advance("commit_end")
    before = house.credit(house.edges[3])
    drive.close(by=house.edges[3])
    assert house.credit(house.edges[3]) - before == drive.terms.money.bounty


def test_headers_chain_from_the_genesis_over_accepted_and_failed_rounds(house: House) -> None:
    drive = house.start()
    first = house.task(drive.task_id)
    assert drive.round.parent == parent_hash(first.head, first.enrolments, 4)

    drive.to_closed()
    second = house.task(drive.task_id)
    candidate, opening = drive.candidate(0), drive.opening(0).opening
    assert second.head == closing_header(candidate.header, Outcome.ACCEPTED, opening.digest, opening.model_digest)
    assert second.model == drive.round.result == opening.model_digest

    house.enrol(drive.task_id, [5], first=4)
    third = house.open(drive.task_id)
    enrolments = house.task(drive.task_id).enrolments
    assert enrolments != second.enrolments
    assert third.round.parent == parent_hash(second.head, enrolments, 5)
    third.advance("commit_end")
    header = third.close().event("RoundClosed")["header"]
    assert header == failed_header(third.round.parent, *third.place, Outcome.TOO_FEW)
    assert house.task(drive.task_id).head == header
    assert house.task(drive.task_id).model == second.model


def test_an_overflow_leaves_the_model_as_it_was(house: House) -> None:
    drive = house.start().to_vote(flags=OVERFLOW)
    drive.vote(Ballot(1, 0, 1, 0))
    event = drive.close().event("RoundClosed")
    assert (event["outcome"], event["result"], event["resultSize"]) == (Outcome.OVERFLOW, bytes(32), 0)
    opening = drive.opening(0).opening
    assert event["header"] == closing_header(drive.candidate(0).header, Outcome.OVERFLOW, opening.digest, bytes(32))
    assert house.task(drive.task_id).model == drive.terms.learning.model_digest


def test_an_accepted_gradient_is_followed_by_an_update_on_the_same_model(house: House) -> None:
    terms = house.terms(learning={"gradient_rounds": True})
    drive = house.start(terms=terms)
    assert drive.round.kind == RoundKind.GRADIENT
    drive = fail(house, drive)
    assert drive.round.kind == RoundKind.GRADIENT, "a failed gradient round is repeated"
    drive.to_closed()
    task = house.task(drive.task_id)
    assert (task.gradient, task.gradient_size) == (drive.opening(0).opening.model_digest, 2001)
    assert task.model == terms.learning.model_digest

    drive = fail(house, house.open(drive.task_id, terms))
    assert drive.round.kind == RoundKind.UPDATE, "an accepted gradient is never repeated on its base"
    drive.to_closed()
    task = house.task(drive.task_id)
    assert (task.model, task.gradient, task.gradient_size) == (drive.round.result, bytes(32), 0)
    assert house.open(drive.task_id, terms).round.kind == RoundKind.GRADIENT


# Ending


def test_a_converged_task_ends_at_once_and_refunds_its_pot(house: House) -> None:
    drive = house.start().to_closed(flags=CONVERGED)
    assert drive.round.outcome == Outcome.CONVERGED
    with pytest.raises(Refused, match="LearningTaskEnded"):
        house.open(drive.task_id)
    owed, held = house.pot(drive.key), house.pot(drive.task_id)
    event = house.learning.send(house.anyone, "endTask", drive.task_id).event("TaskEnded")
    assert (event["model"], event["refund"]) == (drive.round.result, held)
    assert house.credit(house.requester) == held
    assert (house.pot(drive.task_id), house.pot(drive.key)) == (0, owed), "what others earned stays"


def test_a_task_ends_after_its_last_round(house: House) -> None:
    drive = house.start(terms=house.terms(learning={"max_rounds": 1}))
    with pytest.raises(Refused, match="LearningRoundNotClosed"):
        house.learning.send(house.anyone, "endTask", drive.task_id)
    drive.advance("commit_end")
    drive.close()
    house.learning.send(house.anyone, "endTask", drive.task_id)
    assert house.task(drive.task_id).ended


def test_the_requester_ends_its_task_between_rounds_and_takes_nothing_that_was_earned(house: House) -> None:
    """Nobody holds its money by opening a round a month, or by leaving a task idle."""
    drive = house.start().to_vote()
    with pytest.raises(Refused, match="LearningRoundNotClosed"):
        house.learning.send(house.requester, "endTask", drive.task_id)
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close()
    with pytest.raises(Refused, match="LearningTaskNotOver"):
        house.learning.send(house.anyone, "endTask", drive.task_id)
    owed = house.pot(drive.key)
    assert owed >= drive.terms.money.device_pot
    refund = house.pot(drive.task_id)
    sent = house.learning.send(house.requester, "endTask", drive.task_id)
    assert sent.event("TaskEnded")["refund"] == refund
    assert (house.pot(drive.task_id), house.pot(drive.key)) == (0, owed)


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_task_that_nobody_moves_ends_after_a_month(house: House, rounds: int) -> None:
    task_id = house.create()
    if rounds:
        house.enrol(task_id, [1, 1, 1])
        drive = house.open(task_id)
        drive.advance("commit_end")
        drive.close()
    idle = house.evm.now + 30 * DAY
    with pytest.raises(Refused) as refused:
        house.learning.send(house.anyone, "endTask", task_id)
    assert (refused.value.name, *refused.value.values) == ("LearningTaskNotOver", task_id, idle)
    house.evm.advance_to(idle)
    house.learning.send(house.anyone, "endTask", task_id)
    assert house.pot(task_id) == 0


def test_an_ended_task_takes_nothing_more(house: House) -> None:
    drive = house.start(terms=house.terms(learning={"max_rounds": 1}))
    drive.advance("commit_end")
    drive.close()
    house.learning.send(house.anyone, "endTask", drive.task_id)
    device = house.anyone
    ticket = house.ticket(drive.task_id, device)
    enrol = ("enrol", drive.task_id, 1, digest("o"), ticket)
    for call in (("openRound", drive.task_id), ("endTask", drive.task_id), enrol):
        with pytest.raises(Refused, match="LearningTaskEnded"):
            house.learning.send(device, *call)


@pytest.fixture(scope="module")
def weighed() -> tuple[House, TaskId, list[int]]:
    """A full cohort of 256 devices."""
    house = House.build(devices=256, verifiers=0)
    rng = random.Random(3)
    weights = [rng.choice([1, 2**24 - 1, rng.randrange(1, 2**24)]) for _ in range(256)]
    task_id = house.create(
        house.terms(
            cohort={"max_devices": 256, "weight_cap": 2**24, "max_weight": 2**32 - 1}, encoding={"slots": 1, "bits": 4}
        )
    )
    house.enrol(task_id, weights)
    return house, task_id, weights


@given(members=st.one_of(st.sets(st.integers(0, 255), max_size=12), st.sets(st.integers(0, 255), min_size=128)))
@example(members=set())
@example(members=set(range(256)))
def test_the_weight_of_a_set_is_the_sum_over_its_devices(
    weighed: tuple[House, TaskId, list[int]], members: set[int]
) -> None:
    house, task_id, weights = weighed
    assert house.learning.read("weightOfSet", task_id, mask(members)) == sum(weights[i] for i in members)
