"""A holder of a key share: attests the updates that it holds and found valid, and shares once a round, for the sum
over the included set and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dapp.crypto.leverage import allowed, openable
from dapp.crypto.threshold import KeyShare
from dapp.crypto.typed_data import Attestation, ShareCommit
from dapp.protocol.effects import (
    Done,
    Effect,
    Failed,
    Hand,
    Input,
    Notice,
    Pin,
    Publish,
    Tick,
    Unpin,
    Wake,
    Work,
)
from dapp.protocol.enums import Phase
from dapp.protocol.machine import Role, ask, observe
from dapp.protocol.view import RoundView, bits
from dapp.protocol.work import MISSING, CheckUpdates, MakeShare, ShareMade, judged_sum
from dapp.types import Address

LAST_LOOK = 8
"""A holder looks for what is missing once, and so often again: each time twice as late, last at three quarters of the
publish window."""

Findings = Mapping[int, str]
"""By enrolment index: "" for a valid update, MISSING, or the reason why it was refused."""


@dataclass(frozen=True, slots=True)
class HolderState(Role):
    """``index`` counts holders from 0 and ``branch`` proves it; ``findings``, ``looks`` and ``made`` are by round."""

    me: Address = Address(b"")
    index: int = 0
    share: KeyShare | None = field(default=None, repr=False)
    branch: tuple[bytes, ...] = ()
    findings: Mapping[int, Findings] = field(default_factory=dict)
    looks: Mapping[int, int] = field(default_factory=dict)
    made: Mapping[int, ShareMade] = field(default_factory=dict)


def step(state: HolderState, input: Input) -> tuple[HolderState, tuple[Effect, ...]]:
    """One input in, the next state and what to do out."""
    if (observed := observe(state, input)) is not None:
        return observed, ()
    match input:
        case Done(("check", int(number), int(look)), dict() as found):
            return _checked(state, number, look, found)
        case Done(("share", int(number)), ShareMade() as made):
            return replace(state, made={**state.made, number: made}), ()
        case Failed(duty, reason):
            return ask(state, (Notice(("failed", *duty), f"{duty[0]} in round {duty[1]}: {reason}"),))
        case Tick(now):
            return ask(state, _due(state, now))
    return state, ()


def on_duty(state: HolderState, round_: RoundView) -> bool:
    """Whether this holder shares at once: t + 1 of the holders do, in turn; the rest stand by until half the window."""
    key = state.facts.terms.key
    return (state.index - round_.number * (key.threshold + 1)) % key.holders <= key.threshold


def shares_from(state: HolderState, round_: RoundView) -> int | None:
    """When this holder shares; None where its share is not needed.

    A holder cannot tell cheaply whether an opening is right. It takes a single one for right where t + 1 shares were
    there to make it from; where fewer were, one of them may be junk, and two openings contradict each other.
    """
    terms, begins = state.facts.terms, round_.deadlines(state.facts.terms).challenge_end
    if len(round_.openings) == 1 and len(round_.shares) > terms.key.threshold:
        return None
    if on_duty(state, round_):
        return begins
    half = begins + terms.windows.share // 2
    return min(half, round_.first_opening_at + terms.windows.contest // 2) if round_.openings else half


def refusal(state: HolderState, round_: RoundView) -> str | None:
    """Why this holder will not share for the round's included set; None if it will.

    The set must have at least ``minDevices``, no s_k > S/2, and must not let the sums that were shared on this base
    model and kind be combined into fewer than ``minDevices`` devices (leverage; protocol.md §1, Share).
    """
    least = state.facts.terms.cohort.min_devices
    included = frozenset(bits(round_.included or 0))
    if len(included) < least:
        return f"{len(included)} devices are included, fewer than {least}"
    weights = {e.index: e.weight for e in state.view.enrolments.values()}
    for index in included:
        if 2 * weights[index] > round_.total_weight:
            return f"device {index} has more than half of the weight ({weights[index]} of {round_.total_weight})"
    if not allowed(earlier_sets(state, round_), included, least):
        return f"sums on this model could be combined into fewer than {least} devices"
    return None


def earlier_sets(state: HolderState, round_: RoundView) -> tuple[frozenset[int], ...]:
    """The sets on the same base model and kind that may have been opened before: a share was posted, or this holder
    made one, which somebody may have seen though it never reached the chain."""
    asked = (
        frozenset(bits(r.included or 0))
        for r in state.view.rounds[: round_.number]
        if (r.base, r.kind) == (round_.base, round_.kind) and (r.shares or r.number in state.made)
    )
    return openable(asked, state.facts.terms.cohort.min_devices)


def _due(state: HolderState, now: int) -> Iterator[Effect]:
    view, round_ = state.view, state.view.round
    if view.terms is None or round_ is None or state.share is None:
        return
    number = round_.number
    phase = round_.phase(view.terms, now)
    ends = round_.deadlines(view.terms)
    if phase == Phase.PUBLISH and state.index not in round_.attestations:
        yield from _attest(state, round_, now, ends.publish_end)
    elif (
        round_.takes_shares(view.terms, now)
        and state.index not in round_.shares
        and round_.included is not None
        and (since := shares_from(state, round_)) is not None
    ):
        if now >= since:
            yield from _share(state, round_, round_.shares_end(view.terms))
        else:
            yield Wake(at=since)
    elif phase == Phase.CLOSED and ("pin", number) in state.asked:
        found = state.findings.get(number, {})
        pinned = tuple(c.update for i, c in sorted(round_.commits.items()) if found.get(i) == "")
        yield Unpin(("unpin", number), pinned)


def _attest(state: HolderState, round_: RoundView, now: int, publish_end: int) -> Iterator[Effect]:
    """Checks every update at once, and looks again for what was not to be had: its device may still be sending it."""
    number = round_.number
    look = state.looks.get(number, 0)
    found = state.findings.get(number, {})
    missing = tuple(c for i, c in sorted(round_.commits.items()) if found.get(i, MISSING) == MISSING)
    window = state.facts.terms.windows.publish
    due = _look_at(look, publish_end, window)
    if look and now >= publish_end - 3 * window // 16:
        due = None  # it may be looking still, but edges bring attestations to the chain an eighth before the end
    if missing and due is not None and now >= due:
        yield Work(("check", number, look), CheckUpdates(state.facts, number, missing))
    elif missing and due is not None:
        yield Wake(at=due)
    else:
        valid = tuple(c for i, c in sorted(round_.commits.items()) if found[i] == "")
        mask = sum(1 << c.index for c in valid)
        yield Pin(("pin", number), tuple(c.update for c in valid))
        message = Attestation(state.facts.task_id, number, state.index, mask, publish_end)
        yield Hand(("attest", number), message, state.branch)


def _look_at(look: int, publish_end: int, window: int) -> int | None:
    """When the holder looks for the ``look``-th time after its first; None after the last."""
    if look > LAST_LOOK:
        return None
    return publish_end - window + ((3 * window // 4) >> (LAST_LOOK - look) if look else 0)


def _checked(state: HolderState, number: int, look: int, found: Findings) -> tuple[HolderState, tuple[Effect, ...]]:
    if look < state.looks.get(number, 0):
        return state, ()
    merged = {**state.findings.get(number, {}), **found}
    looks = {**state.looks, number: look + 1}
    state = replace(state, findings={**state.findings, number: merged}, looks=looks)
    return ask(
        state,
        (
            Notice(("refused", number, index, reason), f"refused the update of device {index}: {reason}")
            for index, reason in sorted(found.items())
            if reason
        ),
    )


def _share(state: HolderState, round_: RoundView, share_end: int) -> Iterator[Effect]:
    number = round_.number
    made = state.made.get(number)
    if (reason := refusal(state, round_)) is not None:
        yield Notice(("no share", number), f"does not share: {reason}")
    elif made is None:
        assert state.share is not None
        roots = tuple(c.root for c in round_.opened_candidates)
        yield Work(("share", number), MakeShare(state.facts, judged_sum(state.view, round_), roots, state.share))
    elif made.blob is None:
        yield Notice(("no share", number), "does not share: no opened candidate carries the product it computed")
    else:
        message = ShareCommit(state.facts.task_id, number, state.index, made.blob.digest, made.blob.size, share_end)
        yield Hand(("post share", number), message, state.branch)
        yield Publish(("publish share", number), made.blob)  # after its name: a door takes only what somebody named
