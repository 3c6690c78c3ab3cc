from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto import packing
from dapp.crypto.packing import Encoding


@st.composite
def encodings(draw: st.DrawFn) -> Encoding:
    bits = draw(st.integers(2, 24))
    weight = draw(st.integers(1, 2**20))
    return Encoding(bits, draw(st.integers(1, 10**11)), weight, draw(st.integers(64, 3072)))


@settings(deadline=None)
@given(encodings(), st.data())
def test_units_survive_packing(encoding: Encoding, data: st.DataObject) -> None:
    units = data.draw(st.lists(st.integers(0, 2**encoding.slot_bits - 1), max_size=200))
    plaintexts = packing.pack(np.array(units, dtype=np.uint64), encoding)
    assert len(plaintexts) == packing.ciphertext_count(len(units), encoding)
    assert all(0 <= m < 2 ** (encoding.key_bits - 1) for m in plaintexts)
    assert packing.unpack(plaintexts, len(units), encoding).tolist() == units


@settings(deadline=None)
@given(encodings(), st.data())
def test_honest_weighted_sums_never_carry(encoding: Encoding, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 2**18), min_size=1, max_size=6))
    weights = [min(w, encoding.total_weight // len(weights)) for w in weights]
    weights = [w for w in weights if w] or [1]
    count = data.draw(st.integers(1, 60))
    level = st.one_of(st.integers(0, encoding.levels), st.just(encoding.levels))
    units = np.array([data.draw(st.lists(level, min_size=count, max_size=count)) for _ in weights], dtype=np.uint64)
    packed = [packing.pack(row, encoding) for row in units]
    sums = [sum(w * m for w, m in zip(weights, position, strict=True)) for position in zip(*packed, strict=True)]
    expected = (units.astype(object) * np.array(weights, dtype=object)[:, None]).sum(axis=0)
    assert packing.unpack(sums, count, encoding).tolist() == expected.tolist()
    assert packing.overflowed(sums, count, sum(weights), encoding) == 0


@settings(deadline=None)
@given(encodings(), st.data())
def test_a_slot_past_what_honest_devices_can_reach_is_seen(encoding: Encoding, data: st.DataObject) -> None:
    total = data.draw(st.integers(1, encoding.total_weight))
    count = data.draw(st.integers(1, 60))
    units = np.full(count, total * encoding.levels, dtype=np.uint64)
    plaintexts = packing.pack(units, encoding)
    slot = data.draw(st.integers(0, len(plaintexts) * encoding.slots - 1))
    plaintext, position = divmod(slot, encoding.slots)
    plaintexts[plaintext] += data.draw(st.integers(1, encoding.levels)) << (position * encoding.slot_bits)
    assert packing.overflowed(plaintexts, count, total, encoding) >= 1


@st.composite
def updates(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    weights = draw(st.lists(st.integers(1, 600), min_size=1, max_size=8))
    values = st.floats(-1, 1, allow_nan=False, width=64)
    size = draw(st.integers(1, 20))
    rows = [draw(st.lists(values, min_size=size, max_size=size)) for _ in weights]
    return np.array(rows), weights


@settings(deadline=None)
@given(updates(), st.integers(2, 24))
def test_the_mean_with_weights_applied_by_the_edge_is_within_half_a_quantum(
    update: tuple[np.ndarray, list[int]], bits: int
) -> None:
    values, weights = update
    encoding = Encoding(bits, 10**9, sum(weights), 2048)
    sums = sum(w * packing.quantise(row, encoding)[0].astype(np.int64) for row, w in zip(values, weights, strict=True))
    decoded = packing.decode_mean(np.asarray(sums), sum(weights), encoding)
    half_quantum = 1 / encoding.levels
    assert np.all(np.abs(decoded - np.average(values, axis=0, weights=weights)) <= half_quantum + 1e-12)


@settings(deadline=None)
@given(updates(), st.integers(10, 24))
def test_the_mean_with_weights_folded_in_is_within_half_a_quantum_per_device(
    update: tuple[np.ndarray, list[int]], bits: int
) -> None:
    values, weights = update
    cap = 600
    encoding = Encoding(bits, 10**9, len(weights), 2048)
    sums = sum(
        packing.quantise(packing.fold(row, w, cap), encoding)[0].astype(np.int64)
        for row, w in zip(values, weights, strict=True)
    )
    decoded = packing.decode_folded(np.asarray(sums), len(weights), sum(weights), cap, encoding)
    half_quanta = len(weights) / encoding.levels * cap / sum(weights)
    assert np.all(np.abs(decoded - np.average(values, axis=0, weights=weights)) <= half_quanta + 1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50), st.integers(1, 32))
def test_every_finite_value_gets_a_unit_in_range_and_clipping_is_counted(values: list[float], bits: int) -> None:
    encoding = Encoding(bits, 500_000_000, 1, 2048)
    units, clipped = packing.quantise(np.array(values), encoding)
    assert int(units.max()) <= encoding.levels
    assert clipped == sum(abs(x) > 0.5 for x in values)
