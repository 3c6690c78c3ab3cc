"""What `Mining` must answer to each call, and what a round's verdict means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dapp.audit.rules.registry import rule
from dapp.audit.world import BURNT, MAX_BATCH, NOTHING, Call, World, address, bonds_pot
from dapp.crypto import merkle
from dapp.crypto.sealed import aggregate_seal, candidate_header, closing_header, failed_header
from dapp.crypto.typed_data import Attestation, ShareCommit
from dapp.protocol import events as ev
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import CandidateState, Outcome, Phase, RoundKind, SkipReason, Status
from dapp.protocol.records import Aggregate, Ballot, Opening, SignedAttestation, SignedShare
from dapp.protocol.view import Candidate, Posted, RoundView
from dapp.protocol.work import CONVERGED, OVERFLOW
from dapp.types import Address, Digest, Round, Wei

MAX_CANDIDATES = 8
MAX_OPENINGS = 4
WON = (Outcome.ACCEPTED, Outcome.CONVERGED, Outcome.OVERFLOW)


def _during(world: World, task_id: bytes, number: int, phase: Phase) -> RoundView:
    round_ = world.round(task_id, number)
    actual = round_.phase(world.terms, world.now)
    world.require(actual == phase, f"at that time the round was in phase {actual.name}, not {phase.name}")
    return round_


def _is_holder(world: World, holder: int, who: Address, branch: Sequence[bytes]) -> bool:
    """Whether an address is a key holder; shown by a Merkle branch the first time, remembered from then on."""
    key = world.terms.key
    if holder >= key.holders:
        return False
    if holder in world.holders:
        return world.holders[holder] == who
    if not merkle.verify(merkle.holder_leaf(holder, who), branch, key.holders_root):
        return False
    world.holders[holder] = who
    world.checks["terms"] += 1
    return True


# The included set


@rule("Mining.attest")
def attest(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, holder, mask, branch = call.args
    round_ = _during(world, task_id, number, Phase.PUBLISH)
    world.require(_is_holder(world, holder, call.sender, branch), f"it is not holder {holder}")
    world.require(holder not in round_.attestations, f"holder {holder} has attested already")
    world.require(not mask & ~round_.committed, "it marks devices that did not commit")
    yield _attested(world, number, call.sender, holder, mask)


@rule("Mining.attestBySig")
def attest_by_sig(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, messages = call.args
    world.require(len(messages) <= MAX_BATCH, f"a batch of {len(messages)} messages")
    round_ = _during(world, task_id, number, Phase.PUBLISH)
    for place, values in enumerate(messages):
        m = SignedAttestation.from_abi(values)
        signer, reason = None, None
        if call.now > m.deadline:
            reason = SkipReason.EXPIRED
        elif m.holder >= world.terms.key.holders:
            reason = SkipReason.NOT_ENROLLED
        elif m.holder in world.view.rounds[number].attestations:
            reason = SkipReason.ALREADY_DONE
        elif m.mask & ~round_.committed:
            reason = SkipReason.TOO_LARGE
        else:
            message = Attestation(world.task_id, number, m.holder, m.mask, m.deadline)
            signer = world.signer(message, world.mining_domain, m.signature, "attestations")
            if signer is None or not _is_holder(world, m.holder, signer, m.branch):
                reason = SkipReason.BAD_SIGNATURE
        if reason is not None or signer is None:
            yield _skipped(world, number, place, reason or SkipReason.BAD_SIGNATURE)
        else:
            yield _attested(world, number, signer, m.holder, m.mask)
            _count_relayed(world, round_, signer, 1 << m.holder)


def _attested(world: World, number: int, who: Address, holder: int, mask: int) -> ev.Event:
    assert world.call is not None
    mining, relay = world.deployment.mining, world.call.sender
    return ev.UpdatesAttested(world.task_id, Round(number), who, holder, mask, relay, contract=mining)


def _skipped(world: World, number: int, place: int, reason: SkipReason) -> ev.Event:
    return ev.MessageSkipped(world.task_id, Round(number), place, reason, contract=world.deployment.mining)


def _count_relayed(world: World, round_: RoundView, signer: Address, bit: int) -> None:
    """Attestations in the low 32 bits, shares in the next 32; who relays its own message earns nothing by it."""
    assert world.call is not None
    if signer != world.call.sender:
        world.relayed["Mining", round_.key, world.call.sender] |= bit


@rule("Mining.fixIncluded")
def fix_included(world: World, call: Call) -> Iterator[ev.Event]:
    round_ = _sealing(world, call.args[0], call.args[1])
    world.require(round_.included is None, "the included set is fixed already")
    yield _fixed(world, round_)
    yield from world.pay(round_.key, call.sender, world.terms.money.bounty, "include")


def _sealing(world: World, task_id: bytes, number: int) -> RoundView:
    round_ = world.round(task_id, number)
    ends, least = round_.deadlines(world.terms), world.terms.cohort.min_devices
    during = ends.publish_end <= world.now < ends.seal_end
    world.require(round_.outcome == Outcome.OPEN and during, "at that time nothing could be sealed")
    world.require(len(round_.commits) >= least, f"fewer than {least} devices committed")
    return round_


def _fixed(world: World, round_: RoundView) -> ev.Event:
    """The included set: who was marked by at least t holders, and S = Σ s_k over it."""
    assert world.call is not None
    mask, least = round_.marked(world.terms), world.terms.cohort.min_devices
    world.require(mask.bit_count() >= least, f"fewer than {least} devices are included")
    total = sum(e.weight for e in world.view.enrolments.values() if mask >> e.index & 1)
    by, mining = world.call.sender, world.deployment.mining
    return ev.SetIncluded(world.task_id, round_.number, mask, mask.bit_count(), total, by, contract=mining)


# Candidates


@rule("Mining.sealAggregate")
def seal_aggregate(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, seal = call.args
    round_ = _sealing(world, task_id, number)
    money, mining, pot = world.terms.money, world.deployment.mining, bonds_pot(round_)
    fixing = round_.included is None
    if fixing:
        yield _fixed(world, round_)
    needed, slot, displaced = int(money.edge_bond), len(round_.candidates), None
    if slot == MAX_CANDIDATES:
        displaced = min(round_.candidates.values(), key=lambda c: (c.bond, -c.seq))
        slot, needed = displaced.slot, max(needed, 2 * displaced.bond, 1)
    world.require(call.value >= needed, f"its bond of {call.value:,} wei is less than {needed:,}")
    if displaced is not None:
        yield ev.CandidateDisplaced(task_id, round_.number, displaced.edge, slot, displaced.seq, contract=mining)
        yield ev.BondReleased(task_id, round_.number, displaced.edge, False, slot, displaced.bond, contract=mining)
    seq = len(round_.candidates) + len(round_.displaced)
    yield ev.AggregateSealed(task_id, round_.number, call.sender, slot, seq, seal, call.value, contract=mining)
    if fixing:
        yield from world.pay(round_.key, call.sender, money.bounty, "include")
    if displaced is not None:
        yield from world.pay(pot, displaced.edge, displaced.bond, "bond")
    yield world.fund(pot, mining, call.value)


@rule("Mining.openAggregate")
def open_aggregate(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, slot, values, salt = call.args
    round_ = _during(world, task_id, number, Phase.OPEN)
    candidate, a = round_.candidates.get(slot), Aggregate.from_abi(values)
    world.require(candidate is not None, f"there is no candidate {slot}")
    assert candidate is not None
    world.require(candidate.state == CandidateState.SEALED, f"candidate {slot} is open already")
    world.require(candidate.edge == call.sender, f"candidate {slot} is another edge's")
    world.require(a.size <= world.terms.cohort.max_update_bytes, f"its aggregate of {a.size:,} bytes is too large")
    place = world.deployment.chain_id, world.deployment.mining, world.task_id, number, call.sender
    seal = aggregate_seal(*place, a.digest, a.size, a.root, a.nonce, salt)
    world.require(seal == candidate.seal, f"candidate {slot} is not what was sealed")
    header = candidate_header(
        parent=round_.parent,
        task_id=world.task_id,
        round=number,
        kind=round_.kind,
        included=round_.included or 0,
        total_weight=round_.total_weight,
        digest=a.digest,
        size=a.size,
        root=a.root,
        edge=call.sender,
        beta=world.terms.mining.beta,
        nonce=a.nonce,
    )
    target = world.terms.mining.pow_target
    world.require(not target or int.from_bytes(header, "big") <= target, "its header shows too little work")
    world.checks["headers"] += 1
    yield ev.AggregateOpened(
        world.task_id,
        round_.number,
        call.sender,
        slot,
        a.digest,
        a.size,
        a.root,
        a.nonce,
        header,
        contract=world.deployment.mining,
    )


# Shares and openings


def _sharing(world: World, task_id: bytes, number: int) -> RoundView:
    round_ = world.round(task_id, number)
    phase = round_.phase(world.terms, world.now)
    world.require(round_.takes_shares(world.terms, world.now), f"no share was due any more: phase {phase.name}")
    return round_


@rule("Mining.postShare")
def post_share(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, holder, digest, size, branch = call.args
    round_ = _sharing(world, task_id, number)
    world.require(_is_holder(world, holder, call.sender, branch), f"it is not holder {holder}")
    world.require(holder not in round_.shares, f"holder {holder} has shared already")
    world.require(size <= world.terms.cohort.max_update_bytes, f"its share of {size:,} bytes is too large")
    yield _shared(world, number, call.sender, holder, digest, size)


@rule("Mining.postSharesBySig")
def post_shares_by_sig(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, messages = call.args
    world.require(len(messages) <= MAX_BATCH, f"a batch of {len(messages)} messages")
    round_ = _sharing(world, task_id, number)
    for place, values in enumerate(messages):
        m = SignedShare.from_abi(values)
        signer, reason = None, None
        if call.now > m.deadline:
            reason = SkipReason.EXPIRED
        elif m.holder >= world.terms.key.holders:
            reason = SkipReason.NOT_ENROLLED
        elif m.holder in world.view.rounds[number].shares:
            reason = SkipReason.ALREADY_DONE
        elif m.size > world.terms.cohort.max_update_bytes:
            reason = SkipReason.TOO_LARGE
        else:
            message = ShareCommit(world.task_id, number, m.holder, m.digest, m.size, m.deadline)
            signer = world.signer(message, world.mining_domain, m.signature, "shares")
            if signer is None or not _is_holder(world, m.holder, signer, m.branch):
                reason = SkipReason.BAD_SIGNATURE
        if reason is not None or signer is None:
            yield _skipped(world, number, place, reason or SkipReason.BAD_SIGNATURE)
        else:
            yield _shared(world, number, signer, m.holder, m.digest, m.size)
            _count_relayed(world, round_, signer, 1 << 32 + m.holder)


def _shared(world: World, number: int, who: Address, holder: int, digest: bytes, size: int) -> ev.Event:
    assert world.call is not None
    mining, relay = world.deployment.mining, world.call.sender
    return ev.SharePosted(world.task_id, Round(number), who, holder, Digest(digest), size, relay, contract=mining)


@rule("Mining.postOpening")
def post_opening(world: World, call: Call) -> Iterator[ev.Event]:
    task_id, number, values = call.args
    round_, opening, terms = world.round(task_id, number), Opening.from_abi(values), world.terms
    phase = round_.phase(terms, call.now)
    world.require(phase in (Phase.SHARE, Phase.OPENING), f"at that time the round was in phase {phase.name}")
    since, threshold = round_.threshold_shared_at, terms.key.threshold
    world.require(since != 0, f"fewer than {threshold} shares were posted")
    world.require(len(round_.openings) < MAX_OPENINGS, f"{MAX_OPENINGS} openings were posted already")
    first = not round_.openings and call.now < since + terms.windows.opening // 2
    owns = any(c.edge == call.sender for c in round_.opened_candidates)
    world.require(owns or not first, "only the edge of an opened candidate may open so early")
    posted = sum(1 << holder for holder in round_.shares)
    world.require(not opening.used_shares & ~posted, "it uses shares that were not posted")
    world.require(opening.used_shares.bit_count() >= threshold, f"it uses fewer than {threshold} shares")
    world.require(opening.size <= terms.cohort.max_update_bytes, f"an opening of {opening.size:,} bytes is too large")
    overflow = opening.flags == OVERFLOW
    fits = opening.flags <= OVERFLOW and not (opening.flags == CONVERGED and round_.kind == RoundKind.GRADIENT)
    fits &= overflow == (not any(opening.model_digest)) and not (overflow and opening.model_size)
    world.require(fits, f"flags {opening.flags} do not fit what it opens")
    world.require(call.value >= terms.money.opening_bond, f"its bond of {call.value:,} wei is too small")
    index, mining = len(round_.openings), world.deployment.mining
    yield ev.OpeningPosted(world.task_id, round_.number, call.sender, index, call.value, opening, contract=mining)
    yield world.fund(bonds_pot(round_), mining, call.value)


# What the verdict means


@dataclass(frozen=True, slots=True)
class Ending:
    """How a round ends, and what it leaves."""

    outcome: Outcome
    header: bytes
    result: BlobRef | None


def quorum_of(world: World, round_: RoundView) -> Ballot:
    """What the last attempt's quorum says; nothing where none was settled."""
    verdict = world.verdict(round_)
    return verdict[1] if verdict else Ballot(0, 0, 0, 0)


