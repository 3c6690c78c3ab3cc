"""Sixteen processes: five devices, four of which hold a share of the key, a holder alone, two edges, five verifiers, a
watcher, a chain of one-second blocks and an IPFS node. Nobody tells them anything but where the contracts are."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
from cohort import Cohort

from dapp.chain.client import Client
from dapp.chain.web3_node import Web3Node
from dapp.runtime.programs import start_geth, start_kubo

DEVICES = range(5)
MOST_MIB = 512
"""What a device may have for itself; see ``Process.private_mib``."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    """The cohort after three rounds. In the second a verifier was killed and started anew, in the third chain and store
    went away for a while."""
    folder = tmp_path_factory.mktemp("network")
    geth, kubo = start_geth(folder / "geth", period=1), start_kubo(folder / "kubo")
    cohort = Cohort.order(folder / "cohort", geth.url, kubo.url)
    edge = cohort.folder / "edge-0" / "log"
    try:
        for i in range(5):
            cohort.verifier(i)
        for i in range(2):
            cohort.edge(i)
        cohort.start("watcher", "edge", "watch", settings={"store": kubo.url})
        doors = [cohort.door(0), cohort.door(1)]
        for i in DEVICES:
            cohort.device(i, doors if i % 2 else doors[::-1])
        cohort.holder(doors)

        cohort.until(lambda: "round 1: seal" in edge.read_text(), 400, "the second round is sealed")
        cohort.processes["verifier-1"].running.send_signal(signal.SIGKILL)
        cohort.processes["verifier-1"].running.wait()
        cohort.verifier(1)

        cohort.until(lambda: "round 2: commit" in edge.read_text(), 400, "the third round is open")
        geth.stop()
        kubo.stop()
        cohort.until(lambda: "chain: waits: " in edge.read_text(), 60, "the edge notices that its chain is gone")
        geth = start_geth(folder / "geth", port=_port(geth.url), period=1)
        kubo = start_kubo(folder / "kubo", port=_port(kubo.url))

        everybody = [*(f"device-{i}" for i in DEVICES), "holder", "edge-0", "edge-1", "watcher"]
        cohort.until(
            lambda: all(cohort.processes[name].running.poll() == 0 for name in everybody), 600, "the task is over"
        )
        yield cohort
    finally:
        cohort.stop()
        geth.stop()
        kubo.stop()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_every_round_is_accepted(ended: Cohort) -> None:
    shown = json.loads(
        ended.cairn("task", "show", ended.task, "--chain", ended.chain, "--contracts", ended.contracts, "--json")
    )
    assert [round_["outcome"] for round_ in shown["rounds"]] == ["accepted"] * 3


def test_a_stranger_finds_no_lie_in_it_from_chain_and_store_alone(ended: Cohort) -> None:
    at = ("--chain", ended.chain, "--store", ended.store, "--contracts", ended.contracts)
    assert "no lie found" in ended.cairn("verify", *at, "--task", ended.task)


def test_devices_needed_no_ether(ended: Cohort) -> None:
    """What they have in the end is what they were paid: none of them ever sent a transaction."""
    node = Web3Node.connect([ended.chain])
    client = Client(node)
    for i in DEVICES:
        address = ended.accounts[f"device-{i}"].address
        assert node.nonce(address) == 0
        assert client.balance(address) > 0


def test_every_device_took_up_the_last_model(ended: Cohort) -> None:
    models = {(ended.folder / f"device-{i}" / "model.safetensors").read_bytes() for i in DEVICES}
    assert len(models) == 1
    for i in DEVICES:
        assert "took up the model of round 2" in ended.processes[f"device-{i}"].log


def test_a_device_checks_terms_and_results_against_the_state_of_the_chain(ended: Cohort) -> None:
    for i in DEVICES:
        log = ended.processes[f"device-{i}"].log
        assert "the task's terms are in the state of block" in log
        assert "is trusted" in log, "with one address it says whom it trusts"


def test_a_device_needs_less_than_512_mib(ended: Cohort) -> None:
    peaks = {name: round(mib) for name, mib in ended.peaks.items() if name.startswith("device")}
    print(f"peak memory of a device, MiB: {peaks}")
    assert len(peaks) == len(DEVICES)
    assert max(peaks.values()) < MOST_MIB


def test_a_chain_that_went_away_is_waited_for_and_nothing_is_lost(ended: Cohort) -> None:
    for name in ("edge-0", "edge-1", *(f"device-{i}" for i in DEVICES)):
        log = ended.processes[name].log
        assert "chain: waits: " in log
        assert "chain: answers again; goes on" in log


def test_devices_come_to_both_doors(ended: Cohort) -> None:
    logs = "".join(ended.processes[f"device-{i}"].log for i in DEVICES)
    for i in range(2):
        assert f"was handed in at {ended.door(i)}" in logs


def test_a_holder_alone_attests_and_shares(ended: Cohort) -> None:
    log = ended.processes["holder"].log
    assert "holds share 4 of 5, 3 open a sum" in log
    for number in range(3):
        assert f"the attestation of round {number} was handed in" in log
    assert "checking the sum, and sharing: done" in log


def test_a_watcher_found_nothing_to_prove(ended: Cohort) -> None:
    watcher = ended.processes["watcher"]
    assert "looking for lies in 2 sums: done" in watcher.log
    assert "strike" not in watcher.log


def test_a_second_process_with_one_key_refuses_to_start(ended: Cohort) -> None:
    first = ended.start(
        "edge-0", "edge", "run", settings={"store": ended.store, "edge.door": "127.0.0.1:0", "task": ""}
    )
    try:
        ended.until(lambda: first.log.count("its door is at") == 2, 60, "the edge is up again")
        settings = str(ended.folder / "edge-0" / "settings.toml")
        second = ended.refused("edge", "run", settings)
        assert second.returncode == 9
        assert f"process {first.running.pid} acts with the key of 0x" in second.stderr
    finally:
        first.running.send_signal(signal.SIGTERM)
        assert first.running.wait(20) == 0, first.log[-500:]


def test_a_door_whose_port_is_in_use_refuses_to_start(ended: Cohort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = f"127.0.0.1:{taken.getsockname()[1]}"
        refused: subprocess.CompletedProcess[str] = ended.refused(
            "edge", "run", str(ended.folder / "edge-1" / "settings.toml"), "-c", f"door={door}"
        )
    assert refused.returncode != 0
    assert f"the door at http://{door} cannot be opened" in refused.stderr
