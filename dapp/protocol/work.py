"""The heavy, pure work that the machines ask for: encrypting, checking, adding up, sharing, opening, judging.

Each job is a frozen dataclass whose ``run`` gets the blobs that it ``needs``, already checked against their digests,
and a source of random bits. A blob that no store had is None. Jobs of different roles share the functions below, never
each other's results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import gcd

import numpy as np
from numpy.typing import NDArray

from dapp.crypto import cid, merkle, packing, paillier, proofs, threshold
from dapp.crypto.sealed import candidate_header
from dapp.errors import BlobError, BlobUnavailable, CairnError, CryptoError
from dapp.learning import aggregate as learning
from dapp.learning.vectors import model_like, weights_of
from dapp.protocol.blobs import AggregateBlob, BlobRef, OpeningBlob, ShareBlob, UpdateBlob, join, split
from dapp.protocol.effects import Blobs, RandomBits, Result
from dapp.protocol.enums import RoundKind, Weighting
from dapp.protocol.machine import Facts
from dapp.protocol.view import Candidate, Commit, Posted, RoundView, Share, View, bits
from dapp.types import Address, Digest, Round, TaskId

MISSING = "not to be had"
NANO = 10**9
CONVERGED, OVERFLOW = 1, 2
NO_DIGEST = Digest(bytes(32))


@dataclass(frozen=True, slots=True)
class Contribution:
    """An included update: whose, with which weight s_k."""

    commit: Commit
    weight: int


@dataclass(frozen=True, slots=True)
class RoundSum:
    """What a round adds up: the included updates with their weights, on a base model."""

    task_id: TaskId
    number: Round
    kind: RoundKind
    parent: bytes
    included: int
    contributions: tuple[Contribution, ...]
    total_weight: int
    base: BlobRef

    @property
    def updates(self) -> tuple[BlobRef, ...]:
        """The blobs of the included updates."""
        return tuple(c.commit.update for c in self.contributions)


def judged_sum(view: View, round_: RoundView) -> RoundSum:
    """The sum over the round's included set."""
    weights = {e.index: e.weight for e in view.enrolments.values()}
    contributions = tuple(Contribution(c, weights[c.index]) for c in round_.included_commits)
    return RoundSum(
        task_id=round_.task_id,
        number=round_.number,
        kind=round_.kind,
        parent=round_.parent,
        included=round_.included or 0,
        contributions=contributions,
        total_weight=round_.total_weight,
        base=round_.base,
    )


# Encrypting


@dataclass(frozen=True, slots=True)
class UpdateMade:
    """A device's encrypted update, ready to be committed.

    ``clipped`` counts the values beyond ±B; ``loss`` is F_k at the round's base model; ``largest`` is max |value|.
    """

    digest: Digest
    size: int
    root: bytes
    compute_millis: int
    clipped: int
    loss: float
    largest: float
    train_seconds: float
    encrypt_seconds: float


def update_context(facts: Facts, number: int, device: Address) -> bytes:
    """What a proof of plaintext knowledge is bound to: chain, contract, task, round, device."""
    return b"".join(
        (
            b"cairn.update.v1",
            facts.chain_id.to_bytes(32, "big"),
            facts.learning,
            facts.task_id,
            number.to_bytes(4, "big"),
            device,
        )
    )


@lru_cache(maxsize=4)
def _fixed_base(public: paillier.PublicKey, exponent_bits: int, count: int) -> paillier.FixedBase:
    return paillier.FixedBase.for_work(public, exponent_bits, count)


def key_table(facts: Facts) -> paillier.FixedBase:
    """The table of the key's powers, made once in a process."""
    positions = facts.terms.encoding.ciphertexts
    public = facts.key.public
    return _fixed_base(public, paillier.exponent_bits(public, facts.encoding.total_weight, positions), positions)


def encode_values(
    facts: Facts, values: NDArray[np.float64], loss: float, weight: int
) -> tuple[NDArray[np.uint64], int]:
    """One update's slots, the values and then the loss, and how many values were clipped."""
    terms, encoding = facts.terms, facts.encoding
    if terms.encoding.weighting == Weighting.DEVICE:
        values = packing.fold(values, weight, terms.cohort.weight_cap)
        loss = loss * weight / terms.cohort.weight_cap
    units, clipped = packing.quantise(values, encoding)
    loss_unit = packing.quantise_loss(loss, terms.encoding.loss_cap / NANO, encoding)
    return np.append(units, np.uint64(loss_unit)), clipped