def winner(world: World, round_: RoundView) -> tuple[Candidate, Posted] | None:
    """The first candidate in seal order that was called valid, with the first opening that was called right."""
    quorum = quorum_of(world, round_)
    candidate = next((c for c in round_.opened_candidates if quorum.valid >> c.slot & 1), None)
    opening = next((o for o in round_.openings if quorum.right >> o.index & 1), None)
    return (candidate, opening) if candidate and opening else None


def outcome_of(world: World, round_: RoundView) -> Ending:
    """How a round ends now.

    Raises:
        AuditError: nothing is decided yet.
    """
    phase = round_.phase(world.terms, world.now)
    world.require(phase == Phase.VOTE, f"at that time the round was in phase {phase.name}")
    if not round_.opened_candidates and world.last_attempt(round_) is None:
        few = round_.too_few(world.terms, world.now)
        return _failed(world, round_, Outcome.TOO_FEW if few else Outcome.NOT_OPENED)
    verdict = world.verdict(round_)
    status = verdict[0] if verdict else Status.NONE
    world.require(status in (Status.DECIDED, Status.ABANDONED), "the panel had not decided")
    if status == Status.ABANDONED:
        return _failed(world, round_, Outcome.ABANDONED)
    won = winner(world, round_)
    if won is None:
        return _failed(world, round_, Outcome.NOT_OPENED)
    candidate, posted = won
    outcome = {OVERFLOW: Outcome.OVERFLOW, CONVERGED: Outcome.CONVERGED}.get(posted.opening.flags, Outcome.ACCEPTED)
    result = None if outcome == Outcome.OVERFLOW else posted.model
    digest = result.digest if result else NOTHING
    return Ending(outcome, closing_header(candidate.header, outcome, posted.opening.digest, digest), result)


