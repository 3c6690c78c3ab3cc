"""Proof that a sum of ciphertexts is not what it should be at one position, and what the contract makes of it.

The product of a round is C = ∏ c_k^{s_k} mod n² at each position. A candidate commits to its ciphertexts by a Merkle
root, as every device does, so one leaf of the candidate and one of each device show a lie: :func:`is_wrong` is the
verdict of ``contracts/crypto/PaillierSum.sol``, rule for rule. No honest candidate can be convicted: a position has one
leaf under every root, and one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dapp.crypto import merkle
from dapp.crypto.paillier import PublicKey
from dapp.errors import CryptoError

MOST_FACTORS = 32
"""Devices that the contract multiplies in one transaction."""
MOST_GAS = 7_500_000
"""What a transaction of a proof may cost by :func:`gas`, so that it stays below eight million."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The ciphertext at a position, big endian, and its branch."""

    ciphertext: bytes
    branch: tuple[bytes, ...]

    @classmethod
    def of(cls, public: PublicKey, data: bytes, position: int) -> Leaf:
        """The leaf at a position of ciphertexts that stand one after the other.

        Raises:
            CryptoError: no whole number of ciphertexts, or not so many.
        """
        leaves = _leaves(public, data)
        width = public.ciphertext_bytes
        branch = merkle.branch(leaves, position)
        return cls(data[position * width : (position + 1) * width], branch)

    def is_under(self, public: PublicKey, root: bytes, position: int) -> bool:
        """Whether the root commits to this leaf at this position. A leaf of another length could be an inner node."""
        hashed = merkle.ciphertext_leaf(position, self.ciphertext)
        return len(self.ciphertext) == public.ciphertext_bytes and merkle.verify(hashed, self.branch, root)

    @property
    def value(self) -> int:
        return int.from_bytes(self.ciphertext, "big")


@dataclass(frozen=True, slots=True)
class Factor:
    """An included device's part: the root that it committed to, the exponent (s_k, or 1), and its leaf."""

    root: bytes
    exponent: int
    leaf: Leaf


def branch_length(index: int, count: int) -> int:
    """How many siblings a leaf has on its way up, in a tree of ``count`` leaves."""
    length = 0
    while count > 1:
        length += index ^ 1 < count
        index, count = index // 2, (count + 1) // 2
    return length


def is_impossible(public: PublicKey, position: int, count: int, candidate: Leaf) -> bool:
    """Whether no right sum of ``count`` ciphertexts has such a leaf, whatever was added up: it lies past the end, its
    branch is one of another count of leaves, or it is n² or more."""
    if position >= count or len(candidate.branch) != branch_length(position, count):
        return True
    return candidate.value >= public.n_squared


def product(public: PublicKey, factors: Sequence[Factor], begun: int | None = None) -> int:
    """∏ c_k^{s_k} mod n² over the factors, times what was begun."""
    total = 1 if begun is None else begun
    for factor in factors:
        total = total * pow(factor.leaf.value, factor.exponent, public.n_squared) % public.n_squared
    return total


def is_wrong(
    public: PublicKey, position: int, count: int, root: bytes, candidate: Leaf, factors: Sequence[Factor]
) -> bool:
    """The contract's verdict: whether a candidate with this root is struck out by this proof.

    Args:
        count: ciphertexts of every update and sum, as the terms say.
        factors: of all included devices, in any order; not looked at where the leaf itself is impossible.

    Raises:
        CryptoError: a leaf is not under its root, and so the contract refuses to judge.
    """
    _check(public, candidate, root, position, "the candidate's")
    if is_impossible(public, position, count, candidate):
        return True
    for factor in factors:
        _check(public, factor.leaf, factor.root, position, "a device's")
    return product(public, factors) != candidate.value


def lie(public: PublicKey, right: bytes, claimed: bytes) -> int | None:
    """The first position at which claimed ciphertexts can be proven wrong by their leaf; None where they are right.

    Raises:
        CryptoError: the claimed bytes are no whole number of ciphertexts: nobody can show a leaf of them.
    """
    width, leaves = public.ciphertext_bytes, _leaves(public, claimed)
    count = len(right) // width
    for i in range(len(leaves)):
        here = slice(i * width, (i + 1) * width)
        if claimed[here] != right[here] or branch_length(i, len(leaves)) != branch_length(i, count):
            return i
    return None


def gas(public: PublicKey, exponents: Sequence[int], leaves: int) -> int:
    """About what multiplying so many devices in costs at most, with EIP-7883's prices and EIP-7623's calldata.

    A power costs 2·w² a bit of its exponent after the first, at least once, w the words of eight bytes in n²; a product
    is two squares. Calldata is 40 gas a byte where that is more than all else.
    """
    square = 2 * (public.ciphertext_bytes // 8) ** 2
    powers = sum(square * (max(exponent.bit_length() - 1, 1) + 2) for exponent in exponents)
    calldata = len(exponents) * (public.ciphertext_bytes + 32 * (branch_length(0, leaves) + 14))
    around = 260_000 + len(exponents) * (25_000 + 30 * public.ciphertext_bytes)
    return max(powers + 16 * calldata + around, 40 * calldata)


def split(public: PublicKey, exponents: Sequence[int], leaves: int) -> Iterator[slice]:
    """The factors of a proof, cut so that each transaction stays in bounds."""
    start = 0
    for end in range(1, len(exponents) + 1):
        more = exponents[start : end + 1]
        if end == len(exponents) or len(more) > MOST_FACTORS or gas(public, more, leaves) > MOST_GAS:
            yield slice(start, end)
            start = end


def partial_bytes(public: PublicKey, value: int) -> bytes:
    """A product that was begun, as the contract has it: in whole words of 32 bytes."""
    return value.to_bytes((public.ciphertext_bytes + 31) // 32 * 32, "big")


def commitment(remaining: int, partial: bytes) -> bytes:
    """What the contract keeps of it: keccak256 over what is still to come (a bitmap), and the product so far."""
    return merkle.keccak256(remaining.to_bytes(32, "big") + partial)


def _check(public: PublicKey, leaf: Leaf, root: bytes, position: int, whose: str) -> None:
    if not leaf.is_under(public, root, position):
        raise CryptoError(
            f"{whose} ciphertext at position {position} is not under its root",
            help="Bring the leaf and its branch from the blob that was published.",
        )


def _leaves(public: PublicKey, data: bytes) -> list[bytes]:
    width = public.ciphertext_bytes
    if not data or len(data) % width:
        raise CryptoError(
            f"{len(data)} bytes are no whole number of ciphertexts of {width} bytes",
            help="Fetch the blob again; if it stays so, no leaf of it can be shown.",
        )
    return [merkle.ciphertext_leaf(i, data[i * width : (i + 1) * width]) for i in range(len(data) // width)]
