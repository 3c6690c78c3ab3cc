"""Where a script finds its chain, its key and the contracts, whether brownie runs it or Python.

In brownie the chain is the connected one, `--network NAME`, and the key that of the account which ``$ACCOUNT`` names
(`brownie accounts list`). As plain Python a script takes `--chain URL`, by default http://127.0.0.1:8545, and
`--key FILE`, a keystore as `cairn keys new` writes it. Its password is ``$CAIRN_PASSWORD``, or is asked for.

A development chain needs no key: the script makes itself one, and the chain's own rich account gives it ether.
Where the contracts are is kept in runs/, by chain id; ``$CONTRACTS`` names another file.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapp.chain import Account, Client, Contracts
from dapp.chain.deploy import Parameters, deploy
from dapp.chain.development import fund
from dapp.chain.network import DEVELOPMENT_CHAINS
from dapp.cli import access
from dapp.errors import CairnError, Retryable
from dapp.types import Wei

POCKET = Wei(100 * 10**18)
"""Wei that a key made for a development chain is given."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A chain, its HTTP address, and the key that was named; None where none was."""

    client: Client
    url: str
    named: Account | None

    def account(self) -> Account:
        """The key that the script signs with: the one that was named, else a new one with ether.

        Raises:
            ChainError: none was named, and the chain is none for development.
        """
        if self.named is not None:
            return self.named
        account = Account(secrets.token_bytes(32))
        fund(self.client, [account.address], POCKET)
        return account


def connect() -> Connection:
    """The chain that brownie or the command line names.

    Raises:
        Unreachable: no chain answers.
        KeyFileError: the key that is named cannot be read.
    """
    brownie = sys.modules.get("brownie")
    if brownie is not None and brownie.network.is_connected():
        return _of_brownie(brownie)
    parser = argparse.ArgumentParser()
    parser.add_argument("--chain", metavar="URL", default="http://127.0.0.1:8545")
    parser.add_argument("--key", metavar="FILE", type=Path)
    given = parser.parse_args()
    client = access.connect(given.chain, access.network())
    return Connection(client, given.chain, access.unlock(given.key, None) if given.key else None)


def put_contracts(client: Client, account: Account, parameters: Parameters) -> Contracts:
    """Deploys the contracts, and writes down where they are.

    Raises:
        ContractError: a constructor refused a parameter.
    """
    contracts = deploy(client, account, parameters)
    file = _file(client)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(contracts.deployment.to_json(), indent=2) + "\n")
    return contracts


def find_contracts(client: Client, account: Account) -> Contracts:
    """The contracts that were put on this chain; on a development chain that has none, new ones.

    Raises:
        CairnError: it is not known where they are, they are not there, or the chain does not answer.
    """
    try:
        return access.contracts_at(client, _file(client))
    except CairnError as error:
        if client.chain_id not in DEVELOPMENT_CHAINS or isinstance(error, Retryable):
            raise
        return put_contracts(client, account, Parameters())


def run(main: Callable[[], object]) -> None:
    """Runs a script as plain Python does: a failure is two sentences on the standard error."""
    try:
        main()
    except CairnError as error:
        sys.exit(f"{error}\n{error.help}")


def _of_brownie(brownie: Any) -> Connection:
    account = None
    if name := os.environ.get("ACCOUNT"):
        key = brownie.accounts.load(name, os.environ.get(access.PASSWORD)).private_key
        account = Account(bytes.fromhex(key.removeprefix("0x")))
    return Connection(Client.from_web3(brownie.web3), brownie.web3.provider.endpoint_uri, account)


def _file(client: Client) -> Path:
    return Path(os.environ.get("CONTRACTS", f"runs/contracts-{client.chain_id}.json"))