def _failed(world: World, round_: RoundView, outcome: Outcome) -> Ending:
    return Ending(outcome, failed_header(round_.parent, world.task_id, round_.number, outcome), None)


def rewarded_shares(world: World, round_: RoundView) -> int:
    """Bitmap of the holders to pay: of the right opening, or, where nothing could be decided, of the first."""
    if round_.outcome in WON:
        won = winner(world, round_)
        return won[1].opening.used_shares if won else 0
    abandoned = round_.outcome == Outcome.ABANDONED and bool(round_.openings)
    return round_.openings[0].opening.used_shares if abandoned else 0


def entitlements(world: World, round_: RoundView) -> int:
    """What a round that closes now still owes to edge, opener, holders, their relays and the voters, in wei."""
    money = world.terms.money
    reveals = sum(1 for p in round_.panels for v in p.votes.values() if v.ballot is not None)
    claims = sum(1 for claim in world.claimed if claim[:2] == ("voter", round_.number))
    owed = money.voter_pay * (reveals - claims)
    if round_.openings:
        relayed = sum(1 for a in round_.attestations.values() if a.relay != a.who)
        relayed += sum(1 for s in round_.shares.values() if s.relay != s.who)
        owed += money.relay_pay * relayed
    if round_.outcome in WON:
        owed += money.edge_pay + money.bounty
    return owed + money.holder_pay * rewarded_shares(world, round_).bit_count()


