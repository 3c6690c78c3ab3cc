"""A verifier's way into the registry and out of it again."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from stage import Stage

from dapp.chain.contracts import Contracts
from dapp.chain.errors import ContractError
from dapp.errors import SettingsError
from dapp.protocol.enums import MemberState
from dapp.runtime.service import Service
from dapp.settings import RoleSettings
from dapp.settings.role import Verifier
from dapp.verifier.service import enlist, leave


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.build(tmp_path / "run")


@pytest.fixture
def service(stage: Stage, tmp_path: Path) -> Service:
    """Of a key that has ether and is no member."""
    world = stage.world
    said: list[str] = []
    return Service(
        settings=RoleSettings(name="verifier"),
        client=world.client,
        contracts=Contracts(world.client, world.contracts.deployment),
        account=world.people.requester,
        store=world.store,
        folder=tmp_path,
        said=lambda _, what: said.append(what),
        stop=threading.Event(),
    )


def joining(service: Service) -> Service:
    return replace(service, settings=replace(service.settings, verifier=Verifier(join=True)))


def test_nobody_is_made_to_stake(service: Service) -> None:
    with pytest.raises(SettingsError, match="is no member of the registry, so the lot never falls on it"):
        enlist(service)


def test_who_wants_to_joins_once(service: Service) -> None:
    registry, me = service.contracts.verification, service.account.address
    enlist(joining(service))
    stake = registry.member_of(me).stake
    assert stake == registry.immutable("STAKE")
    enlist(service)
    assert registry.member_of(me).stake == stake


def test_the_stake_comes_back_after_the_cool_down(service: Service, stage: Stage) -> None:
    registry, me = service.contracts.verification, service.account.address
    enlist(joining(service))
    leave(service)
    assert registry.member_of(me).state == MemberState.LEAVING
    with pytest.raises(ContractError, match="Verification"):
        leave(service)
    stage.world.clock.advance_to(registry.member_of(me).leaving_at)
    before = service.client.balance(me)
    leave(service)
    assert registry.member_of(me).stake == 0
    assert service.client.balance(me) > before


def test_who_is_no_member_cannot_leave(service: Service) -> None:
    with pytest.raises(SettingsError, match="is no member of the registry"):
        leave(service)
