"""What the chain says about a deployment, as a file that can be read without the chain.

``events.jsonl`` is UTF-8, one JSON object a line; bytes are 0x-prefixed hex, numbers are JSON integers:

- first ``{"kind": "chain", "format": 1, "chain_id", "deployment", "from_block", "to_block"}``, where ``deployment``
  maps each contract's role to its address, and has ``chain_id`` and ``block``;
- then, in the chain's order, for every transaction that emitted a log of the deployment's contracts,
  ``{"kind": "transaction", "hash", "block", "timestamp", "sender", "gas_used", "raw"}``, followed by those logs:
  ``{"kind": "log", "address", "topics", "data", "block", "timestamp", "log_index", "tx_hash", "sender", "gas_used"}``.
  ``raw`` is the signed EIP-1559 envelope: its keccak256 is ``hash``, its signer is ``sender``, and its calldata holds
  what was relayed, signatures included. A transaction of another kind has ``raw`` 0x and ``sender`` zero: only that
  it caused these logs is told;
- last, in order, ``{"kind": "header", "number", "rlp"}`` for each block that has such a log or that gives a seed.

Reading checks what can be checked without the chain: hashes, senders, and times against headers. That no log was left
out, and that the headers are the chain's, only the chain itself can tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import rlp
from eth_hash.auto import keccak

from dapp.chain.client import LOG_RANGE, NOBODY, Client
from dapp.chain.contracts import Deployment
from dapp.chain.events import decode
from dapp.chain.keys import SignedTransaction
from dapp.chain.node import Log, Mined, Node
from dapp.errors import AuditError, BlobError, ChainError
from dapp.protocol.events import Event, SeedRequested
from dapp.types import Address, Wei

T = TypeVar("T")

FORMAT = 1
AT_ONCE = 100
"""Transactions, or headers, that are asked for and held at a time."""


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header: what its hash covers and an auditor needs. ``timestamp`` in seconds."""

    number: int
    timestamp: int
    prevrandao: bytes
    receipts_root: bytes
    bloom: bytes
    hash: bytes
    parent: bytes
    rlp: bytes

    @classmethod
    def from_rlp(cls, encoded: bytes) -> Header:
        """Fields by their place in the list (Yellow Paper, §4.4; EIP-4399 for prevrandao).

        Raises:
            ValueError, IndexError: not a header.
        """
        fields = rlp.decode(encoded)
        number, timestamp = (int.from_bytes(fields[place], "big") for place in (8, 11))
        return cls(number, timestamp, fields[13], fields[5], fields[6], keccak(encoded), fields[0], encoded)


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """A transaction and the events that it caused; ``data`` is its calldata. One of another kind than EIP-1559, or with
    an access list, is not ``readable``: neither sender nor receiver nor calldata are known."""

    hash: bytes
    block: int
    timestamp: int
    sender: Address
    to: bytes
    value: Wei
    data: bytes
    gas_used: int
    readable: bool = True
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """All that an ``events.jsonl`` says."""

    deployment: Deployment
    from_block: int
    to_block: int
    transactions: list[TransactionFacts] = field(default_factory=list)
    headers: dict[int, Header] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        """Every event, in the chain's order."""
        for transaction in self.transactions:
            yield from transaction.events


