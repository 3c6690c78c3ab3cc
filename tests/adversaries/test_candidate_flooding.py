"""Candidate flooding: junk seals fill the eight places before an honest edge has added up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attackers import FLOODER, flood
from evm import ETHER, Refused
from house import Drive, House
from stage import Stage, since
from test_mining_outcomes import BURNT

from dapp.protocol import events as ev
from dapp.protocol.effects import Effect, Input, Transact
from dapp.protocol.enums import CandidateState, Outcome, Phase
from dapp.protocol.records import Ballot
from dapp.protocol.view import View
from dapp.runtime.node import Step

PLACES = 8
HONEST = 1
"""House's second edge; the first floods."""


def flooded(house: House, bond: int = ETHER) -> Drive:
    drive = house.start().to_seal()
    for junk in range(PLACES):
        house.mining.send(house.edges[0], "sealAggregate", *drive.place, bytes([junk]) * 32, value=bond)
    return drive


def test_the_attack_fills_all_places(house: House) -> None:
    drive = flooded(house)
    assert drive.progress.sealed_count == PLACES
    with pytest.raises(Refused, match="MiningBondTooSmall") as refused:
        drive.seal(house.edges[HONEST])
    assert refused.value.values == (ETHER, 2 * ETHER)


def test_defended_an_honest_edge_displaces_junk_with_twice_its_bond_and_the_round_is_accepted(house: House) -> None:
    drive = flooded(house)
    slot = drive.seal(house.edges[HONEST], bond=2 * ETHER).event("AggregateSealed")["slot"]
    drive.advance("seal_end")
    drive.open(house.edges[HONEST], slot)
    drive.advance("open_end")
    drive.advance("challenge_end")
    drive.share([0, 1, 2])
    drive.post_opening(house.edges[HONEST])
    drive.advance("opening_end")
    drive.vote(Ballot(1 << slot, 0, 1, 0))
    drive.close()
    assert drive.outcome == Outcome.ACCEPTED
    paid = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place).event("EdgePaid")
    assert bytes.fromhex(paid["edge"][2:]) == house.edges[HONEST].address
    house.mining.send(house.anyone, "settleCandidateBond", *drive.place, slot)
    assert house.credit(house.edges[HONEST]) >= 2 * ETHER, "the displacing bond comes back"


def test_defended_in_a_real_round_the_honest_edge_outbids_the_flood(tmp_path: Path) -> None:
    """Its machine sees all places taken, and displaces the lowest bond by itself."""
    siege = flood(tmp_path)
    (round_,) = siege.rounds
    people = siege.stage.world.people
    honest, flooder = people.edges[1 - FLOODER].address, people.edges[FLOODER].address
    assert [candidate.edge for candidate in round_.candidates.values()].count(flooder) == PLACES - 1
    assert round_.outcome == Outcome.ACCEPTED
    assert round_.winner is not None
    assert round_.winner.edge == honest
    bond = siege.stage.world.facts.terms.money.edge_bond
    lost = [event.amount for event in siege.of(ev.BondForfeited)]
    assert lost == [bond] * (PLACES - 1)
    assert round_.winner.bond == 2 * bond


SILENT, DISPLACED = 0, 1
"""Real edges: one has the only candidate and opens no sum; the other's was displaced."""


