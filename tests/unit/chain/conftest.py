from __future__ import annotations

import pytest

from dapp.chain.client import Client
from dapp.chain.deploy import deploy
from dapp.chain.devnet import Devnet
from dapp.chain.keys import Account
from dapp.types import Wei

from .world import ETHER, PARAMETERS, SEED, World


@pytest.fixture
def world() -> World:
    accounts = [Account.from_seed(SEED, number) for number in range(8)]
    chain = Devnet({account.address: Wei(1_000 * ETHER) for account in accounts}, seed=SEED)
    client = Client(chain)
    return World(accounts, chain, client, deploy(client, accounts[0], PARAMETERS))
