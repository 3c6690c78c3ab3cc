"""Hostile doors, and hostile visitors of an honest one: over HTTP, with real sockets on loopback."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from porch import PLACE, TERMS, Porch, commit, ref, share, signed
from stage import Stage

from dapp.chain.keys import Account
from dapp.crypto.typed_data import Attestation, UpdateCommit, learning_domain
from dapp.errors import BlobUnavailable, Rejected
from dapp.protocol.effects import Handed
from dapp.protocol.enums import Outcome
from dapp.protocol.relayed import named_on_chain, refusal
from dapp.protocol.view import RoundView
from dapp.relay import (
    Courier,
    DoorClient,
    DoorRefused,
    DoorServer,
    DoorStore,
    DoorTerms,
    DoorUnavailable,
    Letter,
    Limits,
    Place,
)
from dapp.relay.wire import blob_path
from dapp.storage import EmbeddedStore, MeteredStore
from dapp.types import Digest

BLOB = os.urandom(100_000)
SOON = 0.5
"""Seconds that a door has in these tests, instead of fifteen."""

# Doors that are not what they say

Rogue = Callable[[socket.socket], None]


def garbage(visitor: socket.socket) -> None:
    visitor.sendall(os.urandom(1000))


def hangs(visitor: socket.socket) -> None:
    time.sleep(10 * SOON)


def drips(visitor: socket.socket) -> None:
    """A header a byte at a time: never silent for long, never done."""
    visitor.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        visitor.sendall(b"X")
        time.sleep(SOON / 5)


def endless_headers(visitor: socket.socket) -> None:
    visitor.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        visitor.sendall(b"X-More: of the same\r\n" * 1000)


def endless_bytes(visitor: socket.socket) -> None:
    visitor.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        visitor.sendall(bytes(1 << 16))


def other_bytes(visitor: socket.socket) -> None:
    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BLOB) + BLOB[::-1])


def half_the_bytes(visitor: socket.socket) -> None:
    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BLOB) + BLOB[: len(BLOB) // 2])


def sends_elsewhere(visitor: socket.socket) -> None:
    visitor.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")


ROGUES = [garbage, hangs, drips, endless_headers, endless_bytes, other_bytes, half_the_bytes, sends_elsewhere]


@contextmanager
def rogue(behaviour: Rogue) -> Iterator[str]:
    """The address of somebody who behaves so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def receive(visitor: socket.socket) -> None:
            with visitor, suppress(OSError):
                visitor.recv(65536)
                behaviour(visitor)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    visitor, _ = listening.accept()
                    threading.Thread(target=receive, args=(visitor,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def porch(tmp_path: Path) -> Porch:
    return Porch(EmbeddedStore(tmp_path / "edge"))


@pytest.fixture
def door(porch: Porch) -> Iterator[DoorServer]:
    with porch.door() as server:
        yield server


@pytest.mark.parametrize("behaviour", ROGUES)
def test_defended_a_blob_comes_from_the_next_door_and_soon(
    behaviour: Rogue, porch: Porch, door: DoorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapp.relay.wire.SLOWEST", 1 << 40)
    porch.store.put(BLOB)
    began = time.monotonic()
    with rogue(behaviour) as bad:
        store = DoorStore([bad, door.url], answer_seconds=SOON)
        assert store.get(ref(BLOB).digest, len(BLOB), cap=len(BLOB)) == BLOB
        assert time.monotonic() - began < 4 * SOON


@pytest.mark.parametrize("behaviour", ROGUES)
def test_defended_alone_such_a_door_gives_nothing_and_holds_nobody(
    behaviour: Rogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapp.relay.wire.SLOWEST", 1 << 40)
    began = time.monotonic()
    with rogue(behaviour) as bad:
        with pytest.raises(BlobUnavailable, match=bad):
            DoorStore([bad], answer_seconds=SOON).get(ref(BLOB).digest, len(BLOB), cap=len(BLOB))
        with pytest.raises((DoorUnavailable, DoorRefused)):
            DoorClient(bad, PLACE, answer_seconds=SOON).terms()
    assert time.monotonic() - began < 15 * SOON


@pytest.mark.parametrize("behaviour", [garbage, hangs, drips, endless_headers, sends_elsewhere])
def test_defended_a_blob_is_offered_to_the_other_doors_too(behaviour: Rogue, porch: Porch, door: DoorServer) -> None:
    porch.on_chain.add(ref(BLOB))
    with rogue(behaviour) as bad:
        DoorStore([bad, door.url], answer_seconds=SOON).put(BLOB)
    assert porch.store.has(ref(BLOB).digest, len(BLOB))


def test_defended_what_a_door_says_reaches_no_terminal_as_it_is() -> None:
    def escapes(visitor: socket.socket) -> None:
        body = b'{"error": "\\u001b[2J\\u0007 wiped ' + b"x" * 5000 + b'"}'
        visitor.sendall(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with rogue(escapes) as bad, pytest.raises(DoorRefused) as caught:
        DoorClient(bad, PLACE).hand_in(signed(commit()))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_defended_a_door_of_another_chain_is_told_by_its_terms(porch: Porch) -> None:
    elsewhere = replace(TERMS, place=replace(PLACE, chain_id=1))
    with porch.door(terms=elsewhere) as door:
        client = DoorClient(door.url, PLACE)
        with pytest.raises(DoorRefused, match="leads elsewhere: chain_id 1 where 1337 was expected"):
            client.check_terms(TERMS.tasks[0])
        with pytest.raises(DoorRefused, match=r"on chain 1337, at a door to 0x[01]+ on chain 1$"):
            client.hand_in(signed(commit()))


# A whole round in which one device meets them all

CENSOR, HONEST, VICTIM = 0, 1, 2
PATIENCE = 60


@dataclass
class Played:
    """``told``: what the victim's courier said as a device; ``doors``: the censor's, and the honest edge's."""

    stage: Stage
    doors: tuple[str, str]
    told: list[str]
    couriers: list[Courier]

    @property
    def round(self) -> RoundView:
        (round_,) = self.stage.rounds
        return round_


def terms_of(stage: Stage, edge: int) -> DoorTerms:
    facts = stage.world.facts
    address = stage.world.people.edges[edge].address
    return DoorTerms(Place.of(facts), address, (facts.task_id,), 1 << 20, 60_000, 1 << 30)


def open_door(stage: Stage, edge: int, drop: Callable[[Handed], bool] = lambda _: False) -> DoorServer:
    """An edge's door as it should be, but for what is dropped after it was taken."""
    node, facts = stage.node("edge", edge), stage.world.facts

    def take(handed: Handed) -> None:
        reason = refusal(facts, node.state.view, handed)
        if reason is not None:
            raise Rejected(reason)
        if not drop(handed):
            node.hand_in(handed)

    return DoorServer(
        "127.0.0.1",
        0,
        terms=terms_of(stage, edge),
        take=take,
        named=lambda blob: blob in named_on_chain(node.state.view),
        store=stage.world.store,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Devices and holders know edges by their doors, and have no store but the doors. The victim, as device and as
    holder, meets doors that hang, talk garbage and refuse, then one that keeps back what it took, and a good one last.
    """
    stage = Stage.build(tmp_path_factory.mktemp("doors"), "edges=2")
    victim = stage.world.people.devices[VICTIM].address
    told: list[str] = []

    def of_victim(handed: Handed) -> bool:
        message = handed.message
        return (isinstance(message, UpdateCommit) and message.device == victim) or (
            isinstance(message, Attestation) and message.holder == VICTIM
        )

    def refuse(handed: Handed) -> None:
        raise Rejected("it does not like your face")

    with ExitStack() as stack:
        censor = stack.enter_context(open_door(stage, CENSOR, of_victim)).url
        honest = stack.enter_context(open_door(stage, HONEST)).url
        unkind = DoorServer(
            "127.0.0.1", 0, terms=terms_of(stage, CENSOR), take=refuse, named=lambda _: False, store=stage.world.store
        )
        bad = [stack.enter_context(rogue(each)) for each in (hangs, garbage, endless_headers)]
        bad.append(stack.enter_context(unkind).url)
        place = Place.of(stage.world.facts)
        couriers = []
        for role in ("device", "holder"):
            for index, node in enumerate(stage.world.nodes_of(role)):
                urls = [*(bad if index == VICTIM else ()), censor, honest]
                boxes = [DoorClient(url, place, answer_seconds=SOON) for url in urls]
                hears = told.append if (role, index) == ("device", VICTIM) else lambda _: None
                courier = stack.enter_context(Courier(boxes, patience=PATIENCE, told=hears))
                node._doors = [courier]
                node.store = MeteredStore(DoorStore(urls, answer_seconds=SOON))
                couriers.append(courier)

        def remind_and(turn: Callable[[], bool]) -> bool:
            now = stage.world.clock.now()
            for courier in couriers:
                assert courier.settle(30)
                courier.remind(stage.view, now)
                assert courier.settle(30)
            return turn()

        turn = stage.loop.turn
        stage.loop.turn = lambda: remind_and(turn)  # type: ignore[method-assign]
        yield Played(stage.play(), (censor, honest), told, couriers)


def test_defended_a_device_without_ether_and_store_is_heard_past_all_of_them(played: Played) -> None:
    honest = played.stage.world.people.edges[HONEST].address
    assert played.round.outcome == Outcome.ACCEPTED
    assert played.round.included == 0b1111
    assert played.round.commits[VICTIM].relay == honest
    assert played.round.attestations[VICTIM].relay == honest


def test_the_attack_was_met_at_every_door(played: Played) -> None:
    hung, garbled, endless, unkind, kept_back, good = played.told[:6]
    assert "it did not answer in time" in hung
    assert "cannot be used" in garbled
    assert "cannot be used" in endless
    assert "it does not like your face" in unkind
    assert [kept_back, good] == [f"the commit of round 0 was handed in at {door}" for door in played.doors]


def test_defended_nothing_is_left_to_bring(played: Played) -> None:
    for courier in played.couriers:
        courier.remind(played.stage.view, played.stage.world.clock.now())
        assert courier.pending == ()


def test_defended_a_door_says_why_to_forged_foreign_and_late_messages(played: Played) -> None:
    stage = played.stage
    facts, device = stage.world.facts, stage.world.people.devices[VICTIM]
    message = replace(commit(), task_id=facts.task_id, device=device.address)

    def sign(account: Account, chain_id: int) -> Handed:
        domain = learning_domain(chain_id, facts.learning)
        return Handed(message, account.sign_digest(message.signing_hash(domain)))

    with open_door(stage, HONEST) as door:
        client = DoorClient(door.url, Place.of(facts))
        for wrong in (sign(Account(b"\7" * 32), facts.chain_id), sign(device, facts.chain_id + 1)):
            with pytest.raises(DoorRefused, match="not signed, for this chain and contract, by whom it names"):
                client.hand_in(wrong)
        with pytest.raises(DoorRefused, match="the task is over"):
            client.hand_in(sign(device, facts.chain_id))
        with pytest.raises(BlobUnavailable, match="nobody named this blob"):
            DoorStore([door.url]).put(BLOB)


# Visitors of an honest door


def flood(door: DoorServer, until: threading.Event, source: str) -> None:
    junk = [
        os.urandom(2000),
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: 9\r\n\r\nunbounded",
        b"GET / HTTP/1.1\r\n",
    ]
    while not until.is_set():
        for data in junk:
            with suppress(OSError), socket.create_connection(("127.0.0.1", door.port), 2, (source, 0)) as visitor:
                visitor.sendall(data)


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_bounded_a_flood_of_junk_costs_the_others_a_moment_and_no_memory(porch: Porch) -> None:
    limits = Limits(answer_seconds=2, connections=48, connections_per_address=16)
    terms = replace(TERMS, requests_per_minute=300)
    over = threading.Event()
    with porch.door(terms=terms, limits=limits) as door, ExitStack() as stack:
        for _ in range(2 * limits.connections_per_address):  # who says nothing takes places too
            stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 2, ("127.0.0.3", 0)))
        flooders = [threading.Thread(target=flood, args=(door, over, "127.0.0.2")) for _ in range(4)]
        before = resident()
        for each in flooders:
            each.start()
        client = DoorClient(door.url, PLACE)  # from 127.0.0.1
        began = time.monotonic()
        for number in range(20):
            client.hand_in(signed(share(round_=number)))
        took = time.monotonic() - began
        over.set()
        for each in flooders:
            each.join()
        grown = resident() - before
    assert len(porch.taken) == 20
    assert took < 15
    assert grown < 64 << 20


def test_defended_a_blob_larger_than_announced_is_cut_off(porch: Porch, door: DoorServer) -> None:
    porch.on_chain.add(ref(BLOB))
    head = f"PUT {blob_path(ref(BLOB))} HTTP/1.1\r\nHost: e\r\nContent-Length: {len(BLOB)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", door.port), 10) as visitor, suppress(ConnectionError):
        visitor.sendall(head + BLOB[::-1])
        while True:
            visitor.sendall(bytes(1 << 16))
    assert not porch.store.has(ref(BLOB).digest, len(BLOB))
    DoorStore([door.url]).put(BLOB)
    assert porch.store.get(ref(BLOB).digest, len(BLOB), cap=len(BLOB)) == BLOB


def test_defended_a_blob_nobody_named_fills_no_disk(porch: Porch, door: DoorServer) -> None:
    with pytest.raises(BlobUnavailable, match="neither the chain nor an accepted message"):
        DoorStore([door.url]).put(BLOB)
    assert not any(path.is_file() for path in (porch.store.folder / "blobs").rglob("*"))


def test_defended_a_search_for_anything_keeps_no_place_for_blobs(porch: Porch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubo node asks its peers for a quarter of a minute; eight such requests would keep a door from its devices."""
    searched: list[bytes] = []
    held = porch.store.get

    def searching(digest: Digest, size: int, *, cap: int) -> bytes:
        if not porch.store.has(digest, size):
            searched.append(digest)
        return held(digest, size, cap=cap)

    monkeypatch.setattr(porch.store, "get", searching)
    named, unnamed = b"on chain, and with a peer", b"whatever"
    porch.on_chain.add(ref(named))
    porch.store.put(BLOB)
    with porch.door() as door:
        store = DoorStore([door.url])
        assert store.get(ref(BLOB).digest, len(BLOB), cap=len(BLOB)) == BLOB
        for blob in (named, unnamed):
            with pytest.raises(BlobUnavailable, match="does not have it"):
                store.get(ref(blob).digest, len(blob), cap=len(blob))
    assert searched == [ref(named).digest]


def test_defended_a_letter_readdressed_to_this_chain_is_still_of_another(porch: Porch, door: DoorServer) -> None:
    """The address on a letter spares an honest sender a detour; what binds a message is its signature's domain."""
    foreign = signed(commit(), replace(PLACE, chain_id=1))
    honest = Letter(foreign, 1, PLACE.learning)
    assert Letter.decode(honest.encode()) == honest
    with pytest.raises(DoorRefused, match="on chain 1, at a door to"):
        DoorClient(door.url, replace(PLACE, chain_id=1)).hand_in(foreign)
    assert porch.taken == []
