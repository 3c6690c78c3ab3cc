"""An edge seals and opens a sum that is not the product of the included updates; the other edge is honest."""

from __future__ import annotations


import pytest
from stage import Stage, bonds_pot

from dapp.protocol.enums import Outcome
from dapp.simulation.faults import Scenario


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("wrong-sum"), "edges=2", scenario=Scenario(cheat="edge")).play()


def test_the_panel_calls_it_invalid_and_the_honest_sum_closes_the_round(stage: Stage) -> None:
    (report,) = stage.reports
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert {c.edge: c.status for c in report.candidates} == {"edge 0": "invalid", "edge 1": "valid"}
    assert stage.rounds[0].winner.edge == stage.world.people.edges[1].address


def test_its_whole_bond_is_lost_and_half_of_nothing_goes_to_the_requester(stage: Stage) -> None:
    (report,) = stage.reports
    assert [(entry.name, entry.wei) for entry in report.slashed] == [
        ("edge 0", stage.world.facts.terms.money.edge_bond)
    ]
    assert stage.world.contracts.escrow.pot_of(bonds_pot(stage.rounds[0])) == 0


def test_no_honest_holder_shared_for_it(stage: Stage) -> None:
    (round_,) = stage.rounds
    honest = next(c for c in round_.candidates.values() if c.edge == stage.world.people.edges[1].address)
    made = [node.state.made for node in stage.world.nodes_of("holder") if node.state.made]
    assert made
    assert round_.right_opening is not None
    assert stage.world.store.has(honest.aggregate.digest, honest.aggregate.size)


def test_the_cheat_is_not_paid_as_the_rounds_edge(stage: Stage) -> None:
    (report,) = stage.reports
    assert {p.to for p in report.payments if p.reason == "edge"} == {"edge 1"}
