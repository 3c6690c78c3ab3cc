"""What an operator types, against real programs: anvil and geth for the chain, kubo for the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dapp.chain import keystore
from dapp.chain.client import Client
from dapp.chain.keys import Account, checksummed
from dapp.chain.web3_node import Web3Node
from dapp.cli.access import deployment_in
from dapp.device.share_file import ShareFile
from dapp.errors import ExitCode
from dapp.relay import DoorServer, DoorTerms, Place
from dapp.runtime.programs import Running
from dapp.storage import EmbeddedStore, open_store
from dapp.types import TaskId

PASSWORD = "a password of nobody's"
DEVICES = [Account.from_seed(b"operators on nodes", i) for i in range(3)]
TASK = ("-c", "devices=5", "-c", "rounds=2", "-c", "model=small-cnn", "-c", "data=mnist")


@dataclass(frozen=True)
class Operator:
    """Somebody at a keyboard, in a folder of their own, with a rich key."""

    folder: Path
    chain: str
    store: str

    def types(self, *arguments: object, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        """Runs `cairn` with these words."""
        command = [sys.executable, "-c", "from dapp.cli import main; main()", *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")} | {"CAIRN_PASSWORD": password}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    def gets(self, *arguments: object) -> str:
        """What `cairn` prints, which must end well."""
        done = self.types(*arguments)
        assert done.returncode == ExitCode.OK, done.stderr[-2000:]
        return done.stdout

    def is_refused(self, code: ExitCode, message: str, *arguments: object, password: str = PASSWORD) -> None:
        """What `cairn` refuses must come with this code and these words, and with help."""
        done = self.types(*arguments, password=password)
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr[-2000:]
        assert "\nhelp: " in done.stderr

    @property
    def at(self) -> tuple[str, ...]:
        """The chain and the contracts, as flags."""
        return ("--chain", self.chain, "--contracts", "deployment.json")


@pytest.fixture(scope="module", params=["anvil", "geth"])
def operator(request: pytest.FixtureRequest, kubo: Running, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Who has deployed the contracts already."""
    chain: Running = request.getfixturevalue(request.param)
    assert chain.faucet is not None
    operator = Operator(tmp_path_factory.mktemp("operator"), chain.url, kubo.url)
    keystore.import_key(operator.folder / "rich.json", chain.faucet, PASSWORD)
    operator.gets("keys", "new", "--out", "admission.json")
    told = operator.gets(
        "deploy", "--chain", chain.url, "--key", "rich.json", "--out", "deployment.json", "--pace", "fast"
    )
    assert " gas, now " in told.splitlines()[0]
    return operator


@pytest.fixture(scope="module")
def task(operator: Operator) -> str:
    """A task that the operator ordered; its id."""
    operator.gets("new", "project")
    admission = operator.gets("keys", "show", "admission.json").split()[0]
    (operator.folder / "holders.txt").write_text("\n".join(checksummed(d.address) for d in DEVICES))
    told = operator.gets(
        *("task", "create", "project", *operator.at, "--store", operator.store, "--key", "rich.json", *TASK),
        *("--holders", "holders.txt", "--admission", admission, "--shares", "shares", "--pace", "fast"),
    )
    (found,) = (line.split()[1] for line in told.splitlines() if line.startswith("task "))
    return found


def test_an_ordered_task_is_listed_and_its_blobs_lie_in_kubo(operator: Operator, task: str) -> None:
    assert operator.gets("task", "list", *operator.at) == f"{task}    0 devices  waits for round 0 of 2\n"
    (facts,) = json.loads(operator.gets("task", "list", *operator.at, "--json"))
    store = open_store(operator.store)
    for section, blob in (("learning", "model"), ("learning", "strategy"), ("key", "")):
        terms = facts["terms"][section]
        digest, size = (terms[f"{blob}_{name}" if blob else name] for name in ("digest", "size"))
        assert len(store.get(bytes.fromhex(digest[2:]), size, cap=size)) == size
    assert facts["terms"]["windows"]["seal"] == 12
    assert facts["terms"]["key"]["bits"] == 2048


def test_every_holder_has_a_share_that_its_task_knows(operator: Operator, task: str) -> None:
    (facts,) = json.loads(operator.gets("task", "list", *operator.at, "--json"))
    root = bytes.fromhex(facts["terms"]["key"]["holders_root"][2:])
    chain_id = deployment_in(operator.folder / "deployment.json").chain_id
    for i, device in enumerate(DEVICES):
        share = ShareFile.read(operator.folder / "shares" / f"share-{i}.json")
        share.check(chain_id, TaskId(bytes.fromhex(task[2:])), root, device.address)


