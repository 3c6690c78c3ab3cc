"""Where a run takes place: on the embedded chain and store, or on a network's chain and an IPFS node."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dapp.chain.client import Client
from dapp.chain.devnet import Devnet
from dapp.chain.keys import Account
from dapp.chain.network import Network
from dapp.runtime.clock import Clock, DevnetClock, clock_of
from dapp.storage import Blob, BlobStore, EmbeddedStore, open_store
from dapp.types import Address, Digest, Wei

ETHER = 10**18
ALLOWANCE = Wei(100 * ETHER)
"""What each of those who need ether is given on a network's chain."""
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


class Copied:
    """A store whose every new blob is also kept in the run's folder, so that the folder can be audited alone."""

    def __init__(self, store: BlobStore, copies: BlobStore) -> None:
        self._store, self._copies = store, copies

    def put(self, data: bytes) -> Blob:
        """See `BlobStore.put`."""
        self._copies.put(data)
        return self._store.put(data)

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`."""
        return self._store.get(digest, size, cap=cap)

    def has(self, digest: Digest, size: int) -> bool:
        """See `BlobStore.has`."""
        return self._store.has(digest, size)

    def pin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.pin`."""
        self._store.pin(digest, size)

    def unpin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.unpin`."""
        self._store.unpin(digest, size)


def network(
    chain: Sequence[str] = (),
    stores: Sequence[str] = (),
    *,
    giver: Account | None = None,
    settings: Network | None = None,
) -> Place:
    """A network's chain, behind these addresses of its nodes, and IPFS nodes; what is not named is the embedded one.

    Args:
        giver: a key with ether, for all who need some; on a development chain by default the node's own account.

    The place raises:
        Unreachable: nobody answers there.
        ChainError: nobody gives ether away.
    """

    def place(folder: Path, funded: Sequence[Address]) -> Ground:
        if chain:
            client, clock = _chain(chain, funded, giver, settings)
        else:
            ground = embedded(folder, funded)
            client, clock = ground.client, ground.clock
        copies = EmbeddedStore(folder / STORE)
        return Ground(client, clock, Copied(open_store(*stores), copies) if stores else copies)

    return place


def _chain(
    urls: Sequence[str], funded: Sequence[Address], giver: Account | None, settings: Network | None
) -> tuple[Client, Clock]:
    from dapp.chain.development import fund
    from dapp.chain.web3_node import Web3Node

    node = Web3Node.connect(urls, settings)
    client, heart = Client(node), Account(secrets.token_bytes(32))
    fund(client, [*funded, heart.address], ALLOWANCE, giver)
    return client, clock_of(client, node, heart)
