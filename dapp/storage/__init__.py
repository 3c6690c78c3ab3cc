"""Blobs under true IPFS CIDs: the `BlobStore` that every role talks to, in a folder or on kubo nodes."""

from dapp.storage.blobs import Blob, BlobStore, MeteredStore, Transfers
from dapp.storage.embedded import EmbeddedStore
from dapp.storage.several import Stores, open_store

__all__ = ["Blob", "BlobStore", "EmbeddedStore", "MeteredStore", "Stores", "Transfers", "open_store"]
