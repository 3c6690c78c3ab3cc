"""Networks that fail: reading comes to its end without a gap and without anything twice, sending happens once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from chain.rpc import Http, Refused, forward, serve
from chain.world import ETHER, PARAMETERS

from dapp.chain import Account, Client, Contracts
from dapp.chain.client import Receipt
from dapp.chain.deploy import deploy
from dapp.chain.development import fund
from dapp.chain.network import Network
from dapp.chain.node import Unreachable
from dapp.chain.web3_node import Web3Node
from dapp.protocol.events import Event
from dapp.runtime.programs import Running
from dapp.types import Wei

PATIENT = Network(timeout=0.4, tries=12, patience=60)


@pytest.fixture(params=["geth", "anvil"])
def chain(request: pytest.FixtureRequest) -> Running:
    return request.getfixturevalue(request.param)


@pytest.fixture
def sender(chain: Running) -> Account:
    account = Account(os.urandom(32))
    fund(Client(Web3Node.connect([chain.url])), [account.address], Wei(100 * ETHER))
    return account


@pytest.fixture
def contracts(chain: Running, sender: Account) -> Contracts:
    return deploy(Client(Web3Node.connect([chain.url])), sender, PARAMETERS)


def chaos(seed: int) -> Callable[[], None]:
    """A fifth of all requests fails, a twentieth is never answered in time."""
    random, lock = Random(seed), threading.Lock()

    def before() -> None:
        with lock:
            luck = random.random()
        if luck < 0.2:
            raise Http(*random.choice([(500,), (502,), (503, {"Retry-After": "0"}), (200, {}, b"<html>")]))
        if luck < 0.25:
            time.sleep(2 * PATIENT.timeout)

    return before


def read_on(client: Client, contracts: Contracts, until: int) -> list[Event]:
    """Reads as a role does, in small steps, until a block is read."""
    mine = Contracts(client, contracts.deployment)
    events: list[Event] = []
    read_to = contracts.deployment.block - 1
    while read_to < until:
        head = min(client.head().number, read_to + 2)
        events += mine.events(read_to + 1, head)
        read_to = max(read_to, head)
    return events


@pytest.mark.parametrize("seed", range(3))
def test_reading_through_chaos_has_no_gap_and_nothing_twice(
    chain: Running, contracts: Contracts, sender: Account, seed: int
) -> None:
    writer = Client(Web3Node.connect([chain.url]))
    for _ in range(40):
        writer.send(sender, contracts.escrow.fund(os.urandom(32), 1))
    head = writer.head().number
    expected = Contracts(writer, contracts.deployment).events(contracts.deployment.block, head)
    assert len(expected) >= 40

    def answer(method: str, params: list[Any]) -> Any:
        return forward(chain.url, method, params)

    with serve(answer, chaos(seed)) as first, serve(answer, chaos(seed + 100)) as second:
        client = Client(Web3Node.connect([first.url, second.url], PATIENT))
        assert read_on(client, contracts, head) == expected
        assert first.requests
        assert second.requests, "the second stood in for the first"


def test_sending_through_chaos_happens_once(chain: Running, contracts: Contracts, sender: Account) -> None:
    def answer(method: str, params: list[Any]) -> Any:
        return forward(chain.url, method, params)

    pot = os.urandom(32)
    with serve(answer, chaos(7)) as only:
        client = Client(Web3Node.connect([only.url], PATIENT))
        for _ in range(8):
            client.send(sender, contracts.escrow.fund(pot, 1))
    assert contracts.escrow.pot_of(pot) == 8


def test_an_answer_that_is_lost_after_the_node_took_the_transaction_is_no_second_one(
    chain: Running, contracts: Contracts, sender: Account
) -> None:
    lost = 0

    def answer(method: str, params: list[Any]) -> Any:
        nonlocal lost
        result = forward(chain.url, method, params)
        if method == "eth_sendRawTransaction" and not lost:
            lost += 1
            raise Http(502)
        return result

    pot = os.urandom(32)
    with serve(answer) as only:
        client = Client(Web3Node.connect([only.url], PATIENT))
        receipt = client.send(sender, contracts.escrow.fund(pot, 1))
    assert isinstance(receipt, Receipt)
    assert lost == 1
    assert contracts.escrow.pot_of(pot) == 1


@pytest.mark.parametrize("stale_first", [True, False])
def test_an_address_that_fell_behind_hides_nothing(
    chain: Running, contracts: Contracts, sender: Account, stale_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapp.chain.web3_node.STALE_AFTER", 0.5)
    writer = Client(Web3Node.connect([chain.url]))
    frozen = writer.head().number

    def stale(method: str, params: list[Any]) -> Any:
        """What a node says that has seen no block since."""
        if method == "eth_blockNumber":
            return hex(frozen)
        if method == "eth_getBlockByNumber":
            number = frozen if params[0] == "latest" else int(params[0], 16)
            return None if number > frozen else forward(chain.url, method, [hex(number), params[1]])
        if method == "eth_getLogs":
            to_block = min(int(params[0]["toBlock"], 16), frozen)
            if to_block < int(params[0]["fromBlock"], 16):
                return []
            return forward(chain.url, method, [params[0] | {"toBlock": hex(to_block)}])
        return forward(chain.url, method, params)

    def fresh(method: str, params: list[Any]) -> Any:
        return forward(chain.url, method, params)

    with serve(stale) as behind, serve(fresh, chaos(11)) as ahead:
        urls = [behind.url, ahead.url] if stale_first else [ahead.url, behind.url]
        client = Client(Web3Node.connect(urls, PATIENT))
        client.head()
        for _ in range(12):
            writer.send(sender, contracts.escrow.fund(os.urandom(32), 1))
        head = writer.head().number
        expected = Contracts(writer, contracts.deployment).events(contracts.deployment.block, head)
        heads = []
        deadline = time.monotonic() + 60
        while not heads or heads[-1] < head:
            assert time.monotonic() < deadline, "the stale address is believed for ever"
            heads.append(client.head().number)
        assert heads == sorted(heads), "time does not go back"
        assert read_on(client, contracts, head) == expected


def test_a_range_that_a_provider_refuses_is_read_in_halves(
    chain: Running, contracts: Contracts, sender: Account
) -> None:
    writer = Client(Web3Node.connect([chain.url]))
    for _ in range(20):
        writer.send(sender, contracts.escrow.fund(os.urandom(32), 1))
    head = writer.head().number
    expected = Contracts(writer, contracts.deployment).events(contracts.deployment.block, head)

    def answer(method: str, params: list[Any]) -> Any:
        result = forward(chain.url, method, params)
        if method == "eth_getLogs" and len(result) > 4:
            raise Refused("query returned more than 4 results", -32005)
        return result

    with serve(answer) as strict:
        client = Client(Web3Node.connect([strict.url], PATIENT))
        assert Contracts(client, contracts.deployment).events(contracts.deployment.block, head) == expected
        assert len(strict.requests) < 40


def test_a_node_that_comes_back_while_a_transaction_is_waited_for_is_waited_for(
    chain: Running, contracts: Contracts, sender: Account
) -> None:
    gone_until = 0.0

    def before() -> None:
        if time.monotonic() < gone_until:
            raise Http(502)

    def answer(method: str, params: list[Any]) -> Any:
        nonlocal gone_until
        result = forward(chain.url, method, params)
        if method == "eth_sendRawTransaction":
            gone_until = time.monotonic() + 3
        return result

    pot = os.urandom(32)
    network = Network(timeout=1, tries=2, patience=30)
    with serve(answer, before) as only:
        client = Client(Web3Node.connect([only.url], network))
        started = time.monotonic()
        client.send(sender, contracts.escrow.fund(pot, 1))
        assert time.monotonic() - started > 2
        assert contracts.escrow.pot_of(pot) == 1
        gone_until = time.monotonic() + 600
        with pytest.raises(Unreachable, match="answered HTTP 502"):
            client.head()


def test_a_node_that_has_just_started_is_waited_for_until_it_has_indexed_its_transactions(
    chain: Running, contracts: Contracts, sender: Account
) -> None:
    indexed_at = time.monotonic() + 3

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_getTransactionReceipt" and time.monotonic() < indexed_at:
            raise Refused("transaction indexing is in progress")
        return forward(chain.url, method, params)

    pot = os.urandom(32)
    with serve(answer) as young:
        client = Client(Web3Node.connect([young.url], Network(tries=2, patience=30)))
        client.send(sender, contracts.escrow.fund(pot, 1))
    assert time.monotonic() >= indexed_at
    assert contracts.escrow.pot_of(pot) == 1
