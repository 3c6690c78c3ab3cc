"""What the events say that `View` does not need to know: pots, stakes, and the hashes that some getters give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dapp.chain.contracts import Contracts
from dapp.consensus.sortition import member_at
from dapp.crypto import merkle, sealed
from dapp.crypto.words import encode_words
from dapp.protocol import events as ev
from dapp.protocol.chores import ATTEMPTS
from dapp.protocol.enums import CandidateState, MemberState, Outcome, Phase, Status
from dapp.protocol.records import (
    Ballot,
    Candidate,
    Deadlines,
    IncludedSet,
    Member,
    OutcomeReport,
    PanelState,
    PostedOpening,
    Progress,
    Round,
    Schedule,
    Seed,
    Slate,
    Task,
    Verdict,
    VoteDeadlines,
)
from dapp.protocol.view import Panel, RoundView, View, apply, bits
from dapp.types import Address, Digest

NOTHING = Digest(bytes(32))
NOBODY = Address(bytes(20))
MAX_SEATS = 51


@dataclass
class Books:
    """Everything that a history's events say, folded by ``View`` and, where it has no use for it, here."""

    view: View
    pots: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    members: dict[Address, Member] = field(default_factory=dict)
    posted_at: dict[tuple[int, int], int] = field(default_factory=dict)
    provers: dict[int, Address] = field(default_factory=dict)

    def copy(self) -> Books:
        """The same books, to be written in on their own."""
        pots: dict[bytes, int] = defaultdict(int, self.pots)
        return Books(self.view, pots, dict(self.members), dict(self.posted_at), dict(self.provers))

    def fold(self, event: ev.Event) -> None:
        """Takes in one more event."""
        match event:
            case ev.PotFunded():
                self.pots[event.pot] += event.amount
            case ev.PotMoved():
                self.pots[event.from_] -= event.amount
                self.pots[event.to] += event.amount
            case ev.Paid():
                self.pots[event.pot] -= event.amount
            case ev.MemberJoined():
                self.members[event.member] = Member(MemberState.PENDING, 0, event.active_from, 0, event.stake)
            case ev.MemberActivated():
                self._change(event.member, state=MemberState.ACTIVE, index=event.index)
            case ev.MemberLeaving():
                self._change(event.member, state=MemberState.LEAVING, leaving_at=event.until)
                if event.moved_in != NOBODY:
                    self._change(event.moved_in, index=event.index)
            case ev.MemberLeft():
                del self.members[event.member]
            case ev.MemberSlashed():
                self._change(event.member, stake=self.members[event.member].stake - event.amount)
            case ev.OpeningPosted():
                self.posted_at[event.round, event.index] = event.timestamp
            case ev.SeedProven():
                self.provers[event.id] = event.by
        self.view = apply(self.view, event)

    def _change(self, member: Address, **changes: Any) -> None:
        self.members[member] = replace(self.members[member], **changes)


Said = tuple[str, Any, Any]
"""A getter with its arguments, what the books say, what the contract says."""


def phases(books: Books, contracts: Contracts, now: int) -> Iterator[Said]:
    """What depends on the time: of the latest round, and of its latest panel."""
    view, terms, round_ = books.view, books.view.terms, books.view.round
    if round_ is None:
        return
    place = view.task_id, round_.number
    yield "Learning.phaseOf", round_.phase(terms, now), contracts.learning.phase_of(*place)
    yield "Mining.phaseOf", round_.phase(terms, now), contracts.mining.phase_of(*place)
    yield "deadlinesOf", _deadlines(round_, view, now), contracts.mining.deadlines_of(*place)
    for panel in round_.panels[-1:]:
        case = contracts.mining.address, round_.key, panel.attempt
        status = panel.status(terms, now)
        yield f"statusOf {panel.attempt}", status, contracts.verification.status_of(*case)
        ends = _vote_deadlines(panel, view, now)
        yield f"voteDeadlinesOf {panel.attempt}", ends, contracts.verification.vote_deadlines_of(*case)


