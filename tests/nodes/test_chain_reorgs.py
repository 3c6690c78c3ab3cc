"""A chain that is rolled back: what has its confirmations is read once and stays; what has not is never built upon."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from chain.world import ETHER, PARAMETERS
from real_nodes import program

from dapp.chain import Account, Client, Contracts
from dapp.chain.deploy import deploy
from dapp.chain.development import fund, mine
from dapp.chain.network import Network
from dapp.chain.node import RolledBack
from dapp.chain.web3_node import Web3Node
from dapp.protocol.events import Event
from dapp.runtime import programs
from dapp.runtime.programs import Running
from dapp.types import Wei


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    program("anvil")
    with programs.start_anvil(tmp_path_factory.mktemp("anvil")) as running:
        yield running


@pytest.fixture(scope="module")
def sender(chain: Running) -> Account:
    account = Account(os.urandom(32))
    fund(Client(Web3Node.connect([chain.url])), [account.address], Wei(1_000 * ETHER))
    return account


@pytest.fixture(scope="module")
def contracts(chain: Running, sender: Account) -> Contracts:
    return deploy(Client(Web3Node.connect([chain.url])), sender, PARAMETERS)


def reorganise(node: Web3Node, depth: int) -> None:
    """Replaces the last blocks by empty ones."""
    node.ask("anvil_reorg", depth, [])


class Reader:
    """Reads as a role does: up to the head, each block once."""

    def __init__(self, chain: Running, contracts: Contracts, network: Network) -> None:
        self.client = Client(Web3Node.connect([chain.url], network))
        self.contracts = Contracts(self.client, contracts.deployment)
        self.events: list[Event] = []
        self.read_to = contracts.deployment.block - 1

    def read(self) -> None:
        head = self.client.head().number
        self.events += self.contracts.events(self.read_to + 1, head)
        self.read_to = max(self.read_to, head)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_has_its_confirmations_is_read_once_and_stays(
    chain: Running, contracts: Contracts, sender: Account, depth: int
) -> None:
    writer = Client(Web3Node.connect([chain.url]))
    node = writer.node
    assert isinstance(node, Web3Node)
    reader = Reader(chain, contracts, Network(confirmations=3))
    for _ in range(4):
        for _ in range(4):
            writer.send(sender, contracts.escrow.fund(os.urandom(32), 1))
            reader.read()
        reorganise(node, depth)
        reader.read()
    mine(node, 3)
    reader.read()
    settled = Contracts(Client(Web3Node.connect([chain.url])), contracts.deployment)
    assert reader.events == settled.events(contracts.deployment.block, reader.read_to)
    assert len(reader.events) >= 16 - 4 * depth


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("grown", [0, 1, 5])
def test_a_block_that_was_read_and_is_gone_is_noticed(
    chain: Running, contracts: Contracts, sender: Account, depth: int, grown: int
) -> None:
    writer = Client(Web3Node.connect([chain.url]))
    node = writer.node
    assert isinstance(node, Web3Node)
    reader = Reader(chain, contracts, Network())
    for _ in range(3):
        writer.send(sender, contracts.escrow.fund(os.urandom(32), 1))
    reader.read()
    reorganise(node, depth)
    mine(node, grown)
    with pytest.raises(RolledBack, match=r"block \d+ was read, and is no longer part of the chain") as caught:
        reader.read()
    assert "confirmations in a role's settings" in caught.value.help


def test_a_rollback_between_the_head_and_its_logs_is_noticed(
    chain: Running, contracts: Contracts, sender: Account
) -> None:
    writer = Client(Web3Node.connect([chain.url]))
    node = writer.node
    assert isinstance(node, Web3Node)
    for _ in range(3):
        writer.send(sender, contracts.escrow.fund(os.urandom(32), 1))
    reader = Reader(chain, contracts, Network())
    head = reader.client.head().number
    reorganise(node, 2)
    with pytest.raises(RolledBack):
        reader.contracts.events(head - 5, head)


def test_the_head_is_as_far_behind_as_the_settings_say(chain: Running) -> None:
    newest = Web3Node.connect([chain.url])
    mine(newest, 5)
    number = newest.head().number
    assert Web3Node.connect([chain.url], Network(confirmations=4)).head().number == number - 4
    assert Web3Node.connect([chain.url], Network(confirmations=10**6)).head().number == 0
    final = Web3Node.connect([chain.url], Network(finalized=True)).head().number
    assert final == int(newest.ask("eth_getBlockByNumber", "finalized", False)["number"], 16) <= number
