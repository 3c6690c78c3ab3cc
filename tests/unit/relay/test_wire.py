"""What passes a door has one spelling, and nothing else is read."""

from __future__ import annotations

import json
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from porch import PLACE, TASK, TERMS, messages, signed

from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, UpdateCommit
from dapp.errors import BlobError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed
from dapp.relay import DoorRefused, DoorTerms, Letter, Place
from dapp.relay.wire import BLOB, MAX_MESSAGE, blob_path
from dapp.types import Address, Digest, Round, TaskId


def uint(bits: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, (1 << bits) - 1), st.sampled_from([0, (1 << bits) - 1]))


def sized(count: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=count, max_size=count)


tasks, rounds, words = sized(32).map(TaskId), uint(32).map(Round), sized(32)
digests, addresses, signatures = words.map(Digest), sized(20).map(Address), sized(65)
branches = st.lists(words, max_size=8).map(tuple)
handed = st.one_of(
    st.builds(
        Handed,
        st.builds(Enrolment, tasks, addresses, uint(32), words, uint(64)),
        signatures,
        st.tuples(signatures),
    ),
    st.builds(
        Handed,
        st.builds(UpdateCommit, tasks, rounds, addresses, digests, uint(32), words, uint(32), uint(64)),
        signatures,
        st.just(()),
    ),
    st.builds(Handed, st.builds(Attestation, tasks, rounds, uint(8), uint(256), uint(64)), signatures, branches),
    st.builds(
        Handed, st.builds(ShareCommit, tasks, rounds, uint(8), digests, uint(32), uint(64)), signatures, branches
    ),
)
letters = st.builds(Letter, handed, uint(64), addresses)
terms = st.builds(
    DoorTerms,
    st.builds(Place, uint(64), addresses, addresses, addresses),
    addresses,
    st.lists(tasks, max_size=3).map(tuple),
    uint(40),
    uint(32),
    uint(40),
)


def letters_of_each_kind() -> list[Letter]:
    return [Letter(signed(message), PLACE.chain_id, PLACE.taker(message)) for message in messages()]


@given(letter=letters)
def test_every_message_comes_back_and_fits_in_the_door(letter: Letter) -> None:
    data = letter.encode()
    assert Letter.decode(data) == letter
    assert len(data) <= MAX_MESSAGE


@given(data=st.binary(max_size=600))
def test_arbitrary_bytes_are_no_message(data: bytes) -> None:
    with pytest.raises(BlobError):
        Letter.decode(data)


@given(letter=letters, place=st.integers(0), value=st.integers(1, 255))
def test_one_changed_byte_is_another_message_or_none(letter: Letter, place: int, value: int) -> None:
    data = bytearray(letter.encode())
    data[place % len(data)] ^= value
    try:
        other = Letter.decode(bytes(data))
    except BlobError:
        return
    assert other != letter
    assert other.encode() == data


junk = st.one_of(st.integers(-(1 << 70), 1 << 70), st.binary(max_size=80), st.text(max_size=5), st.none(), st.floats())


@given(letter=st.sampled_from(letters_of_each_kind()), value=junk, pick=st.integers(0))
@settings(max_examples=300)
def test_a_field_of_another_type_or_range_is_refused(letter: Letter, value: object, pick: int) -> None:
    body = cbor2.loads(letter.encode())
    name = sorted(body)[pick % len(body)]
    body[name] = value
    data = cbor2.dumps(body, canonical=True)
    try:
        decoded = Letter.decode(data)
    except BlobError:
        return
    assert decoded.encode() == data


@pytest.mark.parametrize("letter", letters_of_each_kind(), ids=lambda letter: type(letter.handed.message).__name__)
def test_a_field_more_or_less_another_version_or_kind_is_refused(letter: Letter) -> None:
    body = cbor2.loads(letter.encode())
    for changed in (
        body | {"more": 1},
        {name: value for name, value in body.items() if name != "deadline"},
        body | {"version": 2},
        body | {"kind": "ticket"},
        body | {"kind": {"share": "attestation", "attestation": "share"}.get(body["kind"], "share")},
        body | {"proof": body["proof"] + b"\0"},
        body | {"signature": body["signature"][:64]},
    ):
        with pytest.raises(BlobError):
            Letter.decode(cbor2.dumps(changed, canonical=True))


def test_a_message_has_one_spelling() -> None:
    letter = letters_of_each_kind()[1]
    body = cbor2.loads(letter.encode())
    backwards = dict(sorted(body.items(), reverse=True))
    with pytest.raises(BlobError, match="canonical"):
        Letter.decode(cbor2.dumps(backwards))
    with pytest.raises(BlobError, match="after the end"):
        Letter.decode(letter.encode() + b"\0")
    with pytest.raises(BlobError, match="none has more than"):
        Letter.decode(letter.encode() + bytes(MAX_MESSAGE))


@pytest.mark.parametrize(
    ("kind", "proof"),
    [(Enrolment, ()), (Enrolment, (b"\1" * 32,)), (UpdateCommit, (b"\1" * 32,)), (ShareCommit, (b"\1" * 32,) * 9)],
)
def test_a_message_without_the_proof_of_its_kind_is_not_even_sent(kind: type, proof: tuple[bytes, ...]) -> None:
    letter = next(each for each in letters_of_each_kind() if isinstance(each.handed.message, kind))
    with pytest.raises(BlobError, match="proof"):
        replace(letter, handed=replace(letter.handed, proof=proof)).encode()


@given(terms=terms)
def test_a_doors_terms_come_back(terms: DoorTerms) -> None:
    assert DoorTerms.decode(terms.encode()) == terms


@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_arbitrary_bytes_are_no_terms(data: bytes) -> None:
    with pytest.raises(BlobError):
        DoorTerms.decode(data)


@given(value=st.recursive(junk.filter(lambda v: not isinstance(v, bytes)), st.lists), pick=st.integers(0))
def test_terms_with_a_wrong_field_are_refused(value: object, pick: int) -> None:
    body = json.loads(TERMS.encode())
    name = sorted(body)[pick % len(body)]
    body[name] = value
    try:
        decoded = DoorTerms.decode(json.dumps(body).encode())
    except BlobError:
        return
    assert type(value) in (int, list)  # a number in a number's place, or no tasks at all
    assert isinstance(decoded, DoorTerms)


def test_terms_as_deep_or_as_long_as_a_stranger_likes_are_refused() -> None:
    for data in (b"[" * 60_000, b'{"version":' + b"9" * 60_000 + b"}", b" " * 100_000):
        with pytest.raises(BlobError):
            DoorTerms.decode(data)


def test_a_door_of_another_chain_contract_or_task_is_told_by_its_terms() -> None:
    TERMS.check(PLACE, TASK, "http://edge")
    with pytest.raises(DoorRefused, match="leads elsewhere: chain_id 1337 where 1 was expected"):
        TERMS.check(replace(PLACE, chain_id=1), TASK, "http://edge")
    with pytest.raises(DoorRefused, match="mining 0x0202"):
        TERMS.check(replace(PLACE, mining=Address(bytes(20))), TASK, "http://edge")
    with pytest.raises(DoorRefused, match="does not serve task 0x0000"):
        TERMS.check(PLACE, TaskId(bytes(32)), "http://edge")


def test_a_blobs_path_is_its_digest_and_size() -> None:
    path = blob_path(BlobRef(Digest(b"\xab" * 32), 1024))
    assert path == f"/v1/blobs/{'ab' * 32}/1024"
    assert BLOB.fullmatch(path)
    assert not any(BLOB.fullmatch(p) for p in (path.upper(), path + "/", path.replace("/1024", "/01024"), path[:-5]))
