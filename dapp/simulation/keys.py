"""A fresh threshold key from a dealer, who knows everything for a moment: for demonstrations and tests."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from dapp.crypto import paillier, threshold
from dapp.protocol.blobs import KeyBlob


def find_prime(bits: int) -> int:
    """A safe prime from the system's randomness, for a worker to look for."""
    return paillier.safe_prime(bits, secrets.randbits)


def deal(primes: Sequence[int], needed: int, holders: int) -> tuple[threshold.ThresholdKey, list[threshold.KeyShare]]:
    """Splits the key with modulus p·q over its holders; p and q are forgotten when this returns."""
    p, q = primes
    private = paillier.PrivateKey(paillier.PublicKey(p * q), p, q)
    key, shares = threshold.deal(private, needed, holders, secrets.randbits)
    return key, list(shares)


def read_key(data: bytes, *, allow_small: bool = False) -> threshold.ThresholdKey:
    """The public key in a key blob.

    Raises:
        BlobError: not a key blob.
        CryptoError: a modulus that no Paillier key has; ``KeyTooSmall`` under 2,048 bits.
    """
    blob = KeyBlob.decode(data)
    public = paillier.PublicKey(int.from_bytes(blob.n, "big"))
    public.check(allow_small=allow_small)
    return threshold.ThresholdKey(public, blob.threshold, blob.holders)


def key_blob(key: threshold.ThresholdKey) -> bytes:
    """The public key as the terms name it."""
    n = key.public.n
    return KeyBlob(int(n).to_bytes(key.public.n_bytes, "big"), key.threshold, key.holders).encode()
