from __future__ import annotations

import numpy as np
import pytest

from dapp.crypto import packing
from dapp.crypto.packing import Encoding
from dapp.errors import CryptoError

EDGE = Encoding(bits=16, clip_nano=500_000_000, total_weight=8192, key_bits=2048)
FOLDED = Encoding(bits=16, clip_nano=500_000_000, total_weight=16, key_bits=2048)


def test_a_slot_holds_the_value_and_the_weights_and_nothing_else() -> None:
    assert (EDGE.slot_bits, EDGE.slots) == (29, 70)
    assert (FOLDED.slot_bits, FOLDED.slots) == (20, 102)
    assert Encoding(8, 1, 1, 2048).slot_bits == 8
    assert Encoding(8, 1, 1025, 2048).slot_bits == 19


def test_the_papers_model_takes_as_many_ciphertexts_as_counted() -> None:
    assert packing.ciphertext_count(252_398, FOLDED) == 2475
    assert packing.ciphertext_count(70, EDGE) == 1
    assert packing.ciphertext_count(71, EDGE) == 2
    assert packing.ciphertext_count(0, EDGE) == 0


@pytest.mark.parametrize(
    "terms", [(0, 1, 1, 2048), (16, 0, 1, 2048), (16, 1, 0, 2048), (40, 1, 2**13, 2048), (16, 1, 8, 16)]
)
def test_an_encoding_that_cannot_work_is_refused(terms: tuple[int, int, int, int]) -> None:
    with pytest.raises(CryptoError):
        Encoding(*terms)


def test_the_ends_and_the_middle_of_the_range_have_their_units() -> None:
    units, clipped = packing.quantise(np.array([-0.5, 0.0, 0.5, -1e9, 1e9]), EDGE)
    assert units.tolist() == [0, 32768, 65535, 0, 65535]
    assert clipped == 2


def test_values_that_are_no_numbers_are_refused_and_counted() -> None:
    with pytest.raises(CryptoError, match="3 of 5 values are NaN or infinite"):
        packing.quantise(np.array([1.0, np.nan, np.inf, -np.inf, 0.0]), EDGE)


def test_the_first_unit_is_in_the_lowest_bits() -> None:
    units = np.arange(71, dtype=np.uint64)
    first, second = packing.pack(units, EDGE)
    assert first == sum(int(u) << (29 * i) for i, u in enumerate(units[:70]))
    assert second == 70
    assert packing.unpack([first, second], 71, EDGE).tolist() == units.tolist()


def test_a_full_plaintext_is_below_every_modulus_of_its_length() -> None:
    full = packing.pack(np.full(70, 8192 * 65535, dtype=np.uint64), EDGE)[0]
    assert full < 2**2047


def test_the_wrong_number_of_plaintexts_is_refused() -> None:
    with pytest.raises(CryptoError, match="1 plaintexts for 71 values; 2 are needed"):
        packing.unpack([0], 71, EDGE)


def test_the_mean_follows_the_stated_rule_to_the_last_bit() -> None:
    sums = [0, 1, 3 * 65535, 98302]
    expected = [(2 * u - 3 * 65535) / (3 * 65535) * 0.5 for u in sums]
    assert packing.decode_mean(np.array(sums, dtype=np.int64), 3, EDGE).tolist() == expected
    assert (expected[0], expected[2]) == (-0.5, 0.5)


def test_the_mean_of_folded_values_follows_the_same_rule() -> None:
    sums = [0, 70_000, 2 * 65535]
    expected = [(2 * u - 2 * 65535) / (150 * 65535) * 50.0 for u in sums]
    decoded = packing.decode_folded(np.array(sums, dtype=np.int64), 2, 150, 100, FOLDED)
    assert decoded.tolist() == expected


def test_a_mean_over_no_weight_is_refused() -> None:
    sums = np.array([1], dtype=np.int64)
    with pytest.raises(CryptoError, match="total weight of 0"):
        packing.decode_mean(sums, 0, EDGE)
    with pytest.raises(CryptoError, match="total weight of 0"):
        packing.decode_folded(sums, 2, 0, 100, FOLDED)
    with pytest.raises(CryptoError, match="total weight of 0"):
        packing.decode_loss(1, 0, 8.0, EDGE)


def test_folding_refuses_a_weight_outside_the_terms() -> None:
    for weight in (0, 101):
        with pytest.raises(CryptoError, match=r"not in 1 … 100"):
            packing.fold(np.zeros(1), weight, 100)


def test_the_loss_is_capped_and_its_mean_comes_back() -> None:
    assert packing.quantise_loss(-1.0, 8.0, EDGE) == 0
    assert packing.quantise_loss(99.0, 8.0, EDGE) == 65535
    total = 2 * packing.quantise_loss(1.0, 8.0, EDGE) + 3 * packing.quantise_loss(2.0, 8.0, EDGE)
    assert packing.decode_loss(total, 5, 8.0, EDGE) == pytest.approx(1.6, abs=8 / 65535 / 2)


def test_a_loss_that_is_no_number_is_refused() -> None:
    with pytest.raises(CryptoError, match="nan"):
        packing.quantise_loss(float("nan"), 8.0, EDGE)


def test_an_honest_sum_shows_no_overflow() -> None:
    plaintexts = packing.pack(np.full(75, 5 * 65535, dtype=np.uint64), EDGE)
    assert packing.overflowed(plaintexts, 75, 5, EDGE) == 0


@pytest.mark.parametrize(
    ("extra", "position"),
    [(1, 0), (1 << 29 * 69, 0), (1 << 29 * 5, 1), (1 << 29 * 69, 1), (1 << 29 * 70, 0), (1 << 29 * 70, 1)],
    ids=["first slot", "last slot", "first unused slot", "last unused slot", "above the first", "above the second"],
)
def test_an_overflow_is_seen_wherever_it_is(extra: int, position: int) -> None:
    plaintexts = packing.pack(np.full(75, 5 * 65535, dtype=np.uint64), EDGE)
    plaintexts[position] += extra
    assert packing.overflowed(plaintexts, 75, 5, EDGE) == 1
