"""Votes are hidden until all are in, bound to their voter, and cast once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from court import NO, YES, Case, Court
from evm import Refused

from dapp.protocol.enums import Status
from dapp.protocol.records import Ballot


@pytest.fixture(scope="module")
def built() -> Court:
    return Court.build()


@pytest.fixture
def court(built: Court) -> Iterator[Court]:
    with built.supposing():
        yield built


@pytest.fixture
def case(court: Court) -> Case:
    return court.case().seated()


def masks(ballot: Ballot) -> tuple[int, int, int, int]:
    return ballot.valid, ballot.invalid, ballot.right, ballot.wrong


def test_only_who_sits_on_a_seat_commits_for_it(case: Case) -> None:
    voter, neighbour = case.voter(0), case.voter(1)
    for stranger in (neighbour, case.court.anyone):
        with pytest.raises(Refused, match="VerificationNotSeated"):
            case.send(stranger, "commitVote", 0, case.seal(0, YES, stranger))
    with pytest.raises(Refused, match="VerificationUnknownSeat"):
        case.send(voter, "commitVote", 5, case.seal(5, YES, voter))


def test_a_committed_vote_is_not_overwritten(case: Case) -> None:
    case.commit(0, YES)
    with pytest.raises(Refused, match="VerificationAlreadyCommitted"):
        case.commit(0, NO)


def test_votes_are_not_revealed_while_others_still_commit(case: Case) -> None:
    case.commit(0)
    with pytest.raises(Refused, match="VerificationWrongStatus") as refused:
        case.reveal(0)
    assert refused.value.values == (Status.COMMITTING, Status.REVEALING)


def test_votes_are_not_committed_once_the_reveal_has_begun(case: Case) -> None:
    case.commit(0)
    case.to_reveal()
    with pytest.raises(Refused, match="VerificationWrongStatus") as refused:
        case.commit(1)
    assert refused.value.values == (Status.REVEALING, Status.COMMITTING)


def test_a_copied_seal_opens_for_nobody_but_its_owner(case: Case) -> None:
    owner, copier = case.voter(0), case.voter(1)
    stolen = case.seal(0, YES, owner)
    case.commit(0, YES)
    case.send(copier, "commitVote", 1, stolen)
    case.to_reveal()
    case.reveal(0)
    opening = masks(YES), case.evidence(owner), case.salt(owner)
    for seat in (0, 1):
        with pytest.raises(Refused, match="VerificationSealMismatch"):
            case.send(copier, "revealVote", seat, *opening)


def test_a_seal_of_another_attempt_or_seat_does_not_open(court: Court) -> None:
    first = court.case(seats=3).seated()
    first.to_reveal().settle()
    second = first.again().seated()
    voter = second.voter(0)
    for elsewhere in (second.seal(1, YES, voter), second.seal(0, YES, voter, attempt=0)):
        with court.supposing():
            second.send(voter, "commitVote", 0, elsewhere)
            second.ballots[0] = YES
            second.to_reveal()
            with pytest.raises(Refused, match="VerificationSealMismatch"):
                second.reveal(0)


@pytest.mark.parametrize("changed", ["ballot", "evidence", "salt"])
def test_a_vote_is_not_changed_between_commit_and_reveal(case: Case, changed: str) -> None:
    voter = case.voter(0)
    case.commit(0, YES)
    case.to_reveal()
    opening = {"ballot": masks(YES), "evidence": case.evidence(voter), "salt": case.salt(voter)}
    opening[changed] = masks(NO) if changed == "ballot" else bytes(32)
    with pytest.raises(Refused, match="VerificationSealMismatch"):
        case.send(voter, "revealVote", 0, *opening.values())


def test_a_vote_is_revealed_once(case: Case) -> None:
    case.commit(0)
    case.commit(1)
    case.to_reveal()
    case.reveal(0)
    with pytest.raises(Refused, match="VerificationSealMismatch"):
        case.reveal(0)


def test_a_seat_that_never_committed_reveals_nothing(case: Case) -> None:
    case.commit(0)
    case.to_reveal()
    case.ballots[1] = YES
    with pytest.raises(Refused, match="VerificationSealMismatch"):
        case.reveal(1)


@pytest.mark.parametrize(
    "ballot",
    [
        Ballot(0b100, 0, 0, 0),
        Ballot(0, 0b100, 0, 0),
        Ballot(0b01, 0b01, 0, 0),
        Ballot(0, 0, 0b10, 0),
        Ballot(0, 0, 0, 0b10),
        Ballot(0, 0, 0b1, 0b1),
    ],
)
def test_a_ballot_says_one_thing_of_what_is_on_the_slate(case: Case, ballot: Ballot) -> None:
    case.commit(0, ballot)
    case.to_reveal()
    with pytest.raises(Refused, match="VerificationBallotOffSlate"):
        case.reveal(0)


def test_a_fifth_opening_is_never_on_the_slate(court: Court) -> None:
    case = court.case(openings=0xFF).seated()
    case.commit(0, Ballot(0, 0, 0x10, 0))
    case.to_reveal()
    with pytest.raises(Refused, match="VerificationBallotOffSlate"):
        case.reveal(0)


@pytest.mark.parametrize("low_bits", range(16))
def test_no_seal_can_pass_for_a_revealed_vote(case: Case, low_bits: int) -> None:
    """A seal is whatever its voter says; one that spells a revealed ballot must still be neither paid nor spared."""
    voter = case.voter(0)
    forged = int.from_bytes(voter.address, "big") << 96 | 0x01020100 << 8 | low_bits
    case.send(voter, "commitVote", 0, forged.to_bytes(32, "big"))
    for seat in range(1, 5):
        case.commit(seat)
    for seat in range(1, 5):
        case.reveal(seat)
    case.to_end().settle()
    with pytest.raises(Refused, match="VerificationNothingToClaim"):
        case.claim(0)
    case.slash(0)
    with pytest.raises(Refused, match="VerificationNothingToClaim"):
        case.claim(0)
