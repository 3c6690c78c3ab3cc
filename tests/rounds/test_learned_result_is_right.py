"""What a round learned is what the same devices learn in the clear: trained in plain PyTorch with the same seeds, and
averaged in float64, to within half a quantum a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stage import Stage

from dapp.device import project
from dapp.device.training import parts, round_seed
from dapp.learning.local_update import local_gradient, local_update
from dapp.learning.metrics import mean_loss
from dapp.learning.vectors import Vector, weights_of
from dapp.protocol.enums import RoundKind
from dapp.protocol.view import RoundView

RUNS = {
    "fedavg, weights applied by the edge": ("rounds=2",),
    "fedavg, weights folded in by the devices": ("rounds=2", "weighting=device", "weight_cap=64"),
    "fedprox": ("rounds=2", "strategy=fedprox"),
    "blockdeepnet, gradient and update": ("rounds=1", "strategy=blockdeepnet", "clip=4"),
}
HALF_ULP = 2.0**-24
"""A float32 is rounded by at most so much of its own size."""


@pytest.fixture(scope="module", params=RUNS.values(), ids=RUNS)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("learned"), *request.param).play()


def in_the_clear(stage: Stage, round_: RoundView) -> tuple[NDArray[np.float64], float]:
    """Σ s_k·x_k / S and Σ s_k·F_k / S over all devices: x_k is device k's update or gradient of that round."""
    split, world = stage.world.split, stage.world
    template, data = project.template(split.model, split.folder, split.seed), parts(split)
    base = weights_of(stage.blob(round_.base))
    updates = []
    for device, samples in enumerate(data):
        if round_.kind == RoundKind.GRADIENT:
            updates.append(local_gradient(template, base, samples)[0].astype(np.float64))
        else:
            seed, direction = round_seed(split, device, round_.number), direction_of(stage, round_)
            updates.append(local_update(world.strategy, template, base, samples, seed, direction).delta)
    weights = np.array([len(samples) for samples in data], dtype=np.float64)
    losses = np.array([mean_loss(template, base, samples) for samples in data])
    return weights @ np.array(updates) / weights.sum(), float(weights @ losses / weights.sum())


def direction_of(stage: Stage, round_: RoundView) -> Vector | None:
    """The global gradient that an update round goes by, where the rule takes one."""
    if not stage.world.strategy.gradient_round:
        return None
    gradient = next(r for r in stage.rounds if r.kind == RoundKind.GRADIENT and r.base == round_.base)
    return weights_of(stage.blob(gradient.result))


def on_chain(stage: Stage, round_: RoundView) -> NDArray[np.float64]:
    """What the round's accepted opening made of the encrypted sum: the gradient, or the model's change."""
    result = weights_of(stage.blob(round_.result)).astype(np.float64)
    return result if round_.kind == RoundKind.GRADIENT else result - weights_of(stage.blob(round_.base))


def quantum_a_device(stage: Stage) -> float:
    """Half a quantum of each device, as it appears in the mean."""
    settings, encoding = stage.world.settings, stage.world.facts.encoding
    half = encoding.clip / encoding.levels
    if settings.encoding.weighting == "edge":
        return half  # Σ s_k·half / S
    devices, weights = settings.devices, sum(stage.world.samples)
    return devices * half * settings.encoding.weight_cap / weights


def every_round(check: Callable[[Stage, RoundView], Any]) -> Callable[[Stage], None]:
    def test(stage: Stage) -> None:
        for round_ in stage.rounds:
            check(stage, round_)

    return test


@every_round
def test_the_mean_is_the_plain_mean(stage: Stage, round_: RoundView) -> None:
    plain, learned = in_the_clear(stage, round_)[0], on_chain(stage, round_)
    rounding = HALF_ULP * np.abs(weights_of(stage.blob(round_.result)))
    assert np.abs(plain).max() > 10 * quantum_a_device(stage)
    assert (np.abs(learned - plain) <= quantum_a_device(stage) + rounding).all()


@every_round
def test_the_loss_is_the_plain_weighted_loss(stage: Stage, round_: RoundView) -> None:
    settings, report = stage.world.settings, stage.reports[round_.number]
    if stage.world.strategy.gradient_round and round_.kind == RoundKind.UPDATE:
        report = stage.reports[round_.number - 1]
    cap = settings.encoding.loss_cap
    error = quantum_a_device(stage) / stage.world.facts.encoding.clip * cap
    assert report.base_loss == pytest.approx(in_the_clear(stage, round_)[1], abs=error)


def test_no_value_was_clipped(stage: Stage) -> None:
    assert [device.clipped for report in stage.reports for device in report.devices if device.clipped] == []
