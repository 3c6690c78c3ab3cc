"""What every partition owes, whatever its name."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dapp.learning.partition import PARTITIONS, partition


@given(
    name=st.sampled_from(sorted(PARTITIONS)),
    labels=st.lists(st.integers(0, 5), min_size=24, max_size=120),
    devices=st.integers(1, 12),
    seed=st.integers(0, 2**63 - 1),
)
def test_partitions_are_disjoint_deterministic_and_leave_no_device_empty(
    name: str, labels: list[int], devices: int, seed: int
) -> None:
    array = np.array(labels, np.int64)
    options = {"classes_per_device": 1} if name == "pathological" else {}
    parts = partition(name, array, devices, seed, **options)
    again = partition(name, array, devices, seed, **options)
    assert all(np.array_equal(part, same) for part, same in zip(parts, again, strict=True))
    assert len(parts) == devices
    assert min(map(len, parts)) >= 1
    together = np.concatenate(parts)
    assert together.dtype == np.int64
    assert len(np.unique(together)) == len(together)
    assert together.min() >= 0
    assert together.max() < len(array)
    assert all((np.diff(part) > 0).all() for part in parts)
    if name != "pathological":  # which leaves out the classes that no device was dealt
        assert len(together) == len(array)
