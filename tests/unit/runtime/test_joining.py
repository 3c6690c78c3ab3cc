"""What a role says while it looks for work."""

from __future__ import annotations

from dapp.runtime.joining import Tasks
from dapp.types import TaskId


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