def encrypt_update(
    facts: Facts,
    number: int,
    device: Address,
    values: NDArray[np.float64],
    loss: float,
    weight: int,
    random: RandomBits,
) -> tuple[bytes, bytes, int]:
    """Packs, encrypts and proves one update.

    Returns:
        the update blob, the Merkle root over its ciphertexts, and how many values were clipped.

    Raises:
        CryptoError: values that are not finite, or not as many as the terms say.
    """
    units, clipped = encode_values(facts, values, loss, weight)
    messages = packing.pack(units, facts.encoding)
    expected = facts.terms.encoding.ciphertexts
    if len(messages) != expected:
        raise CryptoError(f"{len(values):,} values make {len(messages)} ciphertexts; the task's terms say {expected}")
    public = facts.key.public
    table = key_table(facts)
    bits = paillier.exponent_bits(public, facts.encoding.total_weight, expected)
    exponents = paillier.random_exponents(bits, expected, random)
    ciphertexts = paillier.encrypt_many(public, table, messages, exponents)
    context = update_context(facts, number, device)
    proof = proofs.prove(public, table, messages, exponents, ciphertexts, context, random)
    data = paillier.to_bytes(public, ciphertexts)
    blob = UpdateBlob(facts.task_id, Round(number), device, data, proof.to_bytes(public)).encode()
    return blob, merkle.ciphertext_root(public, data), clipped


# Checking


def read_update(facts: Facts, number: int, commit: Commit, data: bytes) -> tuple[UpdateBlob, list[int]]:
    """An update blob that is what its device committed to, and its ciphertexts.

    Raises:
        BlobError: of another task, round or device, or with another count of ciphertexts.
    """
    blob = UpdateBlob.decode(data)
    if (blob.task, blob.round, blob.device) != (facts.task_id, number, commit.device):
        raise BlobError("it names another task, round or device: a copied or replayed update")
    width, count = facts.key.public.ciphertext_bytes, facts.terms.encoding.ciphertexts
    return blob, split(blob.ciphertexts, width, count, "ciphertexts")


def check_update(facts: Facts, number: int, commit: Commit, data: bytes) -> None:
    """Everything that makes an update valid: format, owner, count, root, ranges, proof of plaintext knowledge.

    Raises:
        BlobError, CryptoError: which of them fails.
    """
    public = facts.key.public
    blob, ciphertexts = read_update(facts, number, commit, data)
    if merkle.ciphertext_root(public, blob.ciphertexts) != commit.root:
        raise BlobError("its ciphertexts do not have the Merkle root that was committed")
    proof = proofs.PlaintextProof.from_bytes(public, blob.proof)
    context = update_context(facts, number, commit.device)
    proofs.verify(public, ciphertexts, proof, context, table=key_table(facts))


@dataclass(frozen=True, slots=True)
class CheckUpdates:
    """A holder's check of committed updates; the value is a reason ("" for a valid one) by enrolment index."""

    facts: Facts
    number: int
    commits: tuple[Commit, ...]

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return tuple(c.update for c in self.commits)

    @property
    def label(self) -> str:
        return f"checking {len(self.commits)} updates and their proofs"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        return Result({c.index: self._reason(c, blobs[c.update]) for c in self.commits})

    def _reason(self, commit: Commit, data: bytes | None) -> str:
        if data is None:
            return MISSING
        try:
            check_update(self.facts, self.number, commit, data)
        except CairnError as error:
            return str(error)
        return ""


# Adding up


