"""What somebody who wants to deceive an auditor would do to a run's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from dapp.chain.codec import Entry, abi, all_events, decode_arguments, decode_log
from dapp.chain.keys import Account, SignedTransaction

Line = dict[str, Any]
FORGER = Account(b"\x07" * 32)
"""Somebody without anybody else's key."""


def copied(run: Path, to: Path) -> Path:
    """A run's folder to be tampered with; blobs included."""
    return Path(shutil.copytree(run, to))


@contextmanager
def rewritten(folder: Path) -> Iterator[list[Line]]:
    """The lines of events.jsonl, written back changed."""
    path = folder / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    yield lines
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def entry_of(line: Line) -> Entry | None:
    """The event that a line logs."""
    return all_events()[_bytes(line["topics"][0])] if line["kind"] == "log" else None


def logs(lines: list[Line], event: str) -> list[Line]:
    """All logs of an event."""
    return [line for line in lines if (entry := entry_of(line)) and entry.name == event]


def change(log: Line, **fields: Any) -> None:
    """Changes fields of a log, by Solidity name: to a value, or by a function of the value that was there."""
    entry = entry_of(log)
    assert entry is not None
    values = decode_log(entry, [_bytes(t) for t in log["topics"]], _bytes(log["data"]))
    named = dict(zip((p.name for p in entry.inputs), values, strict=True))
    assert set(fields) <= set(named), f"{entry.name} has no such field"
    for name, new in fields.items():
        named[name] = new(named[name]) if callable(new) else new
    indexed = [p for p in entry.inputs if p.indexed]
    plain = [p for p in entry.inputs if not p.indexed]
    topics = [encode([p.type], [named[p.name]]) for p in indexed]
    log["topics"] = [log["topics"][0], *(_hex(topic) for topic in topics)]
    log["data"] = _hex(encode([p.type for p in plain], [named[p.name] for p in plain]))


def calls(lines: list[Line], function: str) -> list[Line]:
    """All transactions that call ``Contract.function``."""
    contract, name = function.split(".")
    selector = abi(contract).functions[name].hash[:4]
    found = []
    for line in lines:
        if line["kind"] == "transaction":
            data = SignedTransaction.from_raw(_bytes(line["raw"])).transaction.data
            if data[:4] == selector:
                found.append(line)
    return found


def resign(lines: list[Line], call: Line, function: str, change_args: Callable[[list[Any]], None]) -> None:
    """Changes a transaction's arguments; the forger signs it anew, and its logs say so."""
    contract, name = function.split(".")
    entry = abi(contract).functions[name]
    old = SignedTransaction.from_raw(_bytes(call["raw"])).transaction
    args = [_mutable(arg) for arg in decode_arguments(entry, old.data)]
    change_args(args)
    new = replace(old, data=entry.hash[:4] + encode(entry.types, args))
    raw = FORGER.sign(new)
    signed = SignedTransaction.from_raw(raw)
    for log in lines:
        if log.get("tx_hash") == call["hash"]:
            log |= {"tx_hash": _hex(signed.hash), "sender": _hex(signed.sender)}
    call |= {"raw": _hex(raw), "hash": _hex(signed.hash), "sender": _hex(signed.sender)}


def flipped(value: bytes) -> bytes:
    """The same bytes but for one bit."""
    return bytes([value[0] ^ 1]) + value[1:]


def _mutable(value: Any) -> Any:
    return [_mutable(item) for item in value] if isinstance(value, (tuple, list)) else value


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
