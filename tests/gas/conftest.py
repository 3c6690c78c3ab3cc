"""Gas as reviewed data: a figure may not rise by more than one per cent above its snapshot, nor above its ceiling.

``UPDATE_GAS=1 pytest tests/gas`` rewrites ``snapshots.json`` with the figures of that run; the ceilings are in the tests.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots.json"
SLACK = 1.01

# The chain and its cast are those of the contracts' own tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "contracts"))


@dataclass
class Gas:
    snapshots: dict[str, int]
    measured: dict[str, int] = field(default_factory=dict)
    update: bool = False

    def check(self, operation: str, used: int, ceiling: int) -> None:
        """Holds a figure against its ceiling and its snapshot.

        Args:
            operation: its name in ``snapshots.json``.
            used: gas of the transaction, or per message of a batch.
            ceiling: what the design demands at most.
        """
        self.measured[operation] = used
        assert used <= ceiling, f"{operation}: {used:,} gas, over its ceiling of {ceiling:,}"
        if self.update:
            return
        assert operation in self.snapshots, f"{operation}: {used:,} gas, without a snapshot: run UPDATE_GAS=1"
        known = self.snapshots[operation]
        assert used <= known * SLACK, f"{operation}: {used:,} gas, more than 1 % above its snapshot of {known:,}"


@pytest.fixture(scope="session")
def gas() -> Iterator[Gas]:
    snapshots = json.loads(SNAPSHOTS.read_text()) if SNAPSHOTS.exists() else {}
    gas = Gas(snapshots, update=os.environ.get("UPDATE_GAS") == "1")
    yield gas
    if gas.update:
        SNAPSHOTS.write_text(json.dumps(snapshots | gas.measured, indent=1, sort_keys=True) + "\n")
