"""Work that others wait for and that anyone may do for a bounty: opening rounds, fixing the included set, summoning,
proving the seed, settling, closing, paying out. Each comes with the time since which it is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from dapp.protocol.effects import Duty, Effect, ProveSeed, Transact
from dapp.protocol.enums import CandidateState, Outcome, Status
from dapp.protocol.machine import Facts
from dapp.protocol.terms import ATTEMPTS, Terms
from dapp.protocol.view import Panel, RoundView, View, bits

PROMOTIONS = 64
"""Most members taken into the registry by one transaction, about four million gas."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do, due from ``since`` to ``until`` in seconds of chain time, and from ``block`` on."""

    since: int
    effect: Effect
    block: int = 0
    until: float = inf


def chores(facts: Facts, view: View, wait_for: int) -> Iterator[Chore]:
    """What is, or will be, due. ``wait_for``: devices to wait for before the first round."""
    if view.terms is None:
        return
    for closed in view.rounds[-2:]:
        if closed.outcome != Outcome.OPEN:
            yield from _payments(facts, closed)
    round_ = view.round
    if view.ended:
        yield from _withdrawals(view)
    elif round_ is None or round_.outcome != Outcome.OPEN:
        yield from _between_rounds(facts, view, view.terms, round_, wait_for)
    else:
        yield from _within(facts, view, view.terms, round_)


def _between_rounds(facts: Facts, view: View, terms: Terms, last: RoundView | None, wait_for: int) -> Iterator[Chore]:
    since = last.closed_at if last else view.enrolled_at
    number = len(view.rounds)
    if number >= terms.learning.max_rounds or (last is not None and last.outcome == Outcome.CONVERGED):
        yield Chore(since, Transact(("end task",), "learning", "end_task", (facts.task_id,)))
    elif len(view.enrolments) >= (terms.cohort.min_devices if last else max(wait_for, terms.cohort.min_devices)):
        yield Chore(since, Transact(("open round", number), "learning", "open_round", (facts.task_id,)))


def _within(facts: Facts, view: View, terms: Terms, round_: RoundView) -> Iterator[Chore]:
    number, where = round_.number, (facts.task_id, round_.number)
    ends = round_.deadlines(terms)
    close = Transact(("close", number), "learning", "close_round", where)
    least = terms.cohort.min_devices
    if len(round_.commits) < least:
        yield Chore(ends.commit_end, close)
    elif round_.included is None and round_.marked(terms).bit_count() < least:
        yield Chore(ends.publish_end, close)
    elif not round_.opened_candidates and not round_.panels:
        if round_.included is None:
            include = Transact(("include", number), "mining", "fix_included", where)
            yield Chore(ends.publish_end, include, until=ends.seal_end)
        yield Chore(ends.open_end, close)
    elif round_.verdict is not None:
        yield Chore(round_.verdict.settled_at, close)
    else:
        yield from _vote(facts, view, terms, round_)


def _vote(facts: Facts, view: View, terms: Terms, round_: RoundView) -> Iterator[Chore]:
    number, panel = round_.number, round_.panels[-1] if round_.panels else None
    case = (facts.mining, round_.key)
    if panel is None or panel.settled == Status.UNDECIDED:
        attempt = len(round_.panels)
        since = round_.deadlines(terms).opening_end if panel is None else panel.settled_at
        if attempt < ATTEMPTS:
            summon = Transact(("summon", number, attempt), "verification", "summon", (*case, attempt))
            yield from _promotion(view, number, since)
            yield Chore(since, summon)
        return
    seed_end, _, reveal_end = panel.deadlines(terms)
    settle = Transact(("settle", number, panel.attempt), "verification", "settle", (*case, panel.attempt))
    if not panel.seeded_at:
        prove = ProveSeed(("prove", number, panel.attempt), case, panel.attempt, panel.seed_block)
        yield Chore(panel.summoned_at, prove, block=panel.seed_block + 1, until=seed_end + 1)
        yield from _promotion(view, number, seed_end + 1)
        yield Chore(seed_end + 1, settle)
    else:
        yield from _promotion(view, number, reveal_end)
        yield Chore(reveal_end, settle)


