"""Real cohorts with attackers among them, and the pieces that an attack is made of.

``Lab``: a key, a cohort's updates and their sums, without a chain. ``Siege``: a whole task with every role on the
embedded chain, in which some machines misbehave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from house import House, digest
from numpy.typing import NDArray
from stage import Stage

from dapp.crypto import cid, merkle, packing, paillier, proofs, threshold
from dapp.device.training import TrainAndEncrypt
from dapp.protocol import events as ev
from dapp.protocol import holder
from dapp.protocol.blobs import BlobRef, UpdateBlob
from dapp.protocol.effects import Blobs, Effect, Input, Publish, RandomBits, Result, Tick, Work
from dapp.protocol.enums import Phase, RoundKind
from dapp.protocol.holder import HolderState
from dapp.protocol.machine import Facts
from dapp.protocol.view import Commit, Enrolment, RoundView, Share, View
from dapp.protocol.work import (
    Contribution,
    RoundSum,
    UpdateMade,
    check_update,
    encode_values,
    encrypt_update,
    key_table,
    product,
    update_context,
)
from dapp.runtime.node import Step
from dapp.types import Address, Round, TaskId

NOBODY = Address(bytes(20))
BASE = BlobRef(digest("base model"), 2000)


# Without a chain


@dataclass(frozen=True)
class Lab:
    """A cohort's key and updates. Device ``k`` has ``weights[k]``."""

    facts: Facts
    private: paillier.PrivateKey
    shares: tuple[threshold.KeyShare, ...]
    devices: tuple[Address, ...]
    weights: tuple[int, ...]
    random: RandomBits

    @classmethod
    def build(cls, house: House, weights: Sequence[int], ciphertexts: int = 2) -> Lab:
        random = Random(26).getrandbits
        private = paillier.generate(512, random=random, allow_small=True)
        key, shares = threshold.deal(private, 3, 5, random)
        terms = house.terms(encoding={"ciphertexts": ciphertexts})
        facts = Facts(
            chain_id=house.evm.chain.chain_id,
            learning=house.learning.address,
            mining=house.mining.address,
            verification=house.verification.address,
            task_id=TaskId(digest("task")),
            terms=terms,
            key=key,
        )
        devices = tuple(Address(digest("device", k)[:20]) for k in range(len(weights)))
        return cls(facts, private, shares, devices, tuple(weights), random)

    @property
    def public(self) -> paillier.PublicKey:
        return self.facts.key.public

    @property
    def count(self) -> int:
        """Values in an update; the loss is in the slot after the last."""
        return self.facts.terms.encoding.ciphertexts * self.facts.encoding.slots - 1

    @cached_property
    def values(self) -> tuple[NDArray[np.float64], ...]:
        rng = np.random.default_rng(1)
        return tuple(rng.uniform(-1, 1, self.count) for _ in self.devices)

    @cached_property
    def updates(self) -> tuple[tuple[Commit, bytes], ...]:
        """Every device's honest update of round 0, the same whichever test asks first."""
        again = replace(self, random=Random(27).getrandbits)
        return tuple(again.update(k) for k in range(len(self.devices)))

    def units(self, device: int) -> NDArray[np.int64]:
        """What a device's update says in the clear, in quantisation units: the secret that attacks are after."""
        return encode_values(self.facts, self.values[device], 0.5, self.weights[device])[0].astype(np.int64)

    def update(self, device: int, number: int = 0, facts: Facts | None = None) -> tuple[Commit, bytes]:
        facts = facts or self.facts
        who, weight = self.devices[device], self.weights[device]
        blob, _, _ = encrypt_update(facts, number, who, self.values[device], 0.5, weight, self.random)
        return self.committed(device, UpdateBlob.decode(blob))

    def committed(self, device: int, blob: UpdateBlob) -> tuple[Commit, bytes]:
        """The commit that a device makes for a blob, whatever is in it."""
        data = blob.encode()
        ref = BlobRef(cid.digest(data), len(data))
        return Commit(self.devices[device], device, ref, root_of(self.public, blob), 0, NOBODY), data

    def check(self, commit: Commit, data: bytes, number: int = 0) -> None:
        """What a holder checks before it marks an update; raises what is wrong with it."""
        check_update(self.facts, number, commit, data)

    def sum(self, devices: Iterable[int]) -> list[int]:
        """The encrypted sum over a set, as edges form it and holders recompute it."""
        members = sorted(devices)
        total = RoundSum(
            task_id=self.facts.task_id,
            number=Round(0),
            kind=RoundKind.UPDATE,
            parent=bytes(32),
            included=sum(1 << k for k in members),
            contributions=tuple(Contribution(self.updates[k][0], self.weights[k]) for k in members),
            total_weight=sum(self.weights[k] for k in members),
            base=BASE,
        )
        return product(self.facts, total, {c.update: data for c, data in self.updates})[0]

    def share(self, holder: int, total: Sequence[int]) -> list[int]:
        """The share of holder 1, 2, …"""
        return threshold.share(self.facts.key, self.shares[holder - 1], total)

    def open(self, holders: Iterable[int], total: Sequence[int]) -> NDArray[np.int64]:
        """The slots of a sum that these holders open, in units."""
        shares = {i: self.share(i, total) for i in holders}
        return self.unpack(threshold.combine(self.facts.key, shares, total)[0].messages)

    def unpack(self, messages: Sequence[int]) -> NDArray[np.int64]:
        return packing.unpack(messages, self.count + 1, self.facts.encoding)

    # Holders

    def round(self, number: int, included: Iterable[int], *, shared: bool = True, **changes: Any) -> RoundView:
        """A round on the base model with this included set, in which a share was posted, or not yet."""
        members = frozenset(included)
        return RoundView(
            task_id=self.facts.task_id,
            number=Round(number),
            kind=changes.pop("kind", RoundKind.UPDATE),
            opened_at=0,
            enrolled=len(self.devices),
            expected=(1 << len(self.devices)) - 1,
            base=changes.pop("base", BASE),
            parent=bytes(32),
            budget=0,  # type: ignore[arg-type]
            included=sum(1 << k for k in members),
            total_weight=sum(self.weights[k] for k in members),
            shares={0: Share(0, NOBODY, BASE, NOBODY)} if shared else {},
            **changes,
        )

    def holder(self, earlier: Sequence[RoundView] = ()) -> HolderState:
        """An honest holder that has seen these rounds."""
        enrolments = {
            who: Enrolment(who, k, weight, bytes(32))
            for k, (who, weight) in enumerate(zip(self.devices, self.weights, strict=True))
        }
        view = View(self.facts.task_id, terms=self.facts.terms, enrolments=enrolments, rounds=tuple(earlier))
        return HolderState(facts=self.facts, view=view, index=0, share=self.shares[0])

    def refusal(self, sets: Sequence[Iterable[int]]) -> str | None:
        """Why an honest holder shares no sum over the last of these sets, after those over the others."""
        *earlier, asked = (self.round(i, s) for i, s in enumerate(sets))
        return holder.refusal(self.holder((*earlier, asked)), asked)


