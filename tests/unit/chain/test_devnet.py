"""What the embedded chain promises: blocks, time, randomness, hashes of the past, and a way back."""

from __future__ import annotations

import pytest
import rlp
from eth_hash.auto import keccak

from dapp.chain.devnet import CHAIN_ID, GENESIS_TIME, Devnet
from dapp.chain.facts import Header
from dapp.chain.keys import Account, Transaction
from dapp.chain.node import Message, Reverted, WrongNonce
from dapp.errors import ChainError, Rejected
from dapp.types import Address, Wei

ALICE, BOB = Account.from_seed(b"devnet", "alice"), Account.from_seed(b"devnet", "bob")
HISTORY = Address(bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935"))


def start(seed: bytes = b"") -> Devnet:
    return Devnet({ALICE.address: Wei(10**18)}, seed)


def payment(nonce: int, value: int = 1, gas: int = 21_000) -> bytes:
    return ALICE.sign(Transaction(CHAIN_ID, nonce, Wei(10**9), Wei(10**10), gas, BOB.address, Wei(value), b""))


def test_a_transaction_is_a_block_a_second_later() -> None:
    chain = start()
    mined = chain.send(payment(0, value=5))
    assert (mined.block, mined.timestamp, mined.gas_used, mined.ok) == (1, GENESIS_TIME + 1, 21_000, True)
    assert chain.head().number == 1
    assert chain.balance(BOB.address) == 5
    assert chain.nonce(ALICE.address) == 1
    assert chain.mined(mined.hash) == mined


def test_time_passes_only_when_told() -> None:
    chain = start()
    assert chain.head().timestamp == GENESIS_TIME
    chain.travel(1_000)
    assert chain.head().timestamp == GENESIS_TIME + 1_000
    chain.mine(3)
    assert (chain.head().number, chain.head().timestamp) == (4, GENESIS_TIME + 1_003)
    with pytest.raises(Rejected):
        chain.travel(0)


def test_headers_hash_to_their_blocks_and_follow_each_other() -> None:
    chain = start()
    chain.send(payment(0))
    chain.mine(2)
    headers = [Header.from_rlp(chain.header(number)) for number in range(4)]
    for number, header in enumerate(headers):
        assert (header.number, header.hash) == (number, chain.block(number).hash)
        assert header.timestamp == chain.block(number).timestamp
        assert keccak(chain.header(number)) == header.hash
        if number:
            assert header.parent == headers[number - 1].hash


def test_a_header_has_pragues_fields_and_no_difficulty() -> None:
    fields = rlp.decode(start().header(0))
    assert len(fields) == 21
    assert fields[7] == b""


def test_prevrandao_differs_in_every_block_and_repeats_with_the_seed() -> None:
    def draws(seed: bytes) -> list[bytes]:
        chain = start(seed)
        chain.mine(50)
        return [Header.from_rlp(chain.header(number)).prevrandao for number in range(51)]

    assert len(set(draws(b"a"))) == 51
    assert draws(b"a") == draws(b"a")
    assert not set(draws(b"a")) & set(draws(b"b"))


def test_the_history_contract_serves_hashes_that_the_opcode_has_forgotten() -> None:
    chain = start()
    chain.mine(300)
    asked = Message(ALICE.address, HISTORY, (7).to_bytes(32, "big"), Wei(0))
    assert chain.call(asked) == chain.block(7).hash


def test_a_snapshot_brings_back_state_time_and_the_same_future() -> None:
    chain = start()
    chain.send(payment(0))
    before, there = chain.head(), chain.snapshot()
    first = chain.send(payment(1))
    chain.travel(100)
    after = chain.head()
    chain.revert(there)
    assert chain.head() == before
    assert chain.nonce(ALICE.address) == 1
    with pytest.raises(ChainError, match="no transaction"):
        chain.mined(first.hash)
    chain.send(payment(1))
    chain.travel(100)
    assert chain.head() == after


def test_another_nonce_than_the_next_is_told_apart() -> None:
    with pytest.raises(WrongNonce):
        start().send(payment(7))


def test_a_sender_without_ether_is_refused_and_nothing_is_mined() -> None:
    chain = start()
    poor = BOB.sign(Transaction(CHAIN_ID, 0, Wei(1), Wei(10**10), 21_000, ALICE.address, Wei(1), b""))
    with pytest.raises(ChainError, match="refused a transaction"):
        chain.send(poor)
    assert chain.head().number == 0


def test_a_block_that_is_not_there_yet_is_named() -> None:
    with pytest.raises(ChainError, match="no block 5"):
        start().block(5)


def test_a_failing_call_leaves_no_trace() -> None:
    chain = start()
    with pytest.raises(Reverted):
        chain.call(Message(ALICE.address, HISTORY, b"odd", Wei(0)))
    assert chain.head().number == 0