def _promotion(view: View, number: int, since: int) -> Iterator[Chore]:
    """Takes in every member whose time has come before somebody finds too few to draw a panel from."""
    if any(active_from <= since for active_from in view.pending.values()):
        promote = Transact(("promote", number, since), "verification", "promote", (PROMOTIONS,))
        yield Chore(since, promote)


def _payments(facts: Facts, round_: RoundView) -> Iterator[Chore]:
    """Every claim of a closed round that nobody has made yet, made for whom it is due to."""
    number, since, where = round_.number, round_.closed_at, (facts.task_id, round_.number)

    def claim(name: str, contract: str, function: str, *args: bytes | int) -> Chore:
        duty: Duty = (name, number, *(arg if isinstance(arg, int) else arg.hex() for arg in args))
        return Chore(since, Transact(duty, contract, function, (*where, *args)))

    if round_.openings:
        for commit in round_.included_commits:
            if ("device", commit.device) not in round_.paid:
                yield claim("pay device", "learning", "claim_device_pay_for", commit.device)
        for relay in sorted({c.relay for c in round_.included_commits if c.relay != c.device}):
            if ("relay", facts.learning + relay) not in round_.paid:
                yield claim("pay relay", "learning", "claim_relay_pay_for", relay)
        brought = {(a.relay, a.who) for a in round_.attestations.values()}
        brought |= {(s.relay, s.who) for s in round_.shares.values()}
        for relay in sorted({relay for relay, who in brought if relay != who}):
            if ("relay", facts.mining + relay) not in round_.paid:
                yield claim("pay relay of holders", "mining", "claim_relay_pay_for", relay)
        used = round_.right_opening or (round_.openings[0] if round_.outcome == Outcome.ABANDONED else None)
        for holder in bits(used.opening.used_shares if used else 0):
            if ("holder", round_.shares[holder].who) not in round_.paid:
                yield claim("pay holder", "mining", "claim_holder_pay_for", holder)
    if round_.winner is not None and round_.right_opening is not None:
        if ("edge", round_.winner.edge) not in round_.paid:
            yield claim("pay edge", "mining", "claim_edge_pay_for")
        if ("opener", round_.right_opening.poster) not in round_.paid:
            yield claim("pay opener", "mining", "claim_opener_pay_for")
    for slot, candidate in round_.candidates.items():
        if candidate.state != CandidateState.STRUCK and (False, slot) not in round_.bonds:
            yield claim("settle bond", "mining", "settle_candidate_bond", slot)
    for posted in round_.openings:
        if (True, posted.index) not in round_.bonds:
            yield claim("settle opening", "mining", "settle_opening_bond", posted.index)
    for panel in round_.panels:
        yield from _panel_payments(facts, round_, panel)


def _panel_payments(facts: Facts, round_: RoundView, panel: Panel) -> Iterator[Chore]:
    if not panel.seeded_at or panel.settled is None:
        return
    for seat in set(range(panel.size)) - panel.slashed - panel.paid:
        vote = panel.votes.get(seat)
        args = (facts.mining, round_.key, panel.attempt, seat)
        if vote is None or vote.ballot is None:
            slash = Transact(("slash", round_.number, panel.attempt, seat), "verification", "slash_silent", args)
            yield Chore(round_.closed_at, slash)
        else:
            pay = Transact(
                ("pay voter", round_.number, panel.attempt, seat), "verification", "claim_voter_pay_for", args
            )
            yield Chore(round_.closed_at, pay)


def _withdrawals(view: View) -> Iterator[Chore]:
    """Everybody's credit, sent to its owner once the task is over."""
    for owner, credit in view.credits.items():
        if credit:
            effect = Transact(("withdraw", owner.hex(), str(credit)), "escrow", "withdraw_for", (owner,))
            yield Chore(view.ended_at, effect)
