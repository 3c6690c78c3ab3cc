"""How good a model is on a data set; in evaluation mode, in blocks of bounded memory, the same bits every time."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from dapp.learning.data import Dataset
from dapp.learning.determinism import deterministic
from dapp.learning.models import BLOCK, Network
from dapp.learning.vectors import Vector


def accuracy(template: nn.Module, w: Vector, data: Dataset) -> float:
    """The share of samples whose label gets the highest score.

    Raises:
        LearningError: model, weights and data set do not go together.
    """
    right = sum(int((out.argmax(1) == labels).sum()) for out, labels in _outputs(template, w, data))
    return right / len(data)


def mean_loss(template: nn.Module, w: Vector, data: Dataset) -> float:
    """F_k(w): the mean cross-entropy, in nats, over the samples.

    Raises:
        LearningError: model, weights and data set do not go together.
    """
    total = sum(float(F.cross_entropy(out, labels, reduction="sum")) for out, labels in _outputs(template, w, data))
    return total / len(data)


@deterministic()
@torch.no_grad()
def _outputs(template: nn.Module, w: Vector, data: Dataset) -> list[tuple[Tensor, Tensor]]:
    network = Network(template)
    weights = network.weights(w)
    network.check(weights, data)
    blocks = zip(torch.split(data.inputs, BLOCK), torch.split(data.labels, BLOCK), strict=True)
    return [(network.outputs(weights, inputs), labels) for inputs, labels in blocks]
