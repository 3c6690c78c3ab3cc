from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dapp.errors import LearningError
from dapp.learning.aggregate import apply_update, weighted_mean
from dapp.learning.data import Dataset
from dapp.learning.determinism import deterministic
from dapp.learning.local_update import local_gradient, local_update, train_alone
from dapp.learning.models import create, flatten
from dapp.learning.strategy import STRATEGIES, Strategy, strategy

SGD = Strategy("fedavg", 0.1, local_steps=1, full_batch=True)
EQUATION_3 = Strategy("blockdeepnet", 0.1, local_steps=5, full_batch=True)


def samples(count: int, seed: int, dimensions: int = 4) -> Dataset:
    """Three classes, told apart by the largest of the first three features."""
    inputs = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))
    return Dataset(inputs, inputs[:, :3].argmax(1), f"device {seed}")


def linear() -> nn.Module:
    return nn.Linear(4, 3)


TEMPLATE = create(linear, 0)
BASE = flatten(TEMPLATE)
DATA = samples(40, 1)


def gradient_by_torch(w: np.ndarray[Any, np.dtype[np.float32]], data: Dataset) -> np.ndarray[Any, Any]:
    """∇F_k(w) of the linear model, by nobody's code but torch's."""
    weight = torch.tensor(w[:12].reshape(3, 4), dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(w[12:], dtype=torch.float64, requires_grad=True)
    loss = nn.functional.cross_entropy(data.inputs.double() @ weight.T + bias, data.labels)
    parts = torch.autograd.grad(loss, (weight, bias))
    return torch.cat([part.flatten() for part in parts]).numpy()


def test_the_local_gradient_is_the_gradient_of_the_mean_loss() -> None:
    gradient, loss = local_gradient(TEMPLATE, BASE, DATA)
    assert gradient.dtype == np.float32
    assert gradient == pytest.approx(gradient_by_torch(BASE, DATA), abs=1e-6)
    assert loss == local_update(SGD, TEMPLATE, BASE, DATA, 0).loss


def test_one_full_batch_step_goes_against_the_gradient() -> None:
    update = local_update(SGD, TEMPLATE, BASE, DATA, 0)
    assert update.delta.dtype == np.float64
    assert update.delta == pytest.approx(-0.1 * gradient_by_torch(BASE, DATA), abs=1e-6)
    assert (update.samples, update.steps) == (40, 1)


def test_the_update_is_the_exact_difference_of_the_weights() -> None:
    update = local_update(strategy("fedavg"), TEMPLATE, BASE, DATA, 0)
    after = (BASE.astype(np.float64) + update.delta).astype(np.float32)
    assert np.array_equal(after.astype(np.float64) - BASE.astype(np.float64), update.delta)


def test_momentum_carries_over_steps_but_not_over_rounds() -> None:
    plain, heavy = (Strategy("fedavg", 0.1, local_steps=2, full_batch=True, momentum=m) for m in (0.0, 0.5))
    first = gradient_by_torch(BASE, DATA)
    with_momentum = local_update(heavy, TEMPLATE, BASE, DATA, 0).delta
    assert with_momentum - local_update(plain, TEMPLATE, BASE, DATA, 0).delta == pytest.approx(
        -0.1 * 0.5 * first, abs=1e-6
    )
    assert np.array_equal(with_momentum, local_update(heavy, TEMPLATE, BASE, DATA, 0).delta)


def test_fedprox_is_drawn_back_to_the_global_model() -> None:
    proximal = Strategy("fedprox", 0.1, local_steps=2, full_batch=True, mu=0.5)
    w1 = BASE - 0.1 * gradient_by_torch(BASE, DATA)
    w2 = w1 - 0.1 * (gradient_by_torch(w1.astype(np.float32), DATA) + 0.5 * (w1 - BASE))
    assert local_update(proximal, TEMPLATE, BASE, DATA, 0).delta == pytest.approx(w2 - BASE, abs=1e-6)


def by_hand(data: Dataset, global_gradient: np.ndarray[Any, Any], rate: float, steps: int) -> np.ndarray[Any, Any]:
    """Eq. 3 as the paper writes it, in float64."""
    w, at_base = BASE.astype(np.float64), gradient_by_torch(BASE, data)
    for _ in range(steps):
        w = w - rate * ((gradient_by_torch(w.astype(np.float32), data) - at_base) + global_gradient)
    return w - BASE


@pytest.mark.parametrize("printed", [False, True])
def test_equation_3_is_followed(printed: bool) -> None:
    other = samples(60, 2)
    whole = weighted_mean([gradient_by_torch(BASE, data) for data in (DATA, other)], [40, 60])
    rule = Strategy("blockdeepnet", 0.1, local_steps=5, full_batch=True, printed=printed)
    update = local_update(rule, TEMPLATE, BASE, DATA, 0, whole.astype(np.float32))
    rate = 0.1 / 40 if printed else 0.1
    assert update.delta == pytest.approx(by_hand(DATA, whole, rate, 5), abs=1e-6)


def test_the_first_step_of_equation_3_is_the_same_on_every_device_and_batch() -> None:
    whole, _ = local_gradient(TEMPLATE, BASE, samples(100, 9))
    rule = Strategy("blockdeepnet", 0.1, local_steps=1, batch_size=8)
    for seed in range(3):
        update = local_update(rule, TEMPLATE, BASE, samples(30 + seed, seed), seed, whole)
        assert update.delta == pytest.approx(-0.1 * whole, abs=1e-7)


def test_equation_3_rests_where_the_global_loss_is_least_though_each_device_disagrees() -> None:
    devices = [samples(30, 1), samples(50, 2), samples(20, 3)]
    sizes = [len(data) for data in devices]
    w = BASE

    def global_gradient() -> np.ndarray[Any, np.dtype[np.float32]]:
        parts = [local_gradient(TEMPLATE, w, data)[0].astype(np.float64) for data in devices]
        return weighted_mean(parts, sizes).astype(np.float32)

    regular = Strategy("blockdeepnet", 1.0, local_steps=20, full_batch=True)
    for _ in range(25):
        together = global_gradient()
        updates = [local_update(regular, TEMPLATE, w, data, 0, together).delta for data in devices]
        w = apply_update(w, weighted_mean(updates, sizes))
    of_all = np.linalg.norm(global_gradient())
    of_each = [np.linalg.norm(local_gradient(TEMPLATE, w, data)[0]) for data in devices]
    assert of_all < 0.02
    assert min(of_each) > of_all


def test_rules_get_a_global_gradient_exactly_when_they_need_one() -> None:
    with pytest.raises(LearningError, match="'blockdeepnet' needs global gradient"):
        local_update(EQUATION_3, TEMPLATE, BASE, DATA, 0)
    with pytest.raises(LearningError, match="'fedavg' takes no global gradient"):
        local_update(SGD, TEMPLATE, BASE, DATA, 0, BASE)


def test_diverging_devices_and_unusable_globals_are_told_apart() -> None:
    wild = Strategy("fedprox", 1e30, local_steps=10, full_batch=True, mu=1.0)
    with pytest.raises(LearningError, match="Linear diverged on data set 'device 1' within 10 iterations") as refused:
        local_update(wild, TEMPLATE, BASE, DATA, 0)
    assert "lower learning_rate" in refused.value.help
    broken = np.full_like(BASE, np.nan)
    with pytest.raises(LearningError, match="global model Linear has loss nan"):
        local_update(SGD, TEMPLATE, broken, DATA, 0)
    with pytest.raises(LearningError, match="global model Linear has loss nan"):
        local_gradient(TEMPLATE, broken, DATA)


def test_what_does_not_fit_the_model_is_refused() -> None:
    for attempt in (
        lambda: local_update(SGD, TEMPLATE, BASE[1:], DATA, 0),
        lambda: local_update(EQUATION_3, TEMPLATE, BASE, DATA, 0, BASE[1:]),
        lambda: local_gradient(TEMPLATE, BASE, samples(5, 0, dimensions=7)),
    ):
        with pytest.raises(LearningError, match="Linear"):
            attempt()


def test_alone_a_device_goes_on_from_its_own_weights() -> None:
    expected = apply_update(BASE, local_update(SGD, TEMPLATE, BASE, DATA, 0).delta)
    assert np.array_equal(train_alone(SGD, TEMPLATE, BASE, DATA, 0), expected)


def test_alone_equation_3_is_gradient_descent() -> None:
    descent = Strategy("fedavg", 0.1, local_steps=5, full_batch=True)
    alone = train_alone(EQUATION_3, TEMPLATE, BASE, DATA, 0)
    assert alone == pytest.approx(train_alone(descent, TEMPLATE, BASE, DATA, 0), abs=1e-6)


class WithDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.layers(inputs)
        return scores


@pytest.mark.parametrize("factory", [linear, WithDropout, "small-cnn"])
@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_seed_fixes_every_bit_and_leaves_the_callers_chance_alone(name: str, factory: Any) -> None:
    template = create(factory, 0)
    data = DATA
    if factory == "small-cnn":
        data = Dataset(torch.linspace(-1, 1, 40 * 784).reshape(40, 1, 28, 28), DATA.labels, "pictures")
    w = flatten(template)
    gradient = local_gradient(template, w, data)[0] if name == "blockdeepnet" else None
    rule = strategy(name, batch_size=8)
    before = torch.get_rng_state()
    one, same, other = (local_update(rule, template, w, data, seed, gradient).delta for seed in (7, 7, 8))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(flatten(template), w)


IN_A_FRESH_PROCESS = """
import hashlib
from dapp.learning.data import mnist_subset
from dapp.learning.local_update import local_update
from dapp.learning.models import create, flatten
from dapp.learning.strategy import strategy
import numpy as np

template = create("small-cnn", 3)
data = mnist_subset()[0].subset(np.arange(200), "device")
update = local_update(strategy("fedavg"), template, flatten(template), data, 11)
print(hashlib.sha256(update.delta.tobytes()).hexdigest(), update.loss.hex())
"""


def test_another_process_computes_the_same_bits(capsys: pytest.CaptureFixture[str]) -> None:
    there = subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS], capture_output=True, text=True, check=True)
    exec(IN_A_FRESH_PROCESS, {})
    assert there.stdout == capsys.readouterr().out
    assert len(there.stdout.split()[0]) == hashlib.sha256().digest_size * 2


def test_the_settings_of_torch_are_as_before_afterwards() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with deterministic():
        assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, True)
    with pytest.raises(ZeroDivisionError), deterministic():
        raise ZeroDivisionError
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
