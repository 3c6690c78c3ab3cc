"""A task is audited on a live chain: what is there is checked against the chain, and whoever answers cannot lie."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from chain.rpc import forward, serve
from web3 import Web3

from dapp import audit, simulation
from dapp.chain.client import Client
from dapp.chain.contracts import Contracts, Deployment
from dapp.chain.keys import checksummed
from dapp.chain.network import Network
from dapp.chain.web3_node import Web3Node
from dapp.cli.cairn import main
from dapp.errors import AuditError, ChainError
from dapp.report.progress import Silent
from dapp.runtime.programs import Running
from dapp.settings import load, with_pace
from dapp.storage import EmbeddedStore, open_store

PROJECT = Path(__file__).parents[1] / "project"
CHANGES = (
    "model=model.py:Model",
    "data=data.py:points",
    "partition=size",
    "devices=4",
    "verifiers=3",
    "panel.seats=3",
    "rounds=1",
    "workers=1",
)


@dataclass(frozen=True)
class Ran:
    """A finished run on a chain; ``stores`` are where its blobs are."""

    chain: Running
    stores: tuple[str, ...]
    folder: Path

    @property
    def deployment(self) -> Deployment:
        return Deployment.from_json(json.loads((self.folder / "deployment.json").read_text()))

    def live(self, *urls: str) -> audit.Live:
        """The chain, asked at these addresses instead of its own."""
        urls = urls or (self.chain.url,)
        network = Network(tries=2)
        client = Client(Web3Node.connect(urls, network))
        return audit.Live.at(urls, network, Contracts(client, self.deployment), client)

    def read(self, folder: Path, *urls: str) -> audit.RunFolder:
        """What the chain says, in a folder."""
        folder.mkdir(exist_ok=True)
        store = audit.Keeping(open_store(*self.stores), EmbeddedStore(folder / "store"))
        return audit.read_chain(self.live(*urls), store, folder, lambda *_: None)


def run(folder: Path, chain: Running, *stores: str, bits: int = 512) -> Ran:
    settings = with_pace(load(None, {}, [*CHANGES, f"key.bits={bits}"], allow_small=True), "fast")
    place = simulation.network([chain.url], stores)
    report = simulation.run(
        settings, folder, Silent(), simulation.Scenario(), project=PROJECT, place=place, min_key_bits=bits
    )
    first = json.loads((folder / "events.jsonl").open().readline())
    (folder / "deployment.json").write_text(json.dumps(first["deployment"]))
    assert report.status == "complete"
    return Ran(chain, stores or (str(folder / "store"),), folder)


@pytest.fixture(scope="module", params=["geth", "anvil", "ganache"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run(tmp_path_factory.mktemp("ran") / "run", request.getfixturevalue(request.param))


def verify(run: Path | audit.RunFolder) -> audit.Audit:
    return audit.verify(run, lambda *_: None, min_key_bits=512)


def test_a_live_chain_is_audited_and_what_was_read_again_offline(ran: Ran, tmp_path: Path) -> None:
    live = verify(ran.read(tmp_path / "kept"))
    assert set(live.counts) == {*audit.CHECKS, *audit.ASKED}
    assert all(count > 0 for check, count in live.counts.items())
    assert live.ended
    assert live.others == 0
    assert "alone is trusted for the headers" in live.trust
    offline = verify(tmp_path / "kept")
    assert {check: live.counts[check] for check in audit.CHECKS} == offline.counts
    assert audit.inspect(tmp_path / "kept") == audit.inspect(ran.folder)


def test_several_addresses_must_agree(ran: Ran, tmp_path: Path) -> None:
    with lying(ran, "nothing", lambda method, params, said: said) as other:
        assert "2 addresses agree on the header" in verify(ran.read(tmp_path, ran.chain.url, other)).trust


@contextmanager
def lying(ran: Ran, about: str, lie: Callable[[str, list[Any], Any], Any]) -> Iterator[str]:
    """A node that answers for the run's chain, and lies in what it answers to one method."""

    def answer(method: str, params: list[Any]) -> Any:
        said = forward(ran.chain.url, method, params)
        return lie(method, params, said) if method == about else said

    with serve(answer) as served:
        yield served.url


def drop_a_log(method: str, params: list[Any], said: Any) -> Any:
    return [*said[:40], *said[41:]]


def drop_a_block_of_logs(method: str, params: list[Any], said: Any) -> Any:
    return [log for log in said if log["blockNumber"] != said[40]["blockNumber"]]


def another_log(method: str, params: list[Any], said: Any) -> Any:
    log = said[40]
    return [*said[:40], log | {"data": log["data"][:-1] + f"{int(log['data'][-1], 16) ^ 1:x}"}, *said[41:]]


