"""Free sum: a requester lets the round fail after the sum was opened, keeps the model and pays nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from evm import Refused
from house import DAY, OVERFLOW, Drive, House
from test_mining_outcomes import claim_all, claim_votes, nothing_left

from dapp.protocol.enums import Outcome
from dapp.protocol.records import Ballot
from dapp.types import Wei

EVERYBODY_SILENT = 51


def abandoned(drive: Drive) -> None:
    """The voters were paid to stay away, three times over."""
    drive.to_vote()
    for attempt in range(2):
        drive.vote(Ballot(0, 0, 0, 0), attempt, silent=EVERYBODY_SILENT)
    drive.close()


def called_wrong(drive: Drive) -> None:
    """The voters were paid to call the only opening wrong."""
    drive.to_closed(ballot=Ballot(1, 0, 0, 1))


def called_invalid(drive: Drive) -> None:
    """The voters were paid to call every sum invalid."""
    drive.to_closed(ballot=Ballot(0, 1, 0, 0))


def overflowed(drive: Drive) -> None:
    """A device of the requester's own spoilt the sum, which opens all the same."""
    drive.to_closed(flags=OVERFLOW)


FAILURES: dict[Callable[[Drive], None], Outcome] = {
    abandoned: Outcome.ABANDONED,
    called_wrong: Outcome.NOT_OPENED,
    called_invalid: Outcome.NOT_OPENED,
    overflowed: Outcome.OVERFLOW,
}


@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
def test_defended_once_a_sum_was_opened_devices_and_relays_are_paid_however_the_round_ends(
    house: House, fail: Callable[[Drive], None]
) -> None:
    drive = house.start(weights=(100, 200, 300, 57))
    fail(drive)
    assert drive.outcome == FAILURES[fail]
    granted = claim_all(drive)
    assert granted["device"] == 4
    assert granted["commits"] == granted["relay"] == 1
    pot = drive.terms.money.device_pot
    assert [house.credit(house.devices[k]) for k in range(4)] == [pot * s // 657 for s in (100, 200, 300, 57)]
    claim_votes(drive)
    assert nothing_left(drive)


@pytest.mark.parametrize("fail", [abandoned, overflowed], ids=lambda fail: fail.__name__)
def test_defended_holders_whose_shares_opened_it_are_paid_too(house: House, fail: Callable[[Drive], None]) -> None:
    drive = house.start()
    fail(drive)
    assert claim_all(drive)["holder"] == drive.terms.key.threshold


def test_defended_the_pay_lies_in_a_pot_of_its_own_before_anybody_works(house: House) -> None:
    budget = house.learning.read("roundBudget", house.create())
    with pytest.raises(Refused, match="LearningPotTooSmall"):
        house.create(value=budget - 1)
    task_id = house.create(value=budget)
    house.enrol(task_id, [1, 1, 1])
    drive = house.open(task_id)
    assert (house.pot(drive.key), house.pot(task_id)) == (budget, 0)


def test_defended_ending_the_task_takes_no_pay_back(house: House) -> None:
    drive = house.start()
    abandoned(drive)
    pot = drive.terms.money.device_pot
    house.evm.chain.travel(31 * DAY)
    house.learning.send(house.requester, "endTask", drive.task_id)
    assert house.pot(drive.key) >= pot
    assert claim_all(drive)["device"] == 4


def test_defended_forfeited_bonds_do_not_go_to_the_requester(house: House) -> None:
    """Or provoking forfeits would pay for the free sum."""
    drive = house.start()
    before = house.credit(house.requester) + house.pot(drive.task_id)
    called_wrong(drive)
    house.mining.send(house.anyone, "settleOpeningBond", *drive.place, 0)
    house.mining.send(house.anyone, "settleCandidateBond", *drive.place, 0)
    gained = house.credit(house.requester) + house.pot(drive.task_id) - before
    assert gained <= house.learning.read("roundBudget", drive.task_id), "what was not owed, of its own money"


def test_defended_what_the_edge_keeps_to_itself_anybody_posts(house: House) -> None:
    """Shares are public, so who combines them in silence has no more than everybody: from half the window on a
    stranger who can raise the bond posts the opening, and the devices are paid."""
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    shared_at = drive.progress.threshold_shared_at
    house.evm.advance_to(shared_at + drive.terms.windows.opening // 2)
    drive.post_opening(house.anyone)
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close()
    assert drive.outcome == Outcome.ACCEPTED
    assert claim_all(drive)["device"] == 4


def test_defended_no_bond_keeps_every_opening_out(house: House) -> None:
    """A bond beyond anybody's means would let the requester read the posted shares and owe nothing for the sum."""
    budget = house.learning.read("roundBudget", house.create())
    with pytest.raises(Refused, match="LearningTermOutOfBounds"):
        house.create(house.terms(money={"opening_bond": Wei(budget + 1)}))
    with pytest.raises(Refused, match="LearningTermOutOfBounds"):
        house.create(house.terms(money={"edge_bond": Wei(2**127)}))


def test_defended_crowding_the_right_opening_out_costs_what_the_devices_earn(house: House) -> None:
    """Four junk openings fail the round: their bonds are burnt, and the devices are paid besides."""
    pot = house.terms().money.device_pot
    with pytest.raises(Refused, match="LearningTermOutOfBounds"):
        house.create(house.terms(money={"opening_bond": Wei(pot // 4)}))
    assert 4 * house.terms().money.opening_bond >= pot


@pytest.mark.parametrize("window", ["share", "opening", "contest"])
def test_defended_no_window_is_too_short_to_post_an_opening_in(house: House, window: str) -> None:
    with pytest.raises(Refused, match="LearningTermOutOfBounds"):
        house.create(house.terms(windows={window: 1}))


def test_known_gap_a_sum_that_nobody_posts_is_free(house: House) -> None:
    """Where no edge is honest and no stranger comes, t shares are out and no opening is on chain: nobody but bounties
    is paid. One honest edge, or anybody with a bond, is enough against it."""
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    for end in ("share_end", "opening_end"):
        drive.advance(end)
    drive.vote(Ballot(1, 0, 0, 0))
    drive.close()
    assert drive.outcome == Outcome.NOT_OPENED
    assert claim_all(drive)["device"] == 0
