"""What travels through the content store, besides models: canonical CBOR maps with a kind and a version.

Every decoder is given bytes of a stranger: it is capped by the caller's ``size`` before it reads, accepts exactly the
fields that it knows, and raises ``BlobError`` for anything else, whatever it is.

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
UNSIGNED, BYTES, TEXT, MAP = 0, 2, 3, 5
"""Major types of CBOR (RFC 8949 §3.1)."""
MAX_FIELDS, MAX_TEXT = 16, 64


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
        body = read_map(data)
        if body.get("kind") != cls.kind or body.get("version") != VERSION:
            raise BlobError(f"a blob that should be {cls._name()} (version {VERSION}) is something else")
        names = {field.name: field.type for field in fields(cls)}
        if set(body) != {"kind", "version", *names}:
            raise BlobError(f"{cls._name()} with fields {sorted(body)}, expected {sorted(names)}")
        values: dict[str, Any] = {}
        for name, kind in names.items():
            expected = int if kind in ("int", "Round") else bytes
            if type(body[name]) is not expected:
                raise BlobError(f"{cls._name()}: field '{name}' is not {'a number' if expected is int else 'bytes'}")
            values[name] = body[name]
        blob = cls(**values)
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


def read_map(data: bytes) -> dict[str, int | bytes | str]:
    """A CBOR map of few text keys to unsigned integers, byte strings and texts, and nothing else.

    Written out because a general decoder does too much for a stranger's bytes: tags alone make it build numbers,
    dates and regular expressions, at a cost that the size of a blob does not bound.

    Raises:
        BlobError: anything else, or bytes left over.
    """
    items = _Items(data)
    count = items.head(MAP)
    if count > MAX_FIELDS:
        raise BlobError(f"a CBOR map of {count} fields; no blob has more than {MAX_FIELDS}")
    body: dict[str, int | bytes | str] = {}
    for _ in range(count):
        key = items.text()
        if key in body:
            raise BlobError(f"a CBOR map with the field {key!r} twice")
        body[key] = items.value()
    if items.left:
        raise BlobError(f"{items.left:,} bytes after the end of a CBOR map")
    return body


class _Items:
    """Reads the data items of CBOR (RFC 8949 §3) that blobs consist of, from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def head(self, major: int) -> int:
        """The argument of an item that must be of this major type."""
        first = self._take(1)[0]
        if first >> 5 != major or first & 31 > 27:
            raise BlobError(f"byte {self._at - 1} of a blob is no CBOR of the kind expected there")
        short = first & 31
        return short if short < 24 else int.from_bytes(self._take(1 << (short - 24)), "big")

    def text(self) -> str:
        """A text string of at most ``MAX_TEXT`` bytes."""
        length = self.head(TEXT)
        if length > MAX_TEXT:
            raise BlobError(f"a text of {length:,} bytes in a blob; none has more than {MAX_TEXT}")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise BlobError(f"a text in a blob is not UTF-8: {error}") from error

    def value(self) -> int | bytes | str:
        """An unsigned integer, a byte string or a text."""
        major = self._data[self._at] >> 5 if self.left else UNSIGNED
        if major == BYTES:
            return self._take(self.head(BYTES))
        return self.text() if major == TEXT else self.head(UNSIGNED)

    def _take(self, count: int) -> bytes:
        if count > self.left:
            raise BlobError("a blob ends in the middle of its CBOR")
        self._at += count
        return self._data[self._at - count : self._at]


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
