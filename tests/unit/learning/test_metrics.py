from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from torch import nn

from dapp.errors import LearningError
from dapp.learning.aggregate import apply_update, weighted_mean
from dapp.learning.data import Dataset, mnist_subset
from dapp.learning.local_update import local_update, train_alone
from dapp.learning.metrics import accuracy, mean_loss
from dapp.learning.models import create, flatten
from dapp.learning.partition import partition
from dapp.learning.strategy import strategy

IDENTITY = nn.Linear(3, 3, bias=False)
EYE = np.eye(3, dtype=np.float32).flatten()
RIGHT_TWICE = Dataset(torch.eye(3), torch.tensor([0, 1, 0]), "three")


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert accuracy(IDENTITY, EYE, RIGHT_TWICE) == 2 / 3


def test_a_model_that_knows_nothing_has_the_loss_of_guessing() -> None:
    assert mean_loss(IDENTITY, 0 * EYE, RIGHT_TWICE) == pytest.approx(log(3), rel=1e-6)


def test_the_mean_does_not_depend_on_how_many_blocks_the_samples_fill() -> None:
    many = Dataset(RIGHT_TWICE.inputs.repeat(400, 1), RIGHT_TWICE.labels.repeat(400), "many")
    assert accuracy(IDENTITY, EYE, many) == 2 / 3
    assert mean_loss(IDENTITY, EYE, many) == pytest.approx(mean_loss(IDENTITY, EYE, RIGHT_TWICE), rel=1e-6)


def test_a_model_is_not_scored_on_data_of_another_shape() -> None:
    with pytest.raises(LearningError, match="cannot take inputs"):
        accuracy(nn.Linear(4, 3, bias=False), np.zeros(12, np.float32), RIGHT_TWICE)


def test_devices_learn_mnist_together_better_than_any_does_alone() -> None:
    train, test = mnist_subset()
    template = create("small-cnn", 0)
    rule = strategy("fedavg", learning_rate=0.1, momentum=0.0)
    parts = partition("pathological", train.labels.numpy(), 5, 0, classes_per_device=4)
    devices = [train.subset(part[:400], f"device {k}") for k, part in enumerate(parts)]
    together, alone = flatten(template), [flatten(template)] * len(devices)
    for epoch in range(4):
        updates = [local_update(rule, template, together, device, 10 * epoch + k) for k, device in enumerate(devices)]
        together = apply_update(together, weighted_mean([u.delta for u in updates], [u.samples for u in updates]))
        alone = [
            train_alone(rule, template, w, device, 10 * epoch + k)
            for k, (w, device) in enumerate(zip(alone, devices, strict=True))
        ]
    assert accuracy(template, together, test) > 0.7
    assert max(accuracy(template, w, test) for w in alone) < 0.45
