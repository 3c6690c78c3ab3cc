"""A door takes what it promised to take, says why not, and outlives whatever is sent."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from porch import PLACE, TERMS, Porch, commit, messages, ref, share, signed

from dapp.crypto.typed_data import ShareCommit
from dapp.errors import ExitCode, StoreFull
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed
from dapp.relay import DoorBlocked, DoorServer, DoorTerms, Letter, Limits
from dapp.relay.wire import MAX_MESSAGE, blob_path
from dapp.types import Address, Digest, TaskId

BLOB = bytes(range(256)) * 1000


def letter(handed: Handed, chain_id: int = PLACE.chain_id, contract: Address | None = None) -> bytes:
    return Letter(handed, chain_id, contract or PLACE.taker(handed.message)).encode()


@contextmanager
def connected(door: DoorServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    door: DoorServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    with connected(door) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read(), response.headers


def refusal(answer: tuple[int, bytes, object]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["error"]


def raw(door: DoorServer, sent: bytes, patience: float = 10) -> bytes:
    """Everything that the door says to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=patience) as connection:
        connection.sendall(sent)
        said = bytearray()
        while piece := connection.recv(65536):
            said += piece
        return bytes(said)


# What it is for


def test_it_tells_its_terms(door: DoorServer) -> None:
    status, body, headers = ask(door, "GET", "/v1/terms")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    assert DoorTerms.decode(body) == TERMS


@pytest.mark.parametrize("message", messages(), ids=lambda message: type(message).__name__)
def test_it_hands_on_every_kind_of_message_as_it_was_signed(door: DoorServer, porch: Porch, message: object) -> None:
    handed = signed(message)  # type: ignore[arg-type]
    assert ask(door, "POST", "/v1/messages", letter(handed))[:2] == (202, b"")
    assert porch.taken == [handed]


def test_a_blob_that_the_chain_names_is_kept_and_given_out(door: DoorServer, porch: Porch) -> None:
    porch.on_chain.add(ref(BLOB))
    path = blob_path(ref(BLOB))
    assert ask(door, "HEAD", path)[0] == 404
    assert ask(door, "PUT", path, BLOB)[0] == 201
    assert porch.store.get(ref(BLOB).digest, len(BLOB), cap=len(BLOB)) == BLOB
    assert ask(door, "HEAD", path)[0] == 200
    assert ask(door, "GET", path)[:2] == (200, BLOB)
    assert ask(door, "PUT", path, BLOB)[0] == 200


@pytest.mark.parametrize("data", [b"", b"x"])
def test_the_smallest_blobs_pass_too(door: DoorServer, porch: Porch, data: bytes) -> None:
    porch.on_chain.add(ref(data))
    assert ask(door, "PUT", blob_path(ref(data)), data)[0] == 201
    assert ask(door, "GET", blob_path(ref(data)))[:2] == (200, data)


def test_a_blob_that_an_accepted_message_names_is_kept(door: DoorServer, porch: Porch) -> None:
    assert ask(door, "POST", "/v1/messages", letter(signed(share(blob=b"mine"))))[0] == 202
    assert ask(door, "PUT", blob_path(ref(b"mine")), b"mine")[0] == 201


def test_who_signs_many_messages_names_one_blob_a_round(door: DoorServer, porch: Porch) -> None:
    for blob in (b"first", b"second"):
        assert ask(door, "POST", "/v1/messages", letter(signed(share(blob=blob))))[0] == 202
    assert ask(door, "PUT", blob_path(ref(b"first")), b"first")[0] == 201
    assert ask(door, "PUT", blob_path(ref(b"second")), b"second")[0] == 409


def test_who_waits_for_the_doors_word_sends_no_blob_in_vain(door: DoorServer, porch: Porch) -> None:
    asking = b"Host: edge\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BLOB)
    head = f"PUT {blob_path(ref(BLOB))} HTTP/1.1\r\n".encode() + asking
    assert raw(door, head).startswith(b"HTTP/1.1 409")
    porch.on_chain.add(ref(BLOB))
    assert raw(door, head + BLOB).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201")


# What it refuses


def test_a_refused_message_gets_the_edges_reason(door: DoorServer, porch: Porch) -> None:
    porch.refuses = "round 3 is not the current one: it is 4"
    answer = ask(door, "POST", "/v1/messages", letter(signed(share())))
    assert refusal(answer) == (409, "not taken: round 3 is not the current one: it is 4")


