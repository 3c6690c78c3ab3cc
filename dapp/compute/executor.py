"""What every executor does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import ParamSpec, Protocol, Self, TypeAlias, TypeVar

P = ParamSpec("P")
Item = TypeVar("Item")
Result = TypeVar("Result")

Progress: TypeAlias = Callable[[int, int], None]
"""Called in the caller's thread each time an item of a `map` is done, with the number done and the number of all."""


class Executor(Protocol):
    """Runs module-level functions. Use it as a context manager: leaving closes it."""

    @property
    def workers(self) -> int:
        """How many jobs run at a time."""
        ...

    def submit(self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """Starts one job.

        The future raises what the job raised, or `dapp.errors.Fatal` where the job's worker died.
        """
        ...

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Progress | None = None
    ) -> list[Result]:
        """The results in the order of `items`. Every item runs; then the first error in that order is raised."""
        ...

    def close(self) -> None:
        """Ends the workers at once; jobs that are not finished are dropped. Closing again does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
