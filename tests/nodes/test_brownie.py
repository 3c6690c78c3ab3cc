"""brownie with Cairn beside it: its own suite, its console and our scripts, on anvil, ganache and a running geth."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from eth_account import Account as EthAccount
from real_brownie import ROOT, Brownie, free_port
from real_nodes import program

from dapp import settings
from dapp.audit import verify
from dapp.chain import Account, Client, Contracts, Deployment
from dapp.chain.deploy import Parameters, check_wiring, deploy
from dapp.chain.development import fund
from dapp.chain.keys import checksummed
from dapp.chain.web3_node import Web3Node
from dapp.crypto.typed_data import Ticket, learning_domain
from dapp.learning.strategy import strategy
from dapp.protocol.enums import MemberState, Outcome
from dapp.protocol.terms import Terms
from dapp.requester.creation import create_task, terms_of
from dapp.runtime.programs import Running
from dapp.storage import Blob
from dapp.types import Address, Wei

pytestmark = pytest.mark.nodes

ETHER = 10**18
STARTED = ("development", "anvil", "ganache-cli")
"""Networks that brownie starts by itself."""


@pytest.fixture(scope="module")
def brownie(tmp_path_factory: pytest.TempPathFactory) -> Brownie:
    for name in ("anvil", "ganache"):
        program(name)
    return Brownie.at_home(tmp_path_factory.mktemp("home"), free_port())


@pytest.fixture(scope="module")
def beside_geth(tmp_path_factory: pytest.TempPathFactory, geth: Running) -> Brownie:
    port = urlsplit(geth.url).port
    assert port is not None
    return Brownie.at_home(tmp_path_factory.mktemp("home"), port)


def told(printed: str) -> dict[str, Any]:
    """The JSON object that a script prints."""
    start = printed.index("\n{\n")
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(printed[start + 1 :])
    return found


def contracts_on(url: str, deployment: dict[str, Any]) -> Contracts:
    return Contracts(Client(Web3Node.connect([url])), Deployment.from_json(deployment))


def script(name: str, *arguments: str, ok: bool = True, **environment: str) -> str:
    """What ``python scripts/NAME.py`` prints."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return f"\n{done.stdout}" if ok else done.stderr


def test_the_contracts_compile_in_brownie(brownie: Brownie) -> None:
    brownie.run("compile")
    compiled = {file.stem for file in (ROOT / "build" / "contracts").glob("*.json")}
    assert {"Escrow", "Learning", "Mining", "PrevrandaoSeed", "Verification"} <= compiled


@pytest.mark.parametrize("network", STARTED)
def test_brownies_own_suite_passes(brownie: Brownie, network: str) -> None:
    assert " passed in " in brownie.run("test", "--network", network)


@pytest.mark.parametrize("network", STARTED)
def test_a_console_has_the_contracts_and_cairns_client(brownie: Brownie, network: str) -> None:
    said = brownie.run("console", "--network", network, said=CONSOLE)
    assert "\n(2, 0, True)\n" in said


def test_a_console_beside_a_running_geth_has_them_too(beside_geth: Brownie) -> None:
    said = beside_geth.run("console", "--network", "geth-dev", said=CONSOLE)
    assert ", True)\n" in said


CONSOLE = """from dapp.chain import Client
client = Client.from_web3(web3)
height = client.head().number
seed = PrevrandaoSeed.deploy(2, {"from": accounts[0]})
seed.DELAY_BLOCKS(), height, client.head().number == height + 1
exit()
"""


@pytest.mark.parametrize("network", STARTED)
def test_scripts_run_on_a_chain_that_brownie_starts(brownie: Brownie, network: str, tmp_path: Path) -> None:
    contracts = str(tmp_path / "contracts.json")
    deployed = told(brownie.run("run", "deploy", "--network", network, CONTRACTS=contracts))
    assert deployed == json.loads(Path(contracts).read_text())
    registered = told(brownie.run("run", "register", "--network", network, CONTRACTS=contracts))
    assert registered["state"] == MemberState.PENDING.name


@pytest.mark.parametrize("network", ["development", "ganache-cli"])
def test_a_whole_round_runs_on_a_chain_that_brownie_starts(brownie: Brownie, network: str, tmp_path: Path) -> None:
    brownie.run("run", "demo_round", "--network", network, RUNS=str(tmp_path))
    assert accepted(tmp_path / "demo-round")


def test_a_whole_round_runs_on_a_running_geth(beside_geth: Brownie, tmp_path: Path) -> None:
    beside_geth.run("run", "demo_round", "--network", "geth-dev", RUNS=str(tmp_path))
    assert accepted(tmp_path / "demo-round")


def test_a_whole_round_runs_without_brownie(anvil: Running, tmp_path: Path) -> None:
    assert "cairn verify" in script("demo_round", "--chain", anvil.url, RUNS=str(tmp_path))
    assert accepted(tmp_path / "demo-round")


