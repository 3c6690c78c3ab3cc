from __future__ import annotations

from dataclasses import replace
from random import Random

import gmpy2
import pytest

from dapp.crypto import paillier, proofs
from dapp.crypto.paillier import FixedBase, PrivateKey, PublicKey, RandomBits
from dapp.crypto.proofs import PlaintextProof
from dapp.errors import CryptoError

CONTEXT = b"chain 1, task 2, round 3, device 4"
MESSAGES = [5, 2**300, 0]


@pytest.fixture(scope="module")
def exponents() -> list[int]:
    return paillier.random_exponents(400, 3, Random(3).getrandbits)


@pytest.fixture(scope="module")
def ciphertexts(public: PublicKey, table: FixedBase, exponents: list[int]) -> list[int]:
    return paillier.encrypt_many(public, table, MESSAGES, exponents)


@pytest.fixture(scope="module")
def proof(public: PublicKey, table: FixedBase, exponents: list[int], ciphertexts: list[int]) -> PlaintextProof:
    return proofs.prove(public, table, MESSAGES, exponents, ciphertexts, CONTEXT, Random(4).getrandbits)


def test_an_honest_proof_holds_with_and_without_a_table(
    public: PublicKey, table: FixedBase, ciphertexts: list[int], proof: PlaintextProof
) -> None:
    proofs.verify(public, ciphertexts, proof, CONTEXT)
    proofs.verify(public, ciphertexts, proof, CONTEXT, table=table)


def test_another_keys_table_does_not_change_the_verdict(
    public: PublicKey, ciphertexts: list[int], proof: PlaintextProof
) -> None:
    other = paillier.generate(512, random=Random(9).getrandbits, allow_small=True).public
    proofs.verify(public, ciphertexts, proof, CONTEXT, table=FixedBase.for_work(other, 10, 1))


def test_a_proof_is_bound_to_its_context(public: PublicKey, ciphertexts: list[int], proof: PlaintextProof) -> None:
    with pytest.raises(CryptoError, match="in this context"):
        proofs.verify(public, ciphertexts, proof, b"chain 1, task 2, round 3, device 5")


def test_a_re_randomised_copy_has_no_proof(
    public: PublicKey, table: FixedBase, ciphertexts: list[int], proof: PlaintextProof
) -> None:
    copied = [c * table.power(77) % public.n_squared for c in ciphertexts]
    with pytest.raises(CryptoError, match="does not hold"):
        proofs.verify(public, copied, proof, CONTEXT)


def test_a_proof_for_some_ciphertexts_is_none_for_others(
    public: PublicKey, ciphertexts: list[int], proof: PlaintextProof
) -> None:
    for others in (ciphertexts[::-1], ciphertexts[:2], [*ciphertexts, ciphertexts[0]]):
        with pytest.raises(CryptoError, match="does not hold"):
            proofs.verify(public, others, proof, CONTEXT)


def test_a_false_message_is_not_proven(
    public: PublicKey, table: FixedBase, exponents: list[int], ciphertexts: list[int], random: RandomBits
) -> None:
    lie = proofs.prove(public, table, [6, *MESSAGES[1:]], exponents, ciphertexts, CONTEXT, random)
    with pytest.raises(CryptoError, match="does not hold"):
        proofs.verify(public, ciphertexts, lie, CONTEXT)


def test_one_unknown_ciphertext_among_known_ones_is_not_proven(
    public: PublicKey, table: FixedBase, exponents: list[int], ciphertexts: list[int], random: RandomBits
) -> None:
    stolen = [ciphertexts[0] * 4 % public.n_squared, *ciphertexts[1:]]
    lie = proofs.prove(public, table, MESSAGES, exponents, stolen, CONTEXT, random)
    with pytest.raises(CryptoError, match="does not hold"):
        proofs.verify(public, stolen, lie, CONTEXT)


def test_values_out_of_range_are_refused(public: PublicKey, ciphertexts: list[int], proof: PlaintextProof) -> None:
    n = public.n
    bad = [
        replace(proof, commitment=0),
        replace(proof, commitment=n),
        replace(proof, commitment=proof.commitment + n * n),
        replace(proof, z=proof.z + n),
        replace(proof, y=-1),
        replace(proof, y=2**4096),
    ]
    for wrong in bad:
        with pytest.raises(CryptoError, match=r"out of range|not a unit"):
            proofs.verify(public, ciphertexts, wrong, CONTEXT)


def test_ciphertexts_without_jacobi_symbol_one_are_refused_by_position(
    public: PublicKey, ciphertexts: list[int], proof: PlaintextProof
) -> None:
    odd = next(c for c in range(2, 100) if gmpy2.jacobi(c, public.n) == -1)
    with pytest.raises(CryptoError, match="position 1 has Jacobi symbol −1"):
        proofs.verify(public, [ciphertexts[0], odd, ciphertexts[2]], proof, CONTEXT)


def test_malformed_ciphertexts_are_refused_by_position(
    public: PublicKey, private: PrivateKey, ciphertexts: list[int], proof: PlaintextProof
) -> None:
    for bad in (0, public.n_squared, private.q):
        with pytest.raises(CryptoError, match="position 2"):
            proofs.verify(public, [*ciphertexts[:2], bad], proof, CONTEXT)


def test_nothing_cannot_be_proven_or_verified(
    public: PublicKey, table: FixedBase, proof: PlaintextProof, random: RandomBits
) -> None:
    with pytest.raises(CryptoError, match="make no proof"):
        proofs.prove(public, table, [], [], [], CONTEXT, random)
    with pytest.raises(CryptoError, match="no ciphertext"):
        proofs.verify(public, [], proof, CONTEXT)


def test_an_exponent_longer_than_the_proof_hides_is_refused(
    public: PublicKey, table: FixedBase, ciphertexts: list[int], random: RandomBits
) -> None:
    with pytest.raises(CryptoError, match="hides at most 448"):
        proofs.prove(public, table, MESSAGES, [1, 2**448, 1], ciphertexts, CONTEXT, random)


def test_a_proof_survives_bytes_in_fixed_width(public: PublicKey, proof: PlaintextProof) -> None:
    data = proof.to_bytes(public)
    assert len(data) == 128 + 64 + (256 + 192 + 128 + 32 + 128) // 8 + 1
    assert PlaintextProof.from_bytes(public, data) == proof
    with pytest.raises(CryptoError, match="bytes instead of"):
        PlaintextProof.from_bytes(public, data + b"\0")


def test_two_proofs_of_one_statement_differ(
    public: PublicKey, table: FixedBase, exponents: list[int], ciphertexts: list[int], random: RandomBits
) -> None:
    once, twice = (proofs.prove(public, table, MESSAGES, exponents, ciphertexts, CONTEXT, random) for _ in range(2))
    assert once.commitment != twice.commitment
