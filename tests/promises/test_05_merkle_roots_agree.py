"""Promise 5, Merkle roots: what Python proves of a ciphertext at its position, OpenZeppelin's MerkleProof accepts on
chain, and nothing else. Seals, typed data, CIDs and headers have their vectors and random cases beside their code."""

from __future__ import annotations

from random import Random

import pytest
from evm import Contract, Evm

from dapp.crypto import merkle, paillier

WIDTH = 128


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm(accounts=1).deploy("MerkleHarness")


@pytest.mark.parametrize("count", [*range(1, 18), 31, 32, 33, 91])
def test_every_ciphertext_is_proven_on_chain(harness: Contract, count: int) -> None:
    random = Random(count)
    ciphertexts = [random.randbytes(WIDTH) for _ in range(count)]
    public = paillier.PublicKey((1 << 512) - 1)
    root = merkle.ciphertext_root(public, b"".join(ciphertexts))
    leaves = [merkle.ciphertext_leaf(i, c) for i, c in enumerate(ciphertexts)]
    for position in random.sample(range(count), min(count, 8)):
        branch = list(merkle.branch(leaves, position))
        assert harness.read("holds", branch, root, position, ciphertexts[position])
        assert not harness.read("holds", branch, root, position + 1, ciphertexts[position])
        assert not harness.read("holds", branch, root, position, random.randbytes(WIDTH))
        assert not harness.read("holds", branch, random.randbytes(32), position, ciphertexts[position])


def test_python_and_solidity_agree_on_random_branches(harness: Contract) -> None:
    random = Random(7)
    for _ in range(200):
        branch = [random.randbytes(32) for _ in range(random.randrange(8))]
        position, ciphertext = random.randrange(2**32), random.randbytes(WIDTH)
        leaf = merkle.ciphertext_leaf(position, ciphertext)
        root = leaf
        for sibling in branch:
            root = merkle.keccak256(min(root, sibling) + max(root, sibling))
        wrong = random.randbytes(32)
        for said in (root, wrong):
            assert harness.read("holds", branch, said, position, ciphertext) is merkle.verify(leaf, branch, said)
