"""Things chosen by name: models, partitions, strategies and their options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from dapp.errors import LearningError

T = TypeVar("T")


def by_name(kind: str, name: str, table: Mapping[str, T]) -> T:
    """The entry of ``table`` called ``name``.

    Raises:
        LearningError: there is none; the help names the nearest one, or all.
    """
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]


def unknown(kind: str, name: str, known: Iterable[str]) -> LearningError:
    """The error for a ``name`` that is not among the ``known``."""
    known = sorted(known)
    near = get_close_matches(name, known, 1)
    return LearningError(
        f"there is no {kind} called {name!r}",
        help=f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(known) or 'none'}",
    )
