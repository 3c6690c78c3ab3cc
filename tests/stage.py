"""A whole cohort on the embedded chain, in this process: real contracts, real crypto with a 512-bit key, real store.

``Stage`` is ``dapp.simulation.run`` without its report, so that a test can reach for every node, stop at any moment and
go back to one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from eth_abi import encode

from dapp import settings
from dapp.compute import Serial
from dapp.crypto import merkle, paillier
from dapp.protocol.chores import ATTEMPTS
from dapp.protocol.effects import Effect, Input, Tick
from dapp.protocol.enums import Outcome, Phase
from dapp.protocol.records import Task
from dapp.protocol.view import RoundView, View
from dapp.report.progress import Silent
from dapp.report.schema import RoundReport
from dapp.runtime.loop import Loop
from dapp.runtime.node import Node, Step
from dapp.simulation.faults import Scenario
from dapp.simulation.observer import Observer
from dapp.simulation.world import GWEI, World, build

CHORES = {"include", "summon", "seed", "settle", "close"}
"""What a round pays bounties for."""
SLACK = 60
"""Seconds that the chores of a round take on a chain where every transaction is a second."""
PROJECT = Path(__file__).parent / "project"
SMALL = (
    "model=model.py:Model",
    "data=data.py:points",
    "partition=size",
    "key.bits=512",
    "devices=4",
    "verifiers=4",
    "panel.seats=3",
    "rounds=1",
    "workers=1",
)
"""As little of everything as still makes a whole round; a test changes what it is about. Devices weigh 6, 12, 18 …"""


def small(*overrides: str) -> settings.Settings:
    """The small settings with these changes."""
    return settings.load(None, {}, [*SMALL, *overrides], allow_small=True)


def primes(seed: int = 0) -> list[Future[int]]:
    """Two safe primes of 256 bits, the same for the same seed: which key it is matters to few tests."""
    random = Random(seed)
    found: list[Future[int]] = [Future(), Future()]
    for future in found:
        future.set_result(paillier.safe_prime(256, random.getrandbits))
    return found


def bonds_pot(round_: RoundView) -> bytes:
    """Where a round's bonds lie: keccak256(abi.encode(roundKey, "bonds"))."""
    return merkle.keccak256(encode(["bytes32", "string"], [round_.key, "bonds"]))


def stakes_pot(stage: Stage) -> bytes:
    """Where the verifiers' stakes lie: keccak256(abi.encode("stakes", verification))."""
    return merkle.keccak256(encode(["string", "address"], ["stakes", stage.world.contracts.verification.address]))


def silent(step: Step[Any], when: Callable[[View, int], bool]) -> Step[Any]:
    """The same machine, which hears everything and does nothing while ``when`` holds of its view and the time."""

    def silenced(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        if isinstance(input, Tick) and when(state.view, input.now):
            return state, ()
        return step(state, input)

    return silenced


def since(phase: Phase, number: int | None = None) -> Callable[[View, int], bool]:
    """From this phase on: of every round, or of one only."""

    def reached(view: View, now: int) -> bool:
        round_ = view.round
        if round_ is None or view.terms is None or (number is not None and round_.number != number):
            return False
        return round_.phase(view.terms, now) >= phase

    return reached


def paid_for(report: RoundReport) -> set[str]:
    """What a round paid for."""
    return {payment.reason for payment in report.payments}


@dataclass
class Stage:
    """A world and what turns it."""

    world: World
    loop: Loop
    observer: Observer

    @classmethod
    def build(cls, folder: Path, *overrides: str, scenario: Scenario | None = None, key_seed: int = 0) -> Stage:
        """Everything up to, and not with, the first round."""
        torch.set_num_threads(1)
        executor = Serial()
        world = build(
            small(*overrides),
            folder,
            PROJECT,
            primes(key_seed),
            executor,
            scenario or Scenario(),
            lambda _: None,
            min_key_bits=512,
        )
        observer = Observer(world, executor, Silent())
        loop = Loop(
            world.nodes,
            world.client,
            world.contracts,
            world.clock,
            executor,
            observer.on_events,
            observer.on_start,
            observer.on_done,
        )
        return cls(world, loop, observer)

    # People

    def node(self, role: str, index: int) -> Node[Any]:
        """``role`` number ``index``."""
        return self.world.nodes_of(role)[index]

    def silence(self, role: str, indices: Iterable[int], when: Callable[[View, int], bool]) -> Stage:
        """These nodes do nothing while ``when`` holds."""
        for index in indices:
            self.node(role, index).wrap(lambda step: silent(step, when))
        return self

    # Time

    def play(self, until: Callable[[Stage], bool] | None = None) -> Stage:
        """Turns everybody until this holds; by default until the task has ended and everybody was paid."""
        until = until or Stage.over
        while not until(self):
            self.loop.turn()
            self.observer.after_turn()
        return self

    def over(self) -> bool:
        """Whether the task has ended and nobody is owed anything."""
        return self.view.ended and not any(self.view.credits.values())

    # What came of it

    @property
    def chain_task(self) -> Task:
        """The task as its contract has it."""
        return self.world.contracts.learning.task_of(self.view.task_id)

    @property
    def stake(self) -> int:
        """What a verifier locks, in wei."""
        return self.world.settings.money.stake * GWEI

    @property
    def longest_round(self) -> int:
        """Σ windows: seconds after which a round can be closed, whoever stays silent."""
        windows = self.world.facts.terms.windows
        vote = windows.seed + windows.commit_vote + windows.reveal_vote
        return sum(windows.to_abi()) + (ATTEMPTS - 1) * vote + SLACK

    @property
    def view(self) -> View:
        return self.observer.view

    @property
    def rounds(self) -> tuple[RoundView, ...]:
        return self.view.rounds

    @property
    def outcomes(self) -> list[Outcome]:
        return [round_.outcome for round_ in self.rounds]

    @property
    def reports(self) -> tuple[RoundReport, ...]:
        return self.observer.reports()

    def faults(self, name: str) -> list[str]:
        """What was told of whoever has this name."""
        return [fault.what for fault in self.observer.faults if fault.name == name]

    def blob(self, ref: Any) -> bytes:
        """A blob of the common store."""
        return self.world.store.get(ref.digest, ref.size, cap=ref.size)
