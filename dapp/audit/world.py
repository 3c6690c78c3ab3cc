"""What the contracts hold, as far as their events and the transactions' calldata tell: the state that a replay folds.

A rule says which events a call must cause (``dapp.audit.rules``); this is what it reads, and what each of those events
changes. Nothing is asked of a chain, and no number is taken from an event that a rule could work out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from dapp.chain.contracts import Deployment
from dapp.chain.facts import Header
from dapp.crypto import merkle
from dapp.crypto.typed_data import Domain, Message, learning_domain, mining_domain, recover
from dapp.crypto.words import encode_words
from dapp.errors import AuditError, CryptoError
from dapp.protocol import events as ev
from dapp.protocol.enums import MemberState, Status
from dapp.protocol.records import Ballot
from dapp.protocol.terms import Terms
from dapp.protocol.view import RoundView, View, apply
from dapp.types import Address, Digest, TaskId, Wei

BURNT = Address(bytes.fromhex("000000000000000000000000000000000000dead"))
"""Where forfeited money goes."""

MAX_BATCH = 32
"""Messages in one batch."""


NOTHING = Digest(bytes(32))


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction, decoded: ``args`` as the ABI gives them, ``now`` its block's time in seconds.

    ``round`` is the number of the round of the audited task that it names, if it names one; ``subject`` the id of the
    task, or the key of the round, that it is about, empty where it is about none or cannot be followed.
    """

    contract: str
    function: str
    args: tuple[Any, ...]
    sender: Address
    value: Wei
    hash: bytes
    block: int
    now: int
    round: int | None
    subject: bytes = b""

    def __str__(self) -> str:
        what = f"{self.contract}.{self.function}" if self.contract else "a call that cannot be followed"
        return f"{what}, transaction 0x{self.hash.hex()}"


@dataclass(slots=True)
class Stake:
    """A verifier's stake."""

    state: MemberState
    amount: int
    active_from: int
    leaving_at: int = 0


@dataclass(slots=True)
class SeedRequest:
    """A seed, from its request to its proof."""

    block: int
    context: bytes
    proven_at: int = 0
    prover: Address = ev.NOWHERE


