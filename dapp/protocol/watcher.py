"""A watcher: adds up what was included, and has every candidate struck out of which it can prove that it adds up to
something else. It needs no trust, no place in the registry and no secret; half of the liar's bond is its pay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dapp.crypto import fraud, merkle, paillier
from dapp.crypto.paillier import PublicKey
from dapp.errors import CairnError, CryptoError
from dapp.protocol.blobs import AggregateBlob, BlobRef
from dapp.protocol.effects import (
    Blobs,
    Done,
    Effect,
    Failed,
    Input,
    Notice,
    RandomBits,
    Result,
    Tick,
    Transact,
    Wake,
    Work,
)
from dapp.protocol.enums import CandidateState, Phase, Weighting
from dapp.protocol.machine import Facts, Role, ask, observe
from dapp.protocol.records import Factor, Leaf, Partial, ProofFacts, Update
from dapp.protocol.view import Candidate, Commit, RoundView
from dapp.protocol.work import MISSING, RoundSum, judged_sum, product, read_update
from dapp.types import Address

PATIENCE = 10
"""Seconds of chain time that the next watcher in line leaves a proof to those before it."""

NOTHING = Partial(0, b"")


@dataclass(frozen=True, slots=True)
class Stage:
    """One transaction's part of a product: what was begun, whose ciphertexts come in, the commitment to all that."""

    before: Partial
    factors: tuple[Factor, ...]
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """That the candidate in a slot is wrong at a position. The last stage strikes it out, the others lead there."""

    slot: int
    position: int
    candidate: Leaf
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look at a round's candidates came to; ``unprovable`` says of which slot it is so, and why."""

    proofs: tuple[Proof, ...]
    unprovable: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class FindLies:
    """Recomputes the product over the included set and prepares the proof against every candidate that differs."""

    facts: Facts
    sum_: RoundSum
    candidates: tuple[Candidate, ...]

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return (*self.sum_.updates, *(c.aggregate for c in self.candidates if c.aggregate is not None))

    @property
    def label(self) -> str:
        return f"looking for lies in {len(self.candidates)} sums"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        public = self.facts.key.public
        total, _ = product(self.facts, self.sum_, blobs)
        right = paillier.to_bytes(public, total)
        root = merkle.ciphertext_root(public, right)
        proofs, unprovable = [], []
        for candidate in self.candidates:
            if candidate.root == root:
                continue
            try:
                proofs.append(self._proof(candidate, right, blobs))
            except CairnError as error:
                unprovable.append((candidate.slot, str(error)))
        return Result(Findings(tuple(proofs), tuple(unprovable)))

    def _proof(self, candidate: Candidate, right: bytes, blobs: Blobs) -> Proof:
        """
        Raises:
            CairnError: nobody can show a leaf of this candidate, or of an included update.
        """
        public, count = self.facts.key.public, self.facts.terms.encoding.ciphertexts
        claimed = _claimed(public, candidate, blobs)
        position = fraud.lie(public, right, claimed)
        assert position is not None, "another root over the same ciphertexts"
        leaf = fraud.Leaf.of(public, claimed, position)
        shown = Leaf(leaf.ciphertext, leaf.branch)
        if fraud.is_impossible(public, position, count, leaf):
            return Proof(candidate.slot, position, shown, (Stage(NOTHING, (), b""),))
        return Proof(candidate.slot, position, shown, tuple(self._stages(position, blobs)))

    def _stages(self, position: int, blobs: Blobs) -> Iterator[Stage]:
        public, remaining = self.facts.key.public, self.sum_.included
        weighs = self.facts.terms.encoding.weighting == Weighting.EDGE
        contributions = self.sum_.contributions
        exponents = [c.weight if weighs else 1 for c in contributions]
        before, total = NOTHING, None
        for part in fraud.split(public, exponents, self.facts.terms.encoding.ciphertexts):
            shown = [self._leaf(c.commit, position, blobs) for c in contributions[part]]
            commits = [c.commit for c in contributions[part]]
            parts = [
                fraud.Factor(commit.root, s, leaf)
                for commit, s, leaf in zip(commits, exponents[part], shown, strict=True)
            ]
            total = fraud.product(public, parts, total)
            remaining ^= sum(1 << commit.index for commit in commits)
            after = Partial(remaining, fraud.partial_bytes(public, total))
            factors = tuple(
                Factor(c.device, _update(c), Leaf(leaf.ciphertext, leaf.branch))
                for c, leaf in zip(commits, shown, strict=True)
            )
            yield Stage(before, factors, fraud.commitment(after.remaining, after.product))
            before = after

    def _leaf(self, commit: Commit, position: int, blobs: Blobs) -> fraud.Leaf:
        public = self.facts.key.public
        data = blobs[commit.update]
        assert data is not None, "the product was computed from it"
        leaf = fraud.Leaf.of(public, read_update(self.facts, self.sum_.number, commit, data)[0].ciphertexts, position)
        if not leaf.is_under(public, commit.root, position):
            raise CryptoError(f"the included update of device {commit.index} does not have the root it committed to")
        return leaf


