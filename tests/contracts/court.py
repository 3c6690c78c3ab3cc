"""Verification alone: its members, a consumer whose slates the test puts, a case that is driven step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eth_abi import encode
from evm import ETHER, Contract, Evm, Sent

from dapp.chain.keys import Account
from dapp.crypto.merkle import keccak256
from dapp.crypto.sealed import vote_seal
from dapp.protocol.enums import Status
from dapp.protocol.records import Ballot

STAKE, SLASH = 10 * ETHER, ETHER
ACTIVATION_DELAY, COOL_DOWN = 60, 3_600
MIN_ELIGIBLE = 3
MIN_WINDOW, MIN_VOTER_PAY = 60, 10**14
VOTER_PAY, BOUNTY = 10**15, 10**14
SEED_WINDOW, COMMIT_WINDOW, REVEAL_WINDOW = 200, 100, 80
TWO_THIRDS = 6_667
BURN = bytes.fromhex("000000000000000000000000000000000000dead")
YES = Ballot(0b01, 0b10, 0b1, 0)
"""Of the slate's two candidates the first is valid; its opening is right."""
NO = Ballot(0b10, 0b01, 0, 0b1)


def label(text: str) -> bytes:
    return keccak256(text.encode())


@dataclass
class Court:
    evm: Evm
    escrow: Contract
    verification: Contract
    seed: Contract
    consumer: Contract
    members: list[Account]
    anyone: Account
    other: Account

    @classmethod
    def build(cls, members: int = 7, spare: int = 4, evm: Evm | None = None) -> Court:
        """``members`` are active, the ``spare`` ones after them have not joined."""
        evm = evm or Evm(3 + members + spare)
        consumer = evm.deploy("FixedSlate")
        escrow = evm.deploy("Escrow", consumer.address, consumer.address, evm.next_address(1))
        terms = STAKE, SLASH, ACTIVATION_DELAY, COOL_DOWN, MIN_ELIGIBLE, MIN_WINDOW, MIN_VOTER_PAY
        verification = evm.deploy("Verification", escrow.address, evm.next_address(1), [consumer.address], *terms)
        seed = evm.deploy("PrevrandaoSeed", 2)
        court = cls(evm, escrow, verification, seed, consumer, evm.accounts[3:], evm.accounts[1], evm.accounts[2])
        for member in court.members[:members]:
            court.join(member)
        evm.chain.travel(ACTIVATION_DELAY)
        court.verification.send(court.anyone, "promote", 100)
        return court

    @property
    def stakes_pot(self) -> bytes:
        return keccak256(encode(["string", "address"], ["stakes", self.verification.address]))

    def join(self, member: Account) -> Sent:
        return self.verification.send(member, "join", value=STAKE)

    def leave(self, member: Account) -> Sent:
        return self.verification.send(member, "leave")

    def member(self, account: Account) -> tuple[int, int, int, int, int]:
        """State, index, active from, leaving at, stake."""
        member: tuple[int, int, int, int, int] = self.verification.read("memberOf", account.address)
        return member

    def credit(self, owner: Account | bytes) -> int:
        return int(self.escrow.read("creditOf", owner.address if isinstance(owner, Account) else owner))

    def pot(self, pot: bytes) -> int:
        return int(self.escrow.read("potOf", pot))

    def solvent(self) -> bool:
        counted = self.escrow.read("totalPots") + self.escrow.read("totalCredit")
        return bool(self.evm.chain.balance(self.escrow.address) == counted)

    def account(self, spelled: str) -> Account:
        return next(a for a in self.evm.accounts if a.address.hex() == spelled.removeprefix("0x").lower())

    def case(self, name: str = "case", fund: int = ETHER, **changes: Any) -> Case:
        """A slate with two candidates and one opening, five seats and two thirds of them to decide."""
        case = Case(self, label(name), label(f"pot of {name}"))
        if fund:
            self.escrow.send(self.anyone, "fund", case.pot, value=fund)
        slate = {
            "ready": True,
            "candidates": 0b11,
            "openings": 0b1,
            "seats": 5,
            "accept_bips": TWO_THIRDS,
            "commit_vote": COMMIT_WINDOW,
            "reveal_vote": REVEAL_WINDOW,
            "seed": SEED_WINDOW,
            "voter_pay": VOTER_PAY,
            "bounty": BOUNTY,
            "pot": case.pot,
        } | changes
        self.consumer.send(self.anyone, "put", case.key, tuple(slate.values()))
        return case

    @contextmanager
    def supposing(self) -> Iterator[None]:
        """What happens inside is forgotten afterwards."""
        before = self.evm.chain.snapshot()
        try:
            yield
        finally:
            self.evm.chain.revert(before)


