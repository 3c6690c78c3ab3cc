"""A node behind an RPC is believed nothing: whatever it does wrong, the reader gets the named bytes or a clear error.

The node is a server of ours that speaks kubo's RPC over real sockets; against a real kubo see tests/nodes/test_kubo.py.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit.storage.lying_kubo import (
    Answer,
    LyingKubo,
    Request,
    drips,
    drips_of,
    fails_without_end,
    forgets,
    gives,
    hangs,
    hangs_after,
    lying_kubo,
    never_ends,
)

from dapp.errors import (
    BlobError,
    BlobUnavailable,
    CairnError,
    ExitCode,
    Retryable,
    SettingsError,
    StoreFull,
    StoreUnavailable,
)
from dapp.storage import Blob, EmbeddedStore, Stores, open_store
from dapp.storage import kubo as module
from dapp.storage.kubo import KuboStore

HELLO = b"hello world\n"
CAP = 1 << 20


@pytest.fixture
def node() -> Iterator[LyingKubo]:
    with lying_kubo() as server:
        yield server


@pytest.fixture
def store(node: LyingKubo, monkeypatch: pytest.MonkeyPatch) -> KuboStore:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    return KuboStore(node.url, timeout=0.3, tries=3)


def get(store: KuboStore | Stores, blob: Blob) -> bytes:
    return store.get(blob.digest, blob.size, cap=CAP)


# --- what an honest node is asked


def test_a_blob_comes_back_as_it_was_put_and_stays_pinned(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)
    assert get(store, blob) == HELLO
    assert store.has(blob.digest, blob.size)
    assert node.pins == {blob.cid}
    store.unpin(blob.digest, blob.size)
    store.unpin(blob.digest, blob.size)
    assert node.pins == set()
    store.pin(blob.digest, blob.size)
    assert node.pins == {blob.cid}


def test_an_announced_size_over_the_cap_is_refused_before_anything_is_asked(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)
    node.asked.clear()
    with pytest.raises(BlobError, match="a blob of 12 bytes was announced where at most 11 are accepted"):
        store.get(blob.digest, blob.size, cap=11)
    assert node.asked == []


def test_a_password_in_the_address_is_sent_and_never_shown(node: LyingKubo, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def look(request: Request) -> None:
        seen.append(request.authorization)
        request.tell({"Message": "no"}, 500)

    node.lies["add"] = look
    store = KuboStore(node.url.replace("//", "//me:geheim@"), timeout=0.3)
    with pytest.raises(StoreFull) as caught:
        store.put(HELLO)
    assert seen == ["Basic bWU6Z2VoZWlt"]
    assert "geheim" not in f"{caught.value} {caught.value.help} {store.address}"
    with pytest.raises(SettingsError) as wrong:
        KuboStore("http://me:geheim@host:99999")
    assert "geheim" not in str(wrong.value)


@pytest.mark.parametrize("url", ["127.0.0.1:5001", "ftp://127.0.0.1", "http://", "http://host:port", "/ip4/127.0.0.1"])
def test_what_is_no_address_of_a_node_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is not the address of a kubo node"):
        KuboStore(url)


# --- a node that lies about what it holds


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (gives(b"hello w0rld\n"), "hash to another digest"),
        (gives(HELLO + b"!"), "more than 12 bytes where 12 were promised"),
        (gives(b"<html>welcome</html>"), "more than 12 bytes where 12 were promised"),
        (never_ends, "more than 12 bytes where 12 were promised"),
    ],
)
def test_other_bytes_are_an_error_that_names_the_node(
    store: KuboStore, node: LyingKubo, lie: Answer, said: str
) -> None:
    blob = store.put(HELLO)
    node.lies["cat"] = lie
    with pytest.raises(BlobError, match=said) as caught:
        get(store, blob)
    assert f"the store at {node.url}" in str(caught.value)
    assert "another store" in caught.value.help
    assert node.asked.count("cat") == 1, "a liar is not asked twice"


def test_every_changed_copy_is_noticed(store: KuboStore, node: LyingKubo) -> None:
    chance = random.Random(7)
    noticed = 0
    for _ in range(300):
        data = chance.randbytes(chance.choice((1, 12, 1000, 262_144, 262_145)))
        blob = Blob(*_named(data))
        node.lies["cat"] = gives(changed(data, chance))
        with pytest.raises((BlobError, BlobUnavailable)):
            get(store, blob)
        noticed += 1
    assert noticed == 300


def _named(data: bytes) -> tuple[bytes, int]:
    from dapp.crypto.cid import digest

    return digest(data), len(data)


def changed(data: bytes, chance: random.Random) -> bytes:
    """Another content: a bit turned, the end cut off, bytes added, two pieces swapped, or something else altogether."""
    place = chance.randrange(len(data))
    other = chance.choice(
        (
            data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :],
            data[:place],
            data + chance.randbytes(1 + place % 7),
            data[place:] + data[:place],
            chance.randbytes(len(data)),
        )
    )
    return other if other != data else data + b"\0"


def test_an_endless_answer_is_left_after_the_announced_size(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)
    node.lies["cat"] = never_ends
    with pytest.raises(BlobError):
        get(store, blob)
    assert node.hung_up.wait(5), "the store hangs up"
    assert node.streamed < 16 << 20, "what the sockets' buffers took, and no more"


@pytest.mark.parametrize("command", ["add", "version"])
def test_an_endless_answer_that_is_no_blob_is_left_too(store: KuboStore, node: LyingKubo, command: str) -> None:
    node.lies[command] = never_ends
    with pytest.raises(StoreUnavailable, match=f"what it answers to {command} is not kubo's"):
        store.version() if command == "version" else store.put(HELLO)
    assert node.hung_up.wait(5)


def test_an_endless_error_is_left_as_well(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)
    node.lies["cat"] = fails_without_end
    with pytest.raises(StoreUnavailable, match="500 Server Error"):
        get(store, blob)
    assert node.hung_up.wait(5)
    assert node.streamed < 16 << 20


def test_a_node_that_stores_something_else_is_found_out_at_once(store: KuboStore, node: LyingKubo) -> None:
    node.lies["add"] = lambda request: request.tell({"Hash": "QmWATWQ7fVPP2EFGu71UkfnqhYXDYH566qy47CnJDgvs8u"})
    with pytest.raises(BlobError, match=f"the store at {node.url} stored QmWATWQ7fVPP2EFGu71Ukfnq"):
        store.put(HELLO)


def test_a_copy_of_another_size_is_no_copy(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)
    node.lies["files/stat"] = lambda request: request.tell({"Size": 11, "Local": True})
    assert not store.has(blob.digest, blob.size)
    node.lies["files/stat"] = lambda request: request.tell({"Size": 12, "Local": False})
    assert not store.has(blob.digest, blob.size)


# --- a node that does not do its part


@pytest.mark.parametrize("part", [b"", HELLO[:-1]])
def test_a_truncated_copy_is_not_the_blob(store: KuboStore, node: LyingKubo, part: bytes) -> None:
    blob = store.put(HELLO)
    node.lies["cat"] = gives(part)
    with pytest.raises(
        BlobUnavailable, match=rf"{node.url} does not give blob {blob.cid}: only {len(part)} of 12 bytes"
    ):
        get(store, blob)


def test_a_node_that_forgot_says_so_and_is_not_asked_again(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)
    node.blobs.clear()
    assert not store.has(blob.digest, blob.size)
    with pytest.raises(BlobUnavailable, match=rf"{node.url} does not give blob {blob.cid}: block was not found"):
        get(store, blob)
    with pytest.raises(BlobUnavailable, match=f"{node.url} does not give blob {blob.cid}"):
        store.pin(blob.digest, blob.size)
    assert node.asked.count("cat") == 1


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (hangs, "timed out"),
        (hangs_after(HELLO[:5], 12), "timed out"),
        (drips, "too slow"),
        (drips_of(10_000), "too slow"),
        (gives(HELLO[:5], length=12), "IncompleteRead|7 more expected"),
        (lambda request: request.say(b"<h1>Bad Gateway</h1>", 502), "502"),
    ],
)
def test_a_node_that_does_not_answer_is_asked_three_times(
    store: KuboStore, node: LyingKubo, lie: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOWEST", 1 << 20)
    blob = store.put(HELLO)
    node.lies["cat"] = lie
    began = time.monotonic()
    with pytest.raises(BlobUnavailable, match=rf"no store at {node.url}: .*({said}).*asked 3 times") as caught:
        store.get(blob.digest, 10_000, cap=10_000)
    assert time.monotonic() - began < 5
    assert node.asked.count("cat") == 3
    assert isinstance(caught.value, Retryable)
    assert "cairn up" in caught.value.help


def test_a_node_that_answers_the_second_time_serves(store: KuboStore, node: LyingKubo) -> None:
    blob = store.put(HELLO)

    def stumbles(request: Request) -> None:
        del node.lies["cat"]
        request.say(HELLO[:3], length=12)

    node.lies["cat"] = stumbles
    assert get(store, blob) == HELLO


def test_a_node_that_hangs_over_an_upload_is_left(store: KuboStore, node: LyingKubo) -> None:
    node.lies["add"] = hangs
    with pytest.raises(StoreUnavailable, match="timed out") as caught:
        store.put(HELLO)
    assert caught.value.code is ExitCode.STORE
    assert node.asked.count("add") == 3


def test_nothing_at_the_address_is_said_with_the_address() -> None:
    with lying_kubo() as gone:
        url = gone.url
    store = KuboStore(url, tries=1)
    for use in (lambda: store.put(HELLO), store.version, lambda: store.has(*_named(HELLO))):
        with pytest.raises(StoreUnavailable, match=f"no store at {url}: Connection refused"):
            use()


def test_a_full_node_says_so_in_its_own_words(store: KuboStore, node: LyingKubo) -> None:
    node.lies["add"] = lambda request: request.tell({"Message": "write /x: no space left on device"}, 500)
    with pytest.raises(StoreFull, match=rf"{node.url} did not take blob .*: write /x: no space left on device"):
        store.put(HELLO)


# --- several stores


def test_a_place_is_a_folder_or_a_node(tmp_path: Path, node: LyingKubo) -> None:
    assert isinstance(open_store(tmp_path / "store"), EmbeddedStore)
    assert isinstance(open_store(str(tmp_path / "store")), EmbeddedStore)
    assert isinstance(open_store(node.url), KuboStore)
    assert isinstance(open_store(node.url, tmp_path / "store"), Stores)
    with pytest.raises(SettingsError, match="no store is named"):
        open_store()


def test_all_stores_get_a_blob_and_any_of_them_gives_it(store: KuboStore, node: LyingKubo, tmp_path: Path) -> None:
    folder = EmbeddedStore(tmp_path)
    both = Stores([store, folder])
    blob = both.put(HELLO)
    assert folder.has(*_named(HELLO))
    node.blobs.clear()
    assert both.has(blob.digest, blob.size)
    assert get(both, blob) == HELLO


@pytest.mark.parametrize("lie", [gives(b"hello w0rld\n"), forgets, hangs, never_ends])
def test_a_store_that_fails_is_passed_over_and_reported(
    store: KuboStore, node: LyingKubo, tmp_path: Path, lie: Answer
) -> None:
    told: list[str] = []
    both = Stores([store, EmbeddedStore(tmp_path)], told.append)
    blob = both.put(HELLO)
    node.lies["cat"] = lie
    assert get(both, blob) == HELLO
    assert len(told) == 1
    assert node.url in told[0]
    assert told[0].endswith("; another store served instead")


def test_the_store_that_holds_a_blob_is_asked_first(store: KuboStore, node: LyingKubo, tmp_path: Path) -> None:
    folder = EmbeddedStore(tmp_path)
    blob = folder.put(HELLO)
    assert get(Stores([store, folder]), blob) == HELLO
    assert "cat" not in node.asked


def test_a_store_that_comes_back_is_used_again(store: KuboStore, node: LyingKubo, tmp_path: Path) -> None:
    told: list[str] = []
    both = Stores([store, EmbeddedStore(tmp_path)], told.append)
    node.lies["add"] = hangs
    both.put(HELLO)
    assert len(told) == 1
    del node.lies["add"]
    blob = both.put(b"and again")
    assert len(told) == 1
    assert blob.cid in node.blobs


def test_when_no_store_gives_the_blob_each_ones_reason_is_told(
    store: KuboStore, node: LyingKubo, tmp_path: Path
) -> None:
    blob = store.put(HELLO)
    node.lies["cat"] = gives(b"hello w0rld\n")
    with pytest.raises(BlobUnavailable, match="none of 2 stores gives blob") as caught:
        get(Stores([store, EmbeddedStore(tmp_path)]), blob)
    assert "hash to another digest" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_when_no_store_takes_the_blob_the_error_has_the_most_hopeful_kind(
    store: KuboStore, node: LyingKubo, tmp_path: Path
) -> None:
    node.lies["add"] = lambda request: request.tell({"Message": "disk full"}, 500)
    with pytest.raises(StoreFull, match=r"no store took the blob: .*disk full.*; .*disk full"):
        Stores([store, store]).put(HELLO)
    with lying_kubo() as gone:
        silent = KuboStore(gone.url, tries=1)
    with pytest.raises(StoreUnavailable, match=r"no store took the blob: .*disk full.*; .*Connection refused"):
        Stores([store, silent]).put(HELLO)


def test_pinning_needs_one_store_that_does_it(store: KuboStore, node: LyingKubo, tmp_path: Path) -> None:
    folder = EmbeddedStore(tmp_path)
    blob = folder.put(HELLO)
    both = Stores([store, folder], lambda _: None)
    both.unpin(blob.digest, blob.size)
    both.pin(blob.digest, blob.size)
    folder.collect()
    assert folder.has(blob.digest, blob.size)
    folder.unpin(blob.digest, blob.size)
    folder.collect()
    with pytest.raises(BlobUnavailable, match="no store pins blob"):
        both.pin(blob.digest, blob.size)


def test_every_failure_of_a_store_is_an_error_of_ours(store: KuboStore, node: LyingKubo) -> None:
    """Whatever a node answers to whatever command, only errors with help come out."""
    answers: tuple[Answer, ...] = (
        gives(b""),
        gives(b"[]"),
        gives(b"null"),
        gives(b"\xff\xfe"),
        gives(b'{"Hash": 5}'),
        gives(b"x", length=100),
        lambda request: request.tell({"Message": "no"}, 500),
        lambda request: request.tell([1, 2], 500),
        lambda request: request.say(b"", 404),
        lambda request: request.say(b"", 403),
    )
    digest, size = _named(HELLO)
    uses = {
        "add": lambda: store.put(HELLO),
        "cat": lambda: store.get(digest, size, cap=CAP),
        "files/stat": lambda: store.has(digest, size),
        "pin/add": lambda: store.pin(digest, size),
        "pin/rm": lambda: store.unpin(digest, size),
        "version": store.version,
    }
    for command, use in uses.items():
        for answer in answers:
            node.lies = {command: answer}
            error = failure(use)
            assert error is None or error.help
            assert error is not None or command not in ("add", "cat"), "no wrong answer passes for a blob"


def failure(use: Callable[[], object]) -> CairnError | None:
    try:
        use()
    except CairnError as error:
        return error
    return None
