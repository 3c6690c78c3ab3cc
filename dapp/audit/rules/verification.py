"""What `Verification` and the seed must answer to each call."""

from __future__ import annotations

from collections.abc import Iterator

from dapp.audit.rules.registry import rule
from dapp.audit.world import BURNT, Call, SeedRequest, Stake, World, address, draw_id, stakes_pot
from dapp.chain.facts import Header
from dapp.consensus.sortition import member_at, votes_needed
from dapp.crypto import merkle
from dapp.crypto.sealed import packed, vote_seal
from dapp.crypto.words import encode_words
from dapp.protocol import events as ev
from dapp.protocol.enums import MemberState, Outcome, Phase, Status
from dapp.protocol.records import Ballot
from dapp.protocol.terms import ATTEMPTS, MAX_SEATS
from dapp.protocol.view import Panel, RoundView
from dapp.types import Address, Wei

PROMOTIONS = 2
"""Matured members that join, leave and summon take in on their way."""
SEED_BITS = 128


# The registry


@rule("Verification.join")
def join(world: World, call: Call) -> Iterator[ev.Event]:
    world.constants.setdefault("the stake", call.value)
    stake = world.constants["the stake"]
    world.require(call.value == stake and stake > 0, f"a stake of {call.value:,} wei, where others gave {stake:,}")
    world.require(call.sender not in world.stakes, "it is a member already")
    yield from promoted(world, PROMOTIONS)
    delay = world.constant("the activation delay", ev.MemberJoined, lambda event: int(event.active_from) - call.now)
    active_from = call.now + delay
    yield ev.MemberJoined(call.sender, call.value, active_from, contract=world.deployment.verification)
    world.stakes[call.sender] = Stake(MemberState.PENDING, call.value, active_from)
    world.queue.append((call.sender, active_from))
    yield world.fund(stakes_pot(world.deployment.verification), world.deployment.verification, call.value)


@rule("Verification.promote")
def promote(world: World, call: Call) -> Iterator[ev.Event]:
    yield from promoted(world, call.args[0])


@rule("Verification.leave")
def leave(world: World, call: Call) -> Iterator[ev.Event]:
    yield from promoted(world, PROMOTIONS)
    stake = world.stakes.get(call.sender)
    here = stake is not None and stake.state in (MemberState.PENDING, MemberState.ACTIVE)
    world.require(here, "it is no member")
    yield from removed(world, call.sender)


@rule("Verification.withdrawStakeFor")
def withdraw_stake(world: World, call: Call) -> Iterator[ev.Event]:
    member = address(call.args[0])
    stake = world.stakes.pop(member, None)
    world.require(
        stake is not None and stake.state == MemberState.LEAVING and call.now >= stake.leaving_at,
        f"the stake of 0x{member.hex()} was still bound",
    )
    assert stake is not None
    yield ev.MemberLeft(member, Wei(stake.amount), contract=world.deployment.verification)
    yield from world.pay(stakes_pot(world.deployment.verification), member, stake.amount, "stake")


def promoted(world: World, most: int) -> Iterator[ev.Event]:
    """Members whose time has come, in the order in which they joined. Void places in the queue count as well."""
    for _ in range(min(most, len(world.queue))):
        member, active_from = world.queue[0]
        if world.now < active_from:
            return
        world.queue.pop(0)
        stake = world.stakes.get(member)
        if stake is None or stake.state != MemberState.PENDING or stake.active_from != active_from:
            continue
        stake.state = MemberState.ACTIVE
        yield ev.MemberActivated(member, len(world.view.members), contract=world.deployment.verification)


def removed(world: World, member: Address) -> Iterator[ev.Event]:
    stake, members = world.stakes[member], world.view.members
    index, moved_in = 0, ev.NOWHERE
    if stake.state == MemberState.ACTIVE:
        index = members.index(member)
        if index != len(members) - 1:
            moved_in = members[-1]
    since = max(world.now, world.panels_end)
    until = since + world.constant("the cool-down", ev.MemberLeaving, lambda event: int(event.until) - since)
    yield ev.MemberLeaving(member, index, moved_in, until, contract=world.deployment.verification)
    stake.state, stake.leaving_at = MemberState.LEAVING, until


# Panels


def _case(world: World, call: Call) -> tuple[RoundView, int]:
    """The round and the attempt that a call names."""
    consumer, case_key, attempt = address(call.args[0]), call.args[1], call.args[2]
    round_ = next((r for r in world.view.rounds if r.key == case_key), None)
    known = consumer == world.deployment.mining and round_ is not None
    world.require(known, f"it names case 0x{case_key.hex()}, which is no round's")
    assert round_ is not None
    return round_, attempt


