"""The events of Learning and Mining, with the times of their blocks, are enough to rebuild what every getter says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from evm import ETHER
from house import CONVERGED, OVERFLOW, Drive, House
from test_mining_outcomes import claim_all

from dapp.chain.events import decode_all
from dapp.crypto.merkle import keccak256
from dapp.crypto.sealed import enrolments_hash, genesis_head, round_key
from dapp.crypto.words import encode_words
from dapp.protocol import events as ev
from dapp.protocol.enums import CandidateState, Outcome, RoundKind
from dapp.protocol.records import Ballot, Candidate, PostedOpening, Progress, Round, Task
from dapp.protocol.terms import Terms
from dapp.types import Address, Digest, Wei

NOTHING = Digest(bytes(32))


@dataclass
class Rebuilt:
    """What the getters must say of one task, from its events in order."""

    terms: Terms | None = None
    task: Task | None = None
    enrolments: dict[Address, tuple[int, int]] = field(default_factory=dict)
    rounds: dict[int, Round] = field(default_factory=dict)
    updates: dict[tuple[int, Address], bytes] = field(default_factory=dict)
    progress: dict[int, Progress] = field(default_factory=dict)
    attestations: dict[tuple[int, int], tuple[Address, int]] = field(default_factory=dict)
    shares: dict[tuple[int, int], tuple[Address, bytes]] = field(default_factory=dict)
    candidates: dict[tuple[int, int], Candidate] = field(default_factory=dict)
    openings: dict[tuple[int, int], PostedOpening] = field(default_factory=dict)

    def apply(self, event: ev.Event) -> None:
        rule = getattr(self, "_" + type(event).__name__, None)
        if rule is not None:
            rule(event)

    def _TaskCreated(self, e: ev.TaskCreated) -> None:  # noqa: N802
        learning, self.terms = e.terms.learning, e.terms
        self.task = Task(
            *(e.requester, 0, 0, 0, False, Outcome.OPEN, e.terms_digest, genesis_head(e.task_id, e.terms_digest)),
            *(bytes(32), learning.model_digest, learning.model_size, NOTHING, 0),
        )

    def _DeviceEnrolled(self, e: ev.DeviceEnrolled) -> None:  # noqa: N802
        self.enrolments[e.device] = e.index + 1, e.weight
        self.task = replace(
            self.task,
            enrolled=e.index + 1,
            total_weight=self.task.total_weight + e.weight,
            enrolments=enrolments_hash(self.task.enrolments, e.device, e.weight, e.ownership),
        )

    def _RoundOpened(self, e: ev.RoundOpened) -> None:  # noqa: N802
        self.task = replace(self.task, rounds=e.round + 1)
        times = e.timestamp, 0, 0
        self.rounds[e.round] = Round(e.kind, Outcome.OPEN, e.enrolled, *times, 0, e.expected, e.parent, NOTHING)
        self.progress[e.round] = Progress(*[0] * 11, False, 0, 0, 0)

    def _UpdateCommitted(self, e: ev.UpdateCommitted) -> None:  # noqa: N802
        words = encode_words(("bytes32", "uint32", "bytes32", "uint32"), (e.digest, e.size, e.root, e.compute_millis))
        self.updates[e.round, e.device] = keccak256(words)
        r = self.rounds[e.round]
        committed = r.committed | 1 << (self.enrolments[e.device][0] - 1)
        complete = not r.expected & ~committed and committed.bit_count() >= self.terms.cohort.min_devices
        self.rounds[e.round] = replace(r, committed=committed, all_committed_at=e.timestamp if complete else 0)

    def _RoundClosed(self, e: ev.RoundClosed) -> None:  # noqa: N802
        r = self.rounds[e.round]
        self.rounds[e.round] = replace(r, outcome=e.outcome, closed_at=e.timestamp, result=e.result)
        self.task = replace(self.task, head=e.header, last_outcome=e.outcome)
        if e.outcome in (Outcome.ACCEPTED, Outcome.CONVERGED):
            gradient = (e.result, e.result_size) if r.kind == RoundKind.GRADIENT else (NOTHING, 0)
            self.task = replace(self.task, gradient=gradient[0], gradient_size=gradient[1])
            if r.kind == RoundKind.UPDATE:
                self.task = replace(self.task, model=e.result, model_size=e.result_size)

    def _TaskEnded(self, _: ev.TaskEnded) -> None:  # noqa: N802
        self.task = replace(self.task, ended=True)

    def _UpdatesAttested(self, e: ev.UpdatesAttested) -> None:  # noqa: N802
        self.attestations[e.round, e.index] = e.holder, e.mask
        attested = self.progress[e.round].attested | 1 << e.index
        complete = attested.bit_count() == self.terms.key.holders
        self._progressed(e.round, attested=attested, all_attested_at=e.timestamp if complete else 0)

    def _SetIncluded(self, e: ev.SetIncluded) -> None:  # noqa: N802
        fixed = {"included_count": e.count, "total_weight": e.total_weight, "included_mask": e.mask}
        self._progressed(e.round, included=True, **fixed)

    def _AggregateSealed(self, e: ev.AggregateSealed) -> None:  # noqa: N802
        unknown = 0, e.seal, NOTHING, bytes(32), bytes(32)
        self.candidates[e.round, e.slot] = Candidate(e.seq, e.edge, CandidateState.SEALED, e.bond, *unknown)
        self._progressed(e.round, sealed_count=sum(number == e.round for number, _ in self.candidates))

    def _AggregateOpened(self, e: ev.AggregateOpened) -> None:  # noqa: N802
        opened = {"size": e.size, "digest": e.digest, "root": e.root, "header": e.header}
        sealed = self.candidates[e.round, e.slot]
        self.candidates[e.round, e.slot] = replace(sealed, state=CandidateState.OPENED, **opened)
        progress = self.progress[e.round]
        candidates = progress.candidates | 1 << e.slot
        count = candidates.bit_count()
        at = e.timestamp if count == progress.sealed_count else 0
        self._progressed(e.round, candidates=candidates, opened_count=count, all_opened_at=at)

    def _SharePosted(self, e: ev.SharePosted) -> None:  # noqa: N802
        self.shares[e.round, e.index] = e.holder, keccak256(encode_words(("bytes32", "uint32"), (e.digest, e.size)))
        progress = self.progress[e.round]
        shared = progress.shared | 1 << e.index
        enough = shared.bit_count() >= self.terms.key.threshold
        since = progress.threshold_shared_at or (e.timestamp if enough else 0)
        complete = e.timestamp if shared.bit_count() == self.terms.key.holders else 0
        self._progressed(e.round, shared=shared, threshold_shared_at=since, all_shared_at=complete)

    def _OpeningPosted(self, e: ev.OpeningPosted) -> None:  # noqa: N802
        self.openings[e.round, e.index] = PostedOpening(e.poster, e.timestamp, e.bond, False, e.opening)
        first = self.progress[e.round].first_opening_at or e.timestamp
        self._progressed(e.round, openings=e.index + 1, first_opening_at=first)

    def _BondReleased(self, e: ev.BondReleased) -> None:  # noqa: N802
        self._settled(e, CandidateState.RELEASED)

    def _BondForfeited(self, e: ev.BondForfeited) -> None:  # noqa: N802
        self._settled(e, CandidateState.FORFEITED)

    def _settled(self, e: ev.BondReleased | ev.BondForfeited, state: CandidateState) -> None:
        at = e.round, e.place
        if e.of_opening:
            self.openings[at] = replace(self.openings[at], bond_settled=True)
        else:
            # A displaced edge's place is overwritten by the seal that follows in the same transaction.
            self.candidates[at] = replace(self.candidates[at], state=state)

    def _progressed(self, number: int, **changes: Any) -> None:
        self.progress[number] = replace(self.progress[number], **changes)


def check(house: House, drive: Drive) -> None:
    """Rebuilds everything from the logs since the chain began, and asks every getter."""
    rebuilt, learning, mining = Rebuilt(), house.learning, house.mining
    logs = [log for log in house.evm.chain.logs(0, house.evm.chain.head().number) if log.topics]
    own = {learning.address, mining.address}
    for event in decode_all(log for log in logs if log.address in own):
        if getattr(event, "task_id", None) == drive.task_id:
            rebuilt.apply(event)
    assert house.task(drive.task_id) == rebuilt.task
    for device in house.devices:
        known = rebuilt.enrolments.get(device.address, (0, 0))
        assert learning.read("enrolmentOf", drive.task_id, device.address) == known
    for number, expected in rebuilt.rounds.items():
        place = drive.task_id, number
        assert Round.from_abi(learning.read("roundOf", *place)) == expected
        assert Progress.from_abi(mining.read("progressOf", *place)) == rebuilt.progress[number]
        assert learning.read("closedAs", *place) == expected.outcome
        for device in house.devices:
            kept = rebuilt.updates.get((number, device.address), bytes(32))
            assert learning.read("updateOf", *place, device.address) == kept
        for holder in range(len(house.holders)):
            assert _who(mining.read("attestationOf", *place, holder)) == rebuilt.attestations.get(
                (number, holder), (bytes(20), 0)
            )
            assert _who(mining.read("shareOf", *place, holder)) == rebuilt.shares.get(
                (number, holder), (bytes(20), bytes(32))
            )
        for slot in range(8):
            found = Candidate.from_abi(mining.read("candidateOf", *place, slot))
            assert found == rebuilt.candidates.get((number, slot), NO_CANDIDATE)
        for index in range(4):
            posted = PostedOpening.from_abi(mining.read("openingOf", *place, index))
            assert posted == rebuilt.openings.get((number, index), posted)
            assert (posted.poster != bytes(20)) == ((number, index) in rebuilt.openings)


NO_CANDIDATE = Candidate(
    0, Address(bytes(20)), CandidateState.NONE, Wei(0), 0, bytes(32), NOTHING, bytes(32), bytes(32)
)


def _who(found: tuple[str, Any]) -> tuple[bytes, Any]:
    return bytes.fromhex(found[0][2:]), found[1]


def _accepted(drive: Drive) -> None:
    drive.to_closed(edges=2, ballot=Ballot(0b11, 0, 1, 0))


def _partly_settled(drive: Drive) -> None:
    """One edge has a candidate and two openings, of which some bonds are settled: which, is in the events."""
    drive.to_share(edges=2)
    drive.share(range(5))
    edge = drive.house.edges[0]
    for label in ("wrong", "right", "late"):
        drive.post_opening(edge, drive.claim_of(label))
    drive.advance("opening_end")
    drive.vote(Ballot(0b01, 0b10, 0b10, 0b01))
    drive.close()
    drive.house.mining.send(edge, "settleOpeningBond", *drive.place, 2)
    drive.house.mining.send(edge, "settleCandidateBond", *drive.place, 1)


def _displaced(drive: Drive) -> None:
    drive.to_seal()
    for slot in range(9):
        drive.seal(drive.house.edges[slot % 5], bond=ETHER * (2 if slot == 8 else 1))


def _converged_and_ended(drive: Drive) -> None:
    drive.to_closed(flags=CONVERGED)
    drive.house.learning.send(drive.house.anyone, "endTask", drive.task_id)
    claim_all(drive)


def _overflow(drive: Drive) -> None:
    drive.to_closed(flags=OVERFLOW)
    claim_all(drive)


def _too_few(drive: Drive) -> None:
    drive.to_publish(devices=[0, 1])
    drive.close()
    drive.house.enrol(drive.task_id, [9], first=5)
    drive.house.open(drive.task_id, drive.terms).to_publish(devices=[0, 2, 3])


def _shared_only(drive: Drive) -> None:
    drive.to_share()
    drive.share([0, 2])
    drive.share([4])


@pytest.mark.parametrize(
    "story",
    [_accepted, _partly_settled, _displaced, _converged_and_ended, _overflow, _too_few, _shared_only],
    ids=lambda story: story.__name__.strip("_"),
)
def test_events_alone_rebuild_every_getter(house: House, story: Callable[[Drive], None]) -> None:
    drive = house.start()
    check(house, drive)
    story(drive)
    check(house, drive)


def test_events_of_gradient_rounds_rebuild_every_getter(house: House) -> None:
    terms = house.terms(learning={"gradient_rounds": True})
    drive = house.start(terms=terms).to_closed()
    check(house, drive)
    house.open(drive.task_id, terms).to_closed()
    check(house, drive)
    assert house.pot(round_key(drive.task_id, 1)) > 0
