"""Who misbehaves in a scenario, and how: the role's own machine, with what comes out of it silenced or falsified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dapp.crypto import cid, merkle
from dapp.device.training import TrainAndEncrypt
from dapp.errors import SettingsError
from dapp.protocol.blobs import AggregateBlob, BlobRef, OpeningBlob, UpdateBlob
from dapp.protocol.effects import Blobs, Effect, Input, Job, RandomBits, Result, Tick, Work
from dapp.protocol.enums import Phase
from dapp.protocol.machine import Role
from dapp.protocol.work import AggregateMade, FormAggregate, OpeningMade, OpenSum, header_of
from dapp.types import Round

CHEATS = ("edge", "opener", "device")

S = TypeVar("S", bound=Role)
Step = Callable[[S, Input], tuple[S, tuple[Effect, ...]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What goes wrong in a run.

    Args:
        drop: devices that vanish mid-round, with their key shares; one more holder and one verifier fall silent.
        cheat: "edge" publishes a wrong sum, "opener" a wrong opening, "device" a copied update.
        watch: somebody watches the edges' sums, and proves wrong ones wrong.
    """

    drop: int = 0
    cheat: str | None = None
    watch: bool = False

    def __post_init__(self) -> None:
        if self.cheat is not None and self.cheat not in CHEATS:
            raise SettingsError(f"no cheat is called '{self.cheat}'", help=f"one of {', '.join(CHEATS)}")
        if self.drop < 0:
            raise SettingsError(f"cannot drop {self.drop} devices", help="name how many devices vanish")


def vanishing(step: Step[S], number: int, phase: Phase) -> Step[S]:
    """The same machine, of which nothing is heard from this phase of this round on."""

    def silenced(state: S, input: Input) -> tuple[S, tuple[Effect, ...]]:
        after, effects = step(state, input)
        view = after.view
        current = view.round
        if current is not None and view.terms is not None and isinstance(input, Tick):
            gone = current.phase(view.terms, input.now) >= phase if current.number == number else False
            if gone or current.number > number:
                return after, ()
        return after, effects

    return silenced


def lying(step: Step[S], kind: type, lie: Callable[[Any, Result], Result]) -> Step[S]:
    """The same machine, whose jobs of one kind are falsified."""

    def falsified(state: S, input: Input) -> tuple[S, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(
            replace(e, job=Falsified(e.job, lie)) if isinstance(e, Work) and isinstance(e.job, kind) else e
            for e in effects
        )

    return falsified


@dataclass(frozen=True, slots=True)
class Falsified:
    """A job with another result than it came to."""

    job: Job
    lie: Callable[[Any, Result], Result]

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.job.needs

    @property
    def label(self) -> str:
        return self.job.label

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        return self.lie(self.job, self.job.run(blobs, random))


def wrong_sum(job: FormAggregate, honest: Result) -> Result:
    """The candidate of an edge that swaps the first two ciphertexts of the sum, or doubles the only one."""
    facts, public = job.facts, job.facts.key.public
    (blob,) = honest.blobs
    made: AggregateMade = honest.value
    width = public.ciphertext_bytes
    data = AggregateBlob.decode(blob).ciphertexts
    if len(data) >= 2 * width:
        data = data[width : 2 * width] + data[:width] + data[2 * width :]
    else:
        data = (int.from_bytes(data, "big") ** 2 % public.n_squared).to_bytes(width, "big")
    false = AggregateBlob(facts.task_id, job.sum_.number, data).encode()
    ref = BlobRef(cid.digest(false), len(false))
    root = merkle.ciphertext_root(public, data)
    header = header_of(facts, job.sum_, ref, root, job.edge, made.nonce)
    return Result(AggregateMade(ref, root, made.nonce, header), (false,))


def wrong_opening(job: OpenSum, honest: Result) -> Result:
    """An opening whose first plaintext is one more than it is."""
    made: OpeningMade = honest.value
    blob = OpeningBlob.decode(honest.blobs[0])
    width = job.facts.key.public.n_bytes
    first = (int.from_bytes(blob.messages[:width], "big") + 1).to_bytes(width, "big")
    false = replace(blob, messages=first + blob.messages[width:]).encode()
    return Result(replace(made, blob=BlobRef(cid.digest(false), len(false))), (false, *honest.blobs[1:]))


def copying(step: Step[S], victim: int) -> Step[S]:
    """A device that commits another's published update of the round before, under its own name."""

    def copied(state: S, input: Input) -> tuple[S, tuple[Effect, ...]]:
        after, effects = step(state, input)
        rounds = after.view.rounds
        if len(rounds) < 2 or victim not in rounds[-2].commits:
            return after, effects
        source = rounds[-2].commits[victim].update
        return after, tuple(
            replace(e, job=CopyUpdate(e.job, source))
            if isinstance(e, Work) and isinstance(e.job, TrainAndEncrypt)
            else e
            for e in effects
        )

    return copied


@dataclass(frozen=True, slots=True)
class CopyUpdate:
    """Another device's update with this device's name on it."""

    job: TrainAndEncrypt
    source: BlobRef

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return (*self.job.needs, self.source)

    @property
    def label(self) -> str:
        return "copying an update"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        honest = self.job.run(blobs, random)
        stolen = blobs[self.source]
        if stolen is None:
            return honest
        update = UpdateBlob.decode(stolen)
        renamed = replace(update, round=Round(self.job.number), device=self.job.enrolment.device)
        blob = renamed.encode()
        root = merkle.ciphertext_root(self.job.training.facts.key.public, update.ciphertexts)
        made = replace(honest.value, digest=cid.digest(blob), size=len(blob), root=root)
        return Result(made, (blob,))
