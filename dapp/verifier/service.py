"""A verifier's own process: staked once, drawn by lot for any task, it votes on what it recomputed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dapp.chain.keys import checksummed
from dapp.compute import Serial
from dapp.errors import SettingsError
from dapp.protocol.enums import MemberState
from dapp.protocol.events import TaskCreated
from dapp.runtime.joining import facts_of
from dapp.runtime.node import Node
from dapp.runtime.service import Service
from dapp.storage import MeteredStore
from dapp.verifier.node import verifier_node


def serve(service: Service) -> None:
    """Runs a verifier for every task, or for the one that its settings name, until it is stopped or that is over.

    Raises:
        SettingsError: the key is no member of the registry, and the settings do not say that it shall join.
        ContractError: it cannot join.
        CairnError: it cannot go on.
    """
    enlist(service)

    def join(created: TaskCreated) -> list[Node[Any]]:
        facts = facts_of(service.contracts, service.store, created)
        store = MeteredStore(service.store)
        return [verifier_node(service.settings.name, facts, service.account, service.client, service.contracts, store)]

    service.run(join, Serial(), many=True)


def leave(service: Service) -> None:
    """Leaves the registry; called again after the cool-down, takes the stake out, and what was earned.

    Raises:
        SettingsError: the key is no member.
        ContractError: the stake is bound still.
    """
    registry, me, name = service.contracts.verification, service.account.address, service.settings.name
    member = registry.member_of(me)
    if not member.stake:
        raise SettingsError(f"{checksummed(me)} is no member of the registry", help="There is nothing to leave.")
    if member.state != MemberState.LEAVING:
        service.client.send(service.account, registry.leave())
        until = datetime.fromtimestamp(registry.member_of(me).leaving_at).astimezone().isoformat(" ", "minutes")
        service.said(name, f"leaves the registry; its stake is bound until {until}: ask again then")
        return
    service.client.send(service.account, registry.withdraw_stake_for(me))
    service.client.send(service.account, service.contracts.escrow.withdraw_for(me))
    service.said(name, f"has left the registry, and has {service.client.balance(me) / 10**18:g} ether")


def enlist(service: Service) -> None:
    """Sees to it that the key is a member of the registry."""
    registry, me, name = service.contracts.verification, service.account.address, service.settings.name
    member = registry.member_of(me)
    if member.stake:
        service.said(name, f"is a member of the registry, with {member.stake / 10**18:g} ether at stake")
        return
    stake = registry.immutable("STAKE")
    if not service.settings.verifier.join:
        raise SettingsError(
            f"{checksummed(me)} is no member of the registry, so the lot never falls on it",
            help=f"Set verifier.join = true to stake {stake / 10**18:g} ether and join.",
        )
    service.client.send(service.account, registry.join(stake))
    service.said(name, f"joined the registry with {stake / 10**18:g} ether at stake; it can be drawn after a while")