def root_of(public: paillier.PublicKey, blob: UpdateBlob) -> bytes:
    whole = blob.ciphertexts and len(blob.ciphertexts) % public.ciphertext_bytes == 0
    return merkle.ciphertext_root(public, blob.ciphertexts) if whole else digest("no root")


def ciphertexts_of(public: paillier.PublicKey, blob: UpdateBlob) -> list[int]:
    width = public.ciphertext_bytes
    return [int.from_bytes(blob.ciphertexts[i : i + width], "big") for i in range(0, len(blob.ciphertexts), width)]


def with_ciphertexts(public: paillier.PublicKey, blob: UpdateBlob, numbers: Iterable[int]) -> UpdateBlob:
    width = public.ciphertext_bytes
    return replace(blob, ciphertexts=b"".join(c.to_bytes(width, "big") for c in numbers))


def rerandomised(facts: Facts, blob: UpdateBlob, device: Address, number: int, random: RandomBits) -> UpdateBlob:
    """A thief's best copy: the same plaintexts under fresh randomness and its own name, with the proof as it was."""
    public, table = facts.key.public, key_table(facts)
    fresh = [c * table.power(random(400)) % public.n_squared for c in ciphertexts_of(public, blob)]
    return replace(with_ciphertexts(public, blob, fresh), device=device, round=Round(number))


