"""The embedded chain: py-evm in this process, on prague, a block for every sending, time at the caller's will.

What differs from a public network is that nobody else is there: blocks come when a transaction or a time is given.
What does not differ: the same bytecode, gas and signatures; every block's prevrandao is fresh (derived from a seed, so
that a run can be repeated; py-evm itself would leave a constant); and EIP-2935's contract serves 8,191 block hashes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import rlp
from eth.abc import BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI
from eth.chains.base import MiningChain
from eth.consensus.applier import ConsensusApplier
from eth.consensus.noproof import NoProofConsensus
from eth.constants import POST_MERGE_DIFFICULTY, POST_MERGE_NONCE, ZERO_ADDRESS
from eth.db.atomic import AtomicDB
from eth.typing import AccountDetails, HeaderParams
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.constants import HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE
from eth_typing import evm
from eth_utils.exceptions import ValidationError

from dapp.chain.node import Block, Log, Message, Mined, Resign, Reverted, WrongNonce
from dapp.errors import ChainError, Rejected
from dapp.types import Address, Wei

CHAIN_ID = 1337
GENESIS_TIME = 1_767_225_600
"""2026-01-01T00:00:00Z; chain time is not wall time, and a fixed start makes runs repeatable."""
BLOCK_GAS = 1_000_000_000
TRANSACTION_GAS = 16_777_216
"""Allowed for every transaction, so that none is estimated first: EIP-7825's cap."""
PRIORITY_FEE = Wei(10**9)
MAX_FEE = Wei(10 * 10**9)


