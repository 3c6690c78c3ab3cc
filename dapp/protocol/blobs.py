"""What travels through the content store, besides models: canonical CBOR maps with a kind and a version.

Every decoder is given bytes of a stranger: it is capped by the caller's ``size`` before it reads, accepts exactly the
fields that it knows, and raises ``BlobError`` for anything else.

| kind      | fields                                                                    |
|-----------|---------------------------------------------------------------------------|
| key       | n, threshold, holders                                                     |
| update    | task, round, device, ciphertexts (fixed width, concatenated), proof       |
| aggregate | task, round, ciphertexts                                                  |
| share     | task, round, holder, shares (fixed width of n, concatenated)              |
| opening   | task, round, messages, roots (fixed width of n each, concatenated)        |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import cbor2

from dapp.errors import BlobError
from dapp.types import Address, Digest, Round, TaskId

VERSION = 1


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A blob by what the chain says of it: its digest and its size in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class _Blob:
    kind: ClassVar[str]

    def encode(self) -> bytes:
        """Canonical CBOR (RFC 8949 §4.2.1): equal contents are equal bytes."""
        body = {field.name: getattr(self, field.name) for field in fields(self)}
        return cbor2.dumps({"kind": self.kind, "version": VERSION, **body}, canonical=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of :meth:`encode`.

        Raises:
            BlobError: not CBOR, another kind or version, other fields or types, not canonical.
        """
        try:
            body: Any = cbor2.loads(data)
        except Exception as error:  # the decoder has many ways to say that bytes are not CBOR
            raise BlobError(f"a blob that should be {cls._name()} is not CBOR: {error}") from error
        if not isinstance(body, dict) or body.get("kind") != cls.kind or body.get("version") != VERSION:
            raise BlobError(f"a blob that should be {cls._name()} (version {VERSION}) is something else")
        names = {field.name: field.type for field in fields(cls)}
        if set(body) != {"kind", "version", *names}:
            raise BlobError(f"{cls._name()} with fields {sorted(map(str, body))}, expected {sorted(names)}")
        for name, kind in names.items():
            expected = int if kind in ("int", "Round") else bytes
            if type(body[name]) is not expected or (expected is int and body[name] < 0):
                raise BlobError(f"{cls._name()}: field '{name}' is not a {expected.__name__}")
        blob = cls(**{name: body[name] for name in names})
        if blob.encode() != data:
            raise BlobError(f"{cls._name()} is not in canonical encoding")
        return blob

    @classmethod
    def _name(cls) -> str:
        return f"{'an' if cls.kind[0] in 'aou' else 'a'} {cls.kind}"


@dataclass(frozen=True, slots=True)
class KeyBlob(_Blob):
    """The public threshold key: modulus ``n`` (big endian), ``threshold`` of ``holders``."""

    kind: ClassVar[str] = "key"
    n: bytes
    threshold: int
    holders: int


@dataclass(frozen=True, slots=True)
class UpdateBlob(_Blob):
    """A device's encrypted local update with its proof of plaintext knowledge."""

    kind: ClassVar[str] = "update"
    task: TaskId
    round: Round
    device: Address
    ciphertexts: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class AggregateBlob(_Blob):
    """A candidate's encrypted sum; equal sums are equal blobs, whichever edge formed them."""

    kind: ClassVar[str] = "aggregate"
    task: TaskId
    round: Round
    ciphertexts: bytes


@dataclass(frozen=True, slots=True)
class ShareBlob(_Blob):
    """A holder's share of the opening, one number modulo n a ciphertext. ``holder`` counts from 0."""

    kind: ClassVar[str] = "share"
    task: TaskId
    round: Round
    holder: int
    shares: bytes


@dataclass(frozen=True, slots=True)
class OpeningBlob(_Blob):
    """The opened sum: C = ±(1+n)^m·r^n per position. Unique for a sum, whichever shares gave it."""

    kind: ClassVar[str] = "opening"
    task: TaskId
    round: Round
    messages: bytes
    roots: bytes


def join(numbers: Sequence[int], width: int) -> bytes:
    """Big endian numbers of ``width`` bytes each, concatenated."""
    return b"".join(int(number).to_bytes(width, "big") for number in numbers)


def split(data: bytes, width: int, count: int, what: str) -> list[int]:
    """The inverse of :func:`join`.

    Raises:
        BlobError: another length than ``count`` numbers of ``width`` bytes.
    """
    if len(data) != width * count:
        raise BlobError(f"{what}: {len(data)} bytes, expected {count} numbers of {width} bytes")
    return [int.from_bytes(data[i : i + width], "big") for i in range(0, len(data), width)]
