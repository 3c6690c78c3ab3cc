"""What the state machines of all roles have in common: the facts of a task, and asking for a duty once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from dapp.crypto.packing import Encoding
from dapp.crypto.threshold import ThresholdKey
from dapp.crypto.typed_data import Domain, Enrolment, UpdateCommit, learning_domain, mining_domain
from dapp.protocol.effects import Duty, Effect, Input, Observed, Relayed, Wake
from dapp.protocol.enums import Weighting
from dapp.protocol.terms import Terms
from dapp.protocol.view import View, apply
from dapp.types import Address, TaskId


@dataclass(frozen=True)
class Facts:
    """What does not change over a task. ``key`` was read from the blob whose digest the terms name."""

    chain_id: int
    learning: Address
    mining: Address
    verification: Address
    task_id: TaskId
    terms: Terms
    key: ThresholdKey

    @cached_property
    def encoding(self) -> Encoding:
        """How values are packed; the largest total weight is S_max, or the cohort's size where devices fold weights."""
        terms = self.terms
        edge = terms.encoding.weighting == Weighting.EDGE
        return Encoding(
            bits=terms.encoding.bits,
            clip_nano=terms.encoding.clip,
            total_weight=terms.cohort.max_weight if edge else terms.cohort.max_devices,
            key_bits=terms.key.bits,
        )

    @cached_property
    def learning_domain(self) -> Domain:
        """EIP-712 domain of Learning's messages."""
        return learning_domain(self.chain_id, self.learning)

    @cached_property
    def mining_domain(self) -> Domain:
        """EIP-712 domain of Mining's messages."""
        return mining_domain(self.chain_id, self.mining)

    def domain_of(self, message: Relayed) -> Domain:
        """The domain in which a message is signed: that of the contract which takes it."""
        return self.learning_domain if isinstance(message, Enrolment | UpdateCommit) else self.mining_domain


@dataclass(frozen=True, slots=True)
class Role:
    """State of any role: the facts, the chain's view, and the duties that it has asked to be carried out.

    ``seen``: block and place in it of the last event, so that one that comes again changes nothing.
    """

    facts: Facts
    view: View
    asked: frozenset[Duty] = frozenset()
    seen: tuple[int, int] = (-1, -1)


R = TypeVar("R", bound=Role)


def observe(state: R, input: Input) -> R | None:
    """The state after a chain event; None for any other input."""
    if not isinstance(input, Observed):
        return None
    event = input.event
    place = event.block, event.log_index
    return replace(state, view=apply(state.view, event), seen=place) if place > state.seen else state


def ask(state: R, due: Iterable[Effect]) -> tuple[R, tuple[Effect, ...]]:
    """Of the effects that are due, those not asked for before; they are asked for now."""
    asked = set(state.asked)
    fresh: list[Effect] = []
    for effect in due:
        if isinstance(effect, Wake):
            fresh.append(effect)
        elif effect.duty not in asked:
            asked.add(effect.duty)
            fresh.append(effect)
    return replace(state, asked=frozenset(asked)), tuple(fresh)
