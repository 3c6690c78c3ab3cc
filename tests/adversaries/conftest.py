"""Fixtures that attacks share: the contracts with their cast, a key with a cohort's updates, and two besieged tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Beside this folder's helpers, the chain and its cast of the contracts' own tests.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "contracts")]

from court import Court  # noqa: E402
from house import House  # noqa: E402
from siege import Lab, Siege  # noqa: E402


@pytest.fixture(scope="session")
def built() -> House:
    return House.build()


@pytest.fixture
def house(built: House) -> Iterator[House]:
    with built.supposing():
        yield built


@pytest.fixture(scope="session")
def lab(built: House) -> Lab:
    """Eight devices with weights 10 … 17, a 512-bit key of which three of five holders open."""
    return Lab.build(built, range(10, 18))


@pytest.fixture(scope="session")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Siege:
    """Two rounds of seven devices: device 5 copies, device 6 sends malformed ciphertexts, holder 1 shares junk."""
    from attackers import besiege

    return besiege(tmp_path_factory.mktemp("siege"))


@pytest.fixture(scope="session")
def overflowing(tmp_path_factory: pytest.TempPathFactory) -> Siege:
    """Two rounds of four devices of which device 3 crafts its plaintexts: past the range first, then within it."""
    from attackers import overflow

    return overflow(tmp_path_factory.mktemp("overflow"))


@pytest.fixture(scope="session")
def bench() -> Court:
    return Court.build()


@pytest.fixture
def court(bench: Court) -> Iterator[Court]:
    """Verification alone with seven members."""
    with bench.supposing():
        yield bench
