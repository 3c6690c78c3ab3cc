from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dapp.errors import LearningError
from dapp.learning.partition import partition

LABELS = np.arange(1000, dtype=np.int64) % 10


def classes_of(part: np.ndarray[Any, np.dtype[np.int64]]) -> set[int]:
    return set(LABELS[part].tolist())


def test_iid_shares_are_equal() -> None:
    assert [len(part) for part in partition("iid", LABELS, 8, 0)] == [125] * 8


def test_pathological_devices_hold_as_many_classes_as_asked_and_all_classes_are_held() -> None:
    parts = partition("pathological", LABELS, 10, 0, classes_per_device=3)
    assert [len(classes_of(part)) for part in parts] == [3] * 10
    assert set().union(*(classes_of(part) for part in parts)) == set(range(10))
    assert sum(map(len, parts)) == len(LABELS)


def test_shards_hold_few_classes_in_equal_shares() -> None:
    parts = partition("shard", LABELS, 10, 0, shards_per_device=2)
    assert [len(part) for part in parts] == [100] * 10
    assert max(len(classes_of(part)) for part in parts) <= 4


def test_sizes_grow_linearly() -> None:
    assert [len(part) for part in partition("size", LABELS, 4, 0)] == [100, 200, 300, 400]


def test_a_small_alpha_is_more_uneven_than_a_large_one() -> None:
    def largest_class_share(alpha: float) -> float:
        parts = partition("dirichlet", LABELS, 10, 0, alpha=alpha)
        return float(np.mean([np.bincount(LABELS[part]).max() / len(part) for part in parts]))

    assert largest_class_share(0.05) > 0.5 > 0.2 > largest_class_share(1000)


@pytest.mark.parametrize(
    ("name", "options", "sentence", "help"),
    [
        ("dirichelet", {}, "no partition called 'dirichelet'", "did you mean 'dirichlet'?"),
        ("dirichlet", {"alhpa": 1}, "no option of partition 'dirichlet' called 'alhpa'", "did you mean 'alpha'?"),
        ("iid", {"alpha": 1}, "called 'alpha'", "choose one of: none"),
        ("dirichlet", {"alpha": 0}, "must be positive", ""),
        ("pathological", {"classes_per_device": 11}, "must be in 1…10", ""),
        ("shard", {"shards_per_device": 200}, "cannot be cut", ""),
    ],
)
def test_wrong_names_and_values_are_refused(name: str, options: dict[str, Any], sentence: str, help: str) -> None:
    with pytest.raises(LearningError, match=sentence) as refused:
        partition(name, LABELS, 10, 0, **options)
    assert refused.value.help == help


@pytest.mark.parametrize("devices", [0, 1001])
def test_more_devices_than_samples_are_refused(devices: int) -> None:
    with pytest.raises(LearningError, match="1000 samples cannot be split"):
        partition("iid", LABELS, devices, 0)