def _panel(world: World, call: Call) -> tuple[RoundView, Panel]:
    round_, attempt = _case(world, call)
    panel = next((p for p in round_.panels if p.attempt == attempt), None)
    world.require(panel is not None, f"no panel was summoned for attempt {attempt}")
    assert panel is not None
    return round_, panel


def _is_seated(world: World, panel: Panel) -> bool:
    """Whether the seed was proven in time."""
    return 0 < panel.seeded_at <= panel.summoned_at + world.terms.windows.seed


def _status(world: World, round_: RoundView, panel: Panel) -> Status:
    """Where an attempt is now."""
    settled = world.settled.get((round_.number, panel.attempt))
    if settled is not None:
        return settled[0]
    windows = world.terms.windows
    if not _is_seated(world, panel):
        return Status.ENDED if world.now > panel.summoned_at + windows.seed else Status.SEEDING
    commit_end = panel.all_committed_at or panel.seeded_at + windows.commit_vote
    if world.now < commit_end:
        return Status.COMMITTING
    if not panel.votes:
        return Status.ENDED
    return Status.REVEALING if world.now < (panel.all_revealed_at or commit_end + windows.reveal_vote) else Status.ENDED


def _require_status(world: World, round_: RoundView, panel: Panel, status: Status) -> None:
    actual = _status(world, round_, panel)
    world.require(actual == status, f"at that time attempt {panel.attempt} was {actual.name}, not {status.name}")


def _next_size(world: World, round_: RoundView, attempts: int) -> int:
    """Seats of the next attempt by the rule of growth; 0 where there can be none, however few members are enough."""
    last = round_.panels[-1].size if attempts else 0
    size = min(2 * last + 1 if attempts else world.terms.panel.seats, MAX_SEATS, len(world.view.members))
    return size if size > last and attempts < ATTEMPTS else 0


def _grows(world: World, size: int) -> bool:
    """Whether the contract saw enough members for a panel of ``size``, going by the event that comes next.

    How many are enough was fixed by the constructor. The events only bound it: each panel from above, each refusal
    of one from below; they must not cross.
    """
    if not size:
        return False
    eligible = len(world.view.members)
    abandoned = isinstance(world.upcoming, ev.PanelSettled) and world.upcoming.status == Status.ABANDONED
    if abandoned:
        world.fewest_eligible = max(world.fewest_eligible, eligible + 1)
    else:
        most = world.most_ineligible
        world.most_ineligible = eligible if most is None else min(most, eligible)
    holds = world.most_ineligible is None or world.fewest_eligible <= world.most_ineligible
    world.require(holds, f"with {eligible} members a panel was possible once and impossible another time")
    return not abandoned


@rule("Verification.summon")
def summon(world: World, call: Call) -> Iterator[ev.Event]:
    round_, attempt = _case(world, call)
    last = world.last_attempt(round_)
    world.require(attempt == (0 if last is None else last + 1), f"attempt {attempt} was not the next one")
    if attempt == 0:
        ready = round_.outcome == Outcome.OPEN and bool(round_.opened_candidates)
        ready = ready and round_.phase(world.terms, call.now) == Phase.VOTE
        world.require(ready, "nothing could be voted on yet")
    else:
        before = world.settled.get((round_.number, attempt - 1), (Status.NONE, None))[0]
        world.require(before == Status.UNDECIDED, f"attempt {attempt - 1} was {before.name}")
    yield from promoted(world, PROMOTIONS)
    size = _next_size(world, round_, attempt)
    case = world.deployment.mining, round_.key, attempt
    verification, windows = world.deployment.verification, world.terms.windows
    if not _grows(world, size):
        nothing = Ballot(0, 0, 0, 0)
        world.settled[round_.number, attempt] = Status.ABANDONED, nothing
        yield ev.PanelSettled(*case, Status.ABANDONED, nothing, call.sender, contract=verification)
    else:
        yield from _request(world, call, draw_id(*case), verification)
        request = len(world.seeds)
        eligible = len(world.view.members)
        yield ev.PanelSummoned(*case, request, eligible, size, call.sender, contract=verification)
        end = call.now + windows.seed + windows.commit_vote + windows.reveal_vote
        world.panels_end = max(world.panels_end, end)
    yield from world.pay(round_.key, call.sender, world.terms.money.bounty, "summon")


def _request(world: World, call: Call, context: bytes, by: Address) -> Iterator[ev.Event]:
    """A seed that a block still to come will give; which block, the constructor's delay fixes."""
    delay = world.constant("the seed's delay", ev.SeedRequested, lambda e: int(e.seed_block) - call.block, least=1)
    request, block = len(world.seeds) + 1, call.block + delay
    world.seeds[request] = SeedRequest(block, context)
    yield ev.SeedRequested(request, by, context, block, contract=world.deployment.seed)


