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
    "data",
    [
        b"",
        b"\xff",
        cbor2.dumps([1, 2]),
        cbor2.dumps(cbor2.CBORTag(2, b"\1")),
        changed(version=2),
        changed(kind="update"),
        changed(holder=None),
        changed(extra=1),
        changed(holder="2"),
        changed(holder=-1),
        changed(holder=True),
        changed(holder=2**64),
        changed(shares="s"),
        changed(shares=[1]),
        changed(round=1.0),
        BLOBS[3].encode() + b"\0",
        BLOBS[3].encode()[:-1],
        cbor2.dumps(dict(reversed(cbor2.loads(BLOBS[3].encode()).items()))),
        BLOBS[3].encode().replace(b"\x02", b"\x18\x02", 1),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    assert data != BLOBS[3].encode()
    with pytest.raises(BlobError):
        ShareBlob.decode(data)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(BlobError, match=r"a share with fields \['extra', 'holder', .*\], expected \["):
        ShareBlob.decode(changed(extra=1))
    with pytest.raises(BlobError, match="a share: field 'holder' is not"):
        ShareBlob.decode(changed(holder=b"2"))
    with pytest.raises(BlobError, match="canonical"):
        ShareBlob.decode(cbor2.dumps(dict(reversed(cbor2.loads(BLOBS[3].encode()).items()))))


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
