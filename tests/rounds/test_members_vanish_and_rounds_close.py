"""Two devices vanish mid-round with their key shares; one more holder and one verifier fall silent."""

from __future__ import annotations

import pytest
from stage import Stage, bonds_pot, stakes_pot

from dapp.protocol.enums import Outcome
from dapp.simulation.faults import Scenario


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    changes = ("devices=7", "verifiers=3", "rounds=3")
    return Stage.build(tmp_path_factory.mktemp("dropped"), *changes, scenario=Scenario(drop=2)).play()


def test_every_round_is_accepted_with_the_rest(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.ACCEPTED] * 3
    assert [round_.included for round_ in stage.rounds] == [0b1111111, 0b0011111, 0b0011111]


def test_who_committed_and_never_published_is_left_out_by_the_holders(stage: Stage) -> None:
    assert [device.status for device in stage.reports[1].devices] == ["included"] * 5 + ["excluded"] * 2
    assert {device.reason for device in stage.reports[1].devices[5:]} == {"not to be had"}
    assert [device.status for device in stage.reports[2].devices] == ["included"] * 5 + ["missing"] * 2


def test_every_round_closes_within_its_windows(stage: Stage) -> None:
    longest = stage.longest_round
    assert all(round_.closed_at - round_.opened_at <= longest for round_ in stage.rounds)


def test_a_round_without_the_missing_takes_until_its_deadlines_and_a_whole_one_does_not(stage: Stage) -> None:
    windows = stage.world.facts.terms.windows
    missing = stage.rounds[2]
    assert [bool(round_.all_committed_at) for round_ in stage.rounds] == [True, True, False]
    assert [bool(round_.all_attested_at) for round_ in stage.rounds] == [True, False, False]
    assert missing.deadlines(stage.world.facts.terms).commit_end == missing.opened_at + windows.commit


def test_the_silent_verifier_loses_stake_in_every_round_that_it_was_drawn_for(stage: Stage) -> None:
    silent = stage.world.people.verifiers[-1].address
    slashes = [entry for report in stage.reports for entry in report.slashed]
    assert {entry.name for entry in slashes} == {"verifier 2"}
    assert len(slashes) == len(stage.rounds)
    slashed = sum(entry.wei for entry in slashes)
    assert stage.world.contracts.verification.member_of(silent).stake == stage.stake - slashed


def test_the_others_withdrew_everything_and_only_stakes_remain(stage: Stage) -> None:
    escrow = stage.world.contracts.escrow
    pots = [round_.key for round_ in stage.rounds] + [bonds_pot(round_) for round_ in stage.rounds]
    assert [escrow.pot_of(pot) for pot in (*pots, stage.view.task_id)] == [0] * 7
    assert escrow.total_credit() == 0
    assert escrow.total_pots() == escrow.pot_of(stakes_pot(stage))


def test_silent_holders_are_named_and_not_paid(stage: Stage) -> None:
    for report in stage.reports[1:]:
        assert report.holders_silent == ("holder 4", "holder 5", "holder 6")
        assert {p.to for p in report.payments if p.reason == "holder"} <= {f"device {i}" for i in range(4)}
