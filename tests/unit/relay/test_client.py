"""Doors as a store: what one does not give, another does."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from porch import PLACE, TASK, TERMS, Porch, ref, share, signed

from dapp.errors import BlobError, BlobUnavailable, StoreUnavailable
from dapp.relay import DoorClient, DoorRefused, DoorServer, DoorStore, DoorUnavailable
from dapp.storage import EmbeddedStore
from dapp.types import TaskId

BLOB = os.urandom(300_000)
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dapp.relay.client._PAUSE", 0.01)


def test_a_client_reads_the_terms_and_checks_where_the_door_leads(client: DoorClient, door: DoorServer) -> None:
    assert client.check_terms(TASK) == TERMS
    with pytest.raises(DoorRefused, match="does not serve"):
        client.check_terms(TaskId(bytes(32)))
    with pytest.raises(DoorRefused, match="chain_id 1337 where 10 was expected"):
        DoorClient(door.url + "/", replace(PLACE, chain_id=10)).check_terms(TASK)


def test_a_message_reaches_the_edge(client: DoorClient, porch: Porch) -> None:
    client.hand_in(signed(share()))
    assert porch.taken == [signed(share())]


def test_a_refusal_carries_the_edges_reason(client: DoorClient, porch: Porch) -> None:
    porch.refuses = "the task is over"
    with pytest.raises(DoorRefused, match="refuses: not taken: the task is over"):
        client.hand_in(signed(share()))


def test_nobody_at_the_door_is_worth_another_try() -> None:
    with pytest.raises(DoorUnavailable, match=f"the door at {NOBODY} cannot be used"):
        DoorClient(NOBODY, PLACE).hand_in(signed(share()))
    for url in ("nonsense", "http://", "ftp://127.0.0.1"):
        with pytest.raises(DoorUnavailable):
            DoorClient(url, PLACE).terms()


def test_who_asks_too_often_may_try_again(porch: Porch) -> None:
    with porch.door(terms=replace(TERMS, requests_per_minute=1)) as door:
        client = DoorClient(door.url, PLACE)
        client.terms()
        with pytest.raises(DoorUnavailable, match="too many requests from your address"):
            client.terms()


@pytest.mark.parametrize("data", [b"", b"x", BLOB])
def test_a_blob_goes_in_at_a_door_and_comes_out_again(door: DoorServer, porch: Porch, data: bytes) -> None:
    porch.on_chain.add(ref(data))
    store = DoorStore([door.url])
    assert not store.has(ref(data).digest, len(data))
    blob = store.put(data)
    assert (blob.digest, blob.size) == (ref(data).digest, len(data))
    assert store.has(blob.digest, blob.size)
    assert store.get(blob.digest, blob.size, cap=len(data)) == data
    assert store.put(data) == blob
    store.pin(blob.digest, blob.size)
    store.unpin(blob.digest, blob.size)


def test_a_blob_that_nobody_named_is_offered_again_once_it_is(door: DoorServer, porch: Porch) -> None:
    store = DoorStore([door.url])
    with pytest.raises(BlobUnavailable, match="nobody named this blob") as caught:
        store.put(BLOB)
    assert not isinstance(caught.value, StoreUnavailable)
    porch.on_chain.add(ref(BLOB))
    store.put(BLOB)


def test_every_door_gets_the_blob_and_each_can_give_it(tmp_path: Path) -> None:
    porches = [Porch(EmbeddedStore(tmp_path / str(k)), on_chain={ref(BLOB)}) for k in range(3)]
    with ExitStack() as stack:
        doors = [stack.enter_context(porch.door()) for porch in porches]
        DoorStore([NOBODY, *(door.url for door in doors)]).put(BLOB)
        for door in doors:
            assert DoorStore([door.url]).get(ref(BLOB).digest, len(BLOB), cap=len(BLOB)) == BLOB


@pytest.mark.usefixtures("quick")
def test_the_door_that_gave_last_is_asked_first(door: DoorServer, porch: Porch) -> None:
    porch.store.put(BLOB)
    store = DoorStore([NOBODY, door.url])
    assert store.get(ref(BLOB).digest, len(BLOB), cap=len(BLOB)) == BLOB
    assert store._urls == (door.url, NOBODY)


def test_a_size_over_the_cap_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(BlobError, match="was announced where at most 10"):
        DoorStore([NOBODY]).get(ref(BLOB).digest, len(BLOB), cap=10)


@pytest.mark.usefixtures("quick")
def test_where_nobody_answers_the_store_is_not_there_and_says_of_each_door_why(door: DoorServer) -> None:
    with pytest.raises(StoreUnavailable, match=f"{NOBODY} cannot be used"):
        DoorStore([NOBODY]).put(BLOB)
    with pytest.raises(StoreUnavailable, match=NOBODY):
        DoorStore([NOBODY]).has(ref(BLOB).digest, len(BLOB))
    assert not DoorStore([NOBODY, door.url]).has(ref(BLOB).digest, len(BLOB))
    with pytest.raises(BlobUnavailable, match="does not have it") as caught:
        DoorStore([NOBODY, door.url]).get(ref(BLOB).digest, len(BLOB), cap=len(BLOB))
    assert NOBODY in str(caught.value)
