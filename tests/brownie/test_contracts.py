"""The contracts through brownie's eyes: what it compiled, what its objects send, and what Cairn's client says of it."""

from __future__ import annotations

import json
from pathlib import Path

import brownie
import pytest
from brownie import accounts, chain
from brownie.network.contract import ProjectContract
from conftest import PARAMETERS

from dapp.chain import Account, Client, Contracts
from dapp.types import Address

ARTIFACTS = Path(__file__).parents[2] / "dapp" / "chain" / "abi"
METADATA_BYTES = 54
"""What brownie's compilation adds to ours at most: the CBOR that names its sources, and one INVALID before it."""
POT = b"brownie's own pot".ljust(32, b"\0")


def address_of(account: object) -> Address:
    return Address(bytes.fromhex(str(account).removeprefix("0x")))


def lower(account: object) -> str:
    """An address as brownie spells it in a contract's refusal."""
    return str(account).lower()


@pytest.mark.parametrize("name", sorted(file.stem for file in ARTIFACTS.glob("*.json")))
def test_brownie_compiles_the_code_that_cairn_deploys(name: str) -> None:
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text())
    (project,) = brownie.project.get_loaded_projects()
    compiled = bytes.fromhex(project[name]._build["deployedBytecode"].removeprefix("0x"))
    deployed = bytes.fromhex(artifact["deployedBytecode"].removeprefix("0x"))
    assert compiled.startswith(deployed)
    assert len(compiled) - len(deployed) <= METADATA_BYTES


def test_a_verifier_that_brownie_registers_is_pending_until_its_day_has_come(
    verification: ProjectContract, cairn: Contracts
) -> None:
    joined = verification.join({"from": accounts[1], "value": PARAMETERS.stake})
    assert joined.events["MemberJoined"]["member"] == accounts[1]
    assert cairn.verification.member_count() == (0, 1)
    chain.sleep(PARAMETERS.activation_delay + 1)
    chain.mine()
    verification.promote(1, {"from": accounts[2]})
    assert cairn.verification.member_count() == (1, 0)


def test_a_wrong_stake_is_refused_in_the_contracts_own_words(verification: ProjectContract) -> None:
    sent = PARAMETERS.stake - 1
    with brownie.reverts(f"VerificationWrongStake: {sent}, {PARAMETERS.stake}"):
        verification.join({"from": accounts[1], "value": sent})


def test_nobody_joins_twice(verification: ProjectContract) -> None:
    stake = {"from": accounts[1], "value": PARAMETERS.stake}
    verification.join(stake)
    with brownie.reverts(f"VerificationAlreadyMember: {lower(accounts[1])}"):
        verification.join(stake)


def test_a_stake_is_bound_while_its_owner_cools_down(verification: ProjectContract, escrow: ProjectContract) -> None:
    owner = accounts[1]
    verification.join({"from": owner, "value": PARAMETERS.stake})
    left = verification.leave({"from": owner})
    with brownie.reverts(f"VerificationStillBound: {left.events['MemberLeaving']['until']}"):
        verification.withdrawStakeFor(owner, {"from": accounts[2]})
    chain.sleep(PARAMETERS.cool_down + 1)
    chain.mine()
    verification.withdrawStakeFor(owner, {"from": accounts[2]})
    assert escrow.creditOf(owner) == PARAMETERS.stake


def test_whoever_is_owed_nothing_withdraws_nothing(escrow: ProjectContract) -> None:
    with brownie.reverts(f"EscrowNothingOwed: {lower(accounts[3])}"):
        escrow.withdraw({"from": accounts[3]})


def test_only_a_protocol_contract_moves_money(escrow: ProjectContract) -> None:
    with brownie.reverts(f"EscrowNotProtocol: {lower(accounts[3])}"):
        escrow.pay(POT, accounts[3], 1, b"greed", {"from": accounts[3]})


def test_cairn_and_brownie_see_one_chain(
    escrow: ProjectContract, cairn: Contracts, client: Client, deployer: Account
) -> None:
    escrow.fund(POT, {"from": accounts[1], "value": 3})
    client.send(deployer, cairn.escrow.fund(POT, 4))
    assert escrow.potOf(POT) == cairn.escrow.pot_of(POT) == 7
    assert client.balance(address_of(accounts[1])) == accounts[1].balance()
    assert client.head().number == len(chain) - 1
