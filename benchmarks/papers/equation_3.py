"""BlockDeepNet's Eq. 3 as printed (λ/s_k) and undivided (λ): test accuracy by epoch, the paper's CNN on MNIST.

    python benchmarks/papers/equation_3.py            # writes docs/images/equation-3.png, prints the figures as JSON

Ten devices with 200 images each, five epochs of 20 full-batch iterations, λ = 0.5, every exchange in the clear.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from dapp.learning.aggregate import apply_update, weighted_mean
from dapp.learning.data import Dataset, mnist_subset
from dapp.learning.local_update import local_gradient, local_update
from dapp.learning.metrics import accuracy
from dapp.learning.models import create, flatten
from dapp.learning.partition import partition
from dapp.learning.strategy import Strategy, strategy

DEVICES, SAMPLES, EPOCHS, STEPS, RATE, SEED = 10, 200, 5, 20, 0.5, 1
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "equation-3.png"


def curve(rule: Strategy, devices: list[Dataset], test: Dataset) -> list[float]:
    """Test accuracy of w^(0), w^(1), …"""
    template = create("paper-cnn", SEED)
    w, sizes = flatten(template), [len(device) for device in devices]
    accuracies = [accuracy(template, w, test)]
    for epoch in range(EPOCHS):
        gradients = [local_gradient(template, w, device)[0].astype(np.float64) for device in devices]
        together = weighted_mean(gradients, sizes).astype(np.float32)
        updates = [local_update(rule, template, w, device, epoch, together).delta for device in devices]
        w = apply_update(w, weighted_mean(updates, sizes))
        accuracies.append(accuracy(template, w, test))
    return accuracies


def main() -> None:
    train, test = mnist_subset()
    parts = partition("iid", train.labels.numpy(), DEVICES, SEED)
    devices = [train.subset(part[:SAMPLES], f"device {k}") for k, part in enumerate(parts)]
    start = time.perf_counter()
    curves = {
        label: curve(
            strategy("blockdeepnet", learning_rate=RATE, local_steps=STEPS, full_batch=True, printed=printed),
            devices,
            test,
        )
        for label, printed in (("undivided: λ", False), ("as printed: λ/s_k", True))
    }
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for label, accuracies in curves.items():
        axes.plot(range(EPOCHS + 1), [100 * value for value in accuracies], marker="o", label=label)
    axes.set(xlabel="epoch", ylabel="test accuracy, %", ylim=(0, 100), title="Eq. 3 on the paper's CNN, λ = 0.5")
    axes.grid(alpha=0.3)
    axes.legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(json.dumps({"accuracy": curves, "seconds": round(time.perf_counter() - start, 1)}, ensure_ascii=False))


if __name__ == "__main__":
    main()
