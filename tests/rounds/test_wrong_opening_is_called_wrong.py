"""An edge posts an opening whose first plaintext is one more than it is; the other edge posts the right one."""

from __future__ import annotations

import pytest
from stage import Stage, bonds_pot

from dapp.protocol.enums import Outcome
from dapp.simulation.faults import Scenario


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("wrong-opening"), "edges=2", scenario=Scenario(cheat="opener")).play()


def test_it_is_judged_wrong_and_the_next_opening_closes_the_round(stage: Stage) -> None:
    (report,) = stage.reports
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert [(o.poster, o.status) for o in report.openings] == [("edge 0", "wrong"), ("edge 1", "right")]
    assert stage.rounds[0].right_opening.poster == stage.world.people.edges[1].address


def test_its_bond_is_lost(stage: Stage) -> None:
    (report,) = stage.reports
    assert [(e.name, e.wei) for e in report.slashed] == [("edge 0", stage.world.facts.terms.money.opening_bond)]
    assert stage.world.contracts.escrow.pot_of(bonds_pot(stage.rounds[0])) == 0


def test_the_sum_of_the_lying_opener_was_right_and_is_paid_all_the_same(stage: Stage) -> None:
    (report,) = stage.reports
    paid = {p.reason: p.to for p in report.payments if p.reason in ("edge", "opener")}
    assert paid == {"edge": "edge 0", "opener": "edge 1"}


def test_only_the_shares_that_the_right_opening_lists_are_paid(stage: Stage) -> None:
    (report,) = stage.reports
    paid = {p.to for p in report.payments if p.reason == "holder"}
    assert paid == {f"device {holder}" for holder in report.openings[1].used}
