"""Registry gaming: join, leave or come back once the seed is known, so that the draw falls on oneself."""

from __future__ import annotations

from random import Random

import pytest
from court import ACTIVATION_DELAY, Case, Court
from evm import Refused

SPARE = 7


def seats(case: Case) -> list[bytes]:
    return [case.voter(seat).address for seat in range(case.size)]


@pytest.mark.parametrize("seed", range(8))
def test_defended_who_knows_the_seed_changes_no_seat_by_joining_or_leaving(court: Court, seed: int) -> None:
    for member in court.members[SPARE : SPARE + 2]:
        court.join(member)
    case = court.case()
    case.summon()
    court.evm.chain.travel(ACTIVATION_DELAY)
    case.prove()
    before, random = seats(case), Random(seed)
    for _ in range(4):
        with court.supposing():
            for member in random.sample(court.members, 6):
                try:
                    random.choice([court.join, court.leave])(member)
                except Refused:
                    continue
            court.verification.send(court.anyone, "promote", random.randrange(4))
            assert seats(case) == before


def test_defended_who_matured_before_the_summons_and_was_not_taken_in_yet_is_in_the_draw_or_waits(court: Court) -> None:
    """The order of the queue decides, not who calls: `summon` takes in two, whoever they are."""
    waiting = court.members[SPARE : SPARE + 3]
    for member in waiting:
        court.join(member)
    court.evm.chain.travel(ACTIVATION_DELAY)
    panels = []
    for caller in (court.anyone, waiting[2]):
        with court.supposing():
            case = court.case()
            panels.append(case.summon(caller).event("PanelSummoned")["eligible"])
    assert panels == [9, 9]
    assert court.member(waiting[2])[0] == 1


def test_defended_the_next_attempt_draws_from_who_is_there_then(court: Court) -> None:
    """A panel may be gamed for the next attempt only by members whose own delay is over: they have staked."""
    case = court.case(seats=3).seated()
    case.to_end()
    case.settle()
    newcomer = court.members[SPARE]
    court.join(newcomer)
    again = case.again()
    again.summon()
    again.prove()
    assert newcomer.address not in seats(again)
