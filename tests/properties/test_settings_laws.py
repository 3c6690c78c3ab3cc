"""Laws of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dapp.errors import CairnError, KeyTooSmall, SettingsError
from dapp.settings import Settings, load
from dapp.settings.task import SCHEMA

KEYS = [entry.path for entry in SCHEMA.keys]
VALUES = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=20)).map(str)


@given(text=st.text() | st.lists(st.sampled_from(["[", "]", "=", '"', ".", "\n", "a", "1", "learning"])).map("".join))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_read_or_refused_with_the_files_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "task.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    answer: object
    try:
        answer = load(path, {}, [])
    except SettingsError as error:
        answer = str(error)
    assert isinstance(answer, Settings) or str(path) in str(answer)


@given(key=st.sampled_from(KEYS), value=VALUES)
def test_a_value_means_the_same_as_a_flag_and_as_a_variable(key: str, value: str) -> None:
    outcomes: list[Settings | type[CairnError]] = []
    for environment, overrides in (
        ({}, [f"{key}={value.strip()}"]),
        ({"CAIRN_" + key.upper().replace(".", "_"): value.strip()}, []),
    ):
        try:
            outcomes.append(load(None, environment, overrides))
        except (SettingsError, KeyTooSmall) as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


@given(devices=st.integers(3, 256), holders=st.integers(2, 32), threshold=st.integers(2, 32))
def test_every_accepted_threshold_is_a_majority_of_holders_that_are_devices(
    devices: int, holders: int, threshold: int
) -> None:
    overrides = [f"devices={devices}", "max_devices=256", f"holders={holders}", f"threshold={threshold}"]
    lawful = holders <= devices and threshold <= holders and 2 * threshold > holders
    if lawful:
        accepted = load(None, {}, overrides)
        assert (accepted.holders, accepted.threshold) == (holders, threshold)
    else:
        with pytest.raises(SettingsError):
            load(None, {}, overrides)
