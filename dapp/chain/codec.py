"""The contracts' ABIs, read from the artifacts in ``dapp/chain/abi``, and what they encode and decode."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from dapp.errors import ChainError, Fatal

CONTRACTS = ("Learning", "Mining", "Verification", "Escrow", "PrevrandaoSeed", "PaillierSum")
"""The deployable contracts that the package carries."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """``internal`` is Solidity's own name of the type, such as ``enum ILearningTypes.Phase``."""

    name: str
    type: str
    internal: str
    indexed: bool = False


@dataclass(frozen=True)
class Entry:
    """A function, an event, an error or the constructor of a contract."""

    contract: str
    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...] = ()

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.types)})"

    @cached_property
    def hash(self) -> bytes:
        """keccak256 of the signature: an event's topic; its first four bytes select a function or an error."""
        return bytes(keccak(self.signature.encode()))

    @cached_property
    def types(self) -> list[str]:
        return [parameter.type for parameter in self.inputs]


@dataclass(frozen=True)
class Abi:
    """One contract's artifact, indexed by what a caller has in hand. ``bytecode`` is empty for an interface."""

    name: str
    functions: Mapping[str, Entry]
    events: Mapping[bytes, Entry]
    errors: Mapping[bytes, Entry]
    constructor: Entry
    bytecode: bytes

    @classmethod
    def from_artifact(cls, artifact: Mapping[str, Any]) -> Abi:
        """From a compiled artifact (``abi``, ``bytecode``, ``contractName``)."""
        name = artifact["contractName"]
        entries: dict[str, list[Entry]] = {"function": [], "event": [], "error": [], "constructor": []}
        for raw in artifact["abi"]:
            if raw["type"] in entries:
                inputs, outputs = (tuple(map(_parameter, raw.get(key, ()))) for key in ("inputs", "outputs"))
                entries[raw["type"]].append(Entry(name, raw.get("name", "constructor"), inputs, outputs))
        return cls(
            name=name,
            functions={entry.name: entry for entry in entries["function"]},
            events={entry.hash: entry for entry in entries["event"]},
            errors={entry.hash[:4]: entry for entry in entries["error"]},
            constructor=next(iter(entries["constructor"]), Entry(name, "constructor", ())),
            bytecode=bytes.fromhex(artifact["bytecode"].removeprefix("0x")),
        )

    @cached_property
    def selectors(self) -> Mapping[bytes, Entry]:
        """The functions by selector."""
        return {entry.hash[:4]: entry for entry in self.functions.values()}

    def creation_code(self, *arguments: Any) -> bytes:
        """What a deployment transaction carries."""
        return self.bytecode + encode(self.constructor.types, arguments)


@cache
def abi(name: str) -> Abi:
    """The ABI of a contract of ours.

    Raises:
        Fatal: the package carries no such artifact.
    """
    file = files("dapp.chain") / "abi" / f"{name}.json"
    try:
        return Abi.from_artifact(json.loads(file.read_text()))
    except FileNotFoundError:
        raise Fatal(
            f"the package carries no compiled contract {name}",
            help="Run `make contracts`, or install the package anew.",
        ) from None


@cache
def all_events() -> Mapping[bytes, Entry]:
    """Every event of our contracts, by topic. Where two contracts share one, either's entry decodes both."""
    return {topic: entry for name in CONTRACTS for topic, entry in abi(name).events.items()}


@cache
def all_errors() -> Mapping[bytes, Entry]:
    """Every custom error of our contracts, by selector; one contract passes another's on unchanged."""
    return {selector: entry for name in CONTRACTS for selector, entry in abi(name).errors.items()}


def encode_call(entry: Entry, arguments: Sequence[Any]) -> bytes:
    """Selector and arguments.

    Raises:
        ChainError: an argument is no value of its Solidity type.
    """
    try:
        return entry.hash[:4] + encode(entry.types, arguments)
    except Exception as error:  # eth_abi's errors share no base with each other
        raise ChainError(
            f"{entry.contract}.{entry.name} cannot be called with {tuple(arguments)!r}: {error}",
            help=f"It takes {entry.signature}.",
        ) from error


def decode_result(entry: Entry, data: bytes) -> tuple[Any, ...]:
    """The values that a function returned."""
    return _decoded([parameter.type for parameter in entry.outputs], data, f"{entry.contract}.{entry.name}'s answer")


def decode_arguments(entry: Entry, data: bytes) -> tuple[Any, ...]:
    """The arguments of a call or of an error, given all its bytes."""
    return _decoded(entry.types, data[4:], entry.signature)


def decode_log(entry: Entry, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
    """An event's values in the order of its declaration."""
    indexed = [parameter.type for parameter in entry.inputs if parameter.indexed]
    plain = [parameter.type for parameter in entry.inputs if not parameter.indexed]
    in_topics = iter(_decoded(indexed, b"".join(topics[1:]), entry.signature))
    in_data = iter(_decoded(plain, data, entry.signature))
    return tuple(next(in_topics if parameter.indexed else in_data) for parameter in entry.inputs)


def _decoded(types: Sequence[str], data: bytes, what: str) -> tuple[Any, ...]:
    try:
        return tuple(decode(types, data))
    except Exception as error:
        raise ChainError(
            f"{what} cannot be decoded from {len(data)} bytes: {error}",
            help="The contract at this address is another one, or another version.",
        ) from error


def _parameter(raw: Mapping[str, Any]) -> Parameter:
    return Parameter(raw["name"], _type(raw), raw.get("internalType", raw["type"]), raw.get("indexed", False))


def _type(raw: Mapping[str, Any]) -> str:
    """``tuple`` spelt out, as signatures and the encoder want it."""
    kind: str = raw["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_type, raw['components']))}){kind.removeprefix('tuple')}"
