"""The view is a fold over events: what is not its task's leaves it as it is."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from dapp.protocol import events as ev
from dapp.protocol.effects import Observed
from dapp.protocol.view import View, apply, bits
from dapp.types import Address, TaskId

if TYPE_CHECKING:
    from conftest import Recorded

STRANGER = Address(b"\7" * 20)
FOREIGN = TaskId(b"\7" * 32)
ABOUT_EVERYBODY = (ev.MemberJoined, ev.MemberActivated, ev.MemberLeaving, ev.MemberLeft, ev.Paid, ev.Withdrawn)
"""The registry and the escrow serve all tasks."""


@pytest.fixture
def seen(recorded: Recorded) -> list[ev.Event]:
    """Every event of a whole run."""
    return [input.event for input in recorded.tapes["edge 0"].inputs if isinstance(input, Observed)]


def folded(view: View, events: list[ev.Event]) -> View:
    for event in events:
        view = apply(view, event)
    return view


def test_every_role_has_the_same_view_in_the_end(recorded: Recorded) -> None:
    views = [tape.last.view for tape in recorded.tapes.values()]
    assert all(view == views[0] for view in views)


def test_a_fold_over_the_events_is_all_there_is_to_it(recorded: Recorded, seen: list[ev.Event]) -> None:
    assert folded(View(recorded.stage.view.task_id), seen) == recorded.stage.view


def test_events_of_another_task_change_nothing(recorded: Recorded, seen: list[ev.Event]) -> None:
    view = recorded.stage.view
    foreign = [
        replace(event, **{"task_id" if hasattr(event, "task_id") else "case_key": FOREIGN})
        for event in seen
        if hasattr(event, "task_id") or (hasattr(event, "case_key") and not isinstance(event, ev.MemberSlashed))
    ]
    assert len({type(event) for event in foreign}) > 20
    assert folded(view, foreign) is view


def test_events_that_it_has_no_rule_for_change_nothing(recorded: Recorded) -> None:
    view = recorded.stage.view

    class Unknown(ev.Event):
        """An event of a contract to come."""

    assert apply(view, Unknown()) is view
    assert apply(view, ev.PotFunded(b"pot", STRANGER, 1)) is view  # type: ignore[arg-type]


def test_a_round_that_was_never_opened_is_passed_over(recorded: Recorded, seen: list[ev.Event]) -> None:
    view = recorded.stage.view
    later = [
        replace(event, round=99) for event in seen if hasattr(event, "round") and not isinstance(event, ev.RoundOpened)
    ]
    assert folded(view, later) is view


def test_events_before_the_task_leave_the_view_without_terms(seen: list[ev.Event]) -> None:
    view = View(FOREIGN)
    after = folded(view, [event for event in seen if not isinstance(event, ABOUT_EVERYBODY)])
    assert (after.terms, after.rounds, after.enrolments) == (None, (), {})


def test_no_event_of_the_contracts_is_without_a_class() -> None:
    kinds = [kind for kind in vars(ev).values() if isinstance(kind, type) and issubclass(kind, ev.Event)]
    assert len(kinds) > 35
    assert all({"block", "timestamp", "log_index"} <= {field.name for field in fields(kind)} for kind in kinds)


@pytest.mark.parametrize(("mask", "indices"), [(0, []), (1, [0]), (0b1011, [0, 1, 3]), (1 << 255, [255])])
def test_bits_are_the_indices_that_are_set(mask: int, indices: list[int]) -> None:
    assert list(bits(mask)) == indices
