"""Heavy work of a node: its blobs fetched, its job given to an executor, its time counted."""

from __future__ import annotations

import os
import resource
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

from dapp.compute import Executor
from dapp.errors import CairnError
from dapp.protocol.effects import Blobs, Duty, Job, Result, Work
from dapp.protocol.work import OpenSum, Part
from dapp.runtime.node import Node


@dataclass(frozen=True, slots=True)
class Ran:
    """A job that a worker ran. ``core_seconds`` of its thread; ``peak_mib`` of its process so far."""

    result: Any
    core_seconds: float
    process: int
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Finished:
    """Heavy work that is done, for whoever keeps the books of time."""

    node: Node[Any]
    duty: Duty
    label: str
    value: Any
    core_seconds: float
    process: int
    peak_mib: float

    @classmethod
    def of(cls, node: Node[Any], work: Work, ran: Ran, result: Result) -> Self:
        """What is booked of a job that ran."""
        return cls(node, work.duty, work.job.label, result.value, ran.core_seconds, ran.process, ran.peak_mib)


def run_job(job: Job, blobs: Blobs) -> Ran:
    """Runs a job in a worker with the system's randomness."""
    return _measured(lambda: job.run(blobs, secrets.randbits))


def run_part(part: Part) -> Ran:
    """Runs a part of an opening in a worker."""
    return _measured(part.run)


def _measured(work: Callable[[], Any]) -> Ran:
    started = time.thread_time()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Ran(result, time.thread_time() - started, os.getpid(), peak)


def submit(
    node: Node[Any], job: Job, executor: Executor, *, fetch_at_a_time: int = 1
) -> Callable[[], tuple[Ran, Result]]:
    """Hands a node's job to an executor; what is given back waits for it, and raises what it raised."""
    blobs = node.fetch(job.needs, at_a_time=fetch_at_a_time)
    if isinstance(job, OpenSum):
        opening = job
        try:
            parts = [executor.submit(run_part, part) for part in job.parts(blobs, executor.workers)]
        except CairnError as error:
            reason = error
            return lambda: _raise(reason)
        return lambda: _joined(opening, blobs, parts)
    future: Future[Ran] = executor.submit(run_job, job, blobs)

    def finish() -> tuple[Ran, Result]:
        ran = future.result()
        return ran, ran.result

    return finish


def _raise(error: CairnError) -> tuple[Ran, Result]:
    raise error


def _joined(job: OpenSum, blobs: Blobs, parts: list[Future[Ran]]) -> tuple[Ran, Result]:
    ran = [part.result() for part in parts]
    started = time.thread_time()
    result = job.join(blobs, [part.result for part in ran])
    seconds = sum(part.core_seconds for part in ran) + time.thread_time() - started
    return Ran(result, seconds, ran[0].process, max(part.peak_mib for part in ran)), result
