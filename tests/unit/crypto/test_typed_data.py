"""Signed messages are EIP-712's, as eth_account encodes them, and recover to their signer only."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from dapp.crypto.typed_data import (
    Attestation,
    Domain,
    Enrolment,
    Message,
    ShareCommit,
    Ticket,
    UpdateCommit,
    learning_domain,
    mining_domain,
    recover,
    sign,
)
from dapp.errors import CryptoError
from dapp.types import Address

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "typed_data.json").read_text())["vectors"]
MESSAGES = {cls.__name__: cls for cls in (Ticket, Enrolment, UpdateCommit, Attestation, ShareCommit)}
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = st.integers(1, ORDER - 1).map(lambda key: key.to_bytes(32, "big"))
DOMAINS = st.builds(
    lambda make, chain_id, contract: make(chain_id, Address(contract)),
    st.sampled_from([learning_domain, mining_domain]),
    st.integers(0, 2**256 - 1),
    st.binary(min_size=20, max_size=20),
)


def values(cls: type[Message]) -> st.SearchStrategy[Message]:
    def of(type_: str) -> st.SearchStrategy[Any]:
        if type_ in ("bytes32", "address"):
            width = 32 if type_ == "bytes32" else 20
            return st.binary(min_size=width, max_size=width)
        return st.integers(0, 2 ** int(type_.removeprefix("uint")) - 1)

    members = cls.TYPE[cls.TYPE.index("(") + 1 : -1].split(",")
    return st.builds(cls, *(of(member.split()[0]) for member in members))


ANY_MESSAGE = st.sampled_from(list(MESSAGES.values())).flatmap(values)


def reference(message: Message, domain: Domain) -> bytes:
    """The signing hash by eth_account's own encoder."""
    name, members = message.TYPE.rstrip(")").split("(")
    types = [dict(zip(("type", "name"), member.split(), strict=True)) for member in members.split(",")]
    signable = encode_typed_data(
        domain_data={
            "name": domain.name,
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        message_types={name: types},
        message_data=dict(zip((t["name"] for t in types), astuple(message), strict=True)),
    )
    return bytes(Account.sign_message(signable, b"\1" * 32).message_hash)


@given(ANY_MESSAGE, DOMAINS)
def test_what_is_signed_is_what_eth_account_would_sign(message: Message, domain: Domain) -> None:
    assert message.signing_hash(domain) == reference(message, domain)


@given(ANY_MESSAGE, DOMAINS, KEYS)
def test_a_signature_recovers_to_its_signer_and_is_eth_accounts(message: Message, domain: Domain, key: bytes) -> None:
    signature = sign(message, domain, key)
    assert recover(message, domain, signature) == bytes.fromhex(Account.from_key(key).address[2:])
    assert signature == bytes(Account.unsafe_sign_hash(message.signing_hash(domain), key).signature)


@given(ANY_MESSAGE, DOMAINS, KEYS, st.data())
def test_a_signature_says_nothing_of_any_other_message_or_place(
    message: Message, domain: Domain, key: bytes, data: st.DataObject
) -> None:
    signature, signer = sign(message, domain, key), recover(message, domain, sign(message, domain, key))
    name = data.draw(st.sampled_from([field.name for field in fields(message)]))
    old = getattr(message, name)
    new = bytes([old[0] ^ 1]) + old[1:] if isinstance(old, bytes) else old ^ 1
    elsewhere = Domain(domain.name, domain.chain_id ^ 1, domain.contract)
    for other, place in ((replace(message, **{name: new}), domain), (message, elsewhere)):
        with suppress(CryptoError):  # for some hashes no key fits the signature at all
            assert recover(other, place, signature) != signer


@given(ANY_MESSAGE, DOMAINS, KEYS)
def test_the_other_signature_of_a_message_is_refused(message: Message, domain: Domain, key: bytes) -> None:
    signature = sign(message, domain, key)
    high = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    with pytest.raises(CryptoError, match="upper half"):
        recover(message, domain, signature[:32] + high + bytes([55 - signature[64]]))


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), bytes(66), bytes(65), bytes(64) + b"\x1b", b"\xff" * 32 + b"\1" * 32 + b"\x1b"]
)
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    ticket = Ticket(bytes(32), Address(bytes(20)))  # type: ignore[arg-type]
    with pytest.raises(CryptoError, match="no signature"):
        recover(ticket, learning_domain(1, Address(bytes(20))), signature)


@pytest.mark.parametrize("key", [b"", bytes(32), ORDER.to_bytes(32, "big"), b"\1" * 33])
def test_what_is_no_key_signs_nothing(key: bytes) -> None:
    ticket = Ticket(bytes(32), Address(bytes(20)))  # type: ignore[arg-type]
    with pytest.raises(CryptoError, match="private key"):
        sign(ticket, learning_domain(1, Address(bytes(20))), key)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["message"])
def test_messages_hash_and_sign_as_the_shared_vectors_say(vector: dict[str, Any]) -> None:
    domain = Domain(vector["domain"]["name"], vector["domain"]["chain_id"], _bytes(vector["domain"]["contract"]))
    message = MESSAGES[vector["message"]](**{k: _bytes(v) for k, v in vector["fields"].items()})
    assert vector["type"] == message.TYPE
    assert "0x" + message.signing_hash(domain).hex() == vector["signing_hash"]
    assert "0x" + sign(message, domain, _bytes(vector["private_key"])).hex() == vector["signature"]
    assert "0x" + recover(message, domain, _bytes(vector["signature"])).hex() == vector["signer"]


def _bytes(value: Any) -> Any:
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value
