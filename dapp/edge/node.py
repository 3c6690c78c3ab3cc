"""An edge server, and a watcher of what edges add up, wired to chain and store."""

from __future__ import annotations

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.keys import Account
from dapp.protocol import edge, watcher
from dapp.protocol.edge import EdgeState
from dapp.protocol.machine import Facts
from dapp.protocol.view import View
from dapp.protocol.watcher import WatcherState
from dapp.runtime.node import Node
from dapp.storage import MeteredStore


def edge_node(
    name: str,
    facts: Facts,
    account: Account,
    client: Client,
    contracts: Contracts,
    store: MeteredStore,
    *,
    turn: int = 0,
    wait_for: int = 0,
) -> Node[EdgeState]:
    """An edge with its place in the line of edges (``turn``), and the devices it waits for before the first round."""
    state = EdgeState(
        facts=facts,
        view=View(facts.task_id),
        me=account.address,
        salt_secret=account.private_key,
        turn=turn,
        wait_for=wait_for,
    )
    return Node("edge", name, edge.step, state, account, client, contracts, store)


def watcher_node(
    name: str,
    facts: Facts,
    account: Account,
    client: Client,
    contracts: Contracts,
    store: MeteredStore,
    *,
    turn: int = 0,
) -> Node[WatcherState]:
    """Somebody who watches edges: it adds up for itself, and proves on chain which candidates are wrong. ``turn`` is
    its place in the line of watchers."""
    state = WatcherState(facts=facts, view=View(facts.task_id), me=account.address, turn=turn)
    return Node("watcher", name, watcher.step, state, account, client, contracts, store)
