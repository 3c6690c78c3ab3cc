"""What several kinds of tests share."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests of any folder may set a stage

from real_nodes import anvil, anvil_osaka, ganache, geth, geth_seconds, kubo

__all__ = ["anvil", "anvil_osaka", "ganache", "geth", "geth_seconds", "kubo", "small_run"]

collect_ignore = ["brownie"]
"""`brownie test`'s own suite, which runs in brownie's environment."""


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run: two rounds of five devices, in which one device vanishes with its key share, another
    holder and a verifier fall silent, and one of two edges publishes wrong sums. Tests copy what they change."""
    from dapp import simulation
    from dapp.report.progress import Silent
    from dapp.settings import load

    changes = (
        "learning.rounds=2",
        "learning.samples_per_device=40",
        "devices=5",
        "edges=2",
        "verifiers=3",
        "panel.seats=3",
        "workers=1",
    )
    settings = load(None, {}, changes)
    folder = tmp_path_factory.mktemp("runs") / "small"
    scenario = simulation.Scenario(drop=1, cheat="edge")
    settings = replace(settings, key=replace(settings.key, bits=512))
    simulation.run(settings, folder, Silent(), scenario, min_key_bits=512)
    return folder
