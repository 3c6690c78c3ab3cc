"""What other tasks do to all that the tasks of a deployment share: the escrow's books, the registry, the seeds.

An audit judges one task. The others' transactions are taken as the chain gives them, as far as they fit into what was
there before; none of them may touch the audited task. So are those that cannot be followed, and that anybody can send:
by way of a contract that is not of the deployment, or of another kind than EIP-1559.
"""

from __future__ import annotations

from collections.abc import Iterator

from dapp.audit.rules.verification import PROMOTIONS, promoted, removed
from dapp.audit.world import Call, SeedRequest, World, shown
from dapp.crypto.sealed import round_key
from dapp.protocol import events as ev

BY_RULE_ONLY = (ev.MemberJoined, ev.MemberActivated, ev.MemberLeft, ev.Withdrawn)
"""Events that no call about a task causes, or that the rules give."""
FOLLOWED_ONLY = (
    ev.MemberJoined,
    ev.MemberActivated,
    ev.MemberLeaving,
    ev.MemberLeft,
    ev.MemberSlashed,
    ev.PanelSummoned,
)
"""Events of which the calldata is needed: what becomes of the registry's queue depends on it."""


def is_of_another_task(world: World, call: Call) -> bool:
    """Whether a call is about another task of the deployment."""
    creates = call.function == "createTask" and call.subject != world.task_id
    return creates or call.subject in world.others


def of_another_task(world: World, call: Call) -> Iterator[ev.Event]:
    """The events of a call that is about another task: all that it caused, as far as they can be."""
    if call.function == "summon":
        yield from promoted(world, PROMOTIONS)
    while (event := world.upcoming) is not None:
        world.require(not _touches(world, event), f"a call about another task caused {_told(event)} of this one")
        world.require(not isinstance(event, BY_RULE_ONLY), f"no call about a task causes {_told(event)} here")
        yield from _taken(world, event)


def unfollowed(world: World, _: Call) -> Iterator[ev.Event]:
    """The events of a transaction that cannot be followed from its calldata. Who funds may do it in any way."""
    while (event := world.upcoming) is not None:
        followed = _touches(world, event) and not isinstance(event, ev.PotFunded)
        if followed or isinstance(event, FOLLOWED_ONLY):
            world.refuse(
                f"it caused {_told(event)} by way of another contract, or by a transaction of another kind than "
                "EIP-1559 without access list: what was asked of Cairn's contracts does not show"
            )
        yield from _taken(world, event)


def _touches(world: World, event: ev.Event) -> bool:
    """Whether an event is about the audited task, its rounds or its money."""
    return any(getattr(event, name, None) in world.own for name in ("task_id", "case_key", "pot", "from_", "to"))


def _told(event: ev.Event) -> str:
    return f"the event {type(event).__name__}"


def _taken(world: World, event: ev.Event) -> Iterator[ev.Event]:
    """One event, with what it changes for all."""
    assert world.call is not None
    now, block = world.call.now, world.call.block
    about = getattr(event, "case_key", None) or getattr(event, "task_id", None)
    world.require(
        about is None or about in world.others or isinstance(event, ev.TaskCreated),
        f"{_told(event)} is about 0x{(about or b'').hex()}, which nobody created",
    )
    match event:
        case ev.TaskCreated():
            fits = event.task_id == world.next_task(event.requester)
            world.require(fits, f"task 0x{event.task_id.hex()} is not the next one of 0x{event.requester.hex()}")
            world.nonces[event.requester] += 1
            windows = event.terms.windows
            world.others[event.task_id] = windows.seed + windows.commit_vote + windows.reveal_vote
        case ev.RoundOpened():
            world.others[round_key(event.task_id, event.round)] = world.others[event.task_id]
        case ev.SeedRequested():
            delay = world.constants.setdefault("the seed's delay", event.seed_block - block)
            fits = (event.id, event.seed_block) == (len(world.seeds) + 1, block + delay)
            world.require(fits, f"seed {event.id} of block {event.seed_block} was not the next one")
            world.seeds[event.id] = SeedRequest(event.seed_block, event.context)
        case ev.SeedProven():
            seed = world.seeds.get(event.id)
            world.require(seed is not None and not seed.proven_at, f"seed {event.id} was not there to be proven")
            assert seed is not None
            seed.proven_at, seed.prover = now, event.by
        case ev.PanelSummoned():
            world.panels_end = max(world.panels_end, now + world.others[event.case_key])
        case ev.MemberSlashed():
            stake = world.stakes.get(event.member)
            holds = stake is not None and stake.amount >= event.amount
            world.require(holds, f"0x{event.member.hex()} has no stake of {shown(int(event.amount))} wei")
            assert stake is not None
            world.constants.setdefault("what a silent seat loses", int(event.amount))
            stake.amount -= event.amount
        case ev.MemberLeaving():
            world.require(event.member in world.stakes, f"0x{event.member.hex()} is no member")
            yield from removed(world, event.member)
            return
        case ev.Withdrawn():
            world.require(event.amount == world.credits[event.owner], f"0x{event.owner.hex()} was owed another sum")
    yield event
