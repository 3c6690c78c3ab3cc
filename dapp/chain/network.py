"""How a chain behind JSON-RPC is to be treated."""

from __future__ import annotations

from dataclasses import dataclass

from dapp.types import Wei

GWEI = 10**9
DEVELOPMENT_CHAINS = frozenset({1337, 31337})
"""Ids of chains whose ether is worth nothing: those of geth's development mode, ganache and anvil."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a network's users decide.

    Args:
        chain_id: refuse every other chain; None takes whichever answers first, and then no other.
        confirmations: blocks that lie on top of the last one that is read; 0 where blocks are never rolled back.
        finalized: read up to the block that the network itself calls final, whatever ``confirmations`` says.
        max_fee: wei per gas; no transaction ever offers more.
        timeout: seconds until a request is given up.
        tries: times that each address is asked before it counts as gone.
        patience: seconds that a transaction is waited for.
        reprice_after: blocks that may pass a transaction over before it is offered again for more.
    """

    chain_id: int | None = None
    confirmations: int = 0
    finalized: bool = False
    max_fee: Wei = Wei(100 * GWEI)
    timeout: float = 15
    tries: int = 4
    patience: float = 120
    reprice_after: int = 3
