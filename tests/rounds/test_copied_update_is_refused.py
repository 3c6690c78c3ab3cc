"""A device commits another's ciphertexts under its own name: it cannot prove that it knows what they say."""

from __future__ import annotations

import pytest
from stage import Stage

from dapp.protocol.enums import Outcome
from dapp.simulation.faults import Scenario


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    scenario = Scenario(cheat="device")
    return Stage.build(tmp_path_factory.mktemp("copied"), "devices=5", "rounds=2", scenario=scenario).play()


def test_every_holder_refuses_it_by_name_and_by_reason(stage: Stage) -> None:
    for holder in range(5):
        (told,) = stage.faults(f"holder {holder}")
        assert told.startswith("refused the update of device 1: ")
        assert "proof" in told


def test_the_round_goes_on_without_it(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.ACCEPTED] * 2
    assert [round_.included for round_ in stage.rounds] == [0b11111, 0b11101]
    assert stage.reports[1].devices[1].status == "excluded"


def test_who_copied_earns_nothing_in_that_round(stage: Stage) -> None:
    assert "device 1" not in {p.to for p in stage.reports[1].payments if p.reason == "device"}
    assert "device 1" in {p.to for p in stage.reports[0].payments if p.reason == "device"}
