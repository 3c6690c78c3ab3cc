"""How samples are split over devices, for experiments: ``partition(name, labels, devices, seed, **options)``.

Every partition is disjoint and gives every device at least one sample; indices ascend within a device.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapp.errors import LearningError
from dapp.learning.names import by_name, unknown

Indices = NDArray[np.int64]
Partitioner = Callable[..., list[Indices]]


def partition(name: str, labels: Indices, devices: int, seed: int, **options: Any) -> list[Indices]:
    """Splits the samples that carry ``labels`` over ``devices`` by the partitioner called ``name``.

    Args:
        labels: int64, (samples,).
        seed: of all chance in the split; seed ≥ 0.
        options: the partitioner's own: ``alpha``, ``classes_per_device``, ``shards_per_device``.

    Returns:
        For every device, the ascending indices of its samples.

    Raises:
        LearningError: an unknown name or option, a bad value, or fewer samples than devices.
    """
    partitioner = by_name("partition", name, PARTITIONS)
    known = list(inspect.signature(partitioner).parameters)[3:]
    for option in options:
        if option not in known:
            raise unknown(f"option of partition {name!r}", option, known)
    if not 1 <= devices <= len(labels):
        raise LearningError(
            f"{len(labels)} samples cannot be split over {devices} devices",
            help="every device needs at least one sample",
        )
    parts = partitioner(labels, devices, np.random.default_rng(seed), **options)
    _fill_empty(parts)
    return [np.sort(part).astype(np.int64) for part in parts]


def iid(labels: Indices, devices: int, rng: np.random.Generator) -> list[Indices]:
    """Equal shares drawn at random."""
    return np.array_split(rng.permutation(len(labels)), devices)


def dirichlet(labels: Indices, devices: int, rng: np.random.Generator, alpha: float = 0.5) -> list[Indices]:
    """Each class is split in proportions drawn from Dir(alpha) (Yurochkin et al. 2019); a small alpha is uneven."""
    if not alpha > 0:
        raise LearningError(f"alpha of the Dirichlet partition must be positive, not {alpha}")
    return _collect(
        devices,
        (
            enumerate(np.split(samples, (rng.dirichlet([alpha] * devices).cumsum()[:-1] * len(samples)).astype(int)))
            for samples in _classes(labels, rng)
        ),
    )


def pathological(labels: Indices, devices: int, rng: np.random.Generator, classes_per_device: int = 2) -> list[Indices]:
    """Each device holds so many classes only; the devices that hold a class share its samples equally."""
    classes = _classes(labels, rng)
    if not 1 <= classes_per_device <= len(classes):
        raise LearningError(f"classes_per_device must be in 1…{len(classes)}, not {classes_per_device}")
    rng.shuffle(classes)
    holders: list[list[int]] = [[] for _ in classes]
    for deal in range(devices * classes_per_device):  # round the table: no device is dealt a class twice
        holders[deal % len(classes)].append(deal // classes_per_device)
    return _collect(
        devices,
        (
            zip(held_by, np.array_split(samples, len(held_by)), strict=True)
            for held_by, samples in zip(holders, classes, strict=True)
            if held_by
        ),
    )


def shard(labels: Indices, devices: int, rng: np.random.Generator, shards_per_device: int = 2) -> list[Indices]:
    """Samples sorted by label, cut into equal shards, dealt at random (McMahan et al. 2017)."""
    shards = devices * shards_per_device
    if shards_per_device < 1 or shards > len(labels):
        raise LearningError(
            f"{len(labels)} samples cannot be cut into {shards_per_device} shards for each of {devices} devices"
        )
    cut = np.array_split(np.concatenate(_classes(labels, rng)), shards)
    hands = rng.permutation(shards).reshape(devices, shards_per_device)
    return [np.concatenate([cut[position] for position in hand]) for hand in hands]


def size(labels: Indices, devices: int, rng: np.random.Generator) -> list[Indices]:
    """Random shares whose sizes grow linearly: device k (from 0) holds k + 1 parts."""
    parts = np.arange(1, devices + 1)
    ends = parts.cumsum() * len(labels) // parts.sum()
    return np.split(rng.permutation(len(labels)), ends[:-1])


PARTITIONS: dict[str, Partitioner] = {f.__name__: f for f in (iid, dirichlet, pathological, shard, size)}


def _classes(labels: Indices, rng: np.random.Generator) -> list[Indices]:
    """The samples of each class that occurs, shuffled."""
    return [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]


def _collect(devices: int, dealt: Iterable[Iterable[tuple[int, Indices]]]) -> list[Indices]:
    hands: list[list[Indices]] = [[np.empty(0, np.int64)] for _ in range(devices)]
    for deal in dealt:
        for device, samples in deal:
            hands[device].append(samples)
    return [np.concatenate(hand) for hand in hands]


def _fill_empty(parts: list[Indices]) -> None:
    """Gives each empty device one sample of the largest one: possible, since samples ≥ devices."""
    for device, part in enumerate(parts):
        if not len(part):
            largest = max(range(len(parts)), key=lambda k: len(parts[k]))
            parts[device], parts[largest] = parts[largest][:1], parts[largest][1:]
