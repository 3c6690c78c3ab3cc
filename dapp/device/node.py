"""A device and its key share, wired to chain and store. Both roles run in the device's process, with one key."""

from __future__ import annotations

from collections.abc import Sequence

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.keys import Account
from dapp.crypto.threshold import KeyShare
from dapp.device.training import Training
from dapp.protocol import device, holder
from dapp.protocol.blobs import BlobRef
from dapp.protocol.device import Application, DeviceState
from dapp.protocol.holder import HolderState
from dapp.protocol.machine import Facts
from dapp.protocol.view import View
from dapp.runtime.node import Door, Node
from dapp.storage import MeteredStore


def device_node(
    name: str,
    facts: Facts,
    training: Training,
    account: Account,
    client: Client,
    contracts: Contracts,
    store: MeteredStore,
    doors: Sequence[Door],
    application: Application | None = None,
) -> Node[DeviceState]:
    """A device that begins from the task's first model, and enrols with ``application`` where it is not in yet."""
    learning = facts.terms.learning
    state = DeviceState(
        facts=facts,
        view=View(facts.task_id),
        me=account.address,
        training=training,
        application=application,
        model=BlobRef(learning.model_digest, learning.model_size),
    )
    return Node("device", name, device.step, state, account, client, contracts, store, doors)


def holder_node(
    name: str,
    facts: Facts,
    index: int,
    share: KeyShare,
    branch: tuple[bytes, ...],
    account: Account,
    client: Client,
    contracts: Contracts,
    store: MeteredStore,
    doors: Sequence[Door],
) -> Node[HolderState]:
    """The holder of key share ``index``, counted from 0; ``branch`` proves its place under the terms' holders."""
    state = HolderState(
        facts=facts, view=View(facts.task_id), me=account.address, index=index, share=share, branch=branch
    )
    return Node("holder", name, holder.step, state, account, client, contracts, store, doors)
