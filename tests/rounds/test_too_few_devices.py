"""Fewer than minDevices commit, or are included: nobody votes, and nobody but who did the chores is paid."""

from __future__ import annotations

from pathlib import Path

from stage import Stage, paid_for, since

from dapp.protocol.enums import Outcome, Phase


def test_a_round_that_too_few_commit_to_closes_at_the_commit_deadline(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run").silence("device", (1, 2), lambda view, _: bool(view.rounds)).play()
    (round_,), windows = stage.rounds, stage.world.facts.terms.windows
    assert stage.outcomes == [Outcome.TOO_FEW]
    assert windows.commit <= round_.closed_at - round_.opened_at < windows.commit + windows.publish
    assert round_.panels == ()
    assert paid_for(stage.reports[0]) == {"close"}


def test_a_round_that_too_few_published_in_closes_at_the_publish_deadline(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run").silence("device", (1, 2), since(Phase.PUBLISH)).play()
    (round_,) = stage.rounds
    assert stage.outcomes == [Outcome.TOO_FEW]
    assert len(round_.commits) == 4
    assert round_.included is None
    assert round_.panels == ()
    assert paid_for(stage.reports[0]) == {"close"}


def test_the_failed_round_has_a_header_that_the_next_one_builds_on(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "rounds=2")
    stage.silence("device", (0, 1, 2), lambda view, _: len(view.rounds) == 1).play()
    first, second = stage.rounds
    assert stage.outcomes == [Outcome.TOO_FEW, Outcome.ACCEPTED]
    assert first.header not in (b"", bytes(32), first.parent)
    assert second.base == first.base
    assert stage.chain_task.head == second.header
