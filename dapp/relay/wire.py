"""What passes an edge's door: signed messages in canonical CBOR, the door's terms in JSON, and how long it may take.

Both sides read a stranger's bytes here: bounded before they are read, exactly the known fields, one spelling each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import cbor2

from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, UpdateCommit
from dapp.errors import BlobError
from dapp.protocol.blobs import BlobRef, read_map
from dapp.protocol.effects import Handed, Relayed
from dapp.protocol.machine import Facts
from dapp.relay.errors import DoorRefused
from dapp.types import Address, TaskId

VERSION = 1
TERMS, MESSAGES = "/v1/terms", "/v1/messages"
BLOB = re.compile(r"/v1/blobs/([0-9a-f]{64})/(0|[1-9][0-9]{0,11})")
"""Path of a blob: its digest, and its size in bytes."""
CBOR, JSON, BYTES = "application/cbor", "application/json", "application/octet-stream"
MAX_MESSAGE = 2048
"""Bytes of the longest message that a door reads; the longest there is has about 700."""
MAX_TERMS = 64 * 1024
"""Bytes of the longest terms that a client reads."""
ANSWER_SECONDS = 15.0
"""What the other side has to answer, whatever is asked."""
SLOWEST = 64 * 1024
"""Bytes a second under which a transfer is given up."""

_KINDS: Mapping[str, type[Relayed]] = {
    "enrolment": Enrolment,
    "update": UpdateCommit,
    "attestation": Attestation,
    "share": ShareCommit,
}
_SIGNATURE, _WORD, _ADDRESS = 65, 32, 20
_LONGEST_BRANCH = 8
"""Hashes from a leaf to the root: holders are numbered in a byte."""


def seconds_for(size: int, answer: float = ANSWER_SECONDS) -> float:
    """How long a transfer of so many bytes may take, in seconds."""
    return answer + size / SLOWEST


def blob_path(ref: BlobRef) -> str:
    """Where a door has a blob; see ``BLOB``."""
    return f"/v1/blobs/{ref.digest.hex()}/{ref.size}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages are good: a chain, and Cairn's contracts on it."""

    chain_id: int
    learning: Address
    mining: Address
    verification: Address

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """Where a task is."""
        return cls(facts.chain_id, facts.learning, facts.mining, facts.verification)

    def taker(self, message: Relayed) -> Address:
        """The contract that takes a message, and in whose domain it is signed."""
        return self.learning if isinstance(message, Enrolment | UpdateCommit) else self.mining


