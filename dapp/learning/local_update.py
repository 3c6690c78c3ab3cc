"""What one device computes in a round: BlockDeepNet's Eq. 3, FedAvg, FedProx; its gradient; itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dapp.errors import LearningError
from dapp.learning.aggregate import apply_update
from dapp.learning.data import Dataset
from dapp.learning.determinism import deterministic, seeded
from dapp.learning.metrics import mean_loss
from dapp.learning.models import Network
from dapp.learning.strategy import Strategy
from dapp.learning.vectors import Vector


@dataclass(frozen=True, slots=True, eq=False)
class LocalUpdate:
    """What a device has to say after its local iterations.

    Args:
        delta: Δ_k = w_k^(p) − w^(p−1), exact in float64, (weights,).
        loss: F_k(w^(p−1)), of the model that it began from; a non-negative number of nats.
        samples: s_k.
        steps: T, the iterations made.
    """

    delta: NDArray[np.float64]
    loss: float
    samples: int
    steps: int


@deterministic()
def local_gradient(template: nn.Module, w: Vector, data: Dataset) -> tuple[Vector, float]:
    """∇F_k(w) and F_k(w): the gradient round's contribution, over all the device's samples, in evaluation mode.

    Raises:
        LearningError: model, weights and data set do not go together, or the result is not finite.
    """
    network = Network(template)
    weights = network.weights(w)
    network.check(weights, data)
    gradient, loss = network.gradient(weights, data.inputs, data.labels)
    if not (np.isfinite(loss) and gradient.isfinite().all()):
        raise _bad_base(network, data, loss)
    vector: Vector = gradient.numpy()
    return vector, loss


@deterministic()
def local_update(
    strategy: Strategy,
    template: nn.Module,
    w_base: Vector,
    data: Dataset,
    seed: int,
    global_gradient: Vector | None = None,
) -> LocalUpdate:
    """A device's T local iterations from the global model ``w_base`` = w^(p−1).

    Args:
        seed: of the order of the samples and of dropout; 0 ≤ seed < 2⁶³.
        global_gradient: ∇F(w^(p−1)), which Eq. 3 needs and no other rule takes; float32, (weights,).

    Raises:
        LearningError: model, weights, gradient and data set do not go together; a base that is no model of anything
            (its loss is not finite); local iterations that diverge.
    """
    if strategy.gradient_round != (global_gradient is not None):
        needs = "needs" if strategy.gradient_round else "takes no"
        raise LearningError(f"strategy {strategy.name!r} {needs} global gradient")
    network = Network(template, training=not strategy.gradient_round)
    base = network.weights(w_base)
    loss = mean_loss(template, w_base, data)
    if not np.isfinite(loss):
        raise _bad_base(network, data, loss)

    direction = _direction(strategy, network, base, data, global_gradient)
    rate = strategy.learning_rate / len(data) if strategy.printed else strategy.learning_rate
    steps = strategy.steps(len(data))
    w, velocity = base, torch.zeros_like(base)
    with seeded(seed):
        for batch in islice(_batches(strategy, data, seed), steps):
            velocity = strategy.momentum * velocity + direction(w, *batch)
            w = w - rate * velocity

    delta: NDArray[np.float64] = (w.double() - base.double()).numpy()
    if not np.isfinite(delta).all():
        raise LearningError(
            f"{network.name} diverged on data set {data.name!r} within {steps} iterations",
            help=f"lower learning_rate, now {strategy.learning_rate}, or take fewer local iterations",
        )
    return LocalUpdate(delta, loss, len(data), steps)


def train_alone(strategy: Strategy, template: nn.Module, w: Vector, data: Dataset, seed: int) -> Vector:
    """The weights of a device that goes on alone from its own ``w`` for one epoch of the same strategy: what the
    global model is compared with. Alone, ∇F is ∇F_k.

    Raises:
        LearningError: as for ``local_update``.
    """
    gradient = local_gradient(template, w, data)[0] if strategy.gradient_round else None
    return apply_update(w, local_update(strategy, template, w, data, seed, gradient).delta)


Direction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(w, inputs, labels) → the vector that an iteration goes against."""


def _direction(
    strategy: Strategy, network: Network, base: Tensor, data: Dataset, global_gradient: Vector | None
) -> Direction:
    def gradient(w: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        return network.gradient(w, inputs, labels)[0]

    def proximal(w: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """Li et al. 2020: the gradient of F_k(w) + μ/2·‖w − w^(p−1)‖²."""
        return gradient(w, inputs, labels) + strategy.mu * (w - base)

    if global_gradient is None:
        return proximal if strategy.mu else gradient

    to_all = network.weights(global_gradient)
    of_base = gradient(base, data.inputs, data.labels) if strategy.full_batch else None

    def corrected(w: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """Eq. 3; on a mini-batch both local gradients are that batch's, so that its noise cancels (SVRG)."""
        at_base = gradient(base, inputs, labels) if of_base is None else of_base
        return (gradient(w, inputs, labels) - at_base) + to_all

    return corrected


def _batches(strategy: Strategy, data: Dataset, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Mini-batches without end: pass after pass, each in an order of its own."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        if strategy.full_batch:
            yield data.inputs, data.labels
            continue
        for chosen in torch.split(torch.randperm(len(data), generator=generator), strategy.batch_size):
            yield data.inputs[chosen], data.labels[chosen]


def _bad_base(network: Network, data: Dataset, loss: float) -> LearningError:
    return LearningError(
        f"the global model {network.name} has loss {loss} or an infinite gradient on data set {data.name!r}",
        help="an earlier round diverged (a lower learning_rate), or the data set's inputs are far too large",
    )
