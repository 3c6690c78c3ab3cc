"""The same client on geth, anvil and ganache deploys, sends, reads and is refused as on the embedded chain."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from chain.rpc import forward, serve
from chain.world import ETHER, PARAMETERS
from eth_hash.auto import keccak
from web3 import Web3

from dapp.chain import Client, Contracts
from dapp.chain.client import Receipt
from dapp.chain.code import check_code
from dapp.chain.contracts import Deployment
from dapp.chain.deploy import check_wiring, deploy
from dapp.chain.development import capabilities, fund, heartbeat, mine, travel
from dapp.chain.errors import ContractError
from dapp.chain.facts import export_events, import_events
from dapp.chain.keys import Account, SignedTransaction
from dapp.chain.network import DEVELOPMENT_CHAINS, Network
from dapp.chain.node import OutOfFunds, WrongChain
from dapp.chain.web3_node import GAS_CAP, Web3Node
from dapp.errors import ChainError
from dapp.protocol.events import PotFunded
from dapp.runtime.programs import Running
from dapp.types import Wei

NETWORK = Network(patience=60)
CHAINS = ["anvil", "anvil_osaka", "ganache", "geth", "geth_seconds"]


@dataclass(frozen=True)
class Stage:
    """A deployment on a real node; ``new`` makes an account with ether."""

    running: Running
    client: Client
    contracts: Contracts
    new: Callable[[], Account]

    @property
    def node(self) -> Web3Node:
        node = self.client.node
        assert isinstance(node, Web3Node)
        return node


@pytest.fixture(scope="module", params=CHAINS)
def stage(request: pytest.FixtureRequest) -> Stage:
    running: Running = request.getfixturevalue(request.param)
    client = Client(Web3Node.connect([running.url], NETWORK))

    def new() -> Account:
        account = Account(os.urandom(32))
        fund(client, [account.address], Wei(20 * ETHER))
        return account

    return Stage(running, client, deploy(client, new(), PARAMETERS), new)


def test_a_deployment_is_ours_byte_for_byte_and_wired(stage: Stage) -> None:
    check_code(stage.client, stage.contracts)
    check_wiring(stage.contracts)


def test_a_transaction_reads_back_as_the_bytes_that_were_signed(stage: Stage) -> None:
    sender = stage.new()
    receipt = stage.client.send(sender, stage.contracts.escrow.fund(os.urandom(32), 7))
    mined = stage.node.mined(receipt.tx_hash)
    signed = SignedTransaction.from_raw(mined.raw)
    assert keccak(mined.raw) == receipt.tx_hash == signed.hash
    assert (signed.sender, signed.transaction.chain_id) == (sender.address, stage.running.chain_id)
    assert (mined.block, mined.timestamp, mined.gas_used) == (receipt.block, receipt.timestamp, receipt.gas_used)
    assert signed.transaction.gas <= GAS_CAP
    block = stage.node.ask("eth_getBlockByNumber", hex(receipt.block), False)
    assert keccak(stage.node.header(receipt.block)).hex() == block["hash"][2:]
    assert receipt.timestamp == int(block["timestamp"], 16)


def test_logs_are_the_receipts_events_whatever_the_range(stage: Stage) -> None:
    start = stage.client.head().number + 1
    sender = stage.new()
    sent = [stage.client.send(sender, stage.contracts.escrow.fund(os.urandom(32), 7)) for _ in range(3)]
    expected = [event for receipt in sent for event in receipt.events]
    head = stage.client.head().number
    assert stage.contracts.events(start, head) == expected
    assert [event for number in range(start, head + 1) for event in stage.contracts.events(number, number)] == expected
    assert stage.client.logs(start, head, [stage.contracts.mining.address]) == []


def test_calls_sent_together_are_refused_one_by_one(stage: Stage) -> None:
    first, second = stage.new(), stage.new()
    pot = os.urandom(32)
    fund_pot, withdraw = stage.contracts.escrow.fund(pot, 1), stage.contracts.escrow.withdraw()
    calls = [(first, fund_pot), (second, withdraw), (first, fund_pot), (second, fund_pot)]
    results = stage.client.send_all(calls)
    assert [type(result) for result in results] == [Receipt, ContractError, Receipt, Receipt]
    assert isinstance(results[1], ContractError)
    assert results[1].error == "EscrowNothingOwed"
    assert stage.contracts.escrow.pot_of(pot) == 3


def test_a_transaction_that_fails_in_its_block_says_why(stage: Stage) -> None:
    joiner = stage.new()
    join = stage.contracts.verification.join(PARAMETERS.stake)
    first, second = stage.client.send_all([(joiner, join), (joiner, join)])
    assert isinstance(first, Receipt)
    assert isinstance(second, ContractError)
    assert second.error == "VerificationAlreadyMember"


def test_who_has_too_little_ether_is_told_how_much_it_takes(stage: Stage) -> None:
    poor = Account(os.urandom(32))
    with pytest.raises(
        ChainError, match=r"Escrow\.fund by 0x\w{40} failed: 0x\w{40} has 0 ether, .* can be needed"
    ) as caught:
        stage.client.send(poor, stage.contracts.escrow.fund(os.urandom(32), ETHER))
    cause = caught.value.__cause__
    assert isinstance(cause, OutOfFunds)
    assert cause.has == 0
    assert cause.needed >= ETHER
    with pytest.raises(ChainError, match="has 0 ether"):
        stage.client.send(poor, stage.contracts.escrow.fund(os.urandom(32), 0))


def test_another_sender_with_the_same_key_is_recovered_from(stage: Stage) -> None:
    account, pot = stage.new(), os.urandom(32)
    other = Client(Web3Node.connect([stage.running.url], NETWORK))
    for _ in range(2):
        stage.client.send(account, stage.contracts.escrow.fund(pot, 1))
        other.send(account, stage.contracts.escrow.fund(pot, 1))
    assert stage.contracts.escrow.pot_of(pot) == 4


def test_a_raw_transaction_that_is_sent_again_happens_once(stage: Stage) -> None:
    account, pot = stage.new(), os.urandom(32)
    stage.client.send(account, stage.contracts.escrow.fund(pot, 1))  # ganache takes nonce 0 for none
    receipt = stage.client.send(account, stage.contracts.escrow.fund(pot, 1))
    (again,) = stage.node.send_all([stage.node.mined(receipt.tx_hash).raw])
    assert not isinstance(again, Exception)
    assert (again.hash, again.block) == (receipt.tx_hash, receipt.block)
    assert stage.contracts.escrow.pot_of(pot) == 2


def test_facts_are_exported_and_check_themselves(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("facts") / "events.jsonl"
    stage.client.send(stage.new(), stage.contracts.escrow.fund(os.urandom(32), 7))
    count = export_events(stage.client, stage.contracts.deployment, path)
    events = list(import_events(path).events())
    assert len(events) == count > 0
    assert events == stage.contracts.events(stage.contracts.deployment.block, stage.client.head().number)


def test_another_chain_id_than_the_settings_is_refused(stage: Stage) -> None:
    actual = stage.running.chain_id
    with pytest.raises(WrongChain, match=f"is on chain {actual}, the settings on chain 5"):
        Web3Node.connect([stage.running.url], Network(chain_id=5))
    with pytest.raises(WrongChain, match=f"is on chain {actual}, the settings ask for chain 5"):
        _ = Client.from_web3(Web3(Web3.HTTPProvider(stage.running.url)), Network(chain_id=5)).chain_id


def test_a_connection_that_somebody_else_made_serves_as_well(stage: Stage) -> None:
    client = Client.from_web3(Web3(Web3.HTTPProvider(stage.running.url)))
    contracts = Contracts(client, Deployment.from_json(stage.contracts.deployment.to_json()))
    pot = os.urandom(32)
    (funded,) = client.send(stage.new(), contracts.escrow.fund(pot, 7)).events
    assert isinstance(funded, PotFunded)
    assert contracts.escrow.pot_of(pot) == 7


def test_what_a_chain_can_do_is_found_out_and_moves_it(stage: Stage) -> None:
    can, name = capabilities(stage.node), stage.running.name
    assert can.development
    assert can.travels == (name in ("anvil", "ganache"))
    head = stage.client.head()
    if can.travels:
        travel(stage.node, 1_000)
        assert 1_000 <= stage.client.head().timestamp - head.timestamp <= 1_010
        mine(stage.node, 3)
        assert stage.client.head().number == head.number + 4
        return
    with pytest.raises(ChainError, match="refuses evm_increaseTime"):
        travel(stage.node, 1)
    if can.mines_alone:
        time.sleep(2.5)
        assert stage.client.head().number > head.number
    else:
        time.sleep(1)
        assert stage.client.head() == head, "it mines nothing by itself"
        beating = stage.new()
        before = stage.client.head()
        heartbeat(stage.client, beating)
        after = stage.client.head()
        assert after.number == before.number + 1
        assert after.timestamp > before.timestamp


def test_a_nodes_own_account_gives_ether_on_development_chains_and_does_nothing_else(stage: Stage) -> None:
    asked: list[tuple[str, list[Any]]] = []

    def answer(method: str, params: list[Any]) -> Any:
        asked.append((method, params))
        if method == "eth_chainId" and foreign:
            return hex(5)
        return forward(stage.running.url, method, params)

    foreign = False
    with serve(answer) as proxy:
        client = Client(Web3Node.connect([proxy.url], NETWORK))
        account = Account(os.urandom(32))
        fund(client, [account.address], Wei(ETHER))
        gifts = [params for method, params in asked if method == "eth_sendTransaction"]
        assert len(gifts) == 1
        asked.clear()
        contracts = Contracts(client, stage.contracts.deployment)
        client.send(account, contracts.escrow.fund(os.urandom(32), 1))
        with pytest.raises(ContractError):
            client.send(account, contracts.escrow.withdraw())
        contracts.events(client.head().number, client.head().number)
        named = {method for method, _ in asked}
        assert not named & {"eth_sendTransaction", "eth_accounts", "eth_sign", "eth_signTransaction", "personal_sign"}

        foreign = True
        assert 5 not in DEVELOPMENT_CHAINS
        with pytest.raises(ChainError, match="nobody gives ether away on chain 5"):
            fund(Client(Web3Node.connect([proxy.url], NETWORK)), [account.address], Wei(ETHER))


def test_reading_costs_a_few_requests_and_none_for_each_log(stage: Stage) -> None:
    sender = stage.new()
    fund_pot = stage.contracts.escrow.fund(os.urandom(32), 1)
    stage.client.send_all([(sender, fund_pot)] * 20)
    asked: list[str] = []

    def answer(method: str, params: list[Any]) -> Any:
        asked.append(method)
        return forward(stage.running.url, method, params)

    with serve(answer) as proxy:
        client = Client(Web3Node.connect([proxy.url], NETWORK))
        head = client.head().number
        asked.clear()
        first = max(stage.contracts.deployment.block, head - 60)
        events = client.logs(first, head, [stage.contracts.escrow.address])
        assert len(events) >= 20
        blocks = len({event.block for event in events})
        assert len(asked) <= 3 + blocks, "one a block for its time, where the node does not tell it with the log"
        assert len(proxy.requests) <= 5, "and those together"
        asked.clear()
        client.head()
        assert len(asked) <= 2
