"""What a simulation refuses before anything is put on a chain, and how its misbehaviour is built."""

from __future__ import annotations

from pathlib import Path

import pytest
from stage import PROJECT, Stage, small

from dapp import simulation
from dapp.errors import LearningError, SettingsError
from dapp.protocol.chores import ATTEMPTS
from dapp.report.progress import Silent
from dapp.simulation import Scenario


def run(folder: Path, scenario: Scenario, *changes: str) -> None:
    simulation.run(small(*changes), folder, Silent(), scenario, project=PROJECT, min_key_bits=512)


def test_an_unknown_cheat_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="no cheat is called 'eve'") as refused:
        Scenario(cheat="eve")
    assert "edge, opener, device" in refused.value.help


def test_fewer_than_no_devices_cannot_vanish() -> None:
    with pytest.raises(SettingsError, match="cannot drop -1 devices"):
        Scenario(drop=-1)


@pytest.mark.parametrize("cheat", ["edge", "opener"])
def test_a_cheating_edge_needs_an_honest_one_beside_it(tmp_path: Path, cheat: str) -> None:
    with pytest.raises(SettingsError, match=f"a cheating {cheat} needs an honest edge") as refused:
        run(tmp_path / "run", Scenario(cheat=cheat))
    assert "edges=2" in refused.value.help
    assert not (tmp_path / "run").exists()


def test_more_devices_cannot_vanish_than_the_terms_can_spare(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="2 of 4 devices cannot vanish"):
        Stage.build(tmp_path / "run", scenario=Scenario(drop=2))


def test_a_folder_that_is_there_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(SettingsError, match="is there already"):
        run(tmp_path / "run", Scenario())
    assert list((tmp_path / "run").iterdir()) == []


def test_a_cohort_whose_weights_do_not_fit_is_refused_with_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"add up to 60, over encoding\.max_weight = S_max = 50") as refused:
        Stage.build(tmp_path / "run", "max_weight=50", "weight_cap=50")
    assert "max_weight" in refused.value.help


def test_a_model_that_does_not_go_with_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LearningError):
        Stage.build(tmp_path / "run", "data=mnist", "samples_per_device=10")


def test_weights_are_samples_up_to_the_cap(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "weight_cap=15")
    stage.play(lambda stage: bool(stage.rounds))
    assert [enrolment.weight for enrolment in stage.view.by_index] == [6, 12, 15, 15]


def test_a_round_costs_at_most_three_panels_that_double(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "panel.seats=3")
    money, terms = stage.world.facts.terms.money, stage.world.facts.terms
    assert ATTEMPTS == 3
    assert terms.round_budget == (
        money.device_pot
        + money.edge_pay
        + 4 * money.holder_pay
        + (16 + 2 * 4) * money.relay_pay
        + (3 + 7 + 15) * money.voter_pay
        + 12 * money.bounty
    )
