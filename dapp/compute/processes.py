"""Worker processes on one machine.

On Linux the workers are forked when the executor is made: they start in milliseconds and share, page by page, whatever
this process has loaded by then. Make one executor at the very start for work that needs no heavy module, and another
once those are imported; importing torch in every worker would cost seconds each. torch keeps to one thread in them, so
a fork never needs the thread pool that OpenMP may have started here. Elsewhere, where system libraries do not survive a
fork, the workers are spawned and import what their jobs need.

Functions and arguments travel by pickle, between this process and the workers that it started itself; nothing that a
stranger wrote is ever unpickled.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Literal, Self, TypeAlias

from dapp.compute.executor import Item, P, Progress, Result
from dapp.errors import Fatal

StartMethod: TypeAlias = Literal["fork", "spawn"]


class Processes:
    """Runs jobs in worker processes that ignore Ctrl-C (the parent ends them) and end when the parent is gone.

    Args:
        workers: number of processes, all started here.
        start_method: how they are started; the module's text says why fork on Linux and spawn elsewhere.
    """

    def __init__(
        self, workers: int, start_method: StartMethod = "fork" if sys.platform == "linux" else "spawn"
    ) -> None:
        self.workers = workers
        self._pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context(start_method), initializer=_prepare_worker, initargs=(os.getpid(),)
        )
        # A worker is born with Ctrl-C blocked, until it can ignore it: no traceback from one that was just starting.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(workers):
                self._pool.submit(os.getpid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def submit(self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """See `Executor.submit`."""
        outer: Future[Result] = Future()
        outer.set_running_or_notify_cancel()
        try:
            inner = self._pool.submit(function, *args, **kwargs)
        except BrokenProcessPool:
            outer.set_exception(self._died(function))
            return outer

        def pass_on(done: Future[Result]) -> None:
            if done.cancelled():
                outer.set_exception(CancelledError())
            elif isinstance(error := done.exception(), BrokenProcessPool):
                outer.set_exception(self._died(function))
            elif error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(done.result())

        inner.add_done_callback(pass_on)
        return outer

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Progress | None = None
    ) -> list[Result]:
        """See `Executor.map`."""
        futures = [self.submit(function, item) for item in items]
        for done, _ in enumerate(as_completed(futures), start=1):
            if progress:
                progress(done, len(futures))
        return [future.result() for future in futures]

    def close(self) -> None:
        """See `Executor.close`."""
        for process in self._processes():
            process.kill()  # a worker holds nothing that it would have to put away
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _processes(self) -> list[BaseProcess]:
        # The standard library shows them to nobody before `kill_workers` of Python 3.14.
        return list((self._pool._processes or {}).values())

    def _died(self, function: Callable[..., object]) -> Fatal:
        ended = [process for process in self._processes() if connection.wait([process.sentinel], timeout=0)]
        for process in ended:
            process.join(timeout=1)  # its pipe closes a moment before its exit code is there
        # Once one worker is gone the pool ends the others with SIGTERM; the one that ended otherwise is the culprit.
        codes = [process.exitcode for process in ended if process.exitcode != -signal.SIGTERM]
        how = f" ({_ending(codes[0])})" if codes and codes[0] is not None else ""
        return Fatal(
            f"a worker process ended abruptly{how} before {function.__qualname__} was done",
            help="Most often memory ran out: use fewer workers (-c workers=1), or close other programs.",
        )


def _ending(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"


def _prepare_worker(parent: int) -> None:
    """First thing in a worker: leave Ctrl-C to the parent, keep to one thread, and never outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"  # for a library that is yet to be loaded
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # The pool's pipes do not tell: every worker holds both ends, so none of them sees the parent go.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
