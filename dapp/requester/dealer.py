"""A fresh threshold key from a dealer, who knows everything for a moment: whoever runs this could read every update.

For whoever orders a task and is trusted with it, for demonstrations and for tests.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from dapp.crypto import paillier, threshold


def find_prime(bits: int) -> int:
    """A safe prime from the system's randomness, for a worker to look for."""
    return paillier.safe_prime(bits, secrets.randbits)


def deal(primes: Sequence[int], needed: int, holders: int) -> tuple[threshold.ThresholdKey, list[threshold.KeyShare]]:
    """Splits the key with modulus p·q over its holders; p and q are forgotten when this returns."""
    p, q = primes
    private = paillier.PrivateKey(paillier.PublicKey(p * q), p, q)
    key, shares = threshold.deal(private, needed, holders, secrets.randbits)
    return key, list(shares)
