"""The contracts' events, one frozen dataclass each; fields in the ABI's order, names in snake_case.

Chain facts come behind the fields, by keyword: who emitted the event, and when. A Solidity name that is a Python
keyword gets an underscore (``from_``). Two contracts emit ``RelayPaid``; ``contract`` tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from dapp.protocol.enums import Outcome, RoundKind, SkipReason, Status
from dapp.protocol.records import Ballot, Opening
from dapp.protocol.struct import converted
from dapp.protocol.terms import Terms
from dapp.types import Address, Digest, Round, TaskId, Wei

NOWHERE = Address(bytes(20))
"""The zero address: an event that no contract emitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries. ``timestamp`` is the block's, in seconds; ``log_index`` counts within the block."""

    contract: Address = NOWHERE
    block: int = 0
    log_index: int = 0
    timestamp: int = 0

    @classmethod
    def from_abi(cls, values: Sequence[Any], *, contract: Address, block: int, log_index: int, timestamp: int) -> Self:
        """From decoded ABI values in the ABI's order."""
        fields = converted(cls, values)
        return cls(*fields, contract=contract, block=block, log_index=log_index, timestamp=timestamp)


# Learning


@dataclass(frozen=True, slots=True)
class TaskCreated(Event):
    task_id: TaskId
    requester: Address
    terms_digest: bytes
    terms: Terms


@dataclass(frozen=True, slots=True)
class DeviceEnrolled(Event):
    task_id: TaskId
    device: Address
    index: int
    weight: int
    ownership: bytes


@dataclass(frozen=True, slots=True)
class RoundOpened(Event):
    task_id: TaskId
    round: Round
    kind: RoundKind
    enrolled: int
    expected: int
    base_model: Digest
    base_model_size: int
    parent: bytes
    budget: Wei


@dataclass(frozen=True, slots=True)
class UpdateCommitted(Event):
    task_id: TaskId
    round: Round
    device: Address
    digest: Digest
    size: int
    root: bytes
    compute_millis: int
    relay: Address


@dataclass(frozen=True, slots=True)
class UpdateSkipped(Event):
    task_id: TaskId
    round: Round
    index: int
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class EnrolmentSkipped(Event):
    task_id: TaskId
    index: int
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class RoundClosed(Event):
    task_id: TaskId
    round: Round
    outcome: Outcome
    result: Digest
    result_size: int
    header: bytes


@dataclass(frozen=True, slots=True)
class DevicePaid(Event):
    task_id: TaskId
    round: Round
    device: Address
    amount: Wei


@dataclass(frozen=True, slots=True)
class TaskEnded(Event):
    task_id: TaskId
    model: Digest
    refund: Wei


# Learning and Mining


@dataclass(frozen=True, slots=True)
class RelayPaid(Event):
    task_id: TaskId
    round: Round
    relay: Address
    amount: Wei


# Mining


@dataclass(frozen=True, slots=True)
class UpdatesAttested(Event):
    task_id: TaskId
    round: Round
    holder: Address
    index: int
    mask: int
    relay: Address


@dataclass(frozen=True, slots=True)
class MessageSkipped(Event):
    task_id: TaskId
    round: Round
    index: int
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class SetIncluded(Event):
    task_id: TaskId
    round: Round
    mask: int
    count: int
    total_weight: int
    by: Address


@dataclass(frozen=True, slots=True)
class UpdateExcluded(Event):
    task_id: TaskId
    round: Round
    device: Address
    index: int
    by: Address


@dataclass(frozen=True, slots=True)
class AggregateSealed(Event):
    task_id: TaskId
    round: Round
    edge: Address
    slot: int
    seq: int
    seal: bytes
    bond: Wei


@dataclass(frozen=True, slots=True)
class CandidateDisplaced(Event):
    task_id: TaskId
    round: Round
    edge: Address
    slot: int
    seq: int


@dataclass(frozen=True, slots=True)
class AggregateOpened(Event):
    task_id: TaskId
    round: Round
    edge: Address
    slot: int
    digest: Digest
    size: int
    root: bytes
    nonce: int
    header: bytes


