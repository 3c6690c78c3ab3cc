"""What a proof costs where powers are dear: on osaka, EIP-7883 asks about five times as much for them as prague.

The figures are those of docs/contracts/paillier-sum.md; ``-s`` prints them, transaction by transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from anvil_chain import AnvilChain
from evm import Evm
from house import House
from sums import NOTHING, TALL, Tall

from dapp.crypto import fraud
from dapp.protocol.enums import CandidateState
from dapp.runtime.programs import start_anvil

WORST_TRANSACTION = 8_000_000
MOST_WEIGHT = 8192
CEILINGS = {
    ("prague", 10, 2048): 900_000,
    ("prague", 10, 3072): 1_300_000,
    ("prague", 32, 2048): 2_400_000,
    ("prague", 32, 3072): 3_400_000,
    ("osaka", 10, 2048): 1_700_000,
    ("osaka", 10, 3072): 3_100_000,
    ("osaka", 32, 2048): 4_700_000,
    ("osaka", 32, 3072): WORST_TRANSACTION,
}
"""Of the dearest transaction of a proof."""


@pytest.fixture(scope="module", params=["prague", "osaka"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, House]]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    with start_anvil(folder, hardfork=request.param) as anvil:
        yield request.param, House.build(devices=32, holders=5, evm=Evm(16, partial(AnvilChain, anvil.url)))


@pytest.mark.parametrize("bits", [2048, 3072])
@pytest.mark.parametrize("devices", [10, 32])
def test_striking_out(built: tuple[str, House], devices: int, bits: int) -> None:
    rules, house = built
    with house.supposing():
        sums = Tall.lied(house, devices, bits, MOST_WEIGHT)
        used = prove(sums, devices)
        predicted = [fraud.gas(sums.public, part, TALL) for part in parts(sums, devices)]
    print(f"\nstrike out, {devices} devices, {bits} bits, {rules}: {' + '.join(f'{gas:,}' for gas in used)}")
    assert max(used) <= CEILINGS[rules, devices, bits]
    if rules == "osaka":
        assert all(gas <= said <= 1.25 * gas for gas, said in zip(used, predicted, strict=True)), predicted


def test_weights_of_28_bits_are_split(built: tuple[str, House]) -> None:
    """32 devices that weigh as much as a total of 32 bits allows."""
    rules, house = built
    with house.supposing():
        used = prove(Tall.lied(house, 32, 3072, 2**32 - 1), 32)
    print(f"\nstrike out, 32 devices of 2^27, 3072 bits, {rules}: {' + '.join(f'{gas:,}' for gas in used)}")
    assert len(used) > 2
    assert max(used) <= WORST_TRANSACTION


def parts(sums: Tall, devices: int) -> list[list[int]]:
    exponents = [sums.exponent(k) for k in range(devices)]
    return [exponents[part] for part in fraud.split(sums.public, exponents, TALL)]


def prove(sums: Tall, devices: int) -> list[int]:
    """Proves the first candidate wrong as a watcher does; what each transaction cost."""
    used, before, start = [], NOTHING, 0
    *first, last = map(len, parts(sums, devices))
    for count in first:
        sent, before = sums.multiplied(0, before, range(start, start + count))
        used.append(sent.gas)
        start += count
    used.append(sums.strike(0, before=before, factors=sums.factors(0, range(start, start + last))).gas)
    assert sums.candidate(0).state == CandidateState.STRUCK
    return used
