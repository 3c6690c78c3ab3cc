"""Registers whoever holds the key: among the verifiers, with a stake, or as a device of a task, with a ticket.

    brownie run register [--network geth-dev]            a verifier joins: its stake is locked, panels may draw it
    TASK=0x… … brownie run register                      a device enrols in a task
    python scripts/register.py [--chain URL] [--key FILE]

A device names in the environment ``$TASK``, the task's id; ``$TICKET``, what the task's admission key signed for it;
``$WEIGHT``, how many samples it learns from; and ``$STATEMENT``, what it states about owning them, of which the chain
keeps the SHA-256. Which chain, which key, and where the contracts are: scripts/connection.py.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256

from dapp.chain import Account, Client, Contracts
from dapp.chain.keys import checksummed
from dapp.errors import SettingsError
from dapp.types import TaskId
from scripts.connection import connect, find_contracts, run


def main() -> None:
    connection = connect()
    client, account = connection.client, connection.account()
    contracts = find_contracts(client, account)
    registered = _device(client, account, contracts) if "TASK" in os.environ else _verifier(client, account, contracts)
    print(json.dumps({"address": checksummed(account.address)} | registered, indent=2))


def _verifier(client: Client, account: Account, contracts: Contracts) -> dict[str, object]:
    """Locks the stake that the contracts ask for."""
    client.send(account, contracts.verification.join(contracts.verification.immutable("STAKE")))
    member = contracts.verification.member_of(account.address)
    return {"role": "verifier", "state": member.state.name, "stake": member.stake, "active_from": member.active_from}


def _device(client: Client, account: Account, contracts: Contracts) -> dict[str, object]:
    """Enrols in the task.

    Raises:
        SettingsError: a variable is not set, or is not what it should be.
    """
    try:
        task, ticket = (bytes.fromhex(os.environ[name].removeprefix("0x")) for name in ("TASK", "TICKET"))
        weight, ownership = int(os.environ["WEIGHT"]), sha256(os.environ["STATEMENT"].encode()).digest()
    except (LookupError, ValueError) as error:
        raise SettingsError(
            f"a device cannot be registered: {error!r}",
            help="Set TASK and TICKET to hexadecimal digits, WEIGHT to a number, STATEMENT to a text.",
        ) from None
    client.send(account, contracts.learning.enrol(TaskId(task), weight, ownership, ticket))
    place, weight = contracts.learning.enrolment_of(TaskId(task), account.address)
    return {"role": "device", "task": f"0x{task.hex()}", "index": place - 1, "weight": weight}


if __name__ == "__main__":
    run(main)