def accepted(run: Path) -> bool:
    """Whether a run's one round was accepted and an audit of its folder finds neither a lie nor a fault."""
    audit = verify(run, lambda *_: None)
    outcomes = [each["outcome"] for each in json.loads((run / "report.json").read_text())["rounds"]]
    return outcomes == [Outcome.ACCEPTED.name.title()] and audit.ended and not audit.findings


def test_scripts_find_on_a_running_geth_what_they_deployed(beside_geth: Brownie, geth: Running, tmp_path: Path) -> None:
    file = str(tmp_path / "contracts.json")
    deployed = told(beside_geth.run("run", "deploy", "--network", "geth-dev", CONTRACTS=file))
    contracts = contracts_on(geth.url, deployed)
    check_wiring(contracts)
    registered = told(beside_geth.run("run", "register", "--network", "geth-dev", CONTRACTS=file))
    member = contracts.verification.member_of(Address(bytes.fromhex(registered["address"][2:])))
    assert member.state is MemberState.PENDING
    assert member.stake == registered["stake"] == contracts.verification.immutable("STAKE")


def test_a_device_enrols_with_its_ticket_and_the_account_of_brownie_that_is_named(
    beside_geth: Brownie, geth: Running, tmp_path: Path
) -> None:
    client = Client(Web3Node.connect([geth.url]))
    requester, admission, device = (Account(secrets.token_bytes(32)) for _ in range(3))
    fund(client, [requester.address, device.address], Wei(100 * ETHER))
    contracts = deploy(client, requester, Parameters())
    file = tmp_path / "contracts.json"
    file.write_text(json.dumps(contracts.deployment.to_json()))
    task = create_task(client, contracts, requester, terms(admission)).task_id
    domain = learning_domain(client.chain_id, contracts.learning.address)
    ticket = admission.sign_digest(Ticket(task, device.address).signing_hash(domain))
    keystore = EthAccount.encrypt(device.private_key, "secret", iterations=2)
    (beside_geth.home / ".brownie" / "accounts" / "me.json").write_text(json.dumps(keystore))

    given = {"TASK": f"0x{task.hex()}", "TICKET": f"0x{ticket.hex()}", "WEIGHT": "600", "STATEMENT": "mine"}
    named = {"ACCOUNT": "me", "CAIRN_PASSWORD": "secret", "CONTRACTS": str(file)}
    enrolled = told(beside_geth.run("run", "register", "--network", "geth-dev", **given, **named))
    assert enrolled["address"] == checksummed(device.address)
    assert contracts.learning.enrolment_of(task, device.address) == (enrolled["index"] + 1, 600) == (1, 600)


def test_a_network_that_is_added_by_its_address_is_paid_for_by_the_account_that_is_named(
    beside_geth: Brownie, geth: Running, tmp_path: Path
) -> None:
    client, deployer = Client(Web3Node.connect([geth.url])), Account(secrets.token_bytes(32))
    fund(client, [deployer.address], Wei(ETHER))
    keystore = EthAccount.encrypt(deployer.private_key, "secret", iterations=2)
    (beside_geth.home / ".brownie" / "accounts" / "deployer.json").write_text(json.dumps(keystore))
    beside_geth.run("networks", "add", "Ethereum", "far", f"host={geth.url}", f"chainid={geth.chain_id}")
    named = {"ACCOUNT": "deployer", "CAIRN_PASSWORD": "secret", "CONTRACTS": str(tmp_path / "contracts.json")}
    told(beside_geth.run("run", "deploy", "--network", "far", **named))
    assert 0 < client.balance(deployer.address) < ETHER


def terms(admission: Account) -> Terms:
    """Those of the smallest task, of whose strategy, model and key only the names matter here."""
    chosen = settings.load(None, {}, ["rounds=1"])
    named = [Blob(bytes([i]) * 32, 1000) for i in range(1, 4)]
    holders = [Account(secrets.token_bytes(32)).address for _ in range(chosen.holders)]
    return terms_of(chosen, strategy("fedavg"), admission.address, holders, named, 1000)


def test_plain_python_runs_the_same_scripts(geth: Running, tmp_path: Path) -> None:
    file = str(tmp_path / "contracts.json")
    deployed = told(script("deploy", "--chain", geth.url, CONTRACTS=file, PARAMETERS='{"seed_delay": 132}'))
    contracts = contracts_on(geth.url, deployed)
    assert contracts.seed.immutable("DELAY_BLOCKS") == 132
    registered = told(script("register", "--chain", geth.url, CONTRACTS=file))
    assert contracts.verification.member_count() == (0, 1)
    assert registered["stake"] == contracts.verification.immutable("STAKE")


def test_a_script_without_a_chain_says_what_is_missing() -> None:
    said = script("deploy", "--chain", f"http://127.0.0.1:{free_port()}", ok=False)
    assert "Traceback" not in said
    assert "127.0.0.1" in said
