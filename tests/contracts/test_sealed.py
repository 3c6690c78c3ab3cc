"""Seals and headers are the same bytes in Solidity as in Python: shared vectors, and 10,000 random cases."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evm import Contract, Evm

from dapp.crypto import sealed
from dapp.crypto.sealed import packed
from dapp.protocol.records import Ballot

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sealed.json").read_text())["vectors"]
CASES = 2_500
"""Of each of four functions."""
AT_ONCE = 500
CHAIN_ID = 1337


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm(accounts=1).deploy("SealedHarness")


def plain(value: Any) -> Any:
    if isinstance(value, str):
        return bytes.fromhex(value[2:])
    if isinstance(value, list):
        return tuple(plain(item) for item in value)
    return Ballot(**value) if isinstance(value, dict) else value


def vectors(function: str) -> list[tuple[dict[str, Any], bytes]]:
    return [
        ({name: plain(value) for name, value in vector["arguments"].items()}, plain(vector["expected"]))
        for vector in VECTORS
        if vector["function"] == function
    ]


def vote(arguments: dict[str, Any]) -> tuple[Any, ...]:
    a = dict(arguments, ballot=packed(arguments["ballot"]))
    del a["chain_id"]
    return tuple(a.values())


def without_chain(arguments: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in arguments.items() if name != "chain_id")


ROWS: dict[str, tuple[str, Callable[[dict[str, Any]], tuple[Any, ...]]]] = {
    "vote_seal": ("votes", vote),
    "aggregate_seal": ("aggregates", without_chain),
    "candidate_header": ("candidates", without_chain),
    "closing_header": ("closings", without_chain),
}
WIDTHS = {"attempt": 8, "seat": 16, "round": 32, "size": 32, "nonce": 64, "total_weight": 64, "beta": 64}
ADDRESSES = {"verification", "consumer", "voter", "mining", "edge"}


def any_case(function: str, rng: random.Random) -> dict[str, Any]:
    """Arguments of a vector's shape, all at random."""
    case: dict[str, Any] = {}
    for name in vectors(function)[0][0]:
        if name == "chain_id":
            case[name] = CHAIN_ID
        elif name == "ballot":
            case[name] = Ballot(*(rng.getrandbits(8) for _ in range(4)))
        elif name in ("kind", "outcome"):
            case[name] = rng.randrange(2 if name == "kind" else 7)
        elif name == "included":
            case[name] = rng.getrandbits(256)
        elif name in WIDTHS:
            case[name] = rng.getrandbits(WIDTHS[name])
        else:
            case[name] = rng.randbytes(20 if name in ADDRESSES else 32)
    return case


@pytest.mark.parametrize("function", ROWS)
def test_random_cases_hash_alike(harness: Contract, function: str) -> None:
    rng = random.Random(function)
    batch, row = ROWS[function]
    for _ in range(CASES // AT_ONCE):
        cases = [any_case(function, rng) for _ in range(AT_ONCE)]
        assert list(harness.read(batch, [row(case) for case in cases])) == [
            getattr(sealed, function)(**case) for case in cases
        ]


@pytest.mark.parametrize("function", ["candidate_header", "closing_header"])
def test_headers_are_what_the_shared_vectors_say(harness: Contract, function: str) -> None:
    batch, row = ROWS[function]
    known = vectors(function)
    assert list(harness.read(batch, [row(arguments) for arguments, _ in known])) == [header for _, header in known]


@pytest.mark.parametrize("function", ["vote_seal", "aggregate_seal"])
def test_seals_are_what_python_says_of_the_shared_vectors_on_this_chain(harness: Contract, function: str) -> None:
    """The chain's id is hashed in and not to be chosen, hence the vectors' places with our chain's id."""
    batch, row = ROWS[function]
    here = [dict(arguments, chain_id=CHAIN_ID) for arguments, _ in vectors(function)]
    expected = [getattr(sealed, function)(**arguments) for arguments in here]
    assert list(harness.read(batch, [row(arguments) for arguments in here])) == expected


def test_failed_headers_are_what_the_shared_vectors_say(harness: Contract) -> None:
    for a, header in vectors("failed_header"):
        assert list(harness.read("failures", [a["parent"]], a["task_id"], a["round"], a["outcome"])) == [header]


def test_the_beginning_of_a_chain_is_what_the_shared_vectors_say(harness: Contract) -> None:
    known = zip(*(vectors(f) for f in ("round_key", "terms_digest", "enrolments_hash")), strict=False)
    tried = 0
    for (round_, key), (terms, digest), (enrolment, enrolments) in known:
        if terms["terms"][0][0] == 2**32 - 1:
            continue  # the enumeration of the largest vector is none of Solidity's
        arguments = round_["task_id"], round_["round"], terms["terms"], *enrolment.values(), 7
        head = sealed.genesis_head(round_["task_id"], digest)
        assert harness.read("chain", *arguments) == (key, head, enrolments, sealed.parent_hash(head, enrolments, 7))
        tried += 1
    assert tried
