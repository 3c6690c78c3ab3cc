"""The executor that is this process itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from dapp.compute.executor import Item, P, Progress, Result


class Serial:
    """Runs each job when it is submitted, one after the other; the reference for every other executor."""

    workers = 1

    def submit(self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """See `Executor.submit`. The future is already done."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # an interrupt is the caller's and passes
            future.set_exception(error)
        return future

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Progress | None = None
    ) -> list[Result]:
        """See `Executor.map`."""
        jobs = list(items)
        futures: list[Future[Result]] = []
        for job in jobs:
            futures.append(self.submit(function, job))
            if progress:
                progress(len(futures), len(jobs))
        return [future.result() for future in futures]

    def close(self) -> None:
        """See `Executor.close`. There is nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