def getters(books: Books, contracts: Contracts, now: int) -> Iterator[Said]:
    """Every getter of the six contracts."""
    view, learning, task_id = books.view, contracts.learning, books.view.task_id
    terms = view.terms
    yield "taskOf", _task(view), learning.task_of(task_id)
    yield "nonceOf", 1, learning.nonce_of(view.requester)
    yield "roundBudget", terms.round_budget, learning.round_budget(task_id)
    yield "isConsumer", True, contracts.verification.is_consumer(contracts.mining.address)
    yield "moneyOf", terms.money, learning.money_of(task_id)
    yield "holdersRootOf", terms.key.holders_root, learning.holders_root_of(task_id)
    yield "powTargetOf", terms.mining.pow_target, learning.pow_target_of(task_id)
    for enrolment in view.by_index:
        said = learning.enrolment_of(task_id, enrolment.device)
        yield f"enrolmentOf {enrolment.index}", (enrolment.index + 1, enrolment.weight), said
    for round_ in view.rounds:
        yield from _of_round(books, contracts, round_, now)
    yield from phases(books, contracts, now)
    yield from _of_registry(books, contracts)
    yield from _of_escrow(books, contracts)


def _of_round(books: Books, contracts: Contracts, round_: RoundView, now: int) -> Iterator[Said]:
    view, learning, mining = books.view, contracts.learning, contracts.mining
    number, place = round_.number, (view.task_id, round_.number)
    yield f"roundOf {number}", _round(round_), learning.round_of(*place)
    yield f"scheduleOf {number}", _schedule(round_, view), learning.schedule_of(*place)
    yield f"commitEndOf {number}", round_.deadlines(view.terms).commit_end, learning.commit_end_of(*place)
    for enrolment in view.by_index:
        said = learning.update_of(*place, enrolment.device)
        yield f"updateOf {number} {enrolment.index}", _update(round_, enrolment.index), said
    yield f"progressOf {number}", _progress(round_), mining.progress_of(*place)
    included = round_.included or 0
    counts = IncludedSet(included, included.bit_count(), round_.total_weight)
    yield f"includedSet {number}", counts, mining.included_set(*place)
    yield f"weightOfSet {number}", round_.total_weight, learning.weight_of_set(view.task_id, included)
    yield f"excludedSet {number}", round_.excluded, mining.excluded_set(*place)
    for (who, position), commitment in round_.products.items():
        said = contracts.paillier_sum.partial_of(who, *place, position)
        yield f"partialOf {number} {position}", commitment, said
    never = contracts.paillier_sum.partial_of(view.requester, *place, 0)
    yield f"partialOf {number}", round_.products.get((view.requester, 0), NOTHING), never
    for slot in range(len(round_.candidates) + 1):
        yield f"candidateOf {number} {slot}", _candidate(round_, slot), mining.candidate_of(*place, slot)
    for opening in round_.openings:
        posted = PostedOpening(
            opening.poster,
            books.posted_at[number, opening.index],
            opening.bond,
            (True, opening.index) in round_.bonds,
            opening.opening,
        )
        yield f"openingOf {number} {opening.index}", posted, mining.opening_of(*place, opening.index)
    for holder in range(view.terms.key.holders):
        attested, shared = round_.attestations.get(holder), round_.shares.get(holder)
        mask = (attested.who, attested.mask) if attested else (NOBODY, 0)
        yield f"attestationOf {number} {holder}", mask, mining.attestation_of(*place, holder)
        share = (shared.who, _hash("bytes32 uint32", shared.blob.digest, shared.blob.size)) if shared else None
        yield f"shareOf {number} {holder}", share or (NOBODY, NOTHING), mining.share_of(*place, holder)
    if round_.outcome != Outcome.OPEN:
        result = (round_.result.digest, round_.result.size) if round_.result else (NOTHING, 0)
        report = OutcomeReport(round_.outcome, round_.header, *result, bool(round_.openings))
        yield f"outcomeOf {number}", report, mining.outcome_of(*place)
    yield f"closedAs {number}", round_.outcome, Outcome(learning._value("closedAs", *place))
    owed = books.pots[round_.key] if round_.outcome == Outcome.OPEN else _owed(books, contracts, round_)
    yield f"Mining.entitlementsOf {number}", owed, mining.entitlements_of(*place)
    yield from _of_vote(books, contracts, round_, now)


