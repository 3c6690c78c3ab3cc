"""Replays a run's transactions under the contracts' rules, and compares the events that they must have caused with
those that the file says they caused: signatures, deadlines, headers, seats, votes and payments, all in one walk."""

from __future__ import annotations

from collections.abc import Iterator

from dapp.audit import others
from dapp.audit.constants import Constants
from dapp.audit.rules import RULES
from dapp.audit.rules.registry import Rule
from dapp.audit.world import Call, World, differences, shown
from dapp.chain.codec import abi, decode_arguments
from dapp.chain.facts import ChainFacts, TransactionFacts
from dapp.errors import AuditError, CairnError, ChainError, SettingsError
from dapp.protocol import events as ev
from dapp.protocol.view import View
from dapp.types import Address, TaskId

CONTRACTS = {
    "learning": "Learning",
    "mining": "Mining",
    "verification": "Verification",
    "escrow": "Escrow",
    "seed": "PrevrandaoSeed",
    "paillier_sum": "PaillierSum",
}
"""Contracts by their role in a deployment."""

CHECK_OF: dict[type[ev.Event], str] = {
    ev.TaskCreated: "terms",
    ev.DeviceEnrolled: "enrolments",
    ev.EnrolmentSkipped: "enrolments",
    ev.RoundOpened: "headers",
    ev.RoundClosed: "headers",
    ev.TaskEnded: "headers",
    ev.UpdateCommitted: "commits",
    ev.UpdateSkipped: "commits",
    ev.UpdatesAttested: "attestations",
    ev.MessageSkipped: "attestations",
    ev.SetIncluded: "attestations",
    ev.UpdateExcluded: "attestations",
    ev.ProductAdvanced: "candidates",
    ev.CandidateStruckOut: "candidates",
    ev.AggregateSealed: "candidates",
    ev.AggregateOpened: "candidates",
    ev.CandidateDisplaced: "candidates",
    ev.SharePosted: "shares",
    ev.OpeningPosted: "openings",
    ev.SeedRequested: "seeds",
    ev.SeedProven: "seeds",
    ev.MemberJoined: "seats",
    ev.MemberActivated: "seats",
    ev.MemberLeaving: "seats",
    ev.PanelSummoned: "seats",
    ev.VoteCommitted: "seats",
    ev.VoteRevealed: "votes",
    ev.PanelSettled: "votes",
}
"""What an event is evidence of; all others are of payments."""


def replay(facts: ChainFacts, task: str | None = None, constants: Constants | None = None) -> World:
    """The contracts' state after all transactions, and how one task came to be what it is.

    Args:
        task: how its id begins; needed where several tasks share a deployment.
        constants: what the contracts were built with, where the chain was asked.

    Raises:
        AuditError: the first event that the rules do not give, and each thing that they would not have let happen.
        SettingsError: no task, or more than one, has such an id.
    """
    task_id = _task(facts, task)
    world = World(facts.deployment, facts.headers, View(task_id), own={task_id})
    if constants is not None:
        world.constants = dict(constants.shown)
        world.fewest_eligible = world.most_ineligible = constants.min_eligible
    _check_order(world, facts)
    for transaction in facts.transactions:
        _replay_one(world, transaction)
    _check_books(world)
    return world


def _task(facts: ChainFacts, begins: str | None) -> TaskId:
    """The task that is meant."""
    tasks = [event.task_id for event in facts.events() if isinstance(event, ev.TaskCreated)]
    if not tasks:
        raise AuditError("the events create no task", help="The file of events was cut, or nobody ordered anything.")
    digits = (begins or "").lower().removeprefix("0x")
    fitting = [task_id for task_id in dict.fromkeys(tasks) if task_id.hex().startswith(digits)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"0x{task_id.hex()[:12]}…" for task_id in (fitting or tasks)[:4])
    if begins is None:
        raise SettingsError(
            f"{len(tasks)} tasks share these contracts: {names}", help="Name one by the beginning of its id: --task 0x…"
        )
    raise SettingsError(
        f"{'several tasks begin' if fitting else 'no task begins'} with {begins}", help=f"There are {names}."
    )


def _check_order(world: World, facts: ChainFacts) -> None:
    """Transactions, logs and blocks come in the chain's order, and headers name their parents."""
    place, now = (0, -1), 0
    for transaction in facts.transactions:
        if transaction.timestamp < now:
            raise AuditError(f"transaction 0x{transaction.hash.hex()} is earlier than the one before it")
        now = transaction.timestamp
        for event in transaction.events:
            if (event.block, event.log_index) <= place:
                raise AuditError(f"log {event.log_index} of block {event.block} is not in the chain's order")
            place = event.block, event.log_index
            world.checks["facts"] += 1
        world.checks["facts"] += 2  # its hash, and its signer
    for number, header in facts.headers.items():
        child = facts.headers.get(number + 1)
        if child is not None and child.parent != header.hash:
            raise AuditError(f"the header of block {number + 1} names another parent than the header of block {number}")
        if child is not None and child.timestamp < header.timestamp:
            raise AuditError(f"the header of block {number + 1} is earlier than that of block {number}")
        world.checks["facts"] += 1


