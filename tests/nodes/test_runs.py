"""The same run on every chain, with blobs on kubo: only the place differs, and the audit finds no lie in any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dapp import audit, settings, simulation
from dapp.report.progress import Silent
from dapp.report.schema import Report
from dapp.runtime.programs import Running
from dapp.simulation import Scenario
from dapp.storage import open_store

SMALL = ("devices=4", "verifiers=4", "panel.seats=3", "rounds=2", "samples_per_device=60", "workers=1")
CHAINS = ("anvil", "anvil_osaka", "ganache", "geth", "geth_seconds")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", params=CHAINS)
def ran(request: pytest.FixtureRequest, kubo: Running, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """A run's folder and its report."""
    chain: Running = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("runs") / "small"
    chosen = settings.with_pace(settings.load(None, {}, SMALL), "fast")
    place = simulation.network([chain.url], [kubo.url])
    return folder, simulation.run(chosen, folder, Silent(), Scenario(), place=place)


def test_every_round_is_accepted_and_everybody_is_paid(ran: tuple[Path, Report]) -> None:
    _, report = ran
    assert report.status == "complete"
    assert [round_.outcome for round_ in report.rounds] == ["Accepted", "Accepted"]
    assert all(round_.payments for round_ in report.rounds)


def test_an_auditor_finds_no_lie(ran: tuple[Path, Report]) -> None:
    folder, _ = ran
    found = audit.verify(folder, lambda *_: None)
    assert found.ended
    assert not found.findings


def test_the_model_lies_in_the_swarm_under_its_cid(ran: tuple[Path, Report], kubo: Running) -> None:
    folder, report = ran
    assert report.final is not None
    model = (folder / "model.safetensors").read_bytes()
    digest = bytes.fromhex(report.final.digest[2:])
    assert open_store(kubo.url).get(digest, len(model), cap=len(model)) == model  # type: ignore[arg-type]


def test_the_report_names_the_chain(ran: tuple[Path, Report]) -> None:
    folder, report = ran
    assert json.loads((folder / "report.json").read_text())["task"]["chain_id"] == report.task.chain_id
    assert report.task.chain_id in (1337, 31337)
