"""Slot overflow: a packed value that carries into its neighbour, a weight of 10⁹, a plaintext past its range."""

from __future__ import annotations

import numpy as np
import pytest
from attackers import CRAFTER, FORGED_LEVELS, FORGED_SLOT
from evm import Refused
from house import House, digest
from siege import Lab, Siege

from dapp.crypto import packing
from dapp.crypto.packing import Encoding
from dapp.learning.vectors import weights_of
from dapp.protocol import events as ev
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import Outcome, SkipReason


def test_defended_the_heaviest_honest_sum_carries_nowhere() -> None:
    """Every device sends the highest level in every slot, and the weights use S_max up."""
    encoding = Encoding(bits=16, clip_nano=10**9, total_weight=4000, key_bits=512)
    highest = packing.pack(np.full(2 * encoding.slots, encoding.levels, dtype=np.uint64), encoding)
    total = [4000 * m for m in highest]
    assert packing.overflowed(total, 2 * encoding.slots, 4000, encoding) == 0
    assert (packing.unpack(total, 2 * encoding.slots, encoding) == 4000 * encoding.levels).all()


def test_defended_values_past_the_clip_bound_are_clipped_and_counted(lab: Lab) -> None:
    units, clipped = packing.quantise(np.array([0.5, 7.0, -1e9, 1.0]), lab.facts.encoding)
    assert clipped == 2
    assert units.max() <= lab.facts.encoding.levels


def test_defended_a_weight_of_a_billion_is_refused(house: House) -> None:
    task_id, device = house.create(), house.anyone
    with pytest.raises(Refused, match="LearningWeightOutOfBounds"):
        house.learning.send(device, "enrol", task_id, 10**9, digest("o"), house.ticket(task_id, device))
    (sent,) = house.enrol(task_id, [10**9])
    assert sent.event("EnrolmentSkipped")["reason"] == SkipReason.TOO_LARGE


def test_defended_weights_never_add_up_past_what_a_slot_holds(house: House) -> None:
    task_id = house.create(house.terms(cohort={"max_weight": 500}))
    (sent,) = house.enrol(task_id, [400, 101])
    assert sent.event("EnrolmentSkipped")["index"] == 1
    assert house.task(task_id).total_weight == 400


@pytest.mark.parametrize("slots", [18, 19])
def test_defended_terms_with_more_slots_than_the_key_holds_are_refused(house: House, slots: int) -> None:
    """512-bit keys, 16 bits a value and S_max = 4,000: 28 bits a slot, 18 slots."""
    if slots == 18:
        house.create(house.terms(encoding={"slots": slots}))
        return
    with pytest.raises(Refused) as refused:
        house.create(house.terms(encoding={"slots": slots}))
    assert refused.value.values == (b"encoding.slots".ljust(32, b"\0"), 19)


def test_defended_an_overflow_closes_the_round_as_overflow_with_the_model_unchanged(overflowing: Siege) -> None:
    first, second = overflowing.rounds
    assert first.outcome == Outcome.OVERFLOW
    assert first.result is None
    learning = overflowing.stage.world.facts.terms.learning
    assert first.base == second.base == BlobRef(learning.model_digest, learning.model_size)


def test_defended_an_overflow_cheats_nobody_of_the_pay(overflowing: Siege) -> None:
    first = overflowing.rounds[0]
    paid = {e.device for e in overflowing.of(ev.DevicePaid) if e.round == 0}
    assert paid == {overflowing.address(device) for device in range(4)}
    roles = {role for role, _ in first.paid}
    assert roles == {"device", "edge", "holder", "opener", "relay"}


def moved(siege: Siege) -> np.ndarray:
    """The mean update that the second round applied."""
    second = siege.rounds[1]
    assert second.outcome == Outcome.ACCEPTED
    assert second.result is not None
    store = siege.stage.world.store
    before, after = (weights_of(store.get(b.digest, b.size, cap=b.size)) for b in (second.base, second.result))
    return np.asarray(after - before, dtype=np.float64)


def test_known_gap_a_crafted_plaintext_moves_a_weight_further_than_any_honest_update_could(overflowing: Siege) -> None:
    """The device has a tenth of the weight. Honest, it moves the mean by at most B/10; crafted, by 0.8 B: the sum
    stays within its range, so nothing shows. Range proofs would; norm rules over groups bound it (later)."""
    clip = overflowing.stage.world.settings.encoding.clip
    share = 6 / 60
    mean = moved(overflowing)
    assert mean[FORGED_SLOT] == pytest.approx((2 * FORGED_LEVELS - 1) * share * clip, abs=0.15)
    assert abs(mean[FORGED_SLOT]) > 5 * share * clip
    assert np.abs(np.delete(mean, FORGED_SLOT)).max() < 2 * share * clip, "only the slot that it chose"


def test_known_gap_the_crafter_is_included_and_paid_like_everybody(overflowing: Siege) -> None:
    assert ("device", overflowing.address(CRAFTER)) in overflowing.rounds[1].paid


def test_bounded_no_crafted_plaintext_moves_a_weight_past_the_clip_bound(lab: Lab) -> None:
    """Whatever is in the slots, the mean of an opening that is no overflow lies within ±B."""
    encoding, total = lab.facts.encoding, sum(lab.weights)
    sums = np.array([0, total * encoding.levels], dtype=np.int64)
    assert packing.decode_mean(sums, total, encoding).tolist() == [-encoding.clip, encoding.clip]
    above = packing.pack(np.array([total * encoding.levels + 1], dtype=np.uint64), encoding)
    assert packing.overflowed(above, 1, total, encoding) == 1
