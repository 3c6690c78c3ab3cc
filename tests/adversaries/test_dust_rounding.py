"""Dust rounding: rewards that are rounded down must still add up to the pot, and never to more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from house import Drive, House
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def claim(house: House, drive: Drive, order: Sequence[int]) -> list[int]:
    before = [house.credit(house.devices[k]) for k in order]
    for k in order:
        house.learning.send(house.anyone, "claimDevicePayFor", *drive.place, house.devices[k].address)
    return [house.credit(house.devices[k]) - b for k, b in zip(order, before, strict=True)]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    weights=st.lists(st.integers(1, 500), min_size=4, max_size=6),
    pot=st.integers(1, 10**18),
    data=st.data(),
)
def test_defended_rewards_and_dust_are_exactly_the_pot(
    house: House, weights: list[int], pot: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(weights))))
    with house.supposing():
        terms = house.terms(money={"device_pot": pot, "edge_bond": 0, "opening_bond": pot})
        task_id = house.create(terms, value=pot + 10**18)
        house.enrol(task_id, weights)
        drive = house.open(task_id, terms).to_closed()
        requester = house.credit(house.requester)
        rewards = claim(house, drive, order)
        total = sum(weights)
        assert rewards == [pot * weights[k] // total for k in order]
        dust = house.credit(house.requester) - requester
        assert sum(rewards) + dust == pot
        assert dust < len(weights)
        assert house.solvent()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_defended_nobody_gains_by_claiming_first_or_last(house: House, order: tuple[int, ...]) -> None:
    drive = house.start((100, 200, 300, 57)).to_closed()
    assert dict(zip(order, claim(house, drive, order), strict=True)) == {
        k: drive.terms.money.device_pot * s // 657 for k, s in enumerate((100, 200, 300, 57))
    }


def test_defended_dust_waits_for_the_last_claim(house: House) -> None:
    """Else who claims before the others could be short by it."""
    drive = house.start((100, 200, 300, 57)).to_closed()
    before = house.credit(house.requester)
    claim(house, drive, (0, 1, 2))
    assert house.credit(house.requester) == before
    claim(house, drive, (3,))
    assert 0 < house.credit(house.requester) - before < 4
