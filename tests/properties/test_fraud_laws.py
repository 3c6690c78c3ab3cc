"""Nobody can convict an honest candidate, and every lie has a proof: the contract's law, in Python."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto import fraud, merkle, paillier
from dapp.crypto.paillier import PublicKey

POSITIONS = 10_000


def cohort(random: Random, public: PublicKey, count: int) -> tuple[list[bytes], list[int], bytes]:
    """Ciphertexts of some devices, their exponents, and the right sum."""
    devices = random.randint(3, 6)
    columns = [[random.randrange(1, public.n_squared) for _ in range(count)] for _ in range(devices)]
    exponents = [random.randint(1, 500) for _ in range(devices)]
    right = paillier.to_bytes(public, paillier.weighted_product(public, columns, exponents))
    return [paillier.to_bytes(public, column) for column in columns], exponents, right


def judged(
    public: PublicKey, columns: list[bytes], exponents: list[int], claimed: bytes, position: int, count: int
) -> bool:
    """By everything that can be shown: no device has a leaf at a position past the end."""
    factors = [
        fraud.Factor(merkle.ciphertext_root(public, data), s, fraud.Leaf.of(public, data, position))
        for data, s in zip(columns, exponents, strict=True)
        if position < count
    ]
    root, leaf = merkle.ciphertext_root(public, claimed), fraud.Leaf.of(public, claimed, position)
    return fraud.is_wrong(public, position, count, root, leaf, factors)


def test_ten_thousand_positions_of_right_sums_convict_nobody() -> None:
    random, checked = Random(4), 0
    while checked < POSITIONS:
        public = PublicKey(random.getrandbits(128) | 1 << 127 | 1)
        count = random.choice([1, 2, 3, 7, 12])
        columns, exponents, right = cohort(random, public, count)
        for position in range(count):
            assert not judged(public, columns, exponents, right, position, count)
            checked += 1


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 12), claimed_count=st.integers(1, 13))
def test_whatever_differs_has_a_position_that_convicts(seed: int, count: int, claimed_count: int) -> None:
    random = Random(seed)
    public = PublicKey(random.getrandbits(128) | 1 << 127 | 1)
    columns, exponents, right = cohort(random, public, count)
    numbers = paillier.from_bytes(public, right)
    claimed = [random.choice([c, c, c ^ 1, public.n_squared + 1]) for c in (numbers * 13)[:claimed_count]]
    data = paillier.to_bytes(public, claimed)
    position = fraud.lie(public, right, data)
    assert (position is None) == (data == right)
    if position is not None:
        assert judged(public, columns, exponents, data, position, count)


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_split_product_is_the_product_and_no_part_is_too_dear(bits: int) -> None:
    random = Random(bits)
    public = PublicKey(random.getrandbits(bits) | 1 << (bits - 1) | 1)
    for devices, largest in ((10, 500), (32, 8192), (60, 2**32 - 1), (256, 4096)):
        exponents = [random.randint(1, largest) for _ in range(devices)]
        parts = list(fraud.split(public, exponents, 2000))
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(devices))
        assert all(part.stop - part.start <= fraud.MOST_FACTORS for part in parts)
        assert all(fraud.gas(public, exponents[part], 2000) <= fraud.MOST_GAS for part in parts)
