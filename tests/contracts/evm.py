"""Contracts on the embedded chain, called by name: what a test of one contract needs, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dapp.chain.codec import Abi, Entry, decode_log, decode_result, encode_call
from dapp.chain.codec import decode_arguments as decode_error
from dapp.chain.devnet import Devnet
from dapp.chain.keys import Account, Transaction, created_address
from dapp.chain.node import Message, Mined, Reverted
from dapp.types import Address, Wei

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "dapp" / "chain" / "abi", ROOT / "tests" / "contracts" / "artifacts")
ETHER = 10**18
GAS = 16_000_000


class Refused(Exception):
    """A revert, by the name and the arguments of its custom error."""

    def __init__(self, name: str, *values: Any) -> None:
        super().__init__(name, *values)
        self.name = name
        self.values = values


@dataclass(frozen=True)
class Emitted:
    name: str
    values: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


@dataclass(frozen=True)
class Sent:
    gas: int
    timestamp: int
    block: int
    events: tuple[Emitted, ...]

    def event(self, name: str) -> Emitted:
        (found,) = [event for event in self.events if event.name == name]
        return found


@cache
def artifact(name: str) -> Mapping[str, Any]:
    (path,) = [folder / f"{name}.json" for folder in FOLDERS if (folder / f"{name}.json").exists()]
    loaded: Mapping[str, Any] = json.loads(path.read_text())
    return loaded


@cache
def abi_of(name: str) -> Abi:
    return Abi.from_artifact(artifact(name))


class Evm:
    """A chain with accounts 0, 1, … of 10,000 ether each, of which the first deploys.

    Args:
        chain: makes the chain, from the accounts' wei by address; the embedded one, or one with its manners.
    """

    def __init__(self, accounts: int = 12, chain: Callable[[dict[Address, Wei]], Any] = Devnet) -> None:
        self.accounts = [Account.from_seed(b"tests", i) for i in range(accounts)]
        self.chain = chain({account.address: Wei(10_000 * ETHER) for account in self.accounts})
        self._events: dict[bytes, Entry] = {}
        self._errors: dict[bytes, Entry] = {}

    @property
    def now(self) -> int:
        return self.chain.head().timestamp

    def deploy(self, name: str, *arguments: Any, value: int = 0) -> Contract:
        abi = abi_of(name)
        creator = self.accounts[0]
        address = created_address(creator.address, self.chain.nonce(creator.address))
        self._events |= abi.events
        self._errors |= abi.errors
        self._send(creator, b"", abi.creation_code(*arguments), value)
        return Contract(self, abi, address)

    def next_address(self, after: int = 0) -> Address:
        """Where the deployment after so many others will put its contract."""
        creator = self.accounts[0].address
        return created_address(creator, self.chain.nonce(creator) + after)

    def advance_to(self, timestamp: int) -> None:
        """The next transaction is mined at this time."""
        if timestamp - 1 > self.now:
            self.chain.travel(timestamp - 1 - self.now)
        assert self.now == timestamp - 1, "that time is past"

    def transfer(self, account: Account, to: bytes, value: int) -> Sent:
        return self._send(account, to, b"", value)

    def _send(self, account: Account, to: bytes, data: bytes, value: int) -> Sent:
        nonce = self.chain.nonce(account.address)
        transaction = Transaction(self.chain.chain_id, nonce, Wei(0), Wei(10**10), GAS, to, Wei(value), data)
        try:
            mined = self.chain.send(account.sign(transaction))
        except Reverted as reverted:
            raise self._refusal(reverted.data) from None
        return Sent(mined.gas_used, mined.timestamp, mined.block, tuple(self._decode(mined)))

    def _refusal(self, data: bytes) -> Refused:
        entry = self._errors.get(data[:4])
        return Refused(entry.name, *decode_error(entry, data)) if entry else Refused(f"0x{data.hex()}")

    def _decode(self, mined: Mined) -> list[Emitted]:
        decoded = []
        for log in mined.logs:
            entry = self._events[log.topics[0]]
            names = [parameter.name for parameter in entry.inputs]
            decoded.append(Emitted(entry.name, dict(zip(names, decode_log(entry, log.topics, log.data), strict=True))))
        return decoded


@dataclass(frozen=True)
class Contract:
    evm: Evm
    abi: Abi
    address: Address

    def read(self, function: str, *arguments: Any, sender: Account | None = None) -> Any:
        """What a view returns: one value, or a tuple of several."""
        entry = self.abi.functions[function]
        caller = (sender or self.evm.accounts[0]).address
        message = Message(caller, self.address, encode_call(entry, arguments), Wei(0))
        try:
            values = decode_result(entry, self.evm.chain.call(message))
        except Reverted as reverted:
            raise self.evm._refusal(reverted.data) from None
        return values[0] if len(values) == 1 else values

    def send(self, account: Account, function: str, *arguments: Any, value: int = 0) -> Sent:
        return self.evm._send(account, self.address, encode_call(self.abi.functions[function], arguments), value)