def export_events(
    client: Client,
    deployment: Deployment,
    path: Path,
    *,
    to_block: int | None = None,
    said: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Writes what the chain says about a deployment in the format of this module's text, a range of blocks at a time.

    Args:
        to_block: the last block; by default the head.
        said: is told after each range how many of how many blocks are read.

    Returns:
        how many logs were written.

    Raises:
        OSError: the file cannot be written.
        ChainError: a node's answer is not what its hash says.
    """
    node, head = client.node, client.head().number if to_block is None else to_block
    addresses, blocks = list(deployment.addresses().values()), set[int]()
    count = 0
    with path.open("w", encoding="utf-8") as file:

        def write(kind: str, **values: Any) -> None:
            file.write(json.dumps({"kind": kind} | values, default=lambda value: f"0x{value.hex()}") + "\n")

        write(
            "chain",
            format=FORMAT,
            chain_id=client.chain_id,
            deployment=deployment.to_json(),
            from_block=deployment.block,
            to_block=head,
        )
        for start in range(deployment.block, head + 1, LOG_RANGE):
            end = min(start + LOG_RANGE - 1, head)
            for mined, logs in _by_transaction(node, node.logs(start, end, addresses)):
                sender = SignedTransaction.from_raw(mined.raw).sender if mined.raw else NOBODY
                of_transaction = {"sender": sender, "gas_used": mined.gas_used}
                place = {"hash": mined.hash, "block": mined.block, "timestamp": mined.timestamp}
                write("transaction", **place, **of_transaction, raw=mined.raw)
                for log in logs:
                    write(
                        "log",
                        address=log.address,
                        topics=log.topics,
                        data=log.data,
                        block=log.block,
                        timestamp=log.timestamp,
                        log_index=log.log_index,
                        tx_hash=log.tx_hash,
                        **of_transaction,
                    )
                    count += 1
                    blocks.add(log.block)
                    event = decode(log)
                    if isinstance(event, SeedRequested) and event.seed_block <= head:
                        blocks.add(event.seed_block)
            said(end + 1 - deployment.block, head + 1 - deployment.block)
        for numbers in batched(sorted(blocks), AT_ONCE):
            for number, header in zip(numbers, node.headers(numbers), strict=True):
                write("header", number=number, rlp=header)
    return count


def _by_transaction(node: Node, logs: Sequence[Log]) -> Iterator[tuple[Mined, list[Log]]]:
    """Logs in the chain's order, with the transactions that emitted them."""
    grouped = ((tx_hash, list(found)) for tx_hash, found in groupby(logs, lambda log: log.tx_hash))
    for group in batched(grouped, AT_ONCE):
        mined = node.all_mined([tx_hash for tx_hash, _ in group])
        yield from zip(mined, (found for _, found in group), strict=True)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of at most ``size``."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group


def import_events(path: Path) -> ChainFacts:
    """Reads the file back, decoded, and checks its lines against one another.

    Raises:
        BlobError: the file cannot be read, or a line is not what the format says; names the line.
        AuditError: a line contradicts another, or itself; names the line.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            lines = iter(file)
            number, first = 1, json.loads(next(lines, "{}"))
            if first.get("kind") != "chain" or first["format"] != FORMAT:
                raise ValueError(f"the first line is not of kind chain, format {FORMAT}")
            facts = ChainFacts(Deployment.from_json(first["deployment"]), first["from_block"], first["to_block"])
            for number, line in enumerate(lines, 2):  # noqa: B007  # the errors below name it
                _take(facts, json.loads(line))
    except AuditError as error:
        raise AuditError(f"{path}, line {number}: {error}", help="The file was changed after its export.") from None
    except OSError as error:
        raise BlobError(f"{path} cannot be read: {error.strerror}", help="Check the run's folder.") from error
    except (ValueError, LookupError, TypeError, AttributeError, ChainError) as error:
        raise BlobError(
            f"{path}, line {number}: this is not a line of chain facts: {error!r}",
            help="Export the file anew from the chain.",
        ) from error
    for transaction in facts.transactions:
        header = facts.headers.get(transaction.block)
        if header is None or header.timestamp != transaction.timestamp:
            raise AuditError(
                f"{path}: the header of block {transaction.block} is missing, or gives another time than its logs",
                help="The file was cut or changed after its export.",
            )
    return facts


def _take(facts: ChainFacts, line: dict[str, Any]) -> None:
    """Adds one line to the facts."""
    if line["kind"] == "transaction" and line["raw"] == "0x":
        _agree("sender of a transaction that cannot be read", _bytes(line["sender"]), NOBODY)
        facts.transactions.append(
            TransactionFacts(
                hash=_bytes(line["hash"]),
                block=line["block"],
                timestamp=line["timestamp"],
                sender=NOBODY,
                to=b"",
                value=Wei(0),
                data=b"",
                gas_used=line["gas_used"],
                readable=False,
            )
        )
    elif line["kind"] == "transaction":
        signed = SignedTransaction.from_raw(_bytes(line["raw"]))
        _agree("transaction's hash", _bytes(line["hash"]), signed.hash)
        _agree("transaction's sender", _bytes(line["sender"]), signed.sender)
        _agree("transaction's chain", facts.deployment.chain_id, signed.transaction.chain_id)
        facts.transactions.append(
            TransactionFacts(
                hash=signed.hash,
                block=line["block"],
                timestamp=line["timestamp"],
                sender=signed.sender,
                to=signed.transaction.to,
                value=signed.transaction.value,
                data=signed.transaction.data,
                gas_used=line["gas_used"],
            )
        )
    elif line["kind"] == "log":
        transaction = facts.transactions[-1]
        _agree("log's transaction", _bytes(line["tx_hash"]), transaction.hash)
        for name in ("block", "timestamp", "gas_used"):
            _agree(f"log's {name}", line[name], getattr(transaction, name))
        _agree("log's sender", _bytes(line["sender"]), transaction.sender)
        address = Address(_bytes(line["address"]))
        _agree("log's contract is the deployment's, which", address in facts.deployment.addresses().values(), True)
        topics = tuple(map(_bytes, line["topics"]))
        place = (line["block"], line["log_index"])
        log = Log(address, topics, _bytes(line["data"]), *place, line["timestamp"], transaction.hash)
        transaction.events.append(decode(log))
    elif line["kind"] == "header":
        header = Header.from_rlp(_bytes(line["rlp"]))
        _agree("header's number", line["number"], header.number)
        facts.headers[header.number] = header
    else:
        raise ValueError(f"unknown kind {line['kind']}")


def _agree(what: str, said: object, found: object) -> None:
    if said != found:
        shown = [f"0x{value.hex()}" if isinstance(value, bytes) else value for value in (said, found)]
        raise AuditError(f"the {what} is said to be {shown[0]} and is {shown[1]}")


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))
