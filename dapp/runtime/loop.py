"""Turns many nodes in one process until nothing is left to do: events in, effects out, heavy work to the executor,
chain time forward when everybody waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dapp.chain.client import Client
from dapp.chain.contracts import Call, Contracts
from dapp.compute import Executor
from dapp.errors import CairnError, ChainError, Fatal
from dapp.protocol.effects import Done, Duty, Failed, Job, Observed, Tick, Work
from dapp.runtime.clock import Clock
from dapp.runtime.node import Node
from dapp.runtime.performing import Finished, submit


class Loop:
    """The turns of a set of nodes.

    Args:
        nodes: in the order in which they take their turns.
        on_events: is told of every new chain event, before the nodes are.
        on_work: is told when a node turns to heavy work, and when it is done.
    """

    def __init__(
        self,
        nodes: Sequence[Node[Any]],
        client: Client,
        contracts: Contracts,
        clock: Clock,
        executor: Executor,
        on_events: Callable[[list[Any]], None] = lambda _: None,
        on_start: Callable[[Node[Any], Job], None] = lambda *_: None,
        on_done: Callable[[Finished], None] = lambda _: None,
    ) -> None:
        self.nodes = nodes
        self._client, self._contracts, self._clock, self._executor = client, contracts, clock, executor
        self._on_events, self._on_start, self._on_done = on_events, on_start, on_done
        self._read_to = contracts.deployment.block - 1

    def read(self, head: int) -> list[Any]:
        """Gives every node the events since the last reading, up to the block ``head``."""
        events = self._contracts.events(self._read_to + 1, head)
        self._read_to = head
        for event in events:
            for node in self.nodes:
                node.give(Observed(event))
        if events:
            self._on_events(events)
        return events

    def turn(self) -> bool:
        """One turn of every node, and all the heavy work that they asked for.

        Returns:
            whether anything happened; if not, chain time was moved to the next moment that somebody waits for.

        Raises:
            Fatal: nobody acts and nobody waits for anything.
        """
        head = self._client.head()
        busy = bool(self.read(head.number))
        asked: list[tuple[Node[Any], Work]] = []
        calls: list[tuple[Node[Any], Duty, Call]] = []
        times: list[int] = []
        blocks: list[int] = []
        for node in self.nodes:
            turn = node.turn(Tick(head.timestamp, head.number))
            busy |= turn.acted or bool(turn.work) or bool(turn.calls)
            asked += [(node, work) for work in turn.work]
            calls += [(node, duty, call) for duty, call in turn.calls]
            times += [wake.at for wake in turn.wakes if wake.at is not None and wake.at > head.timestamp]
            blocks += [wake.block for wake in turn.wakes if wake.block is not None and wake.block > head.number]
        self._send(calls)
        self._work(asked)
        if busy:
            return True
        if blocks:
            self._clock.advance_to_block(min(blocks))
        elif times:
            self._clock.advance_to(min(times))
        else:
            raise Fatal("nobody acts and nobody waits: the round is stuck", help="Report this with the run's folder.")
        return False

    def _send(self, calls: Sequence[tuple[Node[Any], Duty, Call]]) -> None:
        """Sends the transactions of a turn together; who was refused hears of it."""
        try:
            results = self._client.send_all([(node.account, call) for node, _, call in calls]) if calls else []
        except ChainError as error:
            if len(calls) == 1:
                node, duty, _ = calls[0]
                node.give(Failed(duty, str(error)))
                return
            for call in calls:  # one of them cannot be mined: the others must not suffer
                self._send([call])
            return
        for (node, duty, _), result in zip(calls, results, strict=True):
            if isinstance(result, ChainError):
                node.give(Failed(duty, str(result)))

    def _work(self, asked: list[tuple[Node[Any], Work]]) -> None:
        """Runs jobs side by side; their values are given in the order in which they were asked for."""
        running = []
        for node, work in asked:
            self._on_start(node, work.job)
            running.append((node, work, submit(node, work.job, self._executor)))
        for node, work, finish in running:
            try:
                ran, result = finish()
            except CairnError as error:
                node.give(Failed(work.duty, str(error)))
                continue
            except Exception as error:  # whatever a stranger's bytes did to a job, the others go on
                node.give(Failed(work.duty, f"{type(error).__name__}: {error}"))
                continue
            node.keep(result.blobs)
            node.give(Done(work.duty, result.value))
            self._on_done(Finished.of(node, work, ran, result))