def product(facts: Facts, sum_: RoundSum, blobs: Blobs) -> tuple[list[int], bytes]:
    """C = ∏ c_k^{s_k} mod n² per position (Eq. 5 before its division), and the aggregate blob that says it.

    Raises:
        BlobUnavailable: an included update is not to be had.
        BlobError: an included update is not what was committed.
    """
    columns = []
    for contribution in sum_.contributions:
        commit = contribution.commit
        data = blobs[commit.update]
        if data is None:
            raise BlobUnavailable(f"the included update of device {commit.index} is {MISSING}")
        columns.append(read_update(facts, sum_.number, commit, data)[1])
    edge = facts.terms.encoding.weighting == Weighting.EDGE
    weights = [c.weight if edge else 1 for c in sum_.contributions]
    public = facts.key.public
    total = paillier.weighted_product(public, columns, weights)
    return total, AggregateBlob(facts.task_id, sum_.number, paillier.to_bytes(public, total)).encode()


def check_roots(facts: Facts, sum_: RoundSum, blobs: Blobs) -> None:
    """A sum over an update that is not what its device committed to could be struck out, however right it is: only
    whoever vouches for a sum with a bond needs to look, since t holders have vouched for the roots.

    Raises:
        BlobError: whose update it is.
    """
    for contribution in sum_.contributions:
        commit = contribution.commit
        data = blobs[commit.update]
        assert data is not None, "the product was computed from it"
        ciphertexts = read_update(facts, sum_.number, commit, data)[0].ciphertexts
        if merkle.ciphertext_root(facts.key.public, ciphertexts) != commit.root:
            raise BlobError(f"the included update of device {commit.index} does not have the root it committed to")


def aggregate_root(facts: Facts, total: Sequence[int]) -> bytes:
    """Merkle root over the sum's ciphertexts."""
    return merkle.ciphertext_root(facts.key.public, paillier.to_bytes(facts.key.public, total))


@dataclass(frozen=True, slots=True)
class AggregateMade:
    """A formed sum and the header that carries it."""

    blob: BlobRef
    root: bytes
    nonce: int
    header: bytes


@dataclass(frozen=True, slots=True)
class FormAggregate:
    """An edge's encrypted sum and, where the terms ask for it, the proof of work of its header."""

    facts: Facts
    sum_: RoundSum
    edge: Address

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.sum_.updates

    @property
    def label(self) -> str:
        return f"adding up {len(self.sum_.contributions)} encrypted updates"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        total, blob = product(self.facts, self.sum_, blobs)
        check_roots(self.facts, self.sum_, blobs)
        ref = BlobRef(cid.digest(blob), len(blob))
        root = aggregate_root(self.facts, total)
        nonce, header = mine(self.facts, self.sum_, ref, root, self.edge)
        return Result(AggregateMade(ref, root, nonce, header), (blob,))


def header_of(facts: Facts, sum_: RoundSum, aggregate: BlobRef, root: bytes, edge: Address, nonce: int) -> bytes:
    """The header of a candidate block."""
    return candidate_header(
        parent=sum_.parent,
        task_id=facts.task_id,
        round=sum_.number,
        kind=sum_.kind,
        included=sum_.included,
        total_weight=sum_.total_weight,
        digest=aggregate.digest,
        size=aggregate.size,
        root=root,
        edge=edge,
        beta=facts.terms.mining.beta,
        nonce=nonce,
    )


def mine(facts: Facts, sum_: RoundSum, aggregate: BlobRef, root: bytes, edge: Address) -> tuple[int, bytes]:
    """The first nonce that puts the header under the terms' target, and that header; nonce 0 where none is asked."""
    target = facts.terms.mining.pow_target
    nonce = 0
    while True:
        header = header_of(facts, sum_, aggregate, root, edge, nonce)
        if not target or int.from_bytes(header, "big") <= target:
            return nonce, header
        nonce += 1


# Sharing


@dataclass(frozen=True, slots=True)
class ShareMade:
    """A holder's share; None where no opened candidate carries the product that the holder computed."""

    blob: BlobRef | None


@dataclass(frozen=True, slots=True)
class MakeShare:
    """A holder's own product over the included set and, if an opened candidate carries it, its share of the opening."""

    facts: Facts
    sum_: RoundSum
    candidate_roots: tuple[bytes, ...]
    share: threshold.KeyShare

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.sum_.updates

    @property
    def label(self) -> str:
        return "checking the sum, and sharing"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        total, _ = product(self.facts, self.sum_, blobs)
        if aggregate_root(self.facts, total) not in self.candidate_roots:
            return Result(ShareMade(None))
        numbers = threshold.share(self.facts.key, self.share, total)
        data = join(numbers, self.facts.key.public.n_bytes)
        blob = ShareBlob(self.facts.task_id, self.sum_.number, self.share.index - 1, data).encode()
        return Result(ShareMade(BlobRef(cid.digest(blob), len(blob))), (blob,))


