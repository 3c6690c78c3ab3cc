"""What we believe of kubo 0.43 and of the client that speaks to it, one statement a test."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import time
import warnings
from importlib.metadata import requires, version
from io import BytesIO
from pathlib import Path

import ipfshttpclient
import pytest
import requests
from ipfshttpclient.http_requests import ClientSync
from real_nodes import program

from dapp.crypto.cid import CHUNK, cid_v0, cid_v1, digest
from dapp.runtime import programs
from dapp.runtime.programs import Running

pytestmark = pytest.mark.nodes

HELLO = b"hello world\n"


def rpc(kubo: Running, command: str, data: bytes | None = None, **options: str) -> requests.Response:
    files = None if data is None else {"file": data}
    return requests.post(f"{kubo.url}/api/v0/{command}", params=options, files=files, timeout=30)


def multiaddr(kubo: Running) -> str:
    return f"/ip4/127.0.0.1/tcp/{kubo.url.rpartition(':')[2]}/http"


def nowhere() -> str:
    """The name of bytes that nobody has."""
    data = os.urandom(50)
    return cid_v1(digest(data), len(data))


# --- the node


def test_its_own_default_is_version_0_with_wrapped_leaves(kubo: Running) -> None:
    assert rpc(kubo, "add", HELLO, **{"only-hash": "true"}).json()["Hash"] == cid_v0(HELLO)


def test_version_1_of_one_chunk_is_the_hash_of_the_bytes(kubo: Running) -> None:
    options = {"only-hash": "true", "cid-version": "1"}
    for data in (b"", HELLO, bytes(CHUNK)):
        assert rpc(kubo, "add", data, **options).json()["Hash"] == cid_v1(digest(data), len(data))


def test_its_chunks_have_256_kib_unless_told_otherwise(kubo: Running) -> None:
    options = {"only-hash": "true", "cid-version": "1"}
    data = os.urandom(CHUNK + 1)
    default, said, other = (
        rpc(kubo, "add", data, **options, **more).json()["Hash"]
        for more in ({}, {"chunker": "size-262144"}, {"chunker": "size-1048576"})
    )
    assert default == said != other


def test_its_rpc_takes_post_only(kubo: Running) -> None:
    assert requests.get(f"{kubo.url}/api/v0/version", timeout=5).status_code == 405


def test_its_rpc_refuses_the_pages_of_strangers(kubo: Running) -> None:
    asked = requests.post(f"{kubo.url}/api/v0/id", headers={"Origin": "http://example.com"}, timeout=5)
    assert asked.status_code == 403


def test_it_searches_for_what_nobody_has_until_the_timeout_it_is_given(kubo: Running) -> None:
    began = time.monotonic()
    answer = rpc(kubo, "cat", arg=nowhere(), timeout="1s")
    assert 0.9 < time.monotonic() - began < 3
    assert answer.status_code == 500
    assert "deadline exceeded" in answer.json()["Message"]


def test_offline_it_answers_at_once(kubo: Running) -> None:
    began = time.monotonic()
    answer = rpc(kubo, "files/stat", arg=f"/ipfs/{nowhere()}", offline="true")
    assert answer.status_code == 500
    assert time.monotonic() - began < 1


def test_a_read_can_be_bounded(kubo: Running) -> None:
    name = rpc(kubo, "add", HELLO).json()["Hash"]
    assert rpc(kubo, "cat", arg=name, length="5").content == b"hello"


def test_adding_pins_unless_told_otherwise(kubo: Running) -> None:
    pinned = rpc(kubo, "add", os.urandom(20)).json()["Hash"]
    loose = rpc(kubo, "add", os.urandom(20), pin="false").json()["Hash"]
    assert rpc(kubo, "pin/ls", arg=pinned).ok
    assert "not pinned" in rpc(kubo, "pin/ls", arg=loose).json()["Message"]


def test_unpinning_what_is_not_pinned_is_an_error(kubo: Running) -> None:
    loose = rpc(kubo, "add", os.urandom(20), pin="false").json()["Hash"]
    assert "not pinned" in rpc(kubo, "pin/rm", arg=loose).json()["Message"]


def test_told_to_be_private_it_does_not_start_without_a_swarm_key(tmp_path: Path) -> None:
    ipfs = program("ipfs")
    environment = os.environ | {"IPFS_PATH": str(tmp_path), "LIBP2P_FORCE_PNET": "1", "IPFS_TELEMETRY": "off"}
    subprocess.run([ipfs, "init", "--profile", "test"], env=environment, capture_output=True, check=True)
    done = subprocess.run([ipfs, "daemon"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "private network was not configured but is enforced" in done.stderr


def test_left_to_itself_it_tells_its_makers_how_it_is_used(tmp_path: Path) -> None:
    """Which is why we say no."""
    ipfs, log = program("ipfs"), tmp_path / "log"
    quiet = {name: value for name, value in os.environ.items() if name not in ("IPFS_TELEMETRY", "DO_NOT_TRACK")}
    environment = quiet | {"IPFS_PATH": str(tmp_path), "LIBP2P_FORCE_PNET": "1"}
    subprocess.run([ipfs, "init", "--profile", "test"], env=environment, capture_output=True, check=True)
    programs._configure_kubo(tmp_path / "config", *(programs._port(0) for _ in range(3)))
    (tmp_path / "swarm.key").write_text(programs.new_swarm_key())
    with log.open("w") as out, subprocess.Popen([ipfs, "daemon"], env=environment, stdout=out) as daemon:
        for _ in range(100):
            if "Daemon is ready" in log.read_text():
                break
            time.sleep(0.1)
        daemon.terminate()
        daemon.wait(20)
    assert "telemetry will be enabled in 15m" in log.read_text()


def test_a_swarm_key_is_64_hexadecimal_digits_under_two_lines_of_header() -> None:
    assert re.fullmatch(r"/key/swarm/psk/1\.0\.0/\n/base16/\n[0-9a-f]{64}\n", programs.new_swarm_key())


# --- the client


def test_the_client_only_warns_that_it_does_not_know_this_node(kubo: Running) -> None:
    with pytest.warns(ipfshttpclient.exceptions.VersionMismatch):
        ipfshttpclient.connect(multiaddr(kubo)).close()


def test_the_client_takes_a_version_but_no_limit_of_links_which_is_why_we_say_the_options_ourselves() -> None:
    taken = inspect.signature(ipfshttpclient.Client.add).parameters
    assert "cid_version" in taken
    assert not [name for name in taken if "link" in name and "symlink" not in name]


def test_the_client_names_files_as_we_do(kubo: Running) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = ipfshttpclient.Client(multiaddr(kubo))
        added = client.add(BytesIO(HELLO), cid_version=1, raw_leaves=True)
    assert added["Hash"] == cid_v1(digest(HELLO), len(HELLO))


def test_the_call_below_the_clients_own_is_where_we_expect_it() -> None:
    taken = inspect.signature(ClientSync._request).parameters
    assert list(taken) == ["self", "method", "path", "params", "auth", "data", "headers", "timeout", "chunk_size"]
    assert list(inspect.signature(ClientSync._do_raise_for_status).parameters) == ["self", "response"]


def test_our_store_keeps_the_client_from_patching_requests() -> None:
    asked = "import dapp.storage.kubo, ipfshttpclient.http_requests as http; print(http.requests.__name__)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "requests\n"


def test_the_client_is_the_pinned_one_and_asks_for_nothing_heavy() -> None:
    assert version("ipfshttpclient") == "0.8.0a2"
    assert sorted(re.split(r"[ (<>=]", need)[0] for need in requires("ipfshttpclient") or []) == [
        "multiaddr",
        "requests",
    ]
    assert not [need for need in requires("multiaddr") or [] if need.startswith(("trio", "psutil"))]
