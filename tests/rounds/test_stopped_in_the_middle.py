"""Ctrl-C, or a full disk, in the middle of a run."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stage import PROJECT, small

from dapp import simulation
from dapp.chain.facts import import_events
from dapp.errors import ExitCode, StoreFull
from dapp.protocol.events import RoundOpened
from dapp.report import progress
from dapp.report.schema import Report
from dapp.simulation import Scenario


class At:
    """A listener that does something when a round enters a phase."""

    def __init__(self, number: int, phase: str, action: Callable[[], None]) -> None:
        self.moment, self.action = progress.Phase(number, phase), action

    def on(self, progress: progress.Progress) -> None:
        if progress == self.moment:
            self.action()


def interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def no_more_bytes() -> Iterator[Callable[[], None]]:
    """Gives what makes every later write fail as on a full disk: the system takes no byte more into any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(folder: Path, listener: progress.Listener) -> Report:
    settings = small("rounds=2", "verifiers=1", "panel.seats=1")
    return simulation.run(settings, folder, listener, Scenario(), project=PROJECT, min_key_bits=512)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.raises(KeyboardInterrupt):
        run(folder, At(1, "share", interrupt))
    return folder


def test_ctrl_c_leaves_a_report_that_says_so(interrupted: Path) -> None:
    report = Report.from_json((interrupted / "report.json").read_text())
    assert report.status == "interrupted"
    assert [round_.outcome for round_ in report.rounds] == ["Accepted", "Open"]
    assert report.rounds[1].included == (0, 1, 2, 3)


def test_the_partial_report_can_be_looked_at(interrupted: Path) -> None:
    assert "interrupted" in (interrupted / "report.html").read_text().lower()
    assert (interrupted / "accuracy.png").stat().st_size > 1000
    assert (interrupted / "model.safetensors").stat().st_size > 0


def test_the_chains_facts_were_kept_up_to_the_stop(interrupted: Path) -> None:
    facts = import_events(interrupted / "events.jsonl")
    assert sum(isinstance(event, RoundOpened) for event in facts.events()) == 2


def test_a_disk_that_fills_up_stops_the_run_with_what_to_do(tmp_path: Path) -> None:
    with no_more_bytes() as fill, pytest.raises(StoreFull) as stopped:
        run(tmp_path / "run", At(0, "publish", fill))
    assert stopped.value.code == ExitCode.STORE
    assert "run" in str(stopped.value)
    assert "space" in stopped.value.help


def test_nothing_half_written_is_taken_for_a_blob(tmp_path: Path) -> None:
    with no_more_bytes() as fill, pytest.raises(StoreFull):
        run(tmp_path / "run", At(0, "publish", fill))
    assert list((tmp_path / "run" / "store" / "partial").iterdir()) == []
