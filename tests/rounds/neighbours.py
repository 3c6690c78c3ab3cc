"""Two tasks on one deployment, in turns: two requesters with devices of their own, the same edges and verifiers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stage import PROJECT, Stage, primes, small

from dapp.chain.client import Client
from dapp.chain.contracts import Call
from dapp.chain.facts import export_events
from dapp.chain.keys import Account
from dapp.compute import Serial
from dapp.device.training import Split
from dapp.learning.vectors import weights_of
from dapp.protocol.events import Event
from dapp.protocol.keys import key_blob
from dapp.protocol.view import View, apply
from dapp.requester import dealer
from dapp.requester.creation import create_task, terms_of
from dapp.requester.model import first_model
from dapp.runtime.loop import Loop
from dapp.simulation import measure
from dapp.simulation import world as worlds
from dapp.simulation.faults import Scenario
from dapp.simulation.ground import ETHER
from dapp.simulation.world import People, World
from dapp.types import Address


@dataclass
class Neighbours:
    """Both tasks; ``folder`` holds what an auditor is given."""

    first: World
    second: World
    views: tuple[View, View]
    folder: Path

    @classmethod
    def play(cls, folder: Path, *overrides: str, scenario: Scenario | None = None) -> Neighbours:
        """Turns everybody until both tasks have ended and nobody is owed anything, and writes the events.

        Args:
            scenario: of the first task.
        """
        first = Stage.build(folder, *overrides, scenario=scenario).world
        second = neighbour(first, *overrides)
        street = cls(first, second, (View(first.facts.task_id), View(second.facts.task_id)), folder)
        nodes = (*first.nodes, *second.nodes)
        loop = Loop(nodes, first.client, first.contracts, first.clock, Serial(), street.hear)
        while not all(view.ended and not any(view.credits.values()) for view in street.views):
            loop.turn()
        export_events(first.client, first.contracts.deployment, folder / "events.jsonl")
        return street

    def hear(self, events: list[Event]) -> None:
        """Folds new events into both views."""
        one, other = self.views
        for event in events:
            one, other = apply(one, event), apply(other, event)
        self.views = one, other

    @property
    def tasks(self) -> tuple[str, str]:
        """The ids of both tasks."""
        one, other = self.views
        return f"0x{one.task_id.hex()}", f"0x{other.task_id.hex()}"


def give(client: Client, giver: Account, to: Address) -> None:
    """Ten ether."""
    client.send(giver, Call("", "a gift", to, b"", 10 * ETHER))


def neighbour(world: World, *overrides: str) -> World:
    """Another requester's task on the deployment of a world, with the world's edges and verifiers."""
    settings, client, contracts, store = small(*overrides), world.client, world.contracts, world.store
    people = replace(People.fresh(settings, watchers=0), edges=world.people.edges, verifiers=world.people.verifiers)
    give(client, world.people.edges[0], people.requester.address)
    split = Split.of(settings, PROJECT)
    samples, first = measure.sample_counts(split), first_model(split)
    key, shares = dealer.deal([prime.result() for prime in primes(1)], settings.threshold, settings.holders)
    put = [store.put(blob) for blob in (world.strategy.canonical(), first, key_blob(key))]
    holders = [device.address for device in people.devices[: settings.holders]]
    terms = terms_of(settings, world.strategy, people.admission.address, holders, put, len(weights_of(first)))
    created = create_task(client, contracts, people.requester, terms)
    facts = replace(world.facts, task_id=created.task_id, terms=terms, key=key)
    worlds._enrol(client, contracts, people, facts, worlds._weights(settings, samples))
    nodes = worlds._nodes(settings, people, client, contracts, store, facts, split, world.strategy, shares, Scenario())
    return replace(
        world,
        settings=settings,
        people=people,
        facts=facts,
        split=split,
        first_model=first,
        samples=samples,
        task_created=created,
        nodes=nodes,
    )
