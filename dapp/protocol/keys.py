"""The threshold key as a task publishes it: a key blob, and back."""

from __future__ import annotations

from dapp.crypto import paillier, threshold
from dapp.protocol.blobs import KeyBlob


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