def _replay_one(world: World, transaction: TransactionFacts) -> None:
    world.call = call = _decoded(world, transaction)
    rule, judged = _rule(world, call)
    found = iter(transaction.events)
    world.upcoming = next(found, None)
    for expected in _expected(rule, world, call):
        _compare(world, expected, world.upcoming)
        assert world.upcoming is not None
        world.fold(world.upcoming)
        if judged:
            world.checks[CHECK_OF.get(type(expected), "payments")] += 1
        world.upcoming = next(found, None)
    if world.upcoming is not None:
        event = world.upcoming
        world.refuse("the rules give no such event", f"the event {type(event).__name__}{_subject(world, event)}")
    if call.contract:
        funded = sum(event.amount for event in transaction.events if isinstance(event, ev.PotFunded))
        world.require(funded == call.value, f"it sent {call.value:,} wei, and {funded:,} were booked")
    if not judged:
        world.taken[bool(call.contract)] += 1


def _rule(world: World, call: Call) -> tuple[Rule, bool]:
    """What says which events a call must cause, and whether that is a judgement."""
    if not call.contract:
        return others.unfollowed, False
    if others.is_of_another_task(world, call):
        return others.of_another_task, False
    rule = RULES.get(f"{call.contract}.{call.function}")
    if rule is None:
        world.refuse("this function causes no event")
    return rule, True


def _decoded(world: World, transaction: TransactionFacts) -> Call:
    """A transaction as a call of one of the contracts; without a contract where it is none, and cannot be followed.

    Raises:
        AuditError: its calldata is none of the contract's.
    """
    where = f"transaction 0x{transaction.hash.hex()} of 0x{transaction.sender.hex()}"
    roles = {address: role for role, address in world.deployment.addresses().items()}
    role = roles.get(transaction.to)  # type: ignore[call-overload]  # an address is bytes
    sender, value, time = transaction.sender, transaction.value, (transaction.block, transaction.timestamp)
    if role is None:
        return Call("", "", (), sender, value, transaction.hash, *time, round=None)
    contract = CONTRACTS[role]
    entry = abi(contract).selectors.get(transaction.data[:4])
    if entry is None:
        raise AuditError(f"{where} calls no function of {contract}, and yet events are said to follow from it")
    try:
        args = decode_arguments(entry, transaction.data)
    except ChainError as error:
        raise AuditError(f"{where}: {error}") from error
    named = dict(zip((parameter.name for parameter in entry.inputs), args, strict=True))
    if "facts" in named:
        named |= {"taskId": named["facts"][0], "round": named["facts"][1]}
    subject = named.get("taskId") or named.get("caseKey") or b""
    if entry.name == "createTask":
        subject = world.next_task(sender)
    of_case = next((r.number for r in world.view.rounds if r.key == subject), None)
    number = of_case if subject in world.others else named.get("round", of_case)
    return Call(contract, entry.name, args, sender, value, transaction.hash, *time, round=number, subject=subject)


def _expected(rule: Rule, world: World, call: Call) -> Iterator[ev.Event]:
    """The events that a call must cause."""
    try:
        yield from rule(world, call)
    except AuditError:
        raise
    except (CairnError, ValueError) as error:  # calldata that no contract takes: a number outside an enumeration
        world.refuse(str(error))


def _compare(world: World, expected: ev.Event, found: ev.Event | None) -> None:
    must = type(expected).__name__
    said = "" if found is None else f"the event {type(found).__name__}{_subject(world, found)}"
    if found is None:
        world.refuse(f"the rules give an event {must}{_subject(world, expected)} here, which is missing")
    if type(found) is not type(expected):
        world.refuse(f"the rules give an event {must} instead", said)
    if differs := differences(expected, found):
        world.refuse(f"{'; '.join(differs)} by the rules", said)


def _subject(world: World, event: ev.Event) -> str:
    """Whom an event is about."""
    for name in ("device", "holder", "edge", "poster", "voter", "member", "owner", "to", "relay", "by", "requester"):
        who = getattr(event, name, None)
        if isinstance(who, bytes) and len(who) == 20:
            return f" of {world.named(Address(who))}"
    return ""


def _check_books(world: World) -> None:
    """What came in is what went out and what is held."""
    pots, credits = sum(world.pots.values()), sum(world.credits.values())
    if world.received != pots + credits + world.withdrawn:
        raise AuditError(
            f"the escrow took in {shown(world.received)} wei, holds {shown(pots + credits)} and paid out "
            f"{shown(world.withdrawn)}: the books do not balance"
        )
    world.checks["payments"] += 1
