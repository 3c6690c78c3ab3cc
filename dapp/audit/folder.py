"""A run, as an auditor finds it: in a folder, or on a live chain and in a live store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dapp.audit.live import Live
from dapp.chain.facts import ChainFacts, export_events, import_events
from dapp.errors import BlobError, StoreFull
from dapp.storage import Blob, BlobStore, EmbeddedStore
from dapp.types import Digest

EVENTS = "events.jsonl"
STORE = "store"
MODEL = "model.safetensors"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a run left: the chain's facts, the blobs, and the model that it gives out (None where it gives none).

    Attributes:
        live: the chain itself, where it can be asked.
    """

    facts: ChainFacts
    store: BlobStore
    model: bytes | None
    live: Live | None = None


def read_run(folder: Path) -> RunFolder:
    """Reads ``events.jsonl`` and the store of a run. Of report.json nothing is believed, and nothing read.

    Raises:
        BlobError: this is no run's folder, or one whose events cannot be read.
        AuditError: a line of the events contradicts itself or another.
    """
    for name in (EVENTS, STORE):
        if not (folder / name).exists():
            raise BlobError(
                f"{folder} is not the folder of a run: it has no {name}",
                help="Name a folder that `cairn demo` or `cairn run` wrote, such as runs/demo.",
            )
    facts = import_events(folder / EVENTS)
    model = folder / MODEL
    try:
        content = model.read_bytes() if model.exists() else None
    except OSError as error:
        raise BlobError(f"{model} cannot be read: {error.strerror}", help="Check the run's folder.") from error
    return RunFolder(facts, EmbeddedStore(folder / STORE), content)


def read_chain(live: Live, store: BlobStore, folder: Path, said: Callable[[int, int], None]) -> RunFolder:
    """Reads what a live chain says, up to the block of ``live``, into ``events.jsonl`` of a folder; blobs stay in their
    store.

    Args:
        said: is told how many of how many blocks are read.

    Raises:
        Unreachable, ChainError: the chain does not answer, or not what it must.
        StoreFull: the folder cannot be written.
    """
    path = folder / EVENTS
    try:
        export_events(live.client, live.contracts.deployment, path, to_block=live.header.number, said=said)
    except OSError as error:
        raise StoreFull(f"{path} cannot be written: {error.strerror}", help="Free some space.") from error
    return RunFolder(import_events(path), store, None, live)


class Keeping:
    """A store whose every blob that is read is also kept in another, so that what was read can be audited without it.

    Args:
        store: is read.
        kept: keeps.
    """

    def __init__(self, store: BlobStore, kept: BlobStore) -> None:
        self._store, self._kept = store, kept

    def put(self, data: bytes) -> Blob:
        """See `BlobStore.put`."""
        return self._store.put(data)

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`. What was read once is not asked for again."""
        if self._kept.has(digest, size):
            return self._kept.get(digest, size, cap=cap)
        data = self._store.get(digest, size, cap=cap)
        self._kept.put(data)
        return data

    def has(self, digest: Digest, size: int) -> bool:
        """See `BlobStore.has`."""
        return self._kept.has(digest, size) or self._store.has(digest, size)

    def pin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.pin`."""
        self._store.pin(digest, size)

    def unpin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.unpin`."""
        self._store.unpin(digest, size)
