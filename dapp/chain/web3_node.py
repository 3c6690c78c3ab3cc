"""Any Ethereum JSON-RPC network, through web3.py, as a :class:`dapp.chain.node.Node`.

Nodes differ in their words, and web3.py in what it makes of them from version to version. So requests go to web3's
provider as they are, and answers are read here: integers and bytes out of hexadecimal, refusals by :mod:`refusals`.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_hash.auto import keccak
from web3 import Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint

from dapp.chain import refusals
from dapp.chain.endpoints import Endpoints
from dapp.chain.header import header_rlp, octets, quantity
from dapp.chain.keys import DYNAMIC_FEE, SignedTransaction, Transaction, checksummed
from dapp.chain.network import GWEI, Network
from dapp.chain.node import (
    Block,
    FeesTooHigh,
    Log,
    Message,
    Mined,
    NotMined,
    OutOfFunds,
    Resign,
    RolledBack,
    SignAnew,
    Underpriced,
    Unreachable,
    WrongNonce,
)
from dapp.chain.refusals import Said
from dapp.errors import CairnError, ChainError
from dapp.types import Address, Wei

GAS_MARGIN = 5
"""A fifth is added to what a node estimates: state may move before the transaction is mined."""
GAS_CAP = 2**24
"""EIP-7825: from Osaka on no transaction may ask for more gas."""
USUAL_TIP = Wei(GWEI)
"""Offered where a node does not say what is usual."""
BATCH = 100
"""Requests sent at once; some providers refuse more."""
FIRST_POLL, LAST_POLL = 0.01, 0.5
"""Seconds between questions for receipts: at first, and at most."""
RESEND_AFTER = 10.0
"""Seconds after which a node that may have lost its pool is offered a transaction again."""
STALE_AFTER = 15.0
"""Seconds without a new block after which another address is asked, whether it has one."""
REMEMBERED = 4096
"""Blocks and times that are kept."""

ROLLED_BACK = "The chain was rolled back. Start again, and read behind more blocks: confirmations in a role's settings."

log = logging.getLogger("dapp.chain")

Request = tuple[str, list[Any]]
Json = Mapping[str, Any]


class Web3Node:
    """A node, or several of one chain, behind a web3 connection.

    Args:
        web3: the connection.
        network: how to treat it.
    """

    def __init__(self, web3: Web3, network: Network | None = None) -> None:
        self.network = network or Network()
        self._web3 = web3
        self._seen: OrderedDict[int, bytes] = OrderedDict()
        self._times: OrderedDict[bytes, int] = OrderedDict()
        self._head: Block | None = None
        self._moved = time.monotonic()

    @classmethod
    def connect(cls, urls: Sequence[str], network: Network | None = None) -> Web3Node:
        """A node behind these addresses of one chain, in the order of preference.

        Raises:
            Unreachable: none of them answers.
            WrongChain: one answers for another chain than the settings', or than another address.
            SettingsError: one is no address.
        """
        network = network or Network()
        node = cls(Web3(Endpoints(urls, network)), network)
        _ = node.chain_id
        return node

    def __str__(self) -> str:
        return str(self._web3.provider)

    @cached_property
    def chain_id(self) -> int:
        """
        Raises:
            WrongChain: it is not the network's.
        """
        actual, expected = quantity(self.ask("eth_chainId")), self.network.chain_id
        if expected is not None and actual != expected:
            raise refusals.wrong_chain(str(self), actual, expected)
        return actual

    # --- asking ---

    def ask(self, method: str, *params: Any) -> Any:
        """What a node answers to a request that may be repeated.

        Raises:
            Said: the node refused it; in its own words.
            Unreachable: no answer.
        """
        return self.ask_all([(method, list(params))])[0]

    def ask_all(self, requests: Sequence[Request]) -> list[Any]:
        """The same for several requests, all answered by one address."""
        attempt = 0
        while True:
            answers = self._answers(requests)
            refused = next((answer for answer in answers if isinstance(answer, Said)), None)
            if refused is None:
                return answers
            attempt += 1
            if not refused.passing or attempt == self.network.tries:
                raise refused
            time.sleep(min(FIRST_POLL * 4**attempt, LAST_POLL))

    def _answers(self, requests: Sequence[Request]) -> list[Any]:
        """A result or a refusal for each request."""
        provider = self._web3.provider
        calls = [(RPCEndpoint(method), params) for method, params in requests]
        answers: list[Any]
        if not isinstance(provider, JSONBaseProvider):  # in process, such as eth-tester
            ask = provider.request_func(self._web3, self._web3.middleware_onion)
            answers = [ask(*call) for call in calls]
        elif len(calls) == 1:
            answers = [provider.make_request(*calls[0])]
        else:
            chunks = [calls[start : start + BATCH] for start in range(0, len(calls), BATCH)]
            answers = [answer for chunk in chunks for answer in provider.make_batch_request(chunk)]
        return [Said.of(answer["error"]) if answer.get("error") else answer.get("result") for answer in answers]

    # --- reading ---

    def head(self) -> Block:
        """The last block that counts: the newest, the one under enough others, or the one called final.

        An address that has fallen behind does not turn time back: the last head stays until it is caught up with.
        """
        settled = self._settled()
        new = Block(quantity(settled["number"]), quantity(settled["timestamp"]), octets(settled["hash"]))
        last = self._head
        if last is None:
            self._remember(new.number, new.hash)
        elif new.number <= last.number:
            self._check_seen(new.number, new.hash)
            if new.number < last.number or time.monotonic() - self._moved > STALE_AFTER:
                self._pass_over()
                self._moved = time.monotonic()
            return last
        else:
            if new.number == last.number + 1:
                self._check_seen(last.number, octets(settled["parentHash"]))
            else:
                before = self.ask("eth_getBlockByNumber", hex(last.number), False)
                if before is None:  # another address answered, which has not come so far
                    return last
                self._check_seen(last.number, octets(before["hash"]))
            self._remember(new.number, new.hash)
        self._head, self._moved = new, time.monotonic()
        return new

    def header(self, number: int) -> bytes:
        return header_rlp(self._block(number))

    def headers(self, numbers: Sequence[int]) -> list[bytes]:
        return [header_rlp(block) for block in self.blocks(numbers)]

    def blocks(self, numbers: Sequence[int]) -> list[Json]:
        """Blocks as the node gives them, with the hashes of their transactions."""
        blocks = self.ask_all([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        return [self._there(block, number) for block, number in zip(blocks, numbers, strict=True)]

    def balance(self, address: Address) -> Wei:
        return Wei(quantity(self.ask("eth_getBalance", checksummed(address), "latest")))

    def nonce(self, address: Address) -> int:
        return quantity(self.ask("eth_getTransactionCount", checksummed(address), "pending"))

    def code(self, address: Address) -> bytes:
        return octets(self.ask("eth_getCode", checksummed(address), "latest"))

    def fees(self) -> tuple[Wei, Wei]:
        """The cap leaves room for six full blocks: each lifts the base fee by an eighth (EIP-1559).

        Raises:
            FeesTooHigh: the base fee alone is over the network's cap.
        """
        block, tip = self._answers([("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])])
        if isinstance(block, Said):
            block = self.ask("eth_getBlockByNumber", "latest", False)
        if block.get("baseFeePerGas") is None:
            raise ChainError(
                f"the chain at {self} has no base fee", help="Use a chain with EIP-1559 (London) or a later fork."
            )
        most, base = self.network.max_fee, quantity(block["baseFeePerGas"])
        if base > most:
            raise FeesTooHigh(
                f"the chain asks for {_gwei(base)} gwei per gas, the cap is {_gwei(most)}",
                help="Wait until it is cheaper, or raise the cap: max_fee in a role's settings, or --max-fee.",
            )
        tip = min(USUAL_TIP if isinstance(tip, Said) else quantity(tip), most - base)
        return Wei(tip), Wei(min(tip + 2 * base, most))

    def gas_limit(self, message: Message) -> int:
        """
        Raises:
            Reverted: it would fail now.
            OutOfFunds: the sender has less than it would send.
            ChainError: the node does not estimate it; in its own words.
        """
        try:
            estimate = quantity(self.ask("eth_estimateGas", _parameters(message)))
        except Said as said:
            if said.poor:
                raise self._out_of_funds(message.sender, message.value) from None
            raise said.as_error() from None
        return max(estimate, min(estimate + estimate // GAS_MARGIN, GAS_CAP))

    def call(self, message: Message) -> bytes:
        try:
            return octets(self.ask("eth_call", _parameters(message), "latest"))
        except Said as said:
            raise said.as_error() from None

    def mined(self, tx_hash: bytes) -> Mined:
        (mined,) = self.all_mined([tx_hash])
        return mined

    def all_mined(self, hashes: Sequence[bytes]) -> list[Mined]:
        """
        Raises:
            ChainError: one is not on this chain, or not what its hash says.
        """
        names = [f"0x{tx_hash.hex()}" for tx_hash in hashes]
        methods = "eth_getTransactionByHash", "eth_getTransactionReceipt"
        answers = self.ask_all([(method, [name]) for method in methods for name in names])
        found = list(zip(names, answers[: len(names)], answers[len(names) :], strict=True))
        for name, sent, receipt in found:
            if sent is None or receipt is None:
                raise ChainError(
                    f"no transaction {name} on this chain", help="It was never sent, or the chain was rolled back."
                )
        self._learn_times(receipt["blockHash"] for _, _, receipt in found)
        return [self._as_mined(receipt, self._raw(name, sent)) for name, sent, receipt in found]

    def _raw(self, name: str, sent: Json) -> bytes:
        """A transaction's signed envelope; empty for one that Cairn would not have sent."""
        if quantity(sent.get("type") or "0x0") != DYNAMIC_FEE[0] or sent.get("accessList"):
            return b""
        transaction = Transaction(
            chain_id=quantity(sent.get("chainId") or hex(self.chain_id)),
            nonce=quantity(sent["nonce"]),
            max_priority_fee=Wei(quantity(sent.get("maxPriorityFeePerGas") or 0)),
            max_fee=Wei(quantity(sent.get("maxFeePerGas") or 0)),
            gas=quantity(sent["gas"]),
            to=octets(sent.get("to") or ""),
            value=Wei(quantity(sent["value"])),
            data=octets(sent["input"]),
        )
        parity = sent["yParity"] if sent.get("yParity") is not None else sent["v"]
        raw = transaction.signed(quantity(parity), quantity(sent["r"]), quantity(sent["s"]))
        if keccak(raw) != octets(name):
            raise ChainError(f"transaction {name} is not what its hash says", help="The node lies or is broken.")
        return raw

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> Sequence[Log]:
        """In ranges that the node can answer: one that is refused is asked for in halves.

        Raises:
            RolledBack: the blocks do not continue those that were read before.
            Unreachable: no address has come as far as ``to_block``.
        """
        found: list[Log] = []
        start, length = from_block, to_block - from_block + 1
        while start <= to_block:
            end = min(start + length - 1, to_block)
            try:
                found += self._logs(start, end, addresses)
            except Said:
                if end == start:
                    raise
                length = (end - start + 1) // 2
                continue
            start = end + 1
        return found

    def _logs(self, start: int, end: int, addresses: Sequence[Address]) -> list[Log]:
        """Logs of a range, and the blocks at its ends, in one question, so that they belong together."""
        wanted: dict[str, Any] = {"fromBlock": hex(start), "toBlock": hex(end)}
        if addresses:
            wanted["address"] = list(map(checksummed, addresses))
        ends: list[Request] = [("eth_getBlockByNumber", [hex(number), False]) for number in (start, end)]
        for attempt in range(self.network.tries):
            first, last, found = self._answers([*ends, ("eth_getLogs", [wanted])])
            if isinstance(found, Said) and not found.passing and last is not None:
                raise found
            if not any(isinstance(answer, Said) or answer is None for answer in (first, last, found)):
                break
            self._pass_over()
            time.sleep(min(FIRST_POLL * 4**attempt, LAST_POLL))
        else:
            raise Unreachable(
                f"the chain at {self} does not give the logs of blocks {start} to {end}",
                help="The node may have fallen behind the others: see its log.",
            )
        self._check_seen(start - 1, octets(first["parentHash"]))
        self._check_seen(end, octets(last["hash"]))
        logs = self._as_logs(found)
        if any(log.block == end and octets(raw["blockHash"]) != octets(last["hash"]) for log, raw in logs):
            raise _rolled_back(end)
        self._remember(end, octets(last["hash"]))
        return [log for log, _ in logs]

    # --- sending ---

    def send_all(self, raws: Sequence[bytes], resign: Resign | None = None) -> Sequence[Mined | SignAnew | ChainError]:
        """Into the node's pool, in one request where the senders differ; then waits for all.

        What blocks pass over is offered again with fees an eighth higher, up to the network's cap: the same call under
        the same nonce, so that it happens once, whichever of the two is mined.
        """
        signed = [SignedTransaction.from_raw(raw) for raw in raws]
        outcomes: dict[int, Mined | SignAnew | ChainError] = {}
        queues: dict[Address, list[int]] = {}
        for index, each in enumerate(signed):
            queues.setdefault(each.sender, []).append(index)
        block = self._number()
        while wave := [queue.pop(0) for queue in queues.values() if queue]:
            for index, refusal in zip(wave, self._submit([raws[index] for index in wave]), strict=True):
                if refusal is not None:
                    outcomes[index] = refusal
                    stopped = queues.pop(signed[index].sender)  # the next ones would wait for this one for ever
                    outcomes |= dict.fromkeys(stopped, WrongNonce("the transaction before it was not taken"))
        offers = {
            index: _Offer(index, [raw], [signed[index].hash], block, time.monotonic())
            for index, raw in enumerate(raws)
            if index not in outcomes
        }
        self._wait(offers, outcomes, resign)
        return [outcomes[index] for index in range(len(raws))]

    def _submit(self, raws: Sequence[bytes]) -> list[SignAnew | ChainError | None]:
        """Offers transactions to the pool; None for each that it has now."""
        answers = self._answers([("eth_sendRawTransaction", [f"0x{raw.hex()}"]) for raw in raws])
        return [
            self._refusal(raw, answer) if isinstance(answer, Said) and not answer.known else None
            for raw, answer in zip(raws, answers, strict=True)
        ]

    def _refusal(self, raw: bytes, said: Said) -> SignAnew | ChainError | None:
        signed = SignedTransaction.from_raw(raw)
        if said.poor:
            sent = signed.transaction
            return self._out_of_funds(signed.sender, sent.value + sent.gas * sent.max_fee)
        if said.underpriced:
            return Underpriced(f"the node finds the fees of a transaction too low: {said.words}")
        if said.other_nonce or said.passing:  # it may have come through when the answer to it was lost
            if self.ask("eth_getTransactionByHash", f"0x{signed.hash.hex()}") is not None:
                return None
            return WrongNonce(f"the node expects another nonce of 0x{signed.sender.hex()}: {said.words}")
        return said

    def _wait(
        self, offers: dict[int, _Offer], outcomes: dict[int, Mined | SignAnew | ChainError], resign: Resign | None
    ) -> None:
        deadline, pause = time.monotonic() + self.network.patience, FIRST_POLL
        while offers:
            try:
                block = self._receive(offers, outcomes)
                for offer in list(offers.values()):
                    if resign is not None and block - offer.block >= self.network.reprice_after:
                        self._reprice(offer, block, resign)
                    if time.monotonic() - offer.offered > RESEND_AFTER and self._taken(offer):
                        del offers[offer.index]
                        outcomes[offer.index] = WrongNonce("another transaction with this key came before")
            except (Unreachable, Said) as error:
                if time.monotonic() > deadline or (isinstance(error, Said) and not error.passing):
                    raise
                log.warning("waiting for the chain to come back: %s", error)
            if not offers:
                return
            if time.monotonic() > deadline:
                outcomes |= {index: self._not_mined(offer) for index, offer in offers.items()}
                return
            time.sleep(pause)
            pause = min(2 * pause, LAST_POLL)

    def _receive(self, offers: dict[int, _Offer], outcomes: dict[int, Mined | SignAnew | ChainError]) -> int:
        """Takes out what is mined; gives the number of the newest block."""
        asked = [(offer, place) for offer in offers.values() for place in range(len(offer.hashes))]
        number, *receipts = self.ask_all(
            [
                ("eth_blockNumber", []),
                *(("eth_getTransactionReceipt", [f"0x{offer.hashes[place].hex()}"]) for offer, place in asked),
            ]
        )
        for (offer, place), receipt in zip(asked, receipts, strict=True):
            if receipt is not None and receipt.get("blockNumber") is not None:
                outcomes[offer.index] = self._as_mined(receipt, offer.raws[place])
                del offers[offer.index]
        return quantity(number)

    def _reprice(self, offer: _Offer, block: int, resign: Resign) -> None:
        """Offers the same for an eighth more, or for what the chain asks now; never for more than the cap."""
        offer.block = block
        last, most = SignedTransaction.from_raw(offer.raws[-1]).transaction, self.network.max_fee
        least = Wei(_raised(last.max_fee))
        try:
            tip, asked = self.fees()
        except FeesTooHigh as error:
            self._alarm(offer, str(error))
            tip, asked = Wei(0), most
        if least > most:
            self._alarm(offer, f"{_gwei(last.max_fee)} gwei per gas are offered, more is over the cap of {_gwei(most)}")
            return
        cap = max(asked, least)
        raw = resign(offer.index, min(Wei(max(tip, _raised(last.max_priority_fee))), cap), cap)
        if self._submit([raw])[0] is None:
            offer.raws.append(raw)
            offer.hashes.append(keccak(raw))
            offer.offered = time.monotonic()

    def _alarm(self, offer: _Offer, why: str) -> None:
        """Says once what keeps a transaction from being mined."""
        if not offer.capped:
            sender = checksummed(SignedTransaction.from_raw(offer.raws[-1]).sender)
            log.warning("a transaction of %s is not mined: %s", sender, why)
        offer.capped = True

    def _taken(self, offer: _Offer) -> bool:
        """Whether an offer's nonce went to another transaction. One that the node has lost is sent again."""
        offer.offered = time.monotonic()
        if self.ask("eth_getTransactionByHash", f"0x{offer.hashes[-1].hex()}") is not None:
            offer.lost = 0
            return False
        offer.lost += isinstance(self._submit([offer.raws[-1]])[0], WrongNonce)
        return offer.lost > 1  # once may be a receipt that is late

    def _not_mined(self, offer: _Offer) -> NotMined:
        signed = SignedTransaction.from_raw(offer.raws[-1])
        sent = signed.transaction
        why = (
            f"it offers {_gwei(sent.max_fee)} gwei per gas, and what it takes is over the cap of"
            f" {_gwei(self.network.max_fee)}"
            if offer.capped
            else f"nonce {sent.nonce}, {_gwei(sent.max_fee)} gwei per gas"
        )
        return NotMined(
            f"a transaction of {checksummed(signed.sender)} is not mined after {self.network.patience:g} s: {why}",
            help="See whether the chain makes blocks, whether an earlier transaction of this key is stuck, and what"
            " it asks for gas. The transaction may still be mined.",
        )

    def _out_of_funds(self, sender: Address, needed: int) -> OutOfFunds:
        has = self.balance(sender)
        return OutOfFunds(
            f"{checksummed(sender)} has {_ether(has)} ether, {_ether(needed)} can be needed",
            has=has,
            needed=Wei(needed),
            help=f"Send it {_ether(max(needed - has, 0))} ether or more.",
        )

    # --- what answers mean ---

    def _settled(self) -> Json:
        if self.network.finalized:
            return self._block("finalized")
        if not self.network.confirmations:
            return self._block("latest")
        return self._block(max(0, self._number() - self.network.confirmations))

    def _number(self) -> int:
        return quantity(self.ask("eth_blockNumber"))

    def _block(self, which: int | str) -> Json:
        name = hex(which) if isinstance(which, int) else which
        return self._there(self.ask("eth_getBlockByNumber", name, False), which)

    def _there(self, block: Json | None, which: int | str) -> Json:
        if block is None:
            raise ChainError(
                f"the chain at {self} has no block {which}",
                help="Wait until it is there; where it is 'finalized', use confirmations instead.",
            )
        return block

    def _as_mined(self, receipt: Json, raw: bytes) -> Mined:
        ok = quantity(receipt["status"]) == 1
        block = quantity(receipt["blockNumber"])
        self._learn_times([receipt["blockHash"]])
        return Mined(
            hash=octets(receipt["transactionHash"]),
            block=block,
            timestamp=self._times[octets(receipt["blockHash"])],
            gas_used=quantity(receipt["gasUsed"]),
            ok=ok,
            refusal=b"" if ok or not raw else self._why(raw, block),
            raw=raw,
            logs=tuple(log for log, _ in self._as_logs(receipt["logs"])),
        )

    def _as_logs(self, found: Sequence[Json]) -> list[tuple[Log, Json]]:
        """Logs in the chain's order, each with what the node said."""
        for raw in found:
            if raw.get("blockTimestamp") is not None:
                self._keep(self._times, octets(raw["blockHash"]), quantity(raw["blockTimestamp"]))
        self._learn_times(raw["blockHash"] for raw in found)
        logs = [
            (
                Log(
                    address=Address(octets(raw["address"])),
                    topics=tuple(map(octets, raw["topics"])),
                    data=octets(raw["data"]),
                    block=quantity(raw["blockNumber"]),
                    log_index=quantity(raw["logIndex"]),
                    timestamp=self._times[octets(raw["blockHash"])],
                    tx_hash=octets(raw["transactionHash"]),
                ),
                raw,
            )
            for raw in found
        ]
        return sorted(logs, key=lambda pair: (pair[0].block, pair[0].log_index))

    def _learn_times(self, hashes: Iterable[Any]) -> None:
        """Asks for the times of blocks that are not known yet, all at once."""
        unknown = [block for block in dict.fromkeys(map(octets, hashes)) if block not in self._times]
        if not unknown:
            return
        blocks = self.ask_all([("eth_getBlockByHash", [f"0x{block.hex()}", False]) for block in unknown])
        for name, block in zip(unknown, blocks, strict=True):
            if block is None:
                raise RolledBack(
                    f"block 0x{name.hex()} is gone while its logs are read",
                    help=ROLLED_BACK,
                )
            self._keep(self._times, name, quantity(block["timestamp"]))

    def _why(self, raw: bytes, block: int) -> bytes:
        """What the contract says when a transaction that failed is asked again, in the state after its block."""
        signed = SignedTransaction.from_raw(raw)
        sent = signed.transaction
        message = Message(signed.sender, sent.to, sent.data, sent.value)
        try:
            self.ask("eth_call", _parameters(message), hex(block))
        except Said as said:
            return said.data
        return b""

    def _pass_over(self) -> None:
        """What was answered is old: another address is asked next, if there is one."""
        if isinstance(self._web3.provider, Endpoints):
            self._web3.provider.pass_over()

    def _check_seen(self, number: int, actual: bytes) -> None:
        if self._seen.get(number, actual) != actual:
            raise _rolled_back(number)

    def _remember(self, number: int, block: bytes) -> None:
        self._keep(self._seen, number, block)

    @staticmethod
    def _keep(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
        memory[key] = value
        if len(memory) > REMEMBERED:
            memory.popitem(last=False)


@dataclass(slots=True)
class _Offer:
    """A call that is offered to the chain: the same under one nonce, each time for more.

    Args:
        block: the newest one when its fees were last thought of.
        offered: when it was last known to be in the pool, in seconds.
        capped: more would be over the cap.
        lost: times in a row that the node did not know it, nor take it again.
    """

    index: int
    raws: list[bytes]
    hashes: list[bytes]
    block: int
    offered: float
    capped: bool = False
    lost: int = 0


def _parameters(message: Message) -> dict[str, Any]:
    parameters = {
        "from": checksummed(message.sender),
        "data": f"0x{message.data.hex()}",
        "value": hex(message.value),
    }
    return parameters | {"to": checksummed(Address(message.to))} if message.to else parameters


def _raised(fee: int) -> int:
    """An eighth more, rounded up: less is refused by every node's pool."""
    return fee + fee // 8 + 1


def _rolled_back(number: int) -> CairnError:
    return RolledBack(
        f"block {number} was read, and is no longer part of the chain",
        help=ROLLED_BACK,
    )


def _gwei(wei: int) -> str:
    return f"{wei / GWEI:,.9g}"


def _ether(wei: int) -> str:
    return f"{wei / 10**18:,.6g}"