# Bonds and pay


def _closed(world: World, call: Call) -> RoundView:
    round_ = world.round(call.args[0], call.args[1])
    world.require(round_.outcome != Outcome.OPEN, "the round is not closed")
    return round_


def _claim(world: World, *claim: object) -> None:
    world.require(claim not in world.claimed, "it was claimed already")
    world.claimed.add(claim)


@rule("Mining.settleCandidateBond")
def settle_candidate_bond(world: World, call: Call) -> Iterator[ev.Event]:
    round_, slot = _closed(world, call), call.args[2]
    candidate = round_.candidates.get(slot)
    world.require(candidate is not None, f"there is no candidate {slot}")
    assert candidate is not None
    world.require(candidate.state != CandidateState.STRUCK, f"candidate {slot} was struck out, its bond is gone")
    _claim(world, "candidate's bond", round_.number, slot)
    unopened = candidate.state == CandidateState.SEALED
    forfeit = unopened or bool(quorum_of(world, round_).invalid >> slot & 1)
    yield from _settle_bond(world, round_, candidate.edge, False, slot, candidate.bond, forfeit)


@rule("Mining.settleOpeningBond")
def settle_opening_bond(world: World, call: Call) -> Iterator[ev.Event]:
    round_, index = _closed(world, call), call.args[2]
    world.require(index < len(round_.openings), f"there is no opening {index}")
    posted = round_.openings[index]
    _claim(world, "opening's bond", round_.number, index)
    forfeit = bool(quorum_of(world, round_).wrong >> index & 1)
    yield from _settle_bond(world, round_, posted.poster, True, index, posted.bond, forfeit)


