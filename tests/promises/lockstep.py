"""The contracts and a model of them in Python, side by side: what each function will do is said before it is called.

Where rounds and panels stand, the model reads from ``View``, which folds events. Whether a call is refused, and with
which error, and where every wei goes, it says by rules of its own, written from docs/contracts and docs/protocol.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from books import Books, getters, phases
from eth_abi import encode
from evm import ETHER
from house import STAKE, Drive, House

from dapp.chain.contracts import Call, Contracts, Deployment
from dapp.chain.events import decode_all
from dapp.chain.keys import Account, Transaction
from dapp.chain.node import Log, Message, Reverted
from dapp.consensus.sortition import member_at
from dapp.crypto.merkle import keccak256
from dapp.crypto.sealed import round_key
from dapp.protocol import events as ev
from dapp.protocol.enums import CandidateState, MemberState, Outcome, Phase, RoundKind, Status
from dapp.protocol.records import Ballot, Opening
from dapp.protocol.terms import Terms
from dapp.protocol.view import Panel, RoundView, View, bits
from dapp.types import Address, TaskId, Wei

GAS = 16_000_000
DEVICES, ENROLLED, HOLDERS, MEMBERS, JOINERS = 5, 4, 3, 4, 2
ACTIVATION_DELAY = 60
BURN = Address(bytes.fromhex("000000000000000000000000000000000000dead"))
SLASH = STAKE // 10
WEIGHTS = (100, 200, 300, 50, 77)
SALT = b"s" * 32
MOST_ATTEMPTS, MOST_SEATS = 3, 51
WON = (Outcome.ACCEPTED, Outcome.CONVERGED, Outcome.OVERFLOW)


class Differ(AssertionError):
    """The contracts did something else than the model said."""


@dataclass
class Purse:
    """All money, by rules of its own: what lies in pots, and what is owed to whom, in wei."""

    pots: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    credits: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))

    def pay(self, pot: bytes, to: bytes, amount: int) -> None:
        self.pots[pot] -= amount
        self.credits[to] += amount
        assert self.pots[pot] >= 0, "a pot pays what it has not"

    def move(self, source: bytes, to: bytes, amount: int) -> None:
        self.pots[source] -= amount
        self.pots[to] += amount
        assert self.pots[source] >= 0, "a pot gives what it has not"


class _Reader:
    """What contract views need of a client."""

    def __init__(self, house: House) -> None:
        self._house = house

    def read(self, call: Call) -> bytes:
        chain = self._house.evm.chain
        return bytes(chain.call(Message(self._house.anyone.address, call.to, call.data, Wei(0))))

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> list[ev.Event]:
        return decode_all(self._house.evm.chain.logs(from_block, to_block))


@dataclass(frozen=True)
class Moment:
    """A state of chain and model to come back to."""

    snapshot: Any
    books: Books
    purse: Purse
    relayed: dict[Any, set[Any]]
    queue: tuple[tuple[Address, int], ...]


class Lockstep:
    """One task of a small cohort, and the registry, driven verb by verb.

    Attributes:
        called: how often each function was called, and how often of these it refused, as the model said.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.called: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        roles = ("learning", "mining", "verification", "escrow", "seed", "paillier_sum")
        addresses = {role: getattr(house, role).address for role in roles}
        deployment = Deployment(**addresses, chain_id=house.evm.chain.chain_id, block=0)
        self.contracts = Contracts(_Reader(house), deployment)
        self.registrants = house.evm.accounts[8 : 8 + MEMBERS + JOINERS]
        self.people = [house.requester, house.anyone, *house.edges, *self.registrants]
        self.queue: list[tuple[Address, int]] = []
        self.terms: Terms = house.terms(
            cohort={"max_devices": DEVICES},
            learning={"max_rounds": 3, "gradient_rounds": True},
        )
        funds = self._budget() + 10**17  # a second round must be funded
        self.task_id: TaskId = house.create(self.terms, value=funds)
        self.books = Books(View(self.task_id))
        self.purse = Purse()
        self.relayed: dict[Any, set[Any]] = defaultdict(set)
        self._fold(house.evm.chain.logs(0, self.now))
        self.purse.pots[self.task_id] = funds
        self.purse.pots[self.stakes] = STAKE * len(self.members())
        self.created_at = self.now
        for author in (*house.devices, *house.holders):
            house.evm.chain.give(author.address, 100 * ETHER)  # so that it may send its own messages
        for index, weight in enumerate(WEIGHTS[:ENROLLED]):
            self.enrol(index, weight, relayed=True)

    # Where things are

    @property
    def view(self) -> View:
        return self.books.view

    @property
    def now(self) -> int:
        return int(self.house.evm.chain.head().timestamp)

    @property
    def next(self) -> int:
        """When the next transaction is mined."""
        return self.now + 1

    @property
    def stakes(self) -> bytes:
        return keccak256(encode(["string", "address"], ["stakes", self.house.verification.address]))

    def bonds(self, round_: RoundView) -> bytes:
        return keccak256(encode(["bytes32", "string"], [round_.key, "bonds"]))

    def phase(self, round_: RoundView | None) -> Phase:
        return round_.phase(self.terms, self.next) if round_ else Phase.NONE

    def members(self) -> tuple[Address, ...]:
        return self.view.members

    def account(self, address: Address) -> Account:
        cast = (*self.people, *self.house.devices, *self.house.holders)
        return next(account for account in cast if account.address == address)

    def drive(self, round_: RoundView) -> Drive:
        return Drive(self.house, self.task_id, round_.number, self.terms)

    # To do and to compare

    def _fold(self, logs: Iterable[Log]) -> list[ev.Event]:
        events = decode_all(logs)
        for event in events:
            self.books.fold(event)
        return events

    def do(self, sender: Account, call: Call, error: str | None) -> list[ev.Event] | None:
        """Sends a call of which the model says that it is refused with ``error``, or not.

        Returns:
            what happened; nothing where it was refused, as the model said.
        """
        chain, name = self.house.evm.chain, str(call)
        nonce = chain.nonce(sender.address)
        transaction = Transaction(chain.chain_id, nonce, Wei(0), Wei(10**10), GAS, call.to, Wei(call.value), call.data)
        self.called[name] += 1
        try:
            mined = chain.send(sender.sign(transaction))
        except Reverted as reverted:
            refusal = self.house.evm._refusal(reverted.data)
            if refusal.name != error:
                raise Differ(f"{name} was refused with {refusal}, the model says {error or 'done'}") from None
            self.refused[name] += 1
            return None
        if error is not None:
            raise Differ(f"{name} was done, the model says {error}")
        return self._fold(mined.logs)

    def compare(self) -> None:
        """After every step: where the round and its panel are. A wei that goes astray is still astray at the end."""
        self._agree(said for said in phases(self.books, self.contracts, self.now) if said[0] != "Learning.phaseOf")

    def compare_all(self) -> int:
        """After a history: every getter against the events alone, every pot and credit against the model's purse.

        Returns:
            how many getters were compared.
        """
        said = list(getters(self.books, self.contracts, self.now))
        self._agree(said)
        escrow = self.contracts.escrow
        self._agree([(f"pot 0x{pot.hex()}", held, escrow.pot_of(pot)) for pot, held in self.purse.pots.items()])
        self._agree(
            [(f"credit 0x{to.hex()}", owed, escrow.credit_of(Address(to))) for to, owed in self.purse.credits.items()]
        )
        balance = self.house.evm.chain.balance(self.house.escrow.address)
        self._agree([("balance", sum(self.purse.pots.values()) + sum(self.purse.credits.values()), balance)])
        return len(said)

    @staticmethod
    def _agree(said: Iterable[tuple[str, Any, Any]]) -> None:
        differing = [
            f"{name}: the model says {model}, the contract {chain}" for name, model, chain in said if model != chain
        ]
        if differing:
            raise Differ("\n".join(differing))

    def moment(self) -> Moment:
        snapshot = self.house.evm.chain.snapshot()
        return Moment(snapshot, self.books.copy(), deepcopy(self.purse), deepcopy(self.relayed), tuple(self.queue))

    def back_to(self, moment: Moment) -> Moment:
        """Goes back; gives the moment anew, since a snapshot is used up."""
        self.house.evm.chain.revert(moment.snapshot)
        self.books, self.purse = moment.books.copy(), deepcopy(moment.purse)
        self.relayed, self.queue = deepcopy(moment.relayed), list(moment.queue)
        return replace(moment, snapshot=self.house.evm.chain.snapshot())

    def wait(self, seconds: int) -> None:
        self.house.evm.chain.travel(seconds)

    # A task and its cohort

    def enrol(self, index: int, weight: int, *, relayed: bool) -> None:
        view, device = self.view, self.house.devices[index]
        enrolled, total = len(view.enrolments), sum(e.weight for e in view.enrolments.values())
        cohort = self.terms.cohort
        known = device.address in view.enrolments
        out_of_bounds = not 0 < weight <= cohort.weight_cap
        too_heavy, full = total + weight > cohort.max_weight, enrolled == cohort.max_devices
        signed = self.house.enrolment(self.task_id, device, weight)
        if relayed:
            call = self.contracts.learning.enrol_by_sig(self.task_id, [signed])
            events = self.do(self.house.edges[0], call, "LearningTaskEnded" if view.ended else None)
            if events is not None:
                skipped = known or out_of_bounds or too_heavy or full
                expected = ev.EnrolmentSkipped if skipped else ev.DeviceEnrolled
                assert [type(event) for event in events] == [expected]
            return
        error = _first(
            (view.ended, "LearningTaskEnded"),
            (known, "LearningAlreadyEnrolled"),
            (out_of_bounds, "LearningWeightOutOfBounds"),
            (too_heavy, "LearningWeightTooLarge"),
            (full, "LearningCohortFull"),
        )
        call = self.contracts.learning.enrol(self.task_id, weight, signed[2], signed[4])
        self.do(device, call, error)

    def open_round(self, sender: Account) -> None:
        view, last, budget = self.view, self.view.round, self._budget()
        error = _first(
            (view.ended, "LearningTaskEnded"),
            (last is not None and last.outcome == Outcome.CONVERGED, "LearningTaskEnded"),
            (last is not None and last.outcome == Outcome.OPEN, "LearningRoundNotClosed"),
            (len(view.rounds) == self.terms.learning.max_rounds, "LearningNoRoundsLeft"),
            (len(view.enrolments) < self.terms.cohort.min_devices, "LearningTooFewDevices"),
            (self.purse.pots[self.task_id] < budget, "LearningPotTooSmall"),
        )
        number = len(view.rounds)
        if self.do(sender, self.contracts.learning.open_round(self.task_id), error) is not None:
            self.purse.move(self.task_id, round_key(self.task_id, number), budget)
            assert self.view.round is not None
            gradient = view.gradient is None
            assert self.view.round.kind == (RoundKind.GRADIENT if gradient else RoundKind.UPDATE)

    def _budget(self) -> int:
        """docs/contracts/learning.md: every attempt's panel at its largest, every bounty earned."""
        money, holders, seats = self.terms.money, self.terms.key.holders, self.terms.panel.seats
        sizes = [seats, min(2 * seats + 1, 51)]
        sizes.append(min(2 * sizes[1] + 1, 51))
        people = money.device_pot + money.edge_pay + holders * money.holder_pay + sum(sizes) * money.voter_pay
        return people + (self.terms.cohort.max_devices + 2 * holders) * money.relay_pay + 12 * money.bounty

    def end_task(self, sender: Account) -> None:
        view, last = self.view, self.view.round
        moved = last.closed_at if last else self.created_at
        over = (
            (last is not None and last.outcome == Outcome.CONVERGED)
            or len(view.rounds) == self.terms.learning.max_rounds
            or sender.address == view.requester
        )
        error = _first(
            (view.ended, "LearningTaskEnded"),
            (last is not None and last.outcome == Outcome.OPEN, "LearningRoundNotClosed"),
            (not over and self.next < moved + 30 * 86_400, "LearningTaskNotOver"),
        )
        if self.do(sender, self.contracts.learning.end_task(self.task_id), error) is not None:
            self.purse.pay(self.task_id, view.requester, self.purse.pots[self.task_id])

    # Commit

    def commit(self, round_: RoundView, index: int, relay: Account | None) -> None:
        drive, device = self.drive(round_), self.house.devices[index]
        closed = self.next >= round_.deadlines(self.terms).commit_end
        enrolment = self.view.enrolments.get(device.address)
        place = enrolment.index if enrolment and enrolment.index < round_.enrolled else None
        done = place in round_.commits
        learning = self.contracts.learning
        if relay is None:
            error = _first(
                (closed, "LearningWrongPhase"),
                (place is None, "LearningNotEnrolled"),
                (done, "LearningAlreadyCommitted"),
            )
            self.do(device, learning.commit_update(*drive.place, drive.update(index)), error)
            return
        call = learning.commit_updates(*drive.place, [drive.signed_update(index)])
        events = self.do(relay, call, "LearningWrongPhase" if closed else None)
        if events is not None:
            expected = ev.UpdateSkipped if place is None or done else ev.UpdateCommitted
            assert [type(event) for event in events] == [expected]
            if expected is ev.UpdateCommitted:
                self.relayed["learning", round_.number, relay.address].add(place)

    # Attest, seal, open

    def attest(self, round_: RoundView, holder: int, mask: int, relay: Account | None) -> None:
        drive, mining = self.drive(round_), self.contracts.mining
        wrong = self.phase(round_) != Phase.PUBLISH
        done, bad = holder in round_.attestations, bool(mask & ~round_.committed)
        if relay is None:
            error = _first((wrong, "MiningWrongPhase"), (done, "MiningAlreadyAttested"), (bad, "MiningBadMask"))
            call = mining.attest(*drive.place, holder, mask, drive.branch(holder))
            self.do(self.house.holders[holder], call, error)
            return
        call = mining.attest_by_sig(*drive.place, [drive.attestation(holder, mask)])
        events = self.do(relay, call, "MiningWrongPhase" if wrong else None)
        if events is not None:
            expected = ev.MessageSkipped if done or bad else ev.UpdatesAttested
            assert [type(event) for event in events] == [expected]
            if expected is ev.UpdatesAttested:
                self.relayed["mining", round_.number, relay.address].add(("attest", holder))

    def _sealing(self, round_: RoundView) -> bool:
        ends = round_.deadlines(self.terms)
        enough = len(round_.commits) >= self.terms.cohort.min_devices
        return round_.outcome == Outcome.OPEN and ends.publish_end <= self.next < ends.seal_end and enough

    def _too_few_marked(self, round_: RoundView) -> bool:
        return round_.marked(self.terms).bit_count() < self.terms.cohort.min_devices

    def fix(self, round_: RoundView, sender: Account) -> None:
        error = _first(
            (not self._sealing(round_), "MiningWrongPhase"),
            (round_.included is not None, "MiningAlreadyFixed"),
            (self._too_few_marked(round_), "MiningTooFewIncluded"),
        )
        marked = round_.marked(self.terms)
        if self.do(sender, self.contracts.mining.fix_included(*self.drive(round_).place), error) is not None:
            self.purse.pay(round_.key, sender.address, self.terms.money.bounty)
            self._check_included(marked)

    def _check_included(self, marked: int) -> None:
        round_ = self.view.round
        assert round_ is not None
        weights = sum(e.weight for e in self.view.by_index if marked >> e.index & 1)
        assert (round_.included, round_.total_weight) == (marked, weights)

    def seal(self, round_: RoundView, edge: Account, bond: int) -> None:
        drive, standing = self.drive(round_), round_.candidates
        fixing = round_.included is None
        lowest = min(standing.values(), key=lambda c: (c.bond, -c.seq), default=None)
        needed = self.terms.money.edge_bond
        full = len(standing) == 8
        if full and lowest is not None:
            needed = max(needed, 2 * lowest.bond, 1)
        error = _first(
            (not self._sealing(round_), "MiningWrongPhase"),
            (fixing and self._too_few_marked(round_), "MiningTooFewIncluded"),
            (bond < needed, "MiningBondTooSmall"),
        )
        marked = round_.marked(self.terms)
        sealed = drive.seal_of(edge, drive.aggregate(edge))
        if self.do(edge, self.contracts.mining.seal_aggregate(*drive.place, sealed, bond), error) is None:
            return
        pot = self.bonds(round_)
        self.purse.pots[pot] += bond
        if fixing:
            self.purse.pay(round_.key, edge.address, self.terms.money.bounty)
            self._check_included(marked)
        if full and lowest is not None:
            self.purse.pay(pot, lowest.edge, lowest.bond)

    def open_aggregate(self, round_: RoundView, slot: int, sender: Account) -> None:
        drive, candidate = self.drive(round_), round_.candidates.get(slot)
        sealed = candidate is not None and candidate.state == CandidateState.SEALED
        error = _first(
            (self.phase(round_) != Phase.OPEN, "MiningWrongPhase"),
            (not sealed, "MiningUnknownCandidate"),
            (candidate is not None and candidate.edge != sender.address, "MiningNotOwner"),
        )
        call = self.contracts.mining.open_aggregate(*drive.place, slot, drive.aggregate(sender), drive.salt(sender))
        self.do(sender, call, error)

    # Share and opening

    def share(self, round_: RoundView, holder: int, relay: Account | None) -> None:
        drive, mining = self.drive(round_), self.contracts.mining
        wrong, done = not round_.takes_shares(self.terms, self.next), holder in round_.shares
        message = drive.signed_share(holder)
        if relay is None:
            error = _first((wrong, "MiningWrongPhase"), (done, "MiningAlreadyShared"))
            call = mining.post_share(*drive.place, holder, message[1], message[2], message[4])
            self.do(self.house.holders[holder], call, error)
            return
        call = mining.post_shares_by_sig(*drive.place, [message])
        events = self.do(relay, call, "MiningWrongPhase" if wrong else None)
        if events is not None:
            expected = ev.MessageSkipped if done else ev.SharePosted
            assert [type(event) for event in events] == [expected]
            if expected is ev.SharePosted:
                self.relayed["mining", round_.number, relay.address].add(("share", holder))

    def post_opening(self, round_: RoundView, poster: Account, flags: int, used: int, bond: int) -> None:
        drive, money = self.drive(round_), self.terms.money
        since, threshold = round_.threshold_shared_at, self.terms.key.threshold
        opened = {candidate.edge for candidate in round_.opened_candidates}
        early = self.next < since + self.terms.windows.opening // 2
        shared = sum(1 << holder for holder in round_.shares)
        error = _first(
            (self.phase(round_) not in (Phase.SHARE, Phase.OPENING), "MiningWrongPhase"),
            (not since, "MiningTooFewShares"),
            (len(round_.openings) == 4, "MiningOpeningsFull"),
            (not round_.openings and early and poster.address not in opened, "MiningNotYetOpenToAll"),
            (bool(used & ~shared), "MiningSharesNotPosted"),
            (used.bit_count() < threshold, "MiningTooFewShares"),
            (flags > 2 or (flags == 1 and round_.kind == RoundKind.GRADIENT), "MiningBadFlags"),
            (bond < money.opening_bond, "MiningBondTooSmall"),
        )
        claim: Opening = drive.claim_of((poster.address, len(round_.openings)), flags, used)
        if self.do(poster, self.contracts.mining.post_opening(*drive.place, claim, bond), error) is not None:
            self.purse.pots[self.bonds(round_)] += bond

    # The vote

    def _promoted(self, most: int) -> tuple[int, int]:
        """Of so many places at the head of the queue: how many are due, and how many of these become active."""
        due = 0
        while due < min(most, len(self.queue)) and self.queue[due][1] <= self.next:
            due += 1
        return due, sum(self.view.pending.get(who) == since for who, since in self.queue[:due])

    def summon(self, round_: RoundView, attempt: int, sender: Account) -> None:
        panels, money = round_.panels, self.terms.money
        ready = self.phase(round_) == Phase.VOTE and bool(round_.opened_candidates)
        before = panels[-1].status(self.terms, self.next) if panels else Status.NONE
        error = _first(
            (attempt != len(panels), "VerificationWrongAttempt"),
            (attempt == 0 and not ready, "VerificationSlateNotReady"),
            (attempt > 0 and before != Status.UNDECIDED, "VerificationWrongStatus"),
        )
        due, promoted = self._promoted(2)
        eligible = len(self.view.members) + promoted
        size = self._next_size(round_, eligible)
        call = self.contracts.verification.summon(self.house.mining.address, round_.key, attempt)
        if self.do(sender, call, error) is None:
            return
        del self.queue[:due]
        self.purse.pay(round_.key, sender.address, money.bounty)
        after = self.view.rounds[round_.number].panels[-1]
        expected = (size, eligible, None) if size else (0, 0, Status.ABANDONED)
        assert (after.size, len(after.members), after.settled) == expected, (after, expected)

    def _next_size(self, round_: RoundView, eligible: int) -> int:
        """docs/contracts/verification.md: the seats of the terms, then 2·size + 1; larger than before or none."""
        panels = round_.panels
        if len(panels) == MOST_ATTEMPTS or eligible < 3:
            return 0
        last = panels[-1].size if panels else 0
        wanted = min(2 * last + 1, MOST_SEATS) if panels else self.terms.panel.seats
        size = min(wanted, eligible)
        return size if size > last else 0

    def prove(self, round_: RoundView, panel: Panel, sender: Account, *, behind: bool) -> None:
        """``behind``: at the seed itself, not by Verification."""
        chain = self.house.evm.chain
        missing = panel.seed_block + 1 - chain.head().number
        if missing > 0:
            chain.mine(missing)
        header = chain.header(panel.seed_block)
        proven = panel.request in self.view.seeds
        late = self.next > panel.deadlines(self.terms)[0]
        if behind:
            self.do(sender, self.contracts.seed.prove(panel.request, header), "SeedAlreadyProven" if proven else None)
            return
        error = _first((late, "VerificationWrongStatus"), (proven, "SeedAlreadyProven"))
        case = self.house.mining.address, round_.key, panel.attempt
        call = self.contracts.verification.prove_seed(*case, header)
        if self.do(sender, call, error) is not None:
            self.purse.pay(round_.key, sender.address, self.terms.money.bounty)

    def voter(self, panel: Panel, seat: int) -> Address:
        assert panel.seed is not None
        return panel.members[member_at(panel.seed, len(panel.members), seat)]

    def commit_vote(self, round_: RoundView, panel: Panel, seat: int, sender: Account, ballot: Ballot) -> None:
        status = panel.status(self.terms, self.next)
        seated = status == Status.COMMITTING and seat < panel.size
        error = _first(
            (status != Status.COMMITTING, "VerificationWrongStatus"),
            (seat >= panel.size, "VerificationUnknownSeat"),
            (seated and self.voter(panel, seat) != sender.address, "VerificationNotSeated"),
            (seat in panel.votes, "VerificationAlreadyCommitted"),
        )
        sealed = self.drive(round_).vote_seal(panel.attempt, seat, sender, ballot)
        case = self.house.mining.address, round_.key, panel.attempt
        self.do(sender, self.contracts.verification.commit_vote(*case, seat, sealed), error)

    def reveal_vote(self, round_: RoundView, panel: Panel, seat: int, sender: Account, ballot: Ballot) -> None:
        status, drive = panel.status(self.terms, self.next), self.drive(round_)
        vote = panel.votes.get(seat)
        opens = vote is not None and vote.ballot is None
        opens = opens and vote.seal == drive.vote_seal(panel.attempt, seat, sender, ballot)
        error = _first(
            (status != Status.REVEALING, "VerificationWrongStatus"),
            (not self._on_slate(round_, ballot), "VerificationBallotOffSlate"),
            (not opens, "VerificationSealMismatch"),
        )
        case = self.house.mining.address, round_.key, panel.attempt
        evidence, salt = drive._evidence(sender), drive._salt(sender)
        self.do(sender, self.contracts.verification.reveal_vote(*case, seat, ballot, evidence, salt), error)

    @staticmethod
    def _on_slate(round_: RoundView, ballot: Ballot) -> bool:
        candidates = sum(1 << c.slot for c in round_.opened_candidates)
        openings = (1 << len(round_.openings)) - 1
        said = (ballot.valid, ballot.invalid, candidates), (ballot.right, ballot.wrong, openings)
        return all(not (yes | no) & ~slate and not yes & no for yes, no, slate in said)

    def quorum(self, panel: Panel) -> Ballot:
        """What two thirds of the seats, not of the votes, say."""
        needed = -(-2 * panel.size // 3)
        ballots = [vote.ballot for vote in panel.votes.values() if vote.ballot is not None]

        def agreed(side: str, count: int) -> int:
            said = [getattr(ballot, side) for ballot in ballots]
            return sum(1 << i for i in range(count) if sum(mask >> i & 1 for mask in said) >= needed)

        return Ballot(agreed("valid", 8), agreed("invalid", 8), agreed("right", 4), agreed("wrong", 4))

    def settle(self, round_: RoundView, panel: Panel, sender: Account) -> None:
        status = panel.status(self.terms, self.next)
        error = None if status == Status.ENDED else "VerificationWrongStatus"
        quorum, revealed = self.quorum(panel), any(v.ballot is not None for v in panel.votes.values())
        candidates = sum(1 << c.slot for c in round_.opened_candidates)
        openings = (1 << len(round_.openings)) - 1
        decided = quorum.invalid & candidates == candidates or (
            bool(quorum.valid & candidates) and (bool(quorum.right) or quorum.wrong & openings == openings)
        )
        larger = self._next_size(round_, len(self.view.members))
        expected = Status.DECIDED if revealed and decided else Status.UNDECIDED if larger else Status.ABANDONED
        case = self.house.mining.address, round_.key, panel.attempt
        if self.do(sender, self.contracts.verification.settle(*case), error) is None:
            return
        settled = self.view.rounds[round_.number].panels[panel.attempt]
        assert (settled.settled, settled.quorum) == (expected, quorum)
        bounty = self.terms.money.bounty
        self.purse.pay(round_.key, sender.address, bounty)
        prover = self.books.provers.get(panel.request)
        if prover is not None and prover != self.house.verification.address and panel.seeded_at:
            self.purse.pay(round_.key, prover, bounty)

    def slash(self, round_: RoundView, panel: Panel, seat: int, sender: Account) -> None:
        status = panel.status(self.terms, self.next)
        vote = panel.votes.get(seat)
        silent = panel.seed is not None and seat not in panel.slashed and (vote is None or vote.ballot is None)
        stake = 0
        if silent and seat < panel.size:
            member = self.voter(panel, seat)
            stake = self.books.members[member].stake if member in self.books.members else 0
        error = _first(
            (status < Status.ENDED, "VerificationWrongStatus"),
            (seat >= panel.size, "VerificationUnknownSeat"),
            (not silent, "VerificationNotSilent"),
            (stake == 0, "VerificationNotMember"),
        )
        case = self.house.mining.address, round_.key, panel.attempt
        if self.do(sender, self.contracts.verification.slash_silent(*case, seat), error) is not None:
            taken = min(stake, SLASH)
            self.purse.pay(self.stakes, sender.address, taken // 2)
            self.purse.pay(self.stakes, BURN, taken - taken // 2)

    def close(self, round_: RoundView, sender: Account) -> None:
        outcome = self._outcome(round_)
        error = _first(
            (round_.outcome != Outcome.OPEN, "LearningWrongPhase"),
            (outcome == Outcome.OPEN, "LearningNotDecided"),
        )
        if self.do(sender, self.contracts.learning.close_round(*self.drive(round_).place), error) is None:
            return
        closed = self.view.rounds[round_.number]
        assert closed.outcome == outcome
        self.purse.pay(closed.key, sender.address, self.terms.money.bounty)
        held, owed = self.purse.pots[closed.key], self._owed(closed)
        assert held >= owed, "a round owes more than it has"
        self.purse.move(closed.key, self.task_id, held - owed)

    def _outcome(self, round_: RoundView) -> Outcome:
        """How a round can be closed now; OPEN where it cannot."""
        if self.phase(round_) != Phase.VOTE:
            return Outcome.OPEN
        if round_.too_few(self.terms, self.next):
            return Outcome.TOO_FEW
        if not round_.opened_candidates:
            return Outcome.NOT_OPENED
        panel = round_.verdict
        if panel is None:
            return Outcome.OPEN
        if panel.settled == Status.ABANDONED:
            return Outcome.ABANDONED
        valid = [c for c in round_.opened_candidates if self.quorum(panel).valid >> c.slot & 1]
        right = [o for o in round_.openings if self.quorum(panel).right >> o.index & 1]
        if not valid or not right:
            return Outcome.NOT_OPENED
        return (Outcome.ACCEPTED, Outcome.CONVERGED, Outcome.OVERFLOW)[right[0].opening.flags]

    def _owed(self, round_: RoundView) -> int:
        """What a round that has just closed keeps for those who earned it and have not claimed it yet."""
        money, owed = self.terms.money, 0
        if round_.openings:
            included = set(bits(round_.included or 0))
            commits = [
                len(b & included) for (c, n, _), b in self.relayed.items() if c == "learning" and n == round_.number
            ]
            messages = [len(b) for (c, n, _), b in self.relayed.items() if c == "mining" and n == round_.number]
            owed += money.device_pot + money.relay_pay * (sum(commits) + sum(messages))
        if round_.outcome in WON:
            owed += money.edge_pay + money.bounty
        owed += money.holder_pay * len(self.rewarded(round_))
        revealed = sum(v.ballot is not None for p in round_.panels for v in p.votes.values())
        paid = sum(len(p.paid) for p in round_.panels)
        return owed + money.voter_pay * (revealed - paid)

    def rewarded(self, round_: RoundView) -> tuple[int, ...]:
        """The holders whose shares are paid."""
        if round_.outcome in WON:
            assert round_.right_opening is not None
            return tuple(bits(round_.right_opening.opening.used_shares))
        if round_.outcome == Outcome.ABANDONED and round_.openings:
            return tuple(bits(round_.openings[0].opening.used_shares))
        return ()

    # Pay

    def claim_device(self, round_: RoundView, index: int, sender: Account) -> None:
        device = self.house.devices[index].address
        enrolment = self.view.enrolments.get(device)
        included = round_.included or 0
        owed = bool(round_.openings) and enrolment is not None and bool(included >> enrolment.index & 1)
        owed = owed and ("device", device) not in round_.paid
        error = _first((round_.outcome == Outcome.OPEN, "LearningRoundNotClosed"), (not owed, "LearningNothingToClaim"))
        call = self.contracts.learning.claim_device_pay_for(*self.drive(round_).place, device)
        if self.do(sender, call, error) is None:
            return
        assert enrolment is not None
        pot = self.terms.money.device_pot
        weights = {e.device: e.weight for e in self.view.by_index if included >> e.index & 1}
        self.purse.pay(round_.key, device, pot * enrolment.weight // sum(weights.values()))
        paid = {who for role, who in self.view.rounds[round_.number].paid if role == "device"}
        if paid == set(weights):
            dust = pot - sum(pot * weight // sum(weights.values()) for weight in weights.values())
            self.purse.pay(round_.key, self.view.requester, dust)

    def brought(self, round_: RoundView, relay: Account, *, commits: bool) -> set[Any]:
        """What a relay brought and was not yet paid for: commits of included devices, or holders' messages."""
        brought = self.relayed["learning" if commits else "mining", round_.number, relay.address]
        return brought & set(bits(round_.included or 0)) if commits else set(brought)

    def claim_relay(self, round_: RoundView, relay: Account, sender: Account, *, commits: bool) -> None:
        drive, closed = self.drive(round_), round_.outcome != Outcome.OPEN
        brought = self.brought(round_, relay, commits=commits)
        name = "Learning" if commits else "Mining"
        error = _first(
            (not closed, f"{name}RoundNotClosed"),
            (not round_.openings or not brought, f"{name}NothingToClaim"),
        )
        contract = self.contracts.learning if commits else self.contracts.mining
        if self.do(sender, contract.claim_relay_pay_for(*drive.place, relay.address), error) is not None:
            self.relayed["learning" if commits else "mining", round_.number, relay.address].clear()
            self.purse.pay(round_.key, relay.address, self.terms.money.relay_pay * len(brought))

    def claim_winner(self, round_: RoundView, sender: Account, *, opener: bool) -> None:
        won, drive, mining = round_.outcome in WON, self.drive(round_), self.contracts.mining
        role, amount = ("opener", self.terms.money.bounty) if opener else ("edge", self.terms.money.edge_pay)
        error = _first(
            (round_.outcome == Outcome.OPEN, "MiningRoundNotClosed"),
            (not won or any(paid == role for paid, _ in round_.paid), "MiningNothingToClaim"),
        )
        call = mining.claim_opener_pay_for(*drive.place) if opener else mining.claim_edge_pay_for(*drive.place)
        if self.do(sender, call, error) is not None:
            assert round_.right_opening is not None
            assert round_.winner is not None
            self.purse.pay(round_.key, round_.right_opening.poster if opener else round_.winner.edge, amount)

    def claim_holder(self, round_: RoundView, holder: int, sender: Account) -> None:
        who = self.house.holders[holder].address
        owed = holder in self.rewarded(round_) and ("holder", who) not in round_.paid
        error = _first((round_.outcome == Outcome.OPEN, "MiningRoundNotClosed"), (not owed, "MiningNothingToClaim"))
        call = self.contracts.mining.claim_holder_pay_for(*self.drive(round_).place, holder)
        if self.do(sender, call, error) is not None:
            self.purse.pay(round_.key, who, self.terms.money.holder_pay)

    def settle_bond(self, round_: RoundView, place: int, sender: Account, *, of_opening: bool) -> None:
        drive, mining = self.drive(round_), self.contracts.mining
        settled = (of_opening, place) in round_.bonds
        if of_opening:
            known = place < len(round_.openings)
            call = mining.settle_opening_bond(*drive.place, place)
        else:
            known = place in round_.candidates
            call = mining.settle_candidate_bond(*drive.place, place)
        error = _first(
            (round_.outcome == Outcome.OPEN, "MiningRoundNotClosed"),
            (not known or settled, "MiningNothingToClaim"),
        )
        if self.do(sender, call, error) is None:
            return
        verdict = round_.verdict
        quorum = verdict.quorum if verdict else Ballot(0, 0, 0, 0)
        if of_opening:
            opening = round_.openings[place]
            owner, bond, lost = opening.poster, opening.bond, bool(quorum.wrong >> place & 1)
        else:
            candidate = round_.candidates[place]
            owner, bond = candidate.edge, candidate.bond
            lost = candidate.state == CandidateState.SEALED or bool(quorum.invalid >> place & 1)
        self.purse.pay(self.bonds(round_), BURN if lost else owner, bond)

    def claim_voter(self, round_: RoundView, panel: Panel, seat: int, sender: Account) -> None:
        vote = panel.votes.get(seat)
        owed = panel.settled is not None and vote is not None and vote.ballot is not None and seat not in panel.paid
        case = self.house.mining.address, round_.key, panel.attempt
        call = self.contracts.verification.claim_voter_pay_for(*case, seat)
        if self.do(sender, call, None if owed else "VerificationNothingToClaim") is None:
            return
        assert vote is not None
        assert vote.ballot is not None
        said = zip(panel.quorum.to_abi(), vote.ballot.to_abi(), strict=True)
        agrees = all(not quorum & ~ballot for quorum, ballot in said)
        burnt = panel.settled == Status.DECIDED and not agrees
        self.purse.pay(round_.key, BURN if burnt else vote.voter, self.terms.money.voter_pay)

    # Members

    def join(self, member: Account) -> None:
        known = member.address in self.books.members
        due, _ = self._promoted(2)
        call = self.contracts.verification.join(STAKE)
        if self.do(member, call, "VerificationAlreadyMember" if known else None) is not None:
            self.purse.pots[self.stakes] += STAKE
            del self.queue[:due]
            self.queue.append((member.address, self.now + ACTIVATION_DELAY))

    def leave(self, member: Account) -> None:
        known = self.books.members.get(member.address)
        bound = known is not None and known.state in (MemberState.PENDING, MemberState.ACTIVE)
        due, _ = self._promoted(2)
        before = len(self.view.members) + len(self.view.pending)
        error = None if bound else "VerificationNotMember"
        if self.do(member, self.contracts.verification.leave(), error) is not None:
            del self.queue[:due]
            assert len(self.view.members) + len(self.view.pending) == before - 1

    def promote(self, sender: Account, most: int) -> None:
        due, promoted = self._promoted(most)
        expected = len(self.view.members) + promoted
        if self.do(sender, self.contracts.verification.promote(most), None) is not None:
            del self.queue[:due]
            assert len(self.view.members) == expected

    def withdraw_stake(self, member: Account, sender: Account) -> None:
        known = self.books.members.get(member.address)
        leaving = known is not None and known.state == MemberState.LEAVING
        error = _first(
            (not leaving, "VerificationNotLeaving"),
            (leaving and known is not None and self.next < known.leaving_at, "VerificationStillBound"),
        )
        if self.do(sender, self.contracts.verification.withdraw_stake_for(member.address), error) is not None:
            assert known is not None
            self.purse.pay(self.stakes, member.address, known.stake)

    # Escrow

    def fund(self, sender: Account, amount: int) -> None:
        if self.do(sender, self.contracts.escrow.fund(self.task_id, amount), None) is not None:
            self.purse.pots[self.task_id] += amount

    def withdraw(self, owner: Address, sender: Account, *, elsewhere: bool = False) -> None:
        escrow = self.contracts.escrow
        mine = sender.address == owner
        call = escrow.withdraw_for(owner)
        if mine:
            call = escrow.withdraw_to(Address(b"\xaa" * 20)) if elsewhere else escrow.withdraw()
        error = None if self.purse.credits[owner] else "EscrowNothingOwed"
        if self.do(sender, call, error) is not None:
            self.purse.credits[owner] = 0

    def steal(self, thief: Account) -> None:
        """Only the contracts move money."""
        for function, arguments in (
            ("pay", (self.task_id, thief.address, 1, b"theft".ljust(32))),
            ("move", (self.task_id, bytes(32), 1)),
        ):
            self.do(thief, self.contracts.escrow._call(function, *arguments), "EscrowNotProtocol")


def _first(*cases: tuple[bool, str]) -> str | None:
    """The error that a contract meets first."""
    return next((error for holds, error in cases if holds), None)
