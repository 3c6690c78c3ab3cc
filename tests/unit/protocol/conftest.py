"""A real run of every role, recorded input by input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stage import Stage

from dapp.protocol.effects import Effect, Input
from dapp.runtime.node import Step
from dapp.simulation.faults import Scenario

sys.path.insert(0, str(Path(__file__).parent))


@dataclass
class Tape:
    """What one machine was given, and what it did."""

    name: str
    step: Step[Any]
    first: Any
    inputs: list[Input] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    last: Any = None

    def recorder(self, step: Step[Any]) -> Step[Any]:
        """The same machine, taped."""

        def taped(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
            after, effects = step(state, input)
            self.inputs.append(input)
            self.effects += effects
            self.last = after
            return after, effects

        return taped


Tapes = dict[str, Tape]
Play = Callable[..., Stage]


@dataclass(frozen=True)
class Recorded:
    """A finished stage and a tape of every machine in it, by name."""

    stage: Stage
    tapes: Tapes


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Two rounds of four honest devices with two edges, watched; every verifier has a seat."""
    changes = "rounds=2", "edges=2", "panel.seats=4"
    stage = Stage.build(tmp_path_factory.mktemp("recorded"), *changes, scenario=Scenario(watch=True))
    tapes: Tapes = {}
    for node in stage.world.nodes:
        tapes[node.name] = tape = Tape(node.name, node._step, node.state)
        node.wrap(tape.recorder)
    return Recorded(stage.play(), tapes)
