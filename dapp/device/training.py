"""A device's own work in a round: train on its data, encrypt what it learned, prove that it knows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dapp.crypto import cid
from dapp.device import project
from dapp.errors import BlobUnavailable
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Blobs, RandomBits, Result
from dapp.protocol.enums import RoundKind
from dapp.protocol.machine import Facts
from dapp.protocol.view import Enrolment, RoundView
from dapp.protocol.work import MISSING, UpdateMade, encrypt_update

if TYPE_CHECKING:
    from dapp.learning.data import Dataset
    from dapp.learning.strategy import Strategy
    from dapp.settings import Settings


@dataclass(frozen=True, slots=True)
class Split:
    """How the training data is spread over the devices."""

    model: str
    data: str
    folder: str
    partition: str
    options: tuple[tuple[str, Any], ...]
    devices: int
    samples_per_device: int | None
    seed: int

    @classmethod
    def of(cls, settings: Settings, folder: Path) -> Self:
        """How a task's settings spread the data; ``file.py:Name`` is looked up in a folder."""
        learning = settings.learning
        return cls(
            model=learning.model,
            data=learning.data,
            folder=str(folder),
            partition=learning.partition,
            options=tuple(learning.partition_options.given().items()),
            devices=settings.devices,
            samples_per_device=learning.samples_per_device,
            seed=settings.seed,
        )


@lru_cache(maxsize=4)
def parts(split: Split) -> tuple[Dataset, ...]:
    """Each device's share of the training set.

    Raises:
        LearningError: data set or partition cannot be used.
    """
    from dapp.learning.partition import partition

    train, _ = project.data_sets(split.data, split.folder)
    chosen = partition(split.partition, train.labels.numpy(), split.devices, split.seed, **dict(split.options))
    return tuple(
        train.subset(indices[: split.samples_per_device], f"{train.name} of device {k}")
        for k, indices in enumerate(chosen)
    )


def round_seed(split: Split, device: int, number: int) -> int:
    """The seed of a device's batches in a round, 0 ≤ seed < 2⁶³."""
    text = f"{split.seed}/{device}/{number}".encode()
    return int.from_bytes(sha256(text).digest()[:8], "big") >> 1


@dataclass(frozen=True, slots=True)
class Training:
    """One device's training: which part of the data is its own, and by which rule it learns."""

    facts: Facts
    strategy: Strategy
    split: Split
    device: int

    def job(self, round_: RoundView, enrolment: Enrolment, gradient: BlobRef | None) -> TrainAndEncrypt:
        """The work of a round."""
        needed = gradient if round_.kind == RoundKind.UPDATE else None
        return TrainAndEncrypt(self, round_.number, round_.kind, enrolment, round_.base, needed)


@dataclass(frozen=True, slots=True)
class TrainAndEncrypt:
    """Local iterations, or the local gradient, from the global model; packed, encrypted, proven."""

    training: Training
    number: int
    kind: RoundKind
    enrolment: Enrolment
    base: BlobRef
    gradient: BlobRef | None

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return (self.base,) if self.gradient is None else (self.base, self.gradient)

    @property
    def label(self) -> str:
        return "training and encrypting" if self.kind == RoundKind.UPDATE else "its gradient, encrypting"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        started = time.thread_time()
        values, loss = self._learn(blobs)
        trained = time.thread_time()
        facts, device, weight = self.training.facts, self.enrolment.device, self.enrolment.weight
        blob, root, clipped = encrypt_update(facts, self.number, device, values, loss, weight, random)
        made = UpdateMade(
            digest=cid.digest(blob),
            size=len(blob),
            root=root,
            compute_millis=round(1000 * (trained - started)),
            clipped=clipped,
            loss=loss,
            largest=float(abs(values).max()),
            train_seconds=trained - started,
            encrypt_seconds=time.thread_time() - trained,
        )
        return Result(made, (blob,))

    def _learn(self, blobs: Blobs) -> tuple[Any, float]:
        from dapp.learning.local_update import local_gradient, local_update
        from dapp.learning.models import decode_model

        training = self.training
        split = training.split
        template = project.template(split.model, split.folder, split.seed)
        data = parts(split)[training.device]
        base = decode_model(_had(blobs, self.base, "global model"), template)
        if self.kind == RoundKind.GRADIENT:
            gradient, loss = local_gradient(template, base, data)
            return gradient.astype("float64"), loss
        direction = None
        if self.gradient is not None:
            direction = decode_model(_had(blobs, self.gradient, "global gradient"), template)
        seed = round_seed(split, training.device, self.number)
        update = local_update(training.strategy, template, base, data, seed, direction)
        return update.delta, update.loss


def _had(blobs: Blobs, ref: BlobRef, what: str) -> bytes:
    data = blobs[ref]
    if data is None:
        raise BlobUnavailable(f"the {what} ({ref.digest.hex()}) is {MISSING}")
    return data
