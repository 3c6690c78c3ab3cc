"""An edge: relays what devices and holders signed, adds up what it cannot read, opens the sum, and does the chores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dapp.crypto.sealed import aggregate_seal, derive_salt
from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, UpdateCommit
from dapp.protocol.chores import chores
from dapp.protocol.effects import (
    Done,
    Effect,
    Failed,
    Handed,
    Input,
    Notice,
    Publish,
    Tick,
    Transact,
    Wake,
    Work,
)
from dapp.protocol.enums import CandidateState, Phase
from dapp.protocol.machine import Role, ask, observe
from dapp.protocol.records import (
    Aggregate,
    Opening,
)
from dapp.protocol.relayed import batch_of, is_signed
from dapp.protocol.terms import Terms
from dapp.protocol.view import Candidate, RoundView
from dapp.protocol.work import (
    AggregateMade,
    Examination,
    Examine,
    FormAggregate,
    OpeningMade,
    OpenSum,
    judged_sum,
)
from dapp.types import Address

MAX_BATCH = 32
"""Messages that a contract takes in one batch."""

PATIENCE = 10
"""Seconds of chain time that the next edge in line leaves a chore to those before it."""

MAX_CANDIDATES = 8
"""Candidates that stand at a time; a further one displaces the lowest bond with one at least twice as high."""

MOST_BONDS = 16
"""The most that an edge locks to displace others, in bonds of the terms."""


@dataclass(frozen=True, slots=True)
class EdgeState(Role):
    """``turn``: its place in the line of edges; ``inbox``: messages of the current round that wait to be relayed.

    ``applicants``: enrolments that wait likewise; ``made`` and ``opened`` are by round.
    """

    me: Address = Address(b"")
    salt_secret: bytes = field(default=b"", repr=False)
    turn: int = 0
    wait_for: int = 0
    inbox: tuple[Handed, ...] = ()
    applicants: tuple[Handed, ...] = ()
    made: Mapping[int, AggregateMade] = field(default_factory=dict)
    opened: Mapping[int, OpeningMade] = field(default_factory=dict)
    examined: Mapping[tuple[int, int], Examination] = field(default_factory=dict)


def step(state: EdgeState, input: Input) -> tuple[EdgeState, tuple[Effect, ...]]:
    """One input in, the next state and what to do out."""
    if (observed := observe(state, input)) is not None:
        return observed, ()
    match input:
        case Handed(Enrolment()):
            return _apply(state, input), ()
        case Handed():
            return _take_in(state, input), ()
        case Done(("add up", int(number)), AggregateMade() as made):
            return replace(state, made={**state.made, number: made}), ()
        case Done(("open", int(number), int()), OpeningMade() as opened):
            return replace(state, opened={**state.opened, number: opened}), ()
        case Done(("examine", int(number), int(count)), Examination() as found):
            return replace(state, examined={**state.examined, (number, count): found}), ()
        case Failed(duty, reason):
            return ask(state, (Notice(("failed", *duty), f"{' '.join(map(str, duty))}: {reason}"),))
        case Tick(now, block):
            return ask(state, _due(state, now, block))
    return state, ()


def _take_in(state: EdgeState, handed: Handed) -> EdgeState:
    """A message of the current round waits to be relayed, the latest of each sender and kind; those of earlier rounds
    wait no longer."""
    current = state.view.round
    if current is None or handed in state.inbox or not _is_of(current, handed) or not is_signed(state.facts, handed):
        return state
    waiting = {_sender(h): h for h in (*state.inbox, handed) if _is_of(current, h)}
    return replace(state, inbox=tuple(waiting.values()))


def _sender(handed: Handed) -> tuple[type, Address | int]:
    """Who says what kind of thing: a holder by its index."""
    message = handed.message
    return type(message), message.holder if isinstance(message, Attestation | ShareCommit) else message.device


def _is_of(round_: RoundView, handed: Handed) -> bool:
    return not isinstance(handed.message, Enrolment) and handed.message.round == round_.number


def _apply(state: EdgeState, handed: Handed) -> EdgeState:
    """A device that wants to take part waits to be enrolled; its latest word counts."""
    if not is_signed(state.facts, handed):
        return state
    waiting = {_enrolment(h).device: h for h in (*state.applicants, handed)}
    return replace(state, applicants=tuple(h for device, h in waiting.items() if device not in state.view.enrolments))


def _enrolment(handed: Handed) -> Enrolment:
    assert isinstance(handed.message, Enrolment)
    return handed.message


def _due(state: EdgeState, now: int, block: int) -> Iterator[Effect]:
    view, terms = state.view, state.view.terms
    if terms is not None:
        yield from _relay_enrolments(state, now)
        if view.round is not None:
            yield from _round(state, terms, view.round, now)
    for chore in chores(state.facts, view, state.wait_for):
        since = chore.since + PATIENCE * state.turn
        if max(now, since) >= chore.until:
            continue
        if now >= since and block >= chore.block:
            yield chore.effect
        else:
            yield Wake(at=since) if now < since else Wake(block=chore.block)


def _round(state: EdgeState, terms: Terms, round_: RoundView, now: int) -> Iterator[Effect]:
    phase = round_.phase(terms, now)
    match phase:
        case Phase.COMMIT:
            yield from _relay_commits(state, terms, round_, now)
        case Phase.PUBLISH:
            yield from _relay_attestations(state, terms, round_, now)
        case Phase.SEAL:
            yield from _seal(state, round_)
            yield Wake(at=round_.deadlines(terms).seal_end)
        case Phase.OPEN:
            yield from _open_candidate(state, round_)
            yield Wake(at=round_.deadlines(terms).open_end)
        case Phase.CHALLENGE:
            yield Wake(at=round_.deadlines(terms).challenge_end)
        case Phase.SHARE | Phase.OPENING:
            if round_.takes_shares(terms, now):
                yield from _relay_shares(state, terms, round_, now)
            yield from _open_sum(state, terms, round_, now)
            ends = round_.deadlines(terms)
            yield Wake(at=ends.share_end if phase == Phase.SHARE else ends.opening_end)


# Relaying


def _reserve(state: EdgeState, window: int, part: int) -> int:
    """How long before a window's end this edge relays what nobody brought yet: a part of it for the first edge in line,
    less for those behind, who are there if the first keeps something back."""
    return window // (part * (1 + state.turn))


def _relay_enrolments(state: EdgeState, now: int) -> Iterator[Effect]:
    """Nobody's turn: a device hands its enrolment to one edge after the other. Who does not fit the cohort is passed
    over as the contract would, and stands in nobody's way."""
    cohort, enrolled = state.facts.terms.cohort, state.view.enrolments
    left = cohort.max_weight - sum(device.weight for device in enrolled.values())
    room = min(MAX_BATCH, cohort.max_devices - len(enrolled))
    waiting: list[Handed] = []
    for handed in state.applicants:
        wanted = _enrolment(handed)
        fits = 0 < wanted.weight <= min(cohort.weight_cap, left) and len(waiting) < room
        if fits and wanted.device not in enrolled and now <= wanted.deadline:
            waiting.append(handed)
            left -= wanted.weight
    if waiting and not state.view.ended:
        duty = ("relay enrolments", *sorted(_enrolment(handed).device.hex() for handed in waiting))
        yield Transact(duty, *batch_of(*waiting))


