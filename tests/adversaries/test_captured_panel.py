"""Captured panel: a cheat waits for a panel in which its own verifiers have two thirds of the seats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import comb

import pytest
from evm import Refused
from house import Drive, House
from siege import BASE, Lab, Siege
from stage import Stage

from dapp.protocol import device
from dapp.protocol import events as ev
from dapp.protocol.blobs import BlobRef
from dapp.protocol.device import DeviceState
from dapp.protocol.effects import Blobs, Done, Result
from dapp.protocol.enums import Outcome
from dapp.protocol.records import Ballot
from dapp.protocol.view import View
from dapp.protocol.work import Examination, Examine
from dapp.simulation.faults import lying
from dapp.types import Digest


def summon(drive: Drive) -> None:
    house = drive.house
    house.verification.send(house.anyone, "summon", house.mining.address, drive.key, 0)


def test_defended_no_panel_is_drawn_before_nothing_can_be_added(house: House) -> None:
    """In every phase up to the end of the opening window; so who cheats does not know who will judge."""
    drive = house.start()
    for reach in ("to_publish", "to_seal", "to_open", "to_share", "to_opening"):
        with house.supposing():
            stage = Drive(house, drive.task_id, drive.number, drive.terms)
            getattr(stage, reach)()
            with pytest.raises(Refused, match="VerificationSlateNotReady"):
                summon(stage)
    drive.to_vote()
    summon(drive)


def test_defended_once_a_panel_is_drawn_nothing_is_added(house: House) -> None:
    drive = house.start().to_vote(edges=2)
    summon(drive)
    with pytest.raises(Refused, match="MiningWrongPhase"):
        drive.post_opening(house.edges[1])
    with pytest.raises(Refused, match="MiningWrongPhase"):
        drive.seal(house.edges[2])
    with pytest.raises(Refused, match="MiningWrongPhase"):
        drive.share([3])


def test_defended_in_real_rounds_the_seed_is_requested_after_the_opening_window(siege: Siege) -> None:
    terms = siege.stage.world.facts.terms
    summoned = {e.case_key: e for e in siege.of(ev.PanelSummoned) if e.attempt == 0}
    requested = {e.id: e.timestamp for e in siege.of(ev.SeedRequested)}
    proven = {e.id: e.timestamp for e in siege.of(ev.SeedProven)}
    for round_ in siege.rounds:
        panel = summoned[round_.key]
        assert requested[panel.seed_request] >= round_.deadlines(terms).opening_end
        assert proven[panel.seed_request] > requested[panel.seed_request], "nobody knew it when it was requested"


def test_defended_who_joins_when_a_round_is_open_is_not_drawn_for_a_minute(house: House) -> None:
    """Stake that is locked to capture one panel comes too late: new members wait out the activation delay."""
    drive = house.start().to_vote()
    newcomer = house.edges[4]
    house.verification.send(newcomer, "join", value=house.verification.read("STAKE"))
    event = house.verification.send(house.anyone, "summon", house.mining.address, drive.key, 0).event("PanelSummoned")
    assert event["eligible"] == len(house.verifiers)
    state, *_ = house.verification.read("memberOf", newcomer.address)
    assert state == 1, "pending"


def test_known_gap_two_thirds_of_a_panel_decide_what_they_like(house: House) -> None:
    """A captured panel calls a wrong opening right, and the round is accepted with it."""
    drive = house.start().to_share(edges=2)
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[1], drive.claim_of("wrong"))
    drive.advance("opening_end")
    drive.vote(Ballot(0b11, 0, 0b1, 0))
    drive.close()
    assert drive.outcome == Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("valid", "right", "taken"), [(1, 1, True), (0, 1, False), (1, 0, False)], ids=["honest", "sum", "opening"]
)
def test_defended_a_device_takes_up_no_model_that_it_found_wrong_whatever_the_panel_says(
    lab: Lab, valid: int, right: int, taken: bool
) -> None:
    """Each device checks product, opening and mean itself."""
    result = BlobRef(Digest(b"\1" * 32), 2000)
    round_ = lab.round(0, range(4), outcome=Outcome.ACCEPTED, result=result)
    state = DeviceState(lab.facts, View(lab.facts.task_id, terms=lab.facts.terms, rounds=(round_,)), model=BASE)
    found = Examination(valid, 1 - valid, right, 1 - right, bytes(32), ("opening 0: it is wrong",), None)
    after, _ = device.step(state, Done(("adopt", 0, 0), found))
    assert after.model == (result if taken else BASE)
    assert bool(after.refused) is not taken


def test_defended_a_device_takes_up_no_model_whose_base_it_refused(lab: Lab) -> None:
    """The panel's wrong model of round 0, and a right result of round 1 that builds on it."""
    wrong, later = BlobRef(Digest(b"\1" * 32), 2000), BlobRef(Digest(b"\2" * 32), 2000)
    rounds = (
        lab.round(0, range(4), outcome=Outcome.ACCEPTED, result=wrong),
        lab.round(1, range(4), outcome=Outcome.ACCEPTED, result=later, base=wrong),
    )
    state = DeviceState(lab.facts, View(lab.facts.task_id, terms=lab.facts.terms, rounds=rounds), model=BASE)
    found = Examination(1, 0, 0, 1, bytes(32), ("opening 0: it is wrong",), None)
    state, _ = device.step(state, Done(("adopt", 0, 1), found))
    state, _ = device.step(state, Done(("adopt", 1, 1), replace(found, right=1, wrong=0)))
    assert state.model == BASE
    assert list(state.refused) == [0]


