"""Makes everything that a run needs: chain, contracts, key, task, cohort, registry, and a node for every role."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.deploy import deploy
from dapp.chain.keys import Account
from dapp.compute import Executor
from dapp.crypto import merkle
from dapp.crypto.paillier import MIN_BITS
from dapp.crypto.threshold import KeyShare
from dapp.crypto.typed_data import Enrolment, Ticket, learning_domain
from dapp.device.node import device_node, holder_node
from dapp.device.training import Split, Training
from dapp.edge.node import edge_node, watcher_node
from dapp.errors import SettingsError
from dapp.learning.strategy import Strategy, strategy
from dapp.learning.vectors import weights_of
from dapp.protocol.enums import Phase
from dapp.protocol.events import TaskCreated
from dapp.protocol.keys import key_blob, read_key
from dapp.protocol.machine import Facts
from dapp.protocol.records import SignedEnrolment
from dapp.protocol.work import FormAggregate, OpenSum
from dapp.requester import dealer
from dapp.requester.creation import GWEI, create_task, parameters_of, terms_of
from dapp.requester.model import first_model
from dapp.runtime.clock import Clock
from dapp.runtime.node import Node
from dapp.settings import Settings
from dapp.simulation import faults, measure
from dapp.simulation.ground import Place, embedded
from dapp.storage import BlobStore, MeteredStore
from dapp.types import Address
from dapp.verifier.node import verifier_node

ENROL_BATCH = 32


@dataclass(frozen=True, slots=True)
class People:
    """Every key of a run, by role. Devices hold no ether."""

    requester: Account
    admission: Account
    devices: tuple[Account, ...]
    edges: tuple[Account, ...]
    verifiers: tuple[Account, ...]
    watchers: tuple[Account, ...]

    @classmethod
    def fresh(cls, settings: Settings, watchers: int) -> People:
        """Keys that nobody else knows."""

        def some(count: int) -> tuple[Account, ...]:
            return tuple(Account(secrets.token_bytes(32)) for _ in range(count))

        requester, admission = some(2)
        counts = settings.devices, settings.edges, settings.verifiers, watchers
        return cls(requester, admission, *map(some, counts))

    @property
    def spending(self) -> tuple[Account, ...]:
        """Those who send transactions of their own."""
        return (self.requester, *self.edges, *self.verifiers, *self.watchers)

    def names(self) -> dict[Address, str]:
        """What a report calls whom."""
        named = {self.requester.address: "requester", self.admission.address: "admission"}
        for role in ("device", "edge", "verifier", "watcher"):
            for i, account in enumerate(getattr(self, f"{role}s")):
                named[account.address] = f"{role} {i}"
        return named


@dataclass(frozen=True, slots=True)
class World:
    """All that a run consists of."""

    settings: Settings
    people: People
    client: Client
    contracts: Contracts
    clock: Clock
    store: BlobStore
    facts: Facts
    split: Split
    strategy: Strategy
    first_model: bytes
    samples: tuple[int, ...]
    task_created: TaskCreated
    nodes: tuple[Node[Any], ...]

    def nodes_of(self, role: str) -> tuple[Node[Any], ...]:
        """The nodes of one role."""
        return tuple(node for node in self.nodes if node.role == role)


def build(
    settings: Settings,
    folder: Path,
    project: Path,
    primes: Sequence[Future[int]],
    executor: Executor,
    scenario: faults.Scenario,
    said: Callable[[str], None],
    *,
    place: Place = embedded,
    min_key_bits: int = 2048,
) -> World:
    """Builds a run's world up to, and not with, its first round.

    Args:
        place: prepares chain and store.
        project: the folder that ``file.py:Name`` settings are looked up in.
        primes: two safe primes of half the key's bits that somebody is looking for.
        said: is told each step.

    Raises:
        LearningError: model, data or partition cannot be used.
        SettingsError: the cohort does not fit the terms.
        ChainError: the contracts refused.
    """
    split = Split.of(settings, project)
    counts = executor.submit(measure.sample_counts, split)
    model = executor.submit(first_model, split)

    said("preparing chain and store, deploying the contracts")
    people = People.fresh(settings, watchers=int(scenario.watch))
    ground = place(folder, [a.address for a in people.spending])
    client, clock, store = ground.client, ground.clock, ground.store
    parameters = parameters_of(settings, min_key_bits=min_key_bits)
    contracts = deploy(client, people.requester, parameters)

    said("loading model and data")
    samples = counts.result()
    first = model.result()

    said(f"dealing a {settings.key.bits}-bit key, {settings.threshold} of {settings.holders}")
    key, shares = dealer.deal([prime.result() for prime in primes], settings.threshold, settings.holders)

    said("creating the task, enrolling the cohort")
    rule = strategy(settings.learning.strategy, **settings.learning.strategy_changes())
    published = key_blob(key)
    put = [store.put(blob) for blob in (rule.canonical(), first, published)]
    holders = [device.address for device in people.devices[: settings.holders]]
    terms = terms_of(settings, rule, people.admission.address, holders, put, len(weights_of(first)))
    created = create_task(client, contracts, people.requester, terms)
    facts = Facts(
        chain_id=client.chain_id,
        learning=contracts.deployment.learning,
        mining=contracts.deployment.mining,
        verification=contracts.deployment.verification,
        task_id=created.task_id,
        terms=terms,
        key=read_key(published, allow_small=min_key_bits < MIN_BITS),
    )
    _seat_registry(client, contracts, clock, people, settings, parameters.activation_delay)
    _enrol(client, contracts, people, facts, _weights(settings, samples))
    nodes = _nodes(settings, people, client, contracts, store, facts, split, rule, shares, scenario)
    return World(
        settings=settings,
        people=people,
        client=client,
        contracts=contracts,
        clock=clock,
        store=store,
        facts=facts,
        split=split,
        strategy=rule,
        first_model=first,
        samples=samples,
        task_created=created,
        nodes=nodes,
    )


def _weights(settings: Settings, samples: Sequence[int]) -> list[int]:
    """s_k: a device's samples, at most the cap."""
    weights = [min(count, settings.encoding.weight_cap) for count in samples]
    if sum(weights) > settings.encoding.max_weight:
        raise SettingsError(
            f"the cohort's weights add up to {sum(weights):,}, over encoding.max_weight = S_max = "
            f"{settings.encoding.max_weight:,}",
            help="raise encoding.max_weight, or lower encoding.weight_cap or learning.samples_per_device",
        )
    return weights


