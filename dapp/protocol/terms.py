"""The terms of a task, as `ILearningTypes.Terms` has them."""

from __future__ import annotations

from dataclasses import dataclass

from dapp.protocol.enums import Weighting
from dapp.protocol.struct import Struct
from dapp.types import Address, Digest, Wei

ATTEMPTS, MAX_SEATS = 3, 51
"""Panels that a round may have, and the largest of them."""
BOUNTIES = 12
"""Most bounties of a round: included set, opening and close; and for each attempt summon, seed and settle."""


@dataclass(frozen=True, slots=True)
class Windows(Struct):
    """Lengths of the phases, in seconds of chain time.

    ``seed``: how long a requested seed may take to be proven before the attempt lapses.
    """

    commit: int
    publish: int
    seal: int
    open: int
    challenge: int
    share: int
    opening: int
    contest: int
    commit_vote: int
    reveal_vote: int
    seed: int


@dataclass(frozen=True, slots=True)
class Cohort(Struct):
    """Who may take part. ``admission`` signs the tickets; ``max_weight`` is S_max; sizes in bytes."""

    admission: Address
    min_devices: int
    max_devices: int
    weight_cap: int
    max_weight: int
    max_update_bytes: int


@dataclass(frozen=True, slots=True)
class LearningTerms(Struct):
    """What is learned. ``epsilon``: stopping threshold of ‖w^(p) − w^(p−1)‖ in 10⁻⁹; 0 never stops."""

    strategy_digest: Digest
    strategy_size: int
    model_digest: Digest
    model_size: int
    max_rounds: int
    gradient_rounds: bool
    epsilon: int


@dataclass(frozen=True, slots=True)
class Encoding(Struct):
    """How values become plaintexts: ``bits`` is q; ``clip`` (B) and ``loss_cap`` in 10⁻⁹; ``slots`` per ciphertext."""

    bits: int
    weighting: Weighting
    clip: int
    loss_cap: int
    slots: int
    ciphertexts: int


@dataclass(frozen=True, slots=True)
class Key(Struct):
    """The threshold key: ``bits`` of n, and the Merkle root over (index, address) of its holders."""

    digest: Digest
    size: int
    bits: int
    holders: int
    threshold: int
    holders_root: bytes


@dataclass(frozen=True, slots=True)
class Panel(Struct):
    """``accept_bips``: share of the seats that decides, in 1/10,000; 6,667 means two thirds exactly."""

    seats: int
    accept_bips: int


@dataclass(frozen=True, slots=True)
class MiningTerms(Struct):
    """Generation rate β, and the target that a header must not exceed (0: no proof of work)."""

    beta: int
    pow_target: int


@dataclass(frozen=True, slots=True)
class Money(Struct):
    """Wei per round, per person or per act."""

    device_pot: Wei
    edge_pay: Wei
    holder_pay: Wei
    voter_pay: Wei
    relay_pay: Wei
    bounty: Wei
    edge_bond: Wei
    opening_bond: Wei


@dataclass(frozen=True, slots=True)
class Terms(Struct):
    """Everything that a task fixes for good."""

    windows: Windows
    cohort: Cohort
    learning: LearningTerms
    encoding: Encoding
    key: Key
    panel: Panel
    mining: MiningTerms
    money: Money

    @property
    def round_budget(self) -> Wei:
        """The most that a round can cost: every attempt's panel at its largest, every bounty earned. As
        `Learning.roundBudget` reckons (docs/contracts/learning.md)."""
        money, holders, seats, votes = self.money, self.key.holders, self.panel.seats, 0
        for _ in range(ATTEMPTS):
            votes, seats = votes + seats, min(2 * seats + 1, MAX_SEATS)
        pays = money.device_pot + money.edge_pay + holders * money.holder_pay + votes * money.voter_pay
        relays = (self.cohort.max_devices + 2 * holders) * money.relay_pay
        return Wei(pays + relays + BOUNTIES * money.bounty)
