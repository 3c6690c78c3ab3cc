"""The lot: the contract's function, its Python twin and the recorded vectors draw the same seats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evm import Contract, Evm, Refused

from dapp.consensus.sortition import panel
from dapp.crypto.merkle import keccak256

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sortition.json").read_text())


@pytest.fixture(scope="module")
def sortition() -> Contract:
    return Evm(1).deploy("SortitionHarness")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['size']} of {vector['eligible']}")
def test_the_contract_draws_the_recorded_panels(sortition: Contract, vector: dict[str, object]) -> None:
    seed = int(str(vector["seed"]), 16)
    assert list(sortition.read("panel", seed, vector["eligible"], vector["size"])) == vector["panel"]


@pytest.mark.parametrize(("eligible", "size"), [(5, 5), (52, 11), (300, 21), (2**32 - 1, 51)])
def test_the_contract_and_its_twin_draw_the_same_seats(sortition: Contract, eligible: int, size: int) -> None:
    """Some two thousand seats in all."""
    seeds = [int.from_bytes(keccak256(b"twin %d" % i)[16:], "big") for i in range(1_000 // size)]
    for batch in range(0, len(seeds), 20):
        drawn = sortition.read("panels", seeds[batch : batch + 20], eligible, size)
        assert [list(members) for members in drawn] == [
            panel(seed, eligible, size) for seed in seeds[batch : batch + 20]
        ]


def test_a_seat_beyond_the_members_is_refused(sortition: Contract) -> None:
    for eligible, seat in ((0, 0), (5, 5), (5, 2**255)):
        with pytest.raises(Refused, match="SortitionSeatOutOfRange"):
            sortition.read("memberAt", 7, eligible, seat)