def _of_vote(books: Books, contracts: Contracts, round_: RoundView, now: int) -> Iterator[Said]:
    view, verification = books.view, contracts.verification
    case = contracts.mining.address, round_.key
    owed = _owed_by_panels(books, contracts, round_)
    yield f"Verification.entitlementsOf {round_.number}", owed, verification.entitlements_of(*case)
    for panel in round_.panels:
        name = f"{round_.number} {panel.attempt}"
        yield f"panelOf {name}", _panel(panel, view, now), verification.panel_of(*case, panel.attempt)
        yield f"statusOf {name}", panel.status(view.terms, now), verification.status_of(*case, panel.attempt)
        for seat in range(panel.size if panel.seed is not None else 0):
            member = panel.members[member_at(panel.seed, len(panel.members), seat)]
            yield f"seatOf {name} {seat}", member, verification.seat_of(*case, panel.attempt, seat)
        if panel.size:
            seed, proven_at = view.seeds.get(panel.request, (0, 0))
            known = Seed(seed, proven_at, books.provers.get(panel.request, NOBODY))
            yield f"seedOf {panel.request}", known, contracts.seed.seed_of(panel.request)
            yield f"seedBlockOf {panel.request}", panel.seed_block, contracts.seed.seed_block_of(panel.request)
    last = round_.panels[-1] if round_.panels else None
    verdict = Verdict(last.status(view.terms, now), last.attempt, last.quorum) if last else None
    yield f"verdictOf {round_.number}", verdict or Verdict(Status.NONE, 0, NO_BALLOT), verification.verdict_of(*case)
    if round_.included is not None:
        yield f"slateOf {round_.number}", _slate(round_, view, now), contracts.mining.slate_of(round_.key)
        if last is not None:
            # Where all candidates were struck out, whatever a panel says decides the case.
            decided = last.status(view.terms, now) == Status.DECIDED or not round_.opened_candidates
            yield f"decides {round_.number}", decided, contracts.mining.decides(round_.key, last.quorum)


def _of_registry(books: Books, contracts: Contracts) -> Iterator[Said]:
    states = [member.state for member in books.members.values()]
    counts = states.count(MemberState.ACTIVE), states.count(MemberState.PENDING)
    yield "memberCount", counts, contracts.verification.member_count()
    for address, member in books.members.items():
        yield f"memberOf 0x{address.hex()}", member, contracts.verification.member_of(address)
    active = {address: member.index for address, member in books.members.items() if member.state == MemberState.ACTIVE}
    yield "the view's registry", sorted(active, key=lambda address: active[address]), list(books.view.members)


def _of_escrow(books: Books, contracts: Contracts) -> Iterator[Said]:
    escrow = contracts.escrow
    for pot, held in books.pots.items():
        yield f"potOf 0x{pot.hex()}", held, escrow.pot_of(pot)
    for owner, credit in books.view.credits.items():
        yield f"creditOf 0x{owner.hex()}", credit, escrow.credit_of(owner)
    yield "totalPots", sum(books.pots.values()), escrow.total_pots()
    yield "totalCredit", sum(books.view.credits.values()), escrow.total_credit()


NO_BALLOT = Ballot(0, 0, 0, 0)


def _owed(books: Books, contracts: Contracts, round_: RoundView) -> int:
    """What Mining and Verification still owe of a closed round."""
    view, mining = books.view, contracts.mining.address
    money = view.terms.money
    judged = round_.opened_candidates or round_.panels  # a candidate that was struck out may have had a panel
    owed = _owed_by_panels(books, contracts, round_) if judged else 0
    if round_.openings:
        relayed = [m.relay for m in (*round_.attestations.values(), *round_.shares.values()) if m.relay != m.who]
        owed += money.relay_pay * sum(("relay", mining + relay) not in round_.paid for relay in relayed)
    right = round_.openings[0] if round_.outcome == Outcome.ABANDONED and round_.openings else None
    if round_.outcome in (Outcome.ACCEPTED, Outcome.CONVERGED, Outcome.OVERFLOW):
        right = round_.right_opening
        owed += money.edge_pay * (("edge", round_.winner.edge) not in round_.paid)
        owed += money.bounty * (("opener", right.poster) not in round_.paid)
    used = bits(right.opening.used_shares) if right else ()
    return owed + money.holder_pay * sum(("holder", round_.shares[h].who) not in round_.paid for h in used)


