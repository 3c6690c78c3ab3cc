"""What the chain says, rebuilt from its events alone: one task with its rounds, the registry, the seeds.

``apply(view, event)`` folds one event in; nothing here is ever asked of a contract. Phases and deadlines are derived
from times and counts exactly as the contracts derive them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from dapp.crypto.sealed import round_key
from dapp.protocol import events as ev
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import CandidateState, Outcome, Phase, RoundKind, Status
from dapp.protocol.records import Ballot, Deadlines, Opening
from dapp.protocol.terms import Terms
from dapp.types import Address, Round, TaskId, Wei

DORMANT_AFTER = 3
"""Rounds in a row that a device may miss before the commit phase stops waiting for it."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A device of the cohort: its place in the bitmaps and its weight s_k."""

    device: Address
    index: int
    weight: int
    ownership: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """A device's commit: the update that it will publish."""

    device: Address
    index: int
    update: BlobRef
    root: bytes
    compute_millis: int
    relay: Address


@dataclass(frozen=True, slots=True)
class Attestation:
    """A holder's mask of the updates that it holds and found valid."""

    holder: int
    who: Address
    mask: int
    relay: Address


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edge's claim of the round's encrypted sum; ``aggregate`` and ``header`` once opened."""

    slot: int
    seq: int
    edge: Address
    seal: bytes
    bond: Wei
    state: CandidateState
    aggregate: BlobRef | None = None
    root: bytes = b""
    nonce: int = 0
    header: bytes = b""


@dataclass(frozen=True, slots=True)
class Share:
    """A holder's posted share."""

    holder: int
    who: Address
    blob: BlobRef
    relay: Address


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted opening."""

    index: int
    poster: Address
    bond: Wei
    opening: Opening

    @property
    def blob(self) -> BlobRef:
        """The opened sum."""
        return BlobRef(self.opening.digest, self.opening.size)

    @property
    def model(self) -> BlobRef:
        """What it makes of the sum: the new model, or the global gradient."""
        return BlobRef(self.opening.model_digest, self.opening.model_size)


@dataclass(frozen=True, slots=True)
class Vote:
    """A seat's vote: a seal first, then what it hid."""

    seat: int
    voter: Address
    seal: bytes
    ballot: Ballot | None = None
    evidence: bytes = b""
    salt: bytes = b""


@dataclass(frozen=True, slots=True)
class Panel:
    """One attempt of a round's vote. ``members``: who could be drawn, frozen when the panel was summoned."""

    attempt: int
    request: int
    size: int
    members: tuple[Address, ...]
    by: Address
    summoned_at: int
    seed_block: int = 0
    seed: int | None = None
    seeded_at: int = 0
    all_committed_at: int = 0
    all_revealed_at: int = 0
    votes: Mapping[int, Vote] = field(default_factory=dict)
    settled: Status | None = None
    settled_at: int = 0
    quorum: Ballot = Ballot(0, 0, 0, 0)
    slashed: frozenset[int] = frozenset()
    paid: frozenset[int] = frozenset()

    def deadlines(self, terms: Terms) -> tuple[int, int, int]:
        """When the seed lapses, commits end and reveals end if nobody else commits; 0 while not known."""
        windows = terms.windows
        seed_end = self.summoned_at + windows.seed
        if not self.seeded_at:
            return seed_end, 0, 0
        commit_end = self.all_committed_at or self.seeded_at + windows.commit_vote
        if not self.votes:
            return seed_end, commit_end, commit_end
        return seed_end, commit_end, self.all_revealed_at or commit_end + windows.reveal_vote

    def status(self, terms: Terms, now: int) -> Status:
        """Where the attempt is at chain time ``now``."""
        if self.settled is not None:
            return self.settled
        seed_end, commit_end, reveal_end = self.deadlines(terms)
        if not self.seeded_at:
            return Status.SEEDING if now <= seed_end else Status.ENDED
        if now < commit_end:
            return Status.COMMITTING
        return Status.REVEALING if now < reveal_end else Status.ENDED


