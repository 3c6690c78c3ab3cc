"""Keeps the books of a run: what happened in each round, for whom, and where the time went."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from dapp.compute import Executor
from dapp.crypto import cid
from dapp.crypto.leverage import leverages, openable
from dapp.learning.aggregate import best_epoch
from dapp.learning.vectors import Vector, weights_of
from dapp.protocol import events as ev
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Job
from dapp.protocol.enums import CandidateState, Outcome, Phase, RoundKind
from dapp.protocol.verifier import seat_of
from dapp.protocol.view import Enrolment, Panel, RoundView, View, apply, bits
from dapp.protocol.work import Examination, OpeningMade, OpenSum, UpdateMade
from dapp.report import progress, schema
from dapp.runtime.node import Node
from dapp.runtime.performing import Finished
from dapp.simulation import measure
from dapp.simulation.world import World
from dapp.types import Address

HEADER_BYTES = 32 * 12
"""h of the paper's h + S·n: the fields that a candidate's header hashes, one word each."""

PAY_ROLES: dict[str, schema.Role] = {
    "device": "device",
    "relay": "edge",
    "edge": "edge",
    "opener": "edge",
    "holder": "holder",
    "voter": "verifier",
    **dict.fromkeys(("include", "summon", "seed", "settle", "close"), "edge"),
}
"""The role of who is paid, by the reason that the contracts give; any other reason pays the requester."""


@dataclass
class RoundBook:
    """What is known of a round beside its events."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    made: dict[Address, UpdateMade] = field(default_factory=dict)
    loss: float | None = None
    accuracy: schema.Accuracy | None = None
    payments: list[schema.Payment] = field(default_factory=list)
    slashed: list[schema.Slashed] = field(default_factory=list)
    told: bool = False


