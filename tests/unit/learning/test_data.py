from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dapp.errors import LearningError
from dapp.learning.data import Dataset, mnist_subset, user_dataset

INPUTS, LABELS = torch.zeros(4, 3), torch.tensor([0, 1, 2, 1])


def test_the_mnist_subset_is_balanced_and_scaled() -> None:
    train, test = mnist_subset()
    assert train.inputs.shape == (6000, 1, 28, 28)
    assert test.inputs.shape == (1000, 1, 28, 28)
    assert train.labels.bincount().tolist() == [600] * 10
    assert test.labels.bincount().tolist() == [100] * 10
    assert (float(train.inputs.min()), float(train.inputs.max())) == (0, 1)


def test_the_mnist_subset_is_the_one_that_the_script_makes() -> None:
    digest = hashlib.sha256()
    for split in mnist_subset():
        pixels = split.inputs.mul(255).round().to(torch.uint8)
        digest.update(pixels.numpy().tobytes() + split.labels.to(torch.uint8).numpy().tobytes())
    assert digest.hexdigest() == "5d600f56a9059f04b8ec2b0d31b90bcc51f3f5221eb0d6f22dfaac490f38f7f7"


def test_a_subset_holds_the_chosen_samples() -> None:
    train, _ = mnist_subset()
    part = train.subset(np.array([5, 17]), "device 3")
    assert len(part) == 2
    assert torch.equal(part.inputs[1], train.inputs[17])
    assert part.name == "device 3"


@pytest.mark.parametrize(
    ("inputs", "labels", "sentence"),
    [
        ([[0.0]], LABELS, "must be tensors, not list and Tensor"),
        (INPUTS.double(), LABELS, "inputs must be float32, not torch.float64"),
        (INPUTS, LABELS.int(), "labels must be int64, not torch.int32"),
        (INPUTS[:3], LABELS, r"shape \(3, 3\) do not go with labels of shape \(4,\)"),
        (INPUTS, LABELS.reshape(4, 1), r"labels of shape \(4, 1\)"),
        (INPUTS.flatten(), LABELS, r"inputs of shape \(12,\)"),
        (INPUTS[:0], LABELS[:0], "no sample"),
        (torch.tensor([[0.0], [np.nan], [np.inf]]), LABELS[:3], "2 of 3 inputs hold NaN or infinity, the first at 1"),
        (INPUTS, torch.tensor([0, 1, -1, 2]), "label -1 at 2 is negative"),
    ],
)
def test_unusable_samples_are_refused_by_name_and_place(inputs: Any, labels: Any, sentence: str) -> None:
    with pytest.raises(LearningError, match="data set 'theirs': ") as refused:
        Dataset(inputs, labels, "theirs")
    refused.match(sentence)


def test_a_users_data_set_comes_as_pairs_of_arrays_or_tensors() -> None:
    pair = np.zeros((4, 3), np.float32), np.array([0, 1, 2, 1])
    train, test = user_dataset(lambda: (pair, (INPUTS, LABELS)), "dataset() in theirs.py")
    assert train.labels.tolist() == test.labels.tolist() == [0, 1, 2, 1]
    ready = Dataset(INPUTS, LABELS, "ready")
    assert user_dataset(lambda: (ready, ready), "dataset() in theirs.py")[0] is ready


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: 1 / 0, "failed: ZeroDivisionError: division by zero"),
        (lambda: 3, "returned a int"),
        (lambda: (1, 2, 3), "returned a tuple"),
        (lambda: (INPUTS, LABELS), "the training set is a Tensor"),
        (
            lambda: ((INPUTS, LABELS), (INPUTS, LABELS.int())),
            r"'test set of dataset\(\) in theirs\.py': labels must be",
        ),
        (lambda: ((INPUTS, LABELS), (INPUTS[:, :2], LABELS)), r"shape \(3,\), a test sample \(2,\)"),
    ],
)
def test_a_users_faulty_data_set_is_named_with_its_place(function: Callable[[], object], sentence: str) -> None:
    with pytest.raises(LearningError, match=r"dataset\(\) in theirs\.py") as refused:
        user_dataset(function, "dataset() in theirs.py")
    refused.match(sentence)
