"""A run can be repeated: fresh keys, fresh randomness, another panel, and the same model bit for bit."""

from __future__ import annotations

from pathlib import Path

from stage import Stage


def play(folder: Path, key_seed: int, *changes: str) -> Stage:
    return Stage.build(folder, "rounds=2", "verifiers=1", "panel.seats=1", *changes, key_seed=key_seed).play()


def test_the_same_seed_gives_the_same_model_under_another_key(tmp_path: Path) -> None:
    first, second = play(tmp_path / "a", 1), play(tmp_path / "b", 2)
    assert first.world.facts.key != second.world.facts.key
    assert {c.update.digest for r in first.rounds for c in r.commits.values()}.isdisjoint(
        c.update.digest for r in second.rounds for c in r.commits.values()
    )
    assert [round_.result for round_ in first.rounds] == [round_.result for round_ in second.rounds]


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    first, second = play(tmp_path / "a", 1), play(tmp_path / "b", 1, "seed=1")
    assert first.view.model != second.view.model
