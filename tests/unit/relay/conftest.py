"""A real door on a free loopback port, with a real store behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from porch import PLACE, Porch

from dapp.relay import DoorClient, DoorServer
from dapp.storage import EmbeddedStore


@pytest.fixture
def porch(tmp_path: Path) -> Porch:
    return Porch(EmbeddedStore(tmp_path / "edge"))


@pytest.fixture
def door(porch: Porch) -> Iterator[DoorServer]:
    with porch.door() as server:
        yield server


@pytest.fixture
def client(door: DoorServer) -> DoorClient:
    return DoorClient(door.url, PLACE)