def _enrol(client: Client, contracts: Contracts, people: People, facts: Facts, weights: Sequence[int]) -> None:
    """Devices sign, the first edge relays: no device needs ether."""
    domain = learning_domain(facts.chain_id, facts.learning)
    deadline = client.head().timestamp + 24 * 3600
    signed = []
    for device, weight in zip(people.devices, weights, strict=True):
        ownership = sha256(b"data of " + device.address).digest()
        enrolment = Enrolment(facts.task_id, device.address, weight, ownership, deadline)
        ticket = people.admission.sign_digest(Ticket(facts.task_id, device.address).signing_hash(domain))
        signature = device.sign_digest(enrolment.signing_hash(domain))
        signed.append(SignedEnrolment(device.address, weight, ownership, deadline, ticket, signature))
    for start in range(0, len(signed), ENROL_BATCH):
        batch = signed[start : start + ENROL_BATCH]
        client.send(people.edges[0], contracts.learning.enrol_by_sig(facts.task_id, batch))


def _seat_registry(
    client: Client, contracts: Contracts, clock: Clock, people: People, settings: Settings, delay: int
) -> None:
    for verifier in people.verifiers:
        client.send(verifier, contracts.verification.join(settings.money.stake * GWEI))
    clock.advance_to(clock.now() + delay + 1)
    remaining = len(people.verifiers)
    while remaining > 0:
        client.send(people.verifiers[0], contracts.verification.promote(16))
        remaining -= 16


def _nodes(
    settings: Settings,
    people: People,
    client: Client,
    contracts: Contracts,
    store: BlobStore,
    facts: Facts,
    split: Split,
    rule: Strategy,
    shares: Sequence[KeyShare],
    scenario: faults.Scenario,
) -> tuple[Node[Any], ...]:
    """A node for every role, in the order of their turns, with the scenario's faults built in."""
    leaves = [merkle.holder_leaf(i, a.address) for i, a in enumerate(people.devices[: settings.holders])]
    edges = [
        edge_node(
            f"edge {i}",
            facts,
            account,
            client,
            contracts,
            MeteredStore(store),
            turn=i,
            wait_for=settings.devices,
        )
        for i, account in enumerate(people.edges)
    ]
    devices, keepers = [], []
    for i, account in enumerate(people.devices):
        metered = MeteredStore(store)
        training = Training(facts, rule, split, i)
        devices.append(device_node(f"device {i}", facts, training, account, client, contracts, metered, edges))
        if i < settings.holders:
            name, branch = f"holder {i}", merkle.branch(leaves, i)
            keepers.append(holder_node(name, facts, i, shares[i], branch, account, client, contracts, metered, edges))
    verifiers = [
        verifier_node(f"verifier {i}", facts, account, client, contracts, MeteredStore(store))
        for i, account in enumerate(people.verifiers)
    ]
    watchers = [
        watcher_node(f"watcher {i}", facts, account, client, contracts, MeteredStore(store), turn=i)
        for i, account in enumerate(people.watchers)
    ]
    _apply(scenario, settings, devices, keepers, edges, verifiers)
    return (*devices, *keepers, *edges, *watchers, *verifiers)


def _apply(
    scenario: faults.Scenario,
    settings: Settings,
    devices: Sequence[Node[Any]],
    holders: Sequence[Node[Any]],
    edges: Sequence[Node[Any]],
    verifiers: Sequence[Node[Any]],
) -> None:
    """Who misbehaves: devices and holders from the end of the list, edge 0, device 1, the last verifier."""
    if scenario.drop:
        if scenario.drop > settings.devices - settings.cohort.min_devices:
            raise SettingsError(
                f"{scenario.drop} of {settings.devices} devices cannot vanish",
                help=f"at least {settings.cohort.min_devices} must stay for a sum to be opened",
            )
        gone = {f"{i}" for i in range(settings.devices - scenario.drop, settings.devices)}
        for node in (*devices, *holders):
            if node.name.rpartition(" ")[2] in gone:
                node.wrap(lambda step: faults.vanishing(step, 1, Phase.PUBLISH))
        staying = [node for node in holders if node.name.rpartition(" ")[2] not in gone]
        staying[-1].wrap(lambda step: faults.vanishing(step, 1, Phase.PUBLISH))
        verifiers[-1].wrap(lambda step: faults.vanishing(step, 0, Phase.COMMIT))
    match scenario.cheat:
        case "edge":
            edges[0].wrap(lambda step: faults.lying(step, FormAggregate, faults.wrong_sum))
        case "opener":
            edges[0].wrap(lambda step: faults.lying(step, OpenSum, faults.wrong_opening))
        case "device":
            devices[1].wrap(lambda step: faults.copying(step, 0))
