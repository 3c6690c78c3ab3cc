"""Relay censorship: an edge keeps a device's or a holder's messages back, to leave its update out of the sum."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evm import Refused
from house import House, digest
from siege import Siege
from stage import Stage

from dapp.chain.keys import Account
from dapp.crypto.typed_data import Attestation, UpdateCommit
from dapp.protocol.effects import Effect, Handed, Input, Relayed
from dapp.protocol.enums import Outcome
from dapp.runtime.node import Step

CENSOR, HONEST, VICTIM = 0, 1, 2


def deaf(step: Step[Any], stage: Stage) -> Step[Any]:
    """An edge that loses whatever the victim hands in, as device and as holder."""
    victim = stage.world.people.devices[VICTIM].address

    def censoring(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        match input:
            case Handed(UpdateCommit(device=device)) if device == victim:
                return state, ()
            case Handed(Attestation(holder=holder)) if holder == VICTIM:
                return state, ()
        return step(state, input)  # type: ignore[no-any-return]

    return censoring


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Siege:
    def corrupt(stage: Stage) -> None:
        stage.node("edge", CENSOR).wrap(lambda step: deaf(step, stage))

    return Siege.play(tmp_path_factory.mktemp("censored"), ["edges=2"], corrupt)


def test_defended_another_edge_brings_what_one_keeps_back(siege: Siege) -> None:
    (round_,) = siege.rounds
    honest = siege.stage.world.people.edges[HONEST].address
    assert round_.outcome == Outcome.ACCEPTED
    assert round_.included == 0b1111
    assert round_.commits[VICTIM].relay == honest
    assert round_.attestations[VICTIM].relay == honest


def test_defended_the_edge_that_brought_it_has_the_pay_for_it(siege: Siege) -> None:
    (round_,) = siege.rounds
    people, facts = siege.stage.world.people, siege.stage.world.facts
    assert ("relay", facts.learning + people.edges[HONEST].address) in round_.paid


def test_defended_a_device_with_ether_needs_no_edge(house: House) -> None:
    task_id, device = house.create(), house.anyone
    house.learning.send(device, "enrol", task_id, 9, digest("o"), house.ticket(task_id, device))
    house.enrol(task_id, [9, 9, 9])
    drive = house.open(task_id)
    house.learning.send(device, "commitUpdate", *drive.place, drive.update(0).to_abi())
    assert drive.round.committed == 1


def test_defended_a_relay_cannot_put_anything_in_a_devices_mouth(house: House) -> None:
    drive = house.start()
    device, update, deadline, signature = drive.signed_update(VICTIM)
    other = (digest("another update"), *update[1:])
    house.learning.send(house.edges[CENSOR], "commitUpdates", *drive.place, [(device, other, deadline, signature)])
    assert not drive.round.committed
    with pytest.raises(Refused, match="LearningNotEnrolled"):
        house.learning.send(house.edges[CENSOR], "commitUpdate", *drive.place, update)


# At the edge's own door


def forging_at_the_door(stage: Stage, edge: int) -> None:
    """After every true message at this door, a stranger hands in a copy of it in the same name, signed by itself."""
    node = stage.node("edge", edge)
    stranger, facts, hand_in = Account(b"\7" * 32), stage.world.facts, node.hand_in

    def hand_in_both(handed: Handed) -> None:
        message = handed.message
        forged: Relayed = (
            replace(message, mask=0) if isinstance(message, Attestation) else replace(message, digest=digest("forged"))
        )
        domain = facts.learning_domain if isinstance(message, UpdateCommit) else facts.mining_domain
        false = Handed(forged, stranger.sign_digest(forged.signing_hash(domain)), handed.proof)
        for each in (false, handed, false, replace(handed, message=forged), replace(handed, signature=bytes(65))):
            hand_in(each)

    node.hand_in = hand_in_both  # type: ignore[method-assign]


def test_defended_forged_messages_at_an_edges_door_do_not_stand_in_the_true_ones_place(tmp_path: Path) -> None:
    """Edges read signatures before they keep a message, so that a stranger who reaches every door changes nothing."""
    stage = Stage.build(tmp_path)
    forging_at_the_door(stage, 0)
    stage.play()
    (round_,) = stage.rounds
    assert round_.outcome == Outcome.ACCEPTED
    assert round_.included == 0b1111


def test_known_gap_where_every_edge_keeps_it_back_a_device_without_ether_is_left_out(house: House) -> None:
    """The round goes on without it; it needs one honest edge, or a transaction's worth of ether."""
    drive = house.start()
    drive.commit([0, 1, 3])
    drive.advance("commit_end")
    assert drive.round.committed == 0b1011
