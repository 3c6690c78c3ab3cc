"""What the command says, where it puts things, and how it exits.

The commands that run a simulation or an audit are given a stand-in for it here: these tests are about the talking.
"""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from report.sample import sample_report

import dapp
from dapp.audit import Audit
from dapp.cli.bench import flat
from dapp.cli.cairn import MEANING
from dapp.cli.new import project
from dapp.cli.run import departures, unused
from dapp.device.project import data_sets, template
from dapp.errors import AuditError, ExitCode, LearningError, SettingsError
from dapp.learning import models
from dapp.report.progress import Finished, Listener, RoundDone
from dapp.report.schema import Report
from dapp.settings import load
from dapp.types import TaskId

from .conftest import Run


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = ModuleType(f"dapp.{name}")
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, f"dapp.{name}", module)
    monkeypatch.setattr(dapp, name, module, raising=False)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What ``dapp.simulation.run`` was asked for; it tells the sample's progress."""
    asked: list[SimpleNamespace] = []

    def run(
        settings: Any,
        folder: Path,
        listener: Listener,
        scenario: Any,
        *,
        project: Path | None,
        place: Any,
        began: float,
    ) -> Report:
        asked.append(SimpleNamespace(settings=settings, folder=folder, scenario=scenario, project=project))
        report = sample_report()
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(report.to_json())
        for done in report.rounds:
            listener.on(RoundDone(done))
        listener.on(Finished(report))
        return report

    stand_in(monkeypatch, "simulation", run=run, Scenario=SimpleNamespace, embedded=object())
    return asked


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, after: bool = False) -> None:
    """Makes every run end with ``error``, before or after it wrote something."""

    def run(settings: Any, folder: Path, listener: Listener, scenario: Any, **_: Any) -> Report:
        if after:
            folder.mkdir(parents=True)
            (folder / "report.json").write_text("{}")
        raise error

    stand_in(monkeypatch, "simulation", run=run, Scenario=SimpleNamespace, embedded=object())


# --- the command itself


def test_help_names_every_command_and_every_exit_code(cairn: Run) -> None:
    help = cairn("--help").out
    for command in ("demo", "new", "run", "verify", "inspect", "bench", "keys", "deploy", "task", "doctor"):
        assert re.search(rf"^  {command}\b", help, re.MULTILINE)
    for code in ExitCode:
        assert re.search(rf"^  {int(code)} +{re.escape(MEANING[code])}$", help, re.MULTILINE)


def test_help_comes_without_loading_anything_heavy() -> None:
    program = (
        "import sys\nfrom dapp.cli import main\nsys.argv = ['cairn', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'web3', 'rich', 'matplotlib', 'jinja2', 'dapp.settings'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("command", ["demo", "run"])
def test_help_of_a_run_lists_every_key(cairn: Run, command: str) -> None:
    help = cairn(command, "--help").out
    for key in ("learning.rounds = 5", "key.bits = 2048", "money.stake", "windows.reveal_vote"):
        assert f"\n  {key}" in help


def test_an_unknown_command_is_a_usage_error(cairn: Run) -> None:
    assert cairn("demmo").code == ExitCode.USAGE


def test_an_error_comes_with_its_help_and_its_exit_code(cairn: Run) -> None:
    ended = cairn("demo", "-c", "roundz=3")
    assert ended.code == ExitCode.SETTINGS
    assert ended.err.splitlines() == [
        "error: -c roundz=3: there is no key 'roundz'",
        "help: did you mean 'learning.rounds'?",
    ]


def test_an_unforeseen_error_is_one_line_and_its_traceback_a_file(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError("of a kind"))
    ended = cairn("demo", "--plain")
    assert ended.code == ExitCode.UNEXPECTED
    line = ended.err.splitlines()[-1]
    assert line.startswith("error: ZeroDivisionError: of a kind")
    saved = Path(line.partition("the traceback is in ")[2].rstrip(")"))
    assert "Traceback (most recent call last)" in saved.read_text()
    assert "Traceback" not in ended.err
    saved.unlink()


def test_a_full_disk_is_called_one(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "runs/demo/blob"))
    ended = cairn("demo", "--plain")
    assert ended.code == ExitCode.STORE
    assert "error: runs/demo/blob cannot be written: No space left on device" in ended.err