# Opening


@dataclass(frozen=True, slots=True)
class Opened:
    """What an opened sum says: the new model (or gradient) as a file, flags, and the global loss at the base model."""

    model: bytes | None
    flags: int
    loss: float | None


def read_sum(facts: Facts, sum_: RoundSum, messages: Sequence[int], base: bytes) -> Opened:
    """From the opened plaintexts to the model, under the one rounding rule (``learning.aggregate.apply_update``).

    Raises:
        BlobError: the base model is not a model.
    """
    vector = weights_of(base)
    count, devices, total = len(vector), len(sum_.contributions), sum_.total_weight
    terms, encoding = facts.terms, facts.encoding
    edge = terms.encoding.weighting == Weighting.EDGE
    units = total if edge else devices
    if packing.overflowed(messages, count + 1, units, encoding):
        return Opened(None, OVERFLOW, None)
    sums = packing.unpack(messages, count + 1, encoding)
    cap, loss_cap, last = terms.cohort.weight_cap, terms.encoding.loss_cap / NANO, int(sums[count])
    if edge:
        mean = packing.decode_mean(sums[:count], total, encoding)
        loss = packing.decode_loss(last, total, loss_cap, encoding)
    else:
        mean = packing.decode_folded(sums[:count], devices, total, cap, encoding)
        loss = packing.decode_loss(last, total, loss_cap * cap, encoding)
    if sum_.kind == RoundKind.GRADIENT:
        return Opened(model_like(base, mean.astype(np.float32)), 0, loss)
    flags = 0
    if terms.learning.epsilon:
        # ‖Δ‖ = B·‖2U − n·L‖·s_cap/(S·L) where devices fold weights in: the same test on a scaled clip and ε.
        clip, epsilon = terms.encoding.clip, terms.learning.epsilon
        if not edge:
            clip, epsilon = clip * cap * devices, epsilon * total
        flags = CONVERGED if learning.converged(sums[:count], units, encoding.levels, clip, epsilon) else 0
    return Opened(model_like(base, learning.apply_update(vector, mean)), flags, loss)


def read_share(facts: Facts, number: int, holder: int, data: bytes) -> list[int]:
    """The numbers of a holder's share blob.

    Raises:
        BlobError: of another task, round or holder, or of another form.
        CryptoError: a number that no share can be.
    """
    blob, public = ShareBlob.decode(data), facts.key.public
    if (blob.task, blob.round, blob.holder) != (facts.task_id, number, holder):
        raise BlobError("it names another task, round or holder")
    numbers = split(blob.shares, public.n_bytes, facts.terms.encoding.ciphertexts, "shares")
    if any(not 0 < x < public.n or gcd(x, public.n) != 1 for x in numbers):
        raise CryptoError("it holds a number that is no unit modulo n")
    return numbers


@dataclass(frozen=True, slots=True)
class Part:
    """Some positions of an opening: what one process of several computes."""

    facts: Facts
    total: tuple[int, ...]
    shares: Mapping[int, tuple[int, ...]]

    def run(self) -> tuple[threshold.Opening, tuple[int, ...]]:
        return threshold.combine(self.facts.key, self.shares, self.total)


@dataclass(frozen=True, slots=True)
class OpeningMade:
    """An opening ready to be posted. ``used``: bitmap of holders; ``loss``: global loss at the base model."""

    blob: BlobRef
    model: BlobRef
    used: int
    flags: int
    loss: float | None


