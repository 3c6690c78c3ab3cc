"""Ordering a task: what a dealer, a publisher and a payer do, in an order in which nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from dapp import compute
from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.costs import cost, demand
from dapp.chain.errors import ContractError
from dapp.chain.keys import Account
from dapp.chain.node import OutOfFunds
from dapp.crypto.cid import digest
from dapp.device.share_file import ShareFile, shares_of
from dapp.device.training import Split
from dapp.errors import KeyFileError, SettingsError
from dapp.learning.strategy import Strategy, strategy
from dapp.learning.vectors import weights_of
from dapp.protocol import terms as t
from dapp.protocol.keys import key_blob
from dapp.requester import dealer
from dapp.requester.creation import cost_of, create_task, task_id_of, terms_of
from dapp.requester.model import first_model
from dapp.settings import Settings
from dapp.storage import Blob, BlobStore
from dapp.types import Address, TaskId

GAS = 500_000
"""What the creation of a task takes, and some more (tests/gas)."""


@dataclass(frozen=True, slots=True)
class Order:
    """A task that somebody wants.

    Args:
        settings: its terms.
        strategy: the rule of its local updates.
        model: its first model, a file's bytes.
        admission: whose tickets admit devices.
        holders: who will hold which share of the key.
        shares: the folder that the share files go to; one per holder, handed to it by the requester.
    """

    settings: Settings
    strategy: Strategy
    model: bytes
    admission: Address
    holders: tuple[Address, ...]
    shares: Path

    @classmethod
    def of(
        cls, settings: Settings, project: Path, admission: Address, holders: Sequence[Address], shares: Path
    ) -> Order:
        """Loads model and data, and checks that they go together.

        Raises:
            LearningError: they do not.
            KeyFileError: a share file is there already.
        """
        order = cls(
            settings,
            strategy(settings.learning.strategy, **settings.learning.strategy_changes()),
            first_model(Split.of(settings, project)),
            admission,
            tuple(holders),
            shares,
        )
        for index in range(len(holders)):
            if order.share_path(index).exists():
                raise KeyFileError(
                    f"{order.share_path(index)} is there already: nothing was ordered", help="Choose another --shares."
                )
        return order

    def share_path(self, index: int) -> Path:
        """Where holder ``index`` finds its share."""
        return self.shares / f"share-{index}.json"

    def terms(self, key: Blob) -> t.Terms:
        """The task's terms, once the key is known."""
        blobs = [*(Blob(digest(data), len(data)) for data in (self.strategy.canonical(), self.model)), key]
        parameters = len(weights_of(self.model))
        return terms_of(self.settings, self.strategy, self.admission, self.holders, blobs, parameters)


def place(
    order: Order,
    client: Client,
    contracts: Contracts,
    requester: Account,
    store: BlobStore,
    said: Callable[[str], None],
    agreed: Callable[[str], bool],
) -> TaskId | None:
    """Asks the chain whether it would take the task; publishes, deals the key, writes the share files, and pays last.

    Args:
        said: is told each step.
        agreed: is told the price; None is returned where it says no.

    Raises:
        ContractError: the contract refuses the terms.
        OutOfFunds: the requester has too little; says how much is needed.
        KeyFileError: a share file cannot be written.
        CairnError: a store or the chain failed. The share files stay where the task may have been created.
    """
    _demand_windows(order.settings, contracts)
    likely = order.terms(Blob(digest(b"a key"), len(b"a key")))
    price = cost(client, GAS, cost_of(likely))
    demand(client, requester.address, price, "the task")
    client.read(contracts.learning.create_task(likely, cost_of(likely)), requester.address)
    if not agreed(str(price)):
        return None

    said("publishing strategy and first model")
    for data in (order.strategy.canonical(), order.model):
        store.put(data)
    bits = order.settings.key.bits
    said(f"looking for two safe primes of {bits // 2} bits")
    with compute.create(min(2, order.settings.workers)) as executor:
        primes: list[Future[int]] = [executor.submit(dealer.find_prime, bits // 2) for _ in range(2)]
        key, shares = dealer.deal([prime.result() for prime in primes], order.settings.threshold, len(order.holders))

    said("publishing the key")
    terms = order.terms(store.put(key_blob(key)))

    learning = contracts.deployment.learning
    nonce = contracts.learning.nonce_of(requester.address)
    task_id = task_id_of(client.chain_id, learning, requester.address, nonce)
    said(f"writing {len(shares)} key shares into {order.shares}")
    files = shares_of(client.chain_id, task_id, order.holders, shares)
    _write(order, files)

    said("creating the task")
    try:
        created = create_task(client, contracts, requester, terms)
    except (ContractError, OutOfFunds):  # there is no task, and never will be one with this key
        for file in files:
            order.share_path(file.index).unlink()
        raise
    assert created.task_id == task_id, "another task of this requester came between, although its key was held"
    return created.task_id


def _demand_windows(settings: Settings, contracts: Contracts) -> None:
    least = contracts.learning.immutable("MIN_WINDOW")
    windows = settings.windows
    for name in ("commit", "publish", "seal", "open", "share", "opening", "contest", "commit_vote", "reveal_vote"):
        if getattr(windows, name) < least:
            raise SettingsError(
                f"windows.{name} is {getattr(windows, name)} s, but these contracts take no window under {least} s",
                help="Lengthen it, or deploy contracts for it with `cairn deploy --pace fast` or --min-window.",
            )


def _write(order: Order, files: Sequence[ShareFile]) -> None:
    try:
        order.shares.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(
            f"{order.shares} cannot be made: {error.strerror}", help="Choose another --shares."
        ) from None
    written: list[Path] = []
    try:
        for file in files:
            file.write(order.share_path(file.index))
            written.append(order.share_path(file.index))
    except BaseException:  # no task was created: half a set is of no use
        for path in written:
            path.unlink()
        raise
