"""A process that serves tasks on a chain which it does not rule: what it sends twice, and what does not end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

from dapp.chain.client import Client
from dapp.chain.node import Unreachable
from dapp.compute import Serial
from dapp.crypto import cid
from dapp.errors import BlobError, ChainError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Effect, Failed, Input, Publish, Tick, Transact, Work
from dapp.protocol.machine import ask
from dapp.protocol.work import FormAggregate
from dapp.runtime.daemon import Daemon
from dapp.runtime.joining import Tasks

PROMOTE = Transact(("promote", 0), "verification", "promote", (1,))
"""Something that the contract takes however often it is sent."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.build(tmp_path / "run")


def serving(stage: Stage, wanted: Callable[[], Sequence[Effect]], client: Client | None = None) -> Daemon:
    """A daemon with one edge, which asks for what is ``wanted``, once."""
    node = stage.node("edge", 0)

    def step(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        return ask(state, wanted()) if isinstance(input, Tick) else (state, ())

    node.wrap(lambda _: step)
    said: list[str] = []
    tasks = Tasks(lambda _: [], lambda who, what: None, joined={stage.world.facts.task_id})
    return Daemon(
        client or stage.world.client,
        stage.world.contracts,
        tasks,
        Serial(),
        lambda who, what: said.append(what),
        nodes=[node],
    )


@dataclass(frozen=True)
class Huge:
    """A sum over updates as large as hostile terms allow."""

    updates: tuple[BlobRef, ...]
    contributions: tuple[()] = ()


def turned(served: Daemon, times: int) -> None:
    with ThreadPoolExecutor(1) as pool:
        for _ in range(times):
            served.turn(pool)
            wait([each.running for each in served._working if each.running is not None])
            for each in served._sending:
                each.at = 0.0
    served.tasks.close()


class Forgetful(Client):
    """Its connection ends each time after a transaction was mined, before that is known."""

    def send_all(self, calls: Any) -> Any:
        super().send_all(calls)
        raise Unreachable("the node went away")


def test_what_came_through_without_an_answer_is_not_sent_again(stage: Stage) -> None:
    """A seal sent twice would lock a second bond, and lose it."""
    client = Forgetful(stage.world.client.node)
    edge = stage.node("edge", 0).account.address
    before = client.nonce(edge)
    served = serving(stage, lambda: (PROMOTE,) if client.nonce(edge) == before else (), client)
    turned(served, 4)
    assert client.nonce(edge) == before + 1
    assert served.idle


def test_what_did_not_come_through_is_sent_again(stage: Stage) -> None:
    class Away(Client):
        left = 2

        def send_all(self, calls: Any) -> Any:
            if self.left:
                self.left -= 1
                raise Unreachable("nobody there")
            return super().send_all(calls)

    client = Away(stage.world.client.node)
    edge = stage.node("edge", 0).account.address
    before = client.nonce(edge)
    served = serving(stage, lambda: (PROMOTE,), client)
    turned(served, 4)
    assert client.nonce(edge) == before + 1
    assert served.idle


def test_nothing_is_sent_again_before_the_block_in_which_it_may_be_is_read(stage: Stage) -> None:
    """Behind confirmations a seal that came through shows late."""
    client = Forgetful(stage.world.client.node)
    edge = stage.node("edge", 0).account.address
    before = client.nonce(edge)
    served = serving(stage, lambda: (PROMOTE,), client)
    served.lag = 3
    turned(served, 4)
    assert client.nonce(edge) == before + 1
    stage.world.clock.advance_to_block(client.head().number + 3)
    turned(served, 1)
    assert client.nonce(edge) == before + 2


def test_a_node_that_refuses_to_say_what_it_was_asked_is_waited_for(stage: Stage) -> None:
    class Unwilling(Client):
        def head(self) -> Any:
            raise ChainError("the chain has no block 7")

    with pytest.raises(Unreachable, match="no block 7"):
        turned(serving(stage, lambda: (), Unwilling(stage.world.client.node)), 1)


def test_a_store_that_keeps_something_else_ends_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serving(stage, lambda: (Publish(("publish", 0), BlobRef(cid.digest(b"blob"), 4)), PROMOTE))
    (node,) = served.nodes
    node.keep((b"blob",))
    asked = []

    def other_bytes(data: bytes) -> Any:
        asked.append(data)
        raise BlobError("the store stored something else")

    monkeypatch.setattr(node.store, "put", other_bytes)
    before = served.client.nonce(node.account.address)
    turned(served, 2)
    assert set(asked) == {b"blob"}
    assert served.client.nonce(node.account.address) == before + 1, "its other duties go on"


def test_work_on_more_than_a_machine_holds_fails_before_anything_is_read(stage: Stage) -> None:
    """A verifier votes empty then, and is not silent."""
    needs = tuple(BlobRef(cid.digest(bytes([i])), 1024**3) for i in range(3))
    job = FormAggregate(stage.world.facts, Huge(needs), stage.node("edge", 0).account.address)  # type: ignore[arg-type]
    served = serving(stage, lambda: (Work(("add up", 0), job),))
    (node,) = served.nodes
    heard: list[Input] = []
    step = node._step
    node.wrap(lambda _: lambda state, input: (heard.append(input), step(state, input))[1])
    turned(served, 4)
    (failed,) = [each for each in heard if isinstance(each, Failed)]
    assert failed.duty == ("add up", 0)
    assert "3,221,225,472 bytes" in failed.reason
    assert node.store.transfers.received == 0