@dataclass(frozen=True, slots=True)
class Letter:
    """A handed message, addressed: ``chain_id`` and ``contract`` are those of the domain in which it was signed."""

    handed: Handed
    chain_id: int
    contract: Address

    def encode(self) -> bytes:
        """Canonical CBOR (RFC 8949 §4.2.1).

        Raises:
            BlobError: a field does not fit its type; signature or proof are not of the form of this kind of message.
        """
        message = self.handed.message
        _check_form(self.handed)
        body: dict[str, int | bytes | str] = {
            "kind": next(kind for kind, each in _KINDS.items() if isinstance(message, each)),
            "version": VERSION,
            "chain": _fits("chain", self.chain_id, "uint64"),
            "contract": _fits("contract", self.contract, "address"),
            "signature": self.handed.signature,
            "proof": b"".join(self.handed.proof),
        }
        for name, type_ in _types(type(message)).items():
            value = _fits(name, getattr(message, name), type_)
            body[name] = value.to_bytes(_WORD, "big") if isinstance(value, int) and type_ == "uint256" else value
        return cbor2.dumps(body, canonical=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of :meth:`encode`.

        Raises:
            BlobError: too long, not CBOR, another kind or version, other fields or types, not canonical.
        """
        if len(data) > MAX_MESSAGE:
            raise BlobError(f"a message of {len(data):,} bytes; none has more than {MAX_MESSAGE:,}")
        body = read_map(data)
        kind = _KINDS.get(str(body.get("kind")))
        if kind is None or body.get("version") != VERSION:
            raise BlobError(f"no message of version {VERSION} that a device or a holder hands in")
        types = _types(kind)
        if set(body) != {"kind", "version", "chain", "contract", "signature", "proof", *types}:
            raise BlobError(f"a message {body['kind']!r} with the fields {sorted(body)}")
        values: dict[str, Any] = {}
        for name, type_ in types.items():
            value = body[name]
            if type_ == "uint256":
                value = int.from_bytes(_sized(name, value, _WORD), "big")
            values[name] = _fits(name, value, type_)
        proof = _split_proof(kind, _bytes("proof", body["proof"]))
        handed = Handed(kind(**values), _bytes("signature", body["signature"]), proof)
        chain_id, contract = _fits("chain", body["chain"], "uint64"), _sized("contract", body["contract"], _ADDRESS)
        assert isinstance(chain_id, int)
        letter = cls(handed, chain_id, Address(contract))
        if letter.encode() != data:
            raise BlobError("a message that is not in canonical encoding")
        return letter


def _types(kind: type[Relayed]) -> Mapping[str, str]:
    """The Solidity type of each field, as the message's own ``TYPE`` spells it."""
    members = kind.TYPE[kind.TYPE.index("(") + 1 : -1].split(",")
    return {field.name: member.split()[0] for field, member in zip(fields(kind), members, strict=True)}


def _fits(name: str, value: object, type_: str) -> int | bytes:
    if type_.startswith("uint"):
        if type(value) is int and 0 <= value < 1 << int(type_.removeprefix("uint")):
            return value
        raise BlobError(f"a message whose field '{name}' is no {type_}")
    return _sized(name, value, _ADDRESS if type_ == "address" else _WORD)


def _bytes(name: str, value: object) -> bytes:
    if type(value) is not bytes:
        raise BlobError(f"a message whose field '{name}' is not bytes")
    return value


def _sized(name: str, value: object, size: int) -> bytes:
    if len(data := _bytes(name, value)) != size:
        raise BlobError(f"a message whose field '{name}' has {len(data):,} bytes instead of {size}")
    return data


def _check_form(handed: Handed) -> None:
    """The signature is one, and the proof is what shows that its signer may act; see ``Handed``."""
    _sized("signature", handed.signature, _SIGNATURE)
    match handed.message:
        case Enrolment():
            right = [len(part) for part in handed.proof] == [_SIGNATURE]
        case UpdateCommit():
            right = not handed.proof
        case _:
            right = len(handed.proof) <= _LONGEST_BRANCH and all(len(part) == _WORD for part in handed.proof)
    if not right:
        raise BlobError("a message whose proof is not of the form of its kind: a ticket, a Merkle branch or nothing")


def _split_proof(kind: type[Relayed], proof: bytes) -> tuple[bytes, ...]:
    width = _SIGNATURE if kind is Enrolment else _WORD
    return tuple(proof[i : i + width] for i in range(0, len(proof), width))


@dataclass(frozen=True, slots=True)
class DoorTerms:
    """What a door says of itself: whose it is, what it takes in, and how much of it.

    Args:
        edge: who relays.
        tasks: whose messages are taken.
        max_blob_bytes: the largest blob that passes, either way.
        requests_per_minute: that one address may send.
        bytes_per_minute: of blobs that one address may send and fetch; at least one blob of the largest size passes.
    """

    place: Place
    edge: Address
    tasks: tuple[TaskId, ...]
    max_blob_bytes: int
    requests_per_minute: int
    bytes_per_minute: int

    def check(self, place: Place, task_id: TaskId, url: str) -> None:
        """Raises unless this is a door to a task at this place; where the door is stands in the message.

        Raises:
            DoorRefused: another chain, other contracts, or the task is not served.
        """
        if self.place != place:
            differs = [f.name for f in fields(Place) if getattr(self.place, f.name) != getattr(place, f.name)]
            shown = ", ".join(
                f"{name} {_shown(getattr(self.place, name))} where {_shown(getattr(place, name))} was expected"
                for name in differs
            )
            raise DoorRefused(
                f"the door at {url} leads elsewhere: {shown}",
                help="Ask the task's owner for the doors of its edges, and mind which network they are on.",
            )
        if task_id not in self.tasks:
            raise DoorRefused(
                f"the door at {url} does not serve task 0x{task_id.hex()}",
                help="Its edge may have left the task: use the door of another edge.",
            )

    def encode(self) -> bytes:
        """JSON, with bytes in hex."""
        body = {"version": VERSION, **_shown_all(asdict(self.place)), "edge": _shown(self.edge)}
        body |= {"tasks": [_shown(task) for task in self.tasks], "max_message_bytes": MAX_MESSAGE}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return json.dumps(body | numbers, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of :meth:`encode`.

        Raises:
            BlobError: too long, not JSON, another version, other fields or types.
        """
        if len(data) > MAX_TERMS:
            raise BlobError(f"a door's terms of {len(data):,} bytes; none have more than {MAX_TERMS:,}")
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BlobError("a door's terms that are not JSON") from error
        expected = {
            "version",
            "max_message_bytes",
            "edge",
            "tasks",
            *_NUMBERS,
            *(field.name for field in fields(Place)),
        }
        if not isinstance(body, dict) or set(body) != expected or _number("version", body) != VERSION:
            raise BlobError(f"a door's terms that are not those of version {VERSION}")
        if _number("max_message_bytes", body) < MAX_MESSAGE:
            raise BlobError(f"a door's terms with messages of less than {MAX_MESSAGE:,} bytes")
        if not isinstance(body["tasks"], list):
            raise BlobError("a door's terms whose field 'tasks' is no list")
        contracts = {name: _hex(name, body[name], _ADDRESS) for name in ("learning", "mining", "verification")}
        return cls(
            place=Place(_number("chain_id", body), **{name: Address(value) for name, value in contracts.items()}),
            edge=Address(_hex("edge", body["edge"], _ADDRESS)),
            tasks=tuple(TaskId(_hex("tasks", task, _WORD)) for task in body["tasks"]),
            **{name: _number(name, body) for name in _NUMBERS},
        )


_NUMBERS = ("max_blob_bytes", "requests_per_minute", "bytes_per_minute")


def _shown(value: int | bytes) -> int | str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


def _shown_all(values: Mapping[str, int | bytes]) -> dict[str, Any]:
    return {name: _shown(value) for name, value in values.items()}


def _hex(name: str, value: object, size: int) -> bytes:
    digits = value[2:] if isinstance(value, str) and value.startswith("0x") else ""
    if len(digits) != 2 * size or not set(digits) <= set("0123456789abcdef"):
        raise BlobError(f"a door's terms whose field '{name}' is not {size} bytes in hex")
    return bytes.fromhex(digits)


def _number(name: str, body: Mapping[str, object]) -> int:
    value = body[name]
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise BlobError(f"a door's terms whose field '{name}' is no number")
    return value
