"""Fixed point and packing: many numbers in one Paillier plaintext (protocol, section 2).

A value is clipped to ±B, offset and rounded to q bits, and put in a slot of q + ⌈log2 W⌉ bits, W the largest total
weight. Honest sums are at most W·(2^q−1), so no slot ever carries into its neighbour. What comes out is Σ s_k·u_k per
slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapp.errors import CryptoError

_NANO = 10**9
_MAX_SLOT_BITS = 52
"""2U − S·(2^q−1) must be exact in a float64, which ``decode_mean`` relies on."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How numbers become plaintexts; bound by a task's terms.

    Args:
        bits: q, bits per value.
        clip_nano: B in billionths; values are clipped to ±B.
        total_weight: W: the largest sum of weights; where devices fold their weights in, the largest number of devices.
        key_bits: length of the Paillier modulus in bits.

    Raises:
        CryptoError: a value is not positive, slots are wider than 52 bits, or not one slot fits.
    """

    bits: int
    clip_nano: int
    total_weight: int
    key_bits: int

    def __post_init__(self) -> None:
        if min(self.bits, self.clip_nano, self.total_weight, self.key_bits) < 1:
            raise CryptoError(f"an encoding's values must be positive: {self}", help="Correct the task's terms.")
        if self.slot_bits > _MAX_SLOT_BITS or not self.slots:
            raise CryptoError(
                f"slots of {self.slot_bits} bits are too wide: at most {_MAX_SLOT_BITS}, for {self.key_bits}-bit keys",
                help="Choose fewer bits per value or a smaller total weight.",
            )

    @property
    def slot_bits(self) -> int:
        """q + ⌈log2 W⌉."""
        return self.bits + (self.total_weight - 1).bit_length()

    @property
    def slots(self) -> int:
        """Slots in one plaintext; a full plaintext is below 2^(key_bits−1), hence below n."""
        return (self.key_bits - 1) // self.slot_bits

    @property
    def levels(self) -> int:
        """2^q − 1, the unit that stands for +B; 0 stands for −B."""
        return (1 << self.bits) - 1

    @property
    def clip(self) -> float:
        """B as a float64."""
        return self.clip_nano / _NANO


def ciphertext_count(values: int, encoding: Encoding) -> int:
    """How many plaintexts ``values`` slots take."""
    return -(-values // encoding.slots)


def quantise(values: NDArray[np.float64], encoding: Encoding) -> tuple[NDArray[np.uint64], int]:
    """Units u = rint((clip(x) + B)·(2^q−1)/2B) in 0 … 2^q−1, and how many values had to be clipped.

    Args:
        values: shape (d,), float64.

    Raises:
        CryptoError: values that are NaN or infinite, with their number.
    """
    unusable = int(np.count_nonzero(~np.isfinite(values)))
    if unusable:
        raise CryptoError(
            f"{unusable} of {values.size} values are NaN or infinite",
            help="The training has diverged: lower the learning rate or leave this round out.",
        )
    clip = encoding.clip
    clipped = int(np.count_nonzero(np.abs(values) > clip))
    units = np.rint((np.clip(values, -clip, clip) + clip) * (encoding.levels / (2 * clip)))
    return np.minimum(units, encoding.levels).astype(np.uint64), clipped


def fold(values: NDArray[np.float64], weight: int, weight_cap: int) -> NDArray[np.float64]:
    """values·s_k/s_cap, for tasks in which devices apply their weights themselves (decision 0009).

    Raises:
        CryptoError: not 1 ≤ weight ≤ weight_cap.
    """
    if not 1 <= weight <= weight_cap:
        raise CryptoError(
            f"the weight {weight} is not in 1 … {weight_cap}", help="Enrol with a weight the task allows."
        )
    return values * (weight / weight_cap)


def quantise_loss(loss: float, loss_cap: float, encoding: Encoding) -> int:
    """The unit rint(min(max(loss, 0), cap)·(2^q−1)/cap) for the loss's slot.

    Raises:
        CryptoError: the loss is NaN or infinite.
    """
    if not np.isfinite(loss):
        raise CryptoError(f"the loss is {loss}", help="The training has diverged: lower the learning rate.")
    return int(np.rint(min(max(loss, 0.0), loss_cap) / loss_cap * encoding.levels))


def pack(units: NDArray[np.uint64], encoding: Encoding) -> list[int]:
    """Plaintexts of ``encoding.slots`` units each, the first in the lowest bits; the last one's unused slots are 0.

    Args:
        units: shape (d,), each below 2^slot_bits.
    """
    count = ciphertext_count(units.size, encoding)
    padded = np.zeros(count * encoding.slots, dtype=np.uint64)
    padded[: units.size] = units
    slots = padded.reshape(count, encoding.slots)
    buffer = np.zeros((count, _row_bytes(encoding)), dtype=np.uint8)
    for i in range(encoding.slots):
        window, shift = _window(buffer, i, encoding)
        window |= slots[:, i] << shift
    return [int.from_bytes(row.tobytes(), "little") for row in buffer]


def unpack(plaintexts: Sequence[int], count: int, encoding: Encoding) -> NDArray[np.int64]:
    """The first ``count`` slots' sums, shape (count,); bits above the last slot are left out (see ``overflowed``).

    Raises:
        CryptoError: not the number of plaintexts that ``count`` slots take, or one longer than the key.
    """
    if len(plaintexts) != ciphertext_count(count, encoding):
        raise CryptoError(
            f"{len(plaintexts)} plaintexts for {count} values; {ciphertext_count(count, encoding)} are needed",
            help="Check that the opening belongs to this task and model.",
        )
    return _slots(plaintexts, encoding).reshape(-1)[:count]


def overflowed(plaintexts: Sequence[int], count: int, total: int, encoding: Encoding) -> int:
    """How many slots no honest sum can hold: above total·(2^q−1), unused but not 0, and anything above the last slot.

    Args:
        count: slots in use over all plaintexts.
        total: Σ s_k of the included devices, or their number where devices fold weights in.
    """
    slots = _slots(plaintexts, encoding).reshape(-1)
    beyond = sum(m >> (encoding.slots * encoding.slot_bits) != 0 for m in plaintexts)
    too_large = np.count_nonzero(slots[:count] > total * encoding.levels)
    return int(too_large + np.count_nonzero(slots[count:])) + beyond


def decode_mean(sums: NDArray[np.int64], total: int, encoding: Encoding) -> NDArray[np.float64]:
    """The weighted mean B·(2U/(S·(2^q−1)) − 1) per slot, bit for bit the same everywhere.

    The one rounding rule, in float64 with ties to even: D = 2U − S·(2^q−1) exactly in integers, then D/(S·(2^q−1)),
    then that times B, the float64 nearest to clip_nano/10⁹. The ends of the range come out as ±B.

    Args:
        sums: U = Σ s_k·u_k, shape (d,).
        total: S = Σ s_k.

    Raises:
        CryptoError: S is not positive.
    """
    return _decode(sums, total, total, encoding.clip, encoding)


def decode_folded(
    sums: NDArray[np.int64], devices: int, weight_sum: int, weight_cap: int, encoding: Encoding
) -> NDArray[np.float64]:
    """The weighted mean of folded values, by the same rule with D = 2U − devices·(2^q−1) and B·s_cap instead of B.

    Args:
        sums: U = Σ u_k, shape (d,).
        devices: number of included devices.
        weight_sum: S = Σ s_k of the included devices, at least 1.
        weight_cap: s_cap, as in ``fold``.

    Raises:
        CryptoError: S is not positive.
    """
    return _decode(sums, devices, weight_sum, encoding.clip_nano * weight_cap / _NANO, encoding)


def decode_loss(total_units: int, total: int, loss_cap: float, encoding: Encoding) -> float:
    """The weighted mean loss: cap times the float64 nearest to U/(S·(2^q−1)).

    Where devices fold weights in, the loss is folded too and ``loss_cap`` is cap·s_cap.

    Raises:
        CryptoError: S is not positive.
    """
    return loss_cap * (total_units / _whole(total, encoding))


def _decode(sums: NDArray[np.int64], units: int, weight: int, factor: float, encoding: Encoding) -> NDArray[np.float64]:
    differences = (2 * sums - units * encoding.levels).astype(np.float64)
    return differences / float(_whole(weight, encoding)) * factor


def _whole(weight: int, encoding: Encoding) -> int:
    """S·(2^q−1), what a slot holds when every device sends the highest level."""
    if weight < 1:
        raise CryptoError(f"a mean over a total weight of {weight}", help="Treat the opening as an overflow.")
    return weight * encoding.levels


def _slots(plaintexts: Sequence[int], encoding: Encoding) -> NDArray[np.int64]:
    """All slots, shape (len(plaintexts), encoding.slots)."""
    used = (1 << (encoding.slots * encoding.slot_bits)) - 1
    width = _row_bytes(encoding)
    data = b"".join((m & used).to_bytes(width, "little") for m in plaintexts)
    buffer = np.frombuffer(data, dtype=np.uint8).reshape(len(plaintexts), width)
    slots = np.empty((len(plaintexts), encoding.slots), dtype=np.int64)
    mask = np.uint64((1 << encoding.slot_bits) - 1)
    for i in range(encoding.slots):
        window, shift = _window(buffer, i, encoding)
        slots[:, i] = (window >> shift) & mask
    return slots


def _row_bytes(encoding: Encoding) -> int:
    """Bytes for a plaintext, with room for the last slot's window."""
    return encoding.slots * encoding.slot_bits // 8 + 8


def _window(buffer: NDArray[np.uint8], slot: int, encoding: Encoding) -> tuple[NDArray[np.uint64], np.uint64]:
    """The eight bytes of every row in which the slot begins, as one integer, and its shift there in bits."""
    byte, shift = divmod(slot * encoding.slot_bits, 8)
    return buffer[:, byte : byte + 8].view("<u8")[:, 0], np.uint64(shift)
