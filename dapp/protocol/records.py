"""The other structs of the contracts: what their getters return and what their batches take."""

from __future__ import annotations

from dataclasses import dataclass

from dapp.protocol.enums import CandidateState, MemberState, Outcome, RoundKind, Status
from dapp.protocol.struct import Struct
from dapp.protocol.terms import Terms, Windows
from dapp.types import Address, Digest, TaskId, Wei


@dataclass(frozen=True, slots=True)
class Task(Struct):
    """`ILearningTypes.Task`. ``head``: header of the last closed round; the genesis before the first."""

    requester: Address
    rounds: int
    enrolled: int
    total_weight: int
    ended: bool
    last_outcome: Outcome
    terms_digest: bytes
    head: bytes
    enrolments: bytes
    model: Digest
    model_size: int
    gradient: Digest
    gradient_size: int


@dataclass(frozen=True, slots=True)
class Round(Struct):
    """`ILearningTypes.Round`. Bitmaps are by enrolment index; ``parent`` is the pointer ℵ."""

    kind: RoundKind
    outcome: Outcome
    enrolled: int
    opened_at: int
    all_committed_at: int
    closed_at: int
    committed: int
    expected: int
    parent: bytes
    result: Digest


@dataclass(frozen=True, slots=True)
class Schedule(Struct):
    """`ILearningTypes.Schedule`: what Mining needs of a round to derive its phases."""

    kind: RoundKind
    commit_end: int
    closed_at: int
    min_devices: int
    holders: int
    threshold: int
    seats: int
    accept_bips: int
    max_bytes: int
    beta: int
    committed: int
    parent: bytes
    windows: Windows


@dataclass(frozen=True, slots=True)
class Update(Struct):
    """One device's commit. ``root``: Merkle root over its ciphertexts; ``compute_millis``: T_local."""

    digest: Digest
    size: int
    root: bytes
    compute_millis: int


@dataclass(frozen=True, slots=True)
class SignedUpdate(Struct):
    """A commit signed by its device (EIP-712) for anybody to relay."""

    device: Address
    update: Update
    deadline: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedEnrolment(Struct):
    """An enrolment signed by its device (EIP-712) for anybody to relay."""

    device: Address
    weight: int
    ownership: bytes
    deadline: int
    ticket: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedAttestation(Struct):
    """A holder's mask of valid updates, signed (EIP-712) for anybody to relay."""

    holder: int
    mask: int
    deadline: int
    branch: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedShare(Struct):
    """A holder's share, signed (EIP-712) for anybody to relay."""

    holder: int
    digest: Digest
    size: int
    deadline: int
    branch: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Aggregate(Struct):
    """What an edge discloses after the seal window; all of it, and the salt, is in the seal."""

    digest: Digest
    size: int
    root: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Opening(Struct):
    """A claim of what the sum decrypts to. ``used_shares``: bitmap of holders."""

    digest: Digest
    size: int
    model_digest: Digest
    model_size: int
    used_shares: int
    flags: int

    @property
    def converged(self) -> bool:
        """Bit 0 of ``flags``."""
        return bool(self.flags & 1)

    @property
    def overflow(self) -> bool:
        """Bit 1 of ``flags``."""
        return bool(self.flags & 2)


@dataclass(frozen=True, slots=True)
class ProofFacts(Struct):
    """`IPaillierSumTypes.ProofFacts`: the round that a proof is about. ``n``: the key's modulus, big endian."""

    task_id: TaskId
    round: int
    terms: Terms
    n: bytes


@dataclass(frozen=True, slots=True)
class Leaf(Struct):
    """A ciphertext at the position in question, big endian, with its Merkle branch."""

    ciphertext: bytes
    branch: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Factor(Struct):
    """An included device's part of the product."""

    device: Address
    update: Update
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Partial(Struct):
    """A product that was begun: nothing at first. ``remaining``: bitmap of the devices still to be multiplied in."""

    remaining: int
    product: bytes


@dataclass(frozen=True, slots=True)
class PostedOpening(Struct):
    """An opening as Mining keeps it."""

    poster: Address
    at: int
    bond: Wei
    bond_settled: bool
    opening: Opening


@dataclass(frozen=True, slots=True)
class Candidate(Struct):
    """An edge's claim of the round's encrypted sum; ``digest`` is 0 until opened."""

    seq: int
    edge: Address
    state: CandidateState
    bond: Wei
    size: int
    seal: bytes
    digest: Digest
    root: bytes
    header: bytes


@dataclass(frozen=True, slots=True)
class Progress(Struct):
    """`IMiningTypes.Progress`: the times and counts from which the phases after the commit are derived."""

    attested: int
    shared: int
    candidates: int
    sealed_count: int
    opened_count: int
    openings: int
    all_attested_at: int
    all_opened_at: int
    threshold_shared_at: int
    all_shared_at: int
    first_opening_at: int
    included: bool
    included_count: int
    total_weight: int
    included_mask: int


@dataclass(frozen=True, slots=True)
class Deadlines(Struct):
    """Which phase ends when, in chain seconds; 0 where it is not known yet."""

    commit_end: int
    publish_end: int
    seal_end: int
    open_end: int
    challenge_end: int
    share_end: int
    opening_end: int


@dataclass(frozen=True, slots=True)
class Ballot(Struct):
    """One vote over everything: bit i speaks of candidate or opening i."""

    valid: int
    invalid: int
    right: int
    wrong: int


@dataclass(frozen=True, slots=True)
class PanelState(Struct):
    """`IVerificationTypes.Panel`: one attempt of a case."""

    seed_request: int
    eligible: int
    size: int
    commits: int
    reveals: int
    summoned_at: int
    seeded_at: int
    all_committed_at: int
    all_revealed_at: int
    status: Status
    quorum: Ballot


@dataclass(frozen=True, slots=True)
class Member(Struct):
    """A verifier in the registry."""

    state: MemberState
    index: int
    active_from: int
    leaving_at: int
    stake: Wei


@dataclass(frozen=True, slots=True)
class Verdict(Struct):
    """``attempt``: the one that decided, or the last one."""

    status: Status
    attempt: int
    quorum: Ballot


@dataclass(frozen=True, slots=True)
class Slate(Struct):
    """What a consumer puts before a panel (`ISlate.Slate`)."""

    ready: bool
    candidates: int
    openings: int
    seats: int
    accept_bips: int
    commit_vote: int
    reveal_vote: int
    seed: int
    voter_pay: Wei
    bounty: Wei
    pot: bytes


@dataclass(frozen=True, slots=True)
class OutcomeReport(Struct):
    """What `IMining.outcomeOf` returns; ``outcome`` is OPEN while undecided."""

    outcome: Outcome
    header: bytes
    result: Digest
    result_size: int
    opened: bool


@dataclass(frozen=True, slots=True)
class IncludedSet(Struct):
    """What `IMining.includedSet` returns; zeroes until the set is fixed."""

    mask: int
    count: int
    total_weight: int


@dataclass(frozen=True, slots=True)
class VoteDeadlines(Struct):
    """What `IVerification.voteDeadlinesOf` returns; 0 while not known."""

    seed_end: int
    commit_end: int
    reveal_end: int


@dataclass(frozen=True, slots=True)
class Seed(Struct):
    """What `ISeed.seedOf` returns; ``seed`` and ``proven_at`` are 0 until proven."""

    seed: int
    proven_at: int
    prover: Address
