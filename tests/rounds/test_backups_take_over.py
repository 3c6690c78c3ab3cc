"""Who is next in line does what who was first did not: holders on standby, the second edge."""

from __future__ import annotations

import pytest
from stage import Stage, since

from dapp.protocol.enums import Outcome, Phase
from dapp.protocol.holder import on_duty


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Of six holders, five are on duty and four are needed: two of the five, and the first edge, say nothing."""
    stage = Stage.build(tmp_path_factory.mktemp("backups"), "devices=6", "edges=2")
    return stage.silence("holder", (0, 1), since(Phase.SHARE)).silence("edge", (0,), since(Phase.SHARE)).play()


def test_the_round_is_accepted_all_the_same(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.ACCEPTED]


def test_the_holder_on_standby_shares_at_half_of_the_window(stage: Stage) -> None:
    (round_,), terms = stage.rounds, stage.world.facts.terms
    half = round_.deadlines(terms).challenge_end + terms.windows.share // 2
    standing_by = [n.state.index for n in stage.world.nodes_of("holder") if not on_duty(n.state, round_)]
    assert standing_by == [5]
    assert sorted(round_.shares) == [2, 3, 4, 5]
    assert round_.threshold_shared_at >= half


def test_the_second_edge_posts_the_opening_after_a_sixteenth_of_the_window(stage: Stage) -> None:
    (round_,), terms = stage.rounds, stage.world.facts.terms
    (posted,) = round_.openings
    assert posted.poster == stage.world.people.edges[1].address
    assert round_.first_opening_at - round_.threshold_shared_at >= terms.windows.opening // 16


def test_it_also_does_the_chores_and_is_paid_for_them(stage: Stage) -> None:
    (report,) = stage.reports
    paid = {p.reason: p.to for p in report.payments if p.reason in ("summon", "seed", "settle", "close")}
    assert paid == dict.fromkeys(("summon", "seed", "settle", "close"), "edge 1")


def test_the_first_edge_is_paid_for_the_sum_that_it_sealed_before(stage: Stage) -> None:
    (report,) = stage.reports
    assert [p.to for p in report.payments if p.reason == "edge"] == ["edge 0"]
