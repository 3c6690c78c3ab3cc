"""What `Learning` must answer to each call."""

from __future__ import annotations

from collections.abc import Iterator

from dapp.audit.constants import WINDOWS
from dapp.audit.rules.mining import entitlements, outcome_of
from dapp.audit.rules.registry import rule
from dapp.audit.world import MAX_BATCH, NOTHING, Call, World, address
from dapp.crypto.packing import Encoding
from dapp.crypto.sealed import enrolments_hash, genesis_head, parent_hash, round_key, terms_digest
from dapp.crypto.typed_data import Enrolment, Ticket, UpdateCommit
from dapp.protocol import events as ev
from dapp.protocol.enums import Outcome, RoundKind, SkipReason, Weighting
from dapp.protocol.records import SignedEnrolment, SignedUpdate, Update
from dapp.protocol.terms import MAX_SEATS, Terms
from dapp.protocol.view import DORMANT_AFTER, RoundView
from dapp.types import Address, Round, Wei

IDLE_AFTER = 30 * 24 * 3600
_MAX_WINDOW = 30 * 24 * 3600


@rule("Learning.createTask")
def create_task(world: World, call: Call) -> Iterator[ev.Event]:
    terms = Terms.from_abi(call.args[0])
    for name, holds in bounds(terms).items():
        world.require(holds, f"the terms' {name} is out of bounds")
        world.checks["terms"] += 1
    task_id = world.next_task(call.sender)
    world.require(call.value >= terms.round_budget, "the pot does not cover one round")
    digest = terms_digest(terms.to_abi())
    learning = world.deployment.learning
    yield ev.TaskCreated(task_id, call.sender, digest, terms, contract=learning)
    world.nonces[call.sender] += 1
    world.head, world.created_at = genesis_head(task_id, digest), call.now
    yield world.fund(task_id, learning, call.value)


def bounds(terms: Terms) -> dict[str, bool]:
    """By term, whether it lies within what `Learning` accepts. The shortest window and key that a deployment accepts
    were fixed by its constructor, which no event tells."""
    windows, cohort, learning = terms.windows, terms.cohort, terms.learning
    encoding, key, panel = terms.encoding, terms.key, terms.panel
    total = cohort.max_weight if encoding.weighting == Weighting.EDGE else cohort.max_devices
    packed = Encoding(bits=encoding.bits, clip_nano=encoding.clip, total_weight=total, key_bits=key.bits)
    money, budget = terms.money, terms.round_budget
    return {f"windows.{name}": 1 <= getattr(windows, name) <= _MAX_WINDOW for name in WINDOWS} | {
        "windows.challenge": 0 <= windows.challenge <= _MAX_WINDOW,
        "cohort.admission": any(cohort.admission),
        "cohort.max_devices": 3 <= cohort.max_devices <= 256,
        "cohort.min_devices": 3 <= cohort.min_devices <= cohort.max_devices,
        "cohort.weight_cap": 1 <= cohort.weight_cap <= cohort.max_weight,
        "cohort.max_update_bytes": cohort.max_update_bytes > 0,
        "learning.strategy_digest": any(learning.strategy_digest),
        "learning.model_digest": any(learning.model_digest),
        "learning.max_rounds": learning.max_rounds > 0,
        "encoding.bits": 4 <= encoding.bits <= 32,
        "encoding.clip": encoding.clip > 0,
        "encoding.ciphertexts": encoding.ciphertexts > 0,
        "encoding.slots": 1 <= encoding.slots <= packed.slots,
        "key.digest": any(key.digest),
        "key.holders_root": any(key.holders_root),
        "key.holders": 1 <= key.holders <= 32,
        "key.threshold": key.holders // 2 < key.threshold <= key.holders,
        "panel.seats": 1 <= panel.seats <= MAX_SEATS,
        "panel.accept_bips": 5001 <= panel.accept_bips <= 10_000,
        "money.opening_bond": money.device_pot <= 4 * money.opening_bond and money.opening_bond <= budget,
        "money.edge_bond": money.edge_bond <= budget,
    }


