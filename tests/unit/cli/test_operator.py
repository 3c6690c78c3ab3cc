"""The commands of operators, on contracts that an embedded chain really runs; only its address is made up.

What they say, how they exit, and that nothing is lost or paid where something is wrong.
"""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dapp.chain import keystore
from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.deploy import deploy
from dapp.chain.devnet import Devnet
from dapp.chain.errors import ContractError
from dapp.chain.keys import Account, checksummed
from dapp.chain.node import OutOfFunds, Unreachable
from dapp.chain.web3_node import Web3Node
from dapp.cli import listing
from dapp.cli.access import contracts_at
from dapp.cli.task import holders_from
from dapp.crypto import merkle, threshold
from dapp.device.share_file import ShareFile
from dapp.errors import ExitCode, KeyFileError, SettingsError
from dapp.protocol.blobs import KeyBlob
from dapp.protocol.keys import read_key
from dapp.requester import order as order_module
from dapp.requester.creation import cost_of, parameters_of
from dapp.requester.order import Order, place
from dapp.settings import Settings, load, with_pace
from dapp.storage import EmbeddedStore
from dapp.types import TaskId, Wei

from .conftest import Run

ETHER = 10**18
PROJECT = Path(__file__).parents[2] / "project"
RICH, ADMISSION, POOR, *DEVICES = (Account.from_seed(b"operator", i) for i in range(8))
HOLDERS = [device.address for device in DEVICES[:3]]
PASSWORD = "correct horse"
CHAIN = ("--chain", "http://chain.example:8545")


def small(*overrides: str) -> Settings:
    """A task that costs little to order: a key of 512 bits, one round."""
    changes = ("model=model.py:Model", "data=data.py:points", "key.bits=512", "devices=5", "rounds=1", "workers=1")
    return load(None, {}, [*changes, "key.holders=3", *overrides], allow_small=True)


@dataclass(frozen=True)
class Place:
    """A chain with contracts on it, and the folder in which the operator works."""

    devnet: Devnet
    contracts: Contracts
    folder: Path

    @property
    def client(self) -> Client:
        return Client(self.devnet)

    @property
    def store(self) -> EmbeddedStore:
        return EmbeddedStore(self.folder / "blobs")

    def order(self, settings: Settings | None = None) -> TaskId:
        """Orders the small task; its share files are in ``shares``."""
        order = Order.of(settings or small(), PROJECT, ADMISSION.address, HOLDERS, self.folder / "shares")
        task_id = place(order, self.client, self.contracts, RICH, self.store, lambda _: None, lambda _: True)
        assert task_id is not None
        return task_id


@pytest.fixture(scope="module")
def chain() -> tuple[Devnet, Contracts]:
    devnet = Devnet({account.address: Wei(1000 * ETHER) for account in (RICH, *DEVICES)}, seed=b"operator")
    parameters = replace(parameters_of(Settings()), min_key_bits=512)
    return devnet, deploy(Client(devnet), RICH, parameters)