@rule("PrevrandaoSeed.request")
def request_seed(world: World, call: Call) -> Iterator[ev.Event]:
    (context,) = call.args
    yield from _request(world, call, context, call.sender)


@rule("Verification.proveSeed")
def prove_seed(world: World, call: Call) -> Iterator[ev.Event]:
    round_, panel = _panel(world, call)
    _require_status(world, round_, panel, Status.SEEDING)
    yield from _prove(world, call, panel.request, call.args[3], world.deployment.verification)
    world.claimed.add(("prover", round_.number, panel.attempt))
    yield from world.pay(round_.key, call.sender, world.terms.money.bounty, "seed")


@rule("PrevrandaoSeed.prove")
def prove(world: World, call: Call) -> Iterator[ev.Event]:
    request, header = call.args
    yield from _prove(world, call, request, header, call.sender)


def _prove(world: World, call: Call, request: int, encoded: bytes, by: Address) -> Iterator[ev.Event]:
    """A seed out of the header of the block that was fixed when it was requested."""
    seed = world.seeds.get(request)
    world.require(seed is not None, f"seed {request} was not requested")
    assert seed is not None
    world.require(seed.proven_at == 0, f"seed {request} was proven already")
    world.require(call.block > seed.block, f"block {seed.block}, which gives seed {request}, was not there yet")
    known = world.headers.get(seed.block)
    world.require(known is not None, f"the header of block {seed.block}, which gives seed {request}, is missing")
    assert known is not None
    world.require(merkle.keccak256(encoded) == known.hash, f"the header shown is not that of block {seed.block}")
    header = Header.from_rlp(encoded)
    world.require(header.number == seed.block, f"the header shown is that of block {header.number}")
    words: list[int | bytes] = [int.from_bytes(header.prevrandao, "big"), world.deployment.seed, request, seed.context]
    drawn = merkle.keccak256(encode_words(["uint256", "address", "uint256", "bytes32"], words))
    seed.proven_at, seed.prover = call.now, by
    value = int.from_bytes(drawn, "big") % (1 << SEED_BITS)
    world.checks["seeds"] += 1
    yield ev.SeedProven(request, by, value, contract=world.deployment.seed)


@rule("Verification.commitVote")
def commit_vote(world: World, call: Call) -> Iterator[ev.Event]:
    round_, panel = _panel(world, call)
    seat, seal = call.args[3], call.args[4]
    _require_status(world, round_, panel, Status.COMMITTING)
    world.require(seat < panel.size, f"the panel has no seat {seat}")
    drawn = member_on(panel, seat)
    world.require(drawn == call.sender, f"the lot gave seat {seat} to 0x{drawn.hex()}")
    world.require(seat not in panel.votes, f"seat {seat} has committed already")
    case = world.deployment.mining, round_.key
    verification = world.deployment.verification
    yield ev.VoteCommitted(*case, call.sender, panel.attempt, seat, seal, contract=verification)


def member_on(panel: Panel, seat: int) -> Address:
    """Whom the lot gave a seat to."""
    assert panel.seed is not None, "a seat is drawn by the seed"
    return panel.members[member_at(panel.seed, len(panel.members), seat)]


@rule("Verification.revealVote")
def reveal_vote(world: World, call: Call) -> Iterator[ev.Event]:
    round_, panel = _panel(world, call)
    seat, evidence, salt = call.args[3], call.args[5], call.args[6]
    ballot = Ballot.from_abi(call.args[4])
    _require_status(world, round_, panel, Status.REVEALING)
    candidates = sum(1 << c.slot for c in round_.opened_candidates)
    openings = (1 << len(round_.openings)) - 1
    fits = not (ballot.valid | ballot.invalid) & ~candidates and not ballot.valid & ballot.invalid
    fits = fits and not (ballot.right | ballot.wrong) & ~openings and not ballot.right & ballot.wrong
    world.require(fits, "its ballot speaks of what is not on the slate, or contradicts itself")
    vote, case = panel.votes.get(seat), (world.deployment.mining, round_.key)
    world.require(vote is not None and vote.ballot is None, f"seat {seat} has nothing to reveal")
    assert vote is not None
    verification = world.deployment.verification
    place = world.deployment.chain_id, verification, *case, panel.attempt, seat, call.sender
    seal = vote_seal(*place, ballot, evidence, salt)
    # The lowest bit of a seal is lost: the contract keeps a flag there.
    same = int.from_bytes(seal, "big") | 1 == int.from_bytes(vote.seal, "big") | 1
    world.require(same, f"the ballot of seat {seat} is not what it had sealed")
    world.checks["votes"] += 1
    yield ev.VoteRevealed(*case, call.sender, panel.attempt, seat, ballot, evidence, salt, contract=verification)


