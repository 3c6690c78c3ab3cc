"""The gauge that all gas tests read, and its snapshots; see ``gauge.py``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SNAPSHOTS = HERE / "snapshots.json"

# The chain and its cast are those of the contracts' own tests.
sys.path[:0] = [str(HERE), str(HERE.parent / "contracts")]

from gauge import Gas  # noqa: E402


@pytest.fixture(scope="session")
def gas() -> Iterator[Gas]:
    snapshots = json.loads(SNAPSHOTS.read_text()) if SNAPSHOTS.exists() else {}
    gas = Gas(snapshots, update=os.environ.get("UPDATE_GAS") == "1")
    yield gas
    if gas.update:
        SNAPSHOTS.write_text(json.dumps(snapshots | gas.measured, indent=1, sort_keys=True) + "\n")
