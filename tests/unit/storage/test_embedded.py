"""The embedded store keeps blobs under true CIDs, gives back the named bytes or none, and leaves no half files."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from dapp.compute import create
from dapp.errors import BlobError, BlobUnavailable, ExitCode, StoreFull
from dapp.storage import Blob, EmbeddedStore, MeteredStore, Transfers
from dapp.types import Digest

HELLO = b"hello world\n"
CHUNK = 262_144
CAP = 10 * CHUNK


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "store")


def files(store: EmbeddedStore, kind: str = "blobs") -> list[Path]:
    return [path for path in (store.folder / kind).rglob("*") if path.is_file()]


def only_file(store: EmbeddedStore) -> Path:
    (path,) = files(store)
    return path


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_a_blob_comes_back_as_it_was_put(store: EmbeddedStore, size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    blob = store.put(data)
    assert (len(blob.digest), blob.size) == (32, size)
    assert store.has(blob.digest, blob.size)
    assert store.get(blob.digest, blob.size, cap=CAP) == data
    assert EmbeddedStore(store.folder).get(blob.digest, blob.size, cap=size) == data


def test_a_blob_lies_under_the_cid_that_an_ipfs_node_gives_it(store: EmbeddedStore) -> None:
    blob = store.put(b"")
    assert blob.cid == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    assert only_file(store) == store.folder / "blobs" / blob.cid[-2:] / blob.cid


def test_putting_twice_keeps_one_file(store: EmbeddedStore) -> None:
    assert store.put(HELLO) == store.put(HELLO)
    assert only_file(store).read_bytes() == HELLO
    assert files(store, "partial") == []


def test_an_announced_size_over_the_cap_is_refused_before_anything_is_read(store: EmbeddedStore) -> None:
    blob = store.put(HELLO)
    only_file(store).unlink()  # a read would now say that the blob is absent
    with pytest.raises(BlobError, match="a blob of 12 bytes was announced where at most 11 are accepted"):
        store.get(blob.digest, blob.size, cap=11)
    with pytest.raises(BlobError, match="a blob of -1 bytes"):
        store.get(blob.digest, -1, cap=11)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HELLO[:-1], "has only 11 bytes where 12 were promised"),
        (HELLO + b"x" * 1000, "has more than 12 bytes where 12 were promised"),
        (HELLO.upper(), "hash to another digest"),
    ],
)
def test_a_damaged_copy_is_named_and_the_next_put_mends_it(store: EmbeddedStore, content: bytes, message: str) -> None:
    blob = store.put(HELLO)
    only_file(store).write_bytes(content)
    with pytest.raises(BlobError, match=message) as caught:
        store.get(blob.digest, blob.size, cap=CAP)
    assert blob.cid in str(caught.value)
    assert caught.value.code is ExitCode.BLOB
    store.put(HELLO)
    assert store.get(blob.digest, blob.size, cap=CAP) == HELLO


def test_reading_stops_one_byte_past_the_promised_size(store: EmbeddedStore) -> None:
    blob = store.put(HELLO)
    with only_file(store).open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file larger than any memory
    with pytest.raises(BlobError, match="more than 12 bytes"):
        store.get(blob.digest, blob.size, cap=CAP)


def test_an_absent_blob_may_come_later_so_it_is_retryable(store: EmbeddedStore, tmp_path: Path) -> None:
    blob = EmbeddedStore(tmp_path / "other").put(HELLO)
    assert not store.has(blob.digest, blob.size)
    for ask in (lambda: store.get(blob.digest, blob.size, cap=CAP), lambda: store.pin(blob.digest, blob.size)):
        with pytest.raises(BlobUnavailable, match=blob.cid) as caught:
            ask()
        assert caught.value.help
    assert files(store, "pins") == []


def test_the_size_belongs_to_the_name(store: EmbeddedStore) -> None:
    blob = store.put(HELLO)
    assert not store.has(blob.digest, blob.size + 1)
    with pytest.raises(BlobError, match="only 12 bytes where 13"):
        store.get(blob.digest, blob.size + 1, cap=CAP)
    with pytest.raises(BlobUnavailable):  # a tree of blocks under the same digest has another CID
        store.get(blob.digest, CHUNK + 1, cap=CAP)


def test_collecting_removes_what_nobody_pins(store: EmbeddedStore) -> None:
    kept, dropped, pinned_again = (store.put(data) for data in (b"kept", b"dropped!", b"again"))
    store.unpin(dropped.digest, dropped.size)
    store.unpin(dropped.digest, dropped.size)
    store.unpin(pinned_again.digest, pinned_again.size)
    store.pin(pinned_again.digest, pinned_again.size)
    assert store.collect() == len(b"dropped!")
    assert [store.has(blob.digest, blob.size) for blob in (kept, dropped, pinned_again)] == [True, False, True]
    assert store.collect() == 0


def put_with_a_full_disk(folder: Path) -> str:
    """Lets the kernel refuse to write any file past 100 kB, in a worker that nobody else uses."""
    store = EmbeddedStore(folder)
    store.put(HELLO)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        store.put(bytes(1_000_000))
    except StoreFull as error:
        return f"{error} {error.help}"
    return "no error"


def test_a_write_that_the_disk_refuses_says_so_and_leaves_no_half_file(store: EmbeddedStore) -> None:
    with create(2) as workers:
        message = workers.submit(put_with_a_full_disk, store.folder).result()
    assert f"the store at {store.folder} cannot be written to: File too large" in message
    assert "Free some space" in message
    assert only_file(store).read_bytes() == HELLO
    assert files(store, "partial") == []


def test_an_interrupted_write_leaves_no_half_file(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.put(HELLO)
    assert files(store) == files(store, "partial") == []


def test_a_folder_that_cannot_be_written_is_a_full_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull, match="cannot be written to: Not a directory") as caught:
        EmbeddedStore(tmp_path / "file" / "store")
    assert caught.value.code is ExitCode.STORE


def put_and_get(job: tuple[Path, int]) -> list[Blob]:
    folder, turn = job
    store = EmbeddedStore(folder)
    blobs = [store.put(bytes([(number + turn) % 20]) * 50_000) for number in range(40)]
    for blob in blobs:
        store.get(blob.digest, blob.size, cap=CAP)
    return blobs


def test_processes_that_write_the_same_blobs_at_once_see_only_whole_ones(store: EmbeddedStore) -> None:
    with create(4) as workers:
        results = workers.map(put_and_get, [(store.folder, turn) for turn in range(12)])
    assert len({blob for result in results for blob in result}) == len(files(store)) == 20
    assert files(store, "partial") == []


def test_a_metered_store_counts_the_bytes_of_one_role(store: EmbeddedStore) -> None:
    device, holder = MeteredStore(store), MeteredStore(store)
    blob = device.put(HELLO)
    assert holder.has(blob.digest, blob.size)
    holder.pin(blob.digest, blob.size)
    for _ in range(3):
        assert holder.get(blob.digest, blob.size, cap=CAP) == HELLO
    with pytest.raises(BlobError):
        holder.get(blob.digest, blob.size, cap=1)
    with pytest.raises(BlobUnavailable):
        holder.get(Digest(bytes(32)), 12, cap=CAP)
    holder.unpin(blob.digest, blob.size)
    assert device.transfers == Transfers(sent=12, received=0)
    assert holder.transfers == Transfers(sent=0, received=36)
