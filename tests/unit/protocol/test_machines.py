"""What must hold of every machine: it is a pure function, and what it was told twice it does once."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

import dapp
from dapp.protocol.effects import Effect, Input, Tick, Wake

if TYPE_CHECKING:
    from conftest import Recorded, Tape

NAMES = ("device 0", "holder 1", "edge 0", "edge 1", "verifier 2", "watcher 0")
PURE = ("crypto", "learning", "consensus", "protocol")
SHUFFLES = 100

FORBIDDEN = {
    "a clock": {"time", "datetime", "sched"},
    "chance of its own": {"random", "secrets", "uuid"},
    "the outside": {"os", "io", "socket", "subprocess", "shutil", "tempfile", "urllib", "http", "sqlite3", "web3"},
    "an unsafe decoder": {"pickle", "marshal", "shelve"},
}


def acts(effects: list[Effect]) -> list[Effect]:
    """Effects without the wishes to be woken, which may be repeated."""
    return [effect for effect in effects if not isinstance(effect, Wake)]


def replay(tape: Tape, inputs: list[Input]) -> tuple[object, list[Effect]]:
    state, done = tape.first, []
    for input in inputs:
        state, effects = tape.step(state, input)
        done += effects
    return state, done


@pytest.mark.parametrize("name", NAMES)
def test_the_same_inputs_give_the_same_effects_and_the_same_state(recorded: Recorded, name: str) -> None:
    tape = recorded.tapes[name]
    state, effects = replay(tape, tape.inputs)
    assert acts(tape.effects)
    assert effects == tape.effects
    assert state == tape.last


@pytest.mark.parametrize("name", NAMES)
def test_every_input_twice_is_every_input_once(recorded: Recorded, name: str) -> None:
    tape = recorded.tapes[name]
    state, effects = replay(tape, [input for input in tape.inputs for _ in range(2)])
    assert acts(effects) == acts(tape.effects)
    assert state == tape.last


@pytest.mark.parametrize("name", NAMES)
def test_an_input_that_comes_again_much_later_changes_nothing(recorded: Recorded, name: str) -> None:
    """All but ticks, which a clock gives: time does not go back."""
    tape = recorded.tapes[name]
    for seed in range(SHUFFLES):
        random = Random(seed)
        stuttered: list[Input] = []
        for input in tape.inputs:
            stuttered.append(input)
            again = random.choice(stuttered)
            if not isinstance(again, Tick):
                stuttered.append(again)
        state, effects = replay(tape, stuttered)
        assert acts(effects) == acts(tape.effects)
        assert state == tape.last


def test_no_machine_asks_for_a_duty_twice(recorded: Recorded) -> None:
    for tape in recorded.tapes.values():
        duties = [effect.duty for effect in acts(tape.effects)]  # type: ignore[union-attr]
        assert len(duties) == len(set(duties)), tape.name


def test_this_file_takes_a_hundred_thousand_steps(recorded: Recorded) -> None:
    assert SHUFFLES * sum(len(recorded.tapes[name].inputs) for name in NAMES) > 100_000


def modules(layer: str) -> list[Path]:
    return sorted((Path(dapp.__file__).parent / layer).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("layer", PURE)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_pure_layers_know_nothing_of(layer: str, what: str) -> None:
    assert len(modules(layer)) > 1
    knowing = {path.name: sorted(imported(path) & FORBIDDEN[what]) for path in modules(layer)}
    assert {name: names for name, names in knowing.items() if names} == {}


def test_protocol_opens_no_file() -> None:
    for path in (path for layer in ("protocol", "crypto", "consensus") for path in modules(layer)):
        calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
        assert names.isdisjoint({"open", "read_text", "write_text", "read_bytes", "write_bytes", "print", "input"}), (
            path
        )
