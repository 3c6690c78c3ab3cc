"""Shares are posted once a holder and round; openings are bonded, at most four, the edges' first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import ETHER, Refused
from house import CONVERGED, OVERFLOW, House, digest
from test_learning_enrolment import skipped
from test_mining_included import spelled

from dapp.crypto.merkle import keccak256
from dapp.crypto.typed_data import ShareCommit, mining_domain
from dapp.crypto.words import encode_words
from dapp.protocol.enums import Phase, SkipReason


def test_a_share_is_kept_with_its_holder(house: House) -> None:
    drive = house.start().to_share()
    drive.share([1])
    who, commitment = house.mining.read("shareOf", *drive.place, 1)
    assert who == spelled(house.holders[1].address)
    assert commitment == keccak256(encode_words(("bytes32", "uint32"), (digest("share", 1), 20_000)))
    assert house.mining.read("shareOf", *drive.place, 0) == (spelled(bytes(20)), bytes(32))


def test_a_holder_with_ether_may_post_its_own_share_and_only_once(house: House) -> None:
    drive = house.start().to_share()
    house.evm.transfer(house.anyone, house.holders[0].address, ETHER)
    share = (*drive.place, 0, digest("s"), 10, drive.branch(0))
    house.mining.send(house.holders[0], "postShare", *share)
    with pytest.raises(Refused, match="MiningAlreadyShared"):
        house.mining.send(house.holders[0], "postShare", *share)
    with pytest.raises(Refused, match="MiningNotHolder"):
        house.mining.send(house.anyone, "postShare", *drive.place, 1, digest("s"), 10, drive.branch(1))


def test_a_share_larger_than_an_update_may_be_is_refused(house: House) -> None:
    drive = house.start().to_share()
    house.evm.transfer(house.anyone, house.holders[0].address, ETHER)
    with pytest.raises(Refused) as refused:
        house.mining.send(house.holders[0], "postShare", *drive.place, 0, digest("s"), 1_000_001, drive.branch(0))
    assert (refused.value.name, *refused.value.values) == ("MiningTooLarge", 1_000_001, 1_000_000)


def test_a_batch_skips_bad_shares_and_takes_the_others(house: House) -> None:
    drive = house.start().to_share()
    holder, _, size, deadline, branch, signature = drive.signed_share(1)
    big = ShareCommit(*drive.place, 3, digest("share", 3), 1_000_001, deadline)
    batch = [
        drive.signed_share(0),
        (holder, digest("other"), size, deadline, branch, signature),
        drive.signed_share(2, deadline=house.evm.now),
        (3, big.digest, big.size, deadline, drive.branch(3), house.sign(house.holders[3], big)),
        (9, digest("other"), size, deadline, branch, signature),
        drive.signed_share(0),
        drive.signed_share(4),
    ]
    sent = house.mining.send(house.edges[0], "postSharesBySig", *drive.place, batch)
    assert skipped(sent, "MessageSkipped") == [
        (1, SkipReason.BAD_SIGNATURE),
        (2, SkipReason.EXPIRED),
        (3, SkipReason.TOO_LARGE),
        (4, SkipReason.NOT_ENROLLED),
        (5, SkipReason.ALREADY_DONE),
    ]
    assert drive.progress.shared == 0b10001


def test_a_share_signed_for_another_round_is_refused(house: House) -> None:
    drive = house.start().to_share()
    message = ShareCommit(drive.task_id, drive.number + 1, 0, digest("share", 0), 20_000, 2**63)
    domain = mining_domain(house.evm.chain.chain_id, house.mining.address)
    signature = house.holders[0].sign_digest(message.signing_hash(domain))
    batch = [(0, message.digest, message.size, message.deadline, drive.branch(0), signature)]
    sent = house.mining.send(house.edges[0], "postSharesBySig", *drive.place, batch)
    assert skipped(sent, "MessageSkipped") == [(0, SkipReason.BAD_SIGNATURE)]


def test_an_attestation_is_no_share(house: House) -> None:
    """Their types are hashed in, so that a signature of one never passes for the other."""
    drive = house.start().to_share()
    *_, signature = drive.attestation(0, 0b1111)
    batch = [(0, digest("share", 0), 20_000, 2**63, drive.branch(0), signature)]
    sent = house.mining.send(house.edges[0], "postSharesBySig", *drive.place, batch)
    assert skipped(sent, "MessageSkipped") == [(0, SkipReason.BAD_SIGNATURE)]


def test_batches_hold_at_most_32(house: House) -> None:
    drive = house.start().to_publish()
    with pytest.raises(Refused, match="MiningBatchTooLong"):
        drive.attest(0, holders=[0] * 33)
    with pytest.raises(Refused, match="MiningBatchTooLong"):
        drive.share([0] * 33)


def test_shares_wait_until_the_challenge_is_over(house: House) -> None:
    drive = house.start().to_open()
    drive.open(house.edges[0], 0)
    with pytest.raises(Refused) as refused:
        drive.share([0])
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.CHALLENGE, Phase.SHARE)


def test_t_junk_shares_do_not_end_the_share_phase(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    assert drive.progress.threshold_shared_at == house.evm.now
    assert drive.phase == Phase.SHARE
    drive.share([3])
    assert drive.phase == Phase.SHARE
    drive.share([4])
    assert drive.phase == Phase.OPENING
    assert drive.deadlines.share_end == house.evm.now


def test_an_opening_ends_the_share_phase(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[0])
    assert drive.phase == Phase.OPENING
    assert drive.deadlines.share_end == drive.progress.first_opening_at


def test_shares_are_taken_beside_openings_until_the_windows_own_end(house: House) -> None:
    """Or a junk opening right after the t-th share, one of them junk, would cut the right ones off."""
    terms = house.terms(windows={"contest": 5000})
    drive = house.start(terms=terms).to_share()
    ends = drive.deadlines.challenge_end + terms.windows.share
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[0])
    house.evm.transfer(house.anyone, house.holders[3].address, ETHER)
    with house.supposing():
        drive.share([3, 4])
        assert drive.progress.shared == 0b11111
        assert (drive.phase, drive.deadlines.share_end) == (Phase.OPENING, drive.progress.first_opening_at)
    house.evm.advance_to(ends - 1)
    house.mining.send(house.holders[3], "postShare", *drive.place, 3, digest("s"), 9, drive.branch(3))
    drive.post_opening(house.anyone, drive.claim_of("other", used=0b1110))
    with pytest.raises(Refused) as refused:
        drive.share([4])
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.OPENING, Phase.SHARE)


def test_no_share_is_taken_once_the_openings_are_contested(house: House) -> None:
    drive = house.start().to_vote()
    assert house.evm.now < drive.deadlines.challenge_end + drive.terms.windows.share
    with pytest.raises(Refused) as refused:
        drive.share([3])
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.VOTE, Phase.SHARE)


def test_an_opening_needs_t_shares_that_were_posted(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1])
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[0], drive.claim_of(used=0b11))
    assert (refused.value.name, *refused.value.values) == ("MiningTooFewShares", 2, 3)
    drive.share([4])
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[0], drive.claim_of(used=0b10001))
    assert (refused.value.name, *refused.value.values) == ("MiningTooFewShares", 2, 3)
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[0], drive.claim_of(used=0b11001))
    assert (refused.value.name, *refused.value.values) == ("MiningSharesNotPosted", 0b11001, 0b10011)
    drive.post_opening(house.edges[0], drive.claim_of(used=0b10011))


def test_the_edges_of_opened_candidates_open_first(house: House) -> None:
    drive = house.start().to_open(edges=2)
    drive.open(house.edges[0], 0)
    drive.advance("open_end")
    drive.advance("challenge_end")
    drive.share([0, 1, 2])
    until = house.evm.now + drive.terms.windows.opening // 2
    for other in (house.edges[1], house.anyone):
        with pytest.raises(Refused) as refused:
            drive.post_opening(other)
        assert (refused.value.name, *refused.value.values) == ("MiningNotYetOpenToAll", until)
    with house.supposing():
        drive.post_opening(house.edges[0])
        drive.post_opening(house.anyone)
    house.evm.advance_to(until - 1)
    with pytest.raises(Refused, match="MiningNotYetOpenToAll"):
        drive.post_opening(house.anyone)
    drive.post_opening(house.anyone)
    assert drive.opening(0).poster == house.anyone.address


def test_an_opening_costs_its_bond_and_there_are_at_most_four(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[0], bond=ETHER // 2 - 1)
    assert (refused.value.name, *refused.value.values) == ("MiningBondTooSmall", ETHER // 2 - 1, ETHER // 2)
    for index in range(4):
        event = drive.post_opening(house.edges[index], drive.claim_of(index)).event("OpeningPosted")
        assert event["index"] == index
        assert drive.opening(index).opening == drive.claim_of(index)
        assert drive.opening(index).bond == ETHER // 2
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[4])
    assert (refused.value.name, *refused.value.values) == ("MiningOpeningsFull", 4)
    assert drive.phase == Phase.OPENING


def test_openings_end_contest_seconds_after_the_first(house: House) -> None:
    drive = house.start().to_opening()
    end = house.evm.now + drive.terms.windows.contest
    assert drive.deadlines.opening_end == end
    house.evm.advance_to(end - 1)
    drive.post_opening(house.anyone)
    assert not house.mining.read("slateOf", drive.key)[0]
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.anyone)
    assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.VOTE, Phase.OPENING)
    slate = house.mining.read("slateOf", drive.key)
    assert slate == (True, 0b1, 0b11, 3, 6667, 400, 400, 900, 300, 11, drive.key)


def test_without_enough_shares_the_candidates_are_judged_alone(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1])
    drive.advance("share_end")
    assert drive.phase == Phase.VOTE
    ready, candidates, openings, *_ = house.mining.read("slateOf", drive.key)
    assert (ready, candidates, openings) == (True, 0b1, 0)


def test_without_an_opening_the_opening_window_is_waited_out(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    drive.advance("share_end")
    assert drive.phase == Phase.OPENING
    end = drive.deadlines.opening_end
    assert end == drive.deadlines.share_end + drive.terms.windows.opening
    drive.advance("opening_end")
    assert drive.phase == Phase.VOTE


@pytest.mark.parametrize(
    ("flags", "model", "size"),
    [(3, True, 9), (4, True, 9), (OVERFLOW, True, 9), (OVERFLOW, False, 9), (0, False, 0), (CONVERGED, False, 0)],
)
def test_flags_and_model_must_agree(house: House, flags: int, model: bool, size: int) -> None:
    """An overflow leaves no model; everything else leaves one."""
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    claim = drive.claim_of()
    claim = replace(claim, flags=flags, model_digest=claim.model_digest if model else bytes(32), model_size=size)
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[0], claim)
    assert (refused.value.name, *refused.value.values) == ("MiningBadFlags", flags)


def test_a_gradient_does_not_converge(house: House) -> None:
    drive = house.start(terms=house.terms(learning={"gradient_rounds": True})).to_share()
    drive.share([0, 1, 2])
    with pytest.raises(Refused, match="MiningBadFlags"):
        drive.post_opening(house.edges[0], drive.claim_of(flags=CONVERGED))


def test_an_opening_larger_than_an_update_may_be_is_refused(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    with pytest.raises(Refused) as refused:
        drive.post_opening(house.edges[0], replace(drive.claim_of(), size=1_000_001))
    assert (refused.value.name, *refused.value.values) == ("MiningTooLarge", 1_000_001, 1_000_000)


def test_what_is_asked_of_a_round_in_another_phase_names_both(house: House) -> None:
    drive = house.start()
    edge = house.edges[0]
    used = drive.claim_of(used=0b111)
    for attempt, expected in (
        (lambda: drive.seal(edge), Phase.SEAL),
        (lambda: drive.open(edge, 0), Phase.OPEN),
        (lambda: drive.share([0]), Phase.SHARE),
        (lambda: drive.post_opening(edge, used), Phase.OPENING),
        (lambda: house.mining.send(edge, "fixIncluded", *drive.place), Phase.SEAL),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert (refused.value.name, *refused.value.values) == ("MiningWrongPhase", Phase.COMMIT, expected)
