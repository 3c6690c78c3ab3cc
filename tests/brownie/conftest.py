"""Cairn's contracts, deployed by Cairn over brownie's connection and held as brownie's own objects."""

from __future__ import annotations

import pytest
from brownie import Escrow, Verification, accounts, web3
from brownie.network.contract import ProjectContract

from dapp.chain import Account, Client, Contracts
from dapp.chain.deploy import Parameters, deploy
from dapp.chain.keys import checksummed

PARAMETERS = Parameters(activation_delay=60, cool_down=600)


@pytest.fixture(scope="module")
def client() -> Client:
    return Client.from_web3(web3)


@pytest.fixture(scope="module")
def deployer() -> Account:
    key = accounts.add()
    accounts[0].transfer(key, "10 ether")
    return Account(bytes.fromhex(key.private_key.removeprefix("0x")))


@pytest.fixture(scope="module")
def cairn(client: Client, deployer: Account) -> Contracts:
    return deploy(client, deployer, PARAMETERS)


@pytest.fixture
def escrow(cairn: Contracts) -> ProjectContract:
    return Escrow.at(checksummed(cairn.escrow.address))


@pytest.fixture
def verification(cairn: Contracts) -> ProjectContract:
    return Verification.at(checksummed(cairn.verification.address))


@pytest.fixture(autouse=True)
def isolation(cairn: Contracts, fn_isolation: None) -> None:
    """Every test starts from the chain as it was after the deployment."""