@dataclass(slots=True)
class World:
    """The contracts' state.

    Attributes:
        headers: the chain's, by block, as far as the file has them.
        view: what the events say, folded by ``dapp.protocol.view``.
        pots, credits: the escrow's books, in wei; ``withdrawn`` and ``received`` what left it and came in.
        head, enrolments: the task's last header, and the running hash over its cohort.
        holders: who has shown to be which key holder.
        relayed: by (contract, round key, relay), a bitmap of what it brought and was not paid for yet.
        claimed: what was claimed, each a tuple that begins with its kind.
        settled: by (round, attempt), how an attempt of a vote ended.
        constants: what a constructor fixed and no event says: as the chain says, where it was asked, or else as the
            first use of it shows; every later use must agree.
        own: the audited task's id, its rounds' keys and their bonds' pots.
        others: ids of other tasks and their rounds' keys, with the seconds that a panel of theirs can stay open.
        taken: transactions of other tasks, by whether they could be followed.
        checks: how many facts of each kind held.
    """

    deployment: Deployment
    headers: Mapping[int, Header]
    view: View
    call: Call | None = None
    upcoming: ev.Event | None = None
    pots: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    credits: dict[Address, int] = field(default_factory=lambda: defaultdict(int))
    received: int = 0
    withdrawn: int = 0
    nonces: Counter[Address] = field(default_factory=Counter)
    head: bytes = NOTHING
    enrolments: bytes = NOTHING
    created_at: int = 0
    holders: dict[int, Address] = field(default_factory=dict)
    relayed: dict[tuple[str, bytes, Address], int] = field(default_factory=lambda: defaultdict(int))
    device_pay: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    claimed: set[tuple[Any, ...]] = field(default_factory=set)
    stakes: dict[Address, Stake] = field(default_factory=dict)
    queue: list[tuple[Address, int]] = field(default_factory=list)
    panels_end: int = 0
    seeds: dict[int, SeedRequest] = field(default_factory=dict)
    settled: dict[tuple[int, int], tuple[Status, Ballot]] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    fewest_eligible: int = 0
    most_ineligible: int | None = None
    own: set[bytes] = field(default_factory=set)
    others: dict[bytes, int] = field(default_factory=dict)
    taken: Counter[bool] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)

    # Where and when

    @property
    def now(self) -> int:
        """Chain time of the current call."""
        assert self.call is not None, "there is a time only during a call"
        return self.call.now

    @property
    def task_id(self) -> TaskId:
        return self.view.task_id

    @property
    def terms(self) -> Terms:
        """The task's terms.

        Raises:
            AuditError: the call came before the task.
        """
        if self.view.terms is None:
            self.refuse("the call comes before its task was created")
        return self.view.terms

    @property
    def learning_domain(self) -> Domain:
        return learning_domain(self.deployment.chain_id, self.deployment.learning)

    @property
    def mining_domain(self) -> Domain:
        return mining_domain(self.deployment.chain_id, self.deployment.mining)

    def next_task(self, creator: Address) -> TaskId:
        """The id of the task that somebody creates next."""
        place: list[int | bytes] = [self.deployment.chain_id, self.deployment.learning, creator, self.nonces[creator]]
        return TaskId(merkle.keccak256(encode_words(["uint256", "address", "address", "uint256"], place)))

    def round(self, task_id: bytes, number: int) -> RoundView:
        """A round that a call names.

        Raises:
            AuditError: there is none.
        """
        self.require(task_id == self.task_id, f"it names task 0x{task_id.hex()}, which nobody created")
        self.require(number < len(self.view.rounds), f"it names round {number}, which was not opened")
        return self.view.rounds[number]

    def last_attempt(self, round_: RoundView) -> int | None:
        """The latest attempt of a round's vote; None before the first."""
        ended = (attempt for number, attempt in self.settled if number == round_.number)
        return max([*ended, *(p.attempt for p in round_.panels)], default=None)

    def verdict(self, round_: RoundView) -> tuple[Status, Ballot] | None:
        """How the latest attempt ended; None while it has not."""
        attempt = self.last_attempt(round_)
        return None if attempt is None else self.settled.get((round_.number, attempt))

    # Lies

    def refuse(self, what: str, who: str = "") -> NoReturn:
        """Raises what is wrong with the current call, or with an event of it.

        Args:
            who: whose lie it is; by default the sender's.

        Raises:
            AuditError: always.
        """
        assert self.call is not None, "only a call can be refused"
        place = "" if self.call.round is None else f"round {self.call.round}: "
        raise AuditError(
            f"{place}{who or self.named(self.call.sender)}: {what} ({self.call})",
            help="The contracts would not have let this through: the file of events is not what the chain holds.",
        )

    def require(self, holds: bool, what: str) -> None:
        """Refuses the current call unless ``holds``."""
        if not holds:
            self.refuse(what)

    def named(self, who: Address) -> str:
        """An address with its role."""
        return f"{self.role_of(who)} 0x{who.hex()}"

    def role_of(self, who: Address) -> str:
        """What an address has shown to be."""
        if who in self.view.enrolments:
            return f"device {self.view.enrolments[who].index}"
        if who in self.stakes:
            return "verifier"
        if who in self.holders.values():
            return "holder"
        if any(who == c.edge for r in self.view.rounds for c in (*r.candidates.values(), *r.displaced)):
            return "edge"
        return "requester" if who == self.view.requester else "sender"

    # What rules share

    def signer(self, message: Message, domain: Domain, signature: bytes, check: str) -> Address | None:
        """Who signed a message; None where nobody did."""
        self.checks[check] += 1
        try:
            return recover(message, domain, signature)
        except CryptoError:
            return None

    def constant(self, name: str, kind: type[ev.Event], read: Callable[[Any], int], least: int = 0) -> int:
        """What a constructor fixed: read from the first event that shows it.

        Raises:
            AuditError: it is less than any constructor takes.
        """
        if name not in self.constants and isinstance(self.upcoming, kind):
            value = read(self.upcoming)
            self.require(value >= least, f"it shows {name} to be {value:,}, and no deployment has less than {least:,}")
            self.constants[name] = value
        return self.constants.get(name, least)

    def pay(self, pot: bytes, to: Address, amount: int, reason: str) -> Iterator[ev.Event]:
        """What `Escrow.pay` emits; nothing for nothing."""
        if amount:
            yield ev.Paid(pot, to, Wei(amount), reason.encode().ljust(32, b"\0"), contract=self.deployment.escrow)

    def fund(self, pot: bytes, by: Address, amount: int) -> ev.Event:
        """What `Escrow.fund` emits."""
        return ev.PotFunded(pot, by, Wei(amount), contract=self.deployment.escrow)

    def move(self, source: bytes, target: bytes, amount: int) -> ev.Event:
        """What `Escrow.move` emits."""
        return ev.PotMoved(source, target, Wei(amount), contract=self.deployment.escrow)

    # Folding

    def fold(self, event: ev.Event) -> None:
        """Takes in an event that was expected."""
        match event:
            case ev.PotFunded():
                self.pots[event.pot] += event.amount
                self.received += event.amount
            case ev.PotMoved():
                self._take(event.from_, event.amount)
                self.pots[event.to] += event.amount
            case ev.Paid():
                self._take(event.pot, event.amount)
                self.credits[event.to] += event.amount
            case ev.Withdrawn():
                self.credits[event.owner] -= event.amount
                self.withdrawn += event.amount
        self.view = apply(self.view, event)
        if isinstance(event, ev.RoundOpened) and event.task_id == self.task_id:
            round_ = self.view.rounds[-1]
            self.own |= {round_.key, bonds_pot(round_)}

    def _take(self, pot: bytes, amount: int) -> None:
        held = self.pots[pot]
        self.require(amount <= held, f"it takes {amount:,} wei of pot 0x{pot.hex()}, which has {held:,}")
        self.pots[pot] -= amount


