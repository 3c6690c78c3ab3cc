"""Which sums may be opened beside each other: no device may have more than 1/minDevices of leverage.

With A the 0/1 matrix of all opened sets, h_k = (Aᵀ(AAᵀ)⁺A)_kk says how well device k's update can be isolated from
the sums: 1 is exactly, 1/m as in a sum of m. Exact fractions, so that all holders agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np


def leverages(sets: Sequence[frozenset[int]]) -> dict[int, Fraction]:
    """h_k of every device that is in a set; equal sets count once.

    AAᵀ is inverted by fraction-free Gauss–Jordan elimination (Bareiss 1968). It is positive semidefinite, so a row
    whose pivot vanishes depends on the rows before it and is left out.
    """
    rows = list(dict.fromkeys(sets))
    size = len(rows)
    work = np.array(
        [[len(a & b) for b in rows] + [int(i == j) for j in range(size)] for i, a in enumerate(rows)], dtype=object
    ).reshape(size, 2 * size)
    basis = []
    last = 1
    for i in range(size):
        pivot = work[i, i]
        if pivot == 0:
            continue
        line = work[i].copy()
        work = (pivot * work - np.outer(work[:, i], line)) // last
        work[i] = line
        last = pivot
        basis.append(i)
    # last is the determinant over the basis, and last·(AAᵀ)⁻¹ stands on the right.
    patterns: dict[int, tuple[int, ...]] = {
        k: tuple(i for i in basis if k in rows[i]) for k in sorted(frozenset().union(*rows))
    }
    values = {
        pattern: Fraction(sum(work[i, size + j] for i in pattern for j in pattern), last)
        for pattern in set(patterns.values())
    }
    return {k: values[pattern] for k, pattern in patterns.items()}


def openable(asked: Iterable[frozenset[int]], min_devices: int) -> tuple[frozenset[int], ...]:
    """Of the sets asked for one after the other, those that honest holders share for: each ``allowed`` after those
    before it. A set that they refuse finds no t shares, so it counts for nothing."""
    kept: list[frozenset[int]] = []
    for each in asked:
        if allowed(kept, each, min_devices):
            kept.append(each)
    return tuple(kept)


def allowed(previous: Iterable[frozenset[int]], asked: frozenset[int], min_devices: int) -> bool:
    """Whether the sum over ``asked`` may be opened after those over ``previous`` (protocol, section 1, step 5).

    It may if it holds at least ``min_devices`` devices and no device's leverage over all of them is above
    1/min_devices. A set that was allowed once stays so while only allowed ones are added.
    """
    if len(asked) < min_devices:
        return False
    limit = Fraction(1, min_devices)
    return all(h <= limit for h in leverages([*previous, asked]).values())
