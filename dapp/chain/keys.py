"""Accounts: a private key, its address, and the transactions that it signs (EIP-155, EIP-1559, EIP-2718)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

import rlp
from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

from dapp.errors import ChainError
from dapp.types import Address, Wei

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DYNAMIC_FEE = b"\x02"
"""EIP-2718 type byte of an EIP-1559 transaction, the only kind that Cairn sends."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """An EIP-1559 transaction without access list. ``to`` is empty for a deployment."""

    chain_id: int
    nonce: int
    max_priority_fee: Wei
    max_fee: Wei
    gas: int
    to: bytes
    value: Wei
    data: bytes

    def _fields(self) -> list[object]:
        fees = [self.max_priority_fee, self.max_fee]
        return [self.chain_id, self.nonce, *fees, self.gas, self.to, self.value, self.data, []]

    def digest(self) -> bytes:
        """What the sender signs, 32 bytes."""
        return _keccak(DYNAMIC_FEE + rlp.encode(self._fields()))

    def signed(self, parity: int, r: int, s: int) -> bytes:
        """The raw transaction, given a signature over its digest."""
        raw: bytes = DYNAMIC_FEE + rlp.encode([*self._fields(), parity, r, s])
        return raw


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction read back from its raw bytes; ``sender`` is recovered from the signature."""

    transaction: Transaction
    sender: Address
    hash: bytes

    @classmethod
    def from_raw(cls, raw: bytes) -> SignedTransaction:
        """
        Raises:
            ChainError: not an EIP-1559 transaction without access list, or a signature that nobody made.
        """
        try:
            if raw[:1] != DYNAMIC_FEE:
                raise ValueError("another type than 2")
            *head, access_list, parity, r, s = rlp.decode(raw[1:], strict=True)
            numbers = [int.from_bytes(field, "big") for field in (*head[:5], head[6], parity)]
            if access_list:
                raise ValueError("an access list")
            chain_id, nonce, tip, fee, gas, value, v = numbers
            transaction = Transaction(chain_id, nonce, Wei(tip), Wei(fee), gas, head[5], Wei(value), head[7])
            signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([v])
            signer = PublicKey.from_signature_and_message(signature, transaction.digest(), hasher=None)
        except Exception as error:  # rlp and coincurve raise many kinds
            raise ChainError(
                f"these {len(raw)} bytes are not a signed EIP-1559 transaction: {error}",
                help="Only transactions that Cairn itself sent can be read.",
            ) from error
        return cls(transaction, address_of(signer), _keccak(raw))


class Account:
    """A secp256k1 private key that signs transactions and digests; never shown.

    Raises:
        ChainError: not a private key.
    """

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < SECP256K1_ORDER:
            raise ChainError(
                "these bytes are not a private key of Ethereum's curve",
                help="A private key is 32 bytes, not zero and below the order of secp256k1.",
            )
        self._key = PrivateKey(private_key)
        self.address = address_of(self._key.public_key)

    @classmethod
    def from_seed(cls, seed: bytes, *labels: str | int) -> Account:
        """The account that a run's seed gives for these labels; for simulations and tests.

        HMAC-SHA-256 over the labels, each followed by a zero byte, and a counter that skips the (2⁻¹²⁸) non-keys.
        """
        message = b"cairn.account.v1\0" + b"".join(f"{label}\0".encode() for label in labels)
        for counter in range(256):
            key = hmac.new(seed, message + bytes([counter]), sha256).digest()
            if 0 < int.from_bytes(key, "big") < SECP256K1_ORDER:
                return cls(key)
        raise AssertionError("256 hashes in a row above the curve's order")

    @property
    def private_key(self) -> bytes:
        """The secret itself, 32 bytes: for those who must derive from it."""
        secret: bytes = self._key.secret
        return secret

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v with v 27 or 28 and s in the lower half, as OpenZeppelin's ECDSA takes them."""
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])

    def sign(self, transaction: Transaction) -> bytes:
        """The raw signed transaction."""
        signature = self._key.sign_recoverable(transaction.digest(), hasher=None)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        return transaction.signed(signature[64], r, s)

    def __repr__(self) -> str:
        return f"Account(0x{self.address.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("an account is not pickled: its key would leave the process")


def recover(digest: bytes, signature: bytes) -> Address:
    """The address that made a 65-byte signature r ‖ s ‖ v (v 27 or 28) over a digest.

    Raises:
        ChainError: the signature is malformed.
    """
    try:
        plain = signature[:64] + bytes([signature[64] - 27])
        return address_of(PublicKey.from_signature_and_message(plain, digest, hasher=None))
    except Exception as error:  # coincurve raises Exception itself
        raise ChainError("this signature was made by nobody", help="Ask its sender for it again.") from error


def address_of(key: PublicKey) -> Address:
    """The last 20 bytes of the keccak256 of the uncompressed point."""
    return Address(_keccak(key.format(compressed=False)[1:])[12:])


def created_address(creator: Address, nonce: int) -> Address:
    """Where CREATE puts a contract: the last 20 bytes of keccak256(rlp(creator, nonce)) (Yellow Paper, Eq. 88)."""
    return Address(_keccak(rlp.encode([creator, nonce]))[12:])


def checksummed(address: Address) -> str:
    """EIP-55 spelling."""
    plain = address.hex()
    digits = _keccak(plain.encode()).hex()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(plain, digits, strict=False))


def _keccak(data: bytes) -> bytes:
    digest: bytes = keccak(data)
    return digest
