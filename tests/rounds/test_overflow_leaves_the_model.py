"""A device encrypts a number that no honest value can be: the opened sum shows it, and the round closes as Overflow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from stage import Stage, bonds_pot

from dapp.crypto import cid, merkle, packing, paillier, proofs
from dapp.device.training import TrainAndEncrypt
from dapp.protocol.blobs import BlobRef, UpdateBlob
from dapp.protocol.effects import Blobs, Effect, Input, RandomBits, Result, Work
from dapp.protocol.enums import Outcome
from dapp.protocol.work import update_context
from dapp.runtime.node import Step
from dapp.types import Round


@dataclass(frozen=True)
class Oversized:
    """A well-formed update with a correct proof, whose first value is sixteen times what its bits allow."""

    job: TrainAndEncrypt
    label: str = "crafting an update"

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.job.needs

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        facts, device = self.job.training.facts, self.job.enrolment.device
        public, count = facts.key.public, facts.terms.encoding.ciphertexts
        units = np.zeros(count * facts.encoding.slots, dtype=np.uint64)
        units[0] = 16 * facts.encoding.levels
        bits = paillier.exponent_bits(public, facts.encoding.total_weight, count)
        table = paillier.FixedBase.for_work(public, bits, count)
        exponents = paillier.random_exponents(bits, count, random)
        messages = packing.pack(units, facts.encoding)
        ciphertexts = paillier.encrypt_many(public, table, messages, exponents)
        context = update_context(facts, self.job.number, device)
        proof = proofs.prove(public, table, messages, exponents, ciphertexts, context, random)
        data = paillier.to_bytes(public, ciphertexts)
        blob = UpdateBlob(facts.task_id, Round(self.job.number), device, data, proof.to_bytes(public)).encode()
        honest = self.job.run(blobs, random).value
        root = merkle.ciphertext_root(public, data)
        return Result(replace(honest, digest=cid.digest(blob), size=len(blob), root=root), (blob,))


def oversizing(step: Step, number: int) -> Step:
    """The same device, which sends an oversized value in one round."""

    def crafted(state: object, input: Input) -> tuple[object, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(
            replace(e, job=Oversized(e.job))
            if isinstance(e, Work) and isinstance(e.job, TrainAndEncrypt) and e.job.number == number
            else e
            for e in effects
        )

    return crafted


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage.build(tmp_path_factory.mktemp("overflow"), "rounds=2")
    stage.node("device", 3).wrap(lambda step: oversizing(step, 0))
    return stage.play()


def test_the_round_closes_as_overflow_and_the_next_is_accepted(stage: Stage) -> None:
    assert stage.outcomes == [Outcome.OVERFLOW, Outcome.ACCEPTED]


def test_the_model_is_unchanged(stage: Stage) -> None:
    first, second = stage.rounds
    assert first.result is None
    assert second.base == first.base
    assert stage.chain_task.model == second.result.digest


def test_devices_holders_and_edge_are_paid(stage: Stage) -> None:
    paid = [payment.reason for payment in stage.reports[0].payments]
    assert paid.count("device") == 4
    assert paid.count("holder") == stage.world.facts.terms.key.threshold
    assert paid.count("edge") == paid.count("opener") == 1


def test_nobody_loses_a_bond_for_telling_of_it(stage: Stage) -> None:
    assert [entry for report in stage.reports for entry in report.slashed] == []
    assert [stage.world.contracts.escrow.pot_of(bonds_pot(round_)) for round_ in stage.rounds] == [0, 0]
