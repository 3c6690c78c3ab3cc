"""What happened in a run, for reading: the facts that ``verify`` checks, out of the events alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from dapp.audit.folder import RunFolder, read_run
from dapp.audit.replay import replay
from dapp.audit.rules.mining import quorum_of, winner
from dapp.audit.rules.verification import member_on
from dapp.audit.world import World, bonds_pot
from dapp.crypto.cid import cid_v1
from dapp.protocol import events as ev
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import Outcome, RoundKind, Status
from dapp.protocol.terms import Terms
from dapp.protocol.view import Enrolment, Panel, RoundView, bits
from dapp.types import Address


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob by its names; ``held``: whether the run's store has a file of that name and size."""

    cid: str
    digest: bytes
    size: int
    held: bool


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device in a round. ``status``: included, excluded (by the holders), committed (no set was fixed) or missing."""

    index: int
    address: Address
    weight: int
    status: str
    update: BlobFacts | None


@dataclass(frozen=True, slots=True)
class AttestationFacts:
    """The devices whose updates a holder found valid."""

    holder: int
    valid: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CandidateFacts:
    """An edge's claim of the encrypted sum, in the order of the seals; ``verdict``: valid, invalid, or nothing."""

    slot: int
    edge: str
    state: str
    aggregate: BlobFacts | None
    header: bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class ShareFacts:
    """A holder's share; ``used`` by the opening that closed the round."""

    holder: int
    blob: BlobFacts
    used: bool


@dataclass(frozen=True, slots=True)
class OpeningFacts:
    """A claim of what the sum decrypts to; ``verdict``: right, wrong, or nothing."""

    index: int
    poster: str
    blob: BlobFacts
    model: BlobFacts | None
    used_shares: tuple[int, ...]
    converged: bool
    overflow: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class SeatFacts:
    """A seat of a panel. ``ballot``: slots and indices by what was said of them; None where nothing was revealed."""

    seat: int
    voter: str
    ballot: Mapping[str, tuple[int, ...]] | None
    slashed: bool


