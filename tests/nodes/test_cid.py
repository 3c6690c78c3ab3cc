"""Our CIDs are kubo's, byte for byte: v0 and v1, from nothing to 30 MB, on both sides of every limit of the layout."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import requests

from dapp.crypto.cid import CHUNK, LINKS, cid_v0, digest
from dapp.runtime.programs import Running
from dapp.storage import Blob, EmbeddedStore
from dapp.storage.kubo import KuboStore

BEYOND_ONE_NODE = LINKS * CHUNK
"""45.6 MB: the largest file with a single node above its leaves."""
SIZES = sorted(
    {
        0,
        1,
        2,
        255,
        256,
        1000,
        65_536,
        1_000_000,
        1_300_000,
        *(chunks * CHUNK + off for chunks in (1, 2, 3, 4, 10, 64, 100) for off in (-1, 0, 1)),
        10_000_000,
        30_000_000,
    }
)


def content(size: int) -> bytes:
    """Bytes without a period, always the same."""
    return hashlib.shake_128(b"cairn.test.cid").digest(size)


@pytest.mark.parametrize("size", SIZES)
def test_the_embedded_store_and_kubo_give_one_name(size: int, kubo: Running, tmp_path: Path) -> None:
    data = content(size)
    embedded = EmbeddedStore(tmp_path).put(data)
    node = KuboStore(kubo.url)
    assert node.put(data) == embedded
    assert node.get(embedded.digest, embedded.size, cap=size) == data
    assert (tmp_path / "blobs" / embedded.cid[-2:] / embedded.cid).is_file()


@pytest.mark.parametrize("size", SIZES)
def test_version_0_is_what_kubo_calls_it(size: int, kubo: Running) -> None:
    data = content(size)
    assert cid_v0(data) == added(kubo, data, version=0, leaves="false")


@pytest.mark.parametrize("size", [BEYOND_ONE_NODE, BEYOND_ONE_NODE + 1])
def test_a_second_level_of_nodes_is_built_alike(size: int, kubo: Running) -> None:
    data = content(size)
    assert Blob(digest(data), size).cid == added(kubo, data, version=1, leaves="true")
    assert cid_v0(data) == added(kubo, data, version=0, leaves="false")


def added(kubo: Running, data: bytes, *, version: int, leaves: str) -> str:
    """The name that kubo gives by its own defaults; nothing is kept."""
    options = {"cid-version": str(version), "raw-leaves": leaves, "only-hash": "true"}
    answer = requests.post(f"{kubo.url}/api/v0/add", params=options, files={"file": data}, timeout=60)
    return str(answer.json()["Hash"])