def _relay_commits(state: EdgeState, terms: Terms, round_: RoundView, now: int) -> Iterator[Effect]:
    waiting: dict[int, Handed] = {}
    for handed in state.inbox:
        message = handed.message
        if (
            isinstance(message, UpdateCommit)
            and message.round == round_.number
            and message.device in state.view.enrolments
        ):
            index = state.view.enrolments[message.device].index
            if index not in round_.commits:
                waiting[index] = handed
    mask = sum(1 << index for index in waiting)
    complete = state.turn == 0 and not round_.expected & ~(round_.committed | mask)
    flush_at = round_.deadlines(terms).commit_end - _reserve(state, terms.windows.commit, 4)
    if waiting and (complete or len(waiting) >= MAX_BATCH or now >= flush_at):
        batch = list(waiting.values())[:MAX_BATCH]
        yield Transact(("relay commits", round_.number, mask), *batch_of(*batch))
    else:
        yield Wake(at=flush_at)


def _relay_attestations(state: EdgeState, terms: Terms, round_: RoundView, now: int) -> Iterator[Effect]:
    waiting = {
        h.message.holder: h
        for h in state.inbox
        if isinstance(h.message, Attestation)
        and h.message.round == round_.number
        and h.message.holder not in round_.attestations
    }
    complete = state.turn == 0 and len(waiting) + len(round_.attestations) >= terms.key.holders
    flush_at = round_.deadlines(terms).publish_end - _reserve(state, terms.windows.publish, 8)
    if waiting and (complete or now >= flush_at):
        mask = sum(1 << holder for holder in waiting)
        yield Transact(("relay attestations", round_.number, mask), *batch_of(*waiting.values()))
    else:
        yield Wake(at=flush_at)


def _relay_shares(state: EdgeState, terms: Terms, round_: RoundView, now: int) -> Iterator[Effect]:
    waiting = {
        h.message.holder: h
        for h in state.inbox
        if isinstance(h.message, ShareCommit)
        and h.message.round == round_.number
        and h.message.holder not in round_.shares
    }
    enough = state.turn == 0 and len(waiting) + len(round_.shares) > terms.key.threshold
    flush_at = round_.shares_end(terms) - _reserve(state, 3 * terms.windows.share, 4)
    if waiting and (enough or round_.openings or now >= flush_at):
        mask = sum(1 << holder for holder in waiting)
        yield Transact(("relay shares", round_.number, mask), *batch_of(*waiting.values()))
    elif now < flush_at:
        yield Wake(at=flush_at)


