"""Finding work from the chain alone: which tasks there are, and what a role must know of one before it takes part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dapp.chain.contracts import Contracts
from dapp.errors import BlobError, CairnError, Retryable
from dapp.protocol.events import Event, TaskCreated, TaskEnded
from dapp.protocol.keys import read_key
from dapp.protocol.machine import Facts
from dapp.runtime.node import Node
from dapp.storage import BlobStore
from dapp.types import TaskId

MOST_KEY_BYTES = 64 * 1024
"""No key blob is longer, whatever the terms say."""
JOINS = 4
"""Tasks that are looked into at a time."""
LONGEST_WAIT = 60.0
"""Seconds between two tries to join a task whose blobs are not to be had, at most."""

Join = Callable[[TaskCreated], Sequence[Node[Any]]]
"""The nodes of a process for a task; fetches what they must know. Called in threads of its own."""


def facts_of(contracts: Contracts, store: BlobStore, created: TaskCreated) -> Facts:
    """A task's constants: its terms from the chain, its key from the blob that they name.

    Raises:
        BlobUnavailable: no store has the key.
        BlobError: the blob is no key, or not the one that the terms speak of.
        CryptoError: a modulus that no Paillier key has; ``KeyTooSmall`` under 2,048 bits.
    """
    said = created.terms.key
    key = read_key(store.get(said.digest, said.size, cap=MOST_KEY_BYTES))
    if (key.public.bits, key.threshold, key.holders) != (said.bits, said.threshold, said.holders):
        raise BlobError(
            f"the key of task 0x{created.task_id.hex()} is {key.threshold} of {key.holders} in {key.public.bits} bits, "
            f"where its terms say {said.threshold} of {said.holders} in {said.bits}",
            help="Nobody should take part in this task: its requester contradicts himself.",
        )
    deployment = contracts.deployment
    return Facts(
        chain_id=deployment.chain_id,
        learning=deployment.learning,
        mining=deployment.mining,
        verification=deployment.verification,
        task_id=created.task_id,
        terms=created.terms,
        key=key,
    )


@dataclass(slots=True)
class _Offer:
    """A task that may be joined; ``joining`` while somebody fetches what must be known of it."""

    created: TaskCreated
    joining: Future[Sequence[Node[Any]]] | None = None
    tries: int = 0
    at: float = 0.0


@dataclass(slots=True)
class Tasks:
    """The tasks that a process takes part in.

    Args:
        join: makes the nodes for one.
        only: this task and no other; None takes every one that has not ended, or waits for the only one.
        many: whether several tasks are served at a time.
        said: is told by whom and what.
    """

    join: Join
    said: Callable[[str, str], None]
    only: TaskId | None = None
    many: bool = True
    joined: set[TaskId] = field(default_factory=set)
    _offers: dict[TaskId, _Offer] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(JOINS, thread_name_prefix="join"))
    _puzzled: int = -1

    def observe(self, event: Event) -> None:
        """Hears of tasks that begin and end."""
        if isinstance(event, TaskCreated) and self.only in (None, event.task_id):
            self._offers[event.task_id] = _Offer(event)
        elif isinstance(event, TaskEnded) and event.task_id != self.only:
            self._offers.pop(event.task_id, None)

    def newcomers(self) -> list[Node[Any]]:
        """Nodes for the tasks that were joined since the last call; never waits."""
        ready = list(self._offers.values())
        if not ready and not self.joined and self._puzzled < 0:
            self._puzzled = 0
            self.said("tasks", "none is open: waits for one")
        if not self.many and (len(ready) > 1 or self.joined):
            if not self.joined and len(ready) != self._puzzled:
                self._puzzled = len(ready)
                ids = ", ".join(f"0x{offer.created.task_id.hex()}" for offer in ready)
                self.said("tasks", f"{len(ready)} tasks are open: set task to one of {ids}")
            return []
        found = [node for offer in ready for node in self._of(offer)]
        idle = [offer for offer in self._offers.values() if offer.joining is None]
        free = JOINS - (len(self._offers) - len(idle))
        due = [offer for offer in idle if time.monotonic() >= offer.at]
        # Who made the others wait before comes last: a store takes long to say that it has something not.
        for offer in sorted(due, key=lambda offer: offer.tries)[:free]:
            offer.joining = self._pool.submit(self.join, offer.created)
        return found

    def close(self) -> None:
        """Ends the threads; what they fetch is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _of(self, offer: _Offer) -> Sequence[Node[Any]]:
        """The nodes for a task, once they are there."""
        task_id = offer.created.task_id
        if offer.joining is None or not offer.joining.done():
            return ()
        try:
            nodes = offer.joining.result()
        except Retryable as error:
            if offer.tries == 0:
                self.said("tasks", f"0x{task_id.hex()} cannot be joined yet: {error}")
            offer.tries, offer.joining = offer.tries + 1, None
            offer.at = time.monotonic() + min(2.0**offer.tries, LONGEST_WAIT)
            return ()
        except Exception as error:  # whatever is wrong with one task, the others go on
            del self._offers[task_id]
            if self.only == task_id or not self.many:
                raise
            why = error if isinstance(error, CairnError) else f"{type(error).__name__}: {error}"
            self.said("tasks", f"0x{task_id.hex()} is left alone: {why}")
            return ()
        del self._offers[task_id]
        self.joined.add(task_id)
        self.said("tasks", f"takes part in 0x{task_id.hex()}")
        return nodes
