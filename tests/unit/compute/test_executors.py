"""The serial executor and the worker processes do the same thing."""

from __future__ import annotations

import math
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from dapp.compute import Executor, Serial, create
from dapp.compute.processes import Processes, StartMethod
from dapp.errors import ExitCode, Fatal, Rejected


@dataclass(frozen=True)
class Chunk:
    start: int
    count: int


def square_roots(chunk: Chunk) -> list[float]:
    return [math.sqrt(value) for value in range(chunk.start, chunk.start + chunk.count)]


def refuse_odd(value: int) -> int:
    if value % 2:
        raise Rejected(f"{value} is odd", help="Use an even number.")
    return value


@lru_cache
def _table() -> list[int]:
    return [os.getpid()]


def count_of_builds(_: int) -> tuple[int, int]:
    _table()
    return os.getpid(), _table.cache_info().misses


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


CHUNKS = [Chunk(start, 50) for start in range(0, 1000, 50)]


@pytest.fixture(params=["serial", "fork", "spawn"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with Serial() if request.param == "serial" else Processes(2, request.param) as made:
        yield made


def test_every_executor_gives_the_serial_results_bit_for_bit_and_in_order(executor: Executor) -> None:
    assert pickle.dumps(executor.map(square_roots, CHUNKS)) == pickle.dumps([square_roots(chunk) for chunk in CHUNKS])


def test_a_submitted_job_takes_positional_and_named_arguments(executor: Executor) -> None:
    assert executor.submit(int, "ff", base=16).result() == 255


def test_mapping_nothing_gives_nothing(executor: Executor) -> None:
    assert executor.map(square_roots, []) == []


def test_progress_counts_every_finished_item_in_the_callers_process(executor: Executor) -> None:
    seen: list[tuple[int, int]] = []
    executor.map(square_roots, CHUNKS[:4], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_first_error_in_order_is_raised_with_its_sentence_of_help(executor: Executor) -> None:
    with pytest.raises(Rejected, match=r"^3 is odd$") as caught:
        executor.map(refuse_odd, [0, 2, 3, 4, 5])
    assert caught.value.help == "Use an even number."
    assert executor.map(refuse_odd, [2, 4]) == [2, 4]


def test_closing_twice_is_harmless(executor: Executor) -> None:
    executor.close()
    executor.close()


def test_a_worker_builds_a_cached_value_once_for_all_its_jobs() -> None:
    with create(2) as processes:
        builds = processes.map(count_of_builds, range(40))
    assert {misses for _, misses in builds} == {1}
    assert os.getpid() not in {pid for pid, _ in builds}


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_dying_worker_is_a_fatal_error_that_names_the_job_and_the_signal(start_method: StartMethod) -> None:
    with Processes(2, start_method) as processes:
        with pytest.raises(Fatal, match=r"ended abruptly \(SIGKILL\) before die was done") as caught:
            processes.submit(die, 0).result(timeout=30)
        assert "fewer workers" in caught.value.help
        assert caught.value.code is ExitCode.UNEXPECTED
        with pytest.raises(Fatal, match="before refuse_odd was done"):
            processes.map(refuse_odd, [2])


def test_closing_drops_unfinished_jobs_at_once_however_large_they_are() -> None:
    started = time.monotonic()
    with create(2) as processes:
        for _ in range(4):
            processes.submit(nap, 60)
        processes.submit(len, bytes(10_000_000))
    assert time.monotonic() - started < 10


def test_one_worker_is_this_process_and_none_is_refused() -> None:
    assert isinstance(create(1), Serial)
    with pytest.raises(ValueError, match="at least one worker"):
        create(0)


def run(script: str, tmp_path: Path) -> subprocess.Popen[str]:
    """Starts a program of its own, as leader of its own process group."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(script))
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, path],
        env=os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


INTERRUPTED = """
    import sys
    from test_executors import nap
    from dapp.compute import create

    if __name__ == "__main__":
        try:
            with create(2) as executor:
                futures = [executor.submit(nap, 60) for _ in range(3)]
                print("working", *executor._pool._processes, flush=True)
                futures[0].result()
        except KeyboardInterrupt:
            sys.exit(130)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_control_c_ends_the_workers_without_a_traceback(tmp_path: Path) -> None:
    program = run(INTERRUPTED, tmp_path)
    assert program.stdout is not None
    _, *workers = program.stdout.readline().split()
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (130, "")
    assert not any(alive(int(worker)) for worker in workers)


def test_workers_do_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = run(INTERRUPTED, tmp_path)
    assert program.stdout is not None
    _, *workers = program.stdout.readline().split()
    program.kill()
    deadline = time.monotonic() + 10
    while any(alive(int(worker)) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) == 2
    assert not any(alive(int(worker)) for worker in workers)
    program.communicate()


def test_importing_the_package_and_starting_workers_loads_no_heavy_module(tmp_path: Path) -> None:
    program = run(
        """
        import sys
        import dapp.compute
        assert "multiprocessing" not in sys.modules

        def loaded(module):
            return module in sys.modules

        if __name__ == "__main__":
            with dapp.compute.create(2) as executor:
                print(executor.map(loaded, ["torch", "numpy", "web3"]))
        """,
        tmp_path,
    )
    output, errors = program.communicate(timeout=20)
    assert (output, errors) == ("[False, False, False]\n", "")
