"""Real programs for tests: each starts once a session, on a free port, and is stopped at its end.

Where a program is missing, the tests that ask for it are skipped with the reason; with ``CI`` set they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from dapp.runtime import programs
from dapp.runtime.programs import ProgramError, Running


def absent(reason: str) -> NoReturn:
    """Skips the test; where nothing may be missing, fails it."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI insists on it", pytrace=False)
    pytest.skip(reason)


def program(name: str) -> Path:
    """Where a program is; the test is skipped, or fails in CI, where it is missing."""
    try:
        return programs.find(name)
    except ProgramError as error:
        absent(f"{error}: run `make nodes`")


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name, numbered=True)


@pytest.fixture(scope="session")
def geth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """geth that mines each transaction at once and nothing else."""
    program("geth")
    with programs.start_geth(_folder(tmp_path_factory, "geth")) as running:
        yield running


@pytest.fixture(scope="session")
def geth_seconds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """geth that mines a block every second."""
    program("geth")
    with programs.start_geth(_folder(tmp_path_factory, "geth-seconds"), period=1) as running:
        yield running


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """anvil under the rules of prague."""
    program("anvil")
    with programs.start_anvil(_folder(tmp_path_factory, "anvil"), hardfork="prague") as running:
        yield running


@pytest.fixture(scope="session")
def anvil_osaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """anvil under the rules of osaka."""
    program("anvil")
    with programs.start_anvil(_folder(tmp_path_factory, "anvil-osaka"), hardfork="osaka") as running:
        yield running


@pytest.fixture(scope="session")
def ganache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """ganache under the rules of shanghai."""
    program("ganache")
    with programs.start_ganache(_folder(tmp_path_factory, "ganache")) as running:
        yield running


@pytest.fixture(scope="session")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """kubo, alone in a swarm of its own."""
    program("ipfs")
    with programs.start_kubo(_folder(tmp_path_factory, "kubo")) as running:
        yield running
