"""Six contracts that name one another, wherever their deployer's nonce stands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dapp.chain.codec import Abi
from dapp.chain.contracts import Contracts, Deployment
from dapp.chain.deploy import check_wiring, deploy
from dapp.chain.errors import ContractError
from dapp.errors import Fatal
from dapp.types import Wei

from .world import PARAMETERS, World

ROOT = Path(__file__).resolve().parents[3]


def test_contracts_read_one_another_back_and_say_their_version(world: World) -> None:
    check_wiring(world.contracts)
    contracts = world.contracts
    for contract in (contracts.learning, contracts.mining, contracts.verification, contracts.escrow):
        assert contract.version() == "0.1.0"
    assert contracts.verification.immutable("STAKE") == PARAMETERS.stake
    assert contracts.learning.immutable("MIN_KEY_BITS") == 512
    assert contracts.seed.immutable("DELAY_BLOCKS") == PARAMETERS.seed_delay


def test_a_second_deployment_stands_beside_the_first(world: World) -> None:
    second = deploy(world.client, world.accounts[0], PARAMETERS)
    first = set(world.contracts.deployment.addresses().values())
    assert not first & set(second.deployment.addresses().values())
    assert second.events(0, world.chain.head().number) == []


def test_contracts_of_two_deployments_are_not_taken_for_one(world: World) -> None:
    other = deploy(world.client, world.accounts[0], PARAMETERS).deployment
    mixed = replace(world.contracts.deployment, escrow=other.escrow)
    with pytest.raises(Fatal, match=r"Escrow\.LEARNING is 0x"):
        check_wiring(Contracts(world.client, mixed))


def test_another_source_of_seeds_can_take_the_place_of_prevrandao(world: World) -> None:
    artifact = ROOT / "tests" / "contracts" / "artifacts" / "FixedSeed.json"
    code = Abi.from_artifact(json.loads(artifact.read_text())).creation_code(42, True)
    contracts = deploy(world.client, world.accounts[0], PARAMETERS, seed_code=code)
    assert contracts.verification.immutable("SEED") == contracts.seed.address


def test_a_parameter_out_of_bounds_is_named(world: World) -> None:
    with pytest.raises(ContractError, match="the constant slash cannot be"):
        deploy(world.client, world.accounts[0], replace(PARAMETERS, slash=Wei(PARAMETERS.stake + 1)))


def test_a_deployment_survives_its_file(world: World) -> None:
    deployment = world.contracts.deployment
    assert Deployment.from_json(deployment.to_json()) == deployment
