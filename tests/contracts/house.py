"""The six contracts on the embedded chain with a cast of people, and a round that can be driven phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from evm import ETHER, Contract, Evm, Sent

from dapp.chain.keys import Account
from dapp.crypto import merkle
from dapp.crypto.sealed import aggregate_seal, round_key, vote_seal
from dapp.crypto.typed_data import (
    Attestation,
    Domain,
    Enrolment,
    Message,
    ShareCommit,
    Ticket,
    UpdateCommit,
    learning_domain,
    mining_domain,
)
from dapp.protocol.enums import Outcome, Phase, Weighting
from dapp.protocol.records import (
    Aggregate,
    Ballot,
    Candidate,
    Deadlines,
    Opening,
    PostedOpening,
    Progress,
    Round,
    Task,
    Update,
)
from dapp.protocol.terms import Cohort, Encoding, Key, LearningTerms, MiningTerms, Money, Panel, Terms, Windows
from dapp.types import Address, Digest, TaskId, Wei

STAKE = ETHER
FUNDS = 20 * ETHER
"""What a task is created with: more than enough for every round of the tests."""
DAY = 86_400
MIN_WINDOW = 60
LEAST = MIN_WINDOW, 100
"""The shortest window, and the smallest pay of a voter in wei, for which silence is slashed."""
FAR = 2**63
"""A deadline that never passes."""
CONVERGED, OVERFLOW = 1, 2


def digest(*labels: object) -> Digest:
    """32 bytes that stand for a blob."""
    return Digest(merkle.keccak256(repr(labels).encode()))


def mask(indices: Iterable[int]) -> int:
    return sum(1 << index for index in set(indices))


def people(role: str, count: int) -> list[Account]:
    return [Account.from_seed(b"house", role, i) for i in range(count)]


@dataclass
class House:
    """Contracts and cast. Devices and holders hold no ether: ``edges`` relay for them."""

    evm: Evm
    learning: Contract
    mining: Contract
    verification: Contract
    escrow: Contract
    seed: Contract
    paillier_sum: Contract
    devices: list[Account]
    holders: list[Account]
    verifiers: list[Account]
    admission: Account
    requester: Account
    edges: list[Account]
    anyone: Account

    @classmethod
    def build(
        cls,
        devices: int = 8,
        holders: int = 5,
        verifiers: int = 5,
        evm: Evm | None = None,
        seed: tuple[Any, ...] = ("FixedSeed", 7, True),
    ) -> House:
        """``seed``: the contract that gives seeds, and what it is built with."""
        evm = evm or Evm(accounts=16)
        names = ("escrow", "learning", "mining", "verification", "seed", "paillier_sum")
        at = dict(zip(names, (evm.next_address(i) for i in range(6)), strict=True))
        escrow = evm.deploy("Escrow", at["learning"], at["mining"], at["verification"])
        learning = evm.deploy("Learning", at["escrow"], at["mining"], 512, MIN_WINDOW)
        mining = evm.deploy("Mining", at["learning"], at["verification"], at["escrow"], at["paillier_sum"])
        verification = evm.deploy(
            "Verification", at["escrow"], at["seed"], [at["mining"]], STAKE, STAKE // 10, 60, 200 * DAY, 3, *LEAST
        )
        randomness = evm.deploy(*seed)
        paillier_sum = evm.deploy("PaillierSum", at["learning"], at["mining"])
        verifying = evm.accounts[8 : 8 + verifiers]
        house = cls(
            evm,
            learning,
            mining,
            verification,
            escrow,
            randomness,
            paillier_sum,
            devices=people("device", devices),
            holders=people("holder", holders),
            verifiers=verifying,
            admission=people("admission", 1)[0],
            requester=evm.accounts[1],
            edges=evm.accounts[2:7],
            anyone=evm.accounts[7],
        )
        for verifier in verifying:
            verification.send(verifier, "join", value=STAKE)
        evm.chain.travel(61)
        verification.send(house.anyone, "promote", 16)
        return house

    # Terms and tasks

    @property
    def learning_domain(self) -> Domain:
        return learning_domain(self.evm.chain.chain_id, self.learning.address)

    @property
    def mining_domain(self) -> Domain:
        return mining_domain(self.evm.chain.chain_id, self.mining.address)

    def terms(self, **groups: dict[str, Any]) -> Terms:
        """Usual terms, with other values where ``groups`` says so: ``terms(cohort={"max_devices": 4})``."""
        usual = Terms(
            Windows(1000, 1000, 500, 500, 300, 1000, 600, 200, 400, 400, 900),
            Cohort(self.admission.address, 3, 16, 500, 4000, 1_000_000),
            LearningTerms(digest("strategy"), 100, digest("model"), 2000, 5, False, 0),
            Encoding(16, Weighting.EDGE, 10**9, 10**10, 10, 91),
            Key(digest("key"), 700, 512, len(self.holders), len(self.holders) // 2 + 1, merkle.root(self.leaves())),
            Panel(3, 6667),
            MiningTerms(3, 0),
            Money(*map(Wei, (ETHER + 7, 5000, 700, 300, 20, 11, ETHER, ETHER // 2))),
        )
        return replace(usual, **{name: replace(getattr(usual, name), **values) for name, values in groups.items()})

    def leaves(self) -> list[bytes]:
        return [merkle.holder_leaf(i, holder.address) for i, holder in enumerate(self.holders)]

    def create(self, terms: Terms | None = None, value: int = FUNDS) -> TaskId:
        sent = self.learning.send(self.requester, "createTask", (terms or self.terms()).to_abi(), value=value)
        return TaskId(sent.event("TaskCreated")["taskId"])

    def sign(self, account: Account, message: Message) -> bytes:
        domain = self.mining_domain if isinstance(message, Attestation | ShareCommit) else self.learning_domain
        return account.sign_digest(message.signing_hash(domain))

    def ticket(self, task_id: TaskId, device: Account) -> bytes:
        return self.sign(self.admission, Ticket(task_id, device.address))

    def enrolment(self, task_id: TaskId, device: Account, weight: int, deadline: int = FAR) -> tuple[Any, ...]:
        message = Enrolment(task_id, device.address, weight, digest("owner", device.address), deadline)
        signature = self.sign(device, message)
        return device.address, weight, message.ownership, deadline, self.ticket(task_id, device), signature

    def enrol(self, task_id: TaskId, weights: Sequence[int], first: int = 0) -> list[Sent]:
        signed = [self.enrolment(task_id, self.devices[first + i], weight) for i, weight in enumerate(weights)]
        batches = [signed[i : i + 32] for i in range(0, len(signed), 32)]
        return [self.learning.send(self.edges[0], "enrolBySig", task_id, batch) for batch in batches]

    def start(self, weights: Sequence[int] = (100, 200, 300, 50), terms: Terms | None = None) -> Drive:
        """A task with enrolled devices and its first round open."""
        task_id = self.create(terms)
        self.enrol(task_id, weights)
        return self.open(task_id, terms)

    def open(self, task_id: TaskId, terms: Terms | None = None) -> Drive:
        event = self.learning.send(self.anyone, "openRound", task_id).event("RoundOpened")
        return Drive(self, task_id, event["round"], terms or self.terms())

    def task(self, task_id: TaskId) -> Task:
        return Task.from_abi(self.learning.read("taskOf", task_id))

    # Money

    def credit(self, account: Account | Address) -> int:
        address = account.address if isinstance(account, Account) else account
        return int(self.escrow.read("creditOf", address))

    def pot(self, pot: bytes) -> int:
        return int(self.escrow.read("potOf", pot))

    def solvent(self) -> bool:
        counted = self.escrow.read("totalPots") + self.escrow.read("totalCredit")
        return bool(self.evm.chain.balance(self.escrow.address) == counted)

    @contextmanager
    def supposing(self) -> Iterator[None]:
        """What happens inside is forgotten afterwards."""
        before = self.evm.chain.snapshot()
        try:
            yield
        finally:
            self.evm.chain.revert(before)


@dataclass
class Drive:
    """One round. Each step does what its name says in one or few transactions and gives them back."""

    house: House
    task_id: TaskId
    number: int
    terms: Terms
    salts: dict[int, bytes] = field(default_factory=dict)

    @property
    def place(self) -> tuple[TaskId, int]:
        return self.task_id, self.number

    @property
    def key(self) -> bytes:
        return round_key(*self.place)

    # What the contracts say

    @property
    def phase(self) -> Phase:
        return Phase(self.house.mining.read("phaseOf", *self.place))

    @property
    def round(self) -> Round:
        return Round.from_abi(self.house.learning.read("roundOf", *self.place))

    @property
    def progress(self) -> Progress:
        return Progress.from_abi(self.house.mining.read("progressOf", *self.place))

    @property
    def deadlines(self) -> Deadlines:
        return Deadlines.from_abi(self.house.mining.read("deadlinesOf", *self.place))

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.house.mining.read("outcomeOf", *self.place)[0])

    def candidate(self, slot: int) -> Candidate:
        return Candidate.from_abi(self.house.mining.read("candidateOf", *self.place, slot))

    def opening(self, index: int) -> PostedOpening:
        return PostedOpening.from_abi(self.house.mining.read("openingOf", *self.place, index))

    def advance(self, end: str) -> None:
        """To the first second after a phase: ``advance("commit_end")``."""
        at = getattr(self.deadlines, end)
        assert at, f"{end} is not known yet"
        if at > self.house.evm.now:
            self.house.evm.chain.travel(at - self.house.evm.now)

    # Commit

    def update(self, device: int) -> Update:
        label = self.number, device
        return Update(digest("update", *label), 50_000 + device, digest("root", *label), 1234)

    def signed_update(self, device: int, deadline: int = FAR, **changes: Any) -> tuple[Any, ...]:
        update, account = replace(self.update(device), **changes), self.house.devices[device]
        message = UpdateCommit(*self.place, account.address, *update.to_abi(), deadline)
        return account.address, update.to_abi(), deadline, self.house.sign(account, message)

    def commit(self, devices: Iterable[int], relay: Account | None = None) -> Sent:
        batch = [self.signed_update(device) for device in devices]
        return self.house.learning.send(relay or self.house.edges[0], "commitUpdates", *self.place, batch)

    # Attest

    def branch(self, holder: int) -> list[bytes]:
        return list(merkle.branch(self.house.leaves(), holder))

    def attestation(self, holder: int, marked: int, deadline: int = FAR) -> tuple[Any, ...]:
        message = Attestation(*self.place, holder, marked, deadline)
        signature = self.house.sign(self.house.holders[holder], message)
        return holder, marked, deadline, self.branch(holder), signature

    def attest(self, marked: int, holders: Iterable[int] | None = None, relay: Account | None = None) -> Sent:
        chosen = range(len(self.house.holders)) if holders is None else holders
        batch = [self.attestation(holder, marked) for holder in chosen]
        return self.house.mining.send(relay or self.house.edges[0], "attestBySig", *self.place, batch)

    # Seal and open

    def aggregate(self, edge: Account, nonce: int = 0) -> Aggregate:
        return Aggregate(digest("aggregate", edge.address), 40_000, digest("aggregate root", edge.address), nonce)

    def seal_of(self, edge: Account, aggregate: Aggregate) -> bytes:
        fields = aggregate.digest, aggregate.size, aggregate.root, aggregate.nonce
        chain_id, mining = self.house.evm.chain.chain_id, self.house.mining.address
        return aggregate_seal(chain_id, mining, *self.place, edge.address, *fields, self.salt(edge))

    def salt(self, edge: Account) -> bytes:
        return digest("salt", edge.address)

    def seal(self, edge: Account, bond: int | None = None) -> Sent:
        value = self.terms.money.edge_bond if bond is None else bond
        sealed = self.seal_of(edge, self.aggregate(edge))
        return self.house.mining.send(edge, "sealAggregate", *self.place, sealed, value=value)

    def open(self, edge: Account, slot: int) -> Sent:
        opened = self.aggregate(edge).to_abi()
        return self.house.mining.send(edge, "openAggregate", *self.place, slot, opened, self.salt(edge))

    # Share and opening

    def signed_share(self, holder: int, deadline: int = FAR) -> tuple[Any, ...]:
        message = ShareCommit(*self.place, holder, digest("share", holder), 20_000, deadline)
        signature = self.house.sign(self.house.holders[holder], message)
        return holder, message.digest, message.size, deadline, self.branch(holder), signature

    def share(self, holders: Iterable[int], relay: Account | None = None) -> Sent:
        batch = [self.signed_share(holder) for holder in holders]
        return self.house.mining.send(relay or self.house.edges[0], "postSharesBySig", *self.place, batch)

    def claim_of(self, label: object = "right", flags: int = 0, used: int | None = None) -> Opening:
        shared = self.progress.shared if used is None else used
        model = (Digest(bytes(32)), 0) if flags & OVERFLOW else (digest("next model", self.number, label), 2001)
        return Opening(digest("opening", self.number, label), 60_000, *model, shared, flags)

    def post_opening(self, poster: Account, opening: Opening | None = None, bond: int | None = None) -> Sent:
        value = self.terms.money.opening_bond if bond is None else bond
        claim = (opening or self.claim_of()).to_abi()
        return self.house.mining.send(poster, "postOpening", *self.place, claim, value=value)

    # Vote and close

    def vote(self, ballot: Ballot, attempt: int = 0, silent: int = 0) -> list[Sent]:
        """A whole attempt: everybody seated votes alike, except for so many who stay silent."""
        house, case = self.house, (self.house.mining.address, self.key, attempt)
        sent = [house.verification.send(house.anyone, "summon", *case)]
        size = sent[0].event("PanelSummoned")["size"]
        seats = [self._seated(attempt, seat) for seat in range(size - silent)]
        for seat, voter in enumerate(seats):
            sealed = self.vote_seal(attempt, seat, voter, ballot)
            sent.append(house.verification.send(voter, "commitVote", *case, seat, sealed))
        if silent:
            house.evm.chain.travel(self.terms.windows.commit_vote)
        masks = ballot.valid, ballot.invalid, ballot.right, ballot.wrong
        for seat, voter in enumerate(seats):
            arguments = seat, masks, self._evidence(voter), self._salt(voter)
            sent.append(house.verification.send(voter, "revealVote", *case, *arguments))
        if not seats:
            house.evm.chain.travel(self.terms.windows.reveal_vote)
        sent.append(house.verification.send(house.anyone, "settle", *case))
        return sent

    def vote_seal(self, attempt: int, seat: int, voter: Account, ballot: Ballot) -> bytes:
        house = self.house
        place = house.evm.chain.chain_id, house.verification.address, house.mining.address, self.key, attempt, seat
        return vote_seal(*place, voter.address, ballot, self._evidence(voter), self._salt(voter))

    def _seated(self, attempt: int, seat: int) -> Account:
        house = self.house
        spelled = house.verification.read("seatOf", house.mining.address, self.key, attempt, seat)
        return next(v for v in house.verifiers if v.address.hex() == spelled.removeprefix("0x").lower())

    def _evidence(self, voter: Account) -> bytes:
        return digest("evidence", voter.address)

    def _salt(self, voter: Account) -> bytes:
        return digest("vote salt", voter.address)

    def close(self, by: Account | None = None) -> Sent:
        return self.house.learning.send(by or self.house.anyone, "closeRound", *self.place)

    # Whole stretches

    def to_publish(self, devices: Iterable[int] | None = None) -> Drive:
        enrolled = range(self.round.enrolled) if devices is None else devices
        self.commit(enrolled)
        if self.phase == Phase.COMMIT:
            self.advance("commit_end")
        return self

    def to_seal(self, marked: int | None = None) -> Drive:
        self.to_publish()
        self.attest(self.round.committed if marked is None else marked)
        return self

    def to_open(self, edges: int = 1) -> Drive:
        self.to_seal()
        for edge in self.house.edges[:edges]:
            self.seal(edge)
        self.advance("seal_end")
        return self

    def to_share(self, edges: int = 1) -> Drive:
        self.to_open(edges)
        for slot, edge in enumerate(self.house.edges[:edges]):
            self.open(edge, slot)
        self.advance("challenge_end")
        return self

    def to_opening(self, edges: int = 1, flags: int = 0) -> Drive:
        self.to_share(edges)
        self.share(range(self.terms.key.threshold))
        self.post_opening(self.house.edges[0], self.claim_of(flags=flags))
        return self

    def to_vote(self, edges: int = 1, flags: int = 0) -> Drive:
        self.to_opening(edges, flags)
        self.advance("opening_end")
        return self

    def to_closed(self, edges: int = 1, flags: int = 0, ballot: Ballot | None = None) -> Drive:
        self.to_vote(edges, flags)
        self.vote(ballot or Ballot(mask(range(edges)), 0, 1, 0))
        self.close()
        return self
