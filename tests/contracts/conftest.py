"""The contracts deployed once; every test starts from there and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from house import House


@pytest.fixture(scope="session")
def built() -> House:
    return House.build()


@pytest.fixture
def house(built: House) -> Iterator[House]:
    with built.supposing():
        yield built
