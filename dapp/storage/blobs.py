"""What a store of blobs promises, whichever store it is.

A blob is named by the 32-byte digest and the size that the chain carries; the CID follows from both, since the size
decides whether the digest is of one raw block or of a dag-pb tree (``dapp.crypto.cid``). The size also lets a reader
refuse before it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from dapp.crypto.cid import cid_v1, digest
from dapp.errors import BlobError
from dapp.types import Digest


@dataclass(frozen=True, slots=True)
class Blob:
    """The name of some bytes.

    Attributes:
        digest: 32-byte sha2-256 multihash digest of the CIDv1 root.
        size: length of the content in bytes.
    """

    digest: Digest
    size: int

    @property
    def cid(self) -> str:
        """CIDv1 in base32, as any IPFS node prints it."""
        return cid_v1(self.digest, self.size)


class BlobStore(Protocol):
    """Keeps blobs, and gives back the very bytes that a digest and a size name or none at all."""

    def put(self, data: bytes) -> Blob:
        """Keeps `data`, pinned, and returns its name. Putting the same bytes again changes nothing.

        Raises:
            StoreFull: the store cannot be written to; nothing of the blob is left behind.
            StoreUnavailable: a store elsewhere does not answer.
        """
        ...

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """The blob's bytes, checked against its digest.

        Args:
            cap: the most bytes the caller is ready to read.

        Raises:
            BlobError: `size` is over `cap` (nothing is read), or the store holds other bytes under this name.
            BlobUnavailable: the store does not have the blob.
        """
        ...

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the store holds the blob; its bytes are checked by `get` only.

        Raises:
            StoreUnavailable: a store elsewhere does not answer.
        """
        ...

    def pin(self, digest: Digest, size: int) -> None:
        """Keeps a blob that the store has until it is unpinned.

        Raises:
            BlobUnavailable: the store does not have the blob.
            StoreFull: the pin cannot be written.
        """
        ...

    def unpin(self, digest: Digest, size: int) -> None:
        """Lets the store drop the blob when it next collects. A blob that is not pinned stays so."""
        ...


def check_request(size: int, cap: int) -> None:
    """Refuses a read that could exceed what the caller is ready to take.

    Raises:
        BlobError: `size` is negative or over `cap`.
    """
    if not 0 <= size <= cap:
        raise BlobError(
            f"a blob of {size:,} bytes was announced where at most {cap:,} are accepted",
            help="Nothing was read. Whoever announced this size breaks the task's terms.",
        )


def check_content(data: bytes, expected: Digest, size: int) -> None:
    """Refuses bytes that are not the blob named by `expected` and `size`.

    Raises:
        BlobError: wrong length or wrong digest.
    """
    if len(data) != size:
        given = f"more than {size:,}" if len(data) > size else f"only {len(data):,}"
        raise BlobError(
            f"blob {cid_v1(expected, size)} has {given} bytes where {size:,} were promised",
            help="The copy in the store is truncated or padded; fetch it from another store.",
        )
    if digest(data) != expected:
        raise BlobError(
            f"the bytes under {cid_v1(expected, size)} hash to another digest",
            help="The copy in the store is damaged or forged; fetch it from another store.",
        )


@dataclass(frozen=True, slots=True)
class Transfers:
    """Bytes that one role moved.

    Attributes:
        sent: bytes handed to `put`.
        received: bytes that `get` gave back.
    """

    sent: int = 0
    received: int = 0


class MeteredStore:
    """A store as one role uses it, with the bytes that the role sent and received counted."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._transfers = Transfers()
        self._counting = Lock()

    @property
    def transfers(self) -> Transfers:
        """Bytes sent and received so far; a refused or failed call counts nothing."""
        return self._transfers

    def put(self, data: bytes) -> Blob:
        """See `BlobStore.put`."""
        blob = self._store.put(data)
        with self._counting:
            self._transfers = Transfers(self._transfers.sent + len(data), self._transfers.received)
        return blob

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`."""
        data = self._store.get(digest, size, cap=cap)
        with self._counting:
            self._transfers = Transfers(self._transfers.sent, self._transfers.received + len(data))
        return data

    def has(self, digest: Digest, size: int) -> bool:
        """See `BlobStore.has`."""
        return self._store.has(digest, size)

    def pin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.pin`."""
        self._store.pin(digest, size)

    def unpin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.unpin`."""
        self._store.unpin(digest, size)
