"""anvil with the manners of the embedded chain, so that the same cast and the same tests run on it.

A transaction is one question and one answer, over a connection that stays open: 25,000 of them are to take a minute or
two. Every block comes a second after the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from dapp.chain.header import header_rlp
from dapp.chain.node import Block, Log, Message, Mined, Reverted
from dapp.types import Address, Wei

Snapshot = str


class AnvilError(Exception):
    """anvil did not do what it was asked for."""


class AnvilChain:
    """A chain to which nobody else sends.

    Args:
        url: where anvil answers, mining each transaction at once.
        accounts: wei by address, given to them now.
    """

    def __init__(self, url: str, accounts: Mapping[Address, Wei]) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._ids = count(1)
        self.chain_id = _int(self.ask("eth_chainId"))
        for address, wei in accounts.items():
            self.give(address, wei)
        self._head: Block | None = None
        self._nonces: dict[bytes, int] = {}

    def ask(self, method: str, *parameters: Any) -> Any:
        """The result of one JSON-RPC request.

        Raises:
            AnvilError: there is none.
        """
        answer = self._exchange({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": parameters})
        if "error" in answer:
            raise AnvilError(f"{method}: {answer['error']}")
        return answer["result"]

    def _exchange(self, request: Any) -> Any:
        self._connection.request("POST", "/", json.dumps(request), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    # What a chain says

    def head(self) -> Block:
        if self._head is None:
            block = self.ask("eth_getBlockByNumber", "latest", False)
            self._head = Block(_int(block["number"]), _int(block["timestamp"]), _bytes(block["hash"]))
        return self._head

    def header(self, number: int) -> bytes:
        block = self.ask("eth_getBlockByNumber", hex(number), False)
        return header_rlp(block)

    def balance(self, address: Address) -> Wei:
        return Wei(_int(self.ask("eth_getBalance", _hex(address), "latest")))

    def nonce(self, address: Address) -> int:
        if address not in self._nonces:
            self._nonces[address] = _int(self.ask("eth_getTransactionCount", _hex(address), "latest"))
        return self._nonces[address]

    def call(self, message: Message) -> bytes:
        request = {"from": _hex(message.sender), "to": _hex(message.to), "data": _hex(message.data)}
        request |= {"value": hex(message.value)} if message.value else {}
        parameters = [request, "latest"]
        answer = self._exchange({"jsonrpc": "2.0", "id": 0, "method": "eth_call", "params": parameters})
        if "error" in answer:
            raise Reverted(_bytes(answer["error"].get("data") or "0x"))
        return _bytes(answer["result"])

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> list[Log]:
        asked: dict[str, Any] = {"fromBlock": hex(from_block), "toBlock": hex(to_block)}
        asked |= {"address": [_hex(address) for address in addresses]} if addresses else {}
        return list(_logs(self.ask("eth_getLogs", asked)))

    # What happens

    def give(self, address: Address, wei: int) -> None:
        """Sets a balance, out of nothing."""
        self.ask("anvil_setBalance", _hex(address), hex(wei))

    def send(self, raw: bytes) -> Mined:
        """One transaction in a block of its own.

        Raises:
            Reverted: it was mined, and failed.
        """
        at = self.head().timestamp + 1
        self.ask("evm_setNextBlockTimestamp", at)
        receipt = self.ask("eth_sendRawTransactionSync", _hex(raw))
        number, tx_hash = _int(receipt["blockNumber"]), receipt["transactionHash"]
        sender = _bytes(receipt["from"])
        self._nonces[sender] = self.nonce(sender) + 1
        self._head = Block(number, at, _bytes(receipt["blockHash"]))
        if _int(receipt["status"]) != 1:
            trace = self.ask("debug_traceTransaction", tx_hash, {"tracer": "callTracer"})
            raise Reverted(_bytes(trace.get("output") or "0x"))
        logs = tuple(_logs(receipt["logs"]))
        return Mined(_bytes(tx_hash), number, at, _int(receipt["gasUsed"]), True, b"", raw, logs)

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.travel(1)

    def travel(self, seconds: int) -> None:
        """Lets time pass: mines one empty block that much later."""
        self.ask("evm_setNextBlockTimestamp", self.head().timestamp + seconds)
        self.ask("evm_mine")
        self._head = None

    def snapshot(self) -> Snapshot:
        taken: str = self.ask("evm_snapshot")
        return taken

    def revert(self, snapshot: Snapshot) -> None:
        """Forgets what came after; the snapshot is used up."""
        if not self.ask("evm_revert", snapshot):
            raise AnvilError(f"there is no snapshot {snapshot}")
        self._head = None
        self._nonces.clear()

    def stop(self) -> None:
        self._connection.close()


def _logs(entries: Iterable[Mapping[str, Any]]) -> Iterable[Log]:
    for entry in entries:
        yield Log(
            address=Address(_bytes(entry["address"])),
            topics=tuple(_bytes(topic) for topic in entry["topics"]),
            data=_bytes(entry["data"]),
            block=_int(entry["blockNumber"]),
            log_index=_int(entry["logIndex"]),
            timestamp=_int(entry["blockTimestamp"]),
            tx_hash=_bytes(entry["transactionHash"]),
        )


def _int(spelled: str) -> int:
    return int(spelled, 16)


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _bytes(spelled: str) -> bytes:
    return bytes.fromhex(spelled.removeprefix("0x"))
