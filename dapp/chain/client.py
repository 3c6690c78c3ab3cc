"""A client of a chain: reads, sends, and turns what comes back into events and sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from dapp.chain.contracts import Call
from dapp.chain.errors import ContractError, contract_error
from dapp.chain.events import decode_all
from dapp.chain.keys import Account, Transaction, checksummed, created_address
from dapp.chain.node import Block, Message, Mined, Node, Reverted, WrongNonce
from dapp.errors import CairnError, ChainError
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
            return self.node.call(Message(sender, call.to, call.data, Wei(call.value)))
        except Reverted as revert:
            raise contract_error(str(call), revert.data) from None

    def send(self, account: Account, call: Call) -> Receipt:
        """Signs a call, sends it, waits until it is mined.

        Raises:
            ContractError: the contract refused it; ``error`` names the custom error.
            ChainError: it could not be mined, for want of ether for example.
        """
        (result,) = self.send_all([(account, call)])
        if isinstance(result, ContractError):
            raise result
        return result

    def send_all(self, calls: Sequence[tuple[Account, Call]]) -> list[Receipt | ContractError]:
        """Sends several calls at once, in this order: the embedded chain mines them in one block.

        Returns:
            for each call its receipt, or the refusal of its contract; a refused one does not stop the others.

        Raises:
            ChainError: one could not be mined; then, on the embedded chain, none was.
        """
        try:
            mined = self._mine(calls)
        except WrongNonce:  # another client sent with one of the keys, or the chain was rolled back
            mined = self._mine(calls)
        return [self._result(*call, done) for call, done in zip(calls, mined, strict=True)]

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

    def _mine(self, calls: Sequence[tuple[Account, Call]]) -> list[Mined]:
        tip, cap = self.node.fees()
        raws = []
        try:
            for account, call in calls:
                nonce = self.nonce(account.address)
                message = Message(account.address, call.to, call.data, Wei(call.value))
                gas = self.node.gas_limit(message)
                fields = Transaction(self.chain_id, nonce, tip, cap, gas, call.to, Wei(call.value), call.data)
                raws.append(account.sign(fields))
                self._nonces[account.address] = nonce + 1
            return self.node.send_all(raws)
        except CairnError as error:
            for account, _ in calls:
                self._nonces.pop(account.address, None)
            if isinstance(error, Reverted):
                raise contract_error(_where(account, call), error.data) from None
            if isinstance(error, ChainError):
                where = " and ".join(_where(*each) for each in calls)
                raise ChainError(f"{where} failed: {error}", help=error.help) from error
            raise

    def _result(self, account: Account, call: Call, mined: Mined) -> Receipt | ContractError:
        if not mined.ok:
            return contract_error(_where(account, call), mined.refusal)
        self.gas_used[str(call)].append(mined.gas_used)
        return Receipt(mined.hash, mined.block, mined.timestamp, mined.gas_used, tuple(decode_all(mined.logs)))


def _where(account: Account, call: Call) -> str:
    return f"{call} by {checksummed(account.address)}"
