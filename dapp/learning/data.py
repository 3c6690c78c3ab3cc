"""Data sets: tensors that were checked once, so that training need not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dapp.errors import LearningError


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled samples.

    Args:
        inputs: float32, (samples, …).
        labels: int64, (samples,), from 0.
        name: what errors call it.

    Raises:
        LearningError: a shape, dtype or value that no model could learn from.
    """

    inputs: Tensor
    labels: Tensor
    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, Tensor) or not isinstance(self.labels, Tensor):
            raise self._error(f"inputs and labels must be tensors, not {_kind(self.inputs)} and {_kind(self.labels)}")
        if self.inputs.dtype != torch.float32:
            raise self._error(f"inputs must be float32, not {self.inputs.dtype}", "convert them with .float()")
        if self.labels.dtype != torch.int64:
            raise self._error(f"labels must be int64, not {self.labels.dtype}", "convert them with .long()")
        if self.labels.ndim != 1 or self.inputs.ndim < 2 or len(self.inputs) != len(self.labels):
            raise self._error(
                f"inputs of shape {tuple(self.inputs.shape)} do not go with labels of shape {tuple(self.labels.shape)}",
                "inputs are (samples, …), labels (samples,)",
            )
        if not len(self.labels):
            raise self._error("there is no sample in it")
        if not self.inputs.isfinite().all():
            bad = (~self.inputs.isfinite().flatten(1).all(1)).nonzero().flatten()
            raise self._error(f"{len(bad)} of {len(self)} inputs hold NaN or infinity, the first at {int(bad[0])}")
        if self.labels.min() < 0:
            raise self._error(f"label {int(self.labels.min())} at {int(self.labels.argmin())} is negative")

    def _error(self, what: str, help: str = "") -> LearningError:
        return LearningError(f"data set {self.name!r}: {what}", help=help)

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: NDArray[np.int64], name: str) -> Dataset:
        """The samples at ``indices`` under a name of their own: what one device holds."""
        chosen = torch.from_numpy(indices)
        return Dataset(self.inputs[chosen], self.labels[chosen], name)


def _kind(value: object) -> str:
    return type(value).__name__


def mnist_subset() -> tuple[Dataset, Dataset]:
    """6,000 training and 1,000 test images of MNIST, balanced by class: inputs (samples, 1, 28, 28), in [0, 1]."""
    folder = files("dapp.learning") / "datasets" / "mnist"
    with (folder / "subset.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        train, test = (
            Dataset(_scaled(arrays[f"{split}_images"]), _labels(arrays[f"{split}_labels"]), f"mnist {split}")
            for split in ("train", "test")
        )
    return train, test


def _scaled(images: NDArray[np.uint8]) -> Tensor:
    return (torch.from_numpy(images).float() / 255).unsqueeze(1)


def _labels(labels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(labels).long()


def user_dataset(function: Callable[[], object], where: str) -> tuple[Dataset, Dataset]:
    """What a user's function returns: (training, test), each a ``Dataset`` or a pair (inputs, labels).

    Args:
        where: what errors call the function: its name and file.

    Raises:
        LearningError: it failed, or returned something else.
    """
    try:
        splits = function()
    except Exception as error:
        raise LearningError(f"{where} failed: {_kind(error)}: {error}", help="mend it there") from error
    if not isinstance(splits, tuple) or len(splits) != 2:
        raise LearningError(f"{where} returned a {_kind(splits)}", help="return a pair (training, test)")
    train, test = (_split(where, name, split) for name, split in zip(("training", "test"), splits, strict=True))
    if train.inputs.shape[1:] != test.inputs.shape[1:]:
        raise LearningError(
            f"{where}: a training sample has shape {tuple(train.inputs.shape[1:])}, "
            f"a test sample {tuple(test.inputs.shape[1:])}",
            help="prepare both in the same way",
        )
    return train, test


def _split(where: str, name: str, split: object) -> Dataset:
    if isinstance(split, Dataset):
        return split
    if not isinstance(split, tuple) or len(split) != 2:
        raise LearningError(f"{where}: the {name} set is a {_kind(split)}", help="return a pair (inputs, labels)")
    inputs, labels = (torch.from_numpy(part) if isinstance(part, np.ndarray) else part for part in split)
    return Dataset(inputs, labels, f"{name} set of {where}")