@pytest.mark.parametrize("lie", [drop_a_log, drop_a_block_of_logs, another_log])
def test_a_node_that_leaves_out_or_changes_a_log_is_found(
    ran: Ran, tmp_path: Path, lie: Callable[[str, list[Any], Any], Any]
) -> None:
    with (
        lying(ran, "eth_getLogs", lie) as url,
        pytest.raises(AuditError, match=r"block \d+ has \d+ events of the contracts on the chain, and not the same"),
    ):
        verify(ran.read(tmp_path, url))


def test_a_node_that_leaves_out_a_receipt_as_well_is_found(ran: Ran, tmp_path: Path) -> None:
    def short(method: str, params: list[Any], said: Any) -> Any:
        return said[:-1]

    with lying(ran, "eth_getBlockReceipts", short) as url:
        if ran.chain.name == "ganache":  # it shows no receipts: the blocks' bloom filters are what is left
            assert verify(ran.read(tmp_path, url)).ended
            return
        with pytest.raises(AuditError, match=r"the receipts of block \d+ are not those of its header"):
            verify(ran.read(tmp_path, url))


def test_a_header_that_is_another_is_found(ran: Ran, tmp_path: Path) -> None:
    def older(method: str, params: list[Any], said: Any) -> Any:
        return said | {"timestamp": hex(int(said["timestamp"], 16) - 1)}

    with lying(ran, "eth_getBlockByNumber", older) as url, pytest.raises(ChainError, match=r"nothing hashes to"):
        verify(ran.read(tmp_path, url))


def test_constants_are_the_chains(ran: Ran, tmp_path: Path) -> None:
    read = ran.read(tmp_path)
    assert read.live is not None
    constants = read.live.constants
    cheaper = replace(constants, shown=dict(constants.shown) | {"the stake": constants.shown["the stake"] - 1})
    with pytest.raises(AuditError, match=r"a stake of .* wei, where others gave"):
        verify(replace(read, live=replace(read.live, constants=cheaper)))
    longer = replace(constants, min_key_bits=513)
    with pytest.raises(AuditError, match=r"key.bits is 512, and the contracts take no less than 513"):
        verify(replace(read, live=replace(read.live, constants=longer)))


def test_an_escrow_that_holds_less_than_it_owes_is_found(ran: Ran, tmp_path: Path) -> None:
    def poor(method: str, params: list[Any], said: Any) -> Any:
        escrow = ran.deployment.escrow.hex()
        return "0x0" if params[0].lower() == f"0x{escrow}" else said

    with lying(ran, "eth_getBalance", poor) as url:
        live = ran.live(url)
        assert live.balance == 0
        with pytest.raises(AuditError, match=r"the escrow has 0 wei and owes 7"):
            replace(live, pots=7).check_books({b"": 7}, {})


def test_whoever_sends_another_kind_of_transaction_does_not_stop_the_audit(ran: Ran, tmp_path: Path) -> None:
    before = verify(ran.read(tmp_path / "before"))
    web3, escrow = Web3(Web3.HTTPProvider(ran.chain.url)), ran.live().contracts.escrow
    assert ran.chain.faucet is not None
    payer = web3.eth.account.from_key(ran.chain.faucet)
    legacy = {
        "chainId": ran.chain.chain_id,
        "nonce": web3.eth.get_transaction_count(payer.address),
        "to": checksummed(escrow.address),
        "value": 7,
        "data": escrow.fund(os.urandom(32), 7).data,
        "gas": 200_000,
        "gasPrice": 10**11,
    }
    sent = web3.eth.send_raw_transaction(payer.sign_transaction(legacy).raw_transaction)
    assert web3.eth.wait_for_transaction_receipt(sent, timeout=20)["status"] == 1
    after = verify(ran.read(tmp_path / "after"))
    assert after.unfollowed == before.unfollowed + 1
    assert after.counts["logs"] == before.counts["logs"] + 1


def test_the_command_audits_on_geth_and_kubo_as_it_does_offline(
    geth: Running,
    kubo: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = run(tmp_path / "run", geth, kubo.url, bits=2048)
    where = ["--chain", geth.url, "--store", kubo.url, "--contracts", str(ran.folder / "deployment.json")]

    def cairn(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["cairn", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        return said.out

    told = cairn("verify", *where, "--export", str(tmp_path / "kept"))
    task = json.loads(cairn("inspect", *where, "--json"))["task_id"]
    assert f"no lie found about task {task}" in told
    assert all(f"✓ {check}" in told for check in (*audit.CHECKS, *audit.ASKED))
    assert "no lie found in" in cairn("verify", str(tmp_path / "kept"))
    assert cairn("inspect", *where, "--task", task[:10]) == cairn("inspect", str(tmp_path / "kept"))
