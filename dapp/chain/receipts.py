"""What a block's receipts prove: all of them together give the root in its header, so that no log can be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rlp
from eth_hash.auto import keccak
from trie.hexary import HexaryTrie

from dapp.chain.header import octets, quantity
from dapp.chain.node import Log
from dapp.types import Address

Json = Mapping[str, Any]


def receipts_root(receipts: Sequence[Json]) -> bytes:
    """The root of a block's receipts trie, from what ``eth_getTransactionReceipt`` gives for all its transactions.

    Raises:
        ChainError, KeyError: one is no receipt.
    """
    trie = HexaryTrie({})
    for index, receipt in enumerate(receipts):
        trie[rlp.encode(index)] = _encoded(receipt)
    root: bytes = trie.root_hash
    return root


def may_hold(bloom: bytes, address: Address) -> bool:
    """Whether a block of this logs bloom may have a log of a contract; where not, it surely has none."""
    digest, bits = keccak(address), int.from_bytes(bloom, "big")
    return all(bits >> (int.from_bytes(digest[i : i + 2], "big") % 2048) & 1 for i in (0, 2, 4))


def logs_of(receipts: Sequence[Json], block: int, timestamp: int) -> Iterator[Log]:
    """The logs of all of a block's receipts, counted through the block."""
    index = 0
    for receipt in receipts:
        for raw in receipt["logs"]:
            address, topics = Address(octets(raw["address"])), tuple(map(octets, raw["topics"]))
            yield Log(address, topics, octets(raw["data"]), block, index, timestamp, octets(receipt["transactionHash"]))
            index += 1


def _encoded(receipt: Json) -> bytes:
    """EIP-2718: the type before the payload, none for the oldest kind."""
    logs = [
        [octets(log["address"]), [octets(topic) for topic in log["topics"]], octets(log["data"])]
        for log in receipt["logs"]
    ]
    status = b"\x01" if quantity(receipt["status"]) else b""
    bloom = octets(receipt["logsBloom"]).rjust(256, b"\0")
    payload: bytes = rlp.encode([status, quantity(receipt["cumulativeGasUsed"]), bloom, logs])
    kind = quantity(receipt.get("type") or 0)
    return bytes([kind]) + payload if kind else payload
