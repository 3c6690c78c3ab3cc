"""What only the chain itself can tell: that its blocks lead to one another, that no log of them is missing, that the
contracts run Cairn's code, what they were built with, and that the escrow holds what its books say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dapp.audit.constants import Constants
from dapp.audit.world import shown
from dapp.chain.client import Client
from dapp.chain.code import check_code
from dapp.chain.contracts import Contracts
from dapp.chain.deploy import check_wiring
from dapp.chain.events import decode
from dapp.chain.facts import AT_ONCE, ChainFacts, Header, batched
from dapp.chain.header import header_rlp, octets, quantity
from dapp.chain.keys import checksummed
from dapp.chain.light import Agreed, Light
from dapp.chain.network import Network
from dapp.chain.receipts import logs_of, may_hold, receipts_root
from dapp.chain.refusals import Said
from dapp.chain.web3_node import Web3Node
from dapp.errors import AuditError, ChainError
from dapp.protocol.events import Event

ASKED = ("code", "blocks", "logs", "constants", "balance")
"""Checks for which a live chain is asked."""


@dataclass(frozen=True, slots=True)
class Live:
    """A chain that can be asked.

    Args:
        header: of the last block that is read, on which all addresses agree.
        constants: what the contracts were built with.
        balance: wei that the escrow holds at that block; ``pots`` and ``credits`` what it says that it owes.
        said: is told how many of how many blocks were held against one another.
    """

    client: Client
    contracts: Contracts
    header: Agreed
    constants: Constants
    balance: int
    pots: int
    credits: int
    said: Callable[[int, int], None] = lambda *_: None

    @classmethod
    def at(
        cls,
        urls: Sequence[str],
        network: Network,
        contracts: Contracts,
        client: Client,
        said: Callable[[int, int], None] = lambda *_: None,
    ) -> Live:
        """The chain behind these addresses as it is now.

        Raises:
            AuditError: the addresses disagree on the last block.
            Unreachable: none answers; with several, fewer than two.
            ChainError: a contract does not answer.
        """
        header = Light.connect(urls, network).header()
        node, escrow = _web3(client), contracts.escrow
        at = hex(header.number)

        def state(method: str, *params: Any) -> int:
            try:
                return quantity(node.ask(method, *params, at))
            except Said as refused:
                raise ChainError(
                    f"{node} does not tell the state of block {header.number}: {refused}",
                    help="Ask a node that keeps it for some minutes.",
                ) from None

        def sum_of(getter: str) -> int:
            call = {"to": checksummed(escrow.address), "data": f"0x{escrow.abi.functions[getter].hash[:4].hex()}"}
            return state("eth_call", call)

        balance = state("eth_getBalance", checksummed(escrow.address))
        constants = Constants.of(contracts)
        return cls(client, contracts, header, constants, balance, sum_of("totalPots"), sum_of("totalCredit"), said)

    def checks(self, facts: ChainFacts) -> Iterator[tuple[str, int]]:
        """Holds facts against the chain; yields each check's name and how often it held.

        Raises:
            AuditError: the first thing that is otherwise on the chain.
            WrongCode, Fatal: at the deployment's addresses are other contracts, or they do not know one another.
        """
        check_code(self.client, self.contracts)
        check_wiring(self.contracts)
        yield "code", len(self.contracts.deployment.addresses())
        blocks, logs = self._walk(facts)
        yield "blocks", blocks
        yield "logs", logs

    def check_books(self, pots: Mapping[bytes, int], credits: Mapping[Any, int]) -> int:
        """Holds a replay's books against the escrow's own, and these against its money; gives how often that held.

        Raises:
            AuditError: they differ, or it has less than it owes.
        """
        for what, said, found in (
            ("pots", self.pots, sum(pots.values())),
            ("credits", self.credits, sum(credits.values())),
        ):
            if said != found:
                raise AuditError(
                    f"the escrow's {what} hold {shown(said)} wei on chain, and {shown(found)} by the events",
                    help="An event was left out, or the node lies.",
                )
        if self.balance < self.pots + self.credits:
            raise AuditError(
                f"the escrow has {shown(self.balance)} wei and owes {shown(self.pots + self.credits)}",
                help="Somebody can lose money: this must not be possible, so report it.",
            )
        return 3

    def _walk(self, facts: ChainFacts) -> tuple[int, int]:
        """Every block from the deployment to the last one: each names the one before, and has exactly the facts' logs.

        The last block's hash is what the addresses agree on, so that no header before it can be another.
        """
        events = {number: list(found) for number, found in groupby(facts.events(), lambda event: event.block)}
        hashes = {event.block: set[bytes]() for event in facts.events()}
        for transaction in facts.transactions:
            hashes.setdefault(transaction.block, set()).add(transaction.hash)
        node, first, last = _web3(self.client), facts.from_block, self.header.number
        parent, logs = None, 0
        for numbers in batched(range(first, last + 1), AT_ONCE):
            for number, block in zip(numbers, node.blocks(numbers), strict=True):
                header = Header.from_rlp(header_rlp(block))
                _must(header.number == number, f"asked for block {number}, the chain gives block {header.number}")
                _must(parent in (None, header.parent), f"block {number} names another parent than block {number - 1}")
                parent = header.hash
                known = facts.headers.get(number)
                _must(known in (None, header), f"block {number} is another on the chain than in the facts")
                found = self._logged(block, header)
                said = [event for event, _ in found]
                _must(
                    said == events.get(number, []),
                    f"block {number} has {len(said)} events of the contracts on the chain, and not the same "
                    f"{len(events.get(number, []))} in the facts",
                )
                _must({tx for _, tx in found} == hashes.get(number, set()), f"block {number} has other transactions")
                logs += len(said)
            self.said(numbers[-1] + 1 - first, last + 1 - first)
        _must(parent == self.header.hash, f"block {last} is not the one on which the addresses agree")
        _must(all(first <= number <= last for number in events), "there are facts of blocks that are not there")
        return last + 1 - first, logs

    def _logged(self, block: Mapping[str, Any], header: Header) -> list[tuple[Event, bytes]]:
        """All events of the contracts in a block, with their transactions, proven by the header."""
        addresses = set(self.contracts.deployment.addresses().values())
        if not any(may_hold(header.bloom, address) for address in addresses):
            return []
        receipts = self._receipts(block, header.number)
        root = receipts_root(receipts)
        _must(root == header.receipts_root, f"the receipts of block {header.number} are not those of its header")
        logs = logs_of(receipts, header.number, header.timestamp)
        return [(decode(log), log.tx_hash) for log in logs if log.address in addresses]

    def _receipts(self, block: Mapping[str, Any], number: int) -> list[Any]:
        """In one question, or, where a node does not know it, one for each transaction."""
        node = _web3(self.client)
        try:
            receipts = node.ask("eth_getBlockReceipts", hex(number))
        except Said:
            receipts = None
        if receipts is None:
            names = [f"0x{octets(tx).hex()}" for tx in block["transactions"]]
            receipts = node.ask_all([("eth_getTransactionReceipt", [name]) for name in names])
        return list(receipts)


def _web3(client: Client) -> Web3Node:
    assert isinstance(client.node, Web3Node), "only a chain behind an address is live"
    return client.node


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise AuditError(what, help="The facts are not the chain's, or a node lies: ask another one.")
