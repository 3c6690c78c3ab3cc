"""Merkle trees with sorted pairs, as OpenZeppelin's MerkleProof checks them; a node without sibling moves up."""

from __future__ import annotations

from collections.abc import Sequence

from Crypto.Hash import keccak

from dapp.crypto.paillier import PublicKey
from dapp.errors import CryptoError


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash, 32 bytes."""
    return keccak.new(digest_bits=256, data=data).digest()


def ciphertext_leaf(index: int, ciphertext: bytes) -> bytes:
    """keccak256(index as 4 bytes ‖ ciphertext): position and value bound together."""
    return keccak256(index.to_bytes(4, "big") + ciphertext)


def holder_leaf(index: int, address: bytes) -> bytes:
    """keccak256(keccak256(abi.encode(uint256 index, address))), the leaf of OpenZeppelin's StandardMerkleTree."""
    return keccak256(keccak256(index.to_bytes(32, "big") + address.rjust(32, b"\0")))


def root(leaves: Sequence[bytes]) -> bytes:
    """The root; of one leaf, the leaf itself.

    Raises:
        CryptoError: no leaf.
    """
    return _levels(leaves)[-1][0]


def branch(leaves: Sequence[bytes], i: int) -> tuple[bytes, ...]:
    """The siblings of leaf ``i`` from the bottom up, which ``verify`` and MerkleProof.verify take.

    Raises:
        CryptoError: there is no leaf ``i``.
    """
    if not 0 <= i < len(leaves):
        raise CryptoError(f"a Merkle tree of {len(leaves)} leaves has no leaf {i}", help="Ask for a leaf it has.")
    siblings = []
    for level in _levels(leaves)[:-1]:
        if i ^ 1 < len(level):
            siblings.append(level[i ^ 1])
        i //= 2
    return tuple(siblings)


def verify(leaf: bytes, branch: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf and its branch lead to the root."""
    for sibling in branch:
        leaf = _parent(leaf, sibling)
    return leaf == root


def ciphertext_root(public: PublicKey, data: bytes) -> bytes:
    """The root over the ciphertexts of ``paillier.to_bytes``.

    Raises:
        CryptoError: not a whole, positive number of ciphertexts.
    """
    width = public.ciphertext_bytes
    if not data or len(data) % width:
        raise CryptoError(
            f"{len(data)} bytes are no whole number of ciphertexts of {width} bytes",
            help="Fetch the blob again; if it stays so, refuse it.",
        )
    return root([ciphertext_leaf(i, data[i * width : (i + 1) * width]) for i in range(len(data) // width)])


def _parent(a: bytes, b: bytes) -> bytes:
    return keccak256(a + b if a < b else b + a)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The tree from its leaves to its root."""
    if not leaves:
        raise CryptoError("a Merkle tree needs a leaf", help="Do not commit to an empty list.")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        level = levels[-1]
        pairs = [_parent(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        levels.append(pairs + level[len(pairs) * 2 :])
    return levels