def displaced(step: Step[Any]) -> Step[Any]:
    """An honest edge that adds up like any other, and has no place among the candidates."""

    def outbid(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(e for e in effects if not isinstance(e, Transact) or e.function != "seal_aggregate")

    return outbid


def test_defended_an_honest_edge_without_a_candidate_opens_the_sum_from_half_the_window_on(tmp_path: Path) -> None:
    """Who holds the only candidate cannot keep the sum shut."""
    stage = Stage.build(tmp_path, "edges=2").silence("edge", [SILENT], since(Phase.SHARE))
    stage.node("edge", DISPLACED).wrap(displaced)
    stage.play()
    (round_,), (edges, windows) = stage.rounds, (stage.world.people.edges, stage.world.facts.terms.windows)
    assert [candidate.edge for candidate in round_.candidates.values()] == [edges[SILENT].address]
    assert [posted.poster for posted in round_.openings] == [edges[DISPLACED].address]
    assert round_.first_opening_at - round_.threshold_shared_at >= windows.opening // 2
    assert round_.outcome == Outcome.ACCEPTED


def test_defended_an_edge_that_was_away_while_sums_were_sealed_opens_the_sum_of_another(tmp_path: Path) -> None:
    """Where the one edge with a candidate falls silent after it, another adds up for itself, and opens that sum."""

    def sealing(view: View, now: int) -> bool:
        return since(Phase.SEAL)(view, now) and not since(Phase.CHALLENGE)(view, now)

    stage = Stage.build(tmp_path, "edges=2").silence("edge", [SILENT], since(Phase.SHARE))
    (round_,) = stage.silence("edge", [DISPLACED], sealing).play().rounds
    assert round_.threshold_shared_at
    assert round_.outcome == Outcome.ACCEPTED


def test_bounded_junk_that_is_not_opened_costs_its_bonds(house: House) -> None:
    """Seven bonds burnt to make one honest edge lock twice its own for a round."""
    drive = flooded(house)
    drive.seal(house.edges[HONEST], bond=2 * ETHER)
    for end in ("seal_end", "open_end"):
        drive.advance(end)
    drive.close()
    burnt = house.credit(BURNT)
    junk = [slot for slot in range(PLACES) if drive.candidate(slot).edge == house.edges[0].address]
    assert len(junk) == PLACES - 1
    for slot in junk:
        house.mining.send(house.anyone, "settleCandidateBond", *drive.place, slot)
        assert drive.candidate(slot).state == CandidateState.FORFEITED
    assert house.credit(BURNT) - burnt == (PLACES - 1) * ETHER


def test_defended_who_is_displaced_gets_the_bond_back_at_once(house: House) -> None:
    """Displacing is no way to burn an honest edge's money."""
    drive = house.start().to_seal()
    for edge in house.edges[:1] * PLACES:
        drive.seal(edge)
    before = house.credit(house.edges[0])
    drive.seal(house.edges[HONEST], bond=2 * ETHER)
    assert house.credit(house.edges[0]) - before == ETHER


def test_defended_among_equal_bonds_the_latest_gives_way(house: House) -> None:
    """Who sealed first, without seeing anybody, is displaced last."""
    drive = flooded(house)
    event = drive.seal(house.edges[HONEST], bond=2 * ETHER).event("CandidateDisplaced")
    assert event["slot"] == PLACES - 1


def test_bounded_to_keep_honest_edges_out_the_flooder_doubles_its_bonds_each_time(house: House) -> None:
    """Every place must stand above half of what the honest edge pays: n displacements take bonds of 2ⁿ."""
    drive = flooded(house)
    bond = 2 * ETHER
    for _ in range(PLACES):
        drive.seal(house.edges[HONEST], bond=bond)
    with pytest.raises(Refused, match="MiningBondTooSmall") as refused:
        drive.seal(house.edges[2], bond=bond)
    assert refused.value.values == (bond, 2 * bond)


def test_defended_free_seals_do_not_displace_each_other_for_ever(house: House) -> None:
    """Where the terms ask for no bond, a full table still costs a wei, then two, then four."""
    terms = house.terms(money={"edge_bond": 0})
    drive = house.start(terms=terms).to_seal()
    for _ in range(PLACES):
        drive.seal(house.edges[0], bond=0)
    with pytest.raises(Refused, match="MiningBondTooSmall"):
        drive.seal(house.edges[1], bond=0)
    drive.seal(house.edges[1], bond=1)


def test_known_gap_who_comes_last_before_the_window_ends_may_displace_and_not_open(house: House) -> None:
    """The flooder takes all places late with twice every bond, opens nothing, and the round is lost. It costs the
    flooder every bond (16 here, burnt), the honest edges nothing, and the next round begins on the same model."""
    drive = house.start().to_seal()
    for edge in (*house.edges[:4], *house.edges[:4]):
        drive.seal(edge)
    for _ in range(PLACES):
        house.mining.send(house.anyone, "sealAggregate", *drive.place, b"\7" * 32, value=2 * ETHER)
    drive.advance("seal_end")
    drive.advance("open_end")
    drive.close()
    assert drive.outcome == Outcome.NOT_OPENED
    assert [house.credit(edge) // ETHER for edge in house.edges[:4]] == [2, 2, 2, 2]
    burnt = house.credit(BURNT)
    for slot in range(PLACES):
        house.mining.send(house.anyone, "settleCandidateBond", *drive.place, slot)
    assert house.credit(BURNT) - burnt == 16 * ETHER
    assert house.open(drive.task_id).round.parent != drive.round.parent
