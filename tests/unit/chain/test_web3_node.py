"""The same client over web3: what a JSON-RPC network answers is what the embedded chain answers."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_utils.exceptions import ValidationError
from web3 import EthereumTesterProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from dapp.chain.client import NOBODY, Client
from dapp.chain.deploy import deploy
from dapp.chain.errors import ContractError
from dapp.chain.facts import export_events, import_events
from dapp.chain.keys import Account
from dapp.chain.web3_node import Web3Node
from dapp.errors import ChainError
from dapp.protocol.events import PotFunded

from .world import ETHER, PARAMETERS, SEED

ROOT = Path(__file__).resolve().parents[3]


class Rpc(EthereumTesterProvider):
    """eth-tester, which raises its own exceptions, with the error objects that nodes answer in their place."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        try:
            return super().make_request(method, params)
        except TransactionFailed as error:
            data = f"0x{ast.literal_eval(str(error).removeprefix('execution reverted: ')).hex()}"
            return {"id": 1, "jsonrpc": "2.0", "error": {"code": 3, "message": "execution reverted", "data": data}}
        except ValidationError as error:
            return {"id": 1, "jsonrpc": "2.0", "error": {"code": -32000, "message": str(error)}}


@pytest.fixture
def accounts() -> list[Account]:
    return [Account.from_seed(SEED, number) for number in range(3)]


@pytest.fixture
def client(accounts: list[Account]) -> Client:
    web3 = Web3(Rpc(EthereumTester(PyEVMBackend())))
    # Unlike other nodes, eth-tester wants a view's gas to be affordable; views come from the zero address.
    for address in (NOBODY, *(account.address for account in accounts)):
        to = Web3.to_checksum_address(address)
        web3.eth.send_transaction({"from": web3.eth.accounts[0], "to": to, "value": Web3.to_wei(100, "ether")})
    return Client(Web3Node(web3))


def test_a_deployment_sends_reads_refuses_and_leaves_facts(
    client: Client, accounts: list[Account], tmp_path: Path
) -> None:
    contracts = deploy(client, accounts[0], PARAMETERS)
    receipt = client.send(accounts[1], contracts.escrow.fund(b"p" * 32, 7))
    assert receipt.gas_used == client.gas_used["Escrow.fund"][0]
    (funded,) = receipt.events
    assert isinstance(funded, PotFunded)
    assert contracts.escrow.pot_of(b"p" * 32) == 7
    assert contracts.events(0, client.head().number) == [funded]

    with pytest.raises(ContractError, match="nothing is owed to") as caught:
        client.send(accounts[2], contracts.escrow.withdraw())
    assert caught.value.error == "EscrowNothingOwed"
    with pytest.raises(ContractError, match="nothing is owed to"):
        client.read(contracts.escrow.withdraw(), sender=accounts[2].address)

    path = tmp_path / "events.jsonl"
    assert export_events(client, contracts.deployment, path) == 1
    facts = import_events(path)
    assert list(facts.events()) == [funded]
    assert facts.transactions[0].sender == accounts[1].address
    assert facts.headers[receipt.block].hash == client.head().hash == keccak(client.node.header(receipt.block))


def test_a_transaction_that_fails_in_its_block_says_why(client: Client, accounts: list[Account]) -> None:
    contracts = deploy(client, accounts[0], PARAMETERS)
    join, stake = contracts.verification.join(PARAMETERS.stake), PARAMETERS.stake
    first, second = client.send_all([(accounts[1], join), (accounts[1], join)])
    assert not isinstance(first, ContractError)
    assert isinstance(second, ContractError)
    assert second.error == "VerificationAlreadyMember"
    assert client.balance(contracts.escrow.address) == stake


def test_an_account_without_ether_is_told_so(client: Client) -> None:
    poor = Account.from_seed(SEED, "poor")
    contracts = deploy(client, Account.from_seed(SEED, 0), PARAMETERS)
    with pytest.raises(ChainError, match=r"Escrow\.fund by 0x"):
        client.send(poor, contracts.escrow.fund(b"p" * 32, ETHER))


def test_a_transaction_that_was_never_sent_is_named(client: Client) -> None:
    with pytest.raises(ChainError, match="no transaction 0x"):
        client.node.mined(b"\x01" * 32)
