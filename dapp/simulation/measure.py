"""What is measured beside a round, never inside it: each device learning alone, and accuracies on the test set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dapp.device import project
from dapp.device.training import Split, parts, round_seed
from dapp.learning.vectors import Vector, weights_of

if TYPE_CHECKING:
    from dapp.learning.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's accuracy on the test set, 0 … 1, and the core seconds that learning and measuring it took.

    ``vector``: its weights, where it was learnt here.
    """

    accuracy: float
    core_seconds: float
    vector: Vector | None = None


def sample_counts(split: Split) -> tuple[int, ...]:
    """How many samples each device has."""
    return tuple(len(part) for part in parts(split))


def global_accuracy(split: Split, model: bytes) -> Measured:
    """Of a model file."""
    from dapp.learning.metrics import accuracy

    started = time.thread_time()
    template = project.template(split.model, split.folder, split.seed)
    _, test = project.data_sets(split.data, split.folder)
    share = accuracy(template, weights_of(model), test)
    return Measured(share, time.thread_time() - started)


def alone(split: Split, strategy: Strategy, device: int, number: int, vector: Vector) -> Measured:
    """Of a device that only ever learns from its own data, after one more epoch."""
    from dapp.learning.local_update import train_alone
    from dapp.learning.metrics import accuracy

    started = time.thread_time()
    template = project.template(split.model, split.folder, split.seed)
    _, test = project.data_sets(split.data, split.folder)
    learnt = train_alone(strategy, template, vector, parts(split)[device], round_seed(split, device, number))
    share = accuracy(template, learnt, test)
    return Measured(share, time.thread_time() - started, learnt)