def test_a_refused_message_names_nothing(door: DoorServer, porch: Porch) -> None:
    porch.refuses = "it is not signed by whom it names"
    ask(door, "POST", "/v1/messages", letter(signed(share(blob=b"mine"))))
    assert ask(door, "PUT", blob_path(ref(b"mine")), b"mine")[0] == 409


def test_a_message_of_another_chain_contract_or_task_is_refused(door: DoorServer, porch: Porch) -> None:
    mine = signed(commit())
    status, reason = refusal(ask(door, "POST", "/v1/messages", letter(mine, chain_id=1)))
    assert status == 409
    assert "on chain 1, at a door to 0x0101" in reason
    assert ask(door, "POST", "/v1/messages", letter(mine, contract=PLACE.mining))[0] == 409
    other = signed(ShareCommit(TaskId(bytes(32)), *list(vars(share()).values())[1:]))
    status, reason = refusal(ask(door, "POST", "/v1/messages", letter(other)))
    assert (status, reason[:19]) == (409, "a message of task 0")
    assert porch.taken == []


@pytest.mark.parametrize("body", [b"junk", b"", b"\xa0", b"\xbf\xff", b"{}"])
def test_what_is_no_message_is_refused(door: DoorServer, porch: Porch, body: bytes) -> None:
    assert ask(door, "POST", "/v1/messages", body)[0] == 400
    assert porch.taken == []


def test_a_message_too_long_is_refused_before_it_is_read(door: DoorServer) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: e\r\nContent-Length: {MAX_MESSAGE + 1}\r\n\r\n".encode()
    assert raw(door, head).startswith(b"HTTP/1.1 413")


def test_a_body_without_its_length_is_refused(door: DoorServer) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert raw(door, head).startswith(b"HTTP/1.1 411")


def test_a_blob_larger_than_the_terms_allow_is_refused_before_it_is_read(door: DoorServer, porch: Porch) -> None:
    huge = BlobRef(Digest(b"\1" * 32), TERMS.max_blob_bytes + 1)
    porch.on_chain.add(huge)
    head = f"PUT {blob_path(huge)} HTTP/1.1\r\nHost: e\r\nContent-Length: {huge.size}\r\n\r\n".encode()
    assert raw(door, head).startswith(b"HTTP/1.1 413")
    assert ask(door, "GET", blob_path(huge))[0] == 413


def test_a_blob_of_another_length_or_digest_than_its_name_is_not_kept(door: DoorServer, porch: Porch) -> None:
    porch.on_chain.add(ref(BLOB))
    path = blob_path(ref(BLOB))
    assert refusal(ask(door, "PUT", path, BLOB + b"x")) == (400, "256,001 bytes are announced for a blob of 256,000")
    assert refusal(ask(door, "PUT", path, BLOB[::-1])) == (400, "these bytes have another digest")
    assert not porch.store.has(ref(BLOB).digest, len(BLOB))


def test_a_blob_that_the_edge_does_not_have_is_not_there(door: DoorServer) -> None:
    assert refusal(ask(door, "GET", blob_path(ref(b"?")))) == (404, "this edge's store does not have it")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/blobs/../../etc/passwd", 404),
        ("GET", "/v1/blobs/" + "ab" * 32 + "/-1", 404),
        ("GET", "/v1/blobs/" + "ab" * 32 + "/" + "9" * 13, 404),
        ("PUT", "/v1/terms", 405),
        ("GET", "/v1/messages", 405),
        ("DELETE", "/v1/blobs/" + "ab" * 32 + "/1", 405),
    ],
)
def test_other_addresses_and_methods_lead_nowhere(door: DoorServer, method: str, path: str, status: int) -> None:
    assert ask(door, method, path)[0] == status


def test_who_asks_too_often_is_told_when_to_come_again(porch: Porch) -> None:
    with porch.door(terms=replace(TERMS, requests_per_minute=3)) as door:
        answers = [ask(door, "GET", "/v1/terms") for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[-1][2]["Retry-After"]) <= 60