@dataclass
class Case:
    """One attempt at a case; ``again`` is the next one."""

    court: Court
    key: bytes
    pot: bytes
    attempt: int = 0
    ballots: dict[int, Ballot] = field(default_factory=dict)

    @property
    def place(self) -> tuple[bytes, bytes, int]:
        return self.court.consumer.address, self.key, self.attempt

    def again(self) -> Case:
        return Case(self.court, self.key, self.pot, self.attempt + 1)

    def read(self, function: str, *arguments: Any) -> Any:
        return self.court.verification.read(function, *self.place, *arguments)

    def send(self, account: Account, function: str, *arguments: Any) -> Sent:
        return self.court.verification.send(account, function, *self.place, *arguments)

    @property
    def status(self) -> Status:
        return Status(self.read("statusOf"))

    @property
    def size(self) -> int:
        return int(self.read("panelOf")[2])

    @property
    def entitlements(self) -> int:
        return int(self.court.verification.read("entitlementsOf", *self.place[:2]))

    @property
    def verdict(self) -> tuple[Status, int, Ballot]:
        status, attempt, quorum = self.court.verification.read("verdictOf", *self.place[:2])
        return Status(status), attempt, Ballot(*quorum)

    def voter(self, seat: int) -> Account:
        return self.court.account(self.read("seatOf", seat))

    def summon(self, by: Account | None = None) -> Sent:
        return self.send(by or self.court.anyone, "summon")

    def header(self) -> bytes:
        """The header that proves the seed, once its block is there."""
        chain, seed_block = self.court.evm.chain, self.court.seed.read("seedBlockOf", self.read("panelOf")[0])
        if chain.head().number < seed_block:
            chain.mine(seed_block - chain.head().number)
        return chain.header(seed_block)

    def prove(self, by: Account | None = None) -> Sent:
        return self.send(by or self.court.anyone, "proveSeed", self.header())

    def seated(self) -> Case:
        self.summon()
        self.prove()
        return self

    def seal(self, seat: int, ballot: Ballot, voter: Account, attempt: int | None = None) -> bytes:
        court = self.court
        case = court.consumer.address, self.key, self.attempt if attempt is None else attempt, seat
        where = court.evm.chain.chain_id, court.verification.address
        return vote_seal(*where, *case, voter.address, ballot, self.evidence(voter), self.salt(voter))

    def evidence(self, voter: Account) -> bytes:
        return keccak256(b"evidence" + voter.address)

    def salt(self, voter: Account) -> bytes:
        return keccak256(b"salt" + voter.address)

    def commit(self, seat: int, ballot: Ballot = YES) -> Sent:
        self.ballots[seat] = ballot
        voter = self.voter(seat)
        return self.send(voter, "commitVote", seat, self.seal(seat, ballot, voter))

    def reveal(self, seat: int) -> Sent:
        voter, ballot = self.voter(seat), self.ballots[seat]
        masks = ballot.valid, ballot.invalid, ballot.right, ballot.wrong
        return self.send(voter, "revealVote", seat, masks, self.evidence(voter), self.salt(voter))

    def vote(self, ballots: Iterable[Ballot]) -> Case:
        """Seats 0, 1, … commit and reveal; the others stay silent; to the end of the attempt."""
        for seat, ballot in enumerate(ballots):
            self.commit(seat, ballot)
        self.to_reveal()
        for seat in self.ballots:
            self.reveal(seat)
        return self

    def to_reveal(self) -> Case:
        self._pass_until(1)
        return self

    def to_end(self) -> Case:
        self._pass_until(2)
        return self

    def _pass_until(self, which: int) -> None:
        end = self.read("voteDeadlinesOf")[which]
        if end > self.court.evm.now:
            self.court.evm.chain.travel(end - self.court.evm.now)

    def settle(self, by: Account | None = None) -> Sent:
        return self.send(by or self.court.other, "settle")

    def claim(self, seat: int) -> Sent:
        return self.send(self.court.anyone, "claimVoterPayFor", seat)

    def slash(self, seat: int, by: Account | None = None) -> Sent:
        return self.send(by or self.court.other, "slashSilent", seat)
