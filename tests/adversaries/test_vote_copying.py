"""Vote copying: a voter that checked nothing copies a neighbour's hidden vote, or waits until it is shown."""

from __future__ import annotations

import pytest
from court import NO, SLASH, STAKE, YES, Case, Court
from evm import Refused

from dapp.crypto.sealed import derive_salt, vote_evidence, vote_seal
from dapp.protocol.enums import Status
from dapp.protocol.records import Ballot


@pytest.fixture
def case(court: Court) -> Case:
    return court.case().seated()


def masks(ballot: Ballot) -> tuple[int, int, int, int]:
    return ballot.valid, ballot.invalid, ballot.right, ballot.wrong


def copied(case: Case) -> None:
    """Seat 1 commits to the very bytes that seat 0 committed to."""
    case.commit(0, YES)
    case.send(case.voter(1), "commitVote", 1, case.seal(0, YES, case.voter(0)))


def test_defended_a_copied_seal_does_not_open_for_the_copier(case: Case) -> None:
    """Not even once the victim has revealed ballot, evidence and salt for all to see."""
    copied(case)
    case.to_reveal()
    case.reveal(0)
    victim = case.voter(0)
    for who in (victim, case.voter(1)):
        shown = masks(YES), case.evidence(who), case.salt(victim)
        with pytest.raises(Refused, match="VerificationSealMismatch"):
            case.send(case.voter(1), "revealVote", 1, *shown)


def test_defended_the_copier_is_silent_and_loses_stake(case: Case) -> None:
    copied(case)
    case.to_reveal()
    case.reveal(0)
    case.to_end()
    case.settle()
    case.slash(1)
    assert case.court.member(case.voter(1))[4] == STAKE - SLASH
    with pytest.raises(Refused, match="VerificationNothingToClaim"):
        case.claim(1)


def test_defended_nobody_commits_once_votes_are_shown(case: Case) -> None:
    case.commit(0, YES)
    case.to_reveal()
    case.reveal(0)
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.commit(1, YES)


def test_defended_no_vote_is_shown_while_others_may_still_commit(case: Case) -> None:
    for seat in range(case.size - 1):
        case.commit(seat, YES)
    with pytest.raises(Refused, match="VerificationWrongStatus"):
        case.reveal(0)
    assert case.status == Status.COMMITTING


def test_defended_a_vote_is_not_changed_to_what_others_showed(case: Case) -> None:
    for seat in range(case.size):
        case.commit(seat, NO if seat == 1 else YES)
    case.reveal(0)
    case.ballots[1] = YES
    with pytest.raises(Refused, match="VerificationSealMismatch"):
        case.reveal(1)


def test_defended_equal_ballots_have_seals_that_say_nothing_of_each_other(case: Case) -> None:
    """With the voter's own salt no table of the few possible ballots helps: all fields change the seal."""
    voter, key, consumer = case.voter(0), case.key, case.court.consumer.address
    place = [case.court.evm.chain.chain_id, case.court.verification.address, consumer, key, 0, 0, voter.address]
    evidence, salt = case.evidence(voter), case.salt(voter)
    seals = {vote_seal(*place, YES, evidence, salt)}  # type: ignore[arg-type]
    changes = {0: 1, 1: b"\1" * 20, 2: b"\2" * 20, 3: b"\3" * 32, 4: 1, 5: 1, 6: b"\4" * 20}
    for index, other in changes.items():
        changed = [*place[:index], other, *place[index + 1 :]]
        seals.add(vote_seal(*changed, YES, evidence, salt))  # type: ignore[arg-type]
    seals |= {vote_seal(*place, YES, evidence, b"\5" * 32), vote_seal(*place, NO, evidence, salt)}  # type: ignore[arg-type]
    assert len(seals) == 3 + len(changes)


def test_defended_evidence_of_the_recomputed_sum_is_the_voters_own() -> None:
    """Who copies another's evidence shows whose it was."""
    root, key = b"\7" * 32, b"\1" * 32
    assert vote_evidence(root, key, b"\2" * 20) != vote_evidence(root, key, b"\3" * 20)


def test_defended_salts_differ_from_seat_to_seat_and_attempt_to_attempt() -> None:
    salts = {derive_salt(b"secret", b"vote", bytes([a]), s.to_bytes(2, "big")) for a in range(3) for s in range(51)}
    assert len(salts) == 3 * 51


def test_known_gap_a_voter_may_tell_others_what_it_will_vote(case: Case) -> None:
    """Hiding is the voter's right, not its duty: who tells ballot and salt can be copied, or paid for its vote."""
    told = YES
    for seat in range(case.size):
        case.commit(seat, told)
    for seat in range(case.size):
        case.reveal(seat)
    case.settle()
    voter = case.voter(1)
    before = case.court.credit(voter)
    case.claim(1)
    assert case.court.credit(voter) > before, "seat 1 looked at nothing, said what seat 0 told, and is paid"