def test_ctrl_c_exits_130_and_says_where_the_partial_report_is(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt(), after=True)
    ended = cairn("demo", "--plain")
    assert ended.code == ExitCode.INTERRUPTED
    assert "what there was is in runs/demo" in ended.err
    assert Path("runs/demo/report.json").exists()


def test_a_run_that_wrote_nothing_leaves_no_folder(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, LearningError("no such model", help="make one"))
    ended = cairn("demo", "--plain")
    assert (ended.code, ended.err) == (ExitCode.LEARNING, "error: no such model\nhelp: make one\n")
    assert not Path("runs").exists()


# --- demo and run


def test_a_demo_ends_with_its_tables_and_the_way_to_its_report(cairn: Run, simulated: list[SimpleNamespace]) -> None:
    ended = cairn("demo", "--plain")
    assert ended.code == ExitCode.OK
    assert "✓ round 4 Accepted" in ended.out
    assert "Gas per kind of transaction" in ended.out
    assert ended.out.endswith("report   runs/demo/report.html\ncheck it cairn verify runs/demo\n")


def test_flags_and_keys_reach_the_simulation_and_keys_win(cairn: Run, simulated: list[SimpleNamespace]) -> None:
    flags = (
        "--strategy",
        "fedprox",
        "--workers",
        "1",
        "--name",
        "mine",
        "--runs",
        "out",
        "--drop",
        "2",
        "--cheat",
        "edge",
        "--watch",
    )
    assert cairn("demo", *flags, "-c", "rounds=3", "-c", "strategy=fedavg").code == ExitCode.OK
    (asked,) = simulated
    assert asked.folder == Path("out/mine")
    assert asked.settings.name == "mine"
    assert asked.settings.workers == 1
    assert asked.settings.learning.rounds == 3
    assert asked.settings.learning.strategy == "fedavg"
    assert (asked.scenario.drop, asked.scenario.cheat, asked.scenario.watch) == (2, "edge", True)


def test_the_papers_demo_says_what_it_changes_and_can_be_changed(cairn: Run, simulated: list[SimpleNamespace]) -> None:
    ended = cairn("demo", "--paper", "-c", "devices=5")
    learning = simulated[0].settings.learning
    said = " ".join(ended.out.split())
    assert all(place in said and what[:30] in said for place, what in departures(learning))
    assert simulated[0].settings.devices == 5
    chosen = (learning.model, learning.strategy, learning.partition, learning.learning_rate)
    assert chosen == ("paper-cnn", "blockdeepnet", "iid", 0.5)


def test_the_papers_demo_claims_no_departure_that_was_taken_back(cairn: Run, simulated: list[SimpleNamespace]) -> None:
    said = cairn("demo", "--paper", "-c", "printed=true", "-c", "full_batch=true").out
    assert "Eq. 5" in said
    assert "Eq. 3" not in said
    assert "mini-batches" not in said


def test_devices_that_are_not_there_cannot_be_dropped(cairn: Run) -> None:
    ended = cairn("demo", "--drop", "10")
    assert ended.code == ExitCode.SETTINGS
    assert "--drop 10: there are only 10 devices" in ended.err


def test_a_second_run_of_a_name_leaves_the_first_alone(tmp_path: Path) -> None:
    for name in ("demo", "demo-2", "demo-3"):
        assert unused(tmp_path, "demo") == tmp_path / name
        (tmp_path / name).mkdir()


def test_a_project_runs_from_anywhere(cairn: Run, simulated: list[SimpleNamespace]) -> None:
    assert cairn("new", "mine/task").code == ExitCode.OK
    assert cairn("run", "mine/task", "-c", "rounds=2").code == ExitCode.OK
    assert simulated[0].project == Path("mine/task")
    assert simulated[0].settings.learning.rounds == 2
    assert simulated[0].folder == Path("runs/task")


@pytest.mark.parametrize("cheat", ["edge", "opener"])
def test_beside_a_cheating_edge_there_is_an_honest_one(
    cairn: Run, simulated: list[SimpleNamespace], cheat: str
) -> None:
    assert cairn("demo", "--cheat", cheat).code == ExitCode.OK
    assert simulated[0].settings.edges == 2


def test_a_folder_without_a_task_is_refused_with_the_way_out(cairn: Run) -> None:
    Path("empty").mkdir()
    ended = cairn("run", "empty")
    assert ended.code == ExitCode.SETTINGS
    assert "empty/task.toml" in ended.err
    assert "cairn new" in ended.err


# --- new