@dataclass(frozen=True, slots=True)
class OpenSum:
    """Combines t shares into the opening of the sum, and makes the new model of it."""

    facts: Facts
    sum_: RoundSum
    aggregate: BlobRef
    shares: tuple[Share, ...]

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return (self.aggregate, self.sum_.base, *(s.blob for s in self.shares))

    @property
    def label(self) -> str:
        return f"opening the sum with {len(self.shares)} shares"

    def parts(self, blobs: Blobs, count: int) -> tuple[Part, ...]:
        """The work split by positions over ``count`` processes."""
        total, shares = self._inputs(blobs)
        cuts = [len(total) * i // count for i in range(count + 1)]
        return tuple(
            Part(self.facts, tuple(total[a:b]), {i: tuple(s[a:b]) for i, s in shares.items()})
            for a, b in pairwise(cuts)
            if a < b
        )

    def join(self, blobs: Blobs, parts: Sequence[tuple[threshold.Opening, tuple[int, ...]]]) -> Result:
        """The opening from its parts."""
        public = self.facts.key.public
        quorums = {indices for _, indices in parts}
        if len(quorums) > 1:  # some shares are good in places only: one quorum must open every position
            total, shares = self._inputs(blobs)
            parts = [threshold.combine(self.facts.key, shares, total)]
            quorums = {parts[0][1]}
        messages = [m for opening, _ in parts for m in opening.messages]
        roots = [r for opening, _ in parts for r in opening.roots]
        used = sum(1 << (index - 1) for index in quorums.pop())
        width = public.n_bytes
        blob = OpeningBlob(self.facts.task_id, self.sum_.number, join(messages, width), join(roots, width)).encode()
        opened = read_sum(self.facts, self.sum_, messages, _had(blobs, self.sum_.base, "base model"))
        model = BlobRef(NO_DIGEST, 0)
        blobs_made: tuple[bytes, ...] = (blob,)
        if opened.model is not None:
            model = BlobRef(cid.digest(opened.model), len(opened.model))
            blobs_made = (blob, opened.model)
        made = OpeningMade(BlobRef(cid.digest(blob), len(blob)), model, used, opened.flags, opened.loss)
        return Result(made, blobs_made)

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        return self.join(blobs, [part.run() for part in self.parts(blobs, 1)])

    def _inputs(self, blobs: Blobs) -> tuple[list[int], dict[int, list[int]]]:
        public, count = self.facts.key.public, self.facts.terms.encoding.ciphertexts
        data = AggregateBlob.decode(_had(blobs, self.aggregate, "aggregate"))
        total = split(data.ciphertexts, public.ciphertext_bytes, count, "aggregate")
        shares: dict[int, list[int]] = {}
        for share in self.shares:
            content = blobs[share.blob]
            if content is None:
                continue  # a share that is not to be had is not used, and not paid
            try:
                shares[share.holder + 1] = read_share(self.facts, self.sum_.number, share.holder, content)
            except CairnError:
                continue
        return total, shares


def _had(blobs: Blobs, ref: BlobRef, what: str) -> bytes:
    data = blobs[ref]
    if data is None:
        raise BlobUnavailable(f"the {what} ({ref.digest.hex()}, {ref.size:,} bytes) is {MISSING}")
    return data


# Judging


@dataclass(frozen=True, slots=True)
class Examination:
    """What somebody who recomputed everything found: bitmaps by slot and by opening, and why not.

    ``root`` is the Merkle root of the product that the examiner computed; ``loss`` the global loss at the base model.
    """

    valid: int
    invalid: int
    right: int
    wrong: int
    root: bytes
    reasons: tuple[str, ...]
    loss: float | None


@dataclass(frozen=True, slots=True)
class Examine:
    """Recomputes the product over the included set and judges candidates and openings: what every verifier does before
    it votes, and every device before it takes a model up. What is not to be had is wrong."""

    facts: Facts
    sum_: RoundSum
    candidates: tuple[Candidate, ...]
    openings: tuple[Posted, ...]
    shares: tuple[Share, ...]

    @classmethod
    def of(
        cls,
        facts: Facts,
        view: View,
        round_: RoundView,
        candidates: tuple[Candidate, ...],
        openings: tuple[Posted, ...],
    ) -> Examine:
        """The examination of some of a round's candidates and openings."""
        return cls(facts, judged_sum(view, round_), candidates, openings, tuple(round_.shares.values()))

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        aggregates = tuple(c.aggregate for c in self.candidates if c.aggregate is not None)
        openings = tuple(o.blob for o in self.openings)
        models = tuple(o.model for o in self.openings if o.opening.model_digest != NO_DIGEST)
        listed = {holder for o in self.openings for holder in bits(o.opening.used_shares)}
        shares = tuple(s.blob for s in self.shares if s.holder in listed)
        return (*self.sum_.updates, self.sum_.base, *aggregates, *openings, *models, *shares)

    @property
    def label(self) -> str:
        return f"checking {len(self.candidates)} sums and {len(self.openings)} openings"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        total, blob = product(self.facts, self.sum_, blobs)
        root = aggregate_root(self.facts, total)
        valid = invalid = right = wrong = 0
        reasons: list[str] = []
        for candidate in self.candidates:
            reason = self._candidate_wrong(candidate, BlobRef(cid.digest(blob), len(blob)), root, blobs)
            if reason:
                invalid |= 1 << candidate.slot
                reasons.append(f"candidate {candidate.slot}: {reason}")
            else:
                valid |= 1 << candidate.slot
        loss = None
        for posted in self.openings:
            try:
                loss = self._check_opening(posted, total, blobs, random)
                right |= 1 << posted.index
            except CairnError as error:
                wrong |= 1 << posted.index
                reasons.append(f"opening {posted.index}: {error}")
        return Result(Examination(valid, invalid, right, wrong, root, tuple(reasons), loss))

    def _candidate_wrong(self, candidate: Candidate, product: BlobRef, root: bytes, blobs: Blobs) -> str:
        aggregate = candidate.aggregate
        if aggregate is None:
            return "it was never opened"
        if blobs[aggregate] is None:
            return f"its aggregate is {MISSING}"
        if candidate.root != root or aggregate != product:
            return "its ciphertexts are not the product over the included set"
        header = header_of(self.facts, self.sum_, aggregate, candidate.root, candidate.edge, candidate.nonce)
        return "" if candidate.header == header else "its header does not hash what it carries"

    def _check_opening(self, posted: Posted, total: list[int], blobs: Blobs, random: RandomBits) -> float | None:
        public, count = self.facts.key.public, self.facts.terms.encoding.ciphertexts
        blob = OpeningBlob.decode(_had(blobs, posted.blob, "opening"))
        if (blob.task, blob.round) != (self.facts.task_id, self.sum_.number):
            raise BlobError("it names another task or round")
        messages = split(blob.messages, public.n_bytes, count, "messages")
        roots = split(blob.roots, public.n_bytes, count, "roots")
        threshold.check_opening(public, total, threshold.Opening(tuple(messages), tuple(roots)), random)
        self._check_used(posted, roots, blobs, random)
        opened = read_sum(self.facts, self.sum_, messages, _had(blobs, self.sum_.base, "base model"))
        said = posted.opening
        if said.flags != opened.flags:
            raise CryptoError(f"it says flags {said.flags}, the sum says {opened.flags}")
        if opened.model is None:
            if said.model_digest != NO_DIGEST or said.model_size:
                raise CryptoError("the sum overflowed, so there is no new model")
            return None
        if said.model_digest != cid.digest(opened.model) or said.model_size != len(opened.model):
            raise CryptoError("its model is not the weighted mean of the sum")
        _had(blobs, posted.model, "model")
        return opened.loss

    def _check_used(self, posted: Posted, roots: Sequence[int], blobs: Blobs, random: RandomBits) -> None:
        """The shares that it lists as used, and so to be paid, are t good ones: they open the sum."""
        by_holder, key = {s.holder: s for s in self.shares}, self.facts.key
        holders = tuple(bits(posted.opening.used_shares))
        if len(holders) != key.threshold:
            raise CryptoError(f"it lists {len(holders)} shares as used, not {key.threshold}")
        numbers = {
            h + 1: read_share(
                self.facts, self.sum_.number, h, _had(blobs, by_holder[h].blob, f"share of holder {h}, listed as used")
            )
            for h in holders
        }
        if not threshold.shares_open(key, numbers, roots, random):
            raise CryptoError(
                f"the shares of holders {', '.join(map(str, holders))}, listed as used, do not open the sum"
            )
