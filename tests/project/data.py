"""Sixty points in sixteen dimensions around three centres, and thirty more to test on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Split = tuple[NDArray[np.float32], NDArray[np.int64]]


def points() -> tuple[Split, Split]:
    """The training and the test set."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(3, 16))

    def some(count: int) -> Split:
        labels = np.arange(count) % 3
        return (centres[labels] + 0.7 * rng.normal(size=(count, 16))).astype(np.float32), labels.astype(np.int64)

    return some(60), some(30)
