"""The messages that devices, holders and the admission key sign (EIP-712), so that anybody may relay them.

The domain binds chain and contract, the fields task, round and signer: a message is good in one place only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar

from coincurve import PrivateKey, PublicKey

from dapp.crypto.merkle import keccak256
from dapp.crypto.words import encode_words
from dapp.errors import CryptoError
from dapp.types import Address, Digest, TaskId

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_VERSION = "1"
_DOMAIN_TYPE = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


@dataclass(frozen=True)
class Domain:
    """Where messages are meant for.

    Args:
        name: the contract's signing name.
        chain_id: of EIP-155.
        contract: 20 bytes.
    """

    name: str
    chain_id: int
    contract: Address

    @cached_property
    def separator(self) -> bytes:
        """EIP-712's domainSeparator, 32 bytes."""
        types = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
        names = keccak256(self.name.encode()), keccak256(_VERSION.encode())
        return keccak256(encode_words(types, [_DOMAIN_TYPE, *names, self.chain_id, self.contract]))


def learning_domain(chain_id: int, contract: Address) -> Domain:
    """Of tickets, enrolments and updates."""
    return Domain("Cairn Learning", chain_id, contract)


def mining_domain(chain_id: int, contract: Address) -> Domain:
    """Of attestations and shares."""
    return Domain("Cairn Mining", chain_id, contract)


@dataclass(frozen=True)
class Message:
    """Base of the messages: dataclasses whose fields are those of the Solidity type that ``TYPE`` spells out."""

    TYPE: ClassVar[str]
    _type_hash: ClassVar[bytes]
    _field_types: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        members = cls.TYPE[cls.TYPE.index("(") + 1 : -1].split(",")
        cls._type_hash = keccak256(cls.TYPE.encode())
        cls._field_types = tuple(member.split()[0] for member in members)

    def signing_hash(self, domain: Domain) -> bytes:
        """What is signed: keccak256(0x1901 ‖ domainSeparator ‖ structHash), 32 bytes (EIP-712).

        Raises:
            CryptoError: a field does not fit its type.
        """
        values = [getattr(self, field.name) for field in fields(self)]
        struct_hash = keccak256(self._type_hash + encode_words(self._field_types, values))
        return keccak256(b"\x19\x01" + domain.separator + struct_hash)


@dataclass(frozen=True)
class Ticket(Message):
    """Admits a device to a task; signed by the task's admission key."""

    TYPE = "Ticket(bytes32 taskId,address device)"
    task_id: TaskId
    device: Address


@dataclass(frozen=True)
class Enrolment(Message):
    """A device's enrolment with its weight s_k; ``ownership`` is the digest of its statement."""

    TYPE = "Enrolment(bytes32 taskId,address device,uint32 weight,bytes32 ownership,uint64 deadline)"
    task_id: TaskId
    device: Address
    weight: int
    ownership: bytes
    deadline: int


@dataclass(frozen=True)
class UpdateCommit(Message):
    """A device's commit to its update; ``deadline`` in chain seconds, ``compute_millis`` is T_local."""

    TYPE = (
        "Update(bytes32 taskId,uint32 round,address device,bytes32 digest,"
        "uint32 size,bytes32 root,uint32 computeMillis,uint64 deadline)"
    )
    task_id: TaskId
    round: int
    device: Address
    digest: Digest
    size: int
    root: bytes
    compute_millis: int
    deadline: int


@dataclass(frozen=True)
class Attestation(Message):
    """A key holder's bitmap, by enrolment index, of the updates that it keeps and found valid."""

    TYPE = "Attestation(bytes32 taskId,uint32 round,uint8 holder,uint256 mask,uint64 deadline)"
    task_id: TaskId
    round: int
    holder: int
    mask: int
    deadline: int


@dataclass(frozen=True)
class ShareCommit(Message):
    """A key holder's commit to its share of the sum's decryption."""

    TYPE = "Share(bytes32 taskId,uint32 round,uint8 holder,bytes32 digest,uint32 size,uint64 deadline)"
    task_id: TaskId
    round: int
    holder: int
    digest: Digest
    size: int
    deadline: int


def sign(message: Message, domain: Domain, private_key: bytes) -> bytes:
    """65 bytes r ‖ s ‖ v, v 27 or 28, s in the lower half; the same for the same message (RFC 6979).

    Raises:
        CryptoError: not a private key, or a field that does not fit its type.
    """
    digest = message.signing_hash(domain)
    if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < _ORDER:
        raise CryptoError("these bytes are no private key of secp256k1", help="A key is 32 bytes, below the order.")
    signature = PrivateKey(private_key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


def recover(message: Message, domain: Domain, signature: bytes) -> Address:
    """Who signed; as strict as OpenZeppelin's ECDSA, so that what passes here passes on chain.

    Raises:
        CryptoError: not 65 bytes, another v than 27 or 28, s in the upper half (the other signature of the same
            message, which anybody could make), or no signature at all.
    """
    problem = _malformed(signature)
    if not problem:
        compact = signature[:64] + bytes([signature[64] - 27])
        digest = message.signing_hash(domain)
        try:
            key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
        except Exception as error:  # coincurve raises Exception itself
            problem = str(error)
        else:
            return Address(keccak256(key.format(compressed=False)[1:])[12:])
    raise CryptoError(f"no signature of this message: {problem}", help="Ask its sender to sign it again.")


def _malformed(signature: bytes) -> str:
    if len(signature) != 65:
        return f"{len(signature)} bytes instead of 65"
    if signature[64] not in (27, 28):
        return f"v is {signature[64]} instead of 27 or 28"
    if int.from_bytes(signature[32:64], "big") > _ORDER // 2:
        return "s lies in the upper half of the order"
    return ""
