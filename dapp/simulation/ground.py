"""Where a run takes place: on the embedded chain and store, or on a network's chain and an IPFS node."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dapp.chain.client import Client
from dapp.chain.devnet import Devnet
from dapp.runtime.clock import Clock, DevnetClock
from dapp.storage import BlobStore, EmbeddedStore
from dapp.types import Address, Wei

ETHER = 10**18
STORE = "store"


@dataclass(frozen=True, slots=True)
class Ground:
    """A chain on which those who need ether have some, its clock, and the store of the run's blobs."""

    client: Client
    clock: Clock
    store: BlobStore


Place = Callable[[Path, Sequence[Address]], Ground]
"""Prepares the ground of the run in a folder, for these who need ether."""


def embedded(folder: Path, funded: Sequence[Address]) -> Ground:
    """A chain in this process, and a store in the run's folder."""
    devnet = Devnet({address: Wei(1000 * ETHER) for address in funded}, seed=secrets.token_bytes(32))
    return Ground(Client(devnet), DevnetClock(devnet), EmbeddedStore(folder / STORE))
