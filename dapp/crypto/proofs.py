"""One batched proof of plaintext knowledge for a whole update (decision 0004).

Schnorr's protocol (J. Cryptology 4, 1991) for the homomorphism (m, x) ↦ (1+n)^m·hs^x mod n², over all ciphertexts at
once: with A = (1+n)^u·hs^v and coefficients e_j hashed from everything, z = u + Σ e_j·m_j mod n and y = v + Σ e_j·x_j
satisfy (1+n)^z·hs^y = A·∏ c_j^{e_j} mod n².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256

import gmpy2
from gmpy2 import mpz, powmod

from dapp.crypto.multiexp import Chain
from dapp.crypto.paillier import (
    STATISTICAL_BITS,
    FixedBase,
    PublicKey,
    RandomBits,
    check_ciphertexts,
    to_bytes,
)
from dapp.errors import CryptoError

_DOMAIN = b"cairn/plaintext-proof"
_COEFFICIENT_BITS = 128
_COUNT_BITS = 32
_EXPONENT_SLACK = 192
"""A proven exponent has at most ⌈|n|/2⌉ + 192 bits: ``paillier.exponent_bits`` for S_max·positions up to 2^64."""


@dataclass(frozen=True, slots=True)
class PlaintextProof:
    """A = ``commitment`` modulo n², z modulo n, and y, an integer of at most ``_mask_bits`` + 1 bits."""

    commitment: int
    z: int
    y: int

    def to_bytes(self, public: PublicKey) -> bytes:
        """Commitment, z and y, big endian, each in its fixed width: 957 bytes at 2048 bits."""
        widths = _widths(public)
        values = (self.commitment, self.z, self.y)
        return b"".join(value.to_bytes(width, "big") for value, width in zip(values, widths, strict=True))

    @classmethod
    def from_bytes(cls, public: PublicKey, data: bytes) -> PlaintextProof:
        """Inverse of ``to_bytes``.

        Raises:
            CryptoError: the length is wrong.
        """
        first, second, third = _widths(public)
        if len(data) != first + second + third:
            raise _rejected(f"it has {len(data)} bytes instead of {first + second + third}")
        return cls(
            int.from_bytes(data[:first], "big"),
            int.from_bytes(data[first : first + second], "big"),
            int.from_bytes(data[first + second :], "big"),
        )


def prove(
    public: PublicKey,
    table: FixedBase,
    messages: Sequence[int],
    exponents: Sequence[int],
    ciphertexts: Sequence[int],
    context: bytes,
    random: RandomBits,
) -> PlaintextProof:
    """Prove knowledge of every ciphertext's message and exponent, revealing neither (to within 2^−127).

    Args:
        messages: the plaintexts, 0 ≤ m < n.
        exponents: those that ``paillier.encrypt_many`` was given.
        ciphertexts: its result, one per message and exponent.
        context: what the proof is bound to: chain, contract, task, round, device.
        random: a cryptographic source; the proof's secrecy rests on it.

    Raises:
        CryptoError: the lengths differ, there is nothing to prove, or an exponent is longer than the proof can hide.
    """
    if not 0 < len(messages) == len(exponents) == len(ciphertexts) < 2**_COUNT_BITS:
        raise CryptoError(
            f"{len(messages)} messages, {len(exponents)} exponents and {len(ciphertexts)} ciphertexts make no proof",
            help="Give one message and one exponent for every ciphertext.",
        )
    limit = (public.bits + 1) // 2 + _EXPONENT_SLACK
    if max(exponents).bit_length() > limit:
        raise CryptoError(
            f"an exponent has {max(exponents).bit_length()} bits; the proof hides at most {limit}",
            help="Draw exponents of paillier.exponent_bits bits.",
        )
    n = public.n
    u = random(public.bits + STATISTICAL_BITS) % n
    v = random(_mask_bits(public))
    commitment = table.times_message(v, u)
    coefficients = _coefficients(public, ciphertexts, commitment, context)
    z = (u + sum(e * m for e, m in zip(coefficients, messages, strict=True))) % n
    y = v + sum(e * x for e, x in zip(coefficients, exponents, strict=True))
    return PlaintextProof(commitment, z, y)


def verify(
    public: PublicKey,
    ciphertexts: Sequence[int],
    proof: PlaintextProof,
    context: bytes,
    *,
    table: FixedBase | None = None,
) -> None:
    """Accept only if whoever made the proof knew the plaintext and exponent of every ciphertext.

    Also checks what the argument stands on: every ciphertext is a unit below n² with Jacobi symbol +1.

    Args:
        context: what the proof must be bound to.
        table: powers of hs, public, to check faster where one is at hand.

    Raises:
        CryptoError: names the first ciphertext that is out of range, or says that the proof does not hold.
    """
    check_ciphertexts(public, ciphertexts)
    n, n_squared = mpz(public.n), mpz(public.n_squared)
    for position, c in enumerate(ciphertexts):
        if gmpy2.jacobi(c, n) != 1:
            raise CryptoError(
                f"the ciphertext at position {position} has Jacobi symbol −1",
                help="Refuse the update that holds it: no honest encryption gives this.",
            )
    if not ciphertexts:
        raise _rejected("there is no ciphertext to prove")
    if not (0 < proof.commitment < n_squared and gmpy2.gcd(proof.commitment, n) == 1):
        raise _rejected("its commitment is not a unit modulo n²")
    if not (0 <= proof.z < n and 0 <= proof.y < 2 ** (_mask_bits(public) + 1)):
        raise _rejected("z or y is out of range")
    coefficients = _coefficients(public, ciphertexts, proof.commitment, context)
    if table is not None and table.public == public:
        power = table.power(proof.y)
    else:
        power = int(powmod(public.hs, proof.y, n_squared))
    right = proof.commitment * Chain.of(coefficients).product(ciphertexts, n_squared)
    if ((1 + n * proof.z) * power - right) % n_squared:
        raise _rejected("it does not hold for these ciphertexts in this context")


def _mask_bits(public: PublicKey) -> int:
    """Length of v: Σ e_j·x_j is shorter by at least the statistical slack."""
    return (public.bits + 1) // 2 + _EXPONENT_SLACK + _COEFFICIENT_BITS + _COUNT_BITS + STATISTICAL_BITS


def _widths(public: PublicKey) -> tuple[int, int, int]:
    return public.ciphertext_bytes, public.n_bytes, (_mask_bits(public) + 8) // 8


def _coefficients(public: PublicKey, ciphertexts: Sequence[int], commitment: int, context: bytes) -> list[int]:
    """The challenge: 128 bits per ciphertext from SHAKE-256 over the SHA-256 of all that is proven."""
    statement = sha256()
    for part in (
        _DOMAIN,
        context,
        public.n.to_bytes(public.n_bytes, "big"),
        to_bytes(public, [commitment, *ciphertexts]),
    ):
        statement.update(len(part).to_bytes(8, "big") + part)
    width = _COEFFICIENT_BITS // 8
    stream = shake_256(statement.digest()).digest(width * len(ciphertexts))
    return [int.from_bytes(stream[i : i + width], "big") for i in range(0, len(stream), width)]


def _rejected(fault: str) -> CryptoError:
    return CryptoError(f"the proof of plaintext knowledge fails: {fault}", help="Refuse the update that carries it.")