def _owed_by_panels(books: Books, contracts: Contracts, round_: RoundView) -> int:
    """What panels have earned, and what those to come may."""
    money, panels = books.view.terms.money, round_.panels
    if round_.included is None:
        return 0  # no slate yet
    owed, size = 0, books.view.terms.panel.seats
    for panel in panels:
        revealed = {seat for seat, vote in panel.votes.items() if vote.ballot is not None}
        if panel.settled is not None:
            owed += money.voter_pay * len(revealed - panel.paid)
        else:
            paid = books.provers.get(panel.request) == contracts.verification.address
            owed += panel.size * money.voter_pay + (1 if paid else 2) * money.bounty
        size = min(2 * panel.size + 1, MAX_SEATS)
    if panels and panels[-1].settled in (Status.DECIDED, Status.ABANDONED):
        return owed
    for _ in range(len(panels), ATTEMPTS):
        owed += size * money.voter_pay + 3 * money.bounty
        size = min(2 * size + 1, MAX_SEATS)
    return owed


def _task(view: View) -> Task:
    enrolments = NOTHING
    for e in view.by_index:
        enrolments = Digest(sealed.enrolments_hash(enrolments, e.device, e.weight, e.ownership))
    closed = [round_ for round_ in view.rounds if round_.outcome != Outcome.OPEN]
    return Task(
        requester=view.requester,
        rounds=len(view.rounds),
        enrolled=len(view.enrolments),
        total_weight=sum(e.weight for e in view.enrolments.values()),
        ended=view.ended,
        last_outcome=closed[-1].outcome if closed else Outcome.OPEN,
        terms_digest=view.terms_digest,
        head=closed[-1].header if closed else sealed.genesis_head(view.task_id, view.terms_digest),
        enrolments=enrolments,
        model=view.model.digest,
        model_size=view.model.size,
        gradient=view.gradient.digest if view.gradient else NOTHING,
        gradient_size=view.gradient.size if view.gradient else 0,
    )


def _round(round_: RoundView) -> Round:
    return Round(
        kind=round_.kind,
        outcome=round_.outcome,
        enrolled=round_.enrolled,
        opened_at=round_.opened_at,
        all_committed_at=round_.all_committed_at,
        closed_at=round_.closed_at,
        committed=round_.committed,
        expected=round_.expected,
        parent=round_.parent,
        result=round_.result.digest if round_.result else NOTHING,
    )


def _schedule(round_: RoundView, view: View) -> Schedule:
    terms = view.terms
    return Schedule(
        kind=round_.kind,
        commit_end=round_.deadlines(terms).commit_end,
        closed_at=round_.closed_at,
        min_devices=terms.cohort.min_devices,
        holders=terms.key.holders,
        threshold=terms.key.threshold,
        seats=terms.panel.seats,
        accept_bips=terms.panel.accept_bips,
        max_bytes=terms.cohort.max_update_bytes,
        beta=terms.mining.beta,
        committed=round_.committed,
        parent=round_.parent,
        windows=terms.windows,
    )


def _update(round_: RoundView, index: int) -> bytes:
    commit = round_.commits.get(index)
    if commit is None:
        return NOTHING
    types = "bytes32 uint32 bytes32 uint32"
    return _hash(types, commit.update.digest, commit.update.size, commit.root, commit.compute_millis)


def _hash(types: str, *values: Any) -> bytes:
    return merkle.keccak256(encode_words(types.split(), list(values)))


