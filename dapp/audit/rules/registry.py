"""Where the rules are found: by contract and function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dapp.audit.world import Call, World
from dapp.protocol.events import Event

Rule = Callable[[World, Call], Iterator[Event]]
"""Yields the events that a call must cause, in order; each is folded into the world before the next is asked for.
Raises AuditError where the contract would have refused the call."""

RULES: dict[str, Rule] = {}
"""By ``Contract.function``, as in the ABI."""


def rule(name: str) -> Callable[[Rule], Rule]:
    """Registers the rule of a function."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return register
