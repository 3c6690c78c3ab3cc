"""Products, squares and powers modulo n² are what Python says they are."""

from __future__ import annotations

from random import Random

import pytest
from evm import Contract, Evm

SIZES = (64, 512, 520, 2048, 3072)


@pytest.fixture(scope="module")
def harness() -> Contract:
    return Evm(1).deploy("ModularHarness")


def number(value: int, n: int) -> bytes:
    return value.to_bytes(2 * ((n.bit_length() + 7) // 8), "big")


def edges(n: int) -> list[int]:
    """Where carries and borrows turn."""
    m = n * n
    words = 256 * ((m.bit_length() + 255) // 256)
    near = (0, 1, 2, n, m // 2, m // 2 + 1, m - 2, m - 1)
    return sorted({*near, *(x for x in (2**256 - 1, 2**256, 2 ** (words - 256) - 1, 2 ** (words - 1)) if x < m)})


@pytest.mark.parametrize("n", [3, 2**64 - 59, 2**512 - 1, 2**512 - 569, 2**511 + 1, 2**512 + 75])
def test_products_where_carries_turn(harness: Contract, n: int) -> None:
    modulus = n.to_bytes((n.bit_length() + 7) // 8, "big")
    for a in edges(n):
        for b in edges(n):
            given = harness.read("multiply", modulus, number(a, n), number(b, n))
            assert int.from_bytes(given, "big") == a * b % n**2, (a, b)


@pytest.mark.parametrize("bits", SIZES)
def test_products_powers_and_squares_of_random_numbers(harness: Contract, bits: int) -> None:
    random = Random(bits)
    for _ in range(25):
        n = random.getrandbits(bits) | 1 << (bits - 1) | 1
        modulus = n.to_bytes((bits + 7) // 8, "big")
        a, b = random.randrange(n * n), random.randrange(n * n)
        exponent = random.choice([1, 2, 3, random.getrandbits(13), random.getrandbits(32)])
        assert int.from_bytes(harness.read("square", modulus), "big") == n * n
        product = harness.read("multiply", modulus, number(a, n), number(b, n))
        assert int.from_bytes(product, "big") == a * b % n**2
        power = harness.read("power", modulus, number(a, n), exponent)
        assert int.from_bytes(power, "big") == pow(a, exponent, n * n)


@pytest.mark.parametrize("bits", [64, 512, 2048])
def test_what_is_reduced(harness: Contract, bits: int) -> None:
    n = Random(bits).getrandbits(bits - 1) | 1
    modulus = n.to_bytes((n.bit_length() + 7) // 8, "big")
    for value, reduced in ((0, True), (n * n - 1, True), (n * n, False), (n * n + 1, False)):
        assert harness.read("isReduced", modulus, number(value, n)) is reduced
