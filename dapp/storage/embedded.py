"""The store that needs no node: one file per blob, named by the CID that an IPFS node would give it.

``blobs/<last two characters of the CID>/<cid>`` holds the content, ``pins/<cid>`` marks what `collect` must keep and
``partial/`` holds writes that are not finished. Any number of processes may use one folder: a file appears under its
CID whole or not at all, and two writers of one CID write the same bytes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dapp.crypto.cid import cid_v1, digest
from dapp.errors import BlobUnavailable, StoreFull
from dapp.storage.blobs import Blob, check_content, check_request
from dapp.types import Digest


class EmbeddedStore:
    """A `BlobStore` in a folder.

    Args:
        folder: made where it is missing.

    Raises:
        StoreFull: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs, self._pins, self._partial = folder / "blobs", folder / "pins", folder / "partial"
        with _writing(folder):
            for each in (self._blobs, self._pins, self._partial):
                each.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> Blob:
        """See `BlobStore.put`."""
        blob = Blob(digest(data), len(data))
        path = self._path(blob.cid)
        with _writing(self.folder):
            # The pin comes first, so that a collection running beside us never sees this blob without it.
            (self._pins / blob.cid).touch()
            if not _holds(path, data):
                path.parent.mkdir(exist_ok=True)
                self._write(path, data)
        return blob

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`. Never reads more than `size` + 1 bytes."""
        check_request(size, cap)
        cid = cid_v1(digest, size)
        try:
            with self._path(cid).open("rb") as file:
                data = file.read(size + 1)
        except OSError as error:
            raise self._unavailable(cid, error.strerror or str(error)) from error
        check_content(data, digest, size)
        return data

    def has(self, digest: Digest, size: int) -> bool:
        """See `BlobStore.has`."""
        try:
            return self._path(cid_v1(digest, size)).stat().st_size == size
        except OSError:
            return False

    def pin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.pin`."""
        cid = cid_v1(digest, size)
        with _writing(self.folder):
            (self._pins / cid).touch()
        if not self.has(digest, size):
            (self._pins / cid).unlink(missing_ok=True)
            raise self._unavailable(cid, "it cannot be pinned")

    def unpin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.unpin`."""
        with _writing(self.folder):
            (self._pins / cid_v1(digest, size)).unlink(missing_ok=True)

    def collect(self) -> int:
        """Removes every blob that is not pinned, as IPFS's garbage collection does; returns the bytes freed.

        Raises:
            StoreFull: the folder is not writable.
        """
        freed = 0
        with _writing(self.folder):
            for path in self._blobs.glob("*/*"):
                if not (self._pins / path.name).exists():
                    with suppress(FileNotFoundError):
                        size = path.stat().st_size
                        path.unlink()
                        freed += size
        return freed

    def _path(self, cid: str) -> Path:
        # The last characters of a CID are spread evenly; the first are its version, codec and hash function.
        return self._blobs / cid[-2:] / cid

    def _write(self, path: Path, data: bytes) -> None:
        """Writes beside and renames: whoever opens `path` finds the old file or the whole new one."""
        partial = self._partial / f"{path.name}.{secrets.token_hex(8)}"
        try:
            with partial.open("xb") as file:
                file.write(data)
            partial.replace(path)
        except BaseException:  # Ctrl-C included: nothing half written stays
            partial.unlink(missing_ok=True)
            raise

    def _unavailable(self, cid: str, reason: str) -> BlobUnavailable:
        return BlobUnavailable(
            f"the store at {self.folder} does not give blob {cid}: {reason}",
            help="Ask its owner to publish it, or look for the same CID on another store.",
        )


def _holds(path: Path, data: bytes) -> bool:
    """Whether `path` already holds exactly `data`; a damaged copy does not count and is replaced."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns whatever keeps the folder from being written into one sentence."""
    try:
        yield
    except OSError as error:
        raise StoreFull(
            f"the store at {folder} cannot be written to: {error.strerror or error}",
            help="Free some space, or choose a folder on a disk that has room and that you may write to.",
        ) from error
