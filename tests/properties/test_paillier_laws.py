from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto import paillier
from dapp.crypto.multiexp import multi_power

PRIVATE = paillier.generate(256, random=Random(1).getrandbits, allow_small=True)
PUBLIC = PRIVATE.public
TABLE = paillier.FixedBase.for_work(PUBLIC, 300, count=300)

messages = st.integers(0, PUBLIC.n - 1)
exponents = st.integers(0, 2**320)


@settings(deadline=None)
@given(messages, exponents)
def test_decryption_undoes_encryption(message: int, exponent: int) -> None:
    assert PRIVATE.decrypt(paillier.encrypt(PUBLIC, TABLE, message, exponent)) == message


@settings(deadline=None)
@given(messages, exponents)
def test_encryption_is_its_formula(message: int, exponent: int) -> None:
    expected = pow(1 + PUBLIC.n, message, PUBLIC.n_squared) * pow(PUBLIC.hs, exponent, PUBLIC.n_squared)
    assert paillier.encrypt(PUBLIC, TABLE, message, exponent) == expected % PUBLIC.n_squared


@settings(deadline=None)
@given(st.lists(st.tuples(messages, exponents, st.integers(1, 2**13)), min_size=1, max_size=8))
def test_a_weighted_product_holds_the_weighted_sum(devices: list[tuple[int, int, int]]) -> None:
    columns = [[paillier.encrypt(PUBLIC, TABLE, m, x)] for m, x, _ in devices]
    weights = [w for _, _, w in devices]
    (product,) = paillier.weighted_product(PUBLIC, columns, weights)
    assert PRIVATE.decrypt(product) == sum(m * w for m, _, w in devices) % PUBLIC.n


@settings(deadline=None)
@given(st.lists(st.integers(1, PUBLIC.n_squared - 1), max_size=5))
def test_ciphertexts_survive_bytes(values: list[int]) -> None:
    assert paillier.from_bytes(PUBLIC, paillier.to_bytes(PUBLIC, values)) == values


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**40), st.integers(0, 2**130)), max_size=12), st.integers(2, 10**40))
def test_a_chain_gives_the_product_of_the_powers(powers: list[tuple[int, int]], modulus: int) -> None:
    expected = 1
    for base, exponent in powers:
        expected = expected * pow(base, exponent, modulus) % modulus
    assert multi_power([b for b, _ in powers], [e for _, e in powers], modulus) == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_made_key_is_an_honest_one_of_its_length(seed: int) -> None:
    private = paillier.generate(128, random=Random(seed).getrandbits, allow_small=True)
    private.public.check(allow_small=True)
    assert private.public.bits == 128
