"""Promise 19: no salt is used twice: over 100,000 (task, round, seat, attempt), all are distinct, and so are the salts
of candidates, of other keys, chains and contracts."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from stage import Stage

from dapp.crypto.sealed import derive_salt, round_key
from dapp.protocol import edge, verifier
from dapp.protocol.edge import EdgeState
from dapp.protocol.verifier import VerifierState
from dapp.protocol.view import Panel
from dapp.types import Round, TaskId

TASKS, ROUNDS, SEATS, ATTEMPTS = 8, 100, 51, 3


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[VerifierState, EdgeState, Panel]:
    """A verifier, an edge with the same key, and a panel; of a real round."""
    stage = Stage.build(tmp_path_factory.mktemp("salts"), "verifiers=1", "panel.seats=1").play()
    voter, aggregator = stage.node("verifier", 0).state, stage.node("edge", 0).state
    return voter, replace(aggregator, salt_secret=voter.salt_secret), stage.rounds[0].panels[0]


def test_salts_of_votes_and_of_candidates_are_all_distinct(states: tuple[VerifierState, EdgeState, Panel]) -> None:
    voter, aggregator, panel = states
    first = voter.view.rounds[0]
    salts = []
    for task, number in product(range(TASKS), range(ROUNDS)):
        round_ = replace(first, task_id=TaskId(bytes([task]) * 32), number=Round(number))
        salts.append(edge._salt(replace(aggregator, facts=replace(aggregator.facts, task_id=round_.task_id)), number))
        for attempt, seat in product(range(ATTEMPTS), range(SEATS)):
            salts.append(verifier._salt(voter, round_, replace(panel, attempt=attempt), seat))
    assert len(salts) > 100_000
    assert len(set(salts)) == len(salts)
    assert {len(salt) for salt in salts} == {32}


@pytest.mark.parametrize("what", ["chain_id", "verification"])
def test_another_chain_or_contract_gives_other_salts(states: tuple[VerifierState, EdgeState, Panel], what: str) -> None:
    voter, _, panel = states
    facts = voter.facts
    elsewhere = replace(facts, **{what: facts.chain_id + 1 if what == "chain_id" else bytes(20)})
    here, there = (verifier._salt(replace(voter, facts=f), voter.view.rounds[0], panel, 0) for f in (facts, elsewhere))
    assert here != there


def test_another_key_gives_other_salts_and_the_same_key_the_same(
    states: tuple[VerifierState, EdgeState, Panel],
) -> None:
    voter, _, panel = states
    round_ = voter.view.rounds[0]
    other = replace(voter, salt_secret=bytes(32))
    assert verifier._salt(voter, round_, panel, 0) == verifier._salt(voter, round_, panel, 0)
    assert verifier._salt(other, round_, panel, 0) != verifier._salt(voter, round_, panel, 0)


def test_parts_of_a_salt_do_not_run_into_each_other() -> None:
    assert derive_salt(b"key", b"ab", b"c") != derive_salt(b"key", b"a", b"bc")
    assert derive_salt(b"key", b"vote", round_key(bytes(32), 1)) != derive_salt(
        b"key", b"vote", round_key(bytes(32), 2)
    )