def test_a_new_project_is_one_that_the_loaders_take(cairn: Run) -> None:
    cairn("new", "my-task")
    settings = load(Path("my-task/task.toml"), {}, [])
    assert (settings.name, settings.learning.model, settings.learning.data) == (
        "my-task",
        "model.py:Model",
        "data.py:dataset",
    )
    model = template(settings.learning.model, "my-task", seed=0)
    network = models.Network(model)
    for part in data_sets(settings.learning.data, "my-task"):
        network.check(torch.from_numpy(models.flatten(model)), part)
    assert f"{network.size:,}" in Path("my-task/model.py").read_text()
    assert len(Path("my-task/README.md").read_text().splitlines()) <= 10


def test_new_writes_over_nothing(cairn: Run) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years of work")
    ended = cairn("new", "mine")
    assert ended.code == ExitCode.SETTINGS
    assert "mine is not empty: nothing was written" in ended.err
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.tex"]


def test_a_project_has_a_name_that_a_task_can_have() -> None:
    with pytest.raises(SettingsError):
        project("not/a name")


# --- verify, inspect, bench


def test_verify_prints_a_line_per_kind_of_check(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(folder: Path, listener: Callable[[str, int], None], task: str | None) -> Audit:
        listener("headers", 1200)
        listener("seats", 25)
        findings = ("round 1: holder 2 marked a bad update",)
        return Audit(TaskId(bytes(32)), {"headers": 1200, "seats": 25}, False, 1204, 1, findings)

    monkeypatch.setattr("dapp.audit.verify", verify)
    Path("demo").mkdir()
    ended = cairn("verify", "demo")
    assert ended.code == ExitCode.OK
    assert ended.out.splitlines() == [
        "✓ headers           1,200",
        "✓ seats                25",
        "! round 1: holder 2 marked a bad update",
        "1,204 transactions of other tasks were taken as the chain gives them",
        "1 transaction that cannot be followed was taken as the chain gives it",
        "the task has not ended: only what is there was checked",
        "1,225 checks, no lie found in demo",
    ]


def test_a_lie_is_named_and_exits_6(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(folder: Path, listener: Callable[[str, int], None], task: str | None) -> Audit:
        raise AuditError("round 2, edge-0, candidate 0: position 17 is not the product")

    monkeypatch.setattr("dapp.audit.verify", verify)
    Path("demo").mkdir()
    ended = cairn("verify", "demo")
    assert ended.code == ExitCode.LIE
    assert ended.err == "error: round 2, edge-0, candidate 0: position 17 is not the product\n"
    assert "no lie" not in ended.out


def test_inspect_shows_the_same_facts_as_text_and_as_json(cairn: Run, small_run: Path) -> None:
    told = json.loads(cairn("inspect", str(small_run), "--json").out)
    assert [round_["outcome"].title() for round_ in told["rounds"]] == ["Accepted", "Accepted"]
    assert told["task_id"] in cairn("inspect", str(small_run)).out


def test_a_run_that_is_not_there_is_a_usage_error(cairn: Run) -> None:
    assert cairn("verify", "nowhere").code == ExitCode.USAGE


@pytest.mark.parametrize("command", ["verify", "inspect"])
@pytest.mark.parametrize(
    "arguments",
    [(), ("--chain", "http://127.0.0.1:1"), ("--store", "."), (".", "--chain", "http://127.0.0.1:1")],
)
def test_an_audit_is_of_a_folder_or_of_a_chain_with_a_store(
    cairn: Run, command: str, arguments: tuple[str, ...]
) -> None:
    ended = cairn(command, *arguments)
    assert ended.code == ExitCode.USAGE
    assert "name a RUN, or --chain with --store and --contracts" in ended.err


def test_a_task_that_a_run_has_not_is_named(cairn: Run, small_run: Path) -> None:
    ended = cairn("inspect", str(small_run), "--task", "0xnone")
    assert ended.code == ExitCode.SETTINGS
    assert "no task begins with 0xnone" in ended.err


def test_bench_prints_its_figures_and_as_json_nothing_else(cairn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"seconds": {"key": 1.7123456, "rounds": 15.0}, "machine": "Example CPU"}
    stand_in(monkeypatch, "simulation", bench=lambda listener: figures)
    assert json.loads(cairn("bench", "--json").out) == figures
    assert "seconds.key     1.712\n" in cairn("bench").out
    assert dict(flat(figures))["machine"] == "Example CPU"
