"""Threshold decryption by opening: t of n holders extract the n-th root of a ciphertext, and the result proves itself.

c = (1+n)^m·r^n mod n², so c mod n = r^n mod n: the root r is a threshold RSA extraction with public exponent n
(Shoup, EUROCRYPT 2000), and m follows from r in public. A share costs one exponentiation modulo n. Anyone checks (m,
r) against c, so shares need no proofs (decision 0002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import comb, factorial, prod

import gmpy2
from gmpy2 import mpz, powmod

from dapp.crypto.multiexp import Chain, multi_power
from dapp.crypto.paillier import STATISTICAL_BITS, PrivateKey, PublicKey, RandomBits
from dapp.errors import CryptoError

_MAX_TRIES = 10_000
"""Sets of holders drawn in the search for one whose shares are all right."""


@dataclass(frozen=True, slots=True)
class KeyShare:
    """Holder ``index`` (from 1) has ``value`` = f(index) mod p'q', f the dealer's polynomial."""

    index: int
    value: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class ThresholdKey:
    """What everybody knows: the modulus and that ``threshold`` of ``holders`` open.

    Raises:
        CryptoError: the threshold is not a majority of the holders, or more than all of them.
    """

    public: PublicKey
    threshold: int
    holders: int

    def __post_init__(self) -> None:
        if not self.holders / 2 < self.threshold <= self.holders:
            raise CryptoError(
                f"{self.threshold} of {self.holders} holders is no majority",
                help="Choose more than half of the holders, so that two disjoint groups cannot open two sums.",
            )

    @property
    def delta(self) -> int:
        """Δ = holders!, which makes the Lagrange coefficients integers."""
        return factorial(self.holders)


@dataclass(frozen=True, slots=True)
class Opening:
    """Plaintexts m and roots r, one per position: c = ±(1+n)^m·r^n mod n² with 0 ≤ m < n and 1 ≤ r ≤ (n−1)/2."""

    messages: tuple[int, ...]
    roots: tuple[int, ...]


