"""Several stores as one: whoever of them still has the bytes, has them for us."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dapp.crypto.cid import cid_v1
from dapp.errors import BlobError, BlobUnavailable, CairnError, Retryable, SettingsError, StoreFull, StoreUnavailable
from dapp.storage.blobs import Blob, BlobStore, check_request
from dapp.storage.embedded import EmbeddedStore
from dapp.types import Digest

T = TypeVar("T")


def open_store(*places: str | Path) -> BlobStore:
    """The store at a place, or several stores as one.

    Args:
        places: each the URL of a kubo node's RPC (``http://…``, ``https://…``) or a folder, which is made.

    Raises:
        SettingsError: no place, or a URL that is not one.
        StoreFull: a folder cannot be made.
    """
    if not places:
        raise SettingsError("no store is named", help="Name the URL of a kubo node, or a folder.")
    stores = [_open(str(place)) for place in places]
    return stores[0] if len(stores) == 1 else Stores(stores)


def _open(place: str) -> BlobStore:
    if "://" not in place:
        return EmbeddedStore(Path(place))
    from dapp.storage.kubo import KuboStore  # the client and its libraries load only where a node is used

    return KuboStore(place)


class Stores:
    """A `BlobStore` over several: all are written to, and the first that gives the right bytes is read.

    Args:
        stores: in order of preference.
        report: told about every store that gave other bytes or failed while another one served; the ``dapp.storage``
            log by default.
    """

    def __init__(self, stores: Sequence[BlobStore], report: Callable[[str], None] | None = None) -> None:
        self._stores = tuple(stores)
        self._report = report or logging.getLogger("dapp.storage").warning

    def put(self, data: bytes) -> Blob:
        """See `BlobStore.put`: one store that takes the blob is enough, and every one is given it.

        Raises:
            StoreUnavailable: none took it, but one may do so later.
        """
        taken, failures = self._each(lambda store: store.put(data))
        if not taken:
            raise _gathered("no store took the blob", failures)
        return taken[0]

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`: stores that hold the blob come first; one that gives other bytes is passed over.

        Raises:
            BlobUnavailable: no store gave the blob; says what each answered.
        """
        check_request(size, cap)
        failures: list[CairnError] = []
        for store in sorted(self._stores, key=lambda store: not _holds(store, digest, size)):
            try:
                data = store.get(digest, size, cap=cap)
            except (BlobError, BlobUnavailable) as error:
                failures.append(error)
                continue
            self._tell(failures)
            return data
        reasons = "; ".join(map(str, failures))
        raise BlobUnavailable(
            f"none of {len(self._stores)} stores gives blob {cid_v1(digest, size)}: {reasons}",
            help="Ask whoever published it to do so again, or add a store that has it.",
        ) from failures[0]

    def has(self, digest: Digest, size: int) -> bool:
        """See `BlobStore.has`: whether any of them does."""
        return any(_holds(store, digest, size) for store in self._stores)

    def pin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.pin`: one store that pins it is enough, and every one is asked to."""
        done, failures = self._each(lambda store: store.pin(digest, size))
        if not done:
            raise _gathered(f"no store pins blob {cid_v1(digest, size)}", failures)

    def unpin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.unpin`."""
        done, failures = self._each(lambda store: store.unpin(digest, size))
        if not done:
            raise _gathered(f"no store lets go of blob {cid_v1(digest, size)}", failures)

    def _each(self, act: Callable[[BlobStore], T]) -> tuple[list[T], list[CairnError]]:
        """What every store answers, and what fails; told at once where some store did its part."""
        results: list[T] = []
        failures: list[CairnError] = []
        for store in self._stores:
            try:
                results.append(act(store))
            except (BlobError, BlobUnavailable, StoreFull) as error:
                failures.append(error)
        if results:
            self._tell(failures)
        return results, failures

    def _tell(self, failures: Sequence[CairnError]) -> None:
        for failure in failures:
            self._report(f"{failure}; another store served instead")


def _holds(store: BlobStore, digest: Digest, size: int) -> bool:
    try:
        return store.has(digest, size)
    except StoreUnavailable:
        return False


def _gathered(what: str, failures: Sequence[CairnError]) -> CairnError:
    """One error for those of all stores, of the kind that has most hope in it."""
    first = next((failure for failure in failures if isinstance(failure, Retryable)), failures[0])
    return type(first)(f"{what}: {'; '.join(map(str, failures))}", help=first.help)