def _claimed(public: PublicKey, candidate: Candidate, blobs: Blobs) -> bytes:
    """A candidate's ciphertexts, if they are what its root commits to."""
    data = blobs[candidate.aggregate] if candidate.aggregate is not None else None
    if data is None:
        raise CryptoError(f"its aggregate is {MISSING}")
    claimed = AggregateBlob.decode(data).ciphertexts
    if merkle.ciphertext_root(public, claimed) != candidate.root:
        raise CryptoError("its ciphertexts do not have the root that it opened")
    return claimed


def _update(commit: Commit) -> Update:
    return Update(commit.update.digest, commit.update.size, commit.root, commit.compute_millis)


def proof_facts(facts: Facts, number: int) -> ProofFacts:
    """What every proof about a round brings along."""
    n = facts.key.public.n.to_bytes(facts.key.public.n_bytes, "big")
    return ProofFacts(facts.task_id, number, facts.terms, n)


@dataclass(frozen=True, slots=True)
class WatcherState(Role):
    """``turn``: its place in the line of watchers; ``found`` is by round."""

    me: Address = Address(b"")
    turn: int = 0
    found: Mapping[int, Findings] = field(default_factory=dict)


def step(state: WatcherState, input: Input) -> tuple[WatcherState, tuple[Effect, ...]]:
    """One input in, the next state and what to do out."""
    if (observed := observe(state, input)) is not None:
        return observed, ()
    match input:
        case Done(("watch", int(number)), Findings() as found):
            return _looked(state, number, found)
        case Failed(duty, reason):
            return ask(state, (Notice(("failed", *duty), f"{duty[0]} in round {duty[1]}: {reason}"),))
        case Tick(now):
            return ask(state, _due(state, now))
    return state, ()


def _looked(state: WatcherState, number: int, found: Findings) -> tuple[WatcherState, tuple[Effect, ...]]:
    sums = {slot: f"the sum of 0x{c.edge.hex()}" for slot, c in state.view.rounds[number].candidates.items()}
    notices = [
        Notice(("proof", number, p.slot), f"can prove that {sums[p.slot]} is wrong at position {p.position}")
        for p in found.proofs
    ]
    notices += [
        Notice(("no proof", number, slot), f"cannot prove that {sums[slot]} is wrong: {reason}")
        for slot, reason in found.unprovable
    ]
    return ask(replace(state, found={**state.found, number: found}), notices)


def _due(state: WatcherState, now: int) -> Iterator[Effect]:
    round_, terms = state.view.round, state.view.terms
    if round_ is None or terms is None or round_.included is None:
        return
    phase, since = round_.phase(terms, now), round_.deadlines(terms).open_end
    if phase in (Phase.SEAL, Phase.OPEN):
        yield Wake(at=since)
    elif Phase.CHALLENGE <= phase <= Phase.VOTE and round_.opened_candidates:
        number = round_.number
        found = state.found.get(number)
        if found is None:
            job = FindLies(state.facts, judged_sum(state.view, round_), round_.opened_candidates)
            yield Work(("watch", number), job)
            return
        for proof in found.proofs:
            if round_.candidates[proof.slot].state != CandidateState.OPENED:
                continue
            if now < (mine := since + PATIENCE * state.turn):
                yield Wake(at=mine)
            else:
                yield _next(state, round_, proof)


def _next(state: WatcherState, round_: RoundView, proof: Proof) -> Transact:
    """The stage of a proof that comes after what the chain says was done."""
    number = round_.number
    begun = round_.products.get((state.me, proof.position))
    done = next((i + 1 for i, stage in enumerate(proof.stages) if stage.commitment == begun), 0)
    stage = proof.stages[done]
    facts = proof_facts(state.facts, number)
    if stage is not proof.stages[-1]:
        args = (facts, proof.position, stage.before, stage.factors)
        return Transact(("multiply", number, proof.slot, done), "paillier_sum", "multiply", args)
    strike = (facts, proof.position, proof.slot, proof.candidate, stage.before, stage.factors)
    return Transact(("strike out", number, proof.slot), "paillier_sum", "strike_out", strike)