def _settle_bond(
    world: World, round_: RoundView, owner: Address, of_opening: bool, place: int, bond: Wei, forfeit: bool
) -> Iterator[ev.Event]:
    kind = ev.BondForfeited if forfeit else ev.BondReleased
    yield kind(world.task_id, round_.number, owner, of_opening, place, bond, contract=world.deployment.mining)
    to, reason = (BURNT, "burn") if forfeit else (owner, "bond")
    yield from world.pay(bonds_pot(round_), to, bond, reason)


def _won(world: World, round_: RoundView) -> tuple[Candidate, Posted]:
    won = winner(world, round_) if round_.outcome in WON else None
    world.require(won is not None, "no candidate and no opening closed this round")
    assert won is not None
    return won


@rule("Mining.claimEdgePayFor")
def claim_edge_pay(world: World, call: Call) -> Iterator[ev.Event]:
    round_ = _closed(world, call)
    edge, amount = _won(world, round_)[0].edge, world.terms.money.edge_pay
    _claim(world, "edge", round_.number)
    yield ev.EdgePaid(world.task_id, round_.number, edge, amount, contract=world.deployment.mining)
    yield from world.pay(round_.key, edge, amount, "edge")


@rule("Mining.claimOpenerPayFor")
def claim_opener_pay(world: World, call: Call) -> Iterator[ev.Event]:
    round_ = _closed(world, call)
    poster, amount = _won(world, round_)[1].poster, world.terms.money.bounty
    _claim(world, "opener", round_.number)
    yield ev.OpenerPaid(world.task_id, round_.number, poster, amount, contract=world.deployment.mining)
    yield from world.pay(round_.key, poster, amount, "opener")


@rule("Mining.claimHolderPayFor")
def claim_holder_pay(world: World, call: Call) -> Iterator[ev.Event]:
    round_, holder = _closed(world, call), call.args[2]
    world.require(bool(rewarded_shares(world, round_) >> holder & 1), f"holder {holder} has no pay to claim")
    _claim(world, "holder", round_.number, holder)
    who, amount = world.holders[holder], world.terms.money.holder_pay
    yield ev.HolderPaid(world.task_id, round_.number, who, amount, contract=world.deployment.mining)
    yield from world.pay(round_.key, who, amount, "holder")


@rule("Mining.claimRelayPayFor")
def claim_relay_pay(world: World, call: Call) -> Iterator[ev.Event]:
    round_, relay = _closed(world, call), address(call.args[2])
    brought = world.relayed.pop(("Mining", round_.key, relay), 0)
    world.require(bool(round_.openings) and brought != 0, f"relay 0x{relay.hex()} has no pay to claim")
    amount = world.terms.money.relay_pay * brought.bit_count()
    yield ev.RelayPaid(world.task_id, round_.number, relay, Wei(amount), contract=world.deployment.mining)
    yield from world.pay(round_.key, relay, amount, "relay")
