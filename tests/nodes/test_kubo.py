"""A real kubo as a store, and as one of several."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from real_nodes import program

from dapp.crypto.cid import CHUNK, digest
from dapp.errors import BlobUnavailable, StoreUnavailable
from dapp.runtime import programs
from dapp.runtime.programs import Running
from dapp.storage import Blob, BlobStore, EmbeddedStore, Stores, open_store
from dapp.storage.kubo import KuboStore

CAP = 64 << 20


@pytest.fixture
def store(kubo: Running) -> KuboStore:
    return KuboStore(kubo.url, timeout=1.5)


def absent(size: int) -> Blob:
    return Blob(digest(os.urandom(size)), size)


@pytest.mark.parametrize("size", [0, 1, 262_145, 5_000_000])
def test_a_blob_comes_back_as_it_was_put(store: KuboStore, size: int) -> None:
    data = os.urandom(size)
    blob = store.put(data)
    assert store.put(data) == blob
    assert store.has(blob.digest, blob.size)
    assert store.get(blob.digest, blob.size, cap=CAP) == data


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_blob_that_nobody_has_is_not_there_and_the_node_says_so_in_time(store: KuboStore, size: int) -> None:
    blob = absent(size)
    assert not store.has(blob.digest, blob.size)
    for use in (
        lambda: store.get(blob.digest, blob.size, cap=CAP),
        lambda: store.pin(blob.digest, blob.size),
    ):
        with pytest.raises(BlobUnavailable, match=f"does not give blob {blob.cid}: .*deadline exceeded"):
            use()


def test_what_is_not_pinned_goes_when_the_node_collects_and_what_is_pinned_stays(
    store: KuboStore, kubo: Running
) -> None:
    kept, dropped = store.put(os.urandom(600_000)), store.put(os.urandom(600_000))
    store.unpin(dropped.digest, dropped.size)
    store.unpin(dropped.digest, dropped.size)
    rpc(kubo, "repo/gc")
    assert store.has(kept.digest, kept.size)
    assert not store.has(dropped.digest, dropped.size)


def rpc(node: Running, command: str, *arguments: str) -> dict[str, Any]:
    """A command that the store has no use for."""
    query = urlencode([("arg", argument) for argument in arguments])
    answer = requests.post(f"{node.url}/api/v0/{command}?{query}", timeout=20)
    answer.raise_for_status()
    return json.loads(answer.text.partition("\n")[0] or "{}")


def test_a_blob_without_one_of_its_blocks_is_not_held(store: KuboStore, kubo: Running) -> None:
    data = os.urandom(600_000)
    blob = store.put(data)
    store.unpin(blob.digest, blob.size)
    leaf = data[CHUNK : 2 * CHUNK]
    rpc(kubo, "block/rm", Blob(digest(leaf), len(leaf)).cid)
    assert not store.has(blob.digest, blob.size)
    with pytest.raises(BlobUnavailable):
        store.get(blob.digest, blob.size, cap=CAP)


def test_a_node_that_dies_is_named_and_after_its_return_has_all_it_had(tmp_path: Path) -> None:
    program("ipfs")
    data = os.urandom(300_000)
    with programs.start_kubo(tmp_path) as first:
        store = KuboStore(first.url)
        blob = store.put(data)
    port = int(first.url.rpartition(":")[2])
    with pytest.raises(StoreUnavailable, match=f"no store at {first.url}: Connection refused"):
        store.get(blob.digest, blob.size, cap=CAP)
    with programs.start_kubo(tmp_path, port=port):
        assert store.get(blob.digest, blob.size, cap=CAP) == data


def test_two_nodes_with_one_swarm_key_exchange_blobs_and_a_stranger_gets_none(tmp_path: Path) -> None:
    program("ipfs")
    key = programs.new_swarm_key()
    with (
        programs.start_kubo(tmp_path / "one", swarm_key=key) as one,
        programs.start_kubo(tmp_path / "two", swarm_key=key) as two,
        programs.start_kubo(tmp_path / "stranger") as stranger,
    ):
        here, there = KuboStore(one.url, timeout=5), KuboStore(two.url, timeout=5)
        address = rpc(one, "id")["Addresses"][0]
        rpc(two, "swarm/connect", address)
        data = os.urandom(700_000)
        blob = here.put(data)
        assert not there.has(blob.digest, blob.size)
        assert there.get(blob.digest, blob.size, cap=CAP) == data
        there.pin(blob.digest, blob.size)
        assert there.has(blob.digest, blob.size)
        with pytest.raises(requests.HTTPError):
            rpc(stranger, "swarm/connect", address)
        assert rpc(stranger, "swarm/peers")["Peers"] is None


def test_a_folder_and_a_node_serve_for_each_other(kubo: Running, tmp_path: Path) -> None:
    folder = EmbeddedStore(tmp_path)
    both: BlobStore = open_store(kubo.url, tmp_path)
    assert isinstance(both, Stores)
    data = os.urandom(400_000)
    blob = both.put(data)
    assert folder.get(blob.digest, blob.size, cap=CAP) == data
    KuboStore(kubo.url).unpin(blob.digest, blob.size)
    rpc(kubo, "repo/gc")
    assert both.get(blob.digest, blob.size, cap=CAP) == data
