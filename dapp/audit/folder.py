"""A run's folder, as an auditor finds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dapp.chain.facts import ChainFacts, import_events
from dapp.errors import BlobError
from dapp.storage import BlobStore, EmbeddedStore

EVENTS = "events.jsonl"
STORE = "store"
MODEL = "model.safetensors"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a run left: the chain's facts, the blobs, and the model that it gives out (None where it gives none)."""

    facts: ChainFacts
    store: BlobStore
    model: bytes | None


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
