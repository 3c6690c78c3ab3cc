"""`make nodes` lists what it got, and says in one line what cannot be had and what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from real_nodes import program

from dapp.runtime.programs import NAMES

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "get_nodes.py"


def get_nodes(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )


def test_each_program_has_a_line_with_its_version_and_its_place_and_is_not_fetched_again() -> None:
    places = {name: str(program(name)) for name in NAMES}
    done = get_nodes()
    assert (done.returncode, done.stderr) == (0, ""), "nothing was built or installed"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {name: place for name, _, place in lines} == places
    assert all(version[0].isdigit() for _, version, _ in lines)


def test_without_go_and_node_it_is_said_what_to_install_and_the_rest_is_listed(tmp_path: Path) -> None:
    program("anvil")
    done = get_nodes(PATH=str(tmp_path), CAIRN_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "not to be had: ganache (install Node 20 or newer, which npm comes with)",
        "not to be had: geth, ipfs (install Go 1.26 or newer, which builds them)",
    ]
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["anvil", "forge"]
