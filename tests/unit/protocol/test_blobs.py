"""What travels through the store: one encoding for one content, and nothing else is accepted."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapp.errors import BlobError
from dapp.protocol.blobs import AggregateBlob, KeyBlob, OpeningBlob, ShareBlob, UpdateBlob, join, split
from dapp.types import Address, Round, TaskId

TASK = TaskId(b"t" * 32)
BLOBS = (
    KeyBlob(b"n" * 64, 3, 5),
    UpdateBlob(TASK, Round(1), Address(b"d" * 20), b"c" * 256, b"proof"),
    AggregateBlob(TASK, Round(1), b"c" * 256),
    ShareBlob(TASK, Round(1), 2, b"s" * 64),
    OpeningBlob(TASK, Round(1), b"m" * 64, b"r" * 64),
)


@pytest.mark.parametrize("blob", BLOBS, ids=lambda blob: blob.kind)
def test_what_was_encoded_is_decoded(blob: KeyBlob) -> None:
    assert type(blob).decode(blob.encode()) == blob


@pytest.mark.parametrize("blob", BLOBS, ids=lambda blob: blob.kind)
def test_no_blob_is_taken_for_one_of_another_kind(blob: KeyBlob) -> None:
    for other in BLOBS:
        if other is not blob:
            with pytest.raises(BlobError, match="is something else"):
                type(other).decode(blob.encode())


def changed(**changes: object) -> bytes:
    """A share's map with these fields instead; None leaves one out."""
    body = cbor2.loads(BLOBS[3].encode()) | changes
    return cbor2.dumps({name: value for name, value in body.items() if value is not None}, canonical=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not CBOR"),
        (b"\xff", "not CBOR"),
        (cbor2.dumps([1, 2]), "something else"),
        (changed(version=2), "something else"),
        (changed(holder=None), "with fields"),
        (changed(extra=1), "with fields"),
        (changed(holder="2"), "field 'holder'"),
        (changed(holder=-1), "field 'holder'"),
        (changed(holder=True), "field 'holder'"),
        (changed(shares="s"), "field 'shares'"),
        (changed(round=1.0), "field 'round'"),
        (BLOBS[3].encode() + b"\0", "canonical"),
        (cbor2.dumps(dict(reversed(cbor2.loads(BLOBS[3].encode()).items()))), "canonical"),
    ],
)
def test_anything_else_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BlobError, match=reason):
        ShareBlob.decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_of_a_stranger_raise_anything_but_blob_error(data: bytes) -> None:
    for blob in BLOBS:
        with pytest.raises(BlobError):
            type(blob).decode(data)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_numbers_of_a_width_are_joined_and_split(numbers: list[int]) -> None:
    assert split(join(numbers, 8), 8, len(numbers), "numbers") == numbers


def test_another_length_is_refused() -> None:
    with pytest.raises(BlobError, match="shares: 15 bytes, expected 2 numbers of 8 bytes"):
        split(bytes(15), 8, 2, "shares")
