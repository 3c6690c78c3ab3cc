"""The names of plain values: bytes inside, hex only at the edges."""

from __future__ import annotations

from typing import NewType

TaskId = NewType("TaskId", bytes)
"""32 bytes: keccak256(chain id, Learning's address, creator, creator's nonce)."""

Round = NewType("Round", int)
"""Number of a round within its task, from 0."""

Digest = NewType("Digest", bytes)
"""32 bytes: the multihash digest of a blob's CIDv1; with the blob's size it gives the CID (``dapp.crypto.cid``)."""

Address = NewType("Address", bytes)
"""20 bytes of an Ethereum account or contract."""

Wei = NewType("Wei", int)
