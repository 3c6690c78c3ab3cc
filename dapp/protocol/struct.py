"""Frozen dataclasses that mirror Solidity tuples, field for field and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import Any, Self, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Struct:
    """Base of the dataclasses that mirror a Solidity struct: fields in the ABI's order, names in snake_case."""

    def to_abi(self) -> tuple[Any, ...]:
        """The nested tuple that an ABI encoder takes."""
        return tuple(_plain(getattr(self, field.name)) for field in fields(self))

    @classmethod
    def from_abi(cls, values: Sequence[Any]) -> Self:
        """The inverse of :meth:`to_abi`; addresses may also come as 0x-prefixed hex.

        Raises:
            ValueError: another count of values than fields, or a number outside an enumeration.
        """
        return cls(*converted(cls, values))


def converted(cls: Any, values: Sequence[Any]) -> list[Any]:
    """``values`` of an ABI tuple as the types that the positional fields of ``cls`` declare."""
    return [convert(value) for (_, convert), value in zip(_converters(cls), values, strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return value.to_abi()
    if isinstance(value, (tuple, list)):
        return tuple(_plain(item) for item in value)
    return value


@cache
def _converters(cls: Any) -> list[tuple[str, Callable[[Any], Any]]]:
    hints = get_type_hints(cls)
    return [(field.name, _converter(hints[field.name])) for field in fields(cls) if not field.kw_only]


def _converter(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is tuple:
        item = _converter(get_args(hint)[0])
        return lambda values: tuple(item(value) for value in values)
    kind: type[Any] = getattr(hint, "__supertype__", hint)  # what a NewType stands for
    if issubclass(kind, Struct):
        return kind.from_abi
    if issubclass(kind, IntEnum):
        return kind
    return _as_bytes if kind is bytes else lambda value: value


def _as_bytes(value: bytes | str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