def differences(expected: ev.Event, found: ev.Event) -> list[str]:
    """The fields in which an event is not what it must be, in words."""
    said = []
    for each in fields(expected):
        if each.name in ("block", "log_index", "timestamp"):
            continue
        must, is_ = getattr(expected, each.name), getattr(found, each.name)
        if must != is_:
            said.append(f"{each.name} is {shown(is_)}, and must be {shown(must)}")
    return said


def shown(value: object) -> str:
    """A value as a person reads it: bytes in hex, numbers with commas."""
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return f"{value:,}" if type(value) is int else str(value)


def address(value: str) -> Address:
    """An ABI-decoded address as bytes."""
    return Address(bytes.fromhex(value.removeprefix("0x")))


def bonds_pot(round_: RoundView) -> bytes:
    """Where a round's bonds lie: keccak256(abi.encode(roundKey, "bonds"))."""
    text = b"bonds"
    words = (round_.key, (64).to_bytes(32, "big"), len(text).to_bytes(32, "big"), text.ljust(32, b"\0"))
    return merkle.keccak256(b"".join(words))


def stakes_pot(verification: Address) -> bytes:
    """Where the verifiers' stakes lie: keccak256(abi.encode("stakes", verification))."""
    text = b"stakes"
    head = (64).to_bytes(32, "big") + verification.rjust(32, b"\0")
    return merkle.keccak256(head + len(text).to_bytes(32, "big") + text.ljust(32, b"\0"))


def draw_id(consumer: Address, case_key: bytes, attempt: int) -> bytes:
    """What a panel's seed is requested for."""
    return merkle.keccak256(encode_words(["address", "bytes32", "uint8"], [consumer, case_key, attempt]))
