"""A batch of which nothing is taken, because it is empty or says what was said already, changes nothing that others
derive from the events: not when all had committed, attested or shared, and so no phase's end."""

from __future__ import annotations

import pytest
from house import House

from dapp.protocol.enums import Phase


@pytest.mark.parametrize("again", [(), (0, 1)], ids=["empty", "said already"])
def test_shares_that_are_not_taken_do_not_move_the_end_of_sharing(house: House, again: tuple[int, ...]) -> None:
    drive = house.start().to_share()
    drive.share(range(drive.terms.key.holders))
    before = drive.progress, drive.deadlines
    house.evm.chain.travel(20)
    assert drive.phase == Phase.OPENING
    assert not [event for event in drive.share(again).events if event.name == "SharePosted"]
    assert (drive.progress, drive.deadlines) == before


@pytest.mark.parametrize("again", [(), (0, 1)], ids=["empty", "said already"])
def test_commits_that_are_not_taken_do_not_move_when_all_had_committed(house: House, again: tuple[int, ...]) -> None:
    drive = house.start()
    for _ in range(3):  # the last device misses three rounds: the fourth does not wait for it, but half its window
        drive.commit(range(3))
        drive.advance("commit_end")
        drive.attest(0)
        drive.close()
        drive = house.open(drive.task_id)
    drive.commit(range(3))
    before = drive.round
    house.evm.chain.travel(20)
    assert drive.phase == Phase.COMMIT
    assert not [event for event in drive.commit(again).events if event.name == "UpdateCommitted"]
    assert drive.round == before


def test_marks_that_are_not_taken_do_not_move_when_all_had_attested(house: House) -> None:
    drive = house.start().to_publish()
    drive.attest(drive.round.committed, [0])
    before = drive.progress
    drive.attest(drive.round.committed, [])
    drive.attest(drive.round.committed, [0])
    assert drive.progress == before
