"""Somebody who takes part: a state machine, a key, and the carrying out of its effects on chain and store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from dapp.chain.client import Client
from dapp.chain.contracts import Call, Contracts
from dapp.chain.keys import Account
from dapp.crypto import cid
from dapp.errors import BlobError, BlobUnavailable, CairnError, Fatal
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import (
    Blobs,
    Duty,
    Effect,
    Failed,
    Hand,
    Handed,
    Input,
    Notice,
    Pin,
    ProveSeed,
    Publish,
    Tick,
    Transact,
    Unpin,
    Wake,
    Work,
)
from dapp.protocol.machine import Role as RoleState
from dapp.storage import MeteredStore

S = TypeVar("S", bound=RoleState)
Step = Callable[[S, Input], tuple[S, tuple[Effect, ...]]]


class Door(Protocol):
    """Where devices and holders hand in what they signed; an edge's."""

    def hand_in(self, handed: Handed) -> None:
        """Takes a signed message to be relayed."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something that people should hear of."""

    duty: Duty
    text: str


TRIES = 12
"""How often an effect is tried that a store or a chain did not let pass."""
LONGEST_WAIT = 30
"""Seconds of chain time between two tries, at most."""


@dataclass(frozen=True, slots=True)
class _Again:
    """An effect to be tried once more, at chain time ``at``."""

    effect: Effect
    tries: int
    at: int


@dataclass(slots=True)
class Turn:
    """What a node's turn came to: heavy work, transactions to send, times to be woken at, and whether it acted."""

    acted: bool
    work: list[Work] = field(default_factory=list)
    calls: list[tuple[Duty, Call]] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)


class Node(Generic[S]):
    """A role with its own key and its own store; it trusts nothing that another role computed.

    Args:
        role: device, holder, edge, watcher or verifier.
        name: for people.
        step: the role's state machine.
        state: its first state.
        account: signs its transactions and messages.
        store: counts the bytes that this role sends and receives.
        doors: where its signed messages go: every edge it knows, so that none can keep one back.
    """

    def __init__(
        self,
        role: str,
        name: str,
        step: Step[S],
        state: S,
        account: Account,
        client: Client,
        contracts: Contracts,
        store: MeteredStore,
        doors: Sequence[Door] = (),
    ) -> None:
        self.role, self.name = role, name
        self.state = state
        self.account = account
        self.store = store
        self.told: deque[Told] = deque()
        self._step = step
        self._client, self._contracts = client, contracts
        self._doors = doors
        self._kept: dict[BlobRef, bytes] = {}
        self._inputs: deque[Input] = deque()
        self._again: list[_Again] = []

    @property
    def has_inputs(self) -> bool:
        """Whether something is in line."""
        return bool(self._inputs)

    def give(self, input: Input) -> None:
        """Puts an input in line."""
        self._inputs.append(input)

    def wrap(self, wrapper: Callable[[Step[S]], Step[S]]) -> None:
        """Puts another machine around this node's, to make it misbehave in a scenario."""
        self._step = wrapper(self._step)

    def hand_in(self, handed: Handed) -> None:
        """This node's door."""
        self.give(handed)

    def turn(self, tick: Tick) -> Turn:
        """Works off the inputs in line and then ``tick``; carries out what is quick, and again what did not pass."""
        again, self._again = self._again, []
        turn = Turn(acted=bool(self._inputs))
        for each in again:
            if tick.now < each.at:
                self._again.append(each)
            else:
                self._try(each.effect, turn, tick.now, each.tries)
        self._inputs.append(tick)
        while self._inputs:
            self.state, effects = self._step(self.state, self._inputs.popleft())
            for effect in effects:
                self._try(effect, turn, tick.now)
        turn.wakes += [Wake(at=each.at) for each in self._again]
        return turn

    def is_due(self, duty: Duty, tick: Tick) -> bool:
        """Whether the machine would ask for a duty now, had it not done so before. If not, it may ask again later."""
        before = replace(self.state, asked=self.state.asked - {duty})
        _, effects = self._step(before, tick)
        due = any(not isinstance(effect, Wake) and effect.duty == duty for effect in effects)
        if not due:
            self.state = before
        return due

    def _try(self, effect: Effect, turn: Turn, now: int, tries: int = 0) -> None:
        """Carries an effect out; one that a store or the chain does not let pass now is tried again later.

        Whatever a store or a node says, the other duties go on, and the other tasks of the process.
        """
        try:
            self._carry_out(effect, turn)
        except Fatal:
            raise
        except CairnError as error:
            assert not isinstance(effect, Wake)
            if tries == TRIES:
                self.give(Failed(effect.duty, str(error)))
                return
            self._again.append(_Again(effect, tries + 1, now + min(2**tries, LONGEST_WAIT)))
            if tries == 1:  # once is nothing: a door knows a message a moment later than its sender
                self.told.append(Told(effect.duty, f"tries again: {error}"))

    def fetch(self, needs: Iterable[BlobRef], *, at_a_time: int = 1) -> Blobs:
        """The blobs of a job: its own first, the store's otherwise; None where neither has it whole.

        Args:
            at_a_time: side by side, where a store may take long to say that it has one not.
        """
        refs = list(dict.fromkeys(needs))
        if at_a_time == 1 or len(refs) < 2:
            return {ref: self._fetch(ref) for ref in refs}
        with ThreadPoolExecutor(min(at_a_time, len(refs))) as pool:
            return dict(zip(refs, pool.map(self._fetch, refs), strict=True))

    def keep(self, blobs: Sequence[bytes]) -> None:
        """Keeps what a job made until it is published."""
        for data in blobs:
            self._kept[BlobRef(cid.digest(data), len(data))] = data

    def _fetch(self, ref: BlobRef) -> bytes | None:
        if ref in self._kept:
            return self._kept[ref]
        try:
            return self.store.get(ref.digest, ref.size, cap=self._cap(ref))
        except BlobUnavailable:
            return None
        except BlobError as error:
            self.told.append(Told(("fetch", ref.digest.hex()), str(error)))
            return None

    def _cap(self, ref: BlobRef) -> int:
        """The most bytes that a blob of this task may have: the largest update, or the first model, and some slack."""
        terms = self.state.facts.terms
        return 2 * max(terms.cohort.max_update_bytes, terms.learning.model_size, 4096)

    def _carry_out(self, effect: Effect, turn: Turn) -> None:
        turn.acted |= not isinstance(effect, Work | Wake | Transact | ProveSeed)
        match effect:
            case Work():
                turn.work.append(effect)
            case Wake():
                turn.wakes.append(effect)
            case Transact(duty, contract, function, args):
                turn.calls.append((duty, getattr(getattr(self._contracts, contract), function)(*args)))
            case ProveSeed(duty, case, attempt, block):
                header = self._client.node.header(block)
                turn.calls.append((duty, self._contracts.verification.prove_seed(*case, attempt, header)))
            case Notice(duty, text):
                self.told.append(Told(duty, text))
            case Hand(_, message, proof):
                signature = self.account.sign_digest(message.signing_hash(self.state.facts.domain_of(message)))
                for door in self._doors:
                    door.hand_in(Handed(message, signature, proof))
            case Publish(_, ref):
                self.store.put(self._kept[ref])
                del self._kept[ref]
            case Pin(_, refs):
                for ref in refs:
                    self.store.pin(ref.digest, ref.size)
            case Unpin(_, refs):
                for ref in refs:
                    self.store.unpin(ref.digest, ref.size)
