"""A device's own process, a key holder's, or both in one: trains, commits, attests and shares from its own folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from dapp.chain.keys import checksummed
from dapp.chain.light import Light, check_round, check_task
from dapp.chain.node import Block
from dapp.chain.web3_node import Web3Node
from dapp.compute import Serial
from dapp.device.node import device_node, holder_node
from dapp.device.share_file import ShareFile
from dapp.device.training import Split, Training, parts
from dapp.errors import ChainError, KeyFileError, Rejected, SettingsError
from dapp.learning import strategy
from dapp.protocol.blobs import BlobRef
from dapp.protocol.device import Application, DeviceState
from dapp.protocol.events import TaskCreated
from dapp.protocol.machine import Facts
from dapp.relay.client import DoorClient
from dapp.relay.courier import Courier
from dapp.relay.wire import Place
from dapp.runtime.daemon import Daemon
from dapp.runtime.joining import facts_of
from dapp.runtime.node import Node, Told
from dapp.runtime.service import Service
from dapp.storage import MeteredStore
from dapp.types import Wei

MODEL = "model.safetensors"
POSTING = Wei(10**15)
"""Ether with which a device can post its own messages where no door does, in wei: about three of them at 2 gwei."""
MOST_STRATEGY_BYTES = 64 * 1024
"""No strategy is longer, whatever the terms say."""
PARTS = 8
"""An edge has an eighth of the shortest window to bring a message to the chain, before the next door is tried."""


def serve(service: Service, *, device: bool) -> None:
    """Runs a device, with the key share that its settings name, or a holder alone, until its task is over.

    Raises:
        CairnError: it cannot take part; says why.
    """
    couriers: list[Courier] = []
    witness = Witness(service)
    model = ModelFile(service.folder / MODEL, witness)

    def join(created: TaskCreated) -> list[Node[Any]]:
        facts = facts_of(service.contracts, service.store, created)
        witness.check_task(facts)
        courier = _courier(service, facts)
        nodes = _nodes(service, facts, courier, device)
        couriers.append(courier)
        return nodes

    def before(daemon: Daemon, head: Block) -> None:
        for node in daemon.nodes[:1]:  # device and holder see the same task
            for courier in couriers:
                courier.remind(node.state.view, head.timestamp)
            model.follow(node)

    def done(node: Node[Any]) -> bool:
        pending = any(courier.pending for courier in couriers)
        return bool(node.state.view.ended) and not pending and model.is_up_to_date(node)

    try:
        service.run(join, Serial(), many=False, before=before, done=done)
    finally:
        for courier in couriers:
            courier.close()


def _courier(service: Service, facts: Facts) -> Courier:
    """The way to the chain: the doors that the settings name, and the own account where it has ether."""
    place = Place.of(facts)
    doors = [DoorClient(url, place) for url in service.settings.doors]
    own = service.post if service.client.balance(service.account.address) >= POSTING else None
    if not doors and own is None:
        raise SettingsError(
            f"nobody brings to the chain what {checksummed(service.account.address)} signs: "
            "there is no door, and no ether",
            help="Set device.doors to the doors of edges, or send this address some ether.",
        )
    for door in doors:
        try:
            terms = door.check_terms(facts.task_id)
        except Rejected as error:
            service.said("doors", f"{error}")
        else:
            edge = checksummed(terms.edge)
            service.said("doors", f"{door.url} is edge {edge}'s, takes blobs of {terms.max_blob_bytes:,} bytes")
    windows = facts.terms.windows
    patience = max(2, min(windows.commit, windows.publish, windows.share) // PARTS)
    return Courier(doors, patience=patience, own=own, told=partial(service.said, service.settings.name))


def _nodes(service: Service, facts: Facts, courier: Courier, device: bool) -> list[Node[Any]]:
    settings, store = service.settings, MeteredStore(service.store)
    common = service.account, service.client, service.contracts, store, (courier,)
    nodes: list[Node[Any]] = []
    if device:
        training, samples = _training(service, facts)
        weight = settings.device.weight or min(samples, facts.terms.cohort.weight_cap)
        ownership = sha256(b"data of " + service.account.address).digest()
        application = None if settings.ticket is None else Application(weight, ownership, settings.ticket)
        nodes.append(device_node(settings.name, facts, training, *common, application))
        service.said(settings.name, f"has {samples:,} samples, weighs {weight:,}")
    if settings.device.share:
        file = ShareFile.read(Path(settings.device.share))
        file.check(facts.chain_id, facts.task_id, facts.terms.key.holders_root, service.account.address)
        name = f"{settings.name}'s share" if device else settings.name
        nodes.append(holder_node(name, facts, file.index, file.share, file.branch, *common))
        service.said(name, f"holds share {file.index} of {facts.key.holders}, {facts.key.threshold} open a sum")
    elif not device:
        raise KeyFileError("a holder has no share", help="Set device.share to the file that it was dealt.")
    return nodes


def _training(service: Service, facts: Facts) -> tuple[Training, int]:
    """What the device learns from, by the task's rule, and how many samples that is."""
    own, learning = service.settings.device, facts.terms.learning
    rule = strategy.parse(service.store.get(learning.strategy_digest, learning.strategy_size, cap=MOST_STRATEGY_BYTES))
    split = Split(
        model=own.model,
        data=own.data,
        folder=str(service.folder),
        partition=own.partition,
        options=tuple(own.partition_options.given().items()),
        devices=own.parts,
        samples_per_device=own.samples,
        seed=own.seed,
    )
    return Training(facts, rule, split, own.part), len(parts(split)[own.part])


