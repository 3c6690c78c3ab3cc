"""Deploys the contracts to a network and prints where they are, as JSON.

    DEPLOYER_KEY=0x… python scripts/deploy.py        or, in a brownie project, `brownie run deploy`

Environment: ``DEPLOYER_KEY``, a private key with ether; ``RPC_URL``, default http://127.0.0.1:8545;
``DEPLOY_PARAMETERS``, a JSON object of `dapp.chain.deploy.Parameters`, such as ``{"seed_delay": 132}``.
"""

from __future__ import annotations

import json
import os

from web3 import Web3

from dapp.chain.client import Client
from dapp.chain.deploy import Parameters, deploy
from dapp.chain.keys import Account
from dapp.chain.web3_node import Web3Node


def main() -> None:
    deployer = Account(bytes.fromhex(os.environ["DEPLOYER_KEY"].removeprefix("0x")))
    parameters = Parameters(**json.loads(os.environ.get("DEPLOY_PARAMETERS", "{}")))
    web3 = Web3(Web3.HTTPProvider(os.environ.get("RPC_URL", "http://127.0.0.1:8545")))
    contracts = deploy(Client(Web3Node(web3)), deployer, parameters)
    print(json.dumps(contracts.deployment.to_json(), indent=2))


if __name__ == "__main__":
    main()