def encrypted(facts: Facts, number: int, device: Address, messages: Sequence[int], random: RandomBits) -> UpdateBlob:
    """Any plaintexts at all, honestly encrypted and proven: what a device with its own program can send."""
    public, count = facts.key.public, len(messages)
    bits = paillier.exponent_bits(public, facts.encoding.total_weight, count)
    table = key_table(facts)
    exponents = paillier.random_exponents(bits, count, random)
    ciphertexts = paillier.encrypt_many(public, table, messages, exponents)
    context = update_context(facts, number, device)
    proof = proofs.prove(public, table, messages, exponents, ciphertexts, context, random)
    data = paillier.to_bytes(public, ciphertexts)
    return UpdateBlob(facts.task_id, Round(number), device, data, proof.to_bytes(public))


# With a chain


Forge = Callable[[Facts, TrainAndEncrypt, UpdateBlob, UpdateBlob | None, RandomBits], UpdateBlob]
"""(facts, job, honest update, stolen update, random) → what the device commits to instead."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """A device's training, of which another update comes out."""

    job: TrainAndEncrypt
    forge: Forge
    stolen: BlobRef | None

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.job.needs if self.stolen is None else (*self.job.needs, self.stolen)

    @property
    def label(self) -> str:
        return "forging an update"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        honest = self.job.run(blobs, random)
        made: UpdateMade = honest.value
        facts = self.job.training.facts
        source = None if self.stolen is None else blobs[self.stolen]
        blob = self.forge(
            facts,
            self.job,
            UpdateBlob.decode(honest.blobs[0]),
            None if source is None else UpdateBlob.decode(source),
            random,
        )
        data = blob.encode()
        root = root_of(facts.key.public, blob)
        return Result(replace(made, digest=cid.digest(data), size=len(data), root=root), (data,))


def forging(step: Step[Any], rounds: Iterable[int], forge: Forge, victim: int | None = None) -> Step[Any]:
    """A device that forges its updates of some rounds; of ``victim`` it has the update of the round before."""
    chosen = frozenset(rounds)

    def forged(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(_forged(after, effect) for effect in effects)

    def _forged(state: Any, effect: Effect) -> Effect:
        if not isinstance(effect, Work) or not isinstance(effect.job, TrainAndEncrypt):
            return effect
        job = effect.job
        if job.number not in chosen:
            return effect
        stolen = None if victim is None else state.view.rounds[job.number - 1].commits[victim].update
        return replace(effect, job=Forgery(job, forge, stolen))

    return forged


@dataclass
class Siege:
    """A task that was played to its end with attackers in it.

    ``published_while_committing`` names the devices that published anything while updates could still be committed.
    """

    stage: Stage
    published_while_committing: list[str]

    @classmethod
    def play(cls, folder: Path, overrides: Sequence[str], corrupt: Callable[[Stage], None]) -> Siege:
        """``corrupt`` makes some nodes misbehave before the first round."""
        stage = Stage.build(folder, *overrides)
        published: list[str] = []
        for node in stage.world.nodes_of("device"):
            node.wrap(lambda step, name=node.name: _watched(step, name, published))
        corrupt(stage)
        return cls(stage.play(), published)

    @property
    def rounds(self) -> tuple[RoundView, ...]:
        return self.stage.rounds

    def address(self, device: int) -> Address:
        return self.stage.world.people.devices[device].address

    @cached_property
    def events(self) -> list[ev.Event]:
        contracts = self.stage.world.contracts
        return contracts.events(contracts.deployment.block, self.stage.world.client.head().number)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def _watched(step: Step[Any], name: str, published: list[str]) -> Step[Any]:
    def watched(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        view = after.view
        if isinstance(input, Tick) and view.terms is not None and view.round is not None:
            committing = view.round.phase(view.terms, input.now) == Phase.COMMIT
            published.extend(name for effect in effects if committing and isinstance(effect, Publish))
        return after, effects

    return watched
