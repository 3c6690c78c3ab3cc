"""Promise 22 on osaka: what the transactions of a round and of a panel cost there, by the same tests as on prague.

No figure may rise by more than one per cent above ``tests/gas/snapshots_osaka.json``, nor above its ceiling;
``UPDATE_GAS=1`` rewrites it. What osaka made dearer, modexp, is in the figures of PaillierSum.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import test_gas
import test_gas_votes
from anvil_chain import AnvilChain
from court import Court
from evm import Evm
from gauge import Gas
from house import House

from dapp.runtime.programs import Running


def names(test: Callable[..., None]) -> tuple[str, ...]:
    """What a test asks for."""
    return test.__code__.co_varnames[: test.__code__.co_argcount]


SNAPSHOTS = Path(__file__).resolve().parents[1] / "gas" / "snapshots_osaka.json"
CAP = 2**24
"""EIP-7825: no transaction of osaka may use more gas."""
OF_A_ROUND = [name for name, test in vars(test_gas).items() if name.startswith("test_") and "house" in names(test)]
OF_A_PANEL = [
    name for name, test in vars(test_gas_votes).items() if name.startswith("test_") and "court" in names(test)
]


@pytest.fixture(scope="module")
def gas() -> Iterator[Gas]:
    snapshots = json.loads(SNAPSHOTS.read_text()) if SNAPSHOTS.exists() else {}
    gas = Gas(snapshots, update=os.environ.get("UPDATE_GAS") == "1")
    yield gas
    if gas.update:
        SNAPSHOTS.write_text(json.dumps(snapshots | gas.measured, indent=1, sort_keys=True) + "\n")


@pytest.fixture(scope="module")
def round_on_osaka(anvil_osaka: Running) -> House:
    return House.build(devices=64, holders=10, evm=Evm(16, partial(AnvilChain, anvil_osaka.url)))


@pytest.fixture(scope="module")
def panel_on_osaka(anvil_osaka: Running) -> Court:
    return Court.build(members=25, spare=3, evm=Evm(31, partial(AnvilChain, anvil_osaka.url)))


@pytest.mark.parametrize("name", OF_A_ROUND)
def test_a_round_on_osaka(round_on_osaka: House, gas: Gas, name: str) -> None:
    with round_on_osaka.supposing():
        getattr(test_gas, name)(round_on_osaka, gas)


@pytest.mark.parametrize("name", OF_A_PANEL)
def test_a_panel_on_osaka(panel_on_osaka: Court, gas: Gas, name: str) -> None:
    with panel_on_osaka.supposing():
        getattr(test_gas_votes, name)(panel_on_osaka, gas)


def test_no_transaction_comes_near_the_cap(gas: Gas) -> None:
    """By the figures of the tests above; those per message are smaller still."""
    worst = max(gas.measured, key=lambda name: gas.measured[name])
    print(f"\n{len(gas.measured)} operations on osaka; the dearest is '{worst}' with {gas.measured[worst]:,} gas")
    assert gas.measured[worst] <= test_gas.WORST_TRANSACTION < CAP
