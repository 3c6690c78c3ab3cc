"""Where programs are looked for, and what is said when they are nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from dapp.errors import ExitCode
from dapp.runtime import programs
from dapp.runtime.programs import ProgramError


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any of the programs."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("CAIRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(programs, "_PROJECT", tmp_path)
    return tmp_path


def test_path_comes_before_the_cache(nowhere: Path) -> None:
    built = executable(nowhere / "cache" / "bin" / "geth")
    assert programs.find("geth") == built
    installed = executable(nowhere / "path" / "geth")
    assert programs.find("geth") == installed


def test_npms_native_binary_is_preferred_to_its_wrapper_on_path(nowhere: Path) -> None:
    native = executable(nowhere / "node_modules" / programs._NPM["anvil"])
    wrapper = executable(nowhere / "node_modules" / "@foundry-rs" / "anvil" / "bin.mjs")
    (nowhere / "path").mkdir()
    (nowhere / "path" / "anvil").symlink_to(wrapper)
    assert programs.find("anvil") == native


@pytest.mark.parametrize("name", programs.NAMES)
def test_a_program_that_is_nowhere_is_named_with_what_to_do(nowhere: Path, name: str) -> None:
    with pytest.raises(ProgramError, match=f"{name} is neither on PATH nor") as caught:
        programs.find(name)
    assert "make nodes" in caught.value.help
    assert caught.value.code is ExitCode.PROGRAM


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert programs.cache() == Path("/a")
    monkeypatch.delenv("CAIRN_CACHE")
    assert programs.cache() == Path("/b/cairn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert programs.cache() == Path("/c/.cache/cairn")


def test_no_two_swarm_keys_are_alike() -> None:
    assert programs.new_swarm_key() != programs.new_swarm_key()
