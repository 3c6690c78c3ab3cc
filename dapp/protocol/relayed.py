"""What devices and holders sign for others to bring to the chain: whose it is, what it names, whether it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dapp.crypto import merkle
from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, Ticket, UpdateCommit, recover
from dapp.errors import CryptoError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed, Relayed
from dapp.protocol.enums import Outcome
from dapp.protocol.machine import Facts
from dapp.protocol.records import SignedAttestation, SignedEnrolment, SignedShare, SignedUpdate, Update
from dapp.protocol.view import View


def is_signed(facts: Facts, handed: Handed) -> bool:
    """Whether a message comes from whom it names: a forged one must not stand in the true one's place."""
    message = handed.message
    try:
        signer = recover(message, facts.domain_of(message), handed.signature)
        if isinstance(message, Enrolment):
            ticket = Ticket(message.task_id, message.device)
            admitted = recover(ticket, facts.learning_domain, handed.proof[0]) == facts.terms.cohort.admission
            return signer == message.device and admitted
    except (CryptoError, IndexError):
        return False
    if isinstance(message, UpdateCommit):
        return signer == message.device
    leaf = merkle.holder_leaf(message.holder, signer)
    return message.holder < facts.terms.key.holders and merkle.verify(leaf, handed.proof, facts.terms.key.holders_root)


def signed(handed: Handed) -> SignedEnrolment | SignedUpdate | SignedAttestation | SignedShare:
    """A message as the contracts take it."""
    m, signature = handed.message, handed.signature
    match m:
        case Enrolment():
            return SignedEnrolment(m.device, m.weight, m.ownership, m.deadline, handed.proof[0], signature)
        case UpdateCommit():
            return SignedUpdate(m.device, Update(m.digest, m.size, m.root, m.compute_millis), m.deadline, signature)
        case Attestation():
            return SignedAttestation(m.holder, m.mask, m.deadline, handed.proof, signature)
        case ShareCommit():
            return SignedShare(m.holder, m.digest, m.size, m.deadline, handed.proof, signature)


def batch_of(*messages: Handed) -> tuple[str, str, tuple[Any, ...]]:
    """The call that brings messages of one kind, and of one round, to the chain: contract, function, arguments."""
    batch, first = tuple(map(signed, messages)), messages[0].message
    match first:
        case Enrolment():
            return "learning", "enrol_by_sig", (first.task_id, batch)
        case UpdateCommit():
            return "learning", "commit_updates", (first.task_id, first.round, batch)
        case Attestation():
            return "mining", "attest_by_sig", (first.task_id, first.round, batch)
        case ShareCommit():
            return "mining", "post_shares_by_sig", (first.task_id, first.round, batch)


def refusal(facts: Facts, view: View, handed: Handed) -> str | None:
    """Why an edge that sees the chain so does not take a message in; None if it does."""
    message = handed.message
    if message.task_id != facts.task_id:
        return f"it is of task 0x{message.task_id.hex()}, not of 0x{facts.task_id.hex()}"
    if not is_signed(facts, handed):
        return "it is not signed, for this chain and contract, by whom it names"
    if view.ended:
        return "the task is over"
    if isinstance(message, Enrolment):
        return None
    current = view.round
    if current is None or current.number != message.round or current.outcome != Outcome.OPEN:
        here = "no round is open" if current is None or current.outcome != Outcome.OPEN else f"it is {current.number}"
        return f"round {message.round} is not the current one: {here}"
    if isinstance(message, UpdateCommit):
        # A key costs nothing: if any would do, a stranger's many would fill the edge's line, and its store.
        enrolment = view.enrolments.get(message.device)
        if enrolment is None or enrolment.index >= current.enrolled:
            return f"0x{message.device.hex()} takes no part in round {message.round}"
        if message.size > facts.terms.cohort.max_update_bytes:
            return f"an update of {message.size:,} bytes, more than the terms allow"
    return None


def is_on_chain(view: View, handed: Handed) -> bool:
    """Whether the chain has what a message says: this very commit, mask or share, and of an enrolment its device."""
    message = handed.message
    if message.task_id != view.task_id:
        return False
    if isinstance(message, Enrolment):
        return message.device in view.enrolments
    if message.round >= len(view.rounds):
        return False
    round_ = view.rounds[message.round]
    match message:
        case UpdateCommit():
            return any(c.device == message.device and c.update == blob_of(message) for c in round_.commits.values())
        case Attestation():
            attestation = round_.attestations.get(message.holder)
            return attestation is not None and attestation.mask == message.mask
        case ShareCommit():
            share = round_.shares.get(message.holder)
            return share is not None and share.blob == blob_of(message)


def is_late(view: View, handed: Handed, now: int) -> bool:
    """Whether a message cannot come to the chain any more: its deadline has passed, its task or its round is over."""
    message = handed.message
    if now > message.deadline or view.ended:
        return True
    if isinstance(message, Enrolment) or message.round >= len(view.rounds):
        return False
    return view.rounds[message.round].outcome != Outcome.OPEN


def blob_of(message: Relayed) -> BlobRef | None:
    """The blob that a message promises, if it promises one."""
    return BlobRef(message.digest, message.size) if isinstance(message, UpdateCommit | ShareCommit) else None


def named_on_chain(view: View) -> frozenset[BlobRef]:
    """Every blob that the task's events name."""
    return frozenset(_named(view))


def _named(view: View) -> Iterator[BlobRef]:
    if view.terms is not None:
        key, learning = view.terms.key, view.terms.learning
        yield BlobRef(key.digest, key.size)
        yield BlobRef(learning.strategy_digest, learning.strategy_size)
        yield BlobRef(learning.model_digest, learning.model_size)
    for round_ in view.rounds:
        yield from (commit.update for commit in round_.commits.values())
        yield from (share.blob for share in round_.shares.values())
        for candidate in (*round_.candidates.values(), *round_.displaced):
            if candidate.aggregate is not None:
                yield candidate.aggregate
        for opening in round_.openings:
            yield from (opening.blob, opening.model)
