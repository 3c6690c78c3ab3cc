"""Fees stay under their cap, and what blocks pass over is offered again for more: the same call, the same nonce."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from chain.rpc import forward, serve
from real_nodes import program

from dapp.chain import Account, Client
from dapp.chain.contracts import Call
from dapp.chain.development import mine
from dapp.chain.keys import SignedTransaction, Transaction
from dapp.chain.network import GWEI, Network
from dapp.chain.node import FeesTooHigh, NotMined
from dapp.chain.web3_node import Web3Node
from dapp.errors import ChainError
from dapp.runtime import programs
from dapp.runtime.programs import Running
from dapp.types import Address, Wei

ETHER = 10**18
GIFT = Call("Ether", "gift", b"\x11" * 20, b"", 1)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    program("anvil")
    with programs.start_anvil(tmp_path_factory.mktemp("anvil")) as running:
        yield running


@pytest.fixture
def waiting(chain: Running) -> Iterator[Web3Node]:
    """A chain that mines only when it is told to, at one gwei per gas."""
    node = Web3Node.connect([chain.url])
    node.ask("evm_setAutomine", False)
    yield node
    node.ask("anvil_dropAllTransactions")
    node.ask("evm_setAutomine", True)


def sending(chain: Running, network: Network, account: Account, pool: ThreadPoolExecutor) -> Future[object]:
    """A transaction in another thread."""
    return pool.submit(Client(Web3Node.connect([chain.url], network)).send, account, GIFT)


def rich(node: Web3Node) -> Account:
    account = Account(os.urandom(32))
    node.ask("anvil_setBalance", f"0x{account.address.hex()}", hex(ETHER))
    return account


def pooled(node: Web3Node, account: Account) -> list[Transaction]:
    """What the pool holds of a sender."""
    content = node.ask("txpool_content")
    ours = f"0x{account.address.hex()}"
    held = [
        each for part in content.values() for name, of in part.items() if name.lower() == ours for each in of.values()
    ]
    return [
        Transaction(
            chain_id=int(each["chainId"], 16),
            nonce=int(each["nonce"], 16),
            max_priority_fee=Wei(int(each["maxPriorityFeePerGas"], 16)),
            max_fee=Wei(int(each["maxFeePerGas"], 16)),
            gas=int(each["gas"], 16),
            to=bytes.fromhex(each["to"][2:]),
            value=Wei(int(each["value"], 16)),
            data=bytes.fromhex(each["input"][2:]),
        )
        for each in held
    ]


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def block_at(node: Web3Node, base_fee: int) -> None:
    """A block whose gas costs this much."""
    node.ask("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    mine(node)


def test_a_base_fee_ten_times_as_high_is_followed_under_the_same_nonce(chain: Running, waiting: Web3Node) -> None:
    account, base, most = rich(waiting), 10 * GWEI, Wei(300 * GWEI)
    block_at(waiting, base)
    network = Network(max_fee=most, reprice_after=2, patience=40)
    offered: list[Transaction] = []
    with ThreadPoolExecutor(1) as pool:
        result = sending(chain, network, account, pool)
        until(lambda: pooled(waiting, account))
        for _ in range(40):
            offered += [each for each in pooled(waiting, account) if each not in offered]
            if result.done():
                break
            block_at(waiting, 10 * base)
            time.sleep(0.6)
        receipt = result.result(timeout=1)
    mined = SignedTransaction.from_raw(waiting.mined(receipt.tx_hash).raw).transaction  # type: ignore[attr-defined]
    assert len(offered) >= 2, "it was offered again"
    assert {(each.nonce, each.to, each.value, each.data, each.gas) for each in offered} == {
        (0, GIFT.to, 1, b"", mined.gas)
    }
    for before, after in pairwise(offered):
        assert 8 * after.max_fee >= 9 * before.max_fee
        assert 8 * after.max_priority_fee >= 9 * before.max_priority_fee
    assert 10 * base <= mined.max_fee <= most
    assert waiting.nonce(account.address) == 1


@pytest.mark.parametrize("falls", [False, True], ids=["it stays dear", "it gets cheaper"])
def test_the_cap_is_never_passed_and_reaching_it_is_told(
    chain: Running,
    waiting: Web3Node,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    falls: bool,
) -> None:
    monkeypatch.setattr("dapp.chain.web3_node.RESEND_AFTER", 0.5)  # anvil forgets what is too cheap for a block
    account, base, most = rich(waiting), 10 * GWEI, Wei(40 * GWEI)
    block_at(waiting, base)
    offered: list[Transaction] = []

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            offered.append(SignedTransaction.from_raw(bytes.fromhex(params[0][2:])).transaction)
        return forward(chain.url, method, params)

    with serve(answer) as proxy, ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING, "dapp.chain"):
        network = Network(max_fee=most, reprice_after=1, patience=6)
        client = Client(Web3Node.connect([proxy.url], network))
        result = pool.submit(client.send, account, GIFT)
        until(lambda: pooled(waiting, account))
        for count in itertools.count():
            if result.done():
                break
            block_at(waiting, base if falls and count > 8 else 10 * base)
            time.sleep(0.3)
        if falls:
            receipt = result.result()
        else:
            with pytest.raises(ChainError, match=r"is not mined after 6 s: it offers .* over the cap of 40") as caught:
                result.result()
            assert isinstance(caught.value.__cause__, NotMined)
    assert len(offered) > 1
    assert max(each.max_fee for each in offered) <= most
    assert len({(each.nonce, each.to, each.value, each.data) for each in offered}) == 1
    assert len([record for record in caplog.records if "the cap is 40" in record.getMessage()]) == 1
    if falls:
        assert waiting.mined(receipt.tx_hash).ok
        assert waiting.nonce(account.address) == 1


def test_a_chain_dearer_than_the_cap_is_not_sent_to(chain: Running, waiting: Web3Node) -> None:
    account = rich(waiting)
    block_at(waiting, 100 * GWEI)
    client = Client(Web3Node.connect([chain.url], Network(max_fee=Wei(50 * GWEI))))
    with pytest.raises(ChainError, match="asks for 100 gwei per gas, the cap is 50") as caught:
        client.send(account, GIFT)
    assert isinstance(caught.value.__cause__, FeesTooHigh)
    assert not pooled(waiting, account)
    block_at(waiting, GWEI)


def test_a_node_that_loses_its_pool_is_offered_the_transaction_again(
    chain: Running, waiting: Web3Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapp.chain.web3_node.RESEND_AFTER", 0.5)
    account = rich(waiting)
    with ThreadPoolExecutor(1) as pool:
        result = sending(chain, Network(patience=20), account, pool)
        until(lambda: pooled(waiting, account))
        waiting.ask("anvil_dropAllTransactions")
        assert not pooled(waiting, account)
        until(lambda: pooled(waiting, account))
        mine(waiting)
        result.result(timeout=10)
    assert waiting.nonce(account.address) == 1


def test_a_nonce_that_another_sender_took_is_noticed_and_the_call_sent_under_the_next(
    chain: Running, waiting: Web3Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapp.chain.web3_node.RESEND_AFTER", 0.5)
    account, target = rich(waiting), Address(os.urandom(20))
    with ThreadPoolExecutor(1) as pool:
        result = sending(chain, Network(patience=20), account, pool)
        until(lambda: pooled(waiting, account))
        (ours,) = pooled(waiting, account)
        dearer = Transaction(
            ours.chain_id, 0, Wei(3 * ours.max_priority_fee), Wei(3 * ours.max_fee), 21_000, target, Wei(5), b""
        )
        waiting.ask("eth_sendRawTransaction", f"0x{account.sign(dearer).hex()}")
        mine(waiting)
        assert waiting.balance(target) == 5
        until(lambda: pooled(waiting, account))
        mine(waiting)
        result.result(timeout=10)
    assert waiting.nonce(account.address) == 2


def test_what_does_not_get_mined_in_time_is_told_with_what_to_look_at(chain: Running, waiting: Web3Node) -> None:
    account = rich(waiting)
    client = Client(Web3Node.connect([chain.url], Network(patience=1)))
    with pytest.raises(ChainError, match=r"is not mined after 1 s: nonce 0, .* gwei per gas") as caught:
        client.send(account, GIFT)
    assert "whether the chain makes blocks" in caught.value.help