class Witness:
    """Checks against the state of the chain itself what its events told: the terms, and what a round came to.

    Where the chain's nodes serve no proofs it says so, once; a proof that contradicts the events ends the process.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._light: Light | None = None
        if isinstance(service.client.node, Web3Node):
            self._light = Light.connect(service.settings.chains, service.client.node.network)

    def check_task(self, facts: Facts) -> None:
        """The task's terms are in the chain's state.

        Raises:
            AuditError: the chain holds other terms.
        """
        self._ask(lambda light: self._said_of(light, facts))

    def check_round(self, facts: Facts, number: int, result: BlobRef) -> None:
        """The round's result is in the chain's state.

        Raises:
            AuditError: the chain holds another result.
        """
        self._ask(lambda light: check_round(light, self._service.contracts.deployment, facts.task_id, number, result))

    def _said_of(self, light: Light, facts: Facts) -> None:
        proven = check_task(light, self._service.contracts.deployment, facts.task_id, facts.terms)
        self._service.said("proofs", f"the task's terms are in the state of block {proven.header.number:,}")
        self._service.said("proofs", proven.header.trust)

    def _ask(self, question: Callable[[Light], object]) -> None:
        if self._light is None:
            return
        try:
            question(self._light)
        except ChainError as error:
            self._service.said("proofs", f"the chain's nodes are trusted from here on: {error}")
            self._light = None


class ModelFile:
    """Where a device's user finds the model that it took up last, once the chain's state is seen to hold it."""

    def __init__(self, path: Path, witness: Witness) -> None:
        self._path, self._witness = path, witness
        self._followed = -1

    def follow(self, node: Node[Any]) -> None:
        """Looks at the round that the device took up last: of a gradient there is nothing to write.

        Raises:
            AuditError: the chain holds another result.
        """
        if self.is_up_to_date(node):
            return
        state: DeviceState = node.state
        round_ = state.view.rounds[state.taken_up]
        assert round_.result is not None, "what was taken up is a result"
        self._witness.check_round(state.facts, round_.number, round_.result)
        if round_.result == state.model:
            data = node.fetch((state.model,))[state.model]
            if data is None:
                return
            self._path.write_bytes(data)
            node.told.append(
                Told(("model", round_.number), f"took up the model of round {round_.number}: {self._path}")
            )
        self._followed = state.taken_up

    def is_up_to_date(self, node: Node[Any]) -> bool:
        """Whether nothing was taken up since."""
        return not isinstance(node.state, DeviceState) or node.state.taken_up == self._followed