@pytest.fixture(scope="module")
def starved(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Three rounds of five devices. Device 0 does not get round 0's opening while it is the last round; device 1 finds
    it wrong, for good."""
    stage = Stage.build(tmp_path_factory.mktemp("starved"), "rounds=3", "devices=5")
    late, stubborn = stage.node("device", 0), stage.node("device", 1)
    fetch = late.fetch

    def starving(needs: Iterable[BlobRef], *, at_a_time: int) -> Blobs:
        withheld = stage.rounds[0].right_opening if len(stage.rounds) == 1 else None
        fetched = fetch(needs, at_a_time=at_a_time)
        return {ref: None if withheld and ref == withheld.blob else data for ref, data in fetched.items()}

    def unlucky(job: Examine, honest: Result) -> Result:
        wrong = replace(honest.value, right=0, wrong=1, reasons=("opening 0: it is wrong",))
        return Result(wrong) if job.sum_.number == 0 else honest

    late.fetch = starving  # type: ignore[method-assign]
    stubborn.wrap(lambda step: lying(step, Examine, unlucky))
    return stage.play()


def test_defended_a_blob_that_was_not_to_be_had_is_looked_for_in_the_next_round(starved: Stage) -> None:
    late = starved.node("device", 0).state
    assert all(0 in round_.commits for round_ in starved.rounds), "in time to take part in it"
    assert ("adopt", 0, 0) in late.asked
    assert ("adopt", 0, 1) in late.asked
    assert late.model == starved.view.model
    assert not late.refused


def test_defended_who_refused_a_model_trains_on_nothing_that_builds_on_it(starved: Stage) -> None:
    stubborn = starved.node("device", 1).state
    assert [1 in round_.commits for round_ in starved.rounds] == [True, False, False]
    assert stubborn.model == starved.rounds[0].base
    assert list(stubborn.refused) == [0]
    assert starved.outcomes == [Outcome.ACCEPTED] * 3, "the others go on"


def capture(members: int, dishonest: int, seats: int) -> float:
    """How likely a panel without repetition has two thirds of its seats dishonest (hypergeometric)."""
    needed = -(-2 * seats // 3)
    drawn = range(needed, min(seats, dishonest) + 1)
    return sum(comb(dishonest, k) * comb(members - dishonest, seats - k) for k in drawn) / comb(members, seats)


@pytest.mark.parametrize(
    ("dishonest", "seats", "at_most"),
    [
        (20, 7, 3.4e-3),
        (20, 11, 7.8e-5),
        (20, 21, 6.5e-8),
        (30, 7, 2.5e-2),
        (30, 11, 2.6e-3),
        (30, 21, 1.1e-4),
        (30, 31, 1e-7),
    ],
)
def test_bounded_how_likely_capture_is(dishonest: int, seats: int, at_most: float) -> None:
    """Of 100 members; default 21 seats. With 20 dishonest, one panel in 15 million is captured."""
    assert at_most / 2 < capture(100, dishonest, seats) < at_most
