"""Paillier encryption with g = 1+n (EUROCRYPT 1999) and short exponents (Damgård–Jurik–Nielsen, IJIS 9(6), 2010).

A ciphertext is c = (1+n)^m·hs^x mod n², with hs = h^n mod n² and h = −X² mod n for an X hashed from n, so that nobody
has to trust h. x has half the bits of n and some slack (``exponent_bits``). Keys and ciphertexts convert to and from
python-paillier (``phe``). None of this runs in constant time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import count

import gmpy2
import numpy as np
from gmpy2 import mpz, powmod
from numpy.typing import NDArray
from phe import paillier as phe

from dapp.crypto.multiexp import Chain
from dapp.errors import CryptoError, KeyTooSmall

RandomBits = Callable[[int], int]
"""k ↦ an integer uniform in [0, 2^k); for secrets, one such as ``secrets.randbits``."""

MIN_BITS = 2048
"""Smallest modulus accepted outside tests: about 112 bits of security (NIST SP 800-57)."""

MAX_BITS = 16_384
"""Largest modulus accepted: to test a stranger's larger one for a prime takes minutes to hours."""

STATISTICAL_BITS = 128
"""Statistical distance of everything that is hidden by a larger number is at most 2^−128."""

_SMALL_FACTORS = 2**16
_BASE_DOMAIN = b"cairn/paillier/h"
_MAX_ENTRIES = 4096
"""Entries of a table of powers: about 3 MB at 2048 bits."""


