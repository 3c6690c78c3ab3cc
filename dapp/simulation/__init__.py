"""A whole cohort in one process, on the embedded chain and store: what ``cairn demo`` and ``cairn run`` run."""

from dapp.simulation.bench import bench
from dapp.simulation.faults import Scenario
from dapp.simulation.run import run

__all__ = ["Scenario", "bench", "run"]
