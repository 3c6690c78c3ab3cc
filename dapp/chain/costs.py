"""What a transaction costs before it is sent, and whether its sender has it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from dapp.chain.client import Client
from dapp.chain.deploy import Parameters, deploy
from dapp.chain.keys import Account, checksummed
from dapp.chain.node import OutOfFunds
from dapp.chain.web3_node import GAS_MARGIN
from dapp.report.summary import ether
from dapp.types import Address, Wei


@dataclass(frozen=True, slots=True)
class Cost:
    """``now``: wei at this moment's fees; ``most``: wei that the sender must have. Both with ``value``, in wei."""

    gas: int
    now: int
    most: int
    value: int

    def __str__(self) -> str:
        gas = f"{self.gas:,} gas, now {ether(self.now - self.value)}"
        return f"{gas}, and {ether(self.value)} sent along" if self.value else gas


def cost(client: Client, gas: int, value: int = 0) -> Cost:
    """What ``gas`` costs on the client's chain now. A fee cap leaves room for twice the base fee.

    Raises:
        FeesTooHigh: the chain asks for more than the cap.
    """
    tip, cap = client.node.fees()
    price = tip + (cap - tip) // 2
    return Cost(gas, gas * price + value, (gas + gas // GAS_MARGIN) * cap + value, value)


def demand(client: Client, sender: Address, cost: Cost, what: str) -> None:
    """Refuses, before anything is sent, what the sender cannot pay.

    Raises:
        OutOfFunds: says how much there is and how much is needed.
    """
    has = client.balance(sender)
    if has < cost.most:
        raise OutOfFunds(
            f"{checksummed(sender)} has {ether(has)}, but {what} may cost up to {ether(cost.most)}: {cost}",
            has=has,
            needed=Wei(cost.most),
            help=f"Send {ether(cost.most - has)} or more to this address on chain {client.chain_id}. Nothing was sent.",
        )


def gas_of_deployment(parameters: Parameters) -> int:
    """Gas that a deployment takes, from one on an embedded chain of its own.

    Raises:
        ContractError: a constructor refuses a parameter, as it would on any chain.
    """
    from dapp.chain.devnet import Devnet  # an EVM takes a second to load

    seed = secrets.token_bytes(32)
    deployer = Account(seed)
    client = Client(Devnet({deployer.address: Wei(10**21)}, seed=seed))
    deploy(client, deployer, parameters)
    return sum(sum(gas) for gas in client.gas_used.values())
