"""A round whose updates and candidates are real ciphertexts under real roots, and the proofs about them.

What the ciphertexts encrypt is of no account to a product, so they are random numbers, and so is the odd modulus.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

from evm import Sent
from house import Drive, House

from dapp.chain.keys import Account
from dapp.crypto import cid, fraud, merkle, paillier
from dapp.crypto.paillier import PublicKey
from dapp.protocol.blobs import KeyBlob, UpdateBlob
from dapp.protocol.enums import Weighting
from dapp.protocol.records import Aggregate, Factor, Leaf, Partial, ProofFacts, Update
from dapp.protocol.terms import Terms
from dapp.types import Digest

NOTHING = Partial(0, b"")
WEIGHTS = (100, 201, 300, 57)


def modulus(bits: int, seed: int = 0) -> PublicKey:
    """An odd number of so many bits."""
    return PublicKey(Random(seed).getrandbits(bits) | 1 << (bits - 1) | 1)


def terms_for(house: House, public: PublicKey, **groups: dict[str, Any]) -> Terms:
    """Terms that name this key."""
    usual = house.terms(**groups)
    blob = key_blob(public, usual)
    return replace(usual, key=replace(usual.key, digest=cid.digest(blob), size=len(blob), bits=public.bits))


def key_blob(public: PublicKey, terms: Terms) -> bytes:
    n = public.n.to_bytes(public.n_bytes, "big")
    return KeyBlob(n, terms.key.threshold, terms.key.holders).encode()


@dataclass
class Sums(Drive):
    """``columns``: ciphertexts by device; ``claims``: by edge, what it says their product is, if not the right one;
    ``roots``: by device, what it commits to, if not the root of its ciphertexts."""

    public: PublicKey = field(default_factory=lambda: modulus(512))
    columns: dict[int, list[int]] = field(default_factory=dict)
    claims: dict[bytes, list[int]] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    weights: Sequence[int] = WEIGHTS

    @classmethod
    def start(
        cls,
        house: House,
        *,
        weights: Sequence[int] = WEIGHTS,
        count: int = 5,
        bits: int = 512,
        seed: int = 0,
        **groups: dict[str, Any],
    ) -> Self:
        public, random = modulus(bits, seed), Random(seed)
        terms = terms_for(house, public, **{"encoding": {"ciphertexts": count}} | groups)
        opened = house.start(weights, terms)
        columns = {k: [random.randrange(1, public.n_squared) for _ in range(count)] for k in range(len(weights))}
        return cls(house, opened.task_id, opened.number, terms, public=public, columns=columns, weights=weights)

    # What was published

    def data(self, numbers: Sequence[int]) -> bytes:
        return paillier.to_bytes(self.public, numbers)

    def blob(self, device: int) -> bytes:
        address = self.house.devices[device].address
        return UpdateBlob(self.task_id, self.number, address, self.data(self.columns[device]), b"proof").encode()

    def update(self, device: int) -> Update:
        blob = self.blob(device)
        root = self.roots.get(device) or self.root(self.columns[device])
        return Update(cid.digest(blob), len(blob), root, 1234)

    def exponent(self, device: int) -> int:
        return self.weights[device] if self.terms.encoding.weighting == Weighting.EDGE else 1

    def right(self) -> list[int]:
        """∏ c_k^{s_k} over the included devices."""
        devices = self.included
        columns = [self.columns[k] for k in devices]
        return [int(c) for c in paillier.weighted_product(self.public, columns, [self.exponent(k) for k in devices])]

    @property
    def included(self) -> list[int]:
        """As far as that is known; at first, all."""
        mask = self.progress.included_mask or self.round.committed or -1
        return [k for k in self.columns if mask >> k & 1]

    def claim(self, edge: Account) -> list[int]:
        return self.claims.get(edge.address) or self.right()

    def aggregate(self, edge: Account, nonce: int = 0) -> Aggregate:
        data = self.data(self.claim(edge))
        return Aggregate(Digest(cid.digest(data)), len(data), self.root(self.claim(edge)), nonce)

    def judged(self, *claims: Sequence[int]) -> Self:
        """Up to the end of Open, with one candidate for each of these claims."""
        edges = self.house.edges[: len(claims)]
        self.to_seal()
        for edge, numbers in zip(edges, claims, strict=True):
            self.claims[edge.address] = list(numbers)
            self.seal(edge)
        self.advance("seal_end")
        for slot, edge in enumerate(edges):
            self.open(edge, slot)
        return self

    # Proofs

    def facts(self, **changes: Any) -> ProofFacts:
        n = self.public.n.to_bytes(self.public.n_bytes, "big")
        return replace(ProofFacts(self.task_id, self.number, self.terms, n), **changes)

    def root(self, numbers: Sequence[int]) -> bytes:
        return merkle.ciphertext_root(self.public, self.data(numbers))

    def leaf(self, numbers: Sequence[int], position: int) -> Leaf:
        leaf = fraud.Leaf.of(self.public, self.data(numbers), position)
        return Leaf(leaf.ciphertext, leaf.branch)

    def factor(self, device: int, position: int) -> Factor:
        return Factor(
            self.house.devices[device].address, self.update(device), self.leaf(self.columns[device], position)
        )

    def factors(self, position: int, devices: Iterable[int] | None = None) -> tuple[Factor, ...]:
        return tuple(self.factor(k, position) for k in (self.included if devices is None else devices))

    def proof(self, position: int, slot: int = 0, **changes: Any) -> tuple[Any, ...]:
        """The arguments of ``strikeOut``: an honest proof, but for the changes."""
        usual: dict[str, Any] = {
            "facts": self.facts(),
            "position": position,
            "slot": slot,
            "candidate": None,
            "before": NOTHING,
            "factors": None,
        }
        given = usual | changes
        if given["candidate"] is None:
            given["candidate"] = self.leaf(self.claim(self.house.edges[slot]), position)
        if given["factors"] is None:
            given["factors"] = self.factors(position)
        return plain(*given.values())

    def strike(self, position: int, slot: int = 0, by: Account | None = None, **changes: Any) -> Sent:
        arguments = self.proof(position, slot, **changes)
        return self.house.paillier_sum.send(by or self.house.anyone, "strikeOut", *arguments)

    def multiply(self, position: int, before: Partial, devices: Iterable[int]) -> Partial:
        """Multiplies these devices in; what it came to."""
        return self.multiplied(position, before, devices)[1]

    def multiplied(self, position: int, before: Partial, devices: Iterable[int]) -> tuple[Sent, Partial]:
        factors = self.factors(position, devices)
        arguments = plain(self.facts(), position, before, factors)
        sent = self.house.paillier_sum.send(self.house.anyone, "multiply", *arguments)
        event = sent.event("ProductAdvanced")
        begun = int.from_bytes(before.product, "big") if before.product else None
        parts = [
            fraud.Factor(f.update.root, self.exponent(k), fraud.Leaf(f.leaf.ciphertext, f.leaf.branch))
            for k, f in zip(devices, factors, strict=True)
        ]
        product = fraud.partial_bytes(self.public, fraud.product(self.public, parts, begun))
        after = Partial(event["remaining"], product)
        assert event["commitment"] == fraud.commitment(after.remaining, after.product)
        return sent, after

    def verdict(self, position: int, slot: int = 0) -> bool:
        """What the twin of the contract says to the same proof."""
        edge = self.house.edges[slot]
        shown = fraud.Leaf.of(self.public, self.data(self.claim(edge)), position)
        factors = [
            fraud.Factor(
                self.update(k).root,
                self.exponent(k),
                fraud.Leaf.of(self.public, self.data(self.columns[k]), position),
            )
            for k in self.included
        ]
        root, count = self.aggregate(edge).root, self.terms.encoding.ciphertexts
        return fraud.is_wrong(self.public, position, count, root, shown, factors if position < count else ())


TALL = 4096
"""Ciphertexts of a large model: twelve siblings on the way up."""


@dataclass
class Tall(Sums):
    """One position of a large model: of its trees only what a proof shows is there."""

    def siblings(self, numbers: Sequence[int]) -> tuple[bytes, ...]:
        length = fraud.branch_length(0, TALL)
        return tuple(merkle.keccak256(bytes([i]) + self.data(numbers)) for i in range(length))

    def root(self, numbers: Sequence[int]) -> bytes:
        node = merkle.ciphertext_leaf(0, self.data(numbers))
        for sibling in self.siblings(numbers):
            node = merkle.keccak256(b"".join(sorted((node, sibling))))
        return node

    def leaf(self, numbers: Sequence[int], position: int) -> Leaf:
        return Leaf(self.data(numbers), self.siblings(numbers))

    @classmethod
    def lied(cls, house: House, devices: int, bits: int, weights: int) -> Self:
        """A candidate that is off by one, over so many devices whose weights add up to this."""
        cohort = {"max_devices": devices, "max_weight": weights, "weight_cap": weights}
        shares = [weights // devices] * devices
        sums = cls.start(house, weights=shares, count=1, bits=bits, cohort=cohort, encoding={"ciphertexts": TALL})
        return sums.judged([sums.right()[0] ^ 1])


def plain(*values: Any) -> tuple[Any, ...]:
    """As an ABI encoder takes them."""
    return tuple(
        value.to_abi()
        if hasattr(value, "to_abi")
        else [v.to_abi() for v in value]
        if isinstance(value, tuple)
        else value
        for value in values
    )
