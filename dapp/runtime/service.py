"""A role's own process: what it begins with, what it says, and when it is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dapp.chain.client import Client
from dapp.chain.contracts import Call, Contracts
from dapp.chain.keys import Account
from dapp.chain.node import Block
from dapp.compute import Executor
from dapp.protocol.effects import Handed
from dapp.protocol.enums import Outcome
from dapp.protocol.relayed import batch_of
from dapp.runtime.daemon import Daemon
from dapp.runtime.joining import Join, Tasks
from dapp.runtime.node import Node
from dapp.settings import RoleSettings
from dapp.storage import BlobStore
from dapp.types import TaskId

THREADS = 4
"""Works at a time of a process that serves every task, so that one whose blobs are not to be had holds up no other."""
FINALITY = 96
"""Blocks from a final one to the newest: three epochs, where all goes well."""


@dataclass(frozen=True, slots=True)
class Service:
    """What every role's process begins with, each part checked already.

    Args:
        folder: of its settings file; paths of the user's own model and data begin there.
        said: is told by whom and what, for people.
        stop: ends the process when it is set.
    """

    settings: RoleSettings
    client: Client
    contracts: Contracts
    account: Account
    store: BlobStore
    folder: Path
    said: Callable[[str, str], None]
    stop: threading.Event

    def run(
        self,
        join: Join,
        executor: Executor,
        *,
        many: bool,
        before: Callable[[Daemon, Block], None] = lambda *_: None,
        beat: Callable[[], object] | None = None,
        done: Callable[[Node[Any]], bool] = lambda node: bool(node.state.view.ended),
    ) -> None:
        """Turns this process's nodes until it is stopped, or, where it serves one task, until that is over.

        Args:
            join: makes the nodes for a task.
            many: serves every task there is, unless the settings name one.
            before: is called in each turn before the nodes are, with the daemon and the head.
            done: whether a node of a single task has nothing left to do.

        Raises:
            Fatal: it cannot go on.
            CairnError: the one task that it should serve cannot be served.
        """
        settings = self.settings
        only = None if settings.task_id is None else TaskId(settings.task_id)
        tasks = Tasks(join, self.said, only=only, many=many and only is None)
        phases = Phases(self.said)
        daemon: Daemon

        def first(head: Block) -> None:
            phases.tell(daemon.nodes, head.timestamp)
            before(daemon, head)

        def over() -> bool:
            return not tasks.many and bool(daemon.nodes) and daemon.idle and all(map(done, daemon.nodes))

        daemon = Daemon(
            self.client,
            self.contracts,
            tasks,
            executor,
            self.said,
            threads=max(THREADS if tasks.many else 1, executor.workers),
            poll=settings.poll,
            lag=FINALITY if settings.finalized else settings.confirmations,
            beat=beat,
            before=first,
        )
        daemon.run(self.stop, over)
        self.said(settings.name, "stopped" if self.stop.is_set() else "the task is over")

    def post(self, handed: Handed) -> None:
        """Brings a signed message to the chain from this role's own account, where nobody else does.

        Raises:
            ChainError: the contract refuses it, or there is not enough ether.
        """
        contract, function, args = batch_of(handed)
        call: Call = getattr(getattr(self.contracts, contract), function)(*args)
        self.client.send(self.account, call)


@dataclass(slots=True)
class Phases:
    """Says when a round enters another phase, and how it ended."""

    said: Callable[[str, str], None]
    _known: dict[TaskId, tuple[int, str]] = field(default_factory=dict)

    def tell(self, nodes: Iterable[Node[Any]], now: int) -> None:
        """Compares each task's latest round with what was said before."""
        for view in {node.state.view.task_id: node.state.view for node in nodes}.values():
            if view.terms is None or view.round is None:
                continue
            round_ = view.round
            closed = round_.outcome != Outcome.OPEN
            phase = round_.outcome.name if closed else round_.phase(view.terms, now).name
            if self._known.get(view.task_id) != (round_.number, phase):
                self._known[view.task_id] = round_.number, phase
                self.said(f"round {round_.number}", f"{'closed: ' if closed else ''}{phase.lower()}")


def stopped_by_signals() -> threading.Event:
    """An event that Ctrl-C and a service manager's stop set."""
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    return stop
