"""What a task's terms may choose: who applies the weights, FedProx, proof of work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stage import Stage

from dapp.protocol.effects import Result
from dapp.protocol.enums import CandidateState, Outcome, Weighting
from dapp.protocol.work import AggregateMade, FormAggregate, header_of
from dapp.simulation.faults import lying


def test_weights_folded_in_by_the_devices_halve_the_slots_and_close_a_round(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "weighting=device", "weight_cap=64").play()
    terms = stage.world.facts.terms
    assert terms.encoding.weighting == Weighting.DEVICE
    assert stage.world.facts.encoding.slot_bits == 20
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert stage.rounds[0].total_weight == 60


def test_fedprox_closes_a_round_and_is_bound_by_the_terms(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "strategy=fedprox", "mu=0.5").play()
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert (
        stage.world.facts.terms.learning.strategy_digest
        == stage.world.store.put(stage.world.strategy.canonical()).digest
    )
    assert stage.world.strategy.mu == 0.5


def too_little_work(job: FormAggregate, honest: Result) -> Result:
    """The right sum with the first nonce whose header is over the target."""
    made: AggregateMade = honest.value
    target, nonce = job.facts.terms.mining.pow_target, 0
    while (
        int.from_bytes(header := header_of(job.facts, job.sum_, made.blob, made.root, job.edge, nonce), "big") <= target
    ):
        nonce += 1
    return replace(honest, value=replace(made, nonce=nonce, header=header))


def test_proof_of_work_is_checked_on_chain(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "mining.pow_bits=8", "beta=3", "edges=2")
    stage.node("edge", 0).wrap(lambda step: lying(step, FormAggregate, too_little_work))
    stage.play()
    lazy, worker = (
        next(c for c in stage.rounds[0].candidates.values() if c.edge == account.address)
        for account in stage.world.people.edges
    )
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert worker.state == CandidateState.OPENED
    assert worker.header[0] == 0
    assert lazy.state == CandidateState.SEALED
    (told,) = stage.faults("edge 0")
    assert "Mining.openAggregate" in told
    assert [(entry.name, entry.wei) for entry in stage.reports[0].slashed] == [
        ("edge 0", stage.world.facts.terms.money.edge_bond)
    ]
