"""What a device does with its data in a round: chosen by name, bound by the task's terms."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from math import ceil, isfinite
from typing import Any, get_type_hints

import cbor2

from dapp.errors import BlobError, LearningError
from dapp.learning.names import by_name, unknown

RULES = ("fedavg", "fedprox", "blockdeepnet")

MAX_COUNT = 1_000_000
"""Of iterations, passes and samples of a batch: more is a mistake, or a task that would keep devices busy for ever."""

MAX_CANONICAL = 1024
"""Bytes; a canonical strategy has about 130."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """The rule of the local update and its parameters.

    Args:
        name: the rule: "fedavg", "fedprox" or "blockdeepnet" (Eq. 3).
        learning_rate: λ.
        local_steps: T, iterations a round; 0: as many as ``local_epochs`` passes over the device's data take.
        local_epochs: passes over the device's data, where ``local_steps`` is 0; else 0.
        batch_size: samples of a mini-batch.
        full_batch: every iteration takes all the device's samples, as the paper does; ``batch_size`` is then 0.
        momentum: of local SGD (fedavg, fedprox); starts from zero every round.
        mu: weight of FedProx's proximal term (Li et al. 2020).
        printed: Eq. 3 as printed, with λ divided by s_k.

    Raises:
        LearningError: a value out of its range, or one that the rule does not use.
    """

    name: str
    learning_rate: float
    local_steps: int = 0
    local_epochs: int = 0
    batch_size: int = 0
    full_batch: bool = False
    momentum: float = 0.0
    mu: float = 0.0
    printed: bool = False

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise unknown("strategy", self.name, RULES)
        for name, kind in get_type_hints(Strategy).items():
            self._check_type(name, kind)
        self._require(self.learning_rate > 0, "learning_rate must be positive")
        for count in ("local_steps", "local_epochs", "batch_size"):
            self._require(0 <= getattr(self, count) <= MAX_COUNT, f"{count} must be in 0…{MAX_COUNT:,}")
        self._require((self.local_steps > 0) != (self.local_epochs > 0), "set local_steps or local_epochs, not both")
        self._require(self.full_batch == (self.batch_size == 0), "set batch_size, or full_batch and batch_size = 0")
        self._require(0 <= self.momentum < 1, "momentum must be in [0, 1)")
        self._require(self.mu >= 0, "mu must not be negative")
        self._require(self.mu == 0 or self.name == "fedprox", "mu belongs to fedprox")
        self._require(not self.momentum or not self.gradient_round, "Eq. 3 has no momentum")
        self._require(not self.printed or self.gradient_round, "printed belongs to blockdeepnet")

    def _check_type(self, name: str, kind: type) -> None:
        value = getattr(self, name)
        if kind is float and type(value) is int and abs(value) <= MAX_COUNT:
            object.__setattr__(self, name, float(value))
        elif type(value) is not kind:
            raise LearningError(f"strategy {self.name!r}: {name} must be {kind.__name__}, not {value!r}")
        self._require(kind is not float or isfinite(getattr(self, name)), f"{name} must be finite")

    def _require(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise LearningError(f"strategy {self.name!r}: {sentence}", help=f"it has {self}")

    @property
    def gradient_round(self) -> bool:
        """Whether an epoch begins with an encrypted exchange of gradients: Eq. 3 needs ∇F(w^(p−1))."""
        return self.name == "blockdeepnet"

    def steps(self, samples: int) -> int:
        """Iterations that a device with so many samples makes in a round: the paper's T."""
        return self.local_steps or self.local_epochs * ceil(samples / (self.batch_size or samples))

    def canonical(self) -> bytes:
        """All parameters in canonical CBOR (RFC 8949 §4.2.1): what the terms' digest is taken over."""
        return cbor2.dumps(asdict(self), canonical=True)


STRATEGIES: dict[str, Strategy] = {
    "fedavg": Strategy("fedavg", 0.08, local_epochs=1, batch_size=32, momentum=0.9),
    "fedprox": Strategy("fedprox", 0.1, local_epochs=1, batch_size=32, mu=0.1),
    "blockdeepnet": Strategy("blockdeepnet", 0.2, local_epochs=1, batch_size=32),
}
"""The defaults, tuned on the MNIST subset split over ten devices with iid data. Where devices see different classes,
take momentum 0, and for Eq. 3 a λ of 0.05 or less."""


def strategy(name: str, **changes: Any) -> Strategy:
    """The default strategy called ``name``, with some parameters changed. Setting one of ``local_steps`` and
    ``local_epochs`` takes the other back, and so does ``full_batch`` with ``batch_size``.

    Raises:
        LearningError: an unknown name, an unknown parameter (with the nearest one), or a bad value.
    """
    default = by_name("strategy", name, STRATEGIES)
    known = [field.name for field in fields(Strategy) if field.name != "name"]
    for change in changes:
        if change not in known:
            raise unknown(f"parameter of strategy {name!r}", change, known)
    if changes.get("local_steps"):
        changes = {"local_epochs": 0} | changes
    elif changes.get("local_epochs"):
        changes = {"local_steps": 0} | changes
    if changes.get("full_batch") is True:
        changes = {"batch_size": 0} | changes
    elif changes.get("batch_size"):
        changes = {"full_batch": False} | changes
    return replace(default, **changes)


def parse(content: bytes) -> Strategy:
    """The strategy whose canonical form is ``content``.

    Raises:
        BlobError: not the canonical form of a strategy.
        LearningError: one with values that cannot be used.
    """
    if len(content) > MAX_CANONICAL:
        raise BlobError(f"a strategy has at most {MAX_CANONICAL} bytes, these are {len(content):,}")
    try:
        values = cbor2.loads(content)
    except Exception as error:
        raise BlobError(f"a strategy must be CBOR: {error}") from error
    if not isinstance(values, dict) or values.keys() != {field.name for field in fields(Strategy)}:
        raise BlobError("a strategy must hold all its parameters and nothing else")
    parsed = Strategy(**values)
    if parsed.canonical() != content:
        raise BlobError("a strategy must be in canonical CBOR", help="take Strategy.canonical() as it is")
    return parsed
