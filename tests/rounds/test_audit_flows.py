"""Whatever way a round goes, its auditor finds no lie where nobody's lie decided anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Stage, since
from test_overflow_leaves_the_model import oversizing

from dapp import audit
from dapp.chain.facts import export_events
from dapp.protocol.enums import Outcome, Phase
from dapp.simulation.faults import Scenario

Flow = Callable[[Path], Stage]


def overflow(folder: Path) -> Stage:
    stage = Stage.build(folder, "rounds=2")
    stage.node("device", 3).wrap(lambda step: oversizing(step, 0))
    return stage


WATCHED = Scenario(cheat="edge", watch=True)


def struck_late(folder: Path, *overrides: str) -> Stage:
    """The watcher wakes up when a panel has been summoned."""
    stage = Stage.build(folder, *overrides, scenario=WATCHED)
    return stage.silence("watcher", (0,), lambda view, _: view.round is None or not view.round.panels)


# Without outcomes where the lot, or who relays what, decides them.
FLOWS: dict[str, tuple[Flow, list[Outcome]]] = {
    "gradient and update": (
        lambda folder: Stage.build(folder, "strategy=blockdeepnet"),
        [Outcome.ACCEPTED, Outcome.ACCEPTED],
    ),
    "weights folded in by devices": (
        lambda folder: Stage.build(folder, "weighting=device", "weight_cap=64"),
        [Outcome.ACCEPTED],
    ),
    "converged, with proof of work": (
        lambda folder: Stage.build(folder, "rounds=2", "epsilon=1000", "mining.pow_bits=6", "beta=3"),
        [Outcome.CONVERGED],
    ),
    "overflow": (overflow, [Outcome.OVERFLOW, Outcome.ACCEPTED]),
    "a wrong opening": (
        lambda folder: Stage.build(folder, "edges=2", scenario=Scenario(cheat="opener")),
        [Outcome.ACCEPTED],
    ),
    "a wrong sum that is struck out": (
        lambda folder: Stage.build(folder, "edges=2", scenario=WATCHED),
        [Outcome.ACCEPTED],
    ),
    "the only sum is struck out": (lambda folder: Stage.build(folder, scenario=WATCHED), [Outcome.NOT_OPENED]),
    "a wrong sum that is struck out during the vote": (
        lambda folder: struck_late(folder, "edges=2"),
        [Outcome.ACCEPTED],
    ),
    "the only sum is struck out during the vote": (struck_late, [Outcome.NOT_OPENED]),
    "a copied update": (
        lambda folder: Stage.build(folder, "rounds=2", scenario=Scenario(cheat="device")),
        [Outcome.ACCEPTED, Outcome.ACCEPTED],
    ),
    "nobody commits, then all do": (
        lambda folder: Stage.build(folder, "rounds=2").silence(
            "device", range(4), lambda view, _: len(view.rounds) == 1
        ),
        [Outcome.TOO_FEW, Outcome.ACCEPTED],
    ),
    "holders that do not share": (
        lambda folder: Stage.build(folder, "edges=2").silence("holder", range(4), since(Phase.SHARE)),
        [Outcome.NOT_OPENED],
    ),
    "an edge that opens nothing": (
        lambda folder: Stage.build(folder, "edges=2").silence("edge", (1,), since(Phase.OPEN)),
        [],
    ),
    "panels that stay silent": (
        lambda folder: Stage.build(folder, "verifiers=8", "panel.seats=3").silence(
            "verifier", range(8), lambda view, _: bool(view.rounds)
        ),
        [Outcome.ABANDONED],
    ),
    "a panel that is short of one": (
        lambda folder: Stage.build(folder, "verifiers=8", "panel.seats=3").silence(
            "verifier", range(4), lambda view, _: bool(view.rounds)
        ),
        [],
    ),
}


@pytest.mark.parametrize("name", FLOWS)
def test_an_auditor_follows(name: str, tmp_path: Path) -> None:
    build, outcomes = FLOWS[name]
    stage = build(tmp_path).play()
    assert not outcomes or stage.outcomes == outcomes
    export_events(stage.world.client, stage.world.contracts.deployment, tmp_path / "events.jsonl")
    found = audit.verify(tmp_path, lambda *_: None, min_key_bits=512)
    assert found.ended
    told = audit.inspect(tmp_path)
    assert [r.outcome for r in told.rounds] == stage.outcomes
    assert told.credits == {}
    assert audit.render(told)


def test_whoever_stops_a_run_anywhere_leaves_what_can_be_audited(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path, "edges=2")
    for phase in (Phase.COMMIT, Phase.PUBLISH, Phase.SEAL, Phase.OPEN, Phase.SHARE, Phase.VOTE):
        stage.play(lambda stage, phase=phase: _reached(stage, phase))  # type: ignore[misc]
        export_events(stage.world.client, stage.world.contracts.deployment, tmp_path / "events.jsonl")
        found = audit.verify(tmp_path, lambda *_: None, min_key_bits=512)
        assert not found.ended
        assert found.findings == ()


def _reached(stage: Stage, phase: Phase) -> bool:
    round_ = stage.view.round
    return round_ is not None and round_.phase(stage.world.facts.terms, stage.world.clock.now()) >= phase