def _progress(round_: RoundView) -> Progress:
    included = round_.included or 0
    opened = sum(1 << c.slot for c in round_.opened_candidates)
    return Progress(
        attested=sum(1 << holder for holder in round_.attestations),
        shared=sum(1 << holder for holder in round_.shares),
        candidates=opened,
        sealed_count=len(round_.candidates),
        opened_count=opened.bit_count(),
        openings=len(round_.openings),
        all_attested_at=round_.all_attested_at,
        all_opened_at=round_.all_opened_at,
        threshold_shared_at=round_.threshold_shared_at,
        all_shared_at=round_.all_shared_at,
        first_opening_at=round_.first_opening_at,
        included=round_.included is not None,
        included_count=included.bit_count(),
        total_weight=round_.total_weight,
        included_mask=included,
    )


def _candidate(round_: RoundView, slot: int) -> Candidate:
    candidate = round_.candidates.get(slot)
    if candidate is None:
        return Candidate(0, NOBODY, CandidateState.NONE, 0, 0, NOTHING, NOTHING, NOTHING, NOTHING)
    return Candidate(
        seq=candidate.seq,
        edge=candidate.edge,
        state=round_.bonds.get((False, slot), candidate.state),
        bond=candidate.bond,
        size=candidate.aggregate.size if candidate.aggregate else 0,
        seal=candidate.seal,
        digest=candidate.aggregate.digest if candidate.aggregate else NOTHING,
        root=candidate.root or NOTHING,
        header=candidate.header or NOTHING,
    )


def _deadlines(round_: RoundView, view: View, now: int) -> Deadlines:
    """What the contract tells: an end once the phase before it is over, and none that will not come."""
    terms, ends = view.terms, round_.deadlines(view.terms)
    told = {"commit_end": ends.commit_end}
    if now >= ends.commit_end and len(round_.commits) >= terms.cohort.min_devices:
        told["publish_end"] = ends.publish_end
        if now >= ends.publish_end and not round_.too_few(terms, now):
            told["seal_end"] = ends.seal_end
            if now >= ends.seal_end:
                told["open_end"] = ends.open_end
            if now >= ends.open_end and round_.opened_candidates:
                told["challenge_end"] = ends.challenge_end
                if now >= ends.challenge_end:
                    told["share_end"] = ends.share_end
                if now >= ends.share_end:
                    told["opening_end"] = ends.opening_end
    return Deadlines(**(dict.fromkeys(Deadlines.__dataclass_fields__, 0) | told))


def _vote_deadlines(panel: Panel, view: View, now: int) -> VoteDeadlines:
    if not panel.size:
        return VoteDeadlines(0, 0, 0)
    seed_end, commit_end, reveal_end = panel.deadlines(view.terms)
    if panel.seeded_at and not panel.votes and now < commit_end:
        reveal_end += view.terms.windows.reveal_vote  # somebody may still commit
    return VoteDeadlines(seed_end, commit_end, reveal_end)


def _panel(panel: Panel, view: View, now: int) -> PanelState:
    if not panel.size:
        return PanelState(0, 0, 0, 0, 0, 0, 0, 0, 0, panel.status(view.terms, now), NO_BALLOT)
    return PanelState(
        seed_request=panel.request,
        eligible=len(panel.members),
        size=panel.size,
        commits=len(panel.votes),
        reveals=sum(vote.ballot is not None for vote in panel.votes.values()),
        summoned_at=panel.summoned_at,
        seeded_at=panel.seeded_at,
        all_committed_at=panel.all_committed_at,
        all_revealed_at=panel.all_revealed_at,
        status=panel.status(view.terms, now),
        quorum=panel.quorum,
    )


def _slate(round_: RoundView, view: View, now: int) -> Slate:
    terms = view.terms
    candidates = sum(1 << c.slot for c in round_.opened_candidates)
    return Slate(
        ready=bool(candidates) and round_.phase(terms, now) == Phase.VOTE,
        candidates=candidates,
        openings=(1 << len(round_.openings)) - 1,
        seats=terms.panel.seats,
        accept_bips=terms.panel.accept_bips,
        commit_vote=terms.windows.commit_vote,
        reveal_vote=terms.windows.reveal_vote,
        seed=terms.windows.seed,
        voter_pay=terms.money.voter_pay,
        bounty=terms.money.bounty,
        pot=round_.key,
    )
