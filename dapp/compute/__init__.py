"""Where heavy work runs: in this process, or spread over worker processes, with the same results bit for bit.

A job is a module-level function with picklable arguments (frozen dataclasses, ints, bytes, arrays). What a worker
should build only once, such as a table of powers, is an ``functools.lru_cache`` function in the job's own module: each
worker keeps its own cache for as long as it lives.

Importing this package costs next to nothing, and workers load nothing before a job needs it.
"""

from __future__ import annotations

from dapp.compute.executor import Executor, Progress
from dapp.compute.serial import Serial

__all__ = ["Executor", "Progress", "Serial", "create"]


def create(workers: int) -> Executor:
    """An executor with so many workers; one worker is this process itself.

    Workers share what this process has imported by now, so make a second executor after heavy imports rather than
    import in every worker (``dapp.compute.processes`` says more).

    Raises:
        ValueError: fewer than one worker.
    """
    if workers < 1:
        raise ValueError(f"an executor needs at least one worker, not {workers}")
    if workers == 1:
        return Serial()
    from dapp.compute.processes import Processes

    return Processes(workers)
