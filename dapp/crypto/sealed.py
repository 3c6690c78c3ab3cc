"""Seals, headers and salts: the same bytes as ``Sealed.sol`` and ``Headers.sol``, by vectors that both are tested on.

A seal is keccak256 over the ABI encoding of everything that it hides and everything that it is bound to: chain,
contract, place and owner. Without the owner in it, a seal could be copied by whoever sees it first.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Protocol

from dapp.crypto.merkle import keccak256
from dapp.crypto.words import encode_words

_VOTE = keccak256(b"cairn.seal.vote.v1")
_AGGREGATE = keccak256(b"cairn.seal.aggregate.v1")

_TERMS = (
    *("uint32",) * 11,  # windows
    *("address", "uint16", "uint16", "uint32", "uint32", "uint32"),  # cohort
    *("bytes32", "uint32", "bytes32", "uint32", "uint32", "bool", "uint64"),  # learning
    *("uint8", "uint8", "uint64", "uint64", "uint16", "uint32"),  # encoding
    *("bytes32", "uint32", "uint16", "uint8", "uint8", "bytes32"),  # key
    *("uint16", "uint16"),  # panel
    *("uint64", "uint256"),  # mining
    *("uint128",) * 8,  # money
)


class Masks(Protocol):
    """The four masks of a vote, 8 bits each; bit i speaks of candidate or opening i."""

    @property
    def valid(self) -> int: ...
    @property
    def invalid(self) -> int: ...
    @property
    def right(self) -> int: ...
    @property
    def wrong(self) -> int: ...


def packed(ballot: Masks) -> int:
    """valid ‖ invalid ‖ right ‖ wrong in 32 bits, as a seal holds it."""
    return ballot.valid << 24 | ballot.invalid << 16 | ballot.right << 8 | ballot.wrong


def vote_seal(
    chain_id: int,
    verification: bytes,
    consumer: bytes,
    case_key: bytes,
    attempt: int,
    seat: int,
    voter: bytes,
    ballot: Masks,
    evidence: bytes,
    salt: bytes,
) -> bytes:
    """``Sealed.vote``: 32 bytes that hide a ballot until it is revealed. Addresses are 20 bytes, the rest 32."""
    types = ["bytes32", "uint256", "address", "address", "bytes32", "uint8", "uint16", "address", "uint32"]
    place: list[int | bytes] = [_VOTE, chain_id, verification, consumer, case_key, attempt, seat, voter, packed(ballot)]
    return keccak256(encode_words([*types, "bytes32", "bytes32"], [*place, evidence, salt]))


def aggregate_seal(
    chain_id: int,
    mining: bytes,
    task_id: bytes,
    round: int,
    edge: bytes,
    digest: bytes,
    size: int,
    root: bytes,
    nonce: int,
    salt: bytes,
) -> bytes:
    """``Sealed.aggregate``: 32 bytes that hide an edge's candidate until the seal phase is over."""
    types = ["bytes32", "uint256", "address", "bytes32", "uint32", "address", "bytes32", "uint32", "bytes32", "uint64"]
    place: list[int | bytes] = [_AGGREGATE, chain_id, mining, task_id, round, edge, digest, size, root, nonce]
    return keccak256(encode_words([*types, "bytes32"], [*place, salt]))


def vote_evidence(aggregate_root: bytes, case_key: bytes, voter: bytes) -> bytes:
    """What only a voter who recomputed the aggregate knows, bound to the case and to the voter, so that it cannot
    be copied (32 bytes)."""
    return keccak256(encode_words(["bytes32", "bytes32", "address"], [aggregate_root, case_key, voter]))


def derive_salt(secret: bytes, *parts: bytes) -> bytes:
    """A salt that its owner can always derive again: HMAC-SHA256 over the parts, each after its length.

    Different parts give different salts, wherever the boundaries between them lie; so name everything that a salt
    must not be reused across: purpose, chain, contract, task, round, attempt, seat.
    """
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(secret, message, sha256).digest()


def round_key(task_id: bytes, round: int) -> bytes:
    """A round's pot in the escrow and its case before a panel."""
    return keccak256(encode_words(["bytes32", "uint32"], [task_id, round]))


def terms_digest(terms: Sequence[Any]) -> bytes:
    """keccak256 of the ABI encoding of ``ILearningTypes.Terms``, given as the nested tuple of its fields."""
    return keccak256(encode_words(_TERMS, _leaves(terms)))


def _leaves(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from _leaves(value)
        else:
            yield value


def genesis_head(task_id: bytes, terms_digest: bytes) -> bytes:
    """The head of a task before its first round."""
    return keccak256(encode_words(["bytes32", "bytes32"], [task_id, terms_digest]))


def enrolments_hash(before: bytes, device: bytes, weight: int, ownership: bytes) -> bytes:
    """The running hash over all enrolments, in order; before the first it is 32 zero bytes."""
    return keccak256(encode_words(["bytes32", "address", "uint32", "bytes32"], [before, device, weight, ownership]))


def parent_hash(head: bytes, enrolments: bytes, enrolled: int) -> bytes:
    """The pointer ℵ that a round builds on: the last header, and who is enrolled."""
    return keccak256(encode_words(["bytes32", "bytes32", "uint16"], [head, enrolments, enrolled]))


def candidate_header(
    *,
    parent: bytes,
    task_id: bytes,
    round: int,
    kind: int,
    included: int,
    total_weight: int,
    digest: bytes,
    size: int,
    root: bytes,
    edge: bytes,
    beta: int,
    nonce: int,
) -> bytes:
    """The header of a candidate block; ``digest``, ``size`` and ``root`` are the aggregate's."""
    types = ["bytes32", "bytes32", "uint32", "uint8", "uint256", "uint64"]
    types += ["bytes32", "uint32", "bytes32", "address", "uint64", "uint64"]
    values: list[int | bytes] = [
        parent,
        task_id,
        round,
        kind,
        included,
        total_weight,
        digest,
        size,
        root,
        edge,
        beta,
        nonce,
    ]
    return keccak256(encode_words(types, values))


def closing_header(candidate_header: bytes, outcome: int, opening_digest: bytes, model_digest: bytes) -> bytes:
    """The header of a round that a candidate and an opening closed; ``model_digest`` is 32 zero bytes on overflow."""
    types = ["bytes32", "uint8", "bytes32", "bytes32"]
    return keccak256(encode_words(types, [candidate_header, outcome, opening_digest, model_digest]))


def failed_header(parent: bytes, task_id: bytes, round: int, outcome: int) -> bytes:
    """The header of a round that closed without a result."""
    return keccak256(encode_words(["bytes32", "bytes32", "uint32", "uint8"], [parent, task_id, round, outcome]))
