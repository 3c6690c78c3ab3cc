from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto import paillier, proofs
from dapp.crypto.proofs import PlaintextProof
from dapp.errors import CryptoError

PRIVATE = paillier.generate(256, random=Random(3).getrandbits, allow_small=True)
PUBLIC = PRIVATE.public
TABLE = paillier.FixedBase.for_work(PUBLIC, 800, count=300)

updates = st.lists(st.tuples(st.integers(0, PUBLIC.n - 1), st.integers(0, 2**320 - 1)), min_size=1, max_size=5)


def encrypted(update: list[tuple[int, int]]) -> tuple[list[int], list[int], list[int]]:
    messages, exponents = [m for m, _ in update], [x for _, x in update]
    return messages, exponents, paillier.encrypt_many(PUBLIC, TABLE, messages, exponents)


@settings(deadline=None)
@given(updates, st.binary(max_size=40), st.integers(0, 2**32))
def test_every_honest_proof_holds(update: list[tuple[int, int]], context: bytes, seed: int) -> None:
    messages, exponents, ciphertexts = encrypted(update)
    proof = proofs.prove(PUBLIC, TABLE, messages, exponents, ciphertexts, context, Random(seed).getrandbits)
    again = PlaintextProof.from_bytes(PUBLIC, proof.to_bytes(PUBLIC))
    proofs.verify(PUBLIC, ciphertexts, again, context)


@settings(deadline=None)
@given(updates, st.data(), st.integers(0, 2**32))
def test_no_proof_holds_for_changed_ciphertexts(update: list[tuple[int, int]], data: st.DataObject, seed: int) -> None:
    messages, exponents, ciphertexts = encrypted(update)
    proof = proofs.prove(PUBLIC, TABLE, messages, exponents, ciphertexts, b"", Random(seed).getrandbits)
    position = data.draw(st.integers(0, len(ciphertexts) - 1))
    factor = data.draw(st.integers(2, PUBLIC.n_squared - 1))
    ciphertexts[position] = ciphertexts[position] * factor % PUBLIC.n_squared
    with pytest.raises(CryptoError):
        proofs.verify(PUBLIC, ciphertexts, proof, b"")


@settings(deadline=None)
@given(updates, st.data(), st.integers(0, 2**32))
def test_a_proof_holds_as_it_was_made_or_not_at_all(
    update: list[tuple[int, int]], data: st.DataObject, seed: int
) -> None:
    messages, exponents, ciphertexts = encrypted(update)
    proof = proofs.prove(PUBLIC, TABLE, messages, exponents, ciphertexts, b"", Random(seed).getrandbits)
    blob = bytearray(proof.to_bytes(PUBLIC))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CryptoError):
        proofs.verify(PUBLIC, ciphertexts, PlaintextProof.from_bytes(PUBLIC, bytes(blob)), b"")
