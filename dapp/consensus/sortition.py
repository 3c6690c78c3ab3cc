"""Seats drawn by lot: the twin of ``contracts/crypto/Sortition.sol``, and how likely a panel is captured.

A panel is the beginning of a Fisher–Yates shuffle of all eligible members. Its seats are distinct, so that the number
of dishonest members among them is hypergeometric.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from dapp.crypto.merkle import keccak256
from dapp.errors import Rejected

TWO_THIRDS = 6_667
"""As a share in 1/10,000 this means two thirds exactly."""


def _draw(seed: int, eligible: int, seat: int) -> int:
    word = keccak256(seed.to_bytes(32, "big") + seat.to_bytes(32, "big"))
    return seat + int.from_bytes(word, "big") % (eligible - seat)


def member_at(seed: int, eligible: int, seat: int) -> int:
    """Index of the member on a seat, below ``eligible``; one hash for each seat up to it, as the contract does it.

    Raises:
        Rejected: there are no more than ``seat`` eligible members.
    """
    if not 0 <= seat < eligible:
        raise Rejected(f"no member can sit on seat {seat}: {eligible} are eligible", help="Seats count from 0.")
    index = _draw(seed, eligible, seat)
    for earlier in reversed(range(seat)):
        if index == _draw(seed, eligible, earlier):
            index = earlier
    return index


def panel(seed: int, eligible: int, size: int) -> list[int]:
    """The members on seats 0 … size − 1: the shuffle itself, in one pass.

    Raises:
        Rejected: more seats than eligible members.
    """
    if not 0 <= size <= eligible:
        raise Rejected(f"{size} seats cannot be filled: {eligible} members are eligible", help="Lower the seats.")
    moved: dict[int, int] = {}
    drawn = []
    for seat in range(size):
        other = _draw(seed, eligible, seat)
        drawn.append(moved.get(other, other))
        moved[other] = moved.get(seat, seat)
    return drawn


def votes_needed(seats: int, accept_bips: int) -> int:
    """How many of ``seats`` must agree: two thirds exactly for 6,667, else ``accept_bips`` in 1/10,000, rounded up."""
    return -(-2 * seats // 3) if accept_bips == TWO_THIRDS else -(-accept_bips * seats // 10_000)


def capture_probability(members: int, dishonest: int, seats: int, accept_bips: int) -> float:
    """Probability that a panel holds enough dishonest members to decide by themselves.

    Args:
        members: how many are eligible.
        dishonest: how many of them vote as one.
        seats: of the panel.
        accept_bips: share of the seats that decides, in 1/10,000.

    Raises:
        Rejected: more dishonest members or seats than members.
    """
    if not (0 <= dishonest <= members and 0 < seats <= members):
        raise Rejected(
            f"{seats} seats and {dishonest} dishonest cannot be drawn from {members} members",
            help="Neither may exceed the members.",
        )
    most = min(seats, dishonest)
    honest = members - dishonest
    captured = sum(
        comb(dishonest, k) * comb(honest, seats - k) for k in range(votes_needed(seats, accept_bips), most + 1)
    )
    return float(Fraction(captured, comb(members, seats)))
