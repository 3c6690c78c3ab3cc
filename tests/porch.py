"""An edge's side of a door, messages to hand in, and what they are good for."""

from __future__ import annotations

from dataclasses import dataclass, field

from dapp.chain.keys import Account
from dapp.crypto import cid
from dapp.crypto.typed_data import (
    Attestation,
    Enrolment,
    ShareCommit,
    Ticket,
    UpdateCommit,
    learning_domain,
    mining_domain,
)
from dapp.errors import Rejected
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed, Relayed
from dapp.relay import DoorServer, DoorTerms, Limits, Place
from dapp.storage import EmbeddedStore
from dapp.types import Address, Digest, Round, TaskId

PLACE = Place(1337, Address(b"\1" * 20), Address(b"\2" * 20), Address(b"\3" * 20))
TASK = TaskId(b"\5" * 32)
DEVICE = Account(b"\x11" * 32)
HOLDER = Account(b"\x22" * 32)
ADMISSION = Account(b"\x33" * 32)
BRANCH = (b"\6" * 32, b"\7" * 32)
TERMS = DoorTerms(PLACE, Address(b"\4" * 20), (TASK,), 1 << 20, 6_000, 1 << 30)


def signed(message: Relayed, place: Place = PLACE) -> Handed:
    """A message as its sender hands it in."""
    of_learning = isinstance(message, Enrolment | UpdateCommit)
    domain = (learning_domain if of_learning else mining_domain)(place.chain_id, place.taker(message))
    account = DEVICE if of_learning else HOLDER
    proof: tuple[bytes, ...] = () if isinstance(message, UpdateCommit) else BRANCH
    if isinstance(message, Enrolment):
        ticket = Ticket(message.task_id, message.device)
        proof = (ADMISSION.sign_digest(ticket.signing_hash(domain)),)
    return Handed(message, account.sign_digest(message.signing_hash(domain)), proof)


def ref(data: bytes) -> BlobRef:
    return BlobRef(cid.digest(data), len(data))


def commit(round_: int = 0, update: bytes = b"an update", deadline: int = 2000) -> UpdateCommit:
    name = ref(update)
    return UpdateCommit(TASK, Round(round_), DEVICE.address, name.digest, name.size, b"\x08" * 32, 1500, deadline)


def share(round_: int = 0, blob: bytes = b"a share", holder: int = 0) -> ShareCommit:
    return ShareCommit(TASK, Round(round_), holder, ref(blob).digest, len(blob), 2000)


def messages() -> tuple[Relayed, ...]:
    """One of each kind."""
    return (
        Enrolment(TASK, DEVICE.address, 9, Digest(b"\x09" * 32), 2000),
        commit(),
        Attestation(TASK, Round(0), 0, (1 << 255) + 5, 2000),
        share(),
    )


@dataclass
class Porch:
    """An edge's side of a door: what was handed in, what the chain names, and the store."""

    store: EmbeddedStore
    taken: list[Handed] = field(default_factory=list)
    on_chain: set[BlobRef] = field(default_factory=set)
    refuses: str = ""

    def take(self, handed: Handed) -> None:
        if self.refuses:
            raise Rejected(self.refuses)
        self.taken.append(handed)

    def door(self, port: int = 0, terms: DoorTerms = TERMS, limits: Limits = Limits()) -> DoorServer:  # noqa: B008
        return DoorServer(
            "127.0.0.1",
            port,
            terms=terms,
            take=self.take,
            named=self.on_chain.__contains__,
            store=self.store,
            limits=limits,
        )
