"""An edge's own process: its door, its sums, its chores; or one that only watches the sums of others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from dapp import compute
from dapp.chain.keys import Account
from dapp.chain.node import Block
from dapp.edge.node import edge_node, watcher_node
from dapp.errors import Rejected, Retryable
from dapp.protocol.blobs import BlobRef
from dapp.protocol.edge import EdgeState
from dapp.protocol.effects import Handed
from dapp.protocol.events import TaskCreated
from dapp.protocol.relayed import named_on_chain, refusal
from dapp.relay.server import DoorServer
from dapp.relay.wire import DoorTerms, Place
from dapp.runtime.daemon import Daemon
from dapp.runtime.joining import facts_of
from dapp.runtime.node import Node
from dapp.runtime.service import Service
from dapp.storage import MeteredStore


def serve(service: Service, *, heart: Account | None = None, only_watch: bool = False) -> None:
    """Runs an edge until it is stopped, or, where its settings name a task, until that is over and everybody is paid.

    Args:
        heart: a key set aside for heartbeats, on a development chain that mines only what it is sent.
        only_watch: opens no door and forms no sums; proves a wrong one wrong.

    Raises:
        DoorBlocked: the door's port is in use.
        CairnError: it cannot go on.
    """
    settings, desk = service.settings, Desk()

    def join(created: TaskCreated) -> list[Node[Any]]:
        if settings.task is None and not only_watch:
            demand_pay(created, settings.edge.least_bounty)
        facts = facts_of(service.contracts, service.store, created)
        own, store = settings.edge, MeteredStore(service.store)
        common = facts, service.account, service.client, service.contracts, store
        nodes: list[Node[Any]] = []
        if not only_watch:
            nodes.append(edge_node(settings.name, *common, turn=own.turn, wait_for=own.wait_for))
        if only_watch or own.watch:
            nodes.append(watcher_node(f"{settings.name}'s watch", *common, turn=own.turn))
        return nodes

    def before(daemon: Daemon, head: Block) -> None:
        desk.nodes = tuple(node for node in daemon.nodes if isinstance(node.state, EdgeState))
        if door is not None:
            tasks = tuple(node.state.facts.task_id for node in desk.nodes)
            if door.terms.tasks != tasks:
                door.terms = replace(door.terms, tasks=tasks)

    door = None if only_watch or not settings.edge.door else _door(service, desk)
    with door or nullcontext(), compute.create(settings.workers) as executor:
        if door is not None:
            service.said(settings.name, f"its door is at {door.url}")
        service.run(join, executor, many=True, before=before, beat=_beat(service, heart), done=_done)


def demand_pay(created: TaskCreated, least_bounty: int) -> None:
    """Anybody may order a task, and a round that pays for no chore costs whoever does them.

    Args:
        least_bounty: gwei.

    Raises:
        Rejected: the terms pay less for a chore.
    """
    bounty = created.terms.money.bounty / 10**9
    if bounty < least_bounty:
        raise Rejected(
            f"its bounty is {bounty:,.0f} gwei, and this edge does no chore for less than {least_bounty:,}",
            help="Name the task in the settings to serve it all the same, or lower edge.least_bounty.",
        )


class Desk:
    """What the door asks of the edge's nodes, which turn in another thread: their states are values that stay."""

    def __init__(self) -> None:
        self.nodes: tuple[Node[Any], ...] = ()

    def take(self, handed: Handed) -> None:
        """Puts a message in line.

        Raises:
            Rejected: it is not of a task that is served, not signed by whom it names, or too late.
            Retryable: no task was joined yet.
        """
        if not self.nodes:
            raise Retryable("this edge has joined no task yet", help="Try again in a moment.")
        reasons = []
        for node in self.nodes:
            reason = refusal(node.state.facts, node.state.view, handed)
            if reason is None:
                node.give(handed)
                return
            reasons.append(reason)
        raise Rejected("; ".join(reasons))

    def named(self, blob: BlobRef) -> bool:
        """Whether the chain names a blob, as far as these nodes see it."""
        return any(blob in named_on_chain(node.state.view) for node in self.nodes)


def _door(service: Service, desk: Desk) -> DoorServer:
    deployment, own = service.contracts.deployment, service.settings.edge
    host, _, port = own.door.rpartition(":")
    terms = DoorTerms(
        place=Place(deployment.chain_id, deployment.learning, deployment.mining, deployment.verification),
        edge=service.account.address,
        tasks=(),
        max_blob_bytes=own.max_blob_bytes,
        requests_per_minute=own.requests_per_minute,
        bytes_per_minute=own.bytes_per_minute,
    )
    return DoorServer(host.strip("[]"), int(port), terms=terms, take=desk.take, named=desk.named, store=service.store)


def _beat(service: Service, heart: Account | None) -> Callable[[], object] | None:
    """What moves an idle development chain, where this edge was told to: a heartbeat, or a mined block."""
    if heart is None:
        return None
    from dapp.chain import development
    from dapp.chain.web3_node import Web3Node

    node, client = service.client.node, service.client
    if not isinstance(node, Web3Node):
        return None
    can = development.capabilities(node)
    if can.mines_alone:
        service.said(service.settings.name, "the chain mines by itself: no heartbeat is needed")
        return None
    if can.travels:
        return lambda: development.mine(node)
    return lambda: development.heartbeat(client, heart)


def _done(node: Node[Any]) -> bool:
    """The task is over, and nobody's credit waits to be sent."""
    view = node.state.view
    return bool(view.ended) and not any(view.credits.values())
