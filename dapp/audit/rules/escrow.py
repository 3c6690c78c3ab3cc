"""What `Escrow` must answer to each call of a person's."""

from __future__ import annotations

from collections.abc import Iterator

from dapp.audit.rules.registry import rule
from dapp.audit.world import Call, World, address
from dapp.protocol import events as ev
from dapp.types import Address, Wei


@rule("Escrow.fund")
def fund(world: World, call: Call) -> Iterator[ev.Event]:
    yield world.fund(call.args[0], call.sender, call.value)


@rule("Escrow.withdraw")
def withdraw(world: World, call: Call) -> Iterator[ev.Event]:
    yield _withdrawn(world, call.sender, call.sender)


@rule("Escrow.withdrawTo")
def withdraw_to(world: World, call: Call) -> Iterator[ev.Event]:
    yield _withdrawn(world, call.sender, address(call.args[0]))


@rule("Escrow.withdrawFor")
def withdraw_for(world: World, call: Call) -> Iterator[ev.Event]:
    owner = address(call.args[0])
    yield _withdrawn(world, owner, owner)


def _withdrawn(world: World, owner: Address, to: Address) -> ev.Event:
    amount = world.credits[owner]
    world.require(amount > 0, f"nothing was owed to 0x{owner.hex()}")
    return ev.Withdrawn(owner, to, Wei(amount), contract=world.deployment.escrow)
