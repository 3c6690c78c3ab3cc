"""`cairn up` leaves a chain and a store behind that `cairn down` finds again and ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_nodes import program
from web3 import Web3

from dapp.errors import ExitCode
from dapp.storage import open_store


class Command:
    """`cairn` in a folder, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ports = (
            ("--chain-port", "0", "--store-port", "0")
            if arguments[0] == "up" and "--chain-port" not in arguments
            else ()
        )
        line = [sys.executable, "-c", "from dapp.cli import main; main()", *arguments, *ports]
        return subprocess.run(line, cwd=self.folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def cairn(tmp_path: Path) -> Iterator[Command]:
    program("geth")
    program("ipfs")
    command = Command(tmp_path)
    yield command
    command("down", "--wipe")


def urls(output: str) -> tuple[str, str]:
    """The addresses of chain and store, from the line that is there to be copied."""
    found = re.search(r"^cairn demo --chain (\S+) --store (\S+)$", output, re.MULTILINE)
    assert found, output
    return found[1], found[2]


def test_up_gives_the_line_for_a_demo_and_down_ends_both(cairn: Command) -> None:
    done = cairn("up")
    assert done.returncode == 0, done.stderr
    chain, store = urls(done.stdout)
    assert Web3(Web3.HTTPProvider(chain)).eth.chain_id == 1337
    blob = open_store(store).put(b"kept while cairn is not running")
    assert open_store(store).has(blob.digest, blob.size)
    assert (cairn.folder / "runs" / "nodes" / "geth" / "geth.log").is_file()
    done = cairn("down")
    assert done.stdout == "geth  is stopped\nkubo  is stopped\n"
    assert not Web3(Web3.HTTPProvider(chain)).is_connected()


def test_up_twice_says_that_it_is_up_and_starts_nothing(cairn: Command) -> None:
    first = cairn("up")
    second = cairn("up")
    assert second.returncode == 0
    assert second.stdout.count("was up already") == 2
    assert urls(second.stdout) == urls(first.stdout)


def test_data_outlive_down_and_go_with_wipe(cairn: Command) -> None:
    _, store = urls(cairn("up").stdout)
    blob = open_store(store).put(b"kept")
    cairn("down")
    _, store = urls(cairn("up").stdout)
    assert open_store(store).has(blob.digest, blob.size)
    assert cairn("down", "--wipe").stdout.endswith(f"the data in {Path('runs', 'nodes')} are gone\n")
    assert list((cairn.folder / "runs" / "nodes").iterdir()) == []
    assert cairn("down").stdout == f"nothing was started in {Path('runs', 'nodes')}\n"


def test_blocks_come_every_second_where_that_is_asked_for(cairn: Command) -> None:
    done = cairn("up", "--folder", "elsewhere", "--period", "1")
    chain, _ = urls(done.stdout)
    assert done.stdout.endswith("\ncairn down --folder elsewhere\n")
    web3 = Web3(Web3.HTTPProvider(chain))
    before = web3.eth.block_number
    time.sleep(3.5)
    assert web3.eth.block_number >= before + 2
    other = cairn("up", "--folder", "elsewhere", "--period", "0")
    assert other.returncode == ExitCode.SETTINGS
    assert "geth is up with blocks every 1 s, not 0" in other.stderr
    assert cairn("down", "--folder", "elsewhere", "--wipe").returncode == 0


def test_a_node_that_died_is_started_again_and_the_other_is_left(cairn: Command) -> None:
    _, store = urls(cairn("up").stdout)
    state = json.loads((cairn.folder / "runs" / "nodes" / "nodes.json").read_text())
    os.kill(state["nodes"]["geth"]["pid"], signal.SIGKILL)
    wait_for_end(state["nodes"]["geth"]["pid"])
    done = cairn("up")
    assert re.search(r"^geth  is up ", done.stdout, re.MULTILINE)
    assert re.search(r"^kubo  was up already ", done.stdout, re.MULTILINE)
    again, same = urls(done.stdout)
    assert Web3(Web3.HTTPProvider(again)).is_connected()
    assert same == store
    os.kill(state["nodes"]["kubo"]["pid"], signal.SIGKILL)
    wait_for_end(state["nodes"]["kubo"]["pid"])
    assert cairn("down").stdout == "geth  is stopped\nkubo  was not running\n"


def wait_for_end(pid: int) -> None:
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} does not end")


def test_if_the_store_cannot_start_the_chain_does_not_stay(cairn: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = cairn("up", "--chain-port", "0", "--store-port", port)
    assert done.returncode == ExitCode.PROGRAM
    assert f"port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert cairn("down").stdout == f"nothing was started in {Path('runs', 'nodes')}\n"
    log = (cairn.folder / "runs" / "nodes" / "geth" / "geth.log").read_text()
    assert "HTTP server stopped" in log


def test_a_damaged_state_file_is_named(cairn: Command) -> None:
    path = cairn.folder / "runs" / "nodes" / "nodes.json"
    path.parent.mkdir(parents=True)
    for damaged in ("{", "[]", '{"nodes": {"geth": 1}, "period": 0}', '{"nodes": {"geth": {"pid": 1}}, "period": 0}'):
        path.write_text(damaged)
        done = cairn("down")
        assert done.returncode == ExitCode.SETTINGS, done.stderr
        assert "nodes.json is not what `cairn up` wrote there" in done.stderr
        assert "Traceback" not in done.stderr
    path.unlink()
