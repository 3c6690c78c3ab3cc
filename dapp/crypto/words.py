"""The ABI encoding of static values: each fills one word of 32 bytes, in order. All that we hash is of this kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from dapp.errors import CryptoError


def encode_words(types: Sequence[str], values: Iterable[int | bytes]) -> bytes:
    """What Solidity's ``abi.encode`` gives for these types (``uintN``, ``bool``, ``address``, ``bytes32``).

    Raises:
        CryptoError: a value does not fit its type.
        ValueError: more or fewer values than types.
    """
    return b"".join(_word(type_, value) for type_, value in zip(types, values, strict=True))


def _word(type_: str, value: int | bytes) -> bytes:
    width, is_number = _shape(type_)
    if is_number and isinstance(value, int):
        if 0 <= value < 1 << width:
            return value.to_bytes(32, "big")
    elif not is_number and isinstance(value, bytes) and len(value) == width:
        return value.rjust(32, b"\0")
    raise CryptoError(f"{value!r} is no {type_}", help="Give numbers in range, and addresses and digests as bytes.")


@cache
def _shape(type_: str) -> tuple[int, bool]:
    """Bits of a number, or bytes of the rest; and whether it is a number."""
    if type_ in ("address", "bytes32"):
        return (20 if type_ == "address" else 32), False
    return (1 if type_ == "bool" else int(type_.removeprefix("uint"))), True
