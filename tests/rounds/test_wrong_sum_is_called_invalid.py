"""An edge seals and opens a sum that is not the product of the included updates; the other edge is honest."""

from __future__ import annotations

from secrets import randbits

import pytest
from stage import Stage, bonds_pot

from dapp.protocol.enums import Outcome
from dapp.protocol.work import MakeShare, ShareMade, judged_sum
from dapp.simulation.faults import Scenario


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("wrong-sum"), "edges=2", scenario=Scenario(cheat="edge")).play()


def test_the_panel_calls_it_invalid_and_the_honest_sum_closes_the_round(stage: Stage) -> None:
    (report,) = stage.reports
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert {c.edge: c.status for c in report.candidates} == {"edge 0": "invalid", "edge 1": "valid"}
    assert stage.rounds[0].winner.edge == stage.world.people.edges[1].address


def test_its_whole_bond_is_lost(stage: Stage) -> None:
    (report,) = stage.reports
    assert [(entry.name, entry.wei) for entry in report.slashed] == [
        ("edge 0", stage.world.facts.terms.money.edge_bond)
    ]
    assert stage.world.contracts.escrow.pot_of(bonds_pot(stage.rounds[0])) == 0


def test_no_holder_shares_where_only_the_wrong_sum_is_on_offer(stage: Stage) -> None:
    (round_,) = stage.rounds
    wrong, honest = sorted(round_.candidates.values(), key=lambda c: c.edge != stage.world.people.edges[0].address)
    holder = stage.node("holder", 0)
    sum_ = judged_sum(stage.view, round_)
    blobs = holder.fetch(sum_.updates)

    def share_for(*roots: bytes) -> ShareMade:
        made: ShareMade = MakeShare(stage.world.facts, sum_, roots, holder.state.share).run(blobs, randbits).value
        return made

    assert share_for(wrong.root).blob is None
    assert share_for(wrong.root, honest.root).blob is not None


def test_the_cheat_is_not_paid_as_the_rounds_edge(stage: Stage) -> None:
    (report,) = stage.reports
    assert {p.to for p in report.payments if p.reason == "edge"} == {"edge 1"}