def quorum(panel: Panel, accept_bips: int) -> Ballot:
    """What ``accept_bips`` of the seats, not of the votes, say."""
    needed = votes_needed(panel.size, accept_bips)
    ballots = [vote.ballot for vote in panel.votes.values() if vote.ballot is not None]

    def agreed(masks: list[int]) -> int:
        return sum(1 << i for i in range(8) if sum(mask >> i & 1 for mask in masks) >= needed)

    return Ballot(
        agreed([b.valid for b in ballots]),
        agreed([b.invalid for b in ballots]),
        agreed([b.right for b in ballots]),
        agreed([b.wrong for b in ballots]),
    )


def decides(round_: RoundView, said: Ballot) -> bool:
    """Whether something closes the round, or nothing on the slate can."""
    candidates = sum(1 << c.slot for c in round_.opened_candidates)
    openings = (1 << len(round_.openings)) - 1
    if said.invalid & candidates == candidates:
        return True
    return bool(said.valid & candidates) and (bool(said.right & openings) or said.wrong & openings == openings)


@rule("Verification.settle")
def settle(world: World, call: Call) -> Iterator[ev.Event]:
    round_, panel = _panel(world, call)
    _require_status(world, round_, panel, Status.ENDED)
    said, attempt = quorum(panel, world.terms.panel.accept_bips), panel.attempt
    revealed = any(vote.ballot is not None for vote in panel.votes.values())
    if revealed and decides(round_, said):
        status = Status.DECIDED
    else:
        grows = _grows(world, _next_size(world, round_, attempt + 1))
        status = Status.UNDECIDED if grows else Status.ABANDONED
    world.settled[round_.number, attempt] = status, said
    verification, bounty = world.deployment.verification, world.terms.money.bounty
    case = world.deployment.mining, round_.key, attempt
    yield ev.PanelSettled(*case, status, said, call.sender, contract=verification)
    yield from world.pay(round_.key, call.sender, bounty, "settle")
    if ("prover", round_.number, attempt) not in world.claimed and _is_seated(world, panel):
        yield from world.pay(round_.key, world.seeds[panel.request].prover, bounty, "seed")


@rule("Verification.slashSilent")
def slash_silent(world: World, call: Call) -> Iterator[ev.Event]:
    round_, panel = _panel(world, call)
    seat = call.args[3]
    status = _status(world, round_, panel)
    world.require(status >= Status.ENDED, f"at that time attempt {panel.attempt} was {status.name}")
    world.require(_is_seated(world, panel) and seat < panel.size, f"nobody sat on seat {seat}")
    vote = panel.votes.get(seat)
    silent = (vote is None or vote.ballot is None) and seat not in panel.slashed
    world.require(silent, f"seat {seat} was not silent, or was slashed already")
    member = member_on(panel, seat)
    stake = world.stakes.get(member)
    world.require(stake is not None and stake.amount > 0, f"0x{member.hex()} has no stake")
    assert stake is not None
    most = world.constant("what a silent seat loses", ev.MemberSlashed, lambda event: int(event.amount), least=1)
    amount = min(stake.amount, most)
    verification = world.deployment.verification
    case = world.deployment.mining, round_.key, panel.attempt
    yield ev.MemberSlashed(member, *case, seat, Wei(amount), contract=verification)
    stake.amount -= amount
    if stake.amount < most and stake.state != MemberState.LEAVING:
        yield from removed(world, member)
    yield from world.pay(stakes_pot(verification), call.sender, amount // 2, "slash")
    yield from world.pay(stakes_pot(verification), BURNT, amount - amount // 2, "burn")


@rule("Verification.claimVoterPayFor")
def claim_voter_pay(world: World, call: Call) -> Iterator[ev.Event]:
    round_, panel = _panel(world, call)
    seat = call.args[3]
    settled = world.settled.get((round_.number, panel.attempt))
    vote = panel.votes.get(seat)
    due = settled is not None and vote is not None and vote.ballot is not None
    claim = ("voter", round_.number, panel.attempt, seat)
    world.require(due and claim not in world.claimed, f"seat {seat} has no pay to claim")
    assert settled is not None
    assert vote is not None
    assert vote.ballot is not None
    world.claimed.add(claim)
    status, said = settled
    # Who abstains where others looked is not paid.
    burnt = status == Status.DECIDED and bool(packed(said) & ~packed(vote.ballot))
    amount, verification = world.terms.money.voter_pay, world.deployment.verification
    case = world.deployment.mining, round_.key, vote.voter, panel.attempt, seat
    kind = ev.VoterPayBurnt if burnt else ev.VoterPaid
    yield kind(*case, amount, contract=verification)
    yield from world.pay(round_.key, BURNT if burnt else vote.voter, amount, "burn" if burnt else "voter")
