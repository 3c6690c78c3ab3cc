"""The scripts in ipfs/ set a kubo up that is as private as the one that we start ourselves."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from real_nodes import program

from dapp.errors import StoreUnavailable
from dapp.runtime import programs
from dapp.runtime.programs import Running
from dapp.storage.kubo import KuboStore

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "ipfs"


def swarm_key() -> str:
    return subprocess.run([SCRIPTS / "swarm-key.sh"], capture_output=True, text=True, check=True).stdout


def environment(repository: Path, **more: str) -> dict[str, str]:
    path = f"{program('ipfs').parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "IPFS_PATH": str(repository), **more}


def test_a_swarm_key_is_of_kubos_form_and_never_the_same() -> None:
    header, coding, key, rest = swarm_key().split("\n")
    assert (header, coding, rest) == ("/key/swarm/psk/1.0.0/", "/base16/", "")
    assert len(bytes.fromhex(key)) == 32
    assert swarm_key() != swarm_key()


def test_without_a_swarm_key_nothing_is_set_up(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPTS / "start.sh"], env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{tmp_path}/swarm.key is missing" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_node_started_by_the_script_serves_and_is_private(tmp_path: Path, kubo: Running) -> None:
    (tmp_path / "swarm.key").write_text(swarm_key())
    api, gateway, swarm = (programs._port(0) for _ in range(3))
    settings = {
        "KUBO_API": f"/ip4/127.0.0.1/tcp/{api}",
        "KUBO_GATEWAY": f"/ip4/127.0.0.1/tcp/{gateway}",
        "KUBO_SWARM": f"/ip4/127.0.0.1/tcp/{swarm}",
        "PEERS": "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWKUAsLFPUcKHVqcmbGFRYD5wgmprrNYxjBdPoAJVfPuqw "
        "/ip4/127.0.0.1/tcp/2/p2p/12D3KooWGMjifQDLjTPJ4uyo4Hx2JWoBEXGixJpxerVcaEfbP5jf",
    }
    log = tmp_path / "log"
    with log.open("w") as out:
        daemon = subprocess.Popen(
            [SCRIPTS / "start.sh"], env=environment(tmp_path, **settings), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        store = KuboStore(f"http://127.0.0.1:{api}", timeout=5)
        until_it_answers(store, daemon, log)
        blob = store.put(b"in a private swarm")
        assert store.get(blob.digest, blob.size, cap=100) == b"in a private swarm"
    finally:
        daemon.send_signal(signal.SIGINT)
        daemon.wait(20)
    assert stat.S_IMODE((tmp_path / "swarm.key").stat().st_mode) == 0o600
    ours, scripted = config(kubo.folder), config(tmp_path)
    for place in (
        "Bootstrap",
        "AutoConf.Enabled",
        "AutoTLS.Enabled",
        "DNS.Resolvers",
        "Discovery.MDNS.Enabled",
        "Ipns.DelegatedPublishers",
        "Routing.Type",
        "Swarm.Transports.Network.Websocket",
    ):
        assert at(scripted, place) == at(ours, place), place
    assert at(scripted, "Plugins.Plugins.telemetry.Config.Mode") == "off"
    assert [peer["Addrs"] for peer in scripted["Peering"]["Peers"]] == [
        ["/ip4/127.0.0.1/tcp/1"],
        ["/ip4/127.0.0.1/tcp/2"],
    ]


def until_it_answers(store: KuboStore, daemon: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(60):
        assert daemon.poll() is None, log.read_text()
        try:
            store.version()
        except StoreUnavailable:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"kubo does not answer: {log.read_text()}")


def config(repository: Path) -> dict[str, Any]:
    return json.loads((repository / "config").read_text())


def at(settings: dict[str, Any], place: str) -> Any:
    value: Any = settings
    for name in place.split("."):
        value = value[name]
    return value


def test_neither_node_tells_anything_to_kubos_makers(kubo: Running) -> None:
    assert "elemetry" not in kubo.log.read_text()
