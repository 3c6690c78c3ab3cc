"""What a role's state machine takes in and gives out.

A machine is a pure function ``step(state, input) -> (state, effects)``. It knows no clock, no randomness, no chain and
no store: chain events, the head's time, results of heavy work and messages of others come in; what to do goes out, and
is carried out in order by whoever runs the machine (``dapp.runtime``).

An effect is keyed by its duty. A machine asks for a duty once; whoever carries it out may ask the chain whether it is
still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, UpdateCommit
from dapp.protocol.blobs import BlobRef
from dapp.protocol.events import Event
from dapp.types import Address

Duty = tuple[str | int, ...]
"""What is to be done, once: ("commit", round), ("judge", round, attempt) …"""

Relayed = Enrolment | UpdateCommit | Attestation | ShareCommit
"""What devices and holders sign and hand in at an edge's door."""

RandomBits = Callable[[int], int]
"""k → a uniform integer of k bits."""

Blobs = Mapping[BlobRef, bytes | None]
"""Contents by the whole name, digest and size; None where no store had it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a job came to: a small value for the machine, and blobs that its runner keeps until they are published."""

    value: Any
    blobs: tuple[bytes, ...] = ()


class Job(Protocol):
    """Heavy, pure work: run by an executor, in this process or another."""

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        """Blobs that the runner fetches first, each checked against its digest and size."""

    @property
    def label(self) -> str:
        """What the work is, for people: "training", "checking 10 updates"."""

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        """Does the work; raises CairnError where the input is bad."""


# Inputs


@dataclass(frozen=True, slots=True)
class Observed:
    """A confirmed chain event, in chain order."""

    event: Event


@dataclass(frozen=True, slots=True)
class Tick:
    """The confirmed head: ``now`` in seconds of chain time, and its block number."""

    now: int
    block: int


@dataclass(frozen=True, slots=True)
class Done:
    """A job's value."""

    duty: Duty
    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A job or a transaction failed; ``reason`` is a sentence."""

    duty: Duty
    reason: str


@dataclass(frozen=True, slots=True)
class Handed:
    """Somebody's signed message, handed in to be relayed.

    ``proof``: why the signer may act: of a holder its Merkle branch under the terms' ``holders_root``, of a device that
    enrols its ticket; nothing for an update, whose device the chain knows.
    """

    message: Relayed
    signature: bytes
    proof: tuple[bytes, ...] = ()


Input = Observed | Tick | Done | Failed | Handed

# Effects


@dataclass(frozen=True, slots=True)
class Work:
    """Run a job; its value comes back as ``Done``, its failure as ``Failed``."""

    duty: Duty
    job: Job


@dataclass(frozen=True, slots=True)
class Transact:
    """Send a transaction from this role's key: ``contract`` and ``function`` by their names in ``dapp.chain``."""

    duty: Duty
    contract: str
    function: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ProveSeed:
    """Prove the seed of a case's attempt by the header of ``block``."""

    duty: Duty
    case: tuple[Address, bytes]
    attempt: int
    block: int


@dataclass(frozen=True, slots=True)
class Hand:
    """Sign a message with this role's key and hand it, with ``proof``, to an edge to relay; see :class:`Handed`."""

    duty: Duty
    message: Relayed
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Publish:
    """Put a blob that a job made into the common store."""

    duty: Duty
    blob: BlobRef


@dataclass(frozen=True, slots=True)
class Pin:
    """Keep blobs in the store until they are unpinned."""

    duty: Duty
    blobs: tuple[BlobRef, ...]


@dataclass(frozen=True, slots=True)
class Unpin:
    """The blobs are no longer needed."""

    duty: Duty
    blobs: tuple[BlobRef, ...]


@dataclass(frozen=True, slots=True)
class Wake:
    """Nothing to do before this chain time, or this block, whichever is named."""

    at: int | None = None
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should hear of: what was refused, and why."""

    duty: Duty
    text: str


Effect = Work | Transact | ProveSeed | Hand | Publish | Pin | Unpin | Wake | Notice
