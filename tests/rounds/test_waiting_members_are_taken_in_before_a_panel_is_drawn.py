"""Members whose activation delay is over, and whom nobody has promoted yet, sit on the first panel all the same."""

from __future__ import annotations

import pytest
from stage import Stage

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.protocol.enums import Outcome
from dapp.requester.creation import GWEI
from dapp.runtime.clock import DevnetClock
from dapp.settings import Settings
from dapp.simulation import world
from dapp.simulation.world import People


def join_only(
    client: Client, contracts: Contracts, clock: DevnetClock, people: People, settings: Settings, delay: int
) -> None:
    """Everybody joins and waits; the registry stays empty."""
    for verifier in people.verifiers:
        client.send(verifier, contracts.verification.join(settings.money.stake * GWEI))
    clock.advance_to(clock.now() + delay + 1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "_seat_registry", join_only)
        stage = Stage.build(tmp_path_factory.mktemp("waiting"))
    assert stage.world.contracts.verification.member_count() == (0, 4)
    return stage.play()


def test_the_first_round_is_voted_on_and_accepted(stage: Stage) -> None:
    """A summons takes in two by itself, one fewer than a panel needs: the round would have been abandoned."""
    assert stage.outcomes == [Outcome.ACCEPTED]
    assert stage.rounds[0].panels[0].size == 3


def test_the_view_tells_who_waits_and_who_is_in(stage: Stage) -> None:
    assert stage.view.pending == {}
    assert set(stage.view.members) == {verifier.address for verifier in stage.world.people.verifiers}
    assert stage.world.contracts.verification.member_count() == (4, 0)
