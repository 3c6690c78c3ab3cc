"""Gas as reviewed data: a figure may not rise by more than one per cent above its snapshot, nor above its ceiling.

``UPDATE_GAS=1 pytest tests/gas`` rewrites ``snapshots.json`` with the figures of that run; ceilings are in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SLACK = 1.01


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
