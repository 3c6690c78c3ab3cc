"""Frozen dataclasses as strict JSON, and the JSON Schema that describes them.

A field's annotation says everything: its type, and in ``Annotated[type, "description"]`` what it means. Understood are
``str``, ``bool``, ``int``, ``float``, ``Wei`` (a decimal string in JSON, whose numbers most readers take for doubles),
``Literal``, ``StrEnum``, ``tuple[T, ...]``, ``dict[str, T]``, unions of these, and other such dataclasses.
A trailing underscore, which keeps a field's name off Python's keywords, is not part of its key.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dapp.errors import BlobError
from dapp.types import Wei

T = TypeVar("T")
Json = Any

_PLAIN: dict[object, str] = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def dumps(document: object) -> str:
    """The document as JSON text, keys in the order of the fields.

    Raises:
        ValueError: a number that is not finite, which JSON cannot hold.
    """
    return json.dumps(_encode(type(document), document), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def loads(kind: type[T], text: str | bytes) -> T:
    """The document of type ``kind`` in JSON ``text``.

    Raises:
        BlobError: not JSON, a missing or an unknown key, or a value of another type; names the place.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BlobError(f"this is not JSON: {error}", help="the file was cut or changed by hand") from error
    return cast(T, _decode(kind, content, ""))


def json_schema(kind: type) -> dict[str, Json]:
    """JSON Schema (draft 2020-12) of the documents that ``loads`` takes."""
    definitions: dict[str, Json] = {}
    top = _schema(kind, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": definitions}


@cache
def _hints(kind: type) -> dict[str, tuple[Any, str]]:
    """Key → (type, description) of a dataclass's fields."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.name: (hint.__origin__, hint.__metadata__[0]) if get_origin(hint) is Annotated else (hint, "")
        for field in fields(kind)
        for hint in [hints[field.name]]
    }


def _key(name: str) -> str:
    return name.removesuffix("_")


def _encode(kind: Any, value: Any) -> Json:
    if is_dataclass(kind):
        return {_key(name): _encode(hint, getattr(value, name)) for name, (hint, _) in _hints(cast(type, kind)).items()}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return [_encode(arguments[0], item) for item in value]
    if origin is dict:
        return {key: _encode(arguments[1], item) for key, item in value.items()}
    if origin in (Union, UnionType):
        compound = [choice for choice in arguments if choice not in _PLAIN]
        return value if value is None or not compound else _encode(compound[0], value)
    return str(value) if kind is Wei else value


def _decode(kind: Any, value: Json, where: str) -> Any:
    if is_dataclass(kind):
        return _decode_dataclass(cast(type, kind), value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = _expect(list, "a list", value, where)
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is dict:
        return {
            key: _decode(arguments[1], item, f"{where}.{key}")
            for key, item in _expect(dict, "an object", value, where).items()
        }
    if origin in (Union, UnionType):
        return _decode_union(arguments, value, where)
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        choices = arguments if origin is Literal else tuple(str(choice) for choice in kind)
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise _wrong(where, f"one of {', '.join(map(repr, choices))}", value)
        return value if origin is Literal else kind(value)
    if kind is Wei:
        if not (isinstance(value, str) and value.isascii() and value.isdigit()):
            raise _wrong(where, "wei as a decimal string", value)
        return Wei(int(value))
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is not kind or kind is float:
        raise _wrong(where, _PLAIN[kind], value)
    return value


def _decode_union(choices: tuple[Any, ...], value: Json, where: str) -> Any:
    if type(value) in choices and type(value) is not float:
        return value
    for choice in choices:
        if choice not in _PLAIN or (choice is float and type(value) in (int, float)):
            return _decode(choice, value, where)
    raise _wrong(where, " or ".join(_PLAIN[choice] for choice in choices), value)


def _decode_dataclass(kind: type, value: Json, where: str) -> Any:
    content = _expect(dict, "an object", value, where)
    hints = {_key(name): (name, hint) for name, (hint, _) in _hints(kind).items()}
    for key in content:
        if key not in hints:
            near = get_close_matches(key, hints, 1)
            raise BlobError(f"{_place(where)}: unknown key {key!r}", help=f"did you mean {near[0]!r}?" if near else "")
    for key in hints:
        if key not in content:
            raise BlobError(f"{_place(where)}: key {key!r} is missing")
    return kind(**{name: _decode(hint, content[key], f"{where}.{key}") for key, (name, hint) in hints.items()})


def _expect(kind: type[T], words: str, value: Json, where: str) -> T:
    if not isinstance(value, kind):
        raise _wrong(where, words, value)
    return value


def _wrong(where: str, expected: str, value: Json) -> BlobError:
    found = repr(value)
    return BlobError(f"{_place(where)}: expected {expected}, found {found if len(found) <= 60 else found[:57] + '…'}")


def _place(where: str) -> str:
    return where.removeprefix(".") or "the document"


def _schema(kind: Any, definitions: dict[str, Json]) -> dict[str, Json]:
    if is_dataclass(kind):
        name = cast(type, kind).__name__
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = _object_schema(cast(type, kind), definitions)
        return {"$ref": f"#/$defs/{name}"}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if origin in (Union, UnionType):
        if all(choice in _PLAIN for choice in arguments):
            return {"type": [_PLAIN[choice] for choice in arguments]}
        return {"anyOf": [_schema(choice, definitions) for choice in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [str(choice) for choice in kind]}
    return {"type": "string", "pattern": "^[0-9]+$"} if kind is Wei else {"type": _PLAIN[kind]}


def _object_schema(kind: type, definitions: dict[str, Json]) -> dict[str, Json]:
    properties = {
        _key(name): {**_schema(hint, definitions), "description": description}
        for name, (hint, description) in _hints(kind).items()
    }
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
