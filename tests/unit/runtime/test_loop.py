"""The loop that turns nodes, and a node's carrying out of what its machine asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

from dapp.crypto import cid
from dapp.errors import BlobUnavailable, CryptoError, Fatal
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import (
    Blobs,
    Done,
    Failed,
    Notice,
    Pin,
    Publish,
    RandomBits,
    Result,
    Tick,
    Transact,
    Wake,
    Work,
)
from dapp.protocol.work import OpenSum
from dapp.storage import Blob
from dapp.types import Digest


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.build(tmp_path / "run")


@dataclass(frozen=True)
class Job:
    """Gives back what it was told to, or fails."""

    value: Any
    needs: tuple[BlobRef, ...] = ()
    label: str = "testing"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        if isinstance(self.value, Exception):
            raise self.value
        return Result([self.value, *blobs.values()], (b"made",))


def doing(stage: Stage, *effects: Any) -> list[Any]:
    """Turns an edge that asks for these effects once, in place of its own; gives what it hears afterwards."""
    node, heard = stage.node("edge", 0), []

    def step(state: Any, input: Any) -> tuple[Any, tuple[Any, ...]]:
        first = isinstance(input, Tick) and not any(isinstance(before, Tick) for before in heard)
        heard.append(input)
        wake = (Wake(at=input.now + 60),) if isinstance(input, Tick) else ()
        return state, effects if first else wake

    node.wrap(lambda _: step)
    for _ in range(3):
        stage.loop.turn()
    return [input for input in heard if isinstance(input, Done | Failed)]


def test_the_value_of_a_job_comes_back_to_who_asked(stage: Stage) -> None:
    assert doing(stage, Work(("work", 1), Job(7))) == [Done(("work", 1), [7])]


def test_a_job_that_fails_comes_back_as_a_sentence(stage: Stage) -> None:
    assert doing(stage, Work(("work", 1), Job(CryptoError("no such share")))) == [Failed(("work", 1), "no such share")]


def test_a_job_gets_its_own_blobs_those_of_the_store_and_none_for_what_is_nowhere(stage: Stage) -> None:
    node = stage.node("edge", 0)
    stored = stage.world.store.put(b"stored")
    node.keep([b"kept"])
    refs = [BlobRef(stored.digest, 6), BlobRef(cid.digest(b"kept"), 4), BlobRef(Digest(bytes(32)), 5)]
    assert list(node.fetch(refs).values()) == [b"stored", b"kept", None]


def test_a_blob_over_what_the_terms_allow_is_not_read(stage: Stage) -> None:
    node, size = stage.node("edge", 0), 10**9
    assert list(node.fetch([BlobRef(Digest(b"\1" * 32), size)]).values()) == [None]


def test_what_a_job_made_is_published_only_when_asked(stage: Stage) -> None:
    ref = BlobRef(cid.digest(b"made"), 4)
    doing(stage, Work(("work", 1), Job(7)))
    assert not stage.world.store.has(ref.digest, 4)
    doing(stage, Publish(("publish", 1), ref), Pin(("pin", 1), (ref,)))
    assert stage.world.store.has(ref.digest, 4)


def test_what_a_store_does_not_let_pass_is_tried_again_until_it_does(stage: Stage) -> None:
    """A store that is away for a while loses nothing."""
    node, ref = stage.node("edge", 0), BlobRef(cid.digest(b"sent late"), 9)
    node.keep((b"sent late",))
    put, refusals = node.store.put, iter(range(2))

    def away(data: bytes) -> Blob:
        for _ in refusals:
            raise BlobUnavailable("the store does not answer")
        return put(data)

    node.store.put = away  # type: ignore[method-assign]
    assert doing(stage, Publish(("publish", 2), ref)) == []
    for _ in range(5):
        stage.loop.turn()
    assert stage.world.store.has(ref.digest, 9)
    assert [told.text for told in node.told] == ["tries again: the store does not answer"]


def test_a_transaction_that_the_contract_refuses_comes_back_as_a_sentence(stage: Stage) -> None:
    duty = ("close", 9)
    (failed,) = doing(stage, Transact(duty, "learning", "close_round", (stage.world.facts.task_id, 9)))
    assert isinstance(failed, Failed)
    assert failed.duty == duty
    assert "Learning.closeRound" in failed.reason


def test_a_notice_is_told_to_people(stage: Stage) -> None:
    doing(stage, Notice(("say", 0), "nothing is wrong"))
    assert [told.text for told in stage.node("edge", 0).told] == ["nothing is wrong"]


def test_nobody_acting_and_nobody_waiting_is_an_error_and_not_an_endless_loop(stage: Stage) -> None:
    for node in stage.world.nodes:
        node.wrap(lambda _: lambda state, _input: (state, ()))
    assert stage.loop.turn()  # there were events to hear of
    with pytest.raises(Fatal, match="nobody acts and nobody waits"):
        stage.loop.turn()


def test_an_opening_in_parts_is_the_opening_in_one(stage: Stage) -> None:
    asked: list[OpenSum] = []
    node = stage.node("edge", 0)

    def watching(step: Any) -> Any:
        def watched(state: Any, input: Any) -> tuple[Any, tuple[Any, ...]]:
            after, effects = step(state, input)
            asked.extend(e.job for e in effects if isinstance(e, Work) and isinstance(e.job, OpenSum))
            return after, effects

        return watched

    node.wrap(watching)
    stage.play()
    (job,) = asked
    blobs = node.fetch(job.needs)
    whole = job.join(blobs, [part.run() for part in job.parts(blobs, 1)])
    for count in (2, 3, 5):
        parts = job.parts(blobs, count)
        assert len(parts) == count
        assert job.join(blobs, [part.run() for part in parts]) == whole
    assert whole.value.used.bit_count() == stage.world.facts.key.threshold
