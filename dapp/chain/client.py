"""A client of a chain: reads, sends, and turns what comes back into events and sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dapp.chain.contracts import Call
from dapp.chain.errors import ContractError, contract_error
from dapp.chain.events import decode_all
from dapp.chain.keys import Account, SignedTransaction, Transaction, checksummed, created_address
from dapp.chain.node import Block, Message, Mined, Node, Reverted, SignAnew
from dapp.errors import CairnError, ChainError
from dapp.protocol.events import Event
from dapp.types import Address, Wei

if TYPE_CHECKING:
    from web3 import Web3

    from dapp.chain.network import Network

NOBODY = Address(bytes(20))
SIGNINGS = 4
"""Times that a transaction is signed anew, where another sender with the key or a rising fee is in its way."""
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
    """Reads from and sends to a node.

    It asks for a key's nonce whenever it sends. A remembered one would leave a gap where a chain was rolled back, and
    every later transaction would wait for ever.

    Attributes:
        gas_used: gas of every transaction sent, by ``Contract.function``.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.gas_used: dict[str, list[int]] = defaultdict(list)

    @classmethod
    def from_web3(cls, web3: Web3, network: Network | None = None) -> Client:
        """A client over a connection that somebody else made, such as the one of a console."""
        from dapp.chain.web3_node import Web3Node  # web3 takes most of a second to import

        return cls(Web3Node(web3, network))

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
        if isinstance(result, ChainError):
            raise result
        return result

    def send_all(self, calls: Sequence[tuple[Account, Call]]) -> list[Receipt | ChainError]:
        """Sends several calls at once, in this order: the embedded chain mines them in one block.

        Returns:
            for each call its receipt, the refusal of its contract, or why it was not mined; the others do not suffer.

        Raises:
            ChainError: none was sent: on the embedded chain because one is unfit for any block, elsewhere because the
                chain's fees are over the cap.
            Retryable: the node is gone. What was sent may still be mined: ask the chain before sending it again.
        """
        results: dict[int, Receipt | ChainError] = {}
        waiting = list(range(len(calls)))
        for _ in range(SIGNINGS):
            outcomes = self._mine([calls[index] for index in waiting])
            results |= {
                index: self._result(*calls[index], outcome) for index, outcome in zip(waiting, outcomes, strict=True)
            }
            waiting = [index for index, outcome in zip(waiting, outcomes, strict=True) if isinstance(outcome, SignAnew)]
            if not waiting:
                break
        return [results[index] for index in range(len(calls))]

    def deploy(self, account: Account, contract: str, creation_code: bytes) -> tuple[Address, Receipt]:
        """Deploys a contract; gives its address.

        Raises:
            ContractError: its constructor refused.
        """
        receipt = self.send(account, Call(contract, "constructor", b"", creation_code))
        sent = SignedTransaction.from_raw(self.node.mined(receipt.tx_hash).raw).transaction
        return created_address(account.address, sent.nonce), receipt

    def nonce(self, address: Address) -> int:
        """The nonce of the address's next transaction."""
        return self.node.nonce(address)

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> list[Event]:
        """Events in a range of blocks, both ends included, in the chain's order; of these contracts, or of all."""
        found: list[Event] = []
        for start in range(from_block, to_block + 1, LOG_RANGE):
            found += decode_all(self.node.logs(start, min(start + LOG_RANGE - 1, to_block), addresses))
        return found

    def _mine(self, calls: Sequence[tuple[Account, Call]]) -> Sequence[Mined | SignAnew | ChainError]:
        """Signs what no contract refuses beforehand, and sends it."""
        refused: dict[int, ChainError] = {}
        signed: list[tuple[Account, Transaction]] = []
        nonces: dict[Address, int] = {}
        where = " and ".join(_where(*each) for each in calls)
        try:
            tip, cap = self.node.fees()
            for index, (account, call) in enumerate(calls):
                message = Message(account.address, call.to, call.data, Wei(call.value))
                try:
                    gas = self.node.gas_limit(message)
                except Reverted as revert:
                    refused[index] = contract_error(_where(account, call), revert.data)
                    continue
                except ChainError as error:
                    refused[index] = error
                    continue
                nonce = nonces.get(account.address)
                nonce = self.nonce(account.address) if nonce is None else nonce
                fields = Transaction(self.chain_id, nonce, tip, cap, gas, call.to, Wei(call.value), call.data)
                signed.append((account, fields))
                nonces[account.address] = nonce + 1

            def resign(index: int, tip: Wei, cap: Wei) -> bytes:
                account, fields = signed[index]
                return account.sign(replace(fields, max_priority_fee=tip, max_fee=cap))

            sent = iter(self.node.send_all([account.sign(fields) for account, fields in signed], resign))
        except SignAnew as error:  # the embedded chain sends all or none
            return [error] * len(calls)
        except ChainError as error:
            raise ChainError(f"{where} failed: {error}", help=error.help) from error
        return [refused[index] if index in refused else next(sent) for index in range(len(calls))]

    def _result(self, account: Account, call: Call, outcome: Mined | SignAnew | ChainError) -> Receipt | ChainError:
        where = _where(account, call)
        if isinstance(outcome, ContractError):
            return outcome
        if isinstance(outcome, CairnError):
            failed = ChainError(
                f"{where} failed: {outcome}",
                help=outcome.help or "See whether another process sends with this key, and send it again.",
            )
            failed.__cause__ = outcome
            return failed
        if not outcome.ok:
            return contract_error(where, outcome.refusal)
        self.gas_used[str(call)].append(outcome.gas_used)
        return Receipt(
            outcome.hash, outcome.block, outcome.timestamp, outcome.gas_used, tuple(decode_all(outcome.logs))
        )


def _where(account: Account, call: Call) -> str:
    return f"{call} by {checksummed(account.address)}"
