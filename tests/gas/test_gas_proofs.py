"""What it costs on prague to prove one position of a sum wrong, and to begin with a product that is split.

Weights that add up to 8,192, all alike, which is the dearest way to spread them; twelve siblings a branch. What osaka
asks is measured on anvil, in tests/nodes/test_proof_gas.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gauge import Gas
from house import House
from sums import NOTHING, Sums, Tall, plain

WORST_TRANSACTION = 8_000_000
MOST_WEIGHT = 8192


@pytest.fixture(scope="module")
def built() -> House:
    return House.build(devices=32, holders=5)


@pytest.fixture
def house(built: House) -> Iterator[House]:
    with built.supposing():
        yield built


@pytest.mark.parametrize("bits", [2048, 3072])
@pytest.mark.parametrize("devices", [10, 32])
def test_striking_out(house: House, gas: Gas, devices: int, bits: int) -> None:
    sums = Tall.lied(house, devices, bits, MOST_WEIGHT)
    gas.check(f"strike out, {devices} devices, {bits} bits", sums.strike(0).gas, WORST_TRANSACTION)


def test_beginning_a_product(house: House, gas: Gas) -> None:
    sums = Tall.lied(house, 10, 3072, MOST_WEIGHT)
    arguments = plain(sums.facts(), 0, NOTHING, sums.factors(0, range(5)))
    sent = house.paillier_sum.send(house.anyone, "multiply", *arguments)
    gas.check("multiply 5 of 10 devices, 3072 bits", sent.gas, WORST_TRANSACTION)


def test_excluding_an_update(house: House, gas: Gas) -> None:
    """The largest that fits into a transaction of 128 KB: 240 ciphertexts of a 2,048-bit key."""
    sums = Sums.start(house, weights=(5, 6, 7), count=240, bits=2048)
    sums.roots[0] = bytes(31) + b"\1"
    sums.to_publish()
    arguments = plain(sums.facts(), house.devices[0].address, sums.update(0), sums.blob(0))
    sent = house.paillier_sum.send(house.anyone, "excludeUpdate", *arguments)
    gas.check("exclude an update of 123 KB", sent.gas, WORST_TRANSACTION)
