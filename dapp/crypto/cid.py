"""IPFS names of files, computed without IPFS: balanced UnixFS, chunks of 256 KiB, at most 174 links a node, SHA2-256.

As ``ipfs add --cid-version=1 --raw-leaves`` (CIDv1) and ``ipfs add`` (CIDv0) name them. Formats: multiformats CID,
DAG-PB and UnixFS specifications.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from dapp.errors import BlobError
from dapp.types import Digest

CHUNK = 256 * 1024
LINKS = 174
RAW = 0x55
DAG_PB = 0x70

_MULTIHASH = b"\x12\x20"  # sha2-256, 32 bytes
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VERSION_1 = 1


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of the tree: its binary CID, the file bytes under it, and its own size with all below it."""

    cid: bytes
    content: int
    total: int


def digest(data: bytes) -> Digest:
    """The 32-byte digest inside the file's CIDv1; with the size it gives the name (``cid_v1``)."""
    return Digest(_tree(data, version=1).cid[-32:])


def cid_v1(digest: bytes, size: int) -> str:
    """The CIDv1 of a file of ``size`` bytes: raw up to one chunk, else DAG-PB; base32, lower case.

    Raises:
        BlobError: the digest is not 32 bytes long, or the size is negative.
    """
    if len(digest) != 32 or size < 0:
        raise BlobError(
            f"a digest of {len(digest)} bytes and a size of {size} name no file", help="A digest has 32 bytes."
        )
    return _base32(_cid_bytes_v1(RAW if size <= CHUNK else DAG_PB, digest))


def cid_v0(data: bytes) -> str:
    """The file's CIDv0, ``Qm…``."""
    return _base58(_tree(data, version=0).cid)


def parse(cid: str) -> tuple[int, int, Digest]:
    """Version, codec and digest of a CIDv0 or a base32 CIDv1 with SHA2-256.

    Raises:
        BlobError: anything else, and any spelling but the canonical one.
    """
    if len(cid) == 46 and cid.startswith("Qm") and set(cid) <= set(_BASE58):
        value = 0
        for letter in cid:
            value = value * 58 + _BASE58.index(letter)
        binary = value.to_bytes(34, "big")
        if binary.startswith(_MULTIHASH):
            return 0, DAG_PB, Digest(binary[2:])
    elif cid.startswith("b") and cid == cid.lower():
        try:
            binary = base64.b32decode(cid[1:].upper() + "=" * (-len(cid[1:]) % 8))
        except ValueError:
            binary = b""
        for codec in (RAW, DAG_PB):
            if len(binary) == 36 and binary == _cid_bytes_v1(codec, binary[4:]) and _base32(binary) == cid:
                return 1, codec, Digest(binary[4:])
    raise BlobError(
        f"{cid!r} is not a CID that Cairn reads", help="Use a CIDv0 (Qm…) or a base32 CIDv1 (b…) with SHA2-256."
    )


def _tree(data: bytes, version: Literal[0, 1]) -> _Node:
    chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)] or [b""]
    level = [_raw_leaf(chunk) if version else _file_node(chunk, [], version) for chunk in chunks]
    while len(level) > 1:
        level = [_file_node(b"", level[i : i + LINKS], version) for i in range(0, len(level), LINKS)]
    return level[0]


def _raw_leaf(chunk: bytes) -> _Node:
    return _Node(_cid_bytes_v1(RAW, sha256(chunk).digest()), len(chunk), len(chunk))


def _file_node(chunk: bytes, children: list[_Node], version: Literal[0, 1]) -> _Node:
    """A DAG-PB node (links first, as its specification has it) around a UnixFS file message."""
    content = len(chunk) + sum(child.content for child in children)
    unixfs = b"\x08\x02" + (_bytes_field(2, chunk) if chunk else b"") + _number_field(3, content)
    unixfs += b"".join(_number_field(4, child.content) for child in children)
    links = (_bytes_field(1, child.cid) + _bytes_field(2, b"") + _number_field(3, child.total) for child in children)
    block = b"".join(_bytes_field(2, link) for link in links) + _bytes_field(1, unixfs)
    hashed = sha256(block).digest()
    cid = _cid_bytes_v1(DAG_PB, hashed) if version else _MULTIHASH + hashed
    return _Node(cid, content, len(block) + sum(child.total for child in children))


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _cid_bytes_v1(codec: int, digest: bytes) -> bytes:
    return bytes((_VERSION_1, codec)) + _MULTIHASH + digest


def _base32(binary: bytes) -> str:
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def _base58(binary: bytes) -> str:
    """Of a CIDv0, whose first byte is not 0."""
    value = int.from_bytes(binary, "big")
    letters = []
    while value:
        value, letter = divmod(value, 58)
        letters.append(_BASE58[letter])
    return "".join(reversed(letters))
