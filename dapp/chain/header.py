"""A block's header as RLP, rebuilt from what ``eth_getBlockByNumber`` returns: the proof that a seed needs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import rlp
from eth_hash.auto import keccak

from dapp.errors import ChainError

_FRONTIER = [
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
]
_APPENDED = (
    "baseFeePerGas",  # London, EIP-1559
    "withdrawalsRoot",  # Shanghai, EIP-4895
    "blobGasUsed",  # Cancun, EIP-4844
    "excessBlobGas",
    "parentBeaconBlockRoot",  # Cancun, EIP-4788
    "requestsHash",  # Prague, EIP-7685
    "blockAccessListHash",  # Amsterdam, EIP-7928
)
_INTEGERS = frozenset(
    ["difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"]
)
_BYTES = {"miner": 20, "logsBloom": 256, "extraData": 0, "nonce": 8}
"""Length of a field that is not a 32-byte hash; extra data is as long as it is."""


def header_rlp(block: Mapping[str, Any]) -> bytes:
    """The RLP of a block's header, whose keccak256 is the block's hash.

    Each fork appended fields; those that the node returned are taken. Nodes differ in how they spell values: integers
    or hexadecimal strings, a short logs bloom, extra data filled up with zeros (eth-tester). The block's own hash
    decides.

    Args:
        block: the answer's fields by their JSON-RPC names, as web3 or as plain JSON gives them.

    Raises:
        ChainError: a field is missing, or nothing that these fields spell hashes to the block's hash.
    """
    try:
        expected = octets(block["hash"])
        appended = takewhile(lambda name: block.get(name) is not None, _APPENDED)
        fields = {name: _encoded(name, block[name]) for name in (*_FRONTIER, *appended)}
    except KeyError as missing:
        raise ChainError(
            f"a block without the field {missing} is no block header", help="Ask an execution client's JSON-RPC for it."
        ) from None
    extra_data = fields["extraData"]
    for spelling in (extra_data, extra_data.rstrip(b"\0")):
        header: bytes = rlp.encode([*(fields | {"extraData": spelling}).values()])
        if keccak(header) == expected:
            return header
    raise ChainError(
        f"block {quantity(block['number'])}'s header cannot be rebuilt: nothing hashes to 0x{expected.hex()}",
        help="The chain runs a fork whose header fields this version does not know, or the node lies.",
    )


def _encoded(name: str, value: Any) -> bytes:
    if name in _INTEGERS:
        number = quantity(value)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")
    return octets(value).rjust(_BYTES.get(name, 32), b"\0")


def octets(value: Any) -> bytes:
    """Bytes, however a node or a library spells them.

    Raises:
        ChainError: none.
    """
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, int):  # eth-tester's logs bloom
        return value.to_bytes((value.bit_length() + 7) // 8, "big")
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise _nonsense(value, "bytes") from None


def quantity(value: Any) -> int:
    """A number, however a node or a library spells it.

    Raises:
        ChainError: none.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, bytes):
        return int.from_bytes(value, "big")
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise _nonsense(value, "a number") from None


def _nonsense(value: Any, wanted: str) -> ChainError:
    return ChainError(
        f"a node answered {str(value)[:80]!r} where {wanted} was asked for",
        help="Ask another node: this one is broken.",
    )