# The candidate


def _mine(state: EdgeState, round_: RoundView) -> Candidate | None:
    return next((c for c in round_.candidates.values() if c.edge == state.me), None)


def _seal(state: EdgeState, round_: RoundView) -> Iterator[Effect]:
    if round_.included is None or _mine(state, round_) is not None:
        return
    number = round_.number
    made = state.made.get(number)
    if made is None:
        yield Work(("add up", number), FormAggregate(state.facts, judged_sum(state.view, round_), state.me))
        return
    facts = state.facts
    blob = made.blob
    salt = _salt(state, number)
    seal = aggregate_seal(
        facts.chain_id,
        facts.mining,
        facts.task_id,
        number,
        state.me,
        blob.digest,
        blob.size,
        made.root,
        made.nonce,
        salt,
    )
    bond = _bond(facts.terms, round_)
    if bond > MOST_BONDS * max(facts.terms.money.edge_bond, 1):
        yield Notice(("outbid", number), f"does not seal: all places are taken, and displacing one costs {bond:,} wei")
    else:
        args = (facts.task_id, number, seal, bond)
        yield Transact(("seal", number, bond), "mining", "seal_aggregate", args)


def _bond(terms: Terms, round_: RoundView) -> int:
    """What sealing costs now: the terms' bond, or twice the lowest where all places are taken, maybe by junk."""
    bonds = [candidate.bond for candidate in round_.candidates.values()]
    usual = terms.money.edge_bond
    return usual if len(bonds) < MAX_CANDIDATES else max(usual, 2 * min(bonds), 1)


def _open_candidate(state: EdgeState, round_: RoundView) -> Iterator[Effect]:
    mine, made = _mine(state, round_), state.made.get(round_.number)
    if mine is None or mine.state != CandidateState.SEALED:
        return
    number = round_.number
    if made is None:  # it was started anew since it sealed: the sum, and the salt, come out the same
        yield Work(("add up", number), FormAggregate(state.facts, judged_sum(state.view, round_), state.me))
        return
    aggregate = Aggregate(made.blob.digest, made.blob.size, made.root, made.nonce)
    yield Publish(("publish aggregate", number), made.blob)
    args = (state.facts.task_id, number, mine.slot, aggregate, _salt(state, number))
    yield Transact(("open aggregate", number), "mining", "open_aggregate", args)


def _salt(state: EdgeState, number: int) -> bytes:
    facts = state.facts
    place = facts.chain_id.to_bytes(32, "big"), facts.mining, facts.task_id, number.to_bytes(4, "big")
    return derive_salt(state.salt_secret, b"aggregate", *place)


# The opening


def _opening_turn(state: EdgeState, round_: RoundView, ours: Candidate | None) -> int:
    """When this edge may open the sum, in sixteenths of the opening window: those with an opened candidate one after
    the other, then, from half of the window on, those without."""
    if ours is not None and ours in round_.opened_candidates:
        return min(round_.opened_candidates.index(ours), 7)
    return 8 + min(state.turn, 7)


def _open_sum(state: EdgeState, terms: Terms, round_: RoundView, now: int) -> Iterator[Effect]:
    """Opens the sum when it is this edge's turn, or when what others posted is wrong."""
    number, made = round_.number, state.made.get(round_.number)
    ours = _mine(state, round_)
    if not round_.threshold_shared_at or any(o.poster == state.me for o in round_.openings):
        return
    if round_.openings:
        count = len(round_.openings)
        found = state.examined.get((number, count))
        if found is None:
            job = Examine.of(state.facts, state.view, round_, (), round_.openings)
            yield Work(("examine", number, count), job)
        if found is None or found.right:
            return
    else:
        turn = round_.threshold_shared_at + _opening_turn(state, round_, ours) * terms.windows.opening // 16
        if now < turn:
            yield Wake(at=turn)
            return
    if made is None:  # it was away when the sums were formed
        yield Work(("add up", number), FormAggregate(state.facts, judged_sum(state.view, round_), state.me))
        return
    if not any(c.root == made.root for c in round_.opened_candidates):
        return  # nobody's candidate carries the product that this edge computed: no honest holder shares for it
    opened = state.opened.get(number)
    if opened is None:
        shares = tuple(share for _, share in sorted(round_.shares.items()))
        yield Work(
            ("open", number, len(shares)), OpenSum(state.facts, judged_sum(state.view, round_), made.blob, shares)
        )
        return
    opening = Opening(
        opened.blob.digest, opened.blob.size, opened.model.digest, opened.model.size, opened.used, opened.flags
    )
    yield Publish(("publish opening", number), opened.blob)
    if opened.model.size:
        yield Publish(("publish model", number), opened.model)
    args = (state.facts.task_id, number, opening, terms.money.opening_bond)
    yield Transact(("post opening", number), "mining", "post_opening", args)
