"""Keys and the transactions that they sign, against eth-account."""

from __future__ import annotations

import pickle

import pytest
from eth_account import Account as Oracle
from hypothesis import given
from hypothesis import strategies as st

from dapp.chain.keys import (
    SECP256K1_ORDER,
    Account,
    SignedTransaction,
    Transaction,
    checksummed,
    created_address,
    recover,
)
from dapp.errors import ChainError
from dapp.types import Address, Wei

KEYS = st.integers(1, SECP256K1_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
AMOUNTS = st.integers(0, 2**96 - 1)
TRANSACTIONS = st.builds(
    Transaction,
    chain_id=st.integers(1, 2**32),
    nonce=st.integers(0, 2**32),
    max_priority_fee=AMOUNTS.map(Wei),
    max_fee=AMOUNTS.map(Wei),
    gas=st.integers(21_000, 2**32),
    to=st.binary(min_size=20, max_size=20) | st.just(b""),
    value=AMOUNTS.map(Wei),
    data=st.binary(max_size=100),
)


@given(KEYS, TRANSACTIONS)
def test_a_signed_transaction_is_eth_accounts_byte_for_byte(key: bytes, transaction: Transaction) -> None:
    expected = Oracle.sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "maxPriorityFeePerGas": transaction.max_priority_fee,
            "maxFeePerGas": transaction.max_fee,
            "gas": transaction.gas,
            "to": transaction.to,
            "value": transaction.value,
            "data": transaction.data,
        },
        key,
    )
    account = Account(key)
    raw = account.sign(transaction)
    assert raw == bytes(expected.raw_transaction)
    signed = SignedTransaction.from_raw(raw)
    assert signed == SignedTransaction(transaction, account.address, bytes(expected.hash))


@given(KEYS)
def test_addresses_are_eth_accounts(key: bytes) -> None:
    assert checksummed(Account(key).address) == Oracle.from_key(key).address


@given(KEYS, st.binary(min_size=32, max_size=32))
def test_a_signed_digest_recovers_to_its_signer_as_openzeppelin_wants_it(key: bytes, digest: bytes) -> None:
    account = Account(key)
    signature = account.sign_digest(digest)
    assert recover(digest, signature) == account.address
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64], "big") <= SECP256K1_ORDER // 2


@given(st.binary(max_size=200))
def test_bytes_that_are_no_transaction_are_refused(raw: bytes) -> None:
    with pytest.raises(ChainError):
        SignedTransaction.from_raw(raw)


def test_a_changed_transaction_has_another_sender() -> None:
    account = Account.from_seed(b"seed", "sender")
    raw = account.sign(Transaction(1337, 0, Wei(1), Wei(1), 21_000, bytes(20), Wei(1), b"pay 1"))
    changed = raw.replace(b"pay 1", b"pay 9")
    assert SignedTransaction.from_raw(changed).sender != account.address


def test_accounts_from_a_seed_are_repeatable_and_apart() -> None:
    labels: list[tuple[str | int, ...]] = [("device", 1), ("device", 11), ("device1", 1), ("edge", 1), ("device",)]
    accounts = [Account.from_seed(b"seed", *label) for label in labels]
    assert len({account.address for account in accounts}) == len(labels)
    assert Account.from_seed(b"seed", "device", 1).address == accounts[0].address
    assert Account.from_seed(b"other", "device", 1).address != accounts[0].address


def test_a_private_key_shows_nowhere() -> None:
    account = Account(b"\x07" * 32)
    assert repr(account) == f"Account(0x{account.address.hex()})"
    assert "07070707" not in repr(account)
    with pytest.raises(TypeError):
        pickle.dumps(account)


@pytest.mark.parametrize("key", [bytes(32), b"\x01" * 31, SECP256K1_ORDER.to_bytes(32, "big")])
def test_what_is_no_private_key_is_refused(key: bytes) -> None:
    with pytest.raises(ChainError, match="not a private key"):
        Account(key)


def test_created_addresses_are_the_yellow_papers() -> None:
    # The first contracts of Uniswap's and of a well-known deployer: nonces 0 and 1 of 0x6ac7…b1d0.
    creator = Address(bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"))
    assert created_address(creator, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert created_address(creator, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"