class Observer:
    """Watches a world's events and work, tells a listener, and writes the round reports."""

    def __init__(self, world: World, executor: Executor, listener: progress.Listener) -> None:
        self.world = world
        self.view = View(world.facts.task_id)
        self.faults: list[schema.Fault] = []
        self.work: dict[str, float] = defaultdict(float)
        self.workers_mib: dict[int, float] = {}
        self._executor, self._listener = executor, listener
        self._names = world.people.names()
        self._books: dict[int, RoundBook] = defaultdict(RoundBook)
        self._alone: list[Vector] = [weights_of(world.first_model)] * world.settings.devices
        self._to_compare: int | None = None
        self._phase: tuple[int, str] | None = None
        self._since = time.perf_counter()

    # What the loop tells

    def on_events(self, events: list[ev.Event]) -> None:
        """New chain events, before the nodes see them."""
        for event in events:
            self.view = apply(self.view, event)
            match event:
                case ev.RoundClosed(task_id=task, round=number) if (
                    task == self.view.task_id and self.view.rounds[number].kind == RoundKind.UPDATE
                ):
                    self._to_compare = number
                case ev.Paid() | ev.MemberSlashed() | ev.BondForfeited() | ev.CandidateStruckOut():
                    self._book_money(event)
        self._tell_phase()
        self.tell_rounds(wait=False)

    def on_start(self, node: Node[Any], job: Job) -> None:
        """A node turns to heavy work."""
        if isinstance(job, OpenSum) and self._phase is not None:
            self._phase = (self._phase[0], "opening")  # combining shares begins before the first opening is posted
        self._listener.on(progress.Doing(_role(node), node.name, job.label))

    def on_done(self, done: Finished) -> None:
        """Heavy work is done."""
        verb = str(done.duty[0])
        if isinstance(done.value, UpdateMade):
            self.work["train"] += done.value.train_seconds
            self.work["encrypt"] += done.value.encrypt_seconds
            self._books[int(done.duty[1])].made[done.node.account.address] = done.value
        else:
            self.work[verb] += done.core_seconds
        if isinstance(done.value, OpeningMade | Examination) and done.value.loss is not None:
            self._books[int(done.duty[1])].loss = done.value.loss
        self.workers_mib[done.process] = max(done.peak_mib, self.workers_mib.get(done.process, 0.0))
        self._listener.on(progress.Idle(done.node.name))

    def after_turn(self) -> None:
        """Books the time of a turn to the phase in which it began, and passes on what nodes told."""
        if self._phase is not None:
            self._book_time(*self._phase)
        if self._to_compare is not None:
            self._compare(self._to_compare)
            self._to_compare = None
        for node in self.world.nodes:
            while node.told:
                told = node.told.popleft()
                number_ = next((part for part in told.duty[1:] if isinstance(part, int)), None)
                fault = schema.Fault(round=number_, role=_role(node), name=node.name, what=told.text)
                self.faults.append(fault)
                self._listener.on(fault)
        self._tell_phase()

    # Beside the protocol

    def _book_time(self, number: int, phase: str) -> None:
        now = time.perf_counter()
        self._books[number].seconds[phase] += now - self._since
        self._since = now

    def _compare(self, number: int) -> None:
        """Every device also learns alone for one epoch, for comparison; its time is booked apart from the round's own
        phases."""
        world, model = self.world, self.view.model
        assert model is not None, "a task has a model"
        file = world.store.get(model.digest, model.size, cap=model.size)
        together = self._executor.submit(measure.global_accuracy, world.split, file)
        alone = [
            self._executor.submit(measure.alone, world.split, world.strategy, device, number, vector)
            for device, vector in enumerate(self._alone)
        ]
        done = [future.result() for future in alone]
        self._alone = [each.vector for each in done if each.vector is not None]
        measured = together.result()
        self.work["alone and accuracy"] += measured.core_seconds + sum(each.core_seconds for each in done)
        self._books[number].accuracy = schema.Accuracy(
            global_=measured.accuracy, alone=tuple(each.accuracy for each in done)
        )
        self._book_time(number, "compare")

    # Reports

    def tell_rounds(self, *, wait: bool) -> None:
        """Tells of every closed round whose books are complete, in order."""
        for round_ in self.view.rounds:
            book = self._books[round_.number]
            if book.told:
                continue
            paid_out = round_.number < len(self.view.rounds) - 1 or self.view.ended
            if round_.outcome == Outcome.OPEN or not (wait or paid_out):
                return
            book.told = True
            self._listener.on(progress.RoundDone(self.round_report(round_)))

    def reports(self) -> tuple[schema.RoundReport, ...]:
        """All rounds so far."""
        return tuple(self.round_report(round_) for round_ in self.view.rounds)

    def round_report(self, round_: RoundView) -> schema.RoundReport:
        """One round as people read it."""
        book = self._books[round_.number]
        used = round_.right_opening.opening.used_shares if round_.right_opening else 0
        updates = [c.update.size for c in round_.included_commits]
        model = round_.result if round_.kind == RoundKind.UPDATE else None
        per_epoch = 2 if self.world.strategy.gradient_round else 1
        return schema.RoundReport(
            round=round_.number,
            epoch=round_.number // per_epoch,
            kind=schema.Kind[round_.kind.name],
            outcome=schema.Outcome[round_.outcome.name],
            attempts=len(round_.panels),
            devices=tuple(self._device(round_, book, e) for e in self.view.by_index[: round_.enrolled]),
            attestations=self._attestations(round_),
            included=tuple(bits(round_.included or 0)),
            total_weight=round_.total_weight,
            block_bytes=HEADER_BYTES + sum(updates),
            candidates=self._candidates(round_),
            shares=tuple(
                schema.Share(holder=i, name=f"holder {i}", used=bool(used >> i & 1)) for i in sorted(round_.shares)
            ),
            holders_silent=self._silent_holders(round_),
            openings=self._openings(round_),
            votes=tuple(vote for panel in round_.panels for vote in self._votes(panel)),
            slashed=tuple(book.slashed),
            payments=tuple(book.payments),
            model=None if model is None else schema.Model(_hex(model.digest), _cid(model), model.size),
            header=_hex(round_.header),
            parent=_hex(round_.parent),
            base_loss=book.loss,
            leverage=self._leverage(round_),
            accuracy=book.accuracy,
            seconds=dict(book.seconds),
            wall=sum(book.seconds.values()),
        )

    def best(self) -> schema.Best | None:
        """w^f: the model whose loss, told in the round after it, is the least."""
        updates = [r for r in self.view.rounds if r.kind == RoundKind.UPDATE and r.result is not None]
        losses: dict[bytes, tuple[float, int]] = {}
        for round_ in self.view.rounds:
            loss = self._books[round_.number].loss
            made_by = next((r.number for r in updates if r.result == round_.base), None)
            if loss is not None and made_by is not None:
                losses[round_.base.digest] = (loss, made_by)
        if not losses:
            return None
        digests = list(losses)
        digest = digests[best_epoch([losses[d][0] for d in digests])]
        loss, number = losses[digest]
        return schema.Best(round=number, loss=loss, digest=_hex(digest))

    def final_accuracy(self) -> float | None:
        """Of the last global model, where it was measured."""
        measured = [book.accuracy for _, book in sorted(self._books.items()) if book.accuracy is not None]
        return measured[-1].global_ if measured else None

    def _device(self, round_: RoundView, book: RoundBook, enrolment: Enrolment) -> schema.DeviceReport:
        index, made = enrolment.index, book.made.get(enrolment.device)
        commit = round_.commits.get(index)
        status, reason = self._device_status(round_, index)
        return schema.DeviceReport(
            index=index,
            name=self._names[enrolment.device],
            address=_hex(enrolment.device),
            weight=enrolment.weight,
            status=status,
            reason=reason,
            clipped=made.clipped if made else 0,
            samples=self.world.samples[index],
            compute_seconds=(commit.compute_millis if commit else 0) / 1000,
            bytes=commit.update.size if commit else 0,
        )

    def _device_status(self, round_: RoundView, index: int) -> tuple[Any, str]:
        if index not in round_.commits:
            return "missing", "no commit came before the deadline"
        if round_.included is None:
            return "committed", "the round never fixed its included set"
        if round_.included >> index & 1:
            return "included", ""
        reasons = {r.reason for a in self._attestations(round_) for r in a.refused if r.device == index}
        return "excluded", "; ".join(sorted(reasons)) or "fewer than t holders attested it"

    def _attestations(self, round_: RoundView) -> tuple[schema.Attestation, ...]:
        found = {node.state.index: node.state.findings.get(round_.number, {}) for node in self.world.nodes_of("holder")}
        return tuple(
            schema.Attestation(
                holder=i,
                name=f"holder {i}",
                valid=tuple(bits(attestation.mask)),
                refused=tuple(
                    schema.Refused(device=d, reason=reason) for d, reason in sorted(found.get(i, {}).items()) if reason
                ),
            )
            for i, attestation in sorted(round_.attestations.items())
        )

    def _candidates(self, round_: RoundView) -> tuple[schema.Candidate, ...]:
        panel = round_.panels[-1] if round_.panels else None
        return tuple(
            schema.Candidate(
                slot=c.slot,
                edge=self._names[c.edge],
                digest=_hex(c.aggregate.digest) if c.aggregate else "",
                cid=_cid(c.aggregate) if c.aggregate else "",
                status=_judged(c.state, panel, c.slot),
            )
            for c in sorted((*round_.candidates.values(), *round_.displaced), key=lambda c: c.seq)
        )

    def _openings(self, round_: RoundView) -> tuple[schema.Opening, ...]:
        panel = round_.verdict
        return tuple(
            schema.Opening(
                index=o.index,
                poster=self._names[o.poster],
                digest=_hex(o.blob.digest),
                cid=_cid(o.blob),
                status=_called(panel, o.index),
                used=tuple(bits(o.opening.used_shares)),
            )
            for o in round_.openings
        )

    def _votes(self, panel: Panel) -> list[schema.Vote]:
        seats = {seat_of(panel, member): member for member in panel.members}
        votes = []
        for seat in range(panel.size if panel.seed is not None else 0):
            vote = panel.votes.get(seat)
            ballot = vote.ballot if vote else None
            votes.append(
                schema.Vote(
                    attempt=panel.attempt,
                    seat=seat,
                    voter=self._names[seats[seat]],
                    status="revealed" if ballot else "silent",
                    valid=tuple(bits(ballot.valid)) if ballot else (),
                    invalid=tuple(bits(ballot.invalid)) if ballot else (),
                    right=tuple(bits(ballot.right)) if ballot else (),
                    wrong=tuple(bits(ballot.wrong)) if ballot else (),
                )
            )
        return votes

    def _silent_holders(self, round_: RoundView) -> tuple[str, ...]:
        """Those who attested nothing in a round that got as far as attesting."""
        terms = self.world.facts.terms
        if round_.included is None:
            return ()
        return tuple(f"holder {i}" for i in range(terms.key.holders) if i not in round_.attestations)

    def _leverage(self, round_: RoundView) -> float:
        sets = [
            frozenset(bits(r.included or 0))
            for r in self.view.rounds[: round_.number + 1]
            if r.base == round_.base and r.kind == round_.kind and r.shares
        ]
        opened = openable(sets, self.world.facts.terms.cohort.min_devices)
        return float(max(leverages(opened).values())) if opened else 0.0

    def _book_money(self, event: ev.Event) -> None:
        match event:
            case ev.Paid(pot, to, amount, reason):
                round_ = next((r for r in self.view.rounds if r.key == pot), None)
                if round_ is not None:
                    text = reason.rstrip(b"\0").decode(errors="replace")
                    role = PAY_ROLES.get(text, "requester")
                    name = self._names.get(to, _hex(to))
                    self._books[round_.number].payments.append(schema.Payment(name, role, text, amount))
            case ev.MemberSlashed(member=member, case_key=key, amount=amount):
                round_ = next((r for r in self.view.rounds if r.key == key), None)
                if round_ is not None:
                    self._books[round_.number].slashed.append(schema.Slashed(self._names[member], amount))
            case ev.CandidateStruckOut(round=number, edge=edge, slot=slot, by=by, reward=reward):
                book, bond = self._books[number], self.view.rounds[number].candidates[slot].bond
                book.slashed.append(schema.Slashed(self._names.get(edge, _hex(edge)), bond))
                book.payments.append(schema.Payment(self._names.get(by, _hex(by)), "watcher", "proof", reward))
            case ev.BondForfeited(round=number, owner=owner, amount=amount):
                self._books[number].slashed.append(schema.Slashed(self._names[owner], amount))

    def _tell_phase(self) -> None:
        round_ = self.view.round
        if round_ is None or self.view.terms is None:
            return
        phase = round_.phase(self.view.terms, self.world.clock.now())
        now = (round_.number, _phase_name(phase))
        if now != self._phase:
            self._phase = now
            self._listener.on(progress.Phase(*now))


def _phase_name(phase: Phase) -> str:
    return "close" if phase == Phase.CLOSED else phase.name.lower()


def _role(node: Node[Any]) -> Any:
    return node.role


def _judged(state: CandidateState, panel: Panel | None, slot: int) -> Any:
    if state == CandidateState.DISPLACED:
        return "displaced"
    if state == CandidateState.SEALED:
        return "unopened"
    if state == CandidateState.STRUCK:
        return "struck out"
    if panel is not None and panel.quorum.valid >> slot & 1:
        return "valid"
    return "invalid" if panel is not None and panel.quorum.invalid >> slot & 1 else "undecided"


def _called(panel: Panel | None, index: int) -> Any:
    if panel is not None and panel.quorum.right >> index & 1:
        return "right"
    return "wrong" if panel is not None and panel.quorum.wrong >> index & 1 else "undecided"


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _cid(ref: BlobRef) -> str:
    return cid.cid_v1(ref.digest, ref.size)