def deal(
    private: PrivateKey, threshold: int, holders: int, random: RandomBits
) -> tuple[ThresholdKey, tuple[KeyShare, ...]]:
    """Share n^{−1} mod p'q' among the holders by a polynomial of degree threshold−1 (Shoup, section 3).

    The dealer knows everything: whoever runs this has the factors of n and can decrypt every single update. Use it
    where that is acceptable, and destroy ``private`` afterwards.

    Raises:
        CryptoError: p or q is no safe prime, or the threshold is not a majority.
    """
    key = ThresholdKey(private.public, threshold, holders)
    if not all(gmpy2.is_prime(prime // 2) for prime in (private.p, private.q)):
        raise CryptoError("the key's factors are no safe primes", help="Make the key with paillier.generate.")
    order = (private.p // 2) * (private.q // 2)
    coefficients = [int(gmpy2.invert(private.public.n, order))]
    coefficients += [random(order.bit_length() + STATISTICAL_BITS) % order for _ in range(threshold - 1)]
    shares = []
    for index in range(1, holders + 1):
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * index + coefficient) % order
        shares.append(KeyShare(index, value))
    return key, tuple(shares)


def share(key: ThresholdKey, key_share: KeyShare, ciphertexts: Sequence[int]) -> list[int]:
    """One holder's shares c^{2Δ·s_i} mod n, one per position."""
    return [int(x) for x in gmpy2.powmod_base_list(list(ciphertexts), 2 * key.delta * key_share.value, key.public.n)]


def combine(
    key: ThresholdKey, shares: Mapping[int, Sequence[int]], ciphertexts: Sequence[int]
) -> tuple[Opening, tuple[int, ...]]:
    """The opening from the holders' shares, and the indices of the ``threshold`` holders whose shares made it.

    Every position is checked as it is opened; where it fails, the next set of holders is tried until one opens every
    position. Positions are independent, so a caller may combine slices in several processes.

    Args:
        key: the public part of the threshold key.
        shares: holder's index (from 1) to its shares, one per ciphertext.
        ciphertexts: the ciphertexts that the shares were made for, units modulo n².

    Raises:
        CryptoError: no ``threshold`` of the shares open every position; names holders with malformed shares.
    """
    good = [index for index in sorted(shares) if _is_well_formed(key, index, shares[index], len(ciphertexts))]
    opened: list[tuple[int, int, mpz]] = []
    for quorum in _quorums(good, key.threshold):
        if _open_all(_Combiner.of(key, quorum), shares, ciphertexts, opened):
            return Opening(tuple(m for m, _, _ in opened), tuple(r for _, r, _ in opened)), quorum
    malformed = sorted(set(shares) - set(good))
    raise CryptoError(
        f"the shares of holders {good} hold no {key.threshold} that open all {len(ciphertexts)} positions together"
        + (f"; malformed shares from holders {malformed}" if malformed else ""),
        help="Wait for shares from more holders.",
    )


def shares_open(
    key: ThresholdKey, shares: Mapping[int, Sequence[int]], roots: Sequence[int], random: RandomBits
) -> bool:
    """Whether t shares x_i = c^{2Δ·s_i} are those of the n-th roots r of c: ∏ x_i^{2λ_i} = r^{4Δ²} mod n (Shoup 2000).

    All positions at once, with private random weights: 2^−128 to pass wrongly, up to signs, which decide nothing.

    Args:
        shares: by holder's index from 1, exactly t of them; one number a position.
        roots: of an opening that was found right.
    """
    n, delta = key.public.n, key.delta
    weights = [random(128) for _ in roots]
    left = mpz(1)
    for i, numbers in shares.items():
        others = [j for j in shares if j != i]
        coefficient = delta * prod(others) // prod(j - i for j in others)
        left = left * powmod(multi_power(numbers, weights, n), 2 * coefficient, n) % n
    return bool(left == powmod(multi_power(roots, weights, n), 4 * delta**2, n))


def check_opening(public: PublicKey, ciphertexts: Sequence[int], opening: Opening, random: RandomBits) -> None:
    """Check c = ±(1+n)^m·r^n mod n² at every position, in one batch with private random weights (decision 0002).

    The weights are even, so that a sign changes nothing and honest checkers cannot be split; a wrong message passes
    with probability at most 2^−127.

    Args:
        public: the modulus.
        ciphertexts: the products that were opened, already checked by ``paillier.check_ciphertexts``.
        opening: the claim.
        random: must be unpredictable to whoever made the opening.

    Raises:
        CryptoError: wrong count, a value out of range, or a position that does not open so (named).
    """
    n = mpz(public.n)
    count = len(ciphertexts)
    if not len(opening.messages) == len(opening.roots) == count:
        raise _wrong_opening(
            f"it has {len(opening.messages)} messages and {len(opening.roots)} roots for {count} ciphertexts"
        )
    units = mpz(1)
    for position, (c, m, r) in enumerate(zip(ciphertexts, opening.messages, opening.roots, strict=True)):
        if not 0 <= m < n:
            raise _wrong_opening(f"the message at position {position} is not in 0 ≤ m < n")
        if not 1 <= r <= (n - 1) // 2:
            raise _wrong_opening(f"the root at position {position} is not in 1 ≤ r ≤ (n−1)/2")
        units = units * c * r % n
    if count and gmpy2.gcd(units, n) != 1:
        raise _wrong_opening("a ciphertext or a root shares a factor with n")

    def holds(low: int, high: int) -> bool:
        return _batch_holds(public, ciphertexts[low:high], opening.messages[low:high], opening.roots[low:high], random)

    if holds(0, count):
        return
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(low, middle) else (low, middle)
    raise _wrong_opening(f"the ciphertext at position {low} does not open to its message and root")


def _batch_holds(
    public: PublicKey, ciphertexts: Sequence[int], messages: Sequence[int], roots: Sequence[int], random: RandomBits
) -> bool:
    """∏c^{2f} = (1+n)^{Σ2f·m}·(∏r^{2f})^n mod n² for random f of 127 bits."""
    if not ciphertexts:
        return True
    n, n_squared = mpz(public.n), mpz(public.n_squared)
    halves = [random(STATISTICAL_BITS - 1) for _ in ciphertexts]
    chain = Chain.of(halves)
    left = chain.product(ciphertexts, n_squared)
    root = chain.product(roots, n)
    message = 2 * sum(f * m for f, m in zip(halves, messages, strict=True)) % n
    return bool(left * left % n_squared == (1 + n * message) * powmod(root * root % n, n, n_squared) % n_squared)


def _wrong_opening(fault: str) -> CryptoError:
    return CryptoError(f"the opening is wrong: {fault}", help="Do not use this opening; wait for another one.")


def _is_well_formed(key: ThresholdKey, index: int, values: Sequence[int], count: int) -> bool:
    n = key.public.n
    return (
        1 <= index <= key.holders
        and len(values) == count
        and all(0 < value < n for value in values)
        and (count == 0 or gmpy2.gcd(_product(values, n), n) == 1)
    )


def _product(values: Sequence[int], modulus: int) -> mpz:
    product = mpz(1)
    for value in values:
        product = product * value % modulus
    return product


def _quorums(holders: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    """Distinct sets of ``size`` holders, the first ones first and then in a fixed shuffled order.

    Shuffled, since with k wrong shares among h a set without them then turns up after about C(h, size)/C(h−k, size)
    tries.
    """
    if len(holders) < size:
        return
    tried: set[tuple[int, ...]] = set()
    for attempt in range(_MAX_TRIES):
        ranked = sorted(holders, key=lambda i: sha256(f"{attempt}/{i}".encode()).digest()) if attempt else holders
        quorum = tuple(sorted(ranked[:size]))
        if quorum not in tried:
            yield quorum
            tried.add(quorum)
        if len(tried) == comb(len(holders), size):
            return


@dataclass(frozen=True, slots=True)
class _Combiner:
    """What is the same at every position for one quorum: its Lagrange coefficients as two chains."""

    key: ThresholdKey
    raised: tuple[int, ...]
    lowered: tuple[int, ...]
    raising: Chain
    lowering: Chain

    @classmethod
    def of(cls, key: ThresholdKey, quorum: Sequence[int]) -> _Combiner:
        """λ_i = Δ·∏_{j≠i} j/(j−i), split by sign, since a chain takes positive exponents."""
        coefficients = {
            i: key.delta * prod(j for j in quorum if j != i) // prod(j - i for j in quorum if j != i) for i in quorum
        }
        raised = tuple(i for i in quorum if coefficients[i] > 0)
        lowered = tuple(i for i in quorum if coefficients[i] < 0)
        return cls(
            key,
            raised,
            lowered,
            Chain.of([2 * coefficients[i] for i in raised]),
            Chain.of([-2 * coefficients[i] for i in lowered]),
        )

    def power_of_root(self, shares: Mapping[int, Sequence[int]], position: int) -> mpz:
        """w = ∏ x_i^{2λ_i} mod n, which is r^K with K = 4Δ² if the shares are right."""
        n = self.key.public.n
        product = self.raising.product([shares[i][position] for i in self.raised], n)
        if self.lowered:
            product *= gmpy2.invert(self.lowering.product([shares[i][position] for i in self.lowered], n), n)
        return product % n


def _open_all(
    combiner: _Combiner,
    shares: Mapping[int, Sequence[int]],
    ciphertexts: Sequence[int],
    opened: list[tuple[int, int, mpz]],
) -> bool:
    """Whether the combiner's holders open every position; extends ``opened`` = (m, r, w) as far as they do."""
    for position, ciphertext in enumerate(ciphertexts):
        w = combiner.power_of_root(shares, position)
        if position < len(opened):
            if w != opened[position][2]:
                return False
        elif (result := _open(combiner.key, ciphertext, w)) is not None:
            opened.append((*result, w))
        else:
            return False
    return True


def _open(key: ThresholdKey, ciphertext: int, w: mpz) -> tuple[int, int] | None:
    """(m, r) from c and w = r^K, or None if w is not that.

    One long exponentiation: V = w^{⌊n/K⌋} mod n². With ρ = n mod K and U = c/V,
    U^K/w^ρ = c^K/w^n = (1+n)^{K·m} mod n² gives m, and U ≡ r^n/r^{n−ρ} = r^ρ together with w = r^K gives r mod n, as
    gcd(ρ, K) = gcd(n, K) = 1.
    """
    n, n_squared = mpz(key.public.n), mpz(key.public.n_squared)
    k = 4 * key.delta**2
    quotient, rho = divmod(n, k)
    u = ciphertext * gmpy2.invert(powmod(w, quotient, n_squared), n_squared) % n_squared
    product = powmod(u, k, n_squared) * powmod(w, -rho, n_squared) % n_squared
    level, rest = gmpy2.f_divmod(product, n)
    if rest != 1:
        return None
    _, alpha, beta = gmpy2.gcdext(rho, k)
    root = powmod(u, alpha, n) * powmod(w, beta, n) % n
    return int(level * gmpy2.invert(k, n) % n), int(min(root, n - root))
