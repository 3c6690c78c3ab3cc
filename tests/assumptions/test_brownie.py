"""What we believe of brownie 1.22.2, one statement a test, in a project of one contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_brownie import Brownie, brownie_data, free_port
from real_nodes import program

pytestmark = pytest.mark.nodes

CONTRACT = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;
contract Pair {
    error NotYours(address caller);
    function both() external pure returns (uint32 first, uint32 second) { return (1, 2); }
    function take() external { revert NotYours(msg.sender); }
}
"""
SETTINGS = "compiler: {solc: {version: 0.8.37, evm_version: shanghai}}\n"


@pytest.fixture
def brownie(tmp_path: Path) -> Brownie:
    program("anvil")
    home = tmp_path / "home"
    home.mkdir()
    return Brownie.at_home(home, free_port())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    (folder / "contracts").mkdir(parents=True)
    (folder / "contracts" / "Pair.sol").write_text(CONTRACT)
    (folder / "brownie-config.yaml").write_text(SETTINGS)
    return folder


def console(brownie: Brownie, project: Path, *lines: str) -> str:
    return brownie.run("console", folder=project, said="\n".join([*lines, "exit()", ""]))


def test_it_wants_a_web3_that_cairn_takes_too(brownie: Brownie) -> None:
    asked = "from importlib.metadata import requires; print([r for r in requires('eth-brownie') if 'web3' in r])"
    assert "web3==7.16.0" in brownie.python("-c", asked)


def test_cairn_and_brownie_agree_in_one_environment(brownie: Brownie) -> None:
    asked = "from importlib.metadata import version; print(version('cairn-fl'), version('eth-brownie'))"
    assert "1.22.2" in brownie.python("-c", asked)


@pytest.mark.parametrize(
    ("network", "command"), [("development", "anvil"), ("ganache-cli", "ganache-cli"), ("geth-dev", "ethnode")]
)
def test_its_own_networks_are_of_development(brownie: Brownie, network: str, command: str) -> None:
    development = brownie_data("network-config.yaml").read_text().partition("\ndevelopment:")[2]
    assert f"id: {network}\n    cmd: {command}\n" in development


def test_it_takes_the_compiler_that_stands_in_for_a_native_one(brownie: Brownie, project: Path) -> None:
    assert "Pair" in brownie.run("compile", folder=project)
    assert (project / "build" / "contracts" / "Pair.json").is_file()


@pytest.mark.parametrize("key", ["default: anvil", "development: {cmd_settings: {chain_id: 31337}}"])
def test_its_compiled_wheel_dies_of_a_setting(brownie: Brownie, project: Path, key: str) -> None:
    (project / "brownie-config.yaml").write_text(f"{SETTINGS}networks:\n  {key}\n")
    assert "TypeError" in brownie.run("console", folder=project, said="exit()\n", ok=False)


def test_it_looks_for_its_chain_on_path_alone(brownie: Brownie, project: Path) -> None:
    assert "No such file or directory: 'anvil'" in brownie.run("console", folder=project, ok=False, PATH="/usr/bin")


def test_a_console_takes_its_lines_from_a_pipe(brownie: Brownie, project: Path) -> None:
    assert "\n31337\n" in console(brownie, project, "chain.id")


def test_a_contracts_own_error_is_told_with_its_arguments(brownie: Brownie, project: Path) -> None:
    said = console(brownie, project, 'Pair.deploy({"from": accounts[0]}).take({"from": accounts[1]})')
    assert "NotYours: 0x70997970c51812dc3a010c7d01b50e0d17dc79c8" in said


def test_a_pair_that_a_contract_gave_is_not_compared_with_numbers(brownie: Brownie, project: Path) -> None:
    assert "TypeError" in console(brownie, project, 'Pair.deploy({"from": accounts[0]}).both() == (1, 2)')


def test_a_key_that_it_makes_can_be_had(brownie: Brownie, project: Path) -> None:
    assert "\n66\n" in console(brownie, project, "len(accounts.add().private_key)")


def test_it_writes_into_the_home_folder_its_own_settings_and_nothing_else(brownie: Brownie, project: Path) -> None:
    console(brownie, project, "chain.id")
    assert {entry.name for entry in brownie.home.iterdir()} == {".brownie", ".vvm"}
    assert not any((brownie.home / ".vvm").iterdir())