@dataclass(frozen=True)
class RoundView:
    """A round as its events tell it. Bitmaps are by enrolment index; dictionaries by enrolment, holder, slot.

    ``paid`` names who was paid as what; ``bonds`` says whether the bond of a candidate (False, slot) or of an opening
    (True, index) was given back or lost; that of a candidate that was struck out is gone at once. ``excluded`` are the
    devices whose update was proven not to be what was committed; ``products`` says by challenger and position what was
    begun of a proof.
    """

    task_id: TaskId
    number: Round
    kind: RoundKind
    opened_at: int
    enrolled: int
    expected: int
    base: BlobRef
    parent: bytes
    budget: Wei
    commits: Mapping[int, Commit] = field(default_factory=dict)
    all_committed_at: int = 0
    attestations: Mapping[int, Attestation] = field(default_factory=dict)
    all_attested_at: int = 0
    excluded: int = 0
    included: int | None = None
    total_weight: int = 0
    candidates: Mapping[int, Candidate] = field(default_factory=dict)
    displaced: tuple[Candidate, ...] = ()
    all_opened_at: int = 0
    products: Mapping[tuple[Address, int], bytes] = field(default_factory=dict)
    shares: Mapping[int, Share] = field(default_factory=dict)
    threshold_shared_at: int = 0
    all_shared_at: int = 0
    openings: tuple[Posted, ...] = ()
    first_opening_at: int = 0
    panels: tuple[Panel, ...] = ()
    outcome: Outcome = Outcome.OPEN
    result: BlobRef | None = None
    header: bytes = b""
    closed_at: int = 0
    paid: frozenset[tuple[str, bytes]] = frozenset()
    bonds: Mapping[tuple[bool, int], CandidateState] = field(default_factory=dict)

    @cached_property
    def key(self) -> bytes:
        """The round's pot, and its case before a panel."""
        return round_key(self.task_id, self.number)

    @property
    def committed(self) -> int:
        """Bitmap of the devices that committed."""
        return sum(1 << index for index in self.commits)

    @property
    def included_commits(self) -> tuple[Commit, ...]:
        """The commits of the included set, by enrolment index."""
        return tuple(self.commits[i] for i in bits(self.included or 0))

    @property
    def opened_candidates(self) -> tuple[Candidate, ...]:
        """The candidates that a panel judges, in the order of their seals: not those that were struck out."""
        opened = (c for c in self.candidates.values() if c.state == CandidateState.OPENED)
        return tuple(sorted(opened, key=lambda c: c.seq))

    def deadlines(self, terms: Terms) -> Deadlines:
        """When each phase ends, or will end if nothing ends it early."""
        windows = terms.windows
        commit_end = self._commit_end(windows.commit)
        publish_end = self.all_attested_at or commit_end + windows.publish
        seal_end = publish_end + windows.seal
        open_end = self.all_opened_at or seal_end + windows.open
        challenge_end = open_end + windows.challenge
        share_end = self.all_shared_at or challenge_end + windows.share
        if self.first_opening_at:
            share_end = min(share_end, self.first_opening_at)
            opening_end = self.first_opening_at + windows.contest
        else:
            opening_end = share_end + windows.opening if self.threshold_shared_at else share_end
        return Deadlines(commit_end, publish_end, seal_end, open_end, challenge_end, share_end, opening_end)

    def _commit_end(self, window: int) -> int:
        """Everybody, or else everybody expected, has committed: who is dormant has half the window to come back."""
        if not self.all_committed_at:
            return self.opened_at + window
        if len(self.commits) == self.enrolled:
            return self.all_committed_at
        return max(self.all_committed_at, self.opened_at + window // 2)

    def shares_end(self, terms: Terms) -> int:
        """Until when shares are taken, beside openings too: a wrong opening cuts no share off."""
        return self.deadlines(terms).challenge_end + terms.windows.share

    def takes_shares(self, terms: Terms, now: int) -> bool:
        """Whether a holder may post its share at chain time ``now``."""
        phase = self.phase(terms, now)
        return phase == Phase.SHARE or (phase == Phase.OPENING and now < self.shares_end(terms))

    def phase(self, terms: Terms, now: int) -> Phase:
        """Where the round is at chain time ``now``."""
        if self.outcome != Outcome.OPEN:
            return Phase.CLOSED
        ends = self.deadlines(terms)
        if now < ends.commit_end:
            return Phase.COMMIT
        if self.too_few(terms, now):
            return Phase.VOTE
        for end, phase in (
            (ends.publish_end, Phase.PUBLISH),
            (ends.seal_end, Phase.SEAL),
            (ends.open_end, Phase.OPEN),
        ):
            if now < end:
                return phase
        if not self.opened_candidates:
            return Phase.VOTE
        if now < ends.challenge_end:
            return Phase.CHALLENGE
        if now < ends.share_end:
            return Phase.SHARE
        return Phase.OPENING if now < ends.opening_end else Phase.VOTE

    def too_few(self, terms: Terms, now: int) -> bool:
        """Whether the round can only close as TooFew: committed, or included, below ``minDevices``."""
        ends = self.deadlines(terms)
        least = terms.cohort.min_devices
        if now < ends.commit_end:
            return False
        if len(self.commits) < least:
            return True
        return now >= ends.publish_end and self.marked(terms).bit_count() < least

    def marked(self, terms: Terms) -> int:
        """Bitmap of the devices that at least ``threshold`` holders marked, less those that were excluded: the set,
        once attesting is over."""
        counts: dict[int, int] = {}
        for attestation in self.attestations.values():
            for index in bits(attestation.mask):
                counts[index] = counts.get(index, 0) + 1
        marked = sum(1 << index for index, count in counts.items() if count >= terms.key.threshold)
        return marked & ~self.excluded

    @property
    def verdict(self) -> Panel | None:
        """The attempt that decided the case, or abandoned it."""
        if self.panels and self.panels[-1].settled in (Status.DECIDED, Status.ABANDONED):
            return self.panels[-1]
        return None

    @property
    def winner(self) -> Candidate | None:
        """The first candidate in seal order that the panel called valid."""
        panel = self.verdict
        if panel is None or panel.settled != Status.DECIDED:
            return None
        return next((c for c in self.opened_candidates if panel.quorum.valid >> c.slot & 1), None)

    @property
    def right_opening(self) -> Posted | None:
        """The first opening that the panel called right."""
        panel = self.verdict
        if panel is None or panel.settled != Status.DECIDED:
            return None
        return next((o for o in self.openings if panel.quorum.right >> o.index & 1), None)


@dataclass(frozen=True, slots=True)
class View:
    """All that the events of one task's chain say.

    ``enrolled_at``: time of the latest enrolment; ``members``: the registry, in the order in which seats are drawn;
    ``pending``: who has joined and is not in it yet, with the time from which on it may be; ``credits``: what the
    escrow owes to whom, in wei.
    """

    task_id: TaskId
    terms: Terms | None = None
    terms_digest: bytes = b""
    requester: Address = ev.NOWHERE
    enrolments: Mapping[Address, Enrolment] = field(default_factory=dict)
    enrolled_at: int = 0
    rounds: tuple[RoundView, ...] = ()
    model: BlobRef | None = None
    gradient: BlobRef | None = None
    ended_at: int = 0
    members: tuple[Address, ...] = ()
    pending: Mapping[Address, int] = field(default_factory=dict)
    seed_blocks: Mapping[int, int] = field(default_factory=dict)
    seeds: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    credits: Mapping[Address, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the task is over."""
        return self.ended_at > 0

    @property
    def round(self) -> RoundView | None:
        """The latest round."""
        return self.rounds[-1] if self.rounds else None

    @property
    def by_index(self) -> tuple[Enrolment, ...]:
        """The cohort by enrolment index."""
        return tuple(sorted(self.enrolments.values(), key=lambda e: e.index))


def bits(mask: int) -> Iterator[int]:
    """The indices of the bits that are set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def apply(view: View, event: ev.Event) -> View:
    """The view after one more event; events of other tasks leave it as it is."""
    rule = _RULES.get(type(event))
    return view if rule is None else rule(view, event)


_RULES: dict[type[ev.Event], Callable[[View, Any], View]] = {}
_E = TypeVar("_E", bound=ev.Event)


def _folds(rule: Callable[[View, _E], View]) -> Callable[[View, _E], View]:
    """Registers a rule for the event type that its second parameter names."""
    _RULES[getattr(ev, rule.__annotations__["event"].removeprefix("ev."))] = rule
    return rule


def _of_round(rule: Callable[[View, RoundView, _E], RoundView]) -> Callable[[View, _E], View]:
    """A rule that changes one round of this task."""

    def fold(view: View, event: Any) -> View:
        if event.task_id != view.task_id or event.round >= len(view.rounds):
            return view
        return _with_round(view, rule(view, view.rounds[event.round], event))

    _RULES[getattr(ev, rule.__annotations__["event"].removeprefix("ev."))] = fold
    return fold


def _of_panel(rule: Callable[[View, Panel, _E], Panel]) -> Callable[[View, _E], View]:
    """A rule that changes one attempt of a round's vote."""

    def fold(view: View, event: Any) -> View:
        round_ = _round_of_case(view, event.case_key)
        if round_ is None or event.attempt >= len(round_.panels):
            return view
        panels = list(round_.panels)
        panels[event.attempt] = rule(view, panels[event.attempt], event)
        return _with_round(view, replace(round_, panels=tuple(panels)))

    _RULES[getattr(ev, rule.__annotations__["event"].removeprefix("ev."))] = fold
    return fold


def _with_round(view: View, round_: RoundView) -> View:
    return replace(view, rounds=(*view.rounds[: round_.number], round_, *view.rounds[round_.number + 1 :]))


def _round_of_case(view: View, case_key: bytes) -> RoundView | None:
    return next((r for r in reversed(view.rounds) if r.key == case_key), None)


@_folds
def _task_created(view: View, event: ev.TaskCreated) -> View:
    if event.task_id != view.task_id:
        return view
    learning = event.terms.learning
    return replace(
        view,
        terms=event.terms,
        terms_digest=event.terms_digest,
        requester=event.requester,
        model=BlobRef(learning.model_digest, learning.model_size),
    )


@_folds
def _enrolled(view: View, event: ev.DeviceEnrolled) -> View:
    if event.task_id != view.task_id:
        return view
    enrolment = Enrolment(event.device, event.index, event.weight, event.ownership)
    return replace(view, enrolments={**view.enrolments, event.device: enrolment}, enrolled_at=event.timestamp)


@_folds
def _round_opened(view: View, event: ev.RoundOpened) -> View:
    if event.task_id != view.task_id:
        return view
    opened = RoundView(
        task_id=event.task_id,
        number=event.round,
        kind=event.kind,
        opened_at=event.timestamp,
        enrolled=event.enrolled,
        expected=event.expected,
        base=BlobRef(event.base_model, event.base_model_size),
        parent=event.parent,
        budget=event.budget,
    )
    return replace(view, rounds=(*view.rounds, opened))


@_of_round
def _committed(view: View, round_: RoundView, event: ev.UpdateCommitted) -> RoundView:
    index = view.enrolments[event.device].index
    update = BlobRef(event.digest, event.size)
    commit = Commit(event.device, index, update, event.root, event.compute_millis, event.relay)
    after = replace(round_, commits={**round_.commits, index: commit})
    enough = len(after.commits) >= _terms(view).cohort.min_devices  # a dormant device may still save the round
    complete = enough and not after.expected & ~after.committed
    return replace(after, all_committed_at=event.timestamp) if complete else after


@_of_round
def _attested(view: View, round_: RoundView, event: ev.UpdatesAttested) -> RoundView:
    attestation = Attestation(event.index, event.holder, event.mask, event.relay)
    attestations = {**round_.attestations, event.index: attestation}
    complete = len(attestations) == _terms(view).key.holders
    return replace(
        round_, attestations=attestations, all_attested_at=event.timestamp if complete else round_.all_attested_at
    )


@_of_round
def _included(view: View, round_: RoundView, event: ev.SetIncluded) -> RoundView:
    return replace(round_, included=event.mask, total_weight=event.total_weight)


@_of_round
def _excluded(view: View, round_: RoundView, event: ev.UpdateExcluded) -> RoundView:
    return replace(round_, excluded=round_.excluded | 1 << event.index)


@_of_round
def _sealed(view: View, round_: RoundView, event: ev.AggregateSealed) -> RoundView:
    candidate = Candidate(event.slot, event.seq, event.edge, event.seal, event.bond, CandidateState.SEALED)
    return replace(round_, candidates={**round_.candidates, event.slot: candidate})


@_of_round
def _displaced(view: View, round_: RoundView, event: ev.CandidateDisplaced) -> RoundView:
    out = replace(round_.candidates[event.slot], state=CandidateState.DISPLACED)
    kept = {slot: c for slot, c in round_.candidates.items() if slot != event.slot}
    return replace(round_, candidates=kept, displaced=(*round_.displaced, out))


@_of_round
def _opened(view: View, round_: RoundView, event: ev.AggregateOpened) -> RoundView:
    candidate = replace(
        round_.candidates[event.slot],
        state=CandidateState.OPENED,
        aggregate=BlobRef(event.digest, event.size),
        root=event.root,
        nonce=event.nonce,
        header=event.header,
    )
    after = replace(round_, candidates={**round_.candidates, event.slot: candidate})
    complete = len(after.opened_candidates) == len(after.candidates)
    return replace(after, all_opened_at=event.timestamp) if complete else after


@_of_round
def _multiplied(view: View, round_: RoundView, event: ev.ProductAdvanced) -> RoundView:
    return replace(round_, products={**round_.products, (event.by, event.position): event.commitment})


@_of_round
def _struck(view: View, round_: RoundView, event: ev.CandidateStruckOut) -> RoundView:
    struck = replace(round_.candidates[event.slot], state=CandidateState.STRUCK)
    return replace(round_, candidates={**round_.candidates, event.slot: struck})


@_of_round
def _shared(view: View, round_: RoundView, event: ev.SharePosted) -> RoundView:
    share = Share(event.index, event.holder, BlobRef(event.digest, event.size), event.relay)
    shares = {**round_.shares, event.index: share}
    key = _terms(view).key
    return replace(
        round_,
        shares=shares,
        threshold_shared_at=event.timestamp if len(shares) == key.threshold else round_.threshold_shared_at,
        all_shared_at=event.timestamp if len(shares) == key.holders else round_.all_shared_at,
    )


@_of_round
def _opening_posted(view: View, round_: RoundView, event: ev.OpeningPosted) -> RoundView:
    posted = Posted(event.index, event.poster, event.bond, event.opening)
    return replace(
        round_,
        openings=(*round_.openings, posted),
        first_opening_at=round_.first_opening_at or event.timestamp,
    )


@_of_round
def _closed(view: View, round_: RoundView, event: ev.RoundClosed) -> RoundView:
    result = BlobRef(event.result, event.result_size) if any(event.result) else None
    return replace(round_, outcome=event.outcome, result=result, header=event.header, closed_at=event.timestamp)


@_of_round
def _device_paid(view: View, round_: RoundView, event: ev.DevicePaid) -> RoundView:
    return _with_paid(round_, "device", event.device)


@_of_round
def _relay_paid(view: View, round_: RoundView, event: ev.RelayPaid) -> RoundView:
    return _with_paid(round_, "relay", event.contract + event.relay)


@_of_round
def _edge_paid(view: View, round_: RoundView, event: ev.EdgePaid) -> RoundView:
    return _with_paid(round_, "edge", event.edge)


@_of_round
def _holder_paid(view: View, round_: RoundView, event: ev.HolderPaid) -> RoundView:
    return _with_paid(round_, "holder", event.holder)


@_of_round
def _opener_paid(view: View, round_: RoundView, event: ev.OpenerPaid) -> RoundView:
    return _with_paid(round_, "opener", event.poster)


@_of_round
def _bond_released(view: View, round_: RoundView, event: ev.BondReleased) -> RoundView:
    return _with_bond(round_, event, CandidateState.RELEASED)


@_of_round
def _bond_forfeited(view: View, round_: RoundView, event: ev.BondForfeited) -> RoundView:
    return _with_bond(round_, event, CandidateState.FORFEITED)


def _with_paid(round_: RoundView, role: str, who: bytes) -> RoundView:
    return replace(round_, paid=round_.paid | {(role, who)})


def _with_bond(round_: RoundView, event: ev.BondReleased | ev.BondForfeited, state: CandidateState) -> RoundView:
    if not event.of_opening and event.place not in round_.candidates:
        return round_  # of a displaced candidate, whose slot is another's
    return replace(round_, bonds={**round_.bonds, (event.of_opening, event.place): state})


def _closed_task(view: View, event: ev.RoundClosed) -> View:
    """A closed round may move the task's model or its gradient."""
    before, view = view, _fold_closed(view, event)
    if view is before or event.outcome not in (Outcome.ACCEPTED, Outcome.CONVERGED):
        return view
    round_ = view.rounds[event.round]
    if round_.kind == RoundKind.GRADIENT:
        return replace(view, gradient=round_.result)
    return replace(view, model=round_.result, gradient=None)


_fold_closed = _RULES[ev.RoundClosed]
_RULES[ev.RoundClosed] = _closed_task


@_folds
def _ended(view: View, event: ev.TaskEnded) -> View:
    return replace(view, ended_at=event.timestamp) if event.task_id == view.task_id else view


@_folds
def _joined(view: View, event: ev.MemberJoined) -> View:
    return replace(view, pending={**view.pending, event.member: event.active_from})


@_folds
def _activated(view: View, event: ev.MemberActivated) -> View:
    return replace(view, members=(*view.members, event.member), pending=_without(view.pending, event.member))


@_folds
def _leaving(view: View, event: ev.MemberLeaving) -> View:
    if event.member in view.pending:
        return replace(view, pending=_without(view.pending, event.member))
    members = list(view.members)
    members[event.index] = members[-1]
    return replace(view, members=tuple(members[:-1]))


def _without(pending: Mapping[Address, int], member: Address) -> Mapping[Address, int]:
    return {who: since for who, since in pending.items() if who != member}


@_folds
def _seed_requested(view: View, event: ev.SeedRequested) -> View:
    return replace(view, seed_blocks={**view.seed_blocks, event.id: event.seed_block})


@_folds
def _summoned(view: View, event: ev.PanelSummoned) -> View:
    round_ = _round_of_case(view, event.case_key)
    if round_ is None:
        return view
    panel = Panel(
        attempt=event.attempt,
        request=event.seed_request,
        size=event.size,
        members=view.members[: event.eligible],
        by=event.by,
        summoned_at=event.timestamp,
        seed_block=view.seed_blocks.get(event.seed_request, 0),
    )
    if event.seed_request in view.seeds:  # a seed that was proven on request
        seed, proven_at = view.seeds[event.seed_request]
        panel = replace(panel, seed=seed, seeded_at=proven_at)
    return _with_round(view, replace(round_, panels=(*round_.panels, panel)))


@_folds
def _seed_proven(view: View, event: ev.SeedProven) -> View:
    view = replace(view, seeds={**view.seeds, event.id: (event.seed, event.timestamp)})
    round_ = view.round
    if round_ is None or not round_.panels or round_.panels[-1].request != event.id:
        return view
    panel = round_.panels[-1]
    if event.timestamp > panel.deadlines(_terms(view))[0]:
        return view  # too late: the attempt has lapsed
    panel = replace(panel, seed=event.seed, seeded_at=event.timestamp)
    return _with_round(view, replace(round_, panels=(*round_.panels[:-1], panel)))


@_of_panel
def _vote_committed(view: View, panel: Panel, event: ev.VoteCommitted) -> Panel:
    votes = {**panel.votes, event.seat: Vote(event.seat, event.voter, event.seal)}
    complete = len(votes) == panel.size
    return replace(panel, votes=votes, all_committed_at=event.timestamp if complete else 0)


@_of_panel
def _vote_revealed(view: View, panel: Panel, event: ev.VoteRevealed) -> Panel:
    vote = replace(panel.votes[event.seat], ballot=event.ballot, evidence=event.evidence, salt=event.salt)
    votes = {**panel.votes, event.seat: vote}
    complete = all(v.ballot is not None for v in votes.values())
    return replace(panel, votes=votes, all_revealed_at=event.timestamp if complete else 0)


@_folds
def _settled(view: View, event: ev.PanelSettled) -> View:
    round_ = _round_of_case(view, event.case_key)
    if round_ is None:
        return view
    nobody = Panel(event.attempt, 0, 0, (), event.by, event.timestamp)  # summoned in vain: there was nobody to draw
    panel = (*round_.panels, nobody)[event.attempt]
    settled = replace(panel, settled=event.status, settled_at=event.timestamp, quorum=event.quorum)
    return _with_round(view, replace(round_, panels=(*round_.panels[: event.attempt], settled)))


@_of_panel
def _slashed(view: View, panel: Panel, event: ev.MemberSlashed) -> Panel:
    return replace(panel, slashed=panel.slashed | {event.seat})


@_of_panel
def _voter_paid(view: View, panel: Panel, event: ev.VoterPaid) -> Panel:
    return replace(panel, paid=panel.paid | {event.seat})


@_of_panel
def _voter_pay_burnt(view: View, panel: Panel, event: ev.VoterPayBurnt) -> Panel:
    return replace(panel, paid=panel.paid | {event.seat})


@_folds
def _paid(view: View, event: ev.Paid) -> View:
    return replace(view, credits={**view.credits, event.to: view.credits.get(event.to, 0) + event.amount})


@_folds
def _withdrawn(view: View, event: ev.Withdrawn) -> View:
    return replace(view, credits={**view.credits, event.owner: view.credits.get(event.owner, 0) - event.amount})


def _terms(view: View) -> Terms:
    assert view.terms is not None, "a round's event before its task's"
    return view.terms
