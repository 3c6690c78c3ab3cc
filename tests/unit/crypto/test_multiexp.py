from __future__ import annotations

import pytest

from dapp.crypto.multiexp import Chain, multi_power

MODULUS = 2**127 - 1


@pytest.mark.parametrize(
    "exponents", [[5], [0], [0, 0, 7], [1, 1, 1], [600] * 10, [2**128, 1], [12, 18, 30], [2**64 - 1, 2**64, 3, 0]]
)
def test_a_chain_gives_the_product_of_the_powers(exponents: list[int]) -> None:
    bases = [3 + 7 * i for i in range(len(exponents))]
    expected = 1
    for base, exponent in zip(bases, exponents, strict=True):
        expected = expected * pow(base, exponent, MODULUS) % MODULUS
    assert multi_power(bases, exponents, MODULUS) == expected


def test_one_chain_serves_several_moduli() -> None:
    chain = Chain.of([9, 4])
    assert chain.product([2, 3], 1009) == 2**9 * 3**4 % 1009
    assert chain.product([5, 7], 10007) == 5**9 * 7**4 % 10007


def test_equal_exponents_cost_one_power() -> None:
    chain = Chain.of([600] * 10)
    assert (len(chain.steps), chain.power) == (9, 600)


def test_no_base_gives_one() -> None:
    assert multi_power([], [], MODULUS) == 1