class _Chain(MiningChain):
    chain_id = CHAIN_ID
    vm_configuration = ConsensusApplier(NoProofConsensus).amend_vm_configuration(((0, PragueVM),))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment to come back to."""

    block: int
    log_count: int


class Devnet:
    """A chain with these accounts funded at its genesis. It is a :class:`dapp.chain.node.Node`.

    Args:
        accounts: wei by address.
        seed: what every block's prevrandao is derived from; a secret where draws must not be foreseen.
        genesis_time: seconds.
    """

    def __init__(self, accounts: Mapping[Address, Wei], seed: bytes = b"", genesis_time: int = GENESIS_TIME) -> None:
        self._seed = seed
        state: dict[evm.Address, AccountDetails] = {
            evm.Address(address): _account(balance=int(balance)) for address, balance in accounts.items()
        }
        state[HISTORY_STORAGE_ADDRESS] = _account(nonce=1, code=HISTORY_STORAGE_CONTRACT_CODE)
        genesis: dict[str, HeaderParams] = {
            "coinbase": ZERO_ADDRESS,
            "difficulty": POST_MERGE_DIFFICULTY,
            "extra_data": b"",
            "gas_limit": BLOCK_GAS,
            "mix_hash": self._prevrandao(0),
            "nonce": POST_MERGE_NONCE,
            "timestamp": genesis_time,
        }
        self._chain = _Chain.from_genesis(AtomicDB(), genesis, state)
        self._headers: list[BlockHeaderAPI] = [self._chain.get_canonical_head()]
        self._mined: dict[bytes, Mined] = {}
        self._logs: list[Log] = []
        self._first_log: list[int] = [0, 0]
        self._reader: PragueVM | None = None
        self._decoder = self._at_head().get_transaction_builder()

    @property
    def chain_id(self) -> int:
        return CHAIN_ID

    def head(self) -> Block:
        return self.block(len(self._headers) - 1)

    def block(self, number: int) -> Block:
        header = self._header(number)
        return Block(number, header.timestamp, header.hash)

    def header(self, number: int) -> bytes:
        encoded: bytes = rlp.encode(self._header(number))
        return encoded

    def headers(self, numbers: Sequence[int]) -> list[bytes]:
        return [self.header(number) for number in numbers]

    def balance(self, address: Address) -> Wei:
        return Wei(self._at_head().state.get_balance(evm.Address(address)))

    def nonce(self, address: Address) -> int:
        nonce: int = self._at_head().state.get_nonce(evm.Address(address))
        return nonce

    def code(self, address: Address) -> bytes:
        return bytes(self._at_head().state.get_code(evm.Address(address)))

    def fees(self) -> tuple[Wei, Wei]:
        return PRIORITY_FEE, MAX_FEE

    def gas_limit(self, message: Message) -> int:  # the same for every message
        return TRANSACTION_GAS

    def call(self, message: Message) -> bytes:
        vm = self._at_head()
        sender, to = evm.Address(message.sender), evm.Address(message.to)
        before = vm.state.snapshot()
        vm.state.delta_balance(to, message.value)  # which nobody pays: it is taken back below
        result = vm.execute_bytecode(
            origin=sender,
            gas_price=0,
            gas=TRANSACTION_GAS,
            to=to,
            sender=sender,
            value=message.value,
            data=message.data,
            code=vm.state.get_code(to),
            code_address=to,
        )
        vm.state.revert(before)
        output: bytes = result.output
        if result.is_error:
            raise Reverted(output)
        return output

    def send(self, raw: bytes) -> Mined:
        """One transaction in a block of its own.

        Raises:
            Reverted: it was mined, and failed.
        """
        (mined,) = self.send_all([raw])
        if not mined.ok:
            raise Reverted(mined.refusal)
        return mined

    def send_all(self, raws: Sequence[bytes], resign: Resign | None = None) -> list[Mined]:
        """All in one block. Where one is unfit, none is mined."""
        number, timestamp = len(self._headers), self._headers[-1].timestamp + 1
        with _refusals():
            transactions = [self._decoder.decode(raw) for raw in raws]
            receipts, computations = self._mine(timestamp, transactions)
        sent: list[Mined] = []
        index, gas_before = itertools.count(), 0
        for raw, transaction, receipt, computation in zip(raws, transactions, receipts, computations, strict=True):
            logs = tuple(
                Log(
                    address=Address(log.address),
                    topics=tuple(topic.to_bytes(32, "big") for topic in log.topics),
                    data=log.data,
                    block=number,
                    log_index=next(index),
                    timestamp=timestamp,
                    tx_hash=transaction.hash,
                )
                for log in receipt.logs
            )
            mined = Mined(
                hash=transaction.hash,
                block=number,
                timestamp=timestamp,
                gas_used=receipt.gas_used - gas_before,  # a receipt's is the block's so far
                ok=computation.is_success,
                refusal=b"" if computation.is_success else computation.output,
                raw=raw,
                logs=logs,
            )
            gas_before = receipt.gas_used
            self._mined[mined.hash] = mined
            self._logs += logs
            sent.append(mined)
        self._first_log[-1] = len(self._logs)
        return sent

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> Sequence[Log]:
        last = min(to_block, len(self._headers) - 1)
        if last < from_block:
            return []
        found = self._logs[self._first_log[from_block] : self._first_log[last + 1]]
        return [log for log in found if log.address in addresses] if addresses else found

    def mined(self, tx_hash: bytes) -> Mined:
        try:
            return self._mined[tx_hash]
        except KeyError:
            raise ChainError(
                f"no transaction 0x{tx_hash.hex()} on this chain", help="It was never sent here, or was reverted."
            ) from None

    def all_mined(self, hashes: Sequence[bytes]) -> list[Mined]:
        return [self.mined(each) for each in hashes]

    def mine(self, blocks: int = 1) -> None:
        """Mines empty blocks, a second apart."""
        for _ in range(blocks):
            self._mine(self._headers[-1].timestamp + 1)

    def travel(self, seconds: int) -> None:
        """Lets time pass: mines one empty block that much later.

        Raises:
            Rejected: less than a second.
        """
        if seconds < 1:
            raise Rejected(f"time cannot pass by {seconds} s", help="A block comes at least a second after the last.")
        self._mine(self._headers[-1].timestamp + seconds)

    def snapshot(self) -> Snapshot:
        return Snapshot(len(self._headers) - 1, len(self._logs))

    def revert(self, snapshot: Snapshot) -> None:
        """Forgets all blocks after the snapshot. Clients find out by their nonces, which no longer fit."""
        del self._headers[snapshot.block + 1 :]
        del self._logs[snapshot.log_count :]
        del self._first_log[snapshot.block + 2 :]
        self._mined = {key: mined for key, mined in self._mined.items() if mined.block <= snapshot.block}
        self._reader = None

    def _header(self, number: int) -> BlockHeaderAPI:
        if not 0 <= number < len(self._headers):
            raise ChainError(
                f"there is no block {number} yet: the last is {len(self._headers) - 1}",
                help="Wait until it is mined.",
            )
        return self._headers[number]

    def _prevrandao(self, number: int) -> bytes:
        return sha256(b"cairn.devnet.prevrandao.v1\0" + self._seed + number.to_bytes(8, "big")).digest()

    def _at_head(self) -> PragueVM:
        """The machine in the state after the head, to be read only."""
        if self._reader is None:
            self._reader = self._vm(self._headers[-1])
        return self._reader

    def _mine(
        self, timestamp: int, transactions: Sequence[SignedTransactionAPI] = ()
    ) -> tuple[tuple[ReceiptAPI, ...], tuple[ComputationAPI, ...]]:
        """Adds a block with these transactions."""
        header = self._chain.create_header_from_parent(
            self._headers[-1],
            timestamp=timestamp,
            gas_limit=BLOCK_GAS,
            mix_hash=self._prevrandao(len(self._headers)),
        )
        vm = self._vm(header)
        vm.block_preprocessing(vm.get_block())
        header, receipts, computations = vm.apply_all_transactions(transactions, vm.get_header())
        block = vm.set_block_transactions_and_withdrawals(vm.get_block(), header, transactions, receipts)
        header = vm.mine_block(block).block.header
        self._chain.chaindb.db[header.hash] = rlp.encode(header)  # BLOCKHASH walks back through these
        self._headers.append(header)
        self._first_log.append(len(self._logs))
        self._reader = None
        return receipts, computations

    def _vm(self, header: BlockHeaderAPI) -> PragueVM:
        vm = self._chain.get_vm(header)
        assert isinstance(vm, PragueVM)
        return vm


def _account(balance: int = 0, nonce: int = 0, code: bytes = b"") -> AccountDetails:
    return {"balance": balance, "nonce": nonce, "code": code, "storage": {}}


@contextmanager
def _refusals() -> Iterator[None]:
    """What makes a transaction unfit for any block, in our own errors."""
    try:
        yield
    except ValidationError as error:
        if "nonce" in str(error).lower():
            raise WrongNonce(f"the embedded chain refused a transaction: {error}") from error
        raise ChainError(
            f"the embedded chain refused a transaction: {error}", help="See that its sender has enough ether."
        ) from error
