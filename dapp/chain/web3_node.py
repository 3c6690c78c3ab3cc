"""Any Ethereum JSON-RPC network, through web3.py, as a :class:`dapp.chain.node.Node`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3 import types as web3_types
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception
from web3.types import LogReceipt, TxParams

from dapp.chain.header import header_rlp
from dapp.chain.keys import SignedTransaction, Transaction
from dapp.chain.node import Block, Log, Message, Mined, Reverted, WrongNonce
from dapp.errors import CairnError, ChainError
from dapp.types import Address, Wei

GAS_MARGIN = 5
"""A fifth is added to what a node estimates: state may move before the transaction is mined."""


class Web3Node:
    """A node behind a web3 connection.

    Args:
        web3: the connection.
        patience: seconds to wait for a transaction to be mined.
    """

    def __init__(self, web3: Web3, patience: float = 120) -> None:
        self._web3 = web3
        self._patience = patience
        self._times: dict[int, int] = {}

    @cached_property
    def chain_id(self) -> int:
        return self._web3.eth.chain_id

    def head(self) -> Block:
        block = self._web3.eth.get_block("latest")
        return Block(block["number"], block["timestamp"], bytes(block["hash"]))

    def header(self, number: int) -> bytes:
        return header_rlp(self._web3.eth.get_block(number))

    def balance(self, address: Address) -> Wei:
        return Wei(self._web3.eth.get_balance(_checked(address)))

    def nonce(self, address: Address) -> int:
        return self._web3.eth.get_transaction_count(_checked(address))

    def fees(self) -> tuple[Wei, Wei]:
        """The cap leaves room for six full blocks: each lifts the base fee by an eighth (EIP-1559)."""
        tip = self._web3.eth.max_priority_fee
        base = self._web3.eth.get_block("latest")["baseFeePerGas"]
        return Wei(tip), Wei(tip + 2 * base)

    def gas_limit(self, message: Message) -> int:
        try:
            estimate = self._web3.eth.estimate_gas(_parameters(message))
        except ContractLogicError as error:
            raise _reverted(error) from error
        except Web3Exception as error:
            raise _refused(error) from error
        return estimate + estimate // GAS_MARGIN

    def call(self, message: Message) -> bytes:
        try:
            return bytes(self._web3.eth.call(_parameters(message)))
        except ContractLogicError as error:
            raise _reverted(error) from error

    def send_all(self, raws: Sequence[bytes]) -> list[Mined]:
        """One after the other into the node's pool, then waits for all."""
        return [self._mined(tx_hash, raw) for tx_hash, raw in [(self._submit(raw), raw) for raw in raws]]

    def logs(self, from_block: int, to_block: int) -> Sequence[Log]:
        found = self._web3.eth.get_logs({"fromBlock": from_block, "toBlock": to_block})
        return [self._log(log) for log in sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))]

    def mined(self, tx_hash: bytes) -> Mined:
        try:
            sent = self._web3.eth.get_transaction(HexBytes(tx_hash))
        except TransactionNotFound as error:
            raise ChainError(
                f"no transaction 0x{tx_hash.hex()} on this chain",
                help="It was never sent, or the chain was rolled back.",
            ) from error
        transaction = Transaction(
            chain_id=sent["chainId"],
            nonce=sent["nonce"],
            max_priority_fee=Wei(sent["maxPriorityFeePerGas"]),
            max_fee=Wei(sent["maxFeePerGas"]),
            gas=sent["gas"],
            to=_unhexed(sent.get("to")),
            value=Wei(sent["value"]),
            data=bytes(sent["input"]),
        )
        r, s = (int.from_bytes(sent[name], "big") for name in ("r", "s"))
        return self._mined(tx_hash, transaction.signed(sent["v"], r, s))

    def _submit(self, raw: bytes) -> bytes:
        try:
            return bytes(self._web3.eth.send_raw_transaction(HexBytes(raw)))
        except Web3Exception as error:
            raise _refused(error) from error

    def _mined(self, tx_hash: bytes, raw: bytes) -> Mined:
        receipt = self._web3.eth.wait_for_transaction_receipt(HexBytes(tx_hash), timeout=self._patience)
        block, ok = receipt["blockNumber"], receipt["status"] == 1
        return Mined(
            hash=tx_hash,
            block=block,
            timestamp=self._time(block),
            gas_used=receipt["gasUsed"],
            ok=ok,
            refusal=b"" if ok else self._why(raw, block),
            raw=raw,
            logs=tuple(map(self._log, receipt["logs"])),
        )

    def _log(self, log: LogReceipt) -> Log:
        return Log(
            address=Address(_unhexed(log["address"])),
            topics=tuple(map(bytes, log["topics"])),
            data=bytes(log["data"]),
            block=log["blockNumber"],
            log_index=log["logIndex"],
            timestamp=self._time(log["blockNumber"]),
            tx_hash=bytes(log["transactionHash"]),
        )

    def _time(self, number: int) -> int:
        if number not in self._times:
            self._times[number] = self._web3.eth.get_block(number)["timestamp"]
        return self._times[number]

    def _why(self, raw: bytes, block: int) -> bytes:
        """What the contract says when a transaction that failed is asked again, in the state after its block."""
        signed = SignedTransaction.from_raw(raw)
        sent = signed.transaction
        try:
            self._web3.eth.call(_parameters(Message(signed.sender, sent.to, sent.data, sent.value)), block)
        except ContractLogicError as error:
            return _reverted(error).data
        return b""


def _parameters(message: Message) -> TxParams:
    parameters: TxParams = {
        "from": _checked(message.sender),
        "data": HexBytes(message.data),
        "value": web3_types.Wei(message.value),
    }
    if message.to:
        parameters["to"] = _checked(message.to)
    return parameters


def _reverted(error: ContractLogicError) -> Reverted:
    return Reverted(bytes.fromhex(error.data.removeprefix("0x")) if isinstance(error.data, str) else b"")


def _refused(error: Exception) -> CairnError:
    if "nonce" in str(error).lower():
        return WrongNonce(f"the node refused a transaction: {error}")
    return ChainError(f"the node refused a transaction: {error}", help="The node's own words say why.")


def _checked(address: bytes) -> ChecksumAddress:
    return Web3.to_checksum_address(address)


def _unhexed(address: str | None) -> bytes:
    return bytes.fromhex(address.removeprefix("0x")) if address else b""
