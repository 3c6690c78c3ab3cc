"""The contracts, the chain that they run on, and the keys that act on it. The only importer of an Ethereum library."""

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts, Deployment
from dapp.chain.keys import Account

__all__ = ["Account", "Client", "Contracts", "Deployment"]
