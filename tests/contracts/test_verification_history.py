"""Random histories of members, panels and time: always solvent, told in full by events, and never a dead end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from court import COMMIT_WINDOW, NO, REVEAL_WINDOW, SEED_WINDOW, YES, Case, Court
from evm import Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dapp.chain.codec import decode_log
from dapp.chain.keys import Account
from dapp.protocol.enums import Status

NONE, PENDING, ACTIVE, LEAVING = range(4)
CASES = ("first case", "second case")
SEATS = range(7)


@pytest.fixture(scope="module")
def built() -> Court:
    court = Court.build(members=5, spare=3)
    for name in CASES:
        court.case(name, seats=3)
    return court


@pytest.fixture
def court(built: Court) -> Iterator[Court]:
    with built.supposing():
        yield built


# What the events alone say


@dataclass
class Member:
    state: int
    active_from: int
    stake: int
    index: int = 0
    leaving_at: int = 0


@dataclass
class Panel:
    request: int = 0
    eligible: int = 0
    size: int = 0
    summoned_at: int = 0
    seeded_at: int = 0
    commits: int = 0
    reveals: int = 0
    all_committed_at: int = 0
    all_revealed_at: int = 0
    settled: Status = Status.NONE
    quorum: tuple[int, ...] = (0, 0, 0, 0)

    def status(self, now: int) -> Status:
        if self.settled or not self.size:
            return self.settled
        if not self.seeded_at:
            return Status.ENDED if now > self.summoned_at + SEED_WINDOW else Status.SEEDING
        commit_end = self.all_committed_at or self.seeded_at + COMMIT_WINDOW
        if now < commit_end:
            return Status.COMMITTING
        reveal_end = self.all_revealed_at or commit_end + (REVEAL_WINDOW if self.commits else 0)
        return Status.REVEALING if now < reveal_end else Status.ENDED


@dataclass
class Replay:
    """The getters, computed from events and the times of their blocks."""

    members: dict[str, Member] = field(default_factory=dict)
    panels: dict[tuple[bytes, int], Panel] = field(default_factory=dict)
    seeds: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    pots: dict[bytes, int] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)

    def see(self, name: str, event: dict[str, Any], at: int) -> None:
        panel = self.panels.setdefault((event["caseKey"], event["attempt"]), Panel()) if "attempt" in event else Panel()
        member = self.members.get(event.get("member", ""), Member(NONE, 0, 0))
        match name:
            case "PotFunded":
                self._add(self.pots, event["pot"], event["amount"])
            case "PotMoved":
                self._add(self.pots, event["from"], -event["amount"])
                self._add(self.pots, event["to"], event["amount"])
            case "Paid":
                self._add(self.pots, event["pot"], -event["amount"])
                self._add(self.credits, event["to"], event["amount"])
            case "Withdrawn":
                self._add(self.credits, event["owner"], -event["amount"])
            case "MemberJoined":
                self.members[event["member"]] = Member(PENDING, event["activeFrom"], event["stake"])
            case "MemberActivated":
                member.state, member.index = ACTIVE, event["index"]
            case "MemberLeaving":
                member.state, member.leaving_at = LEAVING, event["until"]
                if int(event["movedIn"], 16):
                    self.members[event["movedIn"]].index = event["index"]
            case "MemberSlashed":
                member.stake -= event["amount"]
            case "MemberLeft":
                del self.members[event["member"]]
            case "PanelSummoned":
                panel.request, panel.eligible = event["seedRequest"], event["eligible"]
                panel.size, panel.summoned_at = event["size"], at
            case "SeedProven":
                self.seeds[event["id"]] = event["seed"], at, event["by"]
                for asked in self.panels.values():
                    if asked.request == event["id"] and at <= asked.summoned_at + SEED_WINDOW:
                        asked.seeded_at = at
            case "VoteCommitted":
                panel.commits += 1
                panel.all_committed_at = at if panel.commits == panel.size else 0
            case "VoteRevealed":
                panel.reveals += 1
                panel.all_revealed_at = at if panel.reveals == panel.commits else 0
            case "PanelSettled":
                panel.settled, panel.quorum = Status(event["status"]), event["quorum"]

    @staticmethod
    def _add(amounts: dict[Any, int], key: Any, amount: int) -> None:
        amounts[key] = amounts.get(key, 0) + amount


def replayed(court: Court) -> Replay:
    replay, chain = Replay(), court.evm.chain
    for log in chain.logs(0, chain.head().number):
        entry = court.evm._events[log.topics[0]]
        names = [parameter.name for parameter in entry.inputs]
        replay.see(entry.name, dict(zip(names, decode_log(entry, log.topics, log.data), strict=True)), log.timestamp)
    return replay


def getters_agree(court: Court) -> None:
    replay, now, verification = replayed(court), court.evm.now, court.verification
    for account in court.evm.accounts:
        spelled = "0x" + account.address.hex()
        known = replay.members.get(spelled, Member(NONE, 0, 0))
        expected = known.state, known.index, known.active_from, known.leaving_at, known.stake
        assert court.member(account) == expected
        assert court.credit(account) == replay.credits.get(spelled, 0)
    states = [member.state for member in replay.members.values()]
    assert verification.read("memberCount") == (states.count(ACTIVE), states.count(PENDING))
    for (key, attempt), panel in replay.panels.items():
        case = Case(court, key, b"", attempt)
        assert case.read("panelOf") == (
            panel.request,
            panel.eligible,
            panel.size,
            panel.commits,
            panel.reveals,
            panel.summoned_at,
            panel.seeded_at,
            panel.all_committed_at,
            panel.all_revealed_at,
            panel.status(now),
            panel.quorum,
        )
    for request, answer in replay.seeds.items():
        assert court.seed.read("seedOf", request) == answer
    for pot, held in replay.pots.items():
        assert court.pot(pot) == held
    assert court.escrow.read("totalPots") == sum(replay.pots.values())
    assert court.escrow.read("totalCredit") == sum(replay.credits.values())
    assert court.solvent()


# What may happen


ACTS = ["join", "leave", "promote", "unstake", "withdraw", "wait", "commit", "reveal", "slash", "claim"]
STEPS = st.one_of(
    st.tuples(st.just("forward"), st.sampled_from(CASES), st.integers(0, 10**6)),
    st.tuples(st.sampled_from(ACTS), st.sampled_from(CASES), st.integers(0, 10**6)),
)


def forward(case: Case, by: Account, choice: int) -> None:
    """What the case waits for."""
    match case.status:
        case Status.NONE | Status.UNDECIDED:
            case.summon(by)
        case Status.SEEDING:
            case.prove(by)
        case Status.COMMITTING:
            for seat in range(case.size):
                if (choice >> seat) % 4 or not choice % 3:
                    case.commit(seat, NO if not (choice >> seat) % 5 else YES)
            case.to_reveal()
        case Status.REVEALING:
            for seat in list(case.ballots)[choice % 2 :]:
                case.reveal(seat)
            case.to_end()
        case Status.ENDED:
            case.settle(by)


def act(court: Court, cases: dict[str, Case], what: str, name: str, choice: int) -> None:
    case, member = cases[name], court.members[choice % len(court.members)]
    seat = choice % 7
    match what:
        case "join" | "leave":
            getattr(court, what)(member)
        case "promote":
            court.verification.send(member, "promote", choice % 4)
        case "unstake":
            court.verification.send(court.anyone, "withdrawStakeFor", member.address)
        case "withdraw":
            court.escrow.send(court.anyone, "withdrawFor", member.address)
        case "wait":
            court.evm.chain.travel(1 + choice % 150)
        case "forward":
            if case.status == Status.UNDECIDED:
                case = cases[name] = case.again()
            forward(case, member, choice)
        case "commit":
            case.commit(seat, NO if choice % 5 == 0 else YES)
        case "reveal" | "slash" | "claim":
            getattr(case, what)(seat)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=25, max_size=40))
def test_after_every_history_events_tell_all_and_everybody_gets_out(
    court: Court, steps: list[tuple[str, str, int]]
) -> None:
    with court.supposing():
        cases = {name: court.case(name, fund=0, seats=3) for name in CASES}
        for step in steps:
            try:
                act(court, cases, *step)
            except (Refused, KeyError):
                continue
            assert court.solvent()
        getters_agree(court)
        _everybody_gets_out(court, list(cases.values()))
        getters_agree(court)


def _everybody_gets_out(court: Court, cases: list[Case]) -> None:
    """From wherever the history stopped, with nobody voting any more: time alone is enough."""
    for case in cases:
        while case.verdict[0] not in (Status.NONE, Status.DECIDED, Status.ABANDONED):
            if case.status == Status.UNDECIDED:
                case = case.again()
                case.summon()
            else:
                court.evm.chain.travel(SEED_WINDOW + COMMIT_WINDOW + REVEAL_WINDOW)
                case.settle()
        for attempt in range(3):
            for seat in SEATS:
                with suppress(Refused):  # nothing to claim there
                    Case(court, case.key, case.pot, attempt).claim(seat)
        if case.verdict[0] != Status.NONE:
            assert case.entitlements == 0
    for member in court.members:
        if court.member(member)[0] in (PENDING, ACTIVE):
            court.leave(member)
    court.evm.chain.travel(10_000)
    for member in court.members:
        if court.member(member)[0] == LEAVING:
            court.verification.send(court.anyone, "withdrawStakeFor", member.address)
    assert court.pot(court.stakes_pot) == 0
    for account in court.evm.accounts:
        if court.credit(account):
            court.escrow.send(court.anyone, "withdrawFor", account.address)
    assert all(court.credit(account) == 0 for account in court.evm.accounts)
