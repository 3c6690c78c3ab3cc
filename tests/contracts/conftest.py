"""The contracts deployed once; every test starts from there and leaves no trace."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a chain, a cast and a court

from house import House


@pytest.fixture(scope="session")
def built() -> House:
    return House.build()


@pytest.fixture
def house(built: House) -> Iterator[House]:
    with built.supposing():
        yield built
