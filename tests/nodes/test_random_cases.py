"""Promises 5 and 21 in full: ten thousand random cases each in which Solidity, on anvil, says what Python says, and
kubo what the embedded store says; and that the draw, by the contract's own function, favours nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from random import Random
from urllib.parse import urlsplit

import pytest
from anvil_chain import AnvilChain
from evm import Contract, Evm

from dapp.consensus.sortition import panel
from dapp.crypto import cid, merkle
from dapp.runtime.programs import Running

CASES = 10_000
MEMBERS, SEATS, DRAWS = 40, 5, 100_000
CRITICAL = 72.05
"""χ² with 39 degrees of freedom is larger with probability 0.001."""


@pytest.fixture
def evm(anvil: Running) -> Iterator[Evm]:
    """anvil as it was before, afterwards."""
    evm = Evm(1, partial(AnvilChain, anvil.url))
    before = evm.chain.snapshot()
    yield evm
    evm.chain.revert(before)


def test_merkle_branches_hold_on_chain_where_they_hold_in_python(evm: Evm) -> None:
    harness, random, differences = evm.deploy("MerkleHarness"), Random(5), 0
    for case in range(CASES):
        branch = [random.randbytes(32) for _ in range(random.randrange(8))]
        position, ciphertext = random.randrange(2**32), random.randbytes(32)
        leaf = root = merkle.ciphertext_leaf(position, ciphertext)
        for sibling in branch:
            root = merkle.keccak256(min(root, sibling) + max(root, sibling))
        said = root if case % 2 else random.randbytes(32)
        held = harness.read("holds", branch, said, position, ciphertext)
        differences += held is not merkle.verify(leaf, branch, said) or held is not bool(case % 2)
    print(f"\n{CASES:,} Merkle branches, {differences} differences")
    assert differences == 0


def _panels(harness: Contract, seeds: list[int], members: int, seats: int) -> list[list[int]]:
    return [list(drawn) for drawn in harness.read("panels", seeds, members, seats)]


def test_seats_are_drawn_as_in_python(evm: Evm) -> None:
    harness, random, cases, differences = evm.deploy("SortitionHarness"), Random(21), 0, 0
    while cases < CASES:
        members = random.randrange(1, 200)
        seats = random.randrange(1, min(members, 51) + 1)
        seeds = [random.getrandbits(128) for _ in range(20)]
        expected = [panel(seed, members, seats) for seed in seeds]
        differences += sum(a != b for a, b in zip(_panels(harness, seeds, members, seats), expected, strict=True))
        cases += seats * len(seeds)
    print(f"\n{cases:,} seats, {differences} differences")
    assert differences == 0


def test_every_member_is_drawn_as_often_as_any_other(evm: Evm) -> None:
    """χ² over 100,000 draws of the contract's own function: p > 0.001 for all seats together and for each alone."""
    harness, random = evm.deploy("SortitionHarness"), Random(2026)
    counts = [[0] * MEMBERS for _ in range(SEATS)]
    for _ in range(DRAWS // SEATS // 400):
        for drawn in _panels(harness, [random.getrandbits(128) for _ in range(400)], MEMBERS, SEATS):
            for seat, member in enumerate(drawn):
                counts[seat][member] += 1
    assert sum(map(sum, counts)) == DRAWS
    statistics = []
    for observed in [*counts, [sum(column) for column in zip(*counts, strict=True)]]:
        mean = sum(observed) / MEMBERS
        statistics.append(sum((count - mean) ** 2 for count in observed) / mean)
    print(f"\n{DRAWS:,} draws: χ² at most {max(statistics):.1f}, critical {CRITICAL}")
    assert max(statistics) < CRITICAL


def test_names_of_blobs_are_kubos_own(kubo: Running) -> None:
    """Ten thousand random blobs of up to three chunks, asked of kubo without storing them."""
    random, differences, batch = Random(7), 0, 500
    connection = HTTPConnection(urlsplit(kubo.url).netloc, timeout=120)
    for _ in range(CASES // batch):
        blobs = [random.randbytes(random.choice([0, 1, 50, 900, random.randrange(20_000)])) for _ in range(batch - 5)]
        blobs += [random.randbytes(262_144 * k + random.randrange(-2, 3)) for k in (1, 1, 2, 2, 3)]
        boundary = "cairn-boundary"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{i}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + blob
            + b"\r\n"
            for i, blob in enumerate(blobs)
        ]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        query = "only-hash=true&cid-version=1&raw-leaves=true&chunker=size-262144&progress=false"
        connection.request("POST", f"/api/v0/add?{query}", body, headers)
        answers = [json.loads(line) for line in connection.getresponse().read().splitlines()]
        named = {int(answer["Name"]): answer["Hash"] for answer in answers if answer["Name"].isdigit()}
        differences += sum(named[i] != cid.cid_v1(cid.digest(blob), len(blob)) for i, blob in enumerate(blobs))
    print(f"\n{CASES:,} blobs, {differences} differences")
    assert differences == 0
