"""What chains for development can do and real ones cannot: go forward in time, mine on demand, give ether away.

The keys of such a node's own accounts are used for nothing but giving ether away, on no chain but those of
development (ids 1337 and 31337).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dapp.chain.client import Client, Receipt
from dapp.chain.contracts import Call
from dapp.chain.header import quantity
from dapp.chain.keys import Account, checksummed
from dapp.chain.network import DEVELOPMENT_CHAINS
from dapp.errors import ChainError
from dapp.types import Address, Wei

if TYPE_CHECKING:
    from dapp.chain.web3_node import Web3Node

TRAVELLERS = ("anvil", "ganache")
"""Clients with evm_increaseTime and evm_mine."""
WATCHED = 2.5
"""Seconds for which a development chain is watched, to see whether it mines by itself."""
LOOK = 0.25
FUNDING_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a chain can do beyond what every chain can.

    Args:
        client: the node's own name and version.
        development: its ether is worth nothing.
        travels: time and blocks come on demand.
        mines_alone: blocks come without transactions. Where this and ``travels`` are false, only a heartbeat moves it.
    """

    client: str
    development: bool
    travels: bool
    mines_alone: bool


def capabilities(node: Web3Node) -> Capabilities:
    """Asks a node what it is. A development chain without time travel is watched for up to 2.5 seconds.

    Raises:
        Unreachable: no answer.
    """
    client = str(node.ask("web3_clientVersion"))
    development = node.chain_id in DEVELOPMENT_CHAINS
    travels = development and client.lower().startswith(TRAVELLERS)
    return Capabilities(client, development, travels, not travels and (not development or _moves(node)))


def travel(node: Web3Node, seconds: int) -> None:
    """Moves chain time forward by at least these seconds, with a block and those that confirm it.

    Raises:
        ChainError: this chain has no time travel.
    """
    target = _newest(node) + seconds
    while (missing := target - _newest(node)) > 0:
        _demand(node, "evm_increaseTime", missing)
        _demand(node, "evm_mine")
    mine(node, node.network.confirmations)


def mine(node: Web3Node, blocks: int = 1) -> None:
    """Mines blocks, empty where nothing waits.

    Raises:
        ChainError: this chain does not mine on demand.
    """
    for _ in range(blocks):
        _demand(node, "evm_mine")


def heartbeat(client: Client, account: Account) -> Receipt:
    """An empty transaction to its own sender: on a chain that mines only what is sent, it makes a block.

    Args:
        account: set aside for it; nobody else sends with this key.

    Raises:
        ChainError: it could not be mined, for want of ether for example.
    """
    return client.send(account, _transfer(account.address, Wei(0), "heartbeat"))


def fund(client: Client, addresses: Sequence[Address], amount: Wei, giver: Account | None = None) -> None:
    """Gives each address this much ether, and returns once all of them have it.

    Args:
        amount: wei for each.
        giver: a key with ether; by default the account that a development node keeps for itself.

    Raises:
        ChainError: the node keeps no account, the chain is none for development, or the giver has too little.
    """
    if giver is not None:
        results = client.send_all([(giver, _transfer(address, amount, "gift")) for address in addresses])
        for result in results:
            if isinstance(result, ChainError):
                raise result
        return
    from dapp.chain.web3_node import Web3Node

    node = client.node
    if node.chain_id not in DEVELOPMENT_CHAINS or not isinstance(node, Web3Node):
        raise ChainError(
            f"nobody gives ether away on chain {node.chain_id}", help="Name a key that has ether, to pay from it."
        )
    accounts = node.ask("eth_accounts")
    if not accounts:
        raise ChainError(
            f"the node at {node} keeps no account with ether",
            help="Start a development node (`cairn up`, anvil, ganache), or name a key that has ether.",
        )
    wanted = {address: node.balance(address) + amount for address in addresses}
    for address in wanted:
        gift = {"from": accounts[0], "to": checksummed(address), "value": hex(amount)}
        _demand(node, "eth_sendTransaction", gift)
    deadline = time.monotonic() + FUNDING_PATIENCE
    while any(node.balance(address) < balance for address, balance in wanted.items()):
        if time.monotonic() > deadline:
            raise ChainError(
                f"the gifts of {accounts[0]} did not arrive within {FUNDING_PATIENCE:g} seconds",
                help="See whether the node makes blocks, and whether this account has ether.",
            )
        time.sleep(LOOK)


def _transfer(to: Address, value: Wei, purpose: str) -> Call:
    return Call("Ether", purpose, to, b"", value)


def _newest(node: Web3Node) -> int:
    """The newest block's time, whether or not it counts already."""
    return quantity(node.ask("eth_getBlockByNumber", "latest", False)["timestamp"])


def _moves(node: Web3Node) -> bool:
    """One block proves nothing: an instant geth may add an empty one after the last that it was sent something for. To
    take a chain for one that does not move costs some empty transactions; the other way round one waits for ever."""
    deadline, first = time.monotonic() + WATCHED, _newest_number(node)
    while time.monotonic() < deadline:
        time.sleep(LOOK)
        if _newest_number(node) > first + 1:
            return True
    return False


def _newest_number(node: Web3Node) -> int:
    return quantity(node.ask("eth_blockNumber"))


def _demand(node: Web3Node, method: str, *params: object) -> object:
    from dapp.chain.refusals import Said

    try:
        return node.ask(method, *params)
    except Said as said:
        raise ChainError(
            f"the node at {node} refuses {method}: {said.words}", help="Only anvil, ganache and their like can do this."
        ) from None
