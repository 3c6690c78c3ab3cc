"""The besieged tasks: who attacks in them, and how. All others are honest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from siege import Siege, ciphertexts_of, encrypted, forging, rerandomised, with_ciphertexts
from stage import Stage

from dapp.crypto import cid, packing
from dapp.device.training import TrainAndEncrypt
from dapp.protocol.blobs import BlobRef, ShareBlob, UpdateBlob
from dapp.protocol.effects import Effect, Input, RandomBits, Result, Tick, Transact
from dapp.protocol.enums import Phase
from dapp.protocol.machine import Facts
from dapp.protocol.work import MakeShare, ShareMade, encode_values
from dapp.runtime.node import Step
from dapp.simulation.faults import lying

VICTIM, PLAGIARIST, MALFORMER, JUNK_HOLDER = 0, 5, 6, 1
FLOODER = 1
CRAFTER, WEIGHTS = 0, 203
FORGED_SLOT = 7
"""The weight of the model that the crafter moves."""
FORGED_LEVELS = 4.5
"""What it says there, in multiples of the highest value that an honest update can hold."""


def besiege(folder: Path) -> Siege:
    def corrupt(stage: Stage) -> None:
        stage.node("device", PLAGIARIST).wrap(lambda step: forging(step, [1], copy_of_the_round_before, VICTIM))
        stage.node("device", MALFORMER).wrap(lambda step: forging(step, [0, 1], malformed))
        stage.node("holder", JUNK_HOLDER).wrap(lambda step: lying(step, MakeShare, junk_share))

    return Siege.play(folder, ["devices=7", "key.holders=5", "rounds=2", "edges=2"], corrupt)


def overflow(folder: Path) -> Siege:
    def corrupt(stage: Stage) -> None:
        device = stage.node("device", CRAFTER)
        device.wrap(lambda step: forging(step, [0], past_the_range))
        device.wrap(lambda step: forging(step, [1], within_the_range))

    return Siege.play(folder, ["rounds=2"], corrupt)


def flood(folder: Path) -> Siege:
    """The second edge takes all places for candidates with seals of nothing, before the first has added up."""

    def corrupt(stage: Stage) -> None:
        stage.node("edge", FLOODER).wrap(flooding)

    return Siege.play(folder, ["edges=2"], corrupt)


def flooding(step: Step[Any]) -> Step[Any]:
    """Seals that open to nothing, as many as there are places, in the first second in which they can be sealed."""

    def flooded(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        round_, terms = after.view.round, after.view.terms
        if not isinstance(input, Tick) or round_ is None or round_.phase(terms, input.now) != Phase.SEAL:
            return after, effects
        if round_.included is None or round_.candidates:
            return after, ()
        place, bond = (after.facts.task_id, round_.number), terms.money.edge_bond
        junk = (Transact(("junk", i), "mining", "seal_aggregate", (*place, bytes([i]) * 32, bond)) for i in range(8))
        return after, tuple(junk)

    return flooded


def copy_of_the_round_before(
    facts: Facts, job: TrainAndEncrypt, honest: UpdateBlob, stolen: UpdateBlob | None, random: RandomBits
) -> UpdateBlob:
    assert stolen is not None
    return rerandomised(facts, stolen, honest.device, job.number, random)


def malformed(
    facts: Facts, job: TrainAndEncrypt, honest: UpdateBlob, stolen: UpdateBlob | None, random: RandomBits
) -> UpdateBlob:
    """0 in the first round, which would make every sum 0; a multiple of n in the second."""
    public = facts.key.public
    bad = 0 if job.number == 0 else 3 * public.n
    return with_ciphertexts(public, honest, [bad, *ciphertexts_of(public, honest)[1:]])


def junk_share(job: MakeShare, honest: Result) -> Result:
    """Numbers that open nothing, well formed."""
    blob = ShareBlob.decode(honest.blobs[0])
    data = replace(blob, shares=bytes(reversed(blob.shares[1:])) + b"\1").encode()
    return Result(ShareMade(BlobRef(cid.digest(data), len(data))), (data,))


def past_the_range(
    facts: Facts, job: TrainAndEncrypt, honest: UpdateBlob, stolen: UpdateBlob | None, random: RandomBits
) -> UpdateBlob:
    """A bit above the last slot."""
    messages = _nothing(facts, job)
    messages[0] += 1 << (facts.encoding.slots * facts.encoding.slot_bits)
    return encrypted(facts, job.number, honest.device, messages, random)


def within_the_range(
    facts: Facts, job: TrainAndEncrypt, honest: UpdateBlob, stolen: UpdateBlob | None, random: RandomBits
) -> UpdateBlob:
    """More than any honest update can say in one slot, and yet no more than the sum has room for."""
    messages = _nothing(facts, job)
    encoding = facts.encoding
    more = round(FORGED_LEVELS * encoding.levels) - encoding.levels // 2
    messages[FORGED_SLOT // encoding.slots] += more << (FORGED_SLOT % encoding.slots * encoding.slot_bits)
    return encrypted(facts, job.number, honest.device, messages, random)


def _nothing(facts: Facts, job: TrainAndEncrypt) -> list[int]:
    """The plaintexts of an update that changes nothing."""
    units, _ = encode_values(facts, np.zeros(WEIGHTS), 1.0, job.enrolment.weight)
    return packing.pack(units, facts.encoding)