def test_who_moves_too_many_bytes_is_told_so(porch: Porch) -> None:
    porch.store.put(BLOB)
    with porch.door(terms=replace(TERMS, max_blob_bytes=len(BLOB), bytes_per_minute=1)) as door:
        assert ask(door, "GET", blob_path(ref(BLOB)))[0] == 200
        assert ask(door, "GET", blob_path(ref(BLOB)))[0] == 429


# What it survives


def test_a_sender_that_dawdles_is_given_up(porch: Porch, caplog: pytest.LogCaptureFixture) -> None:
    with porch.door(limits=Limits(answer_seconds=0.3)) as door:
        head = b"POST /v1/messages HTTP/1.1\r\nHost: e\r\nContent-Length: 100\r\n\r\nhalf"
        began = time.monotonic()
        assert raw(door, head).startswith(b"HTTP/1.1 408")
        assert raw(door, b"GET /v1/te") == b""  # never gets to the end of its headers
        assert raw(door, b"") == b""
        assert time.monotonic() - began < 5
    assert "too slow" in caplog.text


def test_a_reader_that_dawdles_is_given_up_and_its_place_is_free_again(
    porch: Porch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapp.relay.wire.SLOWEST", 1 << 40)
    data = bytes(8 << 20)
    porch.store.put(data)
    limits = Limits(answer_seconds=0.5, transfers=1)
    terms = replace(TERMS, max_blob_bytes=len(data))
    with porch.door(terms=terms, limits=limits) as door, socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", door.port))
        lazy.sendall(f"GET {blob_path(ref(data))} HTTP/1.1\r\nHost: e\r\n\r\n".encode())
        time.sleep(0.2)
        assert ask(door, "GET", "/v1/terms")[0] == 200
        time.sleep(1)
        assert ask(door, "GET", blob_path(ref(data)))[0] == 200
        got = 0
        with suppress(ConnectionResetError):
            while piece := lazy.recv(65536):
                got += len(piece)
        assert got < len(data)


def test_connections_beyond_the_limit_are_closed_and_the_others_served(porch: Porch) -> None:
    with (
        porch.door(limits=Limits(connections_per_address=2)) as door,
        connected(door) as idle,
        connected(door) as other,
    ):
        idle.connect()
        other.connect()
        time.sleep(0.1)
        assert _closed(door)
        other.request("GET", "/v1/terms")
        assert other.getresponse().status == 200
        other.close()
        time.sleep(0.1)
        assert ask(door, "GET", "/v1/terms")[0] == 200


def _closed(door: DoorServer) -> bool:
    try:
        return raw(door, b"GET /v1/terms HTTP/1.1\r\nHost: e\r\n\r\n") == b""
    except ConnectionError:
        return True


def test_a_store_that_is_full_or_broken_is_the_doors_trouble_only(porch: Porch, door: DoorServer) -> None:
    porch.on_chain.add(ref(BLOB))

    def full(data: bytes) -> None:
        raise StoreFull("/secret/path is full")

    porch.store.put = full  # type: ignore[method-assign, assignment]
    assert refusal(ask(door, "PUT", blob_path(ref(BLOB)), BLOB)) == (507, "this edge's store is full")

    def broken(data: bytes) -> None:
        raise ZeroDivisionError

    porch.store.put = broken  # type: ignore[method-assign, assignment]
    assert ask(door, "PUT", blob_path(ref(BLOB)), BLOB)[0] == 500
    assert ask(door, "GET", "/v1/terms")[0] == 200


def test_refusals_fill_no_log(porch: Porch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), porch.door(limits=Limits(log_lines=5)) as door:
        for _ in range(20):
            ask(door, "GET", "/nothing")
    assert 5 <= len(caplog.records) <= 6
    assert "refused GET '/nothing' of 127.0.0.1: there is nothing at this address" in caplog.text


def test_a_port_in_use_is_said_in_a_sentence(porch: Porch, door: DoorServer) -> None:
    with pytest.raises(DoorBlocked, match=f"127.0.0.1:{door.port} cannot be opened: Address already in use") as caught:
        porch.door(port=door.port).start()
    assert caught.value.code is ExitCode.PROGRAM
    assert "choose another port" in caught.value.help


def test_a_door_opens_again_where_it_was(porch: Porch) -> None:
    door = porch.door()
    for _ in range(2):
        door.start()
        assert ask(door, "GET", "/v1/terms")[0] == 200
        door.stop()
        door.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(door, "GET", "/v1/terms")
