"""Deposit lock griefing: somebody goes silent so that others' money is locked for ever.

Whoever stays silent, and in whichever phase, a stranger closes the round and everybody is paid what is theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from evm import Refused
from house import DAY, Drive, House
from test_mining_outcomes import BURNT, claim_all, claim_votes, nothing_left

from dapp.protocol.enums import Outcome, Phase, Status
from dapp.protocol.records import Ballot

NOBODY = 51
"""More silent voters than any panel has."""


def no_commits(drive: Drive) -> None:
    drive.commit([0, 1])


def no_attestations(drive: Drive) -> None:
    drive.to_publish()
    drive.attest(drive.round.committed, [0, 1])


def no_seals(drive: Drive) -> None:
    drive.to_seal()


def no_opened_candidate(drive: Drive) -> None:
    drive.to_open(edges=2)


def too_few_shares(drive: Drive) -> None:
    drive.to_share(edges=2)
    drive.share([0, 1])


def no_opening(drive: Drive) -> None:
    drive.to_share(edges=2)
    drive.share([0, 1, 2])


def no_votes(drive: Drive) -> None:
    drive.to_vote(edges=2)


SILENCES: dict[Callable[[Drive], None], Outcome] = {
    no_commits: Outcome.TOO_FEW,
    no_attestations: Outcome.TOO_FEW,
    no_seals: Outcome.NOT_OPENED,
    no_opened_candidate: Outcome.NOT_OPENED,
    too_few_shares: Outcome.ABANDONED,
    no_opening: Outcome.ABANDONED,
    no_votes: Outcome.ABANDONED,
}


def wait_out(drive: Drive) -> None:
    """A stranger does whatever is still to be done, and nobody else does anything."""
    ends = ("commit_end", "publish_end", "seal_end", "open_end", "challenge_end", "share_end", "opening_end")
    for end in ends:
        if getattr(drive.deadlines, end):
            drive.advance(end)
    assert drive.phase == Phase.VOTE
    attempt = 0
    while drive.outcome == Outcome.OPEN:
        drive.vote(Ballot(0, 0, 0, 0), attempt, silent=NOBODY)
        attempt += 1
    drive.close(by=drive.house.anyone)


def withdraw_all(house: House) -> None:
    everybody = [house.requester, house.admission, *house.devices, *house.edges, *house.holders, *house.verifiers]
    for owner in [*(account.address for account in everybody), house.anyone.address, BURNT]:
        if house.credit(owner):
            house.escrow.send(house.anyone, "withdrawFor", owner)


@pytest.mark.parametrize("silence", SILENCES, ids=lambda silence: silence.__name__)
def test_defended_whoever_is_silent_a_stranger_closes_the_round_and_everybody_withdraws(
    house: House, silence: Callable[[Drive], None]
) -> None:
    drive = house.start(weights=(100, 200, 300, 57))
    opened_at = drive.round.opened_at
    silence(drive)
    wait_out(drive)
    assert drive.outcome == SILENCES[silence]
    windows = drive.terms.windows
    votes = 2 * (windows.seed + windows.commit_vote + windows.reveal_vote)
    assert house.evm.now - opened_at <= sum(windows.to_abi()) + votes + 100, "no longer than all windows"
    claim_all(drive)
    claim_votes(drive)
    assert nothing_left(drive)
    withdraw_all(house)
    # FixedSeed proves itself when Verification asks, which earns Verification the prover's bounty.
    assert house.escrow.read("totalCredit") == house.credit(house.verification.address)
    stakes = len(house.verifiers) * house.verification.read("STAKE")
    assert house.escrow.read("totalPots") == house.pot(drive.task_id) + stakes, "the task's own pot and the stakes"
    assert house.solvent()


def test_defended_a_silent_edge_loses_its_bond_and_locks_nobody_elses(house: House) -> None:
    drive = house.start().to_open(edges=2)
    drive.open(house.edges[1], 1)
    drive.advance("open_end")
    drive.advance("challenge_end")
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[1])
    drive.advance("opening_end")
    drive.vote(Ballot(0b10, 0, 1, 0))
    drive.close()
    assert drive.outcome == Outcome.ACCEPTED
    burnt = house.credit(BURNT)
    house.mining.send(house.anyone, "settleCandidateBond", *drive.place, 0)
    house.mining.send(house.anyone, "settleCandidateBond", *drive.place, 1)
    assert house.credit(BURNT) - burnt == drive.terms.money.edge_bond
    assert house.credit(house.edges[1]) >= drive.terms.money.edge_bond


def test_defended_a_requester_who_never_comes_back_takes_nobodys_pay_along(house: House) -> None:
    """After thirty days of rest anybody ends the task; the pots of its rounds are out of reach of the refund."""
    drive = house.start().to_closed()
    held = house.pot(drive.key)
    with pytest.raises(Refused, match="LearningTaskNotOver"):
        house.learning.send(house.anyone, "endTask", drive.task_id)
    house.evm.chain.travel(31 * DAY)
    house.learning.send(house.anyone, "endTask", drive.task_id)
    assert house.pot(drive.key) == held > 0
    claim_all(drive)
    assert all(house.credit(house.devices[k]) for k in range(4))


def test_defended_a_requester_cannot_end_the_task_under_an_open_round(house: House) -> None:
    drive = house.start().to_opening()
    house.evm.chain.travel(31 * DAY)
    with pytest.raises(Refused, match="LearningRoundNotClosed"):
        house.learning.send(house.requester, "endTask", drive.task_id)


def test_defended_a_round_is_paid_for_before_it_begins(house: House) -> None:
    """A requester who stops paying stops the next round, never this one."""
    drive = house.start()
    assert house.pot(drive.key) == house.learning.read("roundBudget", drive.task_id)


def test_bounded_every_timeout_pays_whoever_calls_it(house: House) -> None:
    """Summoning, proving, settling and closing earn a bounty each: 11 gwei here, a term of the task."""
    drive = house.start().to_vote()
    before = house.credit(house.anyone)
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close(by=house.anyone)
    assert house.credit(house.anyone) - before >= 3 * drive.terms.money.bounty


def test_bounded_silence_on_the_panel_is_slashed(house: House) -> None:
    drive = house.start().to_vote()
    drive.vote(Ballot(0, 0, 0, 0), silent=NOBODY)
    case = house.mining.address, drive.key, 0
    assert Status(house.verification.read("statusOf", *case)) in (Status.UNDECIDED, Status.ABANDONED)
    house.verification.send(house.anyone, "slashSilent", *case, 0)
