"""A whole cohort in one process, on the embedded chain and store or on a network's: what ``cairn demo`` and
``cairn run`` run."""

from dapp.simulation.bench import bench
from dapp.simulation.faults import Scenario
from dapp.simulation.ground import Place, embedded, network
from dapp.simulation.run import run

__all__ = ["Place", "Scenario", "bench", "embedded", "network", "run"]
