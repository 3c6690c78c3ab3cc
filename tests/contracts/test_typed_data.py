"""Signed messages hash alike in Solidity and Python: shared vectors, and 10,000 random cases."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from evm import Contract, Evm

from dapp.crypto.merkle import keccak256
from dapp.crypto.typed_data import (
    Attestation,
    Domain,
    Enrolment,
    Message,
    ShareCommit,
    Ticket,
    UpdateCommit,
    learning_domain,
)
from dapp.crypto.words import encode_words

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "typed_data.json").read_text())["vectors"]
BATCHES: dict[type[Message], str] = {
    Ticket: "tickets",
    Enrolment: "enrolments",
    UpdateCommit: "updates",
    Attestation: "attestations",
    ShareCommit: "shares",
}
CASES = 2_000
"""Of each of five messages."""
AT_ONCE = 500


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm(accounts=1).deploy("TypedDataHarness", "Cairn Learning")


def row(cls: type[Message], values: list[Any]) -> tuple[Any, ...]:
    """The Solidity tuple: an update's four fields are a struct of their own."""
    return (*values[:3], tuple(values[3:7]), values[7]) if cls is UpdateCommit else tuple(values)


def any_values(cls: type[Message], rng: random.Random) -> list[Any]:
    widths = {"bytes32": 32, "address": 20}
    types = [member.split()[0] for member in cls.TYPE[cls.TYPE.index("(") + 1 : -1].split(",")]
    return [rng.randbytes(widths[t]) if t in widths else rng.getrandbits(int(t[4:])) for t in types]


@pytest.mark.parametrize("cls", BATCHES, ids=lambda cls: cls.__name__)
def test_random_messages_hash_alike(harness: Contract, cls: type[Message]) -> None:
    rng = random.Random(cls.__name__)
    domain = learning_domain(harness.evm.chain.chain_id, harness.address)
    for _ in range(CASES // AT_ONCE):
        cases = [any_values(cls, rng) for _ in range(AT_ONCE)]
        struct_hashes = harness.read(BATCHES[cls], [row(cls, values) for values in cases])
        hashes = harness.read("signingHashes", struct_hashes)
        assert list(hashes) == [cls(*values).signing_hash(domain) for values in cases]


@pytest.mark.parametrize("cls", BATCHES, ids=lambda cls: cls.__name__)
def test_messages_hash_as_the_shared_vectors_say(harness: Contract, cls: type[Message]) -> None:
    known = [vector for vector in VECTORS if vector["message"] == cls.__name__]
    cases = [[_bytes(value) for value in vector["fields"].values()] for vector in known]
    struct_hashes = harness.read(BATCHES[cls], [row(cls, values) for values in cases])
    assert [f"0x{found.hex()}" for found in struct_hashes] == [vector["struct_hash"] for vector in known]
    for vector, struct_hash in zip(known, struct_hashes, strict=True):
        said = vector["domain"]
        domain = Domain(said["name"], said["chain_id"], _bytes(said["contract"]))
        assert _signing(domain, struct_hash) == vector["signing_hash"]


def test_the_domain_is_what_the_contract_says_of_itself(harness: Contract) -> None:
    """EIP-5267."""
    _, name, version, chain_id, contract, *_ = harness.read("eip712Domain")
    assert (name, version) == ("Cairn Learning", "1")
    domain = Domain(name, chain_id, _bytes(contract))
    types = ("bytes32", "bytes32", "bytes32", "uint256", "address")
    kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    values = kind, keccak256(name.encode()), keccak256(version.encode()), chain_id, harness.address
    assert domain.separator == keccak256(encode_words(types, values))


def _signing(domain: Domain, struct_hash: bytes) -> str:
    return "0x" + keccak256(b"\x19\x01" + domain.separator + struct_hash).hex()


def _bytes(value: Any) -> Any:
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value