@dataclass(frozen=True, slots=True)
class PanelFacts:
    """One attempt of a round's vote. ``seed_block``: the block whose header gave the seed."""

    attempt: int
    eligible: int
    seed_block: int
    seed: int | None
    status: Status
    seats: tuple[SeatFacts, ...]


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """Money that left a round's pots, in wei."""

    to: str
    reason: str
    wei: int


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """A round. ``opened_at``, ``closed_at`` in chain seconds, 0 while open; ``result``: its model, or its gradient."""

    number: int
    kind: RoundKind
    outcome: Outcome
    opened_at: int
    closed_at: int
    base: BlobFacts
    parent: bytes
    devices: tuple[DeviceFacts, ...]
    attestations: tuple[AttestationFacts, ...]
    included: tuple[int, ...]
    total_weight: int
    candidates: tuple[CandidateFacts, ...]
    shares: tuple[ShareFacts, ...]
    openings: tuple[OpeningFacts, ...]
    panels: tuple[PanelFacts, ...]
    header: bytes
    result: BlobFacts | None
    payments: tuple[PaymentFacts, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A task with its rounds. ``credits``: what the escrow still owes to whom of it, for whatever
    task, in wei."""

    chain_id: int
    contracts: Mapping[str, Address]
    task_id: bytes
    requester: Address
    terms_digest: bytes
    terms: Terms
    strategy: BlobFacts
    key: BlobFacts
    cohort: tuple[Enrolment, ...]
    verifiers: tuple[Address, ...]
    rounds: tuple[RoundFacts, ...]
    model: BlobFacts
    ended: bool
    credits: Mapping[str, int]

    def to_json(self) -> str:
        """As JSON: bytes in 0x-prefixed hex, enumerations by name."""
        return json.dumps(_plain(asdict(self)), indent=2, ensure_ascii=False) + "\n"


def inspect(run: Path | RunFolder, *, task: str | None = None) -> Inspection:
    """Reads what happened in a run. The events are replayed first, so that only what they can mean is shown.

    Args:
        run: its folder, or what was read of it.
        task: how the task's id begins; needed where several share the contracts.

    Raises:
        AuditError: the events lie.
        BlobError: the folder is no run's.
        SettingsError: no task, or more than one, has such an id.
    """
    read = read_run(run) if isinstance(run, Path) else run
    return _Reader(read, replay(read.facts, task)).inspection()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return value.name if isinstance(value, Enum) else value


class _Reader:
    """Puts a replayed run into the words of an inspection."""

    def __init__(self, run: RunFolder, world: World) -> None:
        self._run, self._world = run, world
        sealed = (e for e in run.facts.events() if isinstance(e, ev.AggregateSealed))
        edges = dict.fromkeys(e.edge for e in sealed if e.task_id == world.task_id)
        verifiers = dict.fromkeys(e.member for e in run.facts.events() if isinstance(e, ev.MemberJoined))
        self._verifiers = tuple(verifiers)
        self._names = {who: f"verifier {i}" for i, who in enumerate(verifiers)}
        self._names |= {who: f"edge {i}" for i, who in enumerate(edges)}
        self._names |= {e.device: f"device {e.index}" for e in world.view.enrolments.values()}
        self._names[world.view.requester] = "requester"

    def inspection(self) -> Inspection:
        world, view, terms = self._world, self._world.view, self._world.terms
        assert view.model is not None, "a task has a first model"
        learning, key = terms.learning, terms.key
        return Inspection(
            chain_id=world.deployment.chain_id,
            contracts=world.deployment.addresses(),
            task_id=view.task_id,
            requester=view.requester,
            terms_digest=view.terms_digest,
            terms=terms,
            strategy=self._blob(BlobRef(learning.strategy_digest, learning.strategy_size)),
            key=self._blob(BlobRef(key.digest, key.size)),
            cohort=view.by_index,
            verifiers=self._verifiers,
            rounds=tuple(self._round(round_) for round_ in view.rounds),
            model=self._blob(view.model),
            ended=view.ended,
            credits={self._names[who]: wei for who, wei in world.credits.items() if wei and who in self._names},
        )

    def _name(self, who: Address) -> str:
        return self._names.get(who, f"0x{who.hex()}")

    def _blob(self, ref: BlobRef) -> BlobFacts:
        held = self._run.store.has(ref.digest, ref.size)
        return BlobFacts(cid_v1(ref.digest, ref.size), ref.digest, ref.size, held)

    def _round(self, round_: RoundView) -> RoundFacts:
        quorum, won = quorum_of(self._world, round_), winner(self._world, round_)
        used = won[1].opening.used_shares if won else 0
        candidates = sorted((*round_.candidates.values(), *round_.displaced), key=lambda c: c.seq)
        return RoundFacts(
            number=round_.number,
            kind=round_.kind,
            outcome=round_.outcome,
            opened_at=round_.opened_at,
            closed_at=round_.closed_at,
            base=self._blob(round_.base),
            parent=round_.parent,
            devices=tuple(self._device(round_, e) for e in self._world.view.by_index[: round_.enrolled]),
            attestations=tuple(
                AttestationFacts(holder, tuple(bits(a.mask))) for holder, a in sorted(round_.attestations.items())
            ),
            included=tuple(bits(round_.included or 0)),
            total_weight=round_.total_weight,
            candidates=tuple(
                CandidateFacts(
                    slot=c.slot,
                    edge=self._name(c.edge),
                    state=c.state.name.lower(),
                    aggregate=self._blob(c.aggregate) if c.aggregate else None,
                    header=c.header,
                    verdict=_verdict(c.slot, valid=quorum.valid, invalid=quorum.invalid) if c.aggregate else "",
                )
                for c in candidates
            ),
            shares=tuple(
                ShareFacts(holder, self._blob(s.blob), bool(used >> holder & 1))
                for holder, s in sorted(round_.shares.items())
            ),
            openings=tuple(
                OpeningFacts(
                    index=o.index,
                    poster=self._name(o.poster),
                    blob=self._blob(o.blob),
                    model=None if o.opening.overflow else self._blob(o.model),
                    used_shares=tuple(bits(o.opening.used_shares)),
                    converged=o.opening.converged,
                    overflow=o.opening.overflow,
                    verdict=_verdict(o.index, right=quorum.right, wrong=quorum.wrong),
                )
                for o in round_.openings
            ),
            panels=tuple(self._panel(panel) for panel in round_.panels),
            header=round_.header,
            result=self._blob(round_.result) if round_.result else None,
            payments=tuple(self._payments(round_)),
        )

    def _device(self, round_: RoundView, enrolment: Enrolment) -> DeviceFacts:
        index = enrolment.index
        commit = round_.commits.get(index)
        status = "missing"
        if commit is not None and round_.included is None:
            status = "committed"
        elif commit is not None:
            status = "included" if (round_.included or 0) >> index & 1 else "excluded"
        update = self._blob(commit.update) if commit else None
        return DeviceFacts(index, enrolment.device, enrolment.weight, status, update)

    def _panel(self, panel: Panel) -> PanelFacts:
        seats = range(panel.size if panel.seed is not None else 0)
        return PanelFacts(
            attempt=panel.attempt,
            eligible=len(panel.members),
            seed_block=panel.seed_block,
            seed=panel.seed,
            status=panel.settled or Status.NONE,
            seats=tuple(self._seat(panel, seat) for seat in seats),
        )

    def _seat(self, panel: Panel, seat: int) -> SeatFacts:
        vote = panel.votes.get(seat)
        ballot = None
        if vote is not None and vote.ballot is not None:
            ballot = {name: tuple(bits(getattr(vote.ballot, name))) for name in ("valid", "invalid", "right", "wrong")}
        return SeatFacts(seat, self._name(member_on(panel, seat)), ballot, seat in panel.slashed)

    def _payments(self, round_: RoundView) -> Iterator[PaymentFacts]:
        pots = (round_.key, bonds_pot(round_))
        for event in self._run.facts.events():
            if isinstance(event, ev.Paid) and event.pot in pots:
                reason = event.reason.rstrip(b"\0").decode(errors="replace")
                yield PaymentFacts(self._name(event.to), reason, event.amount)


def _verdict(place: int, **masks: int) -> str:
    return next((name for name, mask in masks.items() if mask >> place & 1), "")


def render(inspection: Inspection) -> str:
    """The inspection as plain text for a terminal."""
    i, terms = inspection, inspection.terms
    lines = [
        f"task 0x{i.task_id.hex()} on chain {i.chain_id}, {'ended' if i.ended else 'not ended'}",
        f"  terms      0x{i.terms_digest.hex()}",
        f"  key        {terms.key.bits} bits, {terms.key.threshold} of {terms.key.holders} holders, {_shown(i.key)}",
        f"  cohort     {len(i.cohort)} devices, weights {', '.join(str(e.weight) for e in i.cohort)}",
        f"  verifiers  {len(i.verifiers)}, of whom {terms.panel.seats} are drawn",
    ]
    for round_ in i.rounds:
        lines += ["", *_round_lines(round_)]
    lines += ["", f"last model {_shown(i.model)}"]
    lines += [f"still owed to {who}: {wei:,} wei" for who, wei in i.credits.items()]
    return "\n".join(lines) + "\n"


def _round_lines(r: RoundFacts) -> Iterator[str]:
    yield f"round {r.number}: {r.kind.name.lower()}, {r.outcome.name.lower().replace('_', ' ')}"
    yield f"  parent     0x{r.parent.hex()}"
    for status in ("included", "excluded", "committed", "missing"):
        if some := [str(d.index) for d in r.devices if d.status == status]:
            weight = f", S = {r.total_weight:,}" if status == "included" else ""
            yield f"  {status:10} {', '.join(some)}{weight}"
    for d in r.devices:
        if d.update:
            yield f"    device {d.index}: update {_shown(d.update)}"
    for a in r.attestations:
        yield f"  holder {a.holder} attests {', '.join(map(str, a.valid)) or 'nothing'}"
    for c in r.candidates:
        yield f"  candidate {c.slot} of {c.edge}: {c.verdict or c.state}" + (
            f", {_shown(c.aggregate)}" if c.aggregate else ""
        )
    for s in r.shares:
        yield f"  share of holder {s.holder}{', used' if s.used else ''}: {_shown(s.blob)}"
    for o in r.openings:
        flags = " converged" * o.converged + " overflow" * o.overflow
        yield f"  opening {o.index} of {o.poster}: {o.verdict or 'not judged'}{flags}, {_shown(o.blob)}"
    for p in r.panels:
        drawn = f"drawn from {p.eligible} by block {p.seed_block}"
        yield f"  panel {p.attempt}, {drawn}: {p.status.name.lower()}"
        for seat in p.seats:
            ballot = "silent" + ", slashed" * seat.slashed
            if seat.ballot is not None:
                said = [f"{name} {', '.join(map(str, places))}" for name, places in seat.ballot.items() if places]
                ballot = "; ".join(said) or "says nothing"
            yield f"    seat {seat.seat}, {seat.voter}: {ballot}"
    if r.result:
        yield f"  result     {_shown(r.result)}"
    yield f"  header     {'0x' + r.header.hex() if r.header else 'none yet'}"
    alike: dict[tuple[str, int], list[str]] = {}
    for payment in r.payments:
        alike.setdefault((payment.reason, payment.wei), []).append(payment.to)
    for (reason, wei), owners in alike.items():
        yield f"  paid {wei:,} wei ({reason}) to {', '.join(owners)}"


def _shown(blob: BlobFacts) -> str:
    return f"{blob.cid} ({blob.size:,} bytes{'' if blob.held else ', not in the store'})"