def test_a_device_enrols_with_the_ticket_that_it_was_given(operator: Operator, task: str) -> None:
    names = [checksummed(device.address) for device in DEVICES]
    (ticket,) = json.loads(
        operator.gets("task", "admit", task, *operator.at, "--key", "admission.json", "--json", names[0])
    )
    client = Client(Web3Node.connect([operator.chain]))
    from dapp.chain.contracts import Contracts

    contracts = Contracts(client, deployment_in(operator.folder / "deployment.json"))
    enrol = contracts.learning.enrol(
        TaskId(bytes.fromhex(task[2:])), 10, bytes(32), bytes.fromhex(ticket["ticket"][2:])
    )
    client.read(enrol, DEVICES[0].address)  # refused where the ticket is not good


def test_the_doctor_finds_everything_in_order(operator: Operator, task: str) -> None:
    told = operator.gets("doctor", *operator.at, "--store", operator.store, "--key", "rich.json", "--role", "edge")
    lines = told.splitlines()
    assert all(line.startswith("✓") for line in lines), told
    assert [line.split()[1] for line in lines] == [
        *("versions", "settings", "chain", "clock", "contracts", "task", "store", "key", "funds")
    ]


def test_the_doctor_tells_a_door_to_the_task_from_another(operator: Operator, task: str, tmp_path: Path) -> None:
    d = deployment_in(operator.folder / "deployment.json")
    place = Place(d.chain_id, d.learning, d.mining, d.verification)
    good = DoorTerms(place, DEVICES[0].address, (TaskId(bytes.fromhex(task[2:])),), 1 << 20, 600, 1 << 28)
    store = EmbeddedStore(tmp_path)
    said = []
    for terms in (good, DoorTerms(place, DEVICES[0].address, (TaskId(bytes(32)),), 1 << 20, 600, 1 << 28)):
        with DoorServer("127.0.0.1", 0, terms=terms, take=lambda _: None, named=lambda _: False, store=store) as door:
            said.append(operator.types("doctor", *operator.at, "-c", f"doors={door.url}").stdout)
    assert f"is that of {checksummed(DEVICES[0].address)}, for blobs of up to 1.0\xa0MiB" in said[0]
    assert "! door" in said[1]
    assert f"does not serve task {task}" in said[1]


def test_wrong_places_are_refused_with_what_to_try(operator: Operator, task: str) -> None:
    key, out = ("--key", "rich.json"), ("--out", "other.json")
    nowhere = ("deploy", "--chain", "http://127.0.0.1:9", *key, *out)
    operator.is_refused(ExitCode.CHAIN, "no chain answers: http://127.0.0.1:9", *nowhere)
    other = ("deploy", "--chain", operator.chain, *key, *out, "--chain-id", 5)
    operator.is_refused(ExitCode.CHAIN, "the settings on chain 5", *other)
    locked = ("deploy", "--chain", operator.chain, *key, *out)
    operator.is_refused(ExitCode.KEY, "the password does not open rich.json", *locked, password="another")
    create = ("task", "create", "project", *operator.at, *key, *TASK, "--pace", "fast", "--shares", "none")
    create += ("--holders", "holders.txt", "--admission", checksummed(DEVICES[0].address))
    operator.is_refused(ExitCode.STORE, "127.0.0.1:9", *create, "--store", "http://127.0.0.1:9")
    assert not (operator.folder / "none").exists()
    assert not (operator.folder / "other.json").exists()


def test_contracts_of_another_chain_are_told(operator: Operator, task: str) -> None:
    file = operator.folder / "elsewhere.json"
    file.write_text(json.dumps(json.loads((operator.folder / "deployment.json").read_text()) | {"chain_id": 5}))
    elsewhere = ("task", "list", "--chain", operator.chain, "--contracts", "elsewhere.json")
    operator.is_refused(ExitCode.CHAIN, "the contracts of elsewhere.json are on chain 5", *elsewhere)


def test_a_key_without_ether_hears_how_much_it_needs(operator: Operator, task: str) -> None:
    poor = ("deploy", "--chain", operator.chain, "--key", "admission.json", "--out", "other.json")
    operator.is_refused(ExitCode.CHAIN, "but a deployment may cost up to", *poor)
    early = ("task", "open", *operator.at, "--key", "rich.json")
    operator.is_refused(ExitCode.CHAIN, "0 devices are enrolled, a round needs 3", *early)


def test_a_task_that_ends_pays_back(operator: Operator, task: str) -> None:
    told = operator.gets("task", "end", task, *operator.at, "--key", "rich.json")
    assert told.startswith("the task has ended; 0.")
    assert "ended after 0 rounds" in operator.gets("task", "list", *operator.at)