@dataclass(frozen=True, slots=True)
class CandidateStruckOut(Event):
    task_id: TaskId
    round: Round
    edge: Address
    slot: int
    by: Address
    reward: Wei


@dataclass(frozen=True, slots=True)
class SharePosted(Event):
    task_id: TaskId
    round: Round
    holder: Address
    index: int
    digest: Digest
    size: int
    relay: Address


@dataclass(frozen=True, slots=True)
class OpeningPosted(Event):
    task_id: TaskId
    round: Round
    poster: Address
    index: int
    bond: Wei
    opening: Opening


@dataclass(frozen=True, slots=True)
class BondReleased(Event):
    task_id: TaskId
    round: Round
    owner: Address
    of_opening: bool
    place: int
    amount: Wei


@dataclass(frozen=True, slots=True)
class BondForfeited(Event):
    task_id: TaskId
    round: Round
    owner: Address
    of_opening: bool
    place: int
    amount: Wei


@dataclass(frozen=True, slots=True)
class EdgePaid(Event):
    task_id: TaskId
    round: Round
    edge: Address
    amount: Wei


@dataclass(frozen=True, slots=True)
class HolderPaid(Event):
    task_id: TaskId
    round: Round
    holder: Address
    amount: Wei


@dataclass(frozen=True, slots=True)
class OpenerPaid(Event):
    task_id: TaskId
    round: Round
    poster: Address
    amount: Wei


# Verification


@dataclass(frozen=True, slots=True)
class MemberJoined(Event):
    member: Address
    stake: Wei
    active_from: int


@dataclass(frozen=True, slots=True)
class MemberActivated(Event):
    member: Address
    index: int


@dataclass(frozen=True, slots=True)
class MemberLeaving(Event):
    member: Address
    index: int
    moved_in: Address
    until: int


@dataclass(frozen=True, slots=True)
class MemberLeft(Event):
    member: Address
    stake: Wei


@dataclass(frozen=True, slots=True)
class MemberSlashed(Event):
    member: Address
    consumer: Address
    case_key: bytes
    attempt: int
    seat: int
    amount: Wei


@dataclass(frozen=True, slots=True)
class PanelSummoned(Event):
    consumer: Address
    case_key: bytes
    attempt: int
    seed_request: int
    eligible: int
    size: int
    by: Address


@dataclass(frozen=True, slots=True)
class VoteCommitted(Event):
    consumer: Address
    case_key: bytes
    voter: Address
    attempt: int
    seat: int
    seal: bytes


@dataclass(frozen=True, slots=True)
class VoteRevealed(Event):
    consumer: Address
    case_key: bytes
    voter: Address
    attempt: int
    seat: int
    ballot: Ballot
    evidence: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class PanelSettled(Event):
    consumer: Address
    case_key: bytes
    attempt: int
    status: Status
    quorum: Ballot
    by: Address


@dataclass(frozen=True, slots=True)
class VoterPaid(Event):
    consumer: Address
    case_key: bytes
    voter: Address
    attempt: int
    seat: int
    amount: Wei


@dataclass(frozen=True, slots=True)
class VoterPayBurnt(Event):
    consumer: Address
    case_key: bytes
    voter: Address
    attempt: int
    seat: int
    amount: Wei


# PaillierSum


@dataclass(frozen=True, slots=True)
class ProductAdvanced(Event):
    task_id: TaskId
    round: Round
    by: Address
    position: int
    remaining: int
    commitment: bytes


# Escrow


@dataclass(frozen=True, slots=True)
class PotFunded(Event):
    pot: bytes
    from_: Address
    amount: Wei


@dataclass(frozen=True, slots=True)
class PotMoved(Event):
    from_: bytes
    to: bytes
    amount: Wei


@dataclass(frozen=True, slots=True)
class Paid(Event):
    pot: bytes
    to: Address
    amount: Wei
    reason: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    owner: Address
    to: Address
    amount: Wei


# Seed


@dataclass(frozen=True, slots=True)
class SeedRequested(Event):
    id: int
    by: Address
    context: bytes
    seed_block: int


@dataclass(frozen=True, slots=True)
class SeedProven(Event):
    id: int
    by: Address
    seed: int
