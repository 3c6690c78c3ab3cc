"""Turns the nodes of one process on a chain that others move too, for as long as it takes.

Unlike :class:`dapp.runtime.loop.Loop` it owns nothing but its own keys: it polls the head, works in threads while it
goes on listening, sends one batch of transactions at a time, and waits wherever chain or store do not answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event as Stop
from typing import Any

from dapp.chain.client import Client, Receipt
from dapp.chain.contracts import Call, Contracts
from dapp.chain.errors import ContractError
from dapp.chain.node import Block, Unreachable
from dapp.compute import Executor
from dapp.errors import BlobError, CairnError, ChainError, Fatal, Retryable
from dapp.protocol.effects import Done, Duty, Failed, Observed, Result, Tick, Work
from dapp.protocol.events import Event
from dapp.runtime.joining import Tasks
from dapp.runtime.node import Node
from dapp.runtime.performing import Finished, Ran, submit

FETCHES = 8
"""Blobs of a job that are asked for at a time: an IPFS node takes long to find that nobody has one."""
MOST_BYTES = 2 * 1024**3
"""Of blobs that one work reads into memory: a requester's terms may allow each update four gigabytes."""
WORK_TRIES = 5
"""How often work is tried whose blobs were not to be had."""
SAID = (1, 8, 64)
"""Which tries of a transaction people hear of."""
LONGEST_WAIT = 15.0
"""Seconds between two questions to a chain that does not answer, at most."""


@dataclass(slots=True)
class _Sending:
    """A transaction that is due."""

    node: Node[Any]
    duty: Duty
    call: Call
    tries: int = 0
    at: float = 0.0
    block: int = 0


@dataclass(slots=True)
class _Working:
    """Work in a thread, or waiting for its next try (``running`` None)."""

    node: Node[Any]
    work: Work
    running: Future[tuple[Ran, Result]] | None = None
    tries: int = 0
    at: float = 0.0


