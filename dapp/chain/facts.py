"""What the chain says about a deployment, as a file that can be read without the chain.

``events.jsonl`` is UTF-8, one JSON object a line; bytes are 0x-prefixed hex, numbers are JSON integers:

- first ``{"kind": "chain", "format": 1, "chain_id", "deployment", "from_block", "to_block"}``, where ``deployment``
  maps each contract's role to its address, and has ``chain_id`` and ``block``;
- then, in the chain's order, for every transaction that emitted a log of the deployment's contracts,
  ``{"kind": "transaction", "hash", "block", "timestamp", "sender", "gas_used", "raw"}``, followed by those logs:
  ``{"kind": "log", "address", "topics", "data", "block", "timestamp", "log_index", "tx_hash", "sender", "gas_used"}``.
  ``raw`` is the signed EIP-1559 envelope: its keccak256 is ``hash``, its signer is ``sender``, and its calldata holds
  what was relayed, signatures included;
- last, in order, ``{"kind": "header", "number", "rlp"}`` for each block that has such a log or that gives a seed.

Reading checks what can be checked without the chain: hashes, senders, and times against headers. That no log was left
out, and that the headers are the chain's, only the chain itself can tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rlp
from eth_hash.auto import keccak

from dapp.chain.client import LOG_RANGE, Client
from dapp.chain.contracts import Deployment
from dapp.chain.events import decode
from dapp.chain.keys import SignedTransaction
from dapp.chain.node import Log
from dapp.errors import AuditError, BlobError, ChainError
from dapp.protocol.events import Event, SeedRequested
from dapp.types import Address, Wei

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header: what its hash covers and an auditor needs. ``timestamp`` in seconds."""

    number: int
    timestamp: int
    prevrandao: bytes
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
        return cls(number, timestamp, fields[13], keccak(encoded), fields[0], encoded)


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """A transaction and the events that it caused; ``data`` is its calldata."""

    hash: bytes
    block: int
    timestamp: int
    sender: Address
    to: bytes
    value: Wei
    data: bytes
    gas_used: int
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


def export_events(client: Client, deployment: Deployment, path: Path) -> int:
    """Writes what the chain says about a deployment, up to the head, in the format of this module's text.

    Returns:
        how many logs were written.

    Raises:
        OSError: the file cannot be written.
    """
    node, head = client.node, client.head().number
    addresses = set(deployment.addresses().values())
    blocks: set[int] = set()
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
        last_transaction = b""
        for start in range(deployment.block, head + 1, LOG_RANGE):
            for log in node.logs(start, min(start + LOG_RANGE - 1, head)):
                if log.address not in addresses:
                    continue
                mined = node.mined(log.tx_hash)
                of_transaction = {"sender": SignedTransaction.from_raw(mined.raw).sender, "gas_used": mined.gas_used}
                if log.tx_hash != last_transaction:
                    last_transaction = log.tx_hash
                    place = {"hash": mined.hash, "block": mined.block, "timestamp": mined.timestamp}
                    write("transaction", **place, **of_transaction, raw=mined.raw)
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
        for number in sorted(blocks):
            write("header", number=number, rlp=node.header(number))
    return count


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
    if line["kind"] == "transaction":
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