@rule("Learning.enrol")
def enrol(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, weight, ownership, ticket = call.args
    _running(world, task_id)
    world.require(call.sender not in world.view.enrolments, "it is enrolled already")
    world.require(_admitted(world, call.sender, ticket), "the admission key did not sign its ticket")
    world.require(_fits(world, weight), f"a weight of {weight:,} does not fit the terms, or the cohort is full")
    yield from _enrol(world, call.sender, weight, ownership)


@rule("Learning.enrolBySig")
def enrol_by_sig(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, messages = call.args
    _running(world, task_id)
    world.require(len(messages) <= MAX_BATCH, f"a batch of {len(messages)} messages")
    for place, values in enumerate(messages):
        m = SignedEnrolment.from_abi(values)
        reason = None
        if call.now > m.deadline:
            reason = SkipReason.EXPIRED
        elif m.device in world.view.enrolments:
            reason = SkipReason.ALREADY_DONE
        elif not _fits(world, m.weight):
            reason = SkipReason.TOO_LARGE
        else:
            message = Enrolment(world.task_id, m.device, m.weight, m.ownership, m.deadline)
            signer = world.signer(message, world.learning_domain, m.signature, "enrolments")
            if signer != m.device or not _admitted(world, m.device, m.ticket):
                reason = SkipReason.BAD_SIGNATURE
        if reason is not None:
            yield ev.EnrolmentSkipped(world.task_id, place, reason, contract=world.deployment.learning)
        else:
            yield from _enrol(world, m.device, m.weight, m.ownership)


def _running(world: World, task_id: bytes) -> None:
    world.require(task_id == world.task_id and world.view.terms is not None, "it names a task that does not exist")
    world.require(not world.view.ended, "the task has ended")


def _fits(world: World, weight: int) -> bool:
    cohort, enrolments = world.terms.cohort, world.view.enrolments
    total = sum(e.weight for e in enrolments.values()) + weight
    return 1 <= weight <= cohort.weight_cap and total <= cohort.max_weight and len(enrolments) < cohort.max_devices


def _admitted(world: World, device: Address, ticket: bytes) -> bool:
    message = Ticket(world.task_id, device)
    return world.signer(message, world.learning_domain, ticket, "enrolments") == world.terms.cohort.admission


def _enrol(world: World, device: Address, weight: int, ownership: bytes) -> Iterator[ev.Event]:
    index = len(world.view.enrolments)
    yield ev.DeviceEnrolled(world.task_id, device, index, weight, ownership, contract=world.deployment.learning)
    world.enrolments = enrolments_hash(world.enrolments, device, weight, ownership)


@rule("Learning.openRound")
def open_round(world: World, call: Call) -> Iterator[ev.Event]:
    (task_id,) = call.args
    _running(world, task_id)
    view, terms = world.view, world.terms
    last, number, enrolled = view.round, len(view.rounds), len(view.enrolments)
    world.require(last is None or last.outcome != Outcome.OPEN, f"round {number - 1} is not closed")
    world.require(last is None or last.outcome != Outcome.CONVERGED, "the task has converged")
    world.require(number < terms.learning.max_rounds, "no rounds are left")
    world.require(enrolled >= terms.cohort.min_devices, f"only {enrolled} devices are enrolled")
    assert view.model is not None, "a task has a first model"
    gradient = terms.learning.gradient_rounds and view.gradient is None
    budget = terms.round_budget
    yield ev.RoundOpened(
        world.task_id,
        Round(number),
        RoundKind.GRADIENT if gradient else RoundKind.UPDATE,
        enrolled,
        _expected(view.rounds, enrolled),
        view.model.digest,
        view.model.size,
        parent_hash(world.head, world.enrolments, enrolled),
        Wei(budget),
        contract=world.deployment.learning,
    )
    yield world.move(world.task_id, round_key(world.task_id, number), budget)


def _expected(rounds: tuple[RoundView, ...], enrolled: int) -> int:
    """Everybody enrolled, less who was enrolled in each of the last three rounds and committed in none."""
    everybody = (1 << enrolled) - 1
    if len(rounds) < DORMANT_AFTER:
        return everybody
    last = rounds[-DORMANT_AFTER:]
    seen = last[0].committed | last[1].committed | last[2].committed
    return everybody & ~((1 << last[0].enrolled) - 1 & ~seen)


@rule("Learning.commitUpdate")
def commit_update(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, values = call.args
    round_, update = _committing(world, task_id, number), Update.from_abi(values)
    enrolment = world.view.enrolments.get(call.sender)
    world.require(enrolment is not None and enrolment.index < round_.enrolled, "it is not enrolled in this round")
    assert enrolment is not None
    world.require(enrolment.index not in round_.commits, "it has committed already")
    world.require(
        update.size <= world.terms.cohort.max_update_bytes, f"its update of {update.size:,} bytes is too large"
    )
    yield _committed(world, number, call.sender, update)


@rule("Learning.commitUpdates")
def commit_updates(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, messages = call.args
    world.require(len(messages) <= MAX_BATCH, f"a batch of {len(messages)} messages")
    round_ = _committing(world, task_id, number)
    for place, values in enumerate(messages):
        m = SignedUpdate.from_abi(values)
        enrolment = world.view.enrolments.get(m.device)
        reason = None
        if call.now > m.deadline:
            reason = SkipReason.EXPIRED
        elif enrolment is None or enrolment.index >= round_.enrolled:
            reason = SkipReason.NOT_ENROLLED
        elif enrolment.index in world.view.rounds[number].commits:
            reason = SkipReason.ALREADY_DONE
        elif m.update.size > world.terms.cohort.max_update_bytes:
            reason = SkipReason.TOO_LARGE
        else:
            u = m.update
            message = UpdateCommit(
                world.task_id, number, m.device, u.digest, u.size, u.root, u.compute_millis, m.deadline
            )
            if world.signer(message, world.learning_domain, m.signature, "commits") != m.device:
                reason = SkipReason.BAD_SIGNATURE
        if reason is not None or enrolment is None:
            assert reason is not None
            learning = world.deployment.learning
            yield ev.UpdateSkipped(world.task_id, Round(number), place, reason, contract=learning)
        else:
            yield _committed(world, number, m.device, m.update)
            if m.device != call.sender:
                world.relayed["Learning", round_.key, call.sender] |= 1 << enrolment.index


def _committing(world: World, task_id: bytes, number: int) -> RoundView:
    round_ = world.round(task_id, number)
    world.require(world.now < round_.deadlines(world.terms).commit_end, "the commit phase was over")
    return round_


def _committed(world: World, number: int, device: Address, update: Update) -> ev.Event:
    assert world.call is not None
    return ev.UpdateCommitted(
        world.task_id,
        Round(number),
        device,
        update.digest,
        update.size,
        update.root,
        update.compute_millis,
        world.call.sender,
        contract=world.deployment.learning,
    )


@rule("Learning.closeRound")
def close_round(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number = call.args
    round_ = world.round(task_id, number)
    world.require(round_.outcome == Outcome.OPEN, "it was closed already")
    said = outcome_of(world, round_)
    digest, size = (said.result.digest, said.result.size) if said.result else (NOTHING, 0)
    learning, money = world.deployment.learning, world.terms.money
    yield ev.RoundClosed(world.task_id, Round(number), said.outcome, digest, size, said.header, contract=learning)
    world.head = said.header
    yield from world.pay(round_.key, call.sender, money.bounty, "close")
    round_ = world.view.rounds[number]
    owed = entitlements(world, round_)
    if round_.openings:
        relayed = sum(1 for c in round_.included_commits if c.relay != c.device)
        owed += money.device_pot + money.relay_pay * relayed
    if world.pots[round_.key] > owed:
        yield world.move(round_.key, world.task_id, world.pots[round_.key] - owed)


def _closed(world: World, task_id: bytes, number: int) -> RoundView:
    """A round that a claim names: it must be closed."""
    round_ = world.round(task_id, number)
    world.require(round_.outcome != Outcome.OPEN, "the round is not closed")
    return round_


@rule("Learning.claimDevicePayFor")
def claim_device_pay(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, device = call.args[0], call.args[1], address(call.args[2])
    round_ = _closed(world, task_id, number)
    enrolment = world.view.enrolments.get(device)
    included = round_.included or 0
    world.require(
        bool(round_.openings) and enrolment is not None and bool(included >> enrolment.index & 1),
        f"device 0x{device.hex()} has no pay to claim",
    )
    assert enrolment is not None
    claim = ("device", number, device)
    world.require(claim not in world.claimed, f"device 0x{device.hex()} was paid already")
    world.claimed.add(claim)
    pot = world.terms.money.device_pot
    amount = pot * enrolment.weight // round_.total_weight
    world.device_pay[number] += amount
    yield ev.DevicePaid(world.task_id, Round(number), device, Wei(amount), contract=world.deployment.learning)
    yield from world.pay(round_.key, device, amount, "device")
    if all(("device", number, c.device) in world.claimed for c in round_.included_commits):
        yield from world.pay(round_.key, world.view.requester, pot - world.device_pay[number], "dust")


@rule("Learning.claimRelayPayFor")
def claim_relay_pay(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, relay = call.args[0], call.args[1], address(call.args[2])
    round_ = _closed(world, task_id, number)
    brought = world.relayed.pop(("Learning", round_.key, relay), 0) & (round_.included or 0)
    world.require(bool(round_.openings) and brought != 0, f"relay 0x{relay.hex()} has no pay to claim")
    amount = world.terms.money.relay_pay * brought.bit_count()
    yield ev.RelayPaid(world.task_id, Round(number), relay, Wei(amount), contract=world.deployment.learning)
    yield from world.pay(round_.key, relay, amount, "relay")


@rule("Learning.endTask")
def end_task(world: World, call: Call) -> Iterator[ev.Event]:
    (task_id,) = call.args
    _running(world, task_id)
    last, terms = world.view.round, world.terms
    world.require(last is None or last.outcome != Outcome.OPEN, "its last round is not closed")
    moved_at = last.closed_at if last else world.created_at
    over = last is not None and (
        last.outcome == Outcome.CONVERGED or len(world.view.rounds) == terms.learning.max_rounds
    )
    over = over or call.sender == world.view.requester
    world.require(over or call.now >= moved_at + IDLE_AFTER, "the task was not over")
    assert world.view.model is not None
    refund = world.pots[world.task_id]
    yield ev.TaskEnded(world.task_id, world.view.model.digest, Wei(refund), contract=world.deployment.learning)
    yield from world.pay(world.task_id, world.view.requester, refund, "refund")
