"""Deploys the contracts and prints where they are, as JSON.

    brownie run deploy [--network geth-dev]         in brownie, on the connected chain; in its console, run("deploy")
    python scripts/deploy.py [--chain URL] [--key FILE]

``$PARAMETERS`` is a JSON object of `dapp.chain.deploy.Parameters`, such as ``{"seed_delay": 132}``. Which chain, which
key, and where the contracts are written down: scripts/connection.py.
"""

from __future__ import annotations

import json
import os

from dapp.chain import Contracts
from dapp.chain.deploy import Parameters
from scripts.connection import connect, put_contracts, run


def main() -> Contracts:
    connection = connect()
    client, account = connection.client, connection.account()
    contracts = put_contracts(client, account, Parameters(**json.loads(os.environ.get("PARAMETERS", "{}"))))
    print(json.dumps(contracts.deployment.to_json(), indent=2))
    return contracts


if __name__ == "__main__":
    run(main)
