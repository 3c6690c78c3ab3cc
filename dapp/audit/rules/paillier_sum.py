"""What `PaillierSum` must answer to a proof, and what `Mining` makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dapp.audit.rules.registry import rule
from dapp.audit.world import BURNT, Call, World, address, bonds_pot
from dapp.crypto import cid, fraud, merkle
from dapp.crypto.paillier import PublicKey
from dapp.protocol import events as ev
from dapp.protocol.blobs import KeyBlob
from dapp.protocol.enums import CandidateState, Phase, Weighting
from dapp.protocol.records import Factor, Leaf, Partial, ProofFacts, Update
from dapp.protocol.view import Commit, RoundView
from dapp.types import Address, Wei


@rule("PaillierSum.multiply")
def multiply(world: World, call: Call) -> Iterator[ev.Event]:
    facts, position, before, factors = call.args
    public, round_ = _facts(world, facts)
    remaining, total = _multiplied(world, round_, public, position, before, factors)
    commitment = fraud.commitment(remaining, fraud.partial_bytes(public, total))
    contract = world.deployment.paillier_sum
    yield ev.ProductAdvanced(
        world.task_id, round_.number, call.sender, position, remaining, commitment, contract=contract
    )


@rule("PaillierSum.strikeOut")
def strike_out(world: World, call: Call) -> Iterator[ev.Event]:
    facts, position, slot, shown, before, factors = call.args
    public, round_ = _facts(world, facts)
    candidate = round_.candidates.get(slot)
    world.require(
        candidate is not None and candidate.state == CandidateState.OPENED, f"there is no opened candidate {slot}"
    )
    assert candidate is not None
    leaf = _leaf(world, public, shown, candidate.root, position, f"candidate {slot}")
    if not fraud.is_impossible(public, position, world.terms.encoding.ciphertexts, leaf):
        remaining, total = _multiplied(world, round_, public, position, before, factors)
        world.require(not remaining, "it leaves included devices out")
        world.require(total != leaf.value, f"candidate {slot} is right at position {position}")
    phase = round_.phase(world.terms, world.now)
    world.require(Phase.CHALLENGE <= phase <= Phase.VOTE, f"at that time the round was in phase {phase.name}")
    reward, mining = Wei(candidate.bond // 2), world.deployment.mining
    yield ev.CandidateStruckOut(
        world.task_id, round_.number, candidate.edge, slot, call.sender, reward, contract=mining
    )
    yield from world.pay(bonds_pot(round_), call.sender, reward, "proof")
    yield from world.pay(bonds_pot(round_), BURNT, candidate.bond - reward, "burn")


@rule("PaillierSum.excludeUpdate")
def exclude_update(world: World, call: Call) -> Iterator[ev.Event]:
    facts, device, update, blob = call.args
    public, round_ = _facts(world, facts)
    commit = _commit(world, round_, address(device), Update.from_abi(update))
    same = cid.digest(blob) == commit.update.digest and len(blob) == commit.update.size
    world.require(same, "the bytes are not the update that was committed")
    length = public.ciphertext_bytes * world.terms.encoding.ciphertexts
    false = len(blob) < length or merkle.ciphertext_root(public, blob[-length:]) != commit.root
    world.require(false, "the update has the root that was committed")
    phase = round_.phase(world.terms, world.now)
    world.require(phase == Phase.PUBLISH, f"at that time the round was in phase {phase.name}")
    mining = world.deployment.mining
    yield ev.UpdateExcluded(world.task_id, round_.number, commit.device, commit.index, call.sender, contract=mining)


def _facts(world: World, values: Sequence[object]) -> tuple[PublicKey, RoundView]:
    """The key and the round of a proof, whose terms and modulus must be the task's."""
    facts, key = ProofFacts.from_abi(values), world.terms.key
    round_ = world.round(facts.task_id, facts.round)
    world.require(facts.terms == world.terms, "it brings other terms than the task's")
    blob = KeyBlob(facts.n, key.threshold, key.holders).encode()
    world.require(cid.digest(blob) == key.digest, "it brings another key than the terms name")
    return PublicKey(int.from_bytes(facts.n, "big")), round_


def _multiplied(
    world: World,
    round_: RoundView,
    public: PublicKey,
    position: int,
    before: Sequence[object],
    factors: Sequence[Sequence[object]],
) -> tuple[int, int]:
    """Who is still to be multiplied in, and the product so far."""
    assert world.call is not None
    world.require(len(factors) <= fraud.MOST_FACTORS, f"a product of {len(factors)} devices in one transaction")
    world.require(round_.included is not None, "the included set was not fixed")
    begun, total, remaining = Partial.from_abi(before), None, round_.included or 0
    if begun.product:
        said = fraud.commitment(begun.remaining, begun.product)
        known = round_.products.get((world.call.sender, position))
        world.require(said == known, "it goes on with a product that its sender never began")
        total, remaining = int.from_bytes(begun.product, "big"), begun.remaining
    weights = {e.index: e.weight for e in world.view.enrolments.values()}
    weighs = world.terms.encoding.weighting == Weighting.EDGE
    parts = []
    for factor in map(Factor.from_abi, factors):
        commit = _commit(world, round_, factor.device, factor.update)
        world.require(bool(remaining >> commit.index & 1), f"device {commit.index} does not belong into the product")
        remaining ^= 1 << commit.index
        leaf = _leaf(world, public, factor.leaf.to_abi(), commit.root, position, f"device {commit.index}")
        parts.append(fraud.Factor(commit.root, weights[commit.index] if weighs else 1, leaf))
    return remaining, fraud.product(public, parts, total)


def _commit(world: World, round_: RoundView, device: Address, update: Update) -> Commit:
    """A device's commit, which must be the update that the proof brings."""
    found = next((c for c in round_.commits.values() if c.device == device), None)
    said = found and Update(found.update.digest, found.update.size, found.root, found.compute_millis)
    world.require(said == update, "it brings another update than the device committed to")
    assert found is not None
    return found


def _leaf(
    world: World, public: PublicKey, values: Sequence[object], root: bytes, position: int, whose: str
) -> fraud.Leaf:
    shown = Leaf.from_abi(values)
    leaf = fraud.Leaf(shown.ciphertext, shown.branch)
    world.require(leaf.is_under(public, root, position), f"the ciphertext is not under the root of {whose}")
    return leaf
