"""A staked verifier, wired to chain and store."""

from __future__ import annotations

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.keys import Account
from dapp.protocol import verifier
from dapp.protocol.machine import Facts
from dapp.protocol.verifier import VerifierState
from dapp.protocol.view import View
from dapp.runtime.node import Node
from dapp.storage import MeteredStore


def verifier_node(
    name: str, facts: Facts, account: Account, client: Client, contracts: Contracts, store: MeteredStore
) -> Node[VerifierState]:
    """A verifier that votes whenever the lot falls on it."""
    state = VerifierState(facts=facts, view=View(facts.task_id), me=account.address, salt_secret=account.private_key)
    return Node("verifier", name, verifier.step, state, account, client, contracts, store)
