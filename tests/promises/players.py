"""What people do in a round: mostly what there is to do, sometimes anything; each choice from one random number."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from lockstep import BURN, DEVICES, HOLDERS, WON, Lockstep

from dapp.chain.keys import Account
from dapp.protocol.enums import CandidateState, MemberState, Outcome, Phase, RoundKind, Status
from dapp.protocol.records import Ballot
from dapp.protocol.terms import Terms
from dapp.protocol.view import Panel, RoundView

KINDS = (*("proceed",) * 13, *("claim",) * 3, *("aside",) * 2, "dare", "wait")
"""What a step is, each with the same chance."""
SEATS = 10


class Players:
    """Drives a :class:`Lockstep`, step by step."""

    def __init__(self, lockstep: Lockstep) -> None:
        self.lockstep = lockstep
        self.random = Random(0)

    def step(self, kind: str, seed: int) -> None:
        """One step, after which contracts and model say the same."""
        self.random = Random(seed)
        {
            "proceed": self._proceed,
            "claim": self._claim,
            "aside": self._aside,
            "dare": self._dare,
            "wait": self._wait,
        }[kind]()
        self.lockstep.compare()

    def until(self, phase: Phase, seed: int = 1) -> None:
        """Proceeds to a phase of the first round."""
        random = Random(seed)
        while self.lockstep.phase(self.lockstep.view.round) < phase:
            self.step("proceed", random.randrange(2**32))

    # Who

    def _one(self) -> Account:
        return self.random.choice(self.lockstep.people)

    def _edge(self) -> Account:
        return self.random.choice(self.lockstep.house.edges[:3])

    def _relay(self) -> Account | None:
        """An edge, or nobody: then the message's author sends it."""
        return self._edge() if self.random.random() < 0.6 else None

    def _rarely(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def _pass_to(self, end: int) -> None:
        lockstep = self.lockstep
        lockstep.wait(max(1, end - lockstep.now))

    # What is due

    def _proceed(self) -> None:
        lockstep = self.lockstep
        round_ = lockstep.view.round
        phase = lockstep.phase(round_)
        if round_ is None or phase == Phase.CLOSED:
            if lockstep.view.ended:
                self._claim()
            else:
                self._between()
            return
        ends = round_.deadlines(lockstep.terms)
        duties: dict[Phase, Callable[[RoundView], None]] = {
            Phase.COMMIT: self._commit,
            Phase.PUBLISH: self._attest,
            Phase.SEAL: self._seal,
            Phase.OPEN: self._open,
            Phase.CHALLENGE: lambda _: self._pass_to(ends.challenge_end),
            Phase.SHARE: self._share,
            Phase.OPENING: self._share,
            Phase.VOTE: self._vote,
        }
        duties[phase](round_)

    def _between(self) -> None:
        lockstep, view = self.lockstep, self.lockstep.view
        newcomers = [i for i in range(DEVICES) if lockstep.house.devices[i].address not in view.enrolments]
        if newcomers and self._rarely(4):
            lockstep.enrol(self.random.choice(newcomers), self.random.randint(1, 400), relayed=self._rarely(2))
        elif self._rarely(30) or len(view.rounds) == lockstep.terms.learning.max_rounds:
            lockstep.end_task(lockstep.house.requester)
        else:
            if lockstep.purse.pots[lockstep.task_id] < lockstep._budget():
                lockstep.fund(lockstep.house.requester, lockstep._budget())
            lockstep.open_round(self._one())

    def _commit(self, round_: RoundView) -> None:
        lockstep = self.lockstep
        missing = [e for e in lockstep.view.by_index if e.index < round_.enrolled and e.index not in round_.commits]
        if not missing or self._rarely(40):
            self._pass_to(round_.deadlines(lockstep.terms).commit_end)
            return
        addresses = [device.address for device in lockstep.house.devices]
        lockstep.commit(round_, addresses.index(self.random.choice(missing).device), self._relay())

    def _attest(self, round_: RoundView) -> None:
        missing = [holder for holder in range(HOLDERS) if holder not in round_.attestations]
        if self._rarely(24):
            self._pass_to(round_.deadlines(self.lockstep.terms).publish_end)
            return
        mask = round_.committed
        if self._rarely(16):
            mask &= ~(1 << self.random.randrange(DEVICES))
        self.lockstep.attest(round_, self.random.choice(missing), mask, self._relay())

    def _seal(self, round_: RoundView) -> None:
        lockstep, standing = self.lockstep, len(round_.candidates)
        if round_.included is None and self._rarely(3):
            lockstep.fix(round_, self._one())
        elif standing > 1 and not self._rarely(4):
            self._pass_to(round_.deadlines(lockstep.terms).seal_end)
        elif standing == 8:
            lowest = min(candidate.bond for candidate in round_.candidates.values())
            lockstep.seal(round_, self._edge(), 2 * lowest)
        elif self._rarely(12):  # somebody wants all the places
            edge = self._edge()
            for _ in range(9 - standing):
                lockstep.seal(lockstep.view.rounds[round_.number], edge, 2 * lockstep.terms.money.edge_bond)
        else:
            lockstep.seal(round_, self._edge(), lockstep.terms.money.edge_bond + self.random.randrange(9))

    def _open(self, round_: RoundView) -> None:
        left = [c for c in round_.candidates.values() if c.state == CandidateState.SEALED]
        if not left or self._rarely(12):
            self._pass_to(round_.deadlines(self.lockstep.terms).open_end)
            return
        candidate = self.random.choice(left)
        self.lockstep.open_aggregate(round_, candidate.slot, self.lockstep.account(candidate.edge))

    def _share(self, round_: RoundView) -> None:
        lockstep = self.lockstep
        missing = [holder for holder in range(HOLDERS) if holder not in round_.shares]
        ends = round_.deadlines(lockstep.terms)
        if round_.threshold_shared_at and len(round_.openings) < 2 and self._rarely(2):
            edges = [c.edge for c in round_.opened_candidates]
            poster = lockstep.account(self.random.choice(edges)) if edges else self._one()
            flag = self.random.choice([0, 0, 0, 0, 2] + [1] * (round_.kind == RoundKind.UPDATE))
            used = sum(1 << holder for holder in round_.shares)
            bond = lockstep.terms.money.opening_bond + self.random.randrange(9)
            lockstep.post_opening(round_, poster, flag, used, bond)
        elif missing and round_.takes_shares(lockstep.terms, lockstep.next) and not self._rarely(16):
            lockstep.share(round_, self.random.choice(missing), self._relay())
        else:
            phase = lockstep.phase(round_)
            self._pass_to(ends.share_end if phase == Phase.SHARE else ends.opening_end)

    def _vote(self, round_: RoundView) -> None:
        lockstep = self.lockstep
        if lockstep._outcome(round_) != Outcome.OPEN:
            lockstep.close(round_, self._one())
            return
        panels = round_.panels
        status = panels[-1].status(lockstep.terms, lockstep.next) if panels else Status.NONE
        if status in (Status.NONE, Status.UNDECIDED):
            lockstep.summon(round_, len(panels), self._one())
        elif status == Status.SEEDING:
            if self._rarely(16):
                lockstep.wait(lockstep.terms.windows.seed)
            else:
                lockstep.prove(round_, panels[-1], self._one(), behind=self._rarely(4))
        elif status == Status.COMMITTING:
            self._commit_vote(round_, panels[-1])
        elif status == Status.REVEALING:
            self._reveal_vote(round_, panels[-1])
        else:
            lockstep.settle(round_, panels[-1], self._one())

    def _ballot(self, round_: RoundView, panel: Panel, seat: int) -> Ballot:
        """Most say that all is as it should be; some the contrary; some abstain of openings."""
        candidates = sum(1 << c.slot for c in round_.opened_candidates)
        openings = (1 << len(round_.openings)) - 1
        right = openings & 1
        mood = Random(f"{round_.number} {panel.attempt} {panel.seed} {seat}").randrange(8)
        if mood == 0:
            return Ballot(0, candidates, 0, openings)
        return Ballot(candidates, 0, 0, 0) if mood == 1 else Ballot(candidates, 0, right, openings & ~right)

    def _commit_vote(self, round_: RoundView, panel: Panel) -> None:
        missing = [seat for seat in range(panel.size) if seat not in panel.votes]
        if self._rarely(10):
            self._pass_to(panel.deadlines(self.lockstep.terms)[1])
            return
        seat = self.random.choice(missing)
        voter = self.lockstep.account(self.lockstep.voter(panel, seat))
        self.lockstep.commit_vote(round_, panel, seat, voter, self._ballot(round_, panel, seat))

    def _reveal_vote(self, round_: RoundView, panel: Panel) -> None:
        missing = [seat for seat, vote in panel.votes.items() if vote.ballot is None]
        if self._rarely(10):
            self._pass_to(panel.deadlines(self.lockstep.terms)[2])
            return
        seat = self.random.choice(missing)
        voter = self.lockstep.account(panel.votes[seat].voter)
        self.lockstep.reveal_vote(round_, panel, seat, voter, self._ballot(round_, panel, seat))

    # Pay

    def _claim(self) -> None:
        lockstep, random = self.lockstep, self.random
        closed = [r for r in lockstep.view.rounds if r.outcome != Outcome.OPEN]
        if not closed:
            self._aside()
            return
        round_, sender = random.choice(closed), self._one()
        silent = [
            (panel, seat)
            for panel in round_.panels
            for seat in range(panel.size if panel.seed is not None else 0)
            if seat not in panel.slashed and (seat not in panel.votes or panel.votes[seat].ballot is None)
        ]
        if silent and self._rarely(3):
            lockstep.slash(round_, *random.choice(silent), sender)
            return
        due = self._due(round_, sender)
        if due and not self._rarely(4):
            random.choice(due)()
            return
        claims = [
            lambda: lockstep.claim_device(round_, random.randrange(DEVICES), sender),
            lambda: lockstep.claim_relay(round_, self._edge(), sender, commits=self._rarely(2)),
            lambda: lockstep.claim_winner(round_, sender, opener=self._rarely(2)),
            lambda: lockstep.claim_holder(round_, random.randrange(HOLDERS), sender),
            lambda: lockstep.settle_bond(round_, random.randrange(9), sender, of_opening=self._rarely(2)),
        ]
        if round_.panels:
            panel = random.choice(round_.panels)
            seat = random.randrange(max(panel.size, 1))
            claims += [
                lambda: lockstep.claim_voter(round_, panel, seat, sender),
                lambda: lockstep.slash(round_, panel, seat, sender),
            ]
        random.choice(claims)()

    def _due(self, round_: RoundView, sender: Account) -> list[Callable[[], None]]:
        """Every claim that a closed round still owes something to."""
        lockstep, paid = self.lockstep, round_.paid
        due: list[Callable[[], None]] = [
            partial(lockstep.claim_holder, round_, holder, sender)
            for holder in lockstep.rewarded(round_)
            if ("holder", lockstep.house.holders[holder].address) not in paid
        ]
        if round_.openings:
            for index, device in enumerate(lockstep.house.devices):
                enrolment = lockstep.view.enrolments.get(device.address)
                included = enrolment is not None and (round_.included or 0) >> enrolment.index & 1
                if included and ("device", device.address) not in paid:
                    due.append(partial(lockstep.claim_device, round_, index, sender))
            for relay in lockstep.people:
                for commits in (True, False):
                    if lockstep.brought(round_, relay, commits=commits):
                        due.append(partial(lockstep.claim_relay, round_, relay, sender, commits=commits))
        if round_.outcome in WON:
            roles = {role for role, _ in paid}
            due += [
                partial(lockstep.claim_winner, round_, sender, opener=role == "opener")
                for role in ("edge", "opener")
                if role not in roles
            ]
        bonds = [(False, slot) for slot in round_.candidates] + [(True, o.index) for o in round_.openings]
        due += [
            partial(lockstep.settle_bond, round_, place, sender, of_opening=of_opening)
            for of_opening, place in bonds
            if (of_opening, place) not in round_.bonds
        ]
        for panel in round_.panels:
            revealed = [seat for seat, vote in panel.votes.items() if vote.ballot is not None]
            due += [
                partial(lockstep.claim_voter, round_, panel, seat, sender)
                for seat in revealed
                if seat not in panel.paid
            ]
        return due

    def _aside(self) -> None:
        lockstep, random = self.lockstep, self.random
        member, sender = random.choice(lockstep.registrants), self._one()
        known = lockstep.books.members.get(member.address)
        owed = [owner for owner, amount in lockstep.purse.credits.items() if amount]
        if owed and self._rarely(2):
            owner = random.choice([who for who in owed if who != BURN] or [sender.address])
            itself = next((one for one in lockstep.people if one.address == owner), sender)
            lockstep.withdraw(owner, random.choice([itself, sender]), elsewhere=self._rarely(3))
        elif known is None:
            lockstep.join(member)
        elif known.state == MemberState.LEAVING:
            lockstep.withdraw_stake(member, sender)
        elif self._rarely(3):
            lockstep.leave(member)
        elif self._rarely(2):
            lockstep.promote(sender, random.randrange(4))
        elif not lockstep.view.ended:  # what is given to a task that is over lies there for good
            lockstep.fund(sender, random.randrange(10**15))

    def _wait(self) -> None:
        self.lockstep.wait(self.random.choice([1, 30, 200, 600]))

    # The end: everybody is silent for ever, but a stranger who does what anybody may do

    def wind_up(self) -> int:
        """Closes the open round, pays everybody out, and finds nothing left.

        Returns:
            seconds that the round took to close from now on.
        """
        lockstep, stranger, began = self.lockstep, self.lockstep.house.anyone, self.lockstep.now
        while (round_ := lockstep.view.round) is not None and round_.outcome == Outcome.OPEN:
            assert lockstep.now - began <= longest_round(lockstep.terms), "a round outlasts its windows"
            self._chore(round_, stranger)
        locked = lockstep.now - began
        for number in range(len(lockstep.view.rounds)):
            for claim in self._due(lockstep.view.rounds[number], stranger):
                claim()
            round_ = lockstep.view.rounds[number]
            left = lockstep.purse.pots[round_.key], lockstep.purse.pots[lockstep.bonds(round_)]
            assert left == (0, 0), f"a round that is paid out still holds {left}"
        if not lockstep.view.ended:
            lockstep.wait(30 * 86_400)
            lockstep.end_task(stranger)
        self._empty_registry(stranger)
        for owner in [owner for owner, owed in lockstep.purse.credits.items() if owed]:
            lockstep.withdraw(owner, stranger)
        assert not any(lockstep.purse.pots.values())
        assert lockstep.house.evm.chain.balance(lockstep.house.escrow.address) == 0
        return locked

    def _chore(self, round_: RoundView, stranger: Account) -> None:
        lockstep = self.lockstep
        if lockstep._outcome(round_) != Outcome.OPEN:
            lockstep.close(round_, stranger)
            return
        now = lockstep.next
        if lockstep.phase(round_) != Phase.VOTE:
            ends = round_.deadlines(lockstep.terms).to_abi()
            self._pass_to(min(end for end in ends if end > now))
            return
        panel = round_.panels[-1] if round_.panels else None
        status = panel.status(lockstep.terms, now) if panel else Status.UNDECIDED
        if panel is None or status == Status.UNDECIDED:
            lockstep.summon(round_, len(round_.panels), stranger)
        elif status == Status.ENDED:
            lockstep.settle(round_, panel, stranger)
        else:
            self._pass_to(min(end + 1 for end in panel.deadlines(lockstep.terms) if end >= now))

    def _empty_registry(self, stranger: Account) -> None:
        lockstep = self.lockstep
        members = [one for one in lockstep.registrants if one.address in lockstep.books.members]
        for member in members:
            if lockstep.books.members[member.address].state != MemberState.LEAVING:
                lockstep.leave(member)
        if members:
            self._pass_to(max(lockstep.books.members[one.address].leaving_at for one in members))
        for member in members:
            lockstep.withdraw_stake(member, stranger)

    # Anything, at any time

    def _dare(self) -> None:
        lockstep, random, sender = self.lockstep, self.random, self._one()
        view = lockstep.view
        general: list[Callable[[], None]] = [
            lambda: lockstep.enrol(random.randrange(DEVICES), random.randrange(600), relayed=self._rarely(2)),
            lambda: lockstep.open_round(sender),
            lambda: lockstep.end_task(sender),
            lambda: lockstep.join(random.choice(lockstep.registrants)),
            lambda: lockstep.leave(random.choice(lockstep.registrants)),
            lambda: lockstep.withdraw_stake(random.choice(lockstep.registrants), sender),
            lambda: lockstep.withdraw(sender.address, sender),
            lambda: lockstep.steal(sender),
        ]
        if not view.rounds:
            random.choice(general)()
            return
        round_ = random.choice(view.rounds)
        small = random.randrange(3)
        money = lockstep.terms.money
        of_round: list[Callable[[], None]] = [
            lambda: lockstep.commit(round_, random.randrange(DEVICES), self._relay()),
            lambda: lockstep.attest(round_, small, random.randrange(32), self._relay()),
            lambda: lockstep.fix(round_, sender),
            lambda: lockstep.seal(round_, self._edge(), random.randrange(2 * money.edge_bond)),
            lambda: lockstep.open_aggregate(round_, small, self._edge()),
            lambda: lockstep.share(round_, small, self._relay()),
            lambda: lockstep.post_opening(
                round_, self._edge(), random.randrange(4), random.randrange(8), random.randrange(2 * money.opening_bond)
            ),
            lambda: lockstep.summon(round_, random.randrange(3), sender),
            lambda: lockstep.close(round_, sender),
            lambda: lockstep.claim_device(round_, small, sender),
            lambda: lockstep.claim_relay(round_, sender, sender, commits=self._rarely(2)),
            lambda: lockstep.claim_winner(round_, sender, opener=self._rarely(2)),
            lambda: lockstep.claim_holder(round_, small, sender),
            lambda: lockstep.settle_bond(round_, random.randrange(9), sender, of_opening=self._rarely(2)),
        ]
        of_panel: list[Callable[[], None]] = []
        if round_.panels and round_.panels[-1].size:
            panel, ballot = round_.panels[-1], Ballot(*(random.randrange(4) for _ in range(4)))
            seat = random.randrange(SEATS)
            of_panel = [
                lambda: lockstep.prove(round_, panel, sender, behind=self._rarely(2)),
                lambda: lockstep.commit_vote(round_, panel, seat, sender, ballot),
                lambda: lockstep.reveal_vote(round_, panel, seat, sender, ballot),
                lambda: lockstep.settle(round_, panel, sender),
                lambda: lockstep.slash(round_, panel, seat, sender),
                lambda: lockstep.claim_voter(round_, panel, seat, sender),
            ]
        random.choice(random.choice([g for g in (general, of_round, of_round, of_panel) if g]))()


def longest_round(terms: Terms) -> int:
    """Seconds from a round's opening to its close where everybody is silent as long as possible: Σ windows, of three
    attempts to vote, and a second for each of a stranger's chores."""
    windows = terms.windows
    work = windows.commit + windows.publish + windows.seal + windows.open + windows.challenge
    opening = windows.share + windows.opening + windows.contest
    vote = windows.seed + windows.commit_vote + windows.reveal_vote
    return work + opening + 3 * vote + 30
