from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils import keccak

from dapp.crypto import merkle, paillier
from dapp.crypto.paillier import PublicKey
from dapp.errors import CryptoError

LEAVES = [bytes([i]) * 32 for i in range(11)]


def test_the_hash_is_ethereums() -> None:
    assert merkle.keccak256(b"") == bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
    assert merkle.keccak256(b"cairn") == keccak(b"cairn")


def test_leaves_bind_position_and_value() -> None:
    assert merkle.ciphertext_leaf(258, b"\xff" * 512) == keccak(b"\0\0\1\2" + b"\xff" * 512)
    address = bytes(range(20))
    assert merkle.holder_leaf(3, address) == keccak(keccak(encode(["uint256", "address"], [3, address])))


@pytest.mark.parametrize("count", range(1, 12))
def test_every_leaf_has_a_branch_to_the_root(count: int) -> None:
    leaves = LEAVES[:count]
    root = merkle.root(leaves)
    for i, leaf in enumerate(leaves):
        branch = merkle.branch(leaves, i)
        assert merkle.verify(leaf, branch, root)
        assert not merkle.verify(LEAVES[-1] if leaf != LEAVES[-1] else LEAVES[0], branch, root)


def test_the_root_of_one_leaf_is_the_leaf() -> None:
    assert merkle.root(LEAVES[:1]) == LEAVES[0]
    assert merkle.branch(LEAVES[:1], 0) == ()


def test_pairs_are_sorted_and_a_lonely_node_moves_up() -> None:
    a, b, c = LEAVES[2], LEAVES[1], LEAVES[0]
    assert merkle.root([a, b, c]) == keccak(b"".join(sorted([keccak(b + a), c])))


def test_trees_without_leaves_and_leaves_without_trees_are_refused() -> None:
    with pytest.raises(CryptoError, match="needs a leaf"):
        merkle.root([])
    for i in (-1, 3):
        with pytest.raises(CryptoError, match=f"no leaf {i}"):
            merkle.branch(LEAVES[:3], i)


def test_the_root_over_ciphertexts_is_that_over_their_leaves(public: PublicKey) -> None:
    data = paillier.to_bytes(public, [7, 8, 9])
    leaves = [merkle.ciphertext_leaf(i, c.to_bytes(128, "big")) for i, c in enumerate([7, 8, 9])]
    assert merkle.ciphertext_root(public, data) == merkle.root(leaves)
    for bad in (b"", data[:-1]):
        with pytest.raises(CryptoError, match="no whole number"):
            merkle.ciphertext_root(public, bad)
