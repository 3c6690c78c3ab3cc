"""A client of a chain: reads, sends, and turns what comes back into events and sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from dapp.chain.contracts import Call
from dapp.chain.errors import contract_error
from dapp.chain.events import decode_all
from dapp.chain.keys import Account, Transaction, checksummed, created_address
from dapp.chain.node import Block, Message, Mined, Node, Reverted, WrongNonce
from dapp.errors import ChainError
from dapp.protocol.events import Event
from dapp.types import Address, Wei

NOBODY = Address(bytes(20))
LOG_RANGE = 1_000
"""Blocks asked for at once; nodes refuse longer ranges."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction of ours that is in a block. ``gas_used`` in gas, ``timestamp`` in seconds."""

    tx_hash: bytes
    block: int
    timestamp: int
    gas_used: int
    events: tuple[Event, ...]


class Client:
    """Reads from and sends to a node. One client a node: it remembers the nonce of every key that it sends with.

    Attributes:
        gas_used: gas of every transaction sent, by ``Contract.function``.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.gas_used: dict[str, list[int]] = defaultdict(list)
        self._nonces: dict[Address, int] = {}

    @property
    def chain_id(self) -> int:
        return self.node.chain_id

    def head(self) -> Block:
        """The last block: number, timestamp in seconds, hash."""
        return self.node.head()

    def balance(self, address: Address) -> Wei:
        return self.node.balance(address)

    def read(self, call: Call, sender: Address = NOBODY) -> bytes:
        """What a call would return now, undecoded; the views of ``dapp.chain.contracts`` decode it.

        Raises:
            ContractError: the contract refuses it.
        """
        try:
            return self.node.call(Message(sender, call.to, call.data, call.value))
        except Reverted as revert:
            raise contract_error(str(call), revert.data) from None

    def send(self, account: Account, call: Call) -> Receipt:
        """Signs a call, sends it, waits until it is mined.

        Raises:
            ContractError: the contract refused it; ``error`` names the custom error.
            ChainError: it could not be mined, for want of ether for example.
        """
        mined = self._send(account, call)
        self.gas_used[str(call)].append(mined.gas_used)
        return Receipt(mined.hash, mined.block, mined.timestamp, mined.gas_used, tuple(decode_all(mined.logs)))

    def deploy(self, account: Account, contract: str, creation_code: bytes) -> tuple[Address, Receipt]:
        """Deploys a contract; gives its address.

        Raises:
            ContractError: its constructor refused.
        """
        receipt = self.send(account, Call(contract, "constructor", b"", creation_code))
        return created_address(account.address, self._nonces[account.address] - 1), receipt

    def nonce(self, address: Address) -> int:
        """The nonce of the address's next transaction."""
        if address not in self._nonces:
            self._nonces[address] = self.node.nonce(address)
        return self._nonces[address]

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> list[Event]:
        """Events in a range of blocks, both ends included, in the chain's order; of these contracts, or of all."""
        wanted = set(addresses)
        found: list[Event] = []
        for start in range(from_block, to_block + 1, LOG_RANGE):
            logs = self.node.logs(start, min(start + LOG_RANGE - 1, to_block))
            found += decode_all(log for log in logs if not wanted or log.address in wanted)
        return found

    def _send(self, account: Account, call: Call) -> Mined:
        sender = account.address
        where = f"{call} by {checksummed(sender)}"
        try:
            gas = self.node.gas_limit(Message(sender, call.to, call.data, call.value))
            for last_try in (False, True):
                tip, cap = self.node.fees()
                nonce = self.nonce(sender)
                raw = account.sign(Transaction(self.chain_id, nonce, tip, cap, gas, call.to, call.value, call.data))
                try:
                    mined = self.node.send(raw)
                except WrongNonce:
                    del self._nonces[sender]  # another client sent with this key, or the chain was rolled back
                    if last_try:
                        raise
                else:
                    self._nonces[sender] = nonce + 1
                    return mined
        except Reverted as revert:
            self._nonces.pop(sender, None)
            raise contract_error(where, revert.data) from None
        except ChainError as error:
            self._nonces.pop(sender, None)
            raise ChainError(f"{where} failed: {error}", help=error.help) from error
        raise AssertionError("the last try returns or raises")
