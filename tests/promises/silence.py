"""Histories of silence: the real machines on the real contracts, of which some say nothing for a while, or for ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from books import Books, Said, getters, phases
from ready_made import Memory, ready_made
from stage import SLACK, Stage, stakes_pot

from dapp.compute import Serial
from dapp.edge.node import edge_node
from dapp.protocol.chores import chores
from dapp.protocol.edge import PATIENCE
from dapp.protocol.effects import Effect, Input, Tick
from dapp.protocol.enums import Outcome, Phase, Status
from dapp.protocol.machine import Role
from dapp.protocol.view import View
from dapp.runtime.loop import Loop
from dapp.runtime.node import Step
from dapp.storage import MeteredStore

MOMENTS = (
    *("commit", "publish", "seal", "open", "share", "opening"),
    *("summon", "seed", "vote", "reveal", "settle", "close", "closed"),
)
"""Where a round can be, with its vote told apart."""

ROLES = ("device", "holder", "edge", "verifier", "chores")
"""Who can be silent. ``chores`` is whoever opens, summons, proves, settles, closes and pays out, for a bounty."""

BYSTANDER_TURN = 4
"""The bystander's place in the line of those who do chores."""

MOST_TURNS = 600
"""A history that has not ended by then never will."""


def moment(view: View, now: int) -> str:
    """Where the latest round is; "before" the first."""
    round_ = view.round
    if round_ is None or view.terms is None:
        return "before"
    phase = round_.phase(view.terms, now)
    if phase not in (Phase.VOTE, Phase.CHALLENGE):
        return phase.name.lower()
    if not round_.opened_candidates:
        return "close"
    panel = round_.panels[-1] if round_.panels else None
    if panel is None or panel.settled == Status.UNDECIDED:
        return "summon"
    words = {Status.SEEDING: "seed", Status.COMMITTING: "vote", Status.REVEALING: "reveal", Status.ENDED: "settle"}
    return words.get(panel.status(view.terms, now), "close")


