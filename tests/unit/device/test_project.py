"""A user's own model and data: found where they say, and named where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from stage import PROJECT

from dapp.device import project
from dapp.device.training import Split, parts, round_seed
from dapp.errors import LearningError


def split(**changes: object) -> Split:
    usual = {
        "model": "model.py:Model",
        "data": "data.py:points",
        "folder": str(PROJECT),
        "partition": "size",
        "options": (),
        "devices": 4,
        "samples_per_device": None,
        "seed": 0,
    }
    return Split(**(usual | changes))  # type: ignore[arg-type]


def test_a_model_and_a_data_set_are_found_in_the_projects_folder() -> None:
    train, test = project.data_sets("data.py:points", str(PROJECT))
    assert (len(train), len(test)) == (60, 30)
    model = project.template("model.py:Model", str(PROJECT), 0)
    assert sum(weight.numel() for weight in model.parameters()) == 203


def test_the_same_seed_gives_the_same_first_weights() -> None:
    one, two, other = (list(project.template("model.py:Model", str(PROJECT), seed).parameters()) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("text", "reference", "said"),
    [
        (None, "data.py:points", "there is no file .*data.py"),
        ("x = 1", "data.py:points", "data.py defines no points"),
        ("points = 1", "data.py:points", "data.py defines no points"),
        ("def points(:", "data.py:points", "data.py fails: SyntaxError"),
        ("import nowhere_at_all", "data.py:points", "data.py fails: ModuleNotFoundError: No module named"),
        ("def points(): return 1 / 0", "data.py:points", r"points\(\) in data.py failed: ZeroDivisionError"),
        ("def points(): return 1", "data.py:points", r"points\(\) in data.py returned a int"),
        ("", "data.txt:points", "neither a name of ours nor file.py:Name"),
        ("", "data.py:", "neither a name of ours nor file.py:Name"),
        ("", "imagenet", "neither a name of ours nor file.py:Name"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_named_with_what_is_wrong(
    tmp_path: Path, text: str | None, reference: str, said: str
) -> None:
    if text is not None:
        (tmp_path / "data.py").write_text(text)
    with pytest.raises(LearningError, match=said):
        project.data_sets(reference, str(tmp_path))


def test_a_model_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("class Net:\n    pass\n")
    with pytest.raises(LearningError, match="Net"):
        project.template("net.py:Net", str(tmp_path), 0)
    with pytest.raises(LearningError, match=r"net\.py defines no Other"):
        project.template("net.py:Other", str(tmp_path), 0)


def test_devices_hold_disjoint_parts_of_at_most_so_many_samples() -> None:
    assert [len(part) for part in parts(split())] == [6, 12, 18, 24]
    assert [len(part) for part in parts(split(samples_per_device=10))] == [6, 10, 10, 10]
    whole = {tuple(row) for part in parts(split()) for row in part.inputs.tolist()}
    assert len(whole) == 60


def test_every_device_and_round_has_batches_of_its_own() -> None:
    seeds = {
        round_seed(split(seed=s), device, number) for s in range(3) for device in range(10) for number in range(10)
    }
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)
