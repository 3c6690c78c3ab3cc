"""A device commits to a root that its update does not have; somebody shows the update to the chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

from dapp import audit
from dapp.chain.facts import export_events
from dapp.crypto import merkle
from dapp.device.training import TrainAndEncrypt
from dapp.protocol.effects import Result
from dapp.protocol.enums import Outcome, Phase
from dapp.protocol.records import Update
from dapp.protocol.watcher import proof_facts
from dapp.simulation.faults import lying

LIAR = 3


def false_root(job: Any, honest: Result) -> Result:
    return Result(replace(honest.value, root=merkle.keccak256(b"another")), honest.blobs)


def published(stage: Stage) -> bool:
    """The liar's update can be read, and holders may still attest."""
    round_, now = stage.view.round, stage.world.clock.now()
    if round_ is None or round_.phase(stage.world.facts.terms, now) != Phase.PUBLISH:
        return False
    update = round_.commits[LIAR].update
    return stage.world.store.has(update.digest, update.size)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, Path]:
    folder = tmp_path_factory.mktemp("false-root")
    stage = Stage.build(folder)
    stage.node("device", LIAR).wrap(lambda step: lying(step, TrainAndEncrypt, false_root))
    stage.play(published)
    world, commit = stage.world, stage.rounds[0].commits[LIAR]
    update = Update(commit.update.digest, commit.update.size, commit.root, commit.compute_millis)
    shown = proof_facts(world.facts, 0), commit.device, update, stage.blob(commit.update)
    world.client.send(world.people.verifiers[0], world.contracts.paillier_sum.exclude_update(*shown))
    return stage.play(), folder


def test_it_is_left_out_and_the_others_go_on(played: tuple[Stage, Path]) -> None:
    stage, _ = played
    (round_,) = stage.rounds
    assert round_.excluded == 1 << LIAR
    assert round_.included == 0b0111
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert stage.world.contracts.mining.excluded_set(round_.task_id, 0) == round_.excluded


def test_an_auditor_checks_the_proof_and_names_the_device(played: tuple[Stage, Path]) -> None:
    stage, folder = played
    export_events(stage.world.client, stage.world.contracts.deployment, folder / "events.jsonl")
    found = audit.verify(folder, lambda *_: None, min_key_bits=512)
    assert any(f"device {LIAR} was proven to have published another update" in finding for finding in found.findings)