@dataclass
class Theatre:
    """A small cohort with two edges; a bystander with ether of its own does every chore that nobody else does in time.

    ``silent`` holds whose turn is muted at which moments: a role ("edge"), or one of it ("edge 1").
    """

    stage: Stage
    loop: Loop
    books: Books
    store: Memory
    silent: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def build(cls, folder: Path, *changes: str) -> Theatre:
        stage = Stage.build(folder, "edges=2", *changes)
        world, store = stage.world, Memory()
        store.put(world.first_model)
        bystander = edge_node(
            "bystander",
            world.facts,
            world.people.requester,
            world.client,
            world.contracts,
            MeteredStore(store),
            turn=BYSTANDER_TURN,
            wait_for=world.settings.devices,
        )
        nodes = (*world.nodes, bystander)
        books = Books(View(world.facts.task_id))
        loop = Loop(nodes, world.client, world.contracts, world.clock, Serial())
        theatre = cls(stage, loop, books, store)
        loop._on_events = theatre._fold
        for node in nodes:
            node.store = MeteredStore(store)
            node.wrap(ready_made)
            node.wrap(lambda step, name=node.name: theatre._muted(name, step))
        bystander.wrap(only_chores)
        return theatre

    def _fold(self, events: Iterable[Any]) -> None:
        for event in events:
            self.books.fold(event)

    def _muted(self, name: str, step: Step[Any]) -> Step[Any]:
        role = name.partition(" ")[0]

        def muted(state: Role, input: Input) -> tuple[Role, tuple[Effect, ...]]:
            if not isinstance(input, Tick):
                return step(state, input)
            now = moment(state.view, input.now)
            if any(now in self.silent.get(who, ()) for who in (role, name)):
                return state, ()
            after, effects = step(state, input)
            if role == "edge" and now in self.silent.get("chores", ()):
                return without_chores(after, effects)
            return after, effects

        return muted

    # What happens

    @property
    def now(self) -> int:
        return self.stage.world.clock.now()

    @property
    def moment(self) -> str:
        """Where the latest round is now."""
        return moment(self.books_now().view, self.now)

    def over(self) -> bool:
        """Whether the task has ended and nobody is owed anything."""
        view = self.books.view
        return view.ended and not any(view.credits.values())

    def play(self, *, checked: bool = False) -> Theatre:
        """To the end; ``checked`` compares what depends on the time after every turn."""
        for _ in range(MOST_TURNS):
            if self.over():
                return self
            self.loop.turn()
            if checked:
                agree(phases(self.books_now(), self.stage.world.contracts, self.now))
        raise AssertionError(f"silence of {self.silent} still holds the money after {MOST_TURNS} turns")

    def play_on(self) -> bool:
        """To the next moment, and whether there is one."""
        before = self.moment
        while not self.over():
            if self.moment != before:
                return True
            self.loop.turn()
        return False

    def books_now(self) -> Books:
        """The books with what happened since the last turn began."""
        self.loop.read(self.stage.world.client.head().number)
        return self.books

    def leave(self) -> None:
        """Every verifier leaves the registry and takes its stake home."""
        world = self.stage.world
        verification, escrow = world.contracts.verification, world.contracts.escrow
        members = [v for v in world.people.verifiers if v.address in self.books.members]
        staying = [v for v in members if v.address in self.books.view.members]
        world.client.send_all([(verifier, verification.leave()) for verifier in staying])
        self.books_now()
        world.clock.advance_to(max(member.leaving_at for member in self.books.members.values()))
        anyone = world.people.requester
        world.client.send_all([(anyone, verification.withdraw_stake_for(v.address)) for v in members])
        self.books_now()
        owed = [owner for owner, credit in self.books.view.credits.items() if credit]
        world.client.send_all([(anyone, escrow.withdraw_for(owner)) for owner in owed])
        self.books_now()

    # What must hold

    def check_everybody_withdrew(self) -> None:
        """No round is open, no pot but the stakes' holds anything, nobody has credit, and nothing is missing."""
        world, view = self.stage.world, self.books.view
        escrow = world.contracts.escrow
        assert all(round_.outcome != Outcome.OPEN for round_ in view.rounds)
        assert escrow.total_credit() == 0
        assert escrow.total_pots() == escrow.pot_of(stakes_pot(self.stage))
        assert world.client.balance(escrow.address) == escrow.total_pots()

    def check_lock(self) -> None:
        """No round lasted longer than Σ windows and the bystander's patience with every chore."""
        patience = BYSTANDER_TURN * PATIENCE * 12
        longest = self.stage.longest_round + patience + SLACK
        assert all(round_.closed_at - round_.opened_at <= longest for round_ in self.books.view.rounds)

    def check_getters(self) -> None:
        """The books, folded from events alone, say what every getter says."""
        agree(getters(self.books_now(), self.stage.world.contracts, self.now))

    # Going back

    @contextmanager
    def supposing(self, silent: Mapping[str, Iterable[str]] | None = None) -> Iterator[Theatre]:
        """A history that begins here, with these silences, and is forgotten afterwards."""
        nodes = self.loop.nodes
        chain = self.stage.world.client.node
        snapshot = chain.snapshot()
        kept = [(node.state, tuple(node._inputs), dict(node._kept)) for node in nodes]
        blobs, books, read_to, before = dict(self.store.blobs), self.books, self.loop._read_to, self.silent
        self.books = books.copy()
        self.silent = {
            who: before.get(who, frozenset()) | frozenset(moments) for who, moments in (silent or {}).items()
        }
        self.silent = before | self.silent
        try:
            yield self
        finally:
            chain.revert(snapshot)
            for node, (state, inputs, own) in zip(nodes, kept, strict=True):
                node.state = state
                node._inputs.clear()
                node._inputs.extend(inputs)
                node._kept = own
                node.told.clear()
            self.store.blobs, self.books, self.silent = blobs, books, before
            self.loop._read_to = read_to


def agree(said: Iterable[Said]) -> None:
    """What the events say is what the contracts say."""
    differing = [
        f"{name}: the events say {books}, the contract {chain}" for name, books, chain in said if books != chain
    ]
    assert not differing, "\n".join(differing)


def only_chores(step: Step[Any]) -> Step[Any]:
    """An edge that relays nothing, adds up nothing and opens nothing."""

    def bystanding(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        due = {chore.effect for chore in chores(after.facts, after.view, after.wait_for)}
        return after, tuple(e for e in effects if e in due or not hasattr(e, "duty"))

    return bystanding


def without_chores(state: Any, effects: tuple[Effect, ...]) -> tuple[Any, tuple[Effect, ...]]:
    """An edge that leaves the chores to others for now."""
    due = {chore.effect for chore in chores(state.facts, state.view, state.wait_for)}
    left = frozenset(e.duty for e in effects if e in due)
    return replace(state, asked=state.asked - left), tuple(e for e in effects if e not in due)
