"""Junk shares and openings: posted for the pay, to end a phase early, or to take the places of the right ones."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from attackers import JUNK_HOLDER
from evm import ETHER, Refused
from house import Drive, House
from siege import Siege
from test_mining_outcomes import BURNT, claim_all

from dapp.protocol.enums import Outcome, Phase
from dapp.protocol.records import Ballot
from dapp.protocol.view import Posted, RoundView, bits
from dapp.protocol.work import Examination, Examine


def junk_round(siege: Siege) -> RoundView:
    """A round in which the junk holder's share was posted."""
    return next(round_ for round_ in siege.rounds if JUNK_HOLDER in round_.shares)


# Shares


def test_defended_a_sum_opens_beside_junk_shares_and_the_round_is_accepted(siege: Siege) -> None:
    round_ = junk_round(siege)
    assert round_.outcome == Outcome.ACCEPTED
    assert round_.right_opening is not None


def test_defended_a_share_that_the_right_opening_does_not_use_is_not_paid(siege: Siege) -> None:
    round_ = junk_round(siege)
    assert round_.right_opening is not None
    used = set(bits(round_.right_opening.opening.used_shares))
    assert JUNK_HOLDER not in used
    assert len(used) == siege.stage.world.facts.terms.key.threshold
    paid = {who for role, who in round_.paid if role == "holder"}
    assert paid == {siege.address(holder) for holder in used}


def test_defended_t_junk_shares_do_not_end_the_share_phase(house: House) -> None:
    """Only an opening, or all holders, does: the right shares still get in."""
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    assert drive.progress.threshold_shared_at
    assert drive.phase == Phase.SHARE
    drive.share([3, 4])
    assert drive.progress.shared == 0b11111


def test_defended_who_is_no_holder_posts_no_share(house: House) -> None:
    drive = house.start().to_share()
    with pytest.raises(Refused, match="MiningNotHolder"):
        house.mining.send(house.anyone, "postShare", *drive.place, 0, b"\1" * 32, 1, drive.branch(0))


# Openings


def full_of_junk(house: House) -> Drive:
    """An edge with an opened candidate posts a wrong opening first; then anybody may, and fills the other three."""
    drive = house.start().to_share(edges=2)
    drive.share([0, 1, 2])
    for place, poster in enumerate((house.edges[1], house.edges[2], house.edges[3], house.anyone)):
        drive.post_opening(poster, drive.claim_of(f"junk {place}"))
    return drive


def test_defended_a_wrong_opening_does_not_keep_the_right_one_out(house: House) -> None:
    drive = house.start().to_share(edges=2)
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[1], drive.claim_of("junk"))
    drive.post_opening(house.edges[0], drive.claim_of("right"))
    drive.advance("opening_end")
    drive.vote(Ballot(0b11, 0, 0b10, 0b01))
    drive.close()
    assert drive.outcome == Outcome.ACCEPTED
    paid = house.mining.send(house.anyone, "claimOpenerPayFor", *drive.place).event("OpenerPaid")
    assert bytes.fromhex(paid["poster"][2:]) == house.edges[0].address
    burnt = house.credit(BURNT)
    house.mining.send(house.anyone, "settleOpeningBond", *drive.place, 0)
    assert house.credit(BURNT) - burnt == ETHER // 2


def test_defended_a_junk_opening_right_after_the_last_share_needed_cuts_no_share_off(house: House) -> None:
    """A candidate's edge and one holder with a junk share: among the t shares posted so far only t − 1 are good."""
    drive = house.start().to_share(edges=2)
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[1], drive.claim_of("junk"))
    drive.share([3])
    drive.post_opening(house.edges[0], drive.claim_of("right", used=0b1110))
    drive.advance("opening_end")
    drive.vote(Ballot(0b11, 0, 0b10, 0b01))
    drive.close()
    assert drive.outcome == Outcome.ACCEPTED
    assert claim_all(drive)["holder"] == 3


def test_defended_an_opening_ends_no_window_before_others_can_contest_it(house: House) -> None:
    drive = house.start().to_opening()
    assert drive.deadlines.opening_end - drive.progress.first_opening_at == drive.terms.windows.contest
    assert drive.phase == Phase.OPENING


def test_defended_strangers_do_not_open_before_the_edges(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    with pytest.raises(Refused, match="MiningNotYetOpenToAll"):
        drive.post_opening(house.anyone)


def test_defended_an_opening_lists_no_share_that_was_not_posted(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    with pytest.raises(Refused, match="MiningSharesNotPosted"):
        drive.post_opening(house.edges[0], drive.claim_of(used=0b11011))


def test_defended_an_opening_without_its_bond_is_refused(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0, 1, 2])
    with pytest.raises(Refused, match="MiningBondTooSmall"):
        drive.post_opening(house.edges[0], bond=ETHER // 2 - 1)


def test_bounded_four_junk_openings_fail_the_round_for_four_bonds_and_devices_are_paid(house: House) -> None:
    """An edge with a candidate of its own can fill all four places before the right opening comes. It costs four
    bonds (2 ether here, burnt), the requester its devices' pay, and the next round begins on the same model."""
    drive = full_of_junk(house)
    with pytest.raises(Refused, match="MiningOpeningsFull"):
        drive.post_opening(house.edges[0], drive.claim_of("right"))
    drive.advance("opening_end")
    drive.vote(Ballot(0b11, 0, 0, 0b1111))
    drive.close()
    assert drive.outcome == Outcome.NOT_OPENED
    burnt = house.credit(BURNT)
    granted = claim_all(drive)
    assert house.credit(BURNT) - burnt == 4 * drive.terms.money.opening_bond
    assert granted["device"] == 4
    assert granted["holder"] == 0
    assert house.task(drive.task_id).model == drive.terms.learning.model_digest


def test_defended_an_opening_that_lists_junk_shares_as_used_is_wrong(siege: Siege) -> None:
    """Shares carry no proofs, so voters check the t listed ones against the opened roots: an opener that colludes with
    a holder cannot have junk paid in an honest holder's place."""
    stage, round_ = siege.stage, junk_round(siege)
    posted = round_.right_opening
    assert posted is not None
    used = set(bits(posted.opening.used_shares))
    swapped = (used - {min(used)}) | {JUNK_HOLDER}
    forged = replace(posted, opening=replace(posted.opening, used_shares=sum(1 << holder for holder in swapped)))
    assert examined(siege, round_, posted).right == 1 << posted.index
    assert examined(siege, round_, forged).wrong == 1 << posted.index
    assert stage.outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED]


def examined(siege: Siege, round_: RoundView, posted: Posted) -> Examination:
    """What a verifier finds out about an opening, with the blobs that are in the store."""
    job = Examine.of(siege.stage.world.facts, siege.stage.view, round_, (), (posted,))
    blobs = siege.stage.node("verifier", 0).fetch(job.needs)
    found: Examination = job.run(blobs, Random(1).getrandbits).value
    return found
