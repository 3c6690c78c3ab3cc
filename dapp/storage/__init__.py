"""Blobs under true IPFS CIDs: the `BlobStore` that every role talks to, and the embedded store of one machine."""

from dapp.storage.blobs import Blob, BlobStore, MeteredStore, Transfers
from dapp.storage.embedded import EmbeddedStore

__all__ = ["Blob", "BlobStore", "EmbeddedStore", "MeteredStore", "Transfers"]