@dataclass(frozen=True)
class PublicKey:
    """A Paillier modulus n = p·q with p ≡ q ≡ 3 mod 4 and what follows from it."""

    n: int

    @property
    def bits(self) -> int:
        """Length of n in bits."""
        return self.n.bit_length()

    @property
    def n_bytes(self) -> int:
        """Length of a number modulo n in bytes."""
        return (self.bits + 7) // 8

    @property
    def ciphertext_bytes(self) -> int:
        """Length of a ciphertext in bytes, twice that of n."""
        return 2 * self.n_bytes

    @cached_property
    def n_squared(self) -> int:
        """n², the modulus of ciphertexts."""
        return self.n * self.n

    @cached_property
    def h(self) -> int:
        """The base h = −X² mod n, X the first hash of n and a counter with Jacobi symbol +1 (decision 0003)."""
        for counter in count():
            seed = _BASE_DOMAIN + self.n.to_bytes(self.n_bytes, "big") + counter.to_bytes(4, "big")
            x = int.from_bytes(hashlib.shake_256(seed).digest(self.n_bytes + STATISTICAL_BITS // 8), "big") % self.n
            if gmpy2.jacobi(x, self.n) == 1:
                break
        return -x * x % self.n

    @cached_property
    def hs(self) -> int:
        """h^n mod n², the base of every ciphertext's randomness."""
        return int(powmod(self.h, self.n, self.n_squared))

    def check(self, *, allow_small: bool = False) -> None:
        """Refuse a modulus that cannot be an honest key.

        Args:
            allow_small: accept fewer than ``MIN_BITS`` bits; for tests only.

        Raises:
            KeyTooSmall: n has fewer than ``MIN_BITS`` bits.
            CryptoError: n is not positive, has over ``MAX_BITS`` bits, is even, has a factor below 2^16, not 1 mod 4, a
                perfect power or prime.
        """
        fault = ""
        if self.n <= 0:
            fault = "it is not positive"
        elif self.bits < MIN_BITS and not allow_small:
            raise KeyTooSmall(
                f"the Paillier key has {self.bits} bits; at least {MIN_BITS} are required",
                help=f"Make the key again with {MIN_BITS} bits or more (3072 for 128-bit security).",
            )
        elif self.bits > MAX_BITS:
            fault = f"it has {self.bits:,} bits, more than {MAX_BITS:,}"
        elif self.n % 2 == 0:
            fault = "it is even"
        elif gmpy2.gcd(self.n, gmpy2.primorial(_SMALL_FACTORS)) != 1:
            fault = f"it has a prime factor below {_SMALL_FACTORS}"
        elif self.n % 4 != 1:
            fault = "it is not 1 mod 4, so that its factors are not both 3 mod 4"
        elif gmpy2.is_power(self.n):
            fault = "it is a perfect power"
        elif gmpy2.is_prime(self.n):
            fault = "it is prime"
        if fault:
            raise CryptoError(
                f"the Paillier modulus is not an honest key: {fault}",
                help="Do not encrypt under this key; ask its maker for another.",
            )


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The factors of n; whoever has them reads every ciphertext."""

    public: PublicKey
    p: int = field(repr=False)
    q: int = field(repr=False)

    def __post_init__(self) -> None:
        if self.p * self.q != self.public.n or self.p == self.q or self.p < 3 or self.q < 3:
            raise CryptoError("p and q are not two distinct factors of n", help="Load the key from its own file again.")

    def decrypt(self, ciphertext: int) -> int:
        """The plaintext of one ciphertext, 0 ≤ m < n; see ``decrypt_many``."""
        return self.decrypt_many([ciphertext])[0]

    def decrypt_many(self, ciphertexts: Sequence[int]) -> list[int]:
        """The plaintexts by the Chinese remainder theorem (Paillier 1999, section 7), checked before they are returned.

        A fault in one of the two halves would give a number that factors n, so the product of all c·(1+n)^{−m} must be
        an n-th residue, else nothing is returned.

        Raises:
            CryptoError: a ciphertext is out of range or shares a factor with n, or the check failed.
        """
        check_ciphertexts(self.public, ciphertexts)
        n, n_squared = mpz(self.public.n), mpz(self.public.n_squared)
        p, q = mpz(self.p), mpz(self.q)
        p_squared, q_squared = p * p, q * q
        # L_p((1+n)^{p-1} mod p²) = (p-1)·q mod p = −q mod p, and the same for q.
        h_p, h_q = gmpy2.invert(-q, p), gmpy2.invert(-p, q)
        q_inverse = gmpy2.invert(q, p)
        messages = []
        residue = mpz(1)
        for c in map(mpz, ciphertexts):
            m_p = (powmod(c, p - 1, p_squared) - 1) // p * h_p % p
            m_q = (powmod(c, q - 1, q_squared) - 1) // q * h_q % q
            m = m_q + q * ((m_p - m_q) * q_inverse % p)
            messages.append(int(m))
            residue = residue * c * (1 - m * n) % n_squared
        if powmod(residue, p - 1, p_squared) != 1 or powmod(residue, q - 1, q_squared) != 1:
            raise CryptoError(
                "decryption went wrong: the results do not match the ciphertexts, so none is given out",
                help="Check this machine's memory and processor, then decrypt again.",
            )
        return messages


def generate(bits: int = MIN_BITS, *, random: RandomBits, allow_small: bool = False) -> PrivateKey:
    """A key of exactly ``bits`` bits from two safe primes, which are 3 mod 4 and fit for ``threshold.deal``.

    Raises:
        KeyTooSmall: ``bits`` is under ``MIN_BITS`` and ``allow_small`` (for tests) was not given.
        CryptoError: ``bits`` is odd.
    """
    if bits % 2:
        raise CryptoError(
            f"a Paillier key of {bits} bits has no two factors of equal length", help="Use an even length."
        )
    p = safe_prime(bits // 2, random)
    q = safe_prime(bits // 2, random)
    while p == q:
        q = safe_prime(bits // 2, random)
    public = PublicKey(p * q)
    public.check(allow_small=allow_small)
    return PrivateKey(public, p, q)


def safe_prime(bits: int, random: RandomBits) -> int:
    """A prime p of exactly ``bits`` bits with (p−1)/2 prime too and its two highest bits set.

    The first hit from a random start (Brandt–Damgård, CRYPTO 1992), both numbers sieved together.

    Raises:
        CryptoError: fewer than 64 bits.
    """
    if bits < 64:
        raise CryptoError(f"a safe prime of {bits} bits is too small to be of use", help="Ask for 64 bits or more.")
    primes, sixth = _sieving_primes(bits * bits // 2)
    span = bits * bits // 8
    while True:
        start = mpz(0b11 << (bits - 3) | random(bits - 3))
        start += (5 - start) % 6  # (p−1)/2 is odd, and not 1 mod 3 or else 3 divides p
        residues = np.array([int(start % prime) for prime in primes.tolist()], dtype=np.int64)
        hits_half = -residues * sixth % primes
        hits_whole = ((primes - 1) // 2 - residues) * sixth % primes
        alive = np.ones(span, dtype=np.bool_)
        for prime, first, second in zip(primes.tolist(), hits_half.tolist(), hits_whole.tolist(), strict=True):
            alive[first::prime] = False
            alive[second::prime] = False
        for i in np.flatnonzero(alive).tolist():
            half = start + 6 * i
            whole = 2 * half + 1
            if (
                powmod(2, half - 1, half) == 1
                and powmod(2, whole - 1, whole) == 1
                and gmpy2.is_prime(half, 40)
                and gmpy2.is_prime(whole, 40)
                and whole.bit_length() == bits
            ):
                return int(whole)


@lru_cache(maxsize=4)
def _sieving_primes(limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The primes 5 ≤ r < limit and 6^{−1} mod r for each."""
    sieve = np.ones(limit, dtype=np.bool_)
    sieve[:5] = sieve[4::2] = sieve[6::3] = False
    for divisor in range(5, int(limit**0.5) + 1, 2):
        if sieve[divisor]:
            sieve[divisor * divisor :: divisor] = False
    primes = np.flatnonzero(sieve).astype(np.int64)
    return primes, np.where(primes % 6 == 1, primes - (primes - 1) // 6, (primes + 1) // 6)


def exponent_bits(public: PublicKey, total_weight: int, positions: int) -> int:
    """Length of a device's exponents: ⌈|n|/2⌉ + ⌈log2 S_max⌉ + 128 + ⌈log2 positions⌉ (decision 0003).

    The opening shows h^{Σ s_k·x_k}; the slack lets one honest device's exponent hide all others' at every position.
    """
    return (public.bits + 1) // 2 + (total_weight - 1).bit_length() + STATISTICAL_BITS + (positions - 1).bit_length()


def random_exponents(bits: int, count: int, random: RandomBits) -> list[int]:
    """``count`` independent exponents, uniform in [0, 2^bits). Each may be used once only."""
    return [random(bits) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class FixedBase:
    """Powers of hs by a comb of products made beforehand (Lim–Lee, CRYPTO 1994).

    The exponent's bits stand in rows ("teeth") of blocks·depth bits. ``tables[j][u]`` is the product of
    hs^{2^{i·blocks·depth + j·depth}} over the bits i of u, so one look-up takes a whole column of bits and ``depth``
    squarings serve all blocks. Each entry is split as a·(1+n)^t mod n² with 0 < a < n: multiplying the a's costs half
    of a full product modulo n², and the t's are only added. Tables stay small enough for the processor's caches.
    Which entries are read depends on the secret exponent, so a process that shares those caches may learn from it.
    """

    public: PublicKey
    teeth: int
    depth: int
    tables: tuple[tuple[tuple[mpz, mpz], ...], ...] = field(repr=False)
    beyond: int = field(repr=False)
    """hs to the power 2^(bits covered), for the rare exponent that is longer."""

    @classmethod
    def for_work(cls, public: PublicKey, exponent_bits: int, count: int) -> FixedBase:
        """The comb for which making it and ``count`` encryptions cost least, of at most 4,096 entries."""

        def cost(shape: tuple[int, int]) -> int:
            teeth, blocks = shape
            depth = -(-exponent_bits // (teeth * blocks))
            return 2 * (blocks << teeth) + count * (blocks * depth + 2 * depth)

        shapes = [(w, v) for w in range(1, 11) for v in (1, 2, 4, 8, 16) if v << w <= _MAX_ENTRIES]
        teeth, blocks = min(shapes, key=cost)
        depth = -(-exponent_bits // (teeth * blocks))
        n, n_squared = mpz(public.n), mpz(public.n_squared)
        powers: list[mpz] = [mpz(public.hs)]
        for _ in range(teeth * blocks):
            powers.append(powmod(powers[-1], 1 << depth, n_squared))
        tables = []
        for j in range(blocks):
            entries = [(mpz(1), mpz(1), mpz(0))]
            for power in powers[j : teeth * blocks : blocks]:
                tooth = _split(power, n)
                entries += [_times(entry, tooth, n) for entry in entries]
            tables.append(tuple((a, t) for a, _, t in entries))
        return cls(public, teeth, depth, tuple(tables), int(powers[-1]))

    def power(self, exponent: int) -> int:
        """hs^exponent mod n²; an exponent longer than the comb is allowed and slower.

        Raises:
            CryptoError: the exponent is negative.
        """
        return self.times_message(exponent, 0)

    def times_message(self, exponent: int, message: int) -> int:
        """(1+n)^message·hs^exponent mod n², the one formula behind ``encrypt`` and the proofs' commitments.

        Raises:
            CryptoError: the exponent is negative.
        """
        if exponent < 0:
            raise CryptoError("an encryption exponent is negative", help="Draw exponents with random_exponents.")
        n, n_squared = mpz(self.public.n), mpz(self.public.n_squared)
        row = self.depth * len(self.tables)
        rest, covered = divmod(exponent, 1 << (self.teeth * row))
        bits = format(covered, f"0{self.teeth * row}b")
        product, sum_t = mpz(1), mpz(0)
        for level in range(self.depth):  # from the highest bit of every block
            product = product * product % n_squared
            sum_t *= 2
            # In the string the highest block of a row comes first, and every row-th letter belongs to one column.
            for j, table in enumerate(reversed(self.tables)):
                a, t = table[int(bits[j * self.depth + level :: row], 2)]
                product = product * a % n_squared
                sum_t += t
        if rest:
            product = product * powmod(self.beyond, rest, n_squared) % n_squared
        return int(product * (1 + n * ((sum_t + message) % n)) % n_squared)


def _split(unit: mpz, n: mpz) -> tuple[mpz, mpz, mpz]:
    """(a, a^{−1} mod n, t) with unit = a·(1+n)^t mod n² and 0 < a < n."""
    carry, a = gmpy2.f_divmod(unit, n)
    inverse = gmpy2.invert(a, n)
    return a, inverse, carry * inverse % n


def _times(x: tuple[mpz, mpz, mpz], y: tuple[mpz, mpz, mpz], n: mpz) -> tuple[mpz, mpz, mpz]:
    """The product of two split units: a·a' = b + k·n = b·(1+n)^{k/b} mod n²."""
    carry, a = gmpy2.f_divmod(x[0] * y[0], n)
    inverse = x[1] * y[1] % n
    return a, inverse, (x[2] + y[2] + carry * inverse) % n


def encrypt(public: PublicKey, table: FixedBase, message: int, exponent: int) -> int:
    """c = (1+m·n)·hs^exponent mod n².

    Raises:
        CryptoError: the table belongs to another key, or not 0 ≤ message < n.
    """
    if table.public != public:
        raise CryptoError(
            "the table of powers belongs to another key", help="Build it for this key with FixedBase.for_work."
        )
    if not 0 <= message < public.n:
        raise CryptoError("a plaintext is not in 0 ≤ m < n", help="Pack values with packing.pack.")
    return table.times_message(exponent, message)


def encrypt_many(public: PublicKey, table: FixedBase, messages: Sequence[int], exponents: Sequence[int]) -> list[int]:
    """``encrypt`` position by position; as many exponents as messages."""
    return [encrypt(public, table, m, x) for m, x in zip(messages, exponents, strict=True)]


def weighted_product(public: PublicKey, columns: Sequence[Sequence[int]], weights: Sequence[int]) -> list[int]:
    """Per position ∏_k columns[k][j]^{weights[k]} mod n² (BlockDeepNet Eq. 5 before its division).

    Args:
        columns: one sequence of ciphertexts per device, all equally long.
        weights: one positive integer s_k per device.

    Raises:
        CryptoError: no device, unequal lengths, or a weight below 1.
    """
    if not columns or len(columns) != len(weights) or len({len(column) for column in columns}) != 1:
        raise CryptoError(
            f"no sum of updates with {sorted({len(c) for c in columns})} ciphertexts and {len(weights)} weights",
            help="Give one weight per update, and updates of one length.",
        )
    if min(weights) < 1:
        raise CryptoError(
            f"a weight is {min(weights)}; weights are positive integers", help="Leave the device out instead."
        )
    chain = Chain.of(weights)
    return [int(chain.product(position, public.n_squared)) for position in zip(*columns, strict=True)]


def check_ciphertexts(public: PublicKey, ciphertexts: Sequence[int]) -> None:
    """Every ciphertext must be in 0 < c < n² and prime to n.

    Raises:
        CryptoError: names the first bad position and the rule it breaks.
    """
    n, n_squared = mpz(public.n), public.n_squared
    product = mpz(1)
    for position, c in enumerate(ciphertexts):
        if not 0 < c < n_squared:
            raise CryptoError(
                f"the ciphertext at position {position} is not in 0 < c < n²", help="Refuse the update that holds it."
            )
        product = product * c % n
    if gmpy2.gcd(product, n) != 1:
        position = next(j for j, c in enumerate(ciphertexts) if gmpy2.gcd(c, n) != 1)
        raise CryptoError(
            f"the ciphertext at position {position} shares a factor with n", help="Refuse the update that holds it."
        )


def to_bytes(public: PublicKey, ciphertexts: Sequence[int]) -> bytes:
    """Ciphertexts one after the other, big endian, ``public.ciphertext_bytes`` each."""
    return b"".join(c.to_bytes(public.ciphertext_bytes, "big") for c in ciphertexts)


def from_bytes(public: PublicKey, data: bytes) -> list[int]:
    """Inverse of ``to_bytes``; the values are not checked (``check_ciphertexts``).

    Raises:
        CryptoError: the length is no multiple of a ciphertext's.
    """
    width = public.ciphertext_bytes
    if len(data) % width:
        raise CryptoError(
            f"{len(data)} bytes are no whole number of ciphertexts of {width} bytes",
            help="Fetch the blob again; if it stays so, refuse it.",
        )
    return [int.from_bytes(data[i : i + width], "big") for i in range(0, len(data), width)]


def to_phe_public(public: PublicKey) -> phe.PaillierPublicKey:
    """The same key for python-paillier."""
    return phe.PaillierPublicKey(public.n)


def from_phe_public(public: phe.PaillierPublicKey) -> PublicKey:
    """The same key from python-paillier; not checked (``PublicKey.check``)."""
    return PublicKey(int(public.n))


def to_phe_private(private: PrivateKey) -> phe.PaillierPrivateKey:
    """The same key for python-paillier."""
    return phe.PaillierPrivateKey(to_phe_public(private.public), private.p, private.q)


def from_phe_private(private: phe.PaillierPrivateKey) -> PrivateKey:
    """The same key from python-paillier; not checked (``PublicKey.check``)."""
    return PrivateKey(from_phe_public(private.public_key), int(private.p), int(private.q))


def to_phe_number(public: PublicKey, ciphertext: int) -> phe.EncryptedNumber:
    """The ciphertext as python-paillier's number with exponent 0, that is, an integer."""
    return phe.EncryptedNumber(to_phe_public(public), ciphertext, exponent=0)


def from_phe_number(number: phe.EncryptedNumber) -> int:
    """The ciphertext of a python-paillier number, re-randomised by ``phe`` where it has not been yet."""
    return int(number.ciphertext())
