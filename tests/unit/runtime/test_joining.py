"""What a role says while it looks for work."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

from dapp.errors import BlobUnavailable
from dapp.protocol.events import TaskCreated
from dapp.runtime.joining import JOINS, Tasks
from dapp.types import TaskId


@pytest.fixture
def created(tmp_path: Path) -> TaskCreated:
    stage = Stage.build(tmp_path / "run")
    events = stage.world.contracts.events(0, stage.world.client.head().number)
    return next(event for event in events if isinstance(event, TaskCreated))


def numbered(created: TaskCreated, number: int) -> TaskCreated:
    return replace(created, task_id=TaskId(number.to_bytes(32, "big")))


def until(tasks: Tasks, number: int, seconds: float) -> bool:
    """Whether a task is joined in so many seconds."""
    deadline = time.monotonic() + seconds
    while TaskId(number.to_bytes(32, "big")) not in tasks.joined and time.monotonic() < deadline:
        tasks.newcomers()
        time.sleep(0.01)
    return TaskId(number.to_bytes(32, "big")) in tasks.joined


def test_tasks_whose_keys_nobody_has_keep_nobody_from_the_next_one(created: TaskCreated) -> None:
    """A store takes long to say that it has something not: who makes tasks without keys would block everybody."""
    over, tried = threading.Event(), []

    def join(task: TaskCreated) -> list[Any]:
        tried.append(task.task_id)
        if task.task_id == numbered(created, 99).task_id:
            return []
        over.wait(0.2)
        raise BlobUnavailable("nobody has the key")

    tasks = Tasks(join, lambda who, what: None)
    for number in range(20):
        tasks.observe(numbered(created, number))
    while len(tried) < 20 + JOINS:  # all were tried, and are tried again
        tasks.newcomers()
        time.sleep(0.01)
    tasks.observe(numbered(created, 99))
    before = len(tried)
    assert until(tasks, 99, 10)
    assert len(tried) - before <= 2 * JOINS
    over.set()
    tasks.close()


def test_a_task_that_cannot_even_be_read_is_left_alone(created: TaskCreated) -> None:
    said: list[str] = []

    def join(task: TaskCreated) -> list[Any]:
        if task.task_id == numbered(created, 1).task_id:
            raise OverflowError("what a stranger wrote")
        return []

    tasks = Tasks(join, lambda who, what: said.append(what))
    tasks.observe(numbered(created, 1))
    tasks.observe(numbered(created, 2))
    assert until(tasks, 2, 10)
    while not any("left alone" in what for what in said):
        tasks.newcomers()
    tasks.close()
    assert any("left alone: OverflowError: what a stranger wrote" in what for what in said)


def test_where_no_task_is_open_it_says_once_that_it_waits() -> None:
    said: list[str] = []
    tasks = Tasks(lambda _: [], lambda who, what: said.append(f"{who}: {what}"))
    assert tasks.newcomers() == tasks.newcomers() == []
    tasks.close()
    assert said == ["tasks: none is open: waits for one"]


def test_who_serves_a_task_does_not_say_that_it_waits() -> None:
    said: list[str] = []
    tasks = Tasks(lambda _: [], lambda who, what: said.append(f"{who}: {what}"), joined={TaskId(bytes(32))})
    assert tasks.newcomers() == []
    tasks.close()
    assert said == []