@pytest.fixture
def here(
    chain: tuple[Devnet, Contracts], cairn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """The folder has the deployment's file and keystores; ``chain.example`` is the embedded chain."""
    devnet, contracts = chain
    monkeypatch.setattr(keystore, "SCRYPT_N", 2)  # a keystore like any other, but quick to open
    monkeypatch.setattr(Web3Node, "connect", lambda urls, network=None: devnet)
    monkeypatch.setenv("CAIRN_PASSWORD", PASSWORD)
    (tmp_path / "deployment.json").write_text(json.dumps(contracts.deployment.to_json()))
    for name, account in {"rich": RICH, "admission": ADMISSION, "poor": POOR, "device": DEVICES[0]}.items():
        keystore.import_key(tmp_path / f"{name}.json", account.private_key, PASSWORD)
    before = devnet.snapshot()
    yield Place(devnet, contracts, tmp_path)
    devnet.revert(before)


AT = (*CHAIN, "--contracts", "deployment.json")


def said(ended: SimpleNamespace, code: ExitCode, message: str) -> str:
    """The help of a refusal, once it is clear that it was refused so."""
    assert (ended.code, message in ended.err) == (code, True), ended
    assert "\nhelp: " in ended.err
    return str(ended.err).partition("\nhelp: ")[2].strip()


class TestKeys:
    def test_a_new_key_lies_closed_under_its_password(self, cairn: Run, here: Place) -> None:
        made = cairn("keys", "new", "--out", "new.json")
        address = made.out.strip()
        assert made.code == ExitCode.OK
        assert stat.S_IMODE(Path("new.json").stat().st_mode) == 0o600
        assert checksummed(keystore.load(Path("new.json"), PASSWORD).address) == address
        assert cairn("keys", "show", "new.json").out == f"{address}  new.json\n"

    def test_a_key_is_imported_from_a_closed_file_only(self, cairn: Run, here: Place) -> None:
        Path("plain.txt").write_text(f"0x{POOR.private_key.hex()}\n")
        Path("plain.txt").chmod(0o644)
        refused = cairn("keys", "import", "--from", "plain.txt", "--out", "new.json")
        assert "chmod 600 plain.txt" in said(refused, ExitCode.KEY, "plain.txt is open to others (mode 0644)")
        assert not Path("new.json").exists()
        Path("plain.txt").chmod(0o600)
        assert cairn("keys", "import", "--from", "plain.txt", "--out", "new.json").out.strip() == checksummed(
            POOR.address
        )

    def test_what_is_no_key_is_not_shown(self, cairn: Run, here: Place) -> None:
        Path("plain.txt").write_text("c0ffee" * 10)
        Path("plain.txt").chmod(0o600)
        refused = cairn("keys", "import", "--from", "plain.txt", "--out", "new.json")
        said(refused, ExitCode.KEY, "plain.txt is no private key")
        assert "c0ffee" not in refused.err

    def test_a_key_is_never_written_over(self, cairn: Run, here: Place) -> None:
        before = Path("rich.json").read_bytes()
        said(cairn("keys", "new", "--out", "rich.json"), ExitCode.KEY, "rich.json is there already")
        assert Path("rich.json").read_bytes() == before

    def test_nobody_to_ask_for_a_password_is_an_error_not_a_hang(
        self, cairn: Run, here: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CAIRN_PASSWORD")
        with open(os.devnull) as nothing:  # noqa: PTH123  # standard input of a service
            monkeypatch.setattr(sys, "stdin", nothing)
            refused = cairn("keys", "new", "--out", "new.json")
        assert "CAIRN_PASSWORD" in said(refused, ExitCode.KEY, "there is nobody to ask for the password of new.json")

    def test_at_a_terminal_a_new_password_is_asked_for_twice_and_never_shown(self, here: Place) -> None:
        program = "import sys; from dapp.cli import main; sys.argv = ['cairn', 'keys', 'new']; main()"
        child, terminal = pty.fork()
        if child == 0:
            os.environ.pop("CAIRN_PASSWORD")
            os.execv(sys.executable, [sys.executable, "-c", program])
        shown = b""
        first, again = b"Password of key.json: ", b"Repeat for confirmation: "
        for question, answer in ((first, b"plugh"), (again, b"xyzzy"), (first, b"xyzzy"), (again, b"xyzzy")):
            while not shown.endswith(question):
                shown += os.read(terminal, 1024)
            os.write(terminal, answer + b"\n")
        with suppress(OSError):  # what a terminal says that nobody is at any more
            while more := os.read(terminal, 1024):
                shown += more
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ExitCode.OK
        assert keystore.load(Path("key.json"), "xyzzy")
        assert not [secret for secret in (b"plugh", b"xyzzy") if secret in shown]

    def test_a_password_file_counts_before_the_environment_and_must_be_closed(self, cairn: Run, here: Place) -> None:
        Path("password").write_text("another\n")
        Path("password").chmod(0o600)
        assert cairn("keys", "new", "--out", "new.json", "--password-file", "password").code == ExitCode.OK
        assert keystore.load(Path("new.json"), "another")
        Path("password").chmod(0o640)
        refused = cairn("keys", "new", "--out", "newer.json", "--password-file", "password")
        said(refused, ExitCode.KEY, "password is open to others")

    def test_a_credential_of_systemd_is_closed_though_its_mode_shows_the_group(
        self, cairn: Run, here: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = Path("credentials").absolute()
        folder.mkdir()
        (folder / "password").write_text("another\n")
        (folder / "password").chmod(0o440)  # an access list's mask: systemd/systemd#29435
        given = ("--password-file", str(folder / "password"))
        said(cairn("keys", "new", "--out", "new.json", *given), ExitCode.KEY, "password is open to others")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        assert cairn("keys", "new", "--out", "new.json", *given).code == ExitCode.OK
        assert keystore.load(Path("new.json"), "another")
        (folder / "password").chmod(0o444)
        said(cairn("keys", "new", "--out", "newer.json", *given), ExitCode.KEY, "password is open to others")


class TestDeploy:
    def test_it_says_what_it_costs_and_writes_where_the_contracts_are(self, cairn: Run, here: Place) -> None:
        done = cairn("deploy", *CHAIN, "--key", "rich.json", "--out", "new.json", "--min-window", "77")
        assert done.code == ExitCode.OK, done.err
        assert f"{checksummed(RICH.address)} deploys to chain {here.devnet.chain_id}: " in done.out
        assert " gas, now " in done.out.splitlines()[0]
        listed = cairn("task", "list", *CHAIN, "--contracts", "new.json")
        assert (listed.code, listed.out) == (ExitCode.OK, "there is no task yet\n")
        assert contracts_at(here.client, Path("new.json")).learning.immutable("MIN_WINDOW") == 77

    def test_a_fast_pace_lowers_what_fast_windows_need(self, cairn: Run, here: Place) -> None:
        cairn("deploy", *CHAIN, "--key", "rich.json", "--out", "new.json", "--pace", "fast")
        contracts = contracts_at(here.client, Path("new.json"))
        shortest = min(s for s in with_pace(Settings(), "fast").windows.__getstate__() if s)
        assert contracts.learning.immutable("MIN_WINDOW") == shortest
        assert contracts.learning.immutable("MIN_KEY_BITS") == 2048

    def test_who_cannot_pay_hears_how_much_is_needed_and_sends_nothing(self, cairn: Run, here: Place) -> None:
        before = here.devnet.head()
        refused = cairn("deploy", *CHAIN, "--key", "poor.json", "--out", "new.json")
        help = said(
            refused, ExitCode.CHAIN, f"{checksummed(POOR.address)} has 0\xa0wei, but a deployment may cost up to "
        )
        assert help.startswith("Send ")
        assert "Nothing was sent." in help
        assert here.devnet.head() == before
        assert not Path("new.json").exists()

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("--slash", "999999999999"), ExitCode.CHAIN, "the constant slash cannot be"),
            (("--out", "deployment.json"), ExitCode.SETTINGS, "deployment.json is there already: nothing was deployed"),
            (("--out", "nowhere/d.json"), ExitCode.SETTINGS, "there is no folder nowhere: nothing was deployed"),
            (("--key", "none.json"), ExitCode.KEY, "none.json"),
        ],
    )
    def test_what_cannot_be_deployed_costs_nothing(
        self, cairn: Run, here: Place, arguments: tuple[str, ...], code: ExitCode, message: str
    ) -> None:
        before = here.devnet.head()
        said(cairn("deploy", *CHAIN, "--key", "rich.json", "--out", "new.json", *arguments), code, message)
        assert here.devnet.head() == before

    def test_a_wrong_password_is_told_and_nothing_is_sent(
        self, cairn: Run, here: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CAIRN_PASSWORD", "wrong")
        refused = cairn("deploy", *CHAIN, "--key", "rich.json", "--out", "new.json")
        said(refused, ExitCode.KEY, "the password does not open rich.json")
        assert "wrong" not in refused.err

    def test_a_keystore_open_to_others_is_refused(self, cairn: Run, here: Place) -> None:
        Path("rich.json").chmod(0o644)
        said(
            cairn("deploy", *CHAIN, "--key", "rich.json", "--out", "new.json"),
            ExitCode.KEY,
            "rich.json is open to others",
        )

    def test_a_key_that_another_process_acts_with_is_left_alone(self, cairn: Run, here: Place) -> None:
        program = (
            "import sys, pathlib\nfrom dapp.chain.keystore import hold\nfrom dapp.types import Address\n"
            "with hold(pathlib.Path('.'), Address(bytes.fromhex(sys.argv[1])), int(sys.argv[2])):\n"
            "    print('held', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", program, RICH.address.hex(), str(here.devnet.chain_id)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            refused = cairn("deploy", *CHAIN, "--key", "rich.json", "--out", "new.json")
            said(refused, ExitCode.KEY, f"process {other.pid} acts with the key")
            other.communicate("")


class TestOrder:
    def test_an_ordered_task_is_funded_published_and_can_be_opened_by_its_holders(self, here: Place) -> None:
        settings = small()
        task_id = here.order(settings)
        task = here.contracts.learning.task_of(task_id)
        assert task.requester == RICH.address
        root = here.contracts.learning.holders_root_of(task_id)
        leaves = [merkle.holder_leaf(i, holder) for i, holder in enumerate(HOLDERS)]
        assert root == merkle.root(leaves)
        for i, holder in enumerate(HOLDERS):
            path = here.folder / "shares" / f"share-{i}.json"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            ShareFile.read(path).check(here.devnet.chain_id, task_id, root, holder)
        created, view = listing.all_tasks(here.contracts, here.devnet.head().number)[task_id]
        assert here.contracts.escrow.pot_of(task_id) == cost_of(created.terms)
        key, model = created.terms.key, created.terms.learning
        blob = here.store.get(key.digest, key.size, cap=key.size)
        assert KeyBlob.decode(blob).threshold == settings.threshold == 2
        assert read_key(blob, allow_small=True).public.bits == 512
        assert here.store.has(model.model_digest, model.model_size)
        assert here.store.has(model.strategy_digest, model.strategy_size)
        assert view.terms == created.terms

    def test_the_shares_open_what_the_published_key_encrypts(self, here: Place) -> None:
        task_id = here.order()
        named = listing.all_tasks(here.contracts, here.devnet.head().number)[task_id][0].terms.key
        key = read_key(here.store.get(named.digest, named.size, cap=named.size), allow_small=True)
        n = int(key.public.n)
        ciphertexts = [(1 + m * n) * pow(r, n, n * n) % (n * n) for m, r in ((7, 1234567), (1234, 89))]
        files = [ShareFile.read(here.folder / "shares" / f"share-{i}.json") for i in (0, 2)]
        shared = {file.index + 1: threshold.share(key, file.share, ciphertexts) for file in files}
        assert threshold.combine(key, shared, ciphertexts)[0].messages == (7, 1234)

    def test_terms_that_the_contract_refuses_cost_no_key_and_no_ether(self, here: Place) -> None:
        settings = small()
        loose = replace(settings, cohort=replace(settings.cohort, min_devices=2))
        order = Order.of(loose, PROJECT, ADMISSION.address, HOLDERS, here.folder / "shares")
        before, told = here.devnet.head(), list[str]()
        with pytest.raises(ContractError, match="minDevices"):
            place(order, here.client, here.contracts, RICH, here.store, told.append, lambda _: True)
        assert (here.devnet.head(), told) == (before, [])

    def test_who_cannot_pay_deals_no_key(self, here: Place) -> None:
        told: list[str] = []
        order = Order.of(small(), PROJECT, ADMISSION.address, HOLDERS, here.folder / "shares")
        with pytest.raises(OutOfFunds, match="the task may cost up to"):
            place(order, here.client, here.contracts, POOR, here.store, told.append, lambda _: True)
        assert told == []
        assert not (here.folder / "shares").exists()

    def test_windows_that_the_contracts_do_not_take_are_named_first(self, here: Place) -> None:
        order = Order.of(with_pace(small(), "fast"), PROJECT, ADMISSION.address, HOLDERS, here.folder / "shares")
        with pytest.raises(
            SettingsError, match=r"windows\.publish is 40 s, but these contracts take no window under 60"
        ):
            place(order, here.client, here.contracts, RICH, here.store, lambda _: None, lambda _: True)

    def test_who_does_not_agree_to_the_price_orders_nothing(self, here: Place) -> None:
        before = here.devnet.head()
        order = Order.of(small(), PROJECT, ADMISSION.address, HOLDERS, here.folder / "shares")
        asked: list[str] = []
        answer = place(
            order, here.client, here.contracts, RICH, here.store, lambda _: None, lambda what: bool(asked.append(what))
        )
        assert answer is None
        assert "sent along" in asked[0]
        assert (here.devnet.head(), (here.folder / "shares").exists()) == (before, False)

    def test_a_share_that_lies_there_is_not_written_over(self, here: Place) -> None:
        (here.folder / "shares").mkdir()
        (here.folder / "shares" / "share-1.json").write_text("precious")
        with pytest.raises(KeyFileError, match=r"share-1\.json is there already: nothing was ordered"):
            Order.of(small(), PROJECT, ADMISSION.address, HOLDERS, here.folder / "shares")

    def test_shares_of_a_task_that_was_refused_at_last_are_taken_back(
        self, here: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            assert len(list((here.folder / "shares").iterdir())) == 3
            raise ContractError("Learning.createTask was refused", help="Deploy anew.")

        monkeypatch.setattr(order_module, "create_task", refuse)
        with pytest.raises(ContractError):
            here.order()
        assert list((here.folder / "shares").iterdir()) == []

    def test_shares_of_a_task_that_may_be_there_stay(self, here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        def vanish(*_: object) -> None:
            raise Unreachable("no chain answers", help="Wait.")

        monkeypatch.setattr(order_module, "create_task", vanish)
        with pytest.raises(Unreachable):
            here.order()
        assert len(list((here.folder / "shares").iterdir())) == 3

    def test_holders_may_stand_in_a_file_or_in_a_list(self, tmp_path: Path) -> None:
        names = [checksummed(holder) for holder in HOLDERS]
        path = tmp_path / "holders.txt"
        path.write_text("# ours\n\n" + "\n".join(names))
        assert holders_from(str(path)) == holders_from(",".join(names)) == HOLDERS

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("0x12,0x34", "'0x12' is not an address"),
            (f"0x{'11' * 20}", "1 addresses"),
            (f"0x{'11' * 20},0x{'11' * 20}", "an address stands there twice"),
            (checksummed(HOLDERS[0]).swapcase().replace("0X", "0x") + f",0x{'11' * 20}", "those of its checksum"),
            ("no/such/file", "neither addresses nor a file that can be read"),
        ],
    )
    def test_holders_that_are_none_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            holders_from(text)


class TestTasks:
    def test_a_task_is_admitted_to_opened_shown_funded_and_ended(self, cairn: Run, here: Place) -> None:
        task_id = here.order()
        text, devices = f"0x{task_id.hex()}", [checksummed(device.address) for device in DEVICES[:4]]
        admitted = cairn("task", "admit", text, *AT, "--key", "admission.json", "--json", *devices)
        tickets = json.loads(admitted.out)
        assert [each["device"] for each in tickets] == devices
        early = cairn("task", "open", *AT, "--key", "device.json")
        said(early, ExitCode.CHAIN, "0 devices are enrolled, a round needs 3")
        for device, each in zip(DEVICES, tickets, strict=False):
            enrol = here.contracts.learning.enrol(task_id, 10, bytes(32), bytes.fromhex(each["ticket"][2:]))
            here.client.send(device, enrol)
        opened = cairn("task", "open", text[:12], *AT, "--key", "device.json")
        assert opened.out.startswith("round 0 is open: 4 devices, "), opened
        listed = cairn("task", "list", *AT)
        assert listed.out == f"{text}    4 devices  round 0 of 1: commit\n"
        shown = cairn("task", "show", *AT)
        assert f"\nrequester  {checksummed(RICH.address)}, " in shown.out
        assert f"0  {devices[0]}  weight 10\n" in shown.out
        assert "round 0    update; commit, at most 600 s more\n           committed nobody; not 0 1 2 3\n" in shown.out
        facts = json.loads(cairn("task", "show", text, *AT, "--json").out)
        assert facts["rounds"][0]["missing"] == [0, 1, 2, 3]
        assert facts["terms"]["key"]["threshold"] == 2
        pot = here.contracts.escrow.pot_of(task_id)
        assert cairn("task", "fund", *AT, "--key", "device.json", "--gwei", "5").code == ExitCode.OK
        assert here.contracts.escrow.pot_of(task_id) == pot + 5 * 10**9
        busy = cairn("task", "end", *AT, "--key", "rich.json")
        assert busy.code == ExitCode.CHAIN

    def test_a_task_that_ended_pays_back_what_was_left(self, cairn: Run, here: Place) -> None:
        task_id = here.order()
        before, pot = here.devnet.balance(RICH.address), here.contracts.escrow.pot_of(task_id)
        ended = cairn("task", "end", *AT, "--key", "rich.json")
        assert "the task has ended; 0." in ended.out, ended
        assert before < here.devnet.balance(RICH.address) <= before + pot
        assert here.contracts.escrow.credit_of(RICH.address) == 0
        refused = cairn("task", "fund", f"0x{task_id.hex()}", *AT, "--key", "rich.json", "--gwei", "5")
        said(refused, ExitCode.SETTINGS, "the task has ended")
        said(cairn("task", "show", *AT), ExitCode.SETTINGS, "there is no task that has not ended here")

    def test_tickets_need_the_tasks_own_admission_key(self, cairn: Run, here: Place) -> None:
        text = f"0x{here.order().hex()}"
        device = checksummed(DEVICES[0].address)
        refused = cairn("task", "admit", text, *AT, "--key", "rich.json", device)
        said(refused, ExitCode.SETTINGS, f"{checksummed(RICH.address)} does not admit to this task")
        short = cairn("task", "admit", text[:20], "--contracts", "deployment.json", "--key", "admission.json", device)
        said(short, ExitCode.SETTINGS, "is not a task's id")

    def test_a_ticket_is_signed_without_any_network(
        self, cairn: Run, here: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreachable(*_: object) -> None:
            raise AssertionError("the chain was asked")

        monkeypatch.setattr(Web3Node, "connect", unreachable)
        arguments = ("--contracts", "deployment.json", "--key", "admission.json", checksummed(DEVICES[0].address))
        ticket = cairn("task", "admit", "0x" + "ab" * 32, *arguments).out.split()[1]
        assert len(bytes.fromhex(ticket[2:])) == 65

    @pytest.mark.parametrize(
        ("content", "code", "message"),
        [
            (None, ExitCode.SETTINGS, "deployment.json cannot be read: No such file"),
            ("{", ExitCode.SETTINGS, "deployment.json does not say where contracts are"),
            ("{}", ExitCode.SETTINGS, "deployment.json does not say where contracts are"),
            ("[]", ExitCode.SETTINGS, "deployment.json does not say where contracts are"),
            ({"chain_id": 5}, ExitCode.CHAIN, "the contracts of deployment.json are on chain 5, but this is chain "),
            ({"learning": "0x" + "11" * 20}, ExitCode.CHAIN, "there is no Learning at 0x1111"),
        ],
    )
    def test_a_file_of_no_deployment_here_is_told_from_one(
        self, cairn: Run, here: Place, content: dict[str, object] | str | None, code: ExitCode, message: str
    ) -> None:
        path = here.folder / "deployment.json"
        if content is None:
            path.unlink()
        else:
            text = content if isinstance(content, str) else json.dumps(json.loads(path.read_text()) | content)
            path.write_text(text)
        said(cairn("task", "list", *AT), code, message)


class TestNew:
    @pytest.mark.parametrize("role", ["device", "edge", "verifier", "holder"])
    def test_a_roles_folder_holds_its_settings(self, cairn: Run, here: Place, role: str) -> None:
        Path("mine").mkdir()
        keystore.import_key(Path("mine/key.json"), POOR.private_key, PASSWORD)
        made = cairn("new", "--role", role, "mine")
        assert made.code == ExitCode.OK
        assert f"cairn {role} run mine/{role}.toml" in made.out
        files = {"key.json", f"{role}.toml"} | ({"model.py", "data.py"} if role == "device" else set())
        assert {path.name for path in Path("mine").iterdir()} == files
        assert tomllib.loads(Path(f"mine/{role}.toml").read_text())["name"] == role

    def test_nothing_is_written_over(self, cairn: Run, here: Place) -> None:
        Path("mine").mkdir()
        Path("mine/data.py").write_text("mine")
        said(cairn("new", "--role", "device", "mine"), ExitCode.SETTINGS, "mine/data.py is there already")
        assert [path.name for path in Path("mine").iterdir()] == ["data.py"]


class TestDoctor:
    EDGE = (*AT, "--store", "blobs", "--role", "edge")

    def test_whoever_has_everything_hears_so(self, cairn: Run, here: Place) -> None:
        here.order()
        told = cairn("doctor", *self.EDGE, "--key", "rich.json")
        assert told.code == ExitCode.OK, told
        subjects = [line.split()[1] for line in told.out.splitlines()]
        assert subjects == ["versions", "settings", "chain", "clock", "contracts", "task", "store", "key", "funds"]
        assert all(line.startswith("✓") for line in told.out.splitlines())

    def test_a_line_says_what_is_wrong_the_next_what_to_do_and_the_rest_is_checked_still(
        self, cairn: Run, here: Place
    ) -> None:
        here.order()
        told = cairn("doctor", *self.EDGE, "--key", "poor.json")
        assert told.code == ExitCode.CHAIN
        *_, wrong, todo = told.out.splitlines()
        assert wrong.startswith("! funds      ")
        assert "a round of an edge may cost up to" in wrong
        assert todo.strip().startswith("Send ")
        assert told.err == "\n1 thing is not as it should be\n"

    def test_a_device_is_told_about_its_share_and_its_ticket(self, cairn: Run, here: Place) -> None:
        text = f"0x{here.order().hex()}"
        assert cairn("new", "--role", "device", "mine").code == ExitCode.OK
        arguments = ("doctor", "mine/device.toml", *AT, "--store", "blobs", "--key", "device.json")
        shares = here.folder / "shares"
        told = cairn(*arguments, "-c", f"share={shares / 'share-0.json'}", "-c", "doors=http://127.0.0.1:9")
        assert told.code != ExitCode.OK
        assert "✓ key share  of holder 0 of the task" in told.out
        assert "! door       the door at http://127.0.0.1:9 cannot be used" in told.out
        assert "! admission  not enrolled, and device.ticket is not set" in told.out
        device = checksummed(DEVICES[0].address)
        ticket = cairn("task", "admit", text, *AT, "--key", "admission.json", device).out.split()[1]
        told = cairn(*arguments, "-c", f"share={shares / 'share-1.json'}", "-c", f"ticket={ticket}")
        assert "✓ admission  not enrolled yet; its ticket admits it" in told.out
        assert "! key share  the key share is 0x" in told.out
        stolen = cairn("task", "admit", text, *AT, "--key", "admission.json", checksummed(POOR.address)).out.split()[1]
        told = cairn(*arguments, "-c", f"ticket={stolen}")
        assert "! admission  device.ticket does not admit this key to the task" in told.out

    def test_a_verifier_is_told_to_join(self, cairn: Run, here: Place) -> None:
        arguments = ("doctor", *AT, "--store", "blobs", "--role", "verifier", "--key", "rich.json")
        told = cairn(*arguments)
        assert (told.code, "! registry   not a member, and verifier.join is false" in told.out) == (3, True)
        told = cairn(*arguments, "-c", "join=true")
        assert (told.code, "✓ registry   not a member yet; joins when it starts" in told.out) == (0, True)

    def test_settings_that_cannot_be_read_end_it(self, cairn: Run, here: Place) -> None:
        Path("edge.toml").write_text("dor = 1\n")
        told = cairn("doctor", "edge.toml")
        assert told.code == ExitCode.SETTINGS
        assert "! settings   edge.toml:1: there is no key 'dor'" in told.out
