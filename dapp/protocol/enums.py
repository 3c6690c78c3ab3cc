"""The contracts' enumerations, number for number as in Solidity."""

from __future__ import annotations

from enum import IntEnum


class Weighting(IntEnum):
    """Who applies the weights s_k: the edge (c^{s_k}, BlockDeepNet's Eq. 5) or the device (folded into its values)."""

    EDGE = 0
    DEVICE = 1


class RoundKind(IntEnum):
    """What a round adds up: model updates, or gradients at the global model (Eq. 3's first exchange)."""

    UPDATE = 0
    GRADIENT = 1


class Outcome(IntEnum):
    """How a round ended."""

    OPEN = 0
    ACCEPTED = 1
    CONVERGED = 2
    OVERFLOW = 3
    TOO_FEW = 4
    NOT_OPENED = 5
    ABANDONED = 6


class Phase(IntEnum):
    """Where a round is; derived from times and counts, never stored."""

    NONE = 0
    COMMIT = 1
    PUBLISH = 2
    SEAL = 3
    OPEN = 4
    CHALLENGE = 5
    SHARE = 6
    OPENING = 7
    VOTE = 8
    CLOSED = 9


class SkipReason(IntEnum):
    """Why one message of a batch was passed over."""

    BAD_SIGNATURE = 0
    EXPIRED = 1
    NOT_ENROLLED = 2
    ALREADY_DONE = 3
    TOO_LARGE = 4


class CandidateState(IntEnum):
    """What has become of an edge's candidate."""

    NONE = 0
    SEALED = 1
    OPENED = 2
    DISPLACED = 3
    FORFEITED = 4
    RELEASED = 5
    STRUCK = 6


class Status(IntEnum):
    """Where a panel's attempt is."""

    NONE = 0
    SEEDING = 1
    COMMITTING = 2
    REVEALING = 3
    ENDED = 4
    DECIDED = 5
    UNDECIDED = 6
    ABANDONED = 7


class MemberState(IntEnum):
    """What a verifier is to the registry."""

    NONE = 0
    PENDING = 1
    ACTIVE = 2
    LEAVING = 3
