"""Seals and headers are Solidity's abi.encode, hashed; salts never repeat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from dapp.crypto import sealed
from dapp.crypto.merkle import keccak256
from dapp.crypto.sealed import derive_salt, packed, vote_evidence, vote_seal
from dapp.crypto.words import encode_words
from dapp.errors import CryptoError
from dapp.protocol.records import Ballot

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sealed.json").read_text())
WORD = st.binary(min_size=32, max_size=32)
ADDRESS = st.binary(min_size=20, max_size=20)
TYPES = {
    "uint8": st.integers(0, 2**8 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "uint128": st.integers(0, 2**128 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "bool": st.booleans(),
    "address": ADDRESS,
    "bytes32": WORD,
}


def plain(value: Any) -> Any:
    """A vector's value: 0x strings are bytes, lists are tuples, ballots are ballots."""
    if isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    if isinstance(value, list):
        return tuple(plain(item) for item in value)
    if isinstance(value, dict):
        return Ballot(**value)
    return value


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["function"])
def test_functions_give_what_the_shared_vectors_say(vector: dict[str, Any]) -> None:
    function = getattr(sealed, vector["function"])
    arguments = {name: plain(value) for name, value in vector["arguments"].items()}
    assert "0x" + function(**arguments).hex() == vector["expected"]


@given(st.lists(st.sampled_from(sorted(TYPES)).flatmap(lambda t: st.tuples(st.just(t), TYPES[t]))))
def test_words_are_the_abi_encoding(typed: list[tuple[str, Any]]) -> None:
    types, values = [t for t, _ in typed], [v for _, v in typed]
    assert encode_words(types, values) == encode(types, values)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("uint8", 256),
        ("uint32", -1),
        ("uint256", bytes(32)),
        ("bool", 2),
        ("bytes32", bytes(31)),
        ("bytes32", 7),
        ("address", bytes(32)),
        ("address", 7),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(type_: str, value: Any) -> None:
    with pytest.raises(CryptoError, match=type_):
        encode_words([type_], [value])


@given(ADDRESS, WORD, st.integers(0, 2), st.integers(0, 50), ADDRESS, WORD, WORD, st.integers(0, 10))
def test_a_vote_seal_is_another_wherever_anything_is_another(
    consumer: bytes, case: bytes, attempt: int, seat: int, voter: bytes, evidence: bytes, salt: bytes, changed: int
) -> None:
    arguments: list[Any] = [1, consumer, consumer, case, attempt, seat, voter, Ballot(1, 2, 4, 8), evidence, salt]
    seal = vote_seal(*arguments)
    if changed < len(arguments):
        arguments[changed] = _other(arguments[changed])
        assert vote_seal(*arguments) != seal
    else:
        assert vote_seal(*arguments) == seal


def _other(value: Any) -> Any:
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return Ballot(2, 1, 4, 8) if isinstance(value, Ballot) else value + 1


@given(st.tuples(*[st.integers(0, 255)] * 4))
def test_a_packed_ballot_keeps_its_masks_apart(masks: tuple[int, int, int, int]) -> None:
    assert packed(Ballot(*masks)).to_bytes(4, "big") == bytes(masks)


def test_evidence_of_another_voter_is_another() -> None:
    root, case = bytes(32), b"\1" * 32
    assert vote_evidence(root, case, b"\2" * 20) != vote_evidence(root, case, b"\3" * 20)
    assert vote_evidence(root, case, b"\2" * 20) == keccak256(root + case + bytes(12) + b"\2" * 20)


def test_salts_never_repeat_over_tasks_rounds_seats_and_attempts() -> None:
    """Promise 19, over 10⁵ places."""
    places = (
        (bytes([task]) * 32, number.to_bytes(4, "big"), bytes([attempt]), seat.to_bytes(2, "big"))
        for task in range(10)
        for number in range(70)
        for attempt in range(3)
        for seat in range(51)
    )
    salts = [derive_salt(b"secret", b"vote", *place) for place in places]
    assert len(set(salts)) == len(salts) == 107_100


@given(st.binary(max_size=8), st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_salts_differ_wherever_the_parts_do(secret: bytes, parts: list[bytes], others: list[bytes]) -> None:
    assert (derive_salt(secret, *parts) == derive_salt(secret, *others)) == (parts == others)


def test_salts_of_two_secrets_have_nothing_in_common() -> None:
    assert derive_salt(b"a", b"vote") != derive_salt(b"b", b"vote")
