"""Promise 3: the contracts are their specification. A model in Python says before every call whether it is refused,
with which error, and where every wei goes (``lockstep``); anvil runs the contracts; Hypothesis chooses the histories.

Promise 2: each history ends in silence, and everybody withdraws. Promise 30: after each, the events alone give every
getter. 500 histories of 50 steps; ``SOAK=1`` ten times as many.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from anvil_chain import AnvilChain
from evm import Evm, artifact
from house import House
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from lockstep import DEVICES, HOLDERS, MEMBERS, Lockstep
from players import KINDS, Players, longest_round

from dapp.protocol.enums import Phase as RoundPhase
from dapp.runtime.programs import start_anvil

HISTORIES = 125 * (10 if os.environ.get("SOAK") else 1)
"""From each start."""
STEPS = 50
STARTS = {
    "before the first round": RoundPhase.NONE,
    "while holders attest": RoundPhase.PUBLISH,
    "while shares come": RoundPhase.SHARE,
    "before the vote": RoundPhase.VOTE,
}


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Players]:
    with start_anvil(tmp_path_factory.mktemp("anvil")) as anvil:
        evm = Evm(16, partial(AnvilChain, anvil.url))
        house = House.build(DEVICES, HOLDERS, MEMBERS, evm=evm, seed=("PrevrandaoSeed", 2))
        yield Players(Lockstep(house))


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("start", STARTS, ids=[start.replace(" ", "-") for start in STARTS])
def test_contracts_and_model_go_in_step(players: Players, start: str) -> None:
    lockstep = players.lockstep
    origin = lockstep.moment()
    players.until(STARTS[start])
    here = [lockstep.moment()]
    count = {"histories": 0, "steps": 0, "getters": 0}
    locks: list[int] = []

    class Histories(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            here[0] = lockstep.back_to(here[0])
            count["histories"] += 1

        @rule(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1))
        def somebody_acts(self, kind: str, seed: int) -> None:
            players.step(kind, seed)
            count["steps"] += 1

        def teardown(self) -> None:
            count["getters"] += lockstep.compare_all()
            locks.append(players.wind_up())
            lockstep.compare_all()

    began = time.monotonic()
    kept: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    phases = (Phase.generate, Phase.shrink)
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=HISTORIES, stateful_step_count=STEPS, phases=phases, **kept)
    )
    lockstep.back_to(here[0])
    lockstep.back_to(origin)
    assert count["histories"] >= HISTORIES
    assert count["steps"] >= 0.9 * HISTORIES * STEPS
    assert max(locks) <= longest_round(lockstep.terms)
    print(
        f"\n{start}: {count['histories']} histories, {count['steps']:,} steps, {count['getters']:,} getters rebuilt "
        f"from events, 0 differences; silence locked money for {max(locks):,} s of at most "
        f"{longest_round(lockstep.terms):,} s; {time.monotonic() - began:.0f} s"
    )


def test_every_function_was_done_and_was_refused(players: Players) -> None:
    """By the histories above: each function did what the model said and, but for a few that refuse hardly anything,
    refused what it said. PaillierSum needs real ciphertexts, and has tests of its own."""
    called, refused = players.lockstep.called, players.lockstep.refused
    for name, calls in sorted(called.items()):
        print(f"{name:<32}{calls:>8} calls{refused[name]:>8} refused")
    for_contracts_only = {"Escrow.pay", "Escrow.move"}
    assert {name for name in called if called[name] == refused[name]} == for_contracts_only
    assert sum(name in refused for name in called) > 0.8 * len(called)
    changing = {
        f"{contract}.{entry['name']}"
        for contract in ("Escrow", "Learning", "Mining", "Verification", "PrevrandaoSeed")
        for entry in artifact(contract)["abi"]
        if entry.get("stateMutability") in ("nonpayable", "payable") and entry["type"] == "function"
    }
    by_proof_only = {"Mining.strikeOut", "Mining.excludeUpdate"}
    before_all_histories, by_each_summons = {"Learning.createTask"}, {"PrevrandaoSeed.request"}
    assert changing - set(called) == by_proof_only | before_all_histories | by_each_summons
