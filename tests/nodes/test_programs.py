"""Programs are found, started on loopback with a rich account, told apart from others, and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from real_nodes import absent, program
from web3 import Web3

from dapp.runtime import programs
from dapp.runtime.programs import ProgramError, Running

GWEI = 10**9


@pytest.fixture(params=["anvil", "anvil_osaka", "ganache", "geth", "geth_seconds"])
def chain(request: pytest.FixtureRequest) -> Running:
    return request.getfixturevalue(request.param)


def connect(running: Running) -> Web3:
    return Web3(Web3.HTTPProvider(running.url))


def pay(web3: Web3, running: Running) -> int:
    """Pays one ether from the rich account; the number of the block that took it."""
    assert running.faucet is not None
    payer = web3.eth.account.from_key(running.faucet)
    signed = payer.sign_transaction(
        {
            "type": 2,
            "chainId": running.chain_id,
            "nonce": web3.eth.get_transaction_count(payer.address),
            "to": "0x" + "11" * 20,
            "value": Web3.to_wei(1, "ether"),
            "gas": 21_000,
            "maxFeePerGas": 100 * GWEI,
            "maxPriorityFeePerGas": GWEI,
        }
    )
    sent = web3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=20)
    assert receipt["status"] == 1
    return receipt["blockNumber"]


def test_every_chain_has_a_rich_account_and_room_for_our_largest_transaction(chain: Running) -> None:
    web3 = connect(chain)
    assert web3.eth.chain_id == chain.chain_id
    assert web3.eth.get_block("latest")["gasLimit"] >= 30_000_000
    pay(web3, chain)
    assert chain.faucet is not None
    rich = web3.eth.account.from_key(chain.faucet).address
    assert web3.eth.get_balance(rich) >= Web3.to_wei(900_000_000, "ether")


def test_the_key_of_the_rich_account_is_not_shown(chain: Running) -> None:
    assert chain.faucet is not None
    assert chain.faucet.hex() not in repr(chain)
    assert repr(chain.faucet) not in repr(chain)


def test_everything_listens_on_loopback_only(chain: Running, kubo: Running) -> None:
    for running in (chain, kubo):
        addresses = listening(running.pid)
        assert addresses, running.name
        assert addresses <= {"127.0.0.1", "::1"}, running.name


def listening(pid: int) -> set[str]:
    """The addresses on which a process listens, from /proc."""
    if not Path("/proc/net/tcp").exists():
        absent("the addresses that a process listens on are read from Linux's /proc, which is not here")
    sockets = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(file.readlink().name)
        except FileNotFoundError:  # closed since
            continue
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                packed = bytes.fromhex(words[1].split(":")[0])
                groups = [packed[i : i + 4][::-1] for i in range(0, len(packed), 4)]
                found.add(socket.inet_ntop(family, b"".join(groups)))
    return found


def test_geth_goes_on_with_the_chain_of_its_folder(tmp_path: Path) -> None:
    program("geth")
    with programs.start_geth(tmp_path) as first:
        mined = pay(connect(first), first)
    assert not first.alive
    with programs.start_geth(tmp_path) as second:
        assert connect(second).eth.block_number == mined


def test_a_swarm_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    program("ipfs")
    with programs.start_kubo(tmp_path):
        made = (tmp_path / "swarm.key").read_text()
    assert stat.S_IMODE((tmp_path / "swarm.key").stat().st_mode) == 0o600
    assert made.startswith("/key/swarm/psk/1.0.0/\n/base16/\n")
    with programs.start_kubo(tmp_path):
        assert (tmp_path / "swarm.key").read_text() == made


def test_kubo_knows_nobody_outside_its_swarm(kubo: Running) -> None:
    config = json.loads((kubo.folder / "config").read_text())
    assert config["Bootstrap"] == []
    assert config["AutoConf"]["Enabled"] is False
    assert config["Discovery"]["MDNS"]["Enabled"] is False


def test_kubos_gateway_answers(kubo: Running) -> None:
    empty_folder = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
    with urlopen(f"{kubo.gateway}/ipfs/{empty_folder}/", timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("start", [programs.start_anvil, programs.start_geth, programs.start_kubo])
def test_a_port_in_use_is_named(start: Callable[..., Running], tmp_path: Path) -> None:
    program({programs.start_anvil: "anvil", programs.start_geth: "geth", programs.start_kubo: "ipfs"}[start])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProgramError, match=f"port {port} on 127.0.0.1 cannot be used") as caught:
            start(tmp_path, port=port)
    assert "another port" in caught.value.help


def test_a_folder_in_use_is_told_with_the_programs_own_words(tmp_path: Path) -> None:
    program("ipfs")
    with programs.start_kubo(tmp_path) as first:
        with pytest.raises(ProgramError, match=r"(?s)ipfs did not come up in .*someone else has the lock"):
            programs.start_kubo(tmp_path)
        assert first.alive


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = tmp_path / "anvil"
    silent.write_text("#!/bin/sh\necho going to sleep\nexec sleep 600\n")
    silent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(programs, "PATIENCE", 1.0)
    with pytest.raises(ProgramError, match=r"(?s)anvil did not come up .*going to sleep"):
        programs.start_anvil(tmp_path / "chain")


def test_stopping_twice_is_no_error_and_leaves_no_process(tmp_path: Path) -> None:
    program("anvil")
    running = programs.start_anvil(tmp_path)
    running.stop()
    running.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)


def test_a_process_that_took_over_the_number_of_a_dead_program_is_not_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        stale = Running("geth", "http://127.0.0.1:1", stranger.pid, tmp_path)
        assert not stale.alive
        stale.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_another_process_stops_what_was_started_here(tmp_path: Path) -> None:
    program("anvil")
    with programs.start_anvil(tmp_path) as running:
        noted = Running(running.name, running.url, running.pid, running.folder)
        assert noted.alive
        noted.stop()
        assert not running.alive


def test_what_ends_our_session_ends_what_we_started_but_not_what_was_detached(tmp_path: Path) -> None:
    program("geth")
    started = (
        "import sys, time\nfrom pathlib import Path\nfrom dapp.runtime import programs\n"
        f"for kept in (False, True):\n    here = Path({str(tmp_path)!r}) / str(kept)\n"
        "    print(programs.start_geth(here, detached=kept).pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", started], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        bound, detached = (int(parent.stdout.readline()) for _ in range(2))
        os.killpg(parent.pid, signal.SIGTERM)
    kept = Running("geth", "", detached, tmp_path / "True")
    gone = Running("geth", "", bound, tmp_path / "False")
    programs._until(lambda: not gone.alive, 20)
    assert not gone.alive
    assert kept.alive
    kept.stop()