@dataclass(slots=True)
class Daemon:
    """The nodes of a process, its chain and its executor.

    Args:
        tasks: gives the nodes, one task after the other; each is told all that was read before it came.
        executor: runs the jobs; a serial one runs each in a thread of its own.
        threads: jobs at a time.
        poll: seconds between two looks at the head.
        lag: blocks from the one that is read last to the chain's newest: a transaction shows after so many, if at all.
        beat: moves an idle chain that mines only what it is sent; called while its head is behind the wall clock.
        said: is told, in sentences, by whom and what.
        before: called in each turn before the nodes are, with the head; hands over what came in meanwhile.
    """

    client: Client
    contracts: Contracts
    tasks: Tasks
    executor: Executor
    said: Callable[[str, str], None]
    threads: int = 1
    poll: float = 1.0
    lag: int = 0
    beat: Callable[[], object] | None = None
    before: Callable[[Block], None] = lambda _: None
    nodes: list[Node[Any]] = field(default_factory=list)
    _history: list[Event] = field(default_factory=list)
    _sending: list[_Sending] = field(default_factory=list)
    _working: list[_Working] = field(default_factory=list)
    _read_to: int = -1
    _ticked: int = -1
    _unanswered: int = 0

    def run(self, stop: Stop, until: Callable[[], bool]) -> None:
        """Turns until ``stop`` is set, or ``until`` says that nothing is left to do.

        Raises:
            Fatal: the process cannot go on, the chain was rolled back beyond what was confirmed for example.
        """
        with ThreadPoolExecutor(self.threads, thread_name_prefix="work") as pool:
            try:
                while not stop.is_set() and not until():
                    acted = self._turn_or_wait(pool, stop)
                    if not acted:
                        stop.wait(self.poll)
            finally:
                self._tell()
                self.tasks.close()
                pool.shutdown(wait=False, cancel_futures=True)

    def _turn_or_wait(self, pool: ThreadPoolExecutor, stop: Stop) -> bool:
        try:
            acted = self.turn(pool)
        except Fatal:
            raise
        except Retryable as error:
            if self._unanswered == 0:
                self.said("chain", f"waits: {error}")
            self._unanswered += 1
            stop.wait(min(2.0 ** min(self._unanswered, 10) / 2, LONGEST_WAIT))
            return True
        if self._unanswered:
            self.said("chain", "answers again; goes on")
            self._unanswered = 0
        return acted

    @property
    def idle(self) -> bool:
        """Whether nothing is being worked on, and nothing waits to be sent."""
        return not self._working and not self._sending and not any(node.has_inputs for node in self.nodes)

    def turn(self, pool: ThreadPoolExecutor) -> bool:
        """One look at the chain and one turn of every node.

        Returns:
            whether anything happened that may make more due at once.

        Raises:
            Retryable: the chain did not answer; nothing is lost.
        """
        head = self._look()
        for newcomer in self.tasks.newcomers():
            for event in self._history:
                newcomer.give(Observed(event))
            self.nodes.append(newcomer)
        finished = self._collect()
        self.before(head)
        if head.number != self._ticked or finished or any(node.has_inputs for node in self.nodes):
            self._ticked = head.number
            for node in self.nodes:
                turn = node.turn(Tick(head.timestamp, head.number))
                finished |= turn.acted
                self._sending += [_Sending(node, duty, call) for duty, call in turn.calls]
                self._working += [_Working(node, work) for work in turn.work]
        self._tell()
        self._start(pool)
        return self._send(Tick(head.timestamp, head.number)) or finished

    def _look(self) -> Block:
        """The head, when every node has been given what happened up to it.

        Raises:
            Retryable: the chain did not answer, or a node did not say what it was asked; it, or another, may later.
        """
        try:
            head = self.client.head()
            if self.beat is not None and head.timestamp < int(time.time()):
                self.beat()
                head = self.client.head()
            self._read(head)
        except ChainError as error:
            raise Unreachable(str(error), help=error.help) from error
        return head

    def _tell(self) -> None:
        for node in self.nodes:
            while node.told:
                self.said(node.name, node.told.popleft().text)

    def _read(self, head: Block) -> None:
        """Gives every node what happened since the last look."""
        since = max(self._read_to + 1, self.contracts.deployment.block)
        if since > head.number:
            return
        events = self.contracts.events(since, head.number)
        self._read_to = head.number
        for event in events:
            self.tasks.observe(event)
            for node in self.nodes:
                node.give(Observed(event))
        self._history += events

    def _start(self, pool: ThreadPoolExecutor) -> None:
        for each in self._working:
            if each.running is None and time.monotonic() >= each.at:
                self.said(each.node.name, f"{each.work.job.label} …")
                each.running = pool.submit(_perform, each.node, each.work, self.executor)

    def _collect(self) -> bool:
        """Gives nodes what their work came to; work whose blobs were not to be had is tried again."""
        done = [each for each in self._working if each.running is not None and each.running.done()]
        for each in done:
            node, work, running = each.node, each.work, each.running
            assert running is not None
            try:
                ran, result = running.result()
            except Retryable as error:
                if each.tries < WORK_TRIES:
                    each.tries, each.running = each.tries + 1, None
                    each.at = time.monotonic() + 2.0**each.tries
                    self.said(node.name, f"{work.job.label}: tries again: {error}")
                    continue
                node.give(Failed(work.duty, str(error)))
            except CairnError as error:
                node.give(Failed(work.duty, str(error)))
            except Exception as error:  # whatever a stranger's bytes did to a job, the node goes on
                node.give(Failed(work.duty, f"{type(error).__name__}: {error}"))
            else:
                node.keep(result.blobs)
                node.give(Done(work.duty, result.value))
                booked = Finished.of(node, work, ran, result)
                self.said(node.name, f"{booked.label}: done in {booked.core_seconds:.1f} s")
            self._working.remove(each)
        return bool(done)

    def _send(self, tick: Tick) -> bool:
        """Sends what is due in one batch. What the chain could not take now stays; what a contract refuses fails.

        What was tried before may have come through though no answer did: a seal sent twice is a second bond, and lost.
        So it is sent again only if its node would still ask for it once it knows what happened since, at ``block``.
        """
        now = time.monotonic()
        due = [each for each in self._sending if now >= each.at and tick.block >= each.block]
        for each in [each for each in due if each.tries and not each.node.is_due(each.duty, tick)]:
            due.remove(each)
            self._sending.remove(each)
        if not due:
            return False
        try:
            results: Sequence[Receipt | CairnError] = self.client.send_all(
                [(each.node.account, each.call) for each in due]
            )
        except Fatal:
            raise
        except CairnError as error:
            results = [error] * len(due)
        for each, result in zip(due, results, strict=True):
            if isinstance(result, Receipt):
                self.said(each.node.name, f"{_words(each.duty)}: {result.gas_used:,} gas in block {result.block:,}")
            elif isinstance(result, ContractError):
                each.node.give(Failed(each.duty, str(result)))
            else:
                each.tries += 1
                each.at = now + min(2.0 ** min(each.tries, 10) / 4, 2 * LONGEST_WAIT)
                each.block = tick.block + self.lag
                if each.tries in SAID:
                    self.said(each.node.name, f"{_words(each.duty)}: tries again: {result}")
                continue
            self._sending.remove(each)
        return True


def _perform(node: Node[Any], work: Work, executor: Executor) -> tuple[Ran, Result]:
    needed = sum(ref.size for ref in set(work.job.needs))
    if needed > MOST_BYTES:
        raise BlobError(f"it needs {needed:,} bytes of blobs, more than the {MOST_BYTES:,} that are read for one work")
    return submit(node, work.job, executor, fetch_at_a_time=FETCHES)()


def _words(duty: Duty) -> str:
    """A duty as people read it: what, in which round, and for whom or which."""
    what, *rest = duty
    if rest and isinstance(rest[0], int):
        what, rest = f"{what}, round {rest[0]}", rest[1:]
    named = [text if len(text) <= 12 else f"{text[:8]}…" for text in map(str, rest)]
    return f"{what} ({', '.join(named)})" if named else str(what)
