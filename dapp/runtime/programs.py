"""The foreign programs of a development machine: where they are, and how they are started on loopback.

``make nodes`` gets them: anvil, forge and ganache from npm, geth and ipfs (kubo) from source. Whatever is on ``PATH``
comes first. Every program keeps its data and its log under one folder, listens on 127.0.0.1 only, and has answered
before its start function returns. None of this is for a machine with money on it: the chains' rich account has a key
that everybody knows.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any

from dapp.errors import ExitCode, Fatal
from dapp.private import write_new

HOST = "127.0.0.1"
NAMES = ("anvil", "forge", "ganache", "geth", "ipfs")
BUILT = ("geth", "ipfs")
"""The programs that `make nodes` builds from source into the cache; npm brings the others."""
MNEMONIC = "test test test test test test test test test test test junk"
FAUCET = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""Private key of the mnemonic's first account, rich on every chain started here. It is public knowledge."""
BLOCK_GAS = 60_000_000
"""Gas limit of a block on every chain started here."""
RICH = 1_000_000_000
"""Ether of each development account of anvil and ganache; geth's one has about 2²⁵⁶ wei."""
PATIENCE = 60.0
"""Seconds that a program may take until it answers, on a busy machine."""
GRACE = 20.0
"""Seconds that a program may take to end, before it is killed."""

_PROJECT = Path(__file__).resolve().parent.parent.parent
_PROCESSOR = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_MACHINE = f"{platform.system().lower()}-{_PROCESSOR}"
_NPM = {
    "anvil": f"@foundry-rs/anvil-{_MACHINE}/bin/anvil",
    "forge": f"@foundry-rs/forge-{_MACHINE}/bin/forge",
    "ganache": "ganache/dist/node/cli.js",
}
_TAIL = 10


class ProgramError(Fatal):
    """A program that Cairn runs beside itself is missing, does not start, or went away."""

    code = ExitCode.PROGRAM


def cache() -> Path:
    """Where `make nodes` puts what it builds: ``$CAIRN_CACHE``, else ``$XDG_CACHE_HOME/cairn``, else
    ``~/.cache/cairn``."""
    if named := os.environ.get("CAIRN_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cairn"


def on_path(name: str) -> Path | None:
    """The program on ``PATH``. npm's own ``.bin`` is passed over: a wrapper there leaves its child behind."""
    found = shutil.which(name)
    if found is None or "node_modules" in Path(found).resolve().parts:
        return None
    return Path(found)


def find(name: str) -> Path:
    """The program: from ``PATH``, from the cache, or the native binary in the project's ``node_modules``.

    Raises:
        ProgramError: it is nowhere.
    """
    if found := on_path(name):
        return found
    ours = cache() / "bin" / name if name in BUILT else _PROJECT / "node_modules" / _NPM.get(name, name)
    if ours.is_file():
        return ours
    raise ProgramError(
        f"{name} is neither on PATH nor among the programs that `make nodes` gets (looked for {ours})",
        help=f"Run `make nodes` in a checkout of Cairn, or install {name} and put it on PATH.",
    )


@dataclass(frozen=True)
class Running:
    """A program that was started and has answered.

    Attributes:
        name: anvil, ganache, geth or ipfs.
        url: where it answers JSON-RPC, or kubo's RPC.
        pid: its process.
        folder: its data and its log.
        chain_id: of a chain.
        faucet: private key of a rich account, of a chain.
        gateway: where kubo serves blobs to browsers.
        process: the child, in the process that started it.
    """

    name: str
    url: str
    pid: int
    folder: Path
    chain_id: int | None = None
    faucet: bytes | None = field(default=None, repr=False)
    gateway: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def log(self) -> Path:
        """The file that takes what the program prints."""
        return _log(self.folder, self.name)

    @property
    def alive(self) -> bool:
        """Whether the process runs and is still the program that was started: its command line names the folder."""
        if self.process is not None:
            return self.process.poll() is None
        return str(self.folder) in _command_line(self.pid)

    def stop(self) -> None:
        """Ends the program, politely first. One that is gone already is no error."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, sign)
            _until(lambda: not self.alive, GRACE)

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_geth(folder: Path, *, port: int = 0, period: int = 0, detached: bool = False) -> Running:
    """A development chain of geth, chain id 1337. The same folder goes on with the same chain.

    Args:
        folder: made where it is missing.
        port: of the JSON-RPC; 0 takes a free one.
        period: seconds between blocks; 0 mines each transaction at once and nothing else.
        detached: it goes on when this process or its terminal ends.

    Raises:
        ProgramError: geth is missing, the port is in use, or it does not come up.
    """
    program, port, folder = find("geth"), _port(port), _made(folder)
    password = folder / "password"
    password.touch()
    if not any((folder / "keystore").glob("*")):
        _import_faucet(program, folder, password)
    return _start_chain(
        "geth",
        [program, "--dev", "--http", "--nodiscover", "--ipcdisable"],
        {
            "datadir": folder,
            "password": password,
            "dev.period": period,
            "dev.gaslimit": BLOCK_GAS,
            "miner.gaslimit": BLOCK_GAS,
            "rpc.txfeecap": 0,
            "http.addr": HOST,
            "http.port": port,
            "http.api": "eth,net,web3,debug,txpool",
            "maxpeers": 0,
        },
        folder,
        port,
        detached=detached,
    )


def start_anvil(folder: Path, *, port: int = 0, hardfork: str = "prague") -> Running:
    """A chain of anvil, chain id 31337, each transaction mined at once; gone with its process.

    Args:
        folder: made where it is missing.
        port: of the JSON-RPC; 0 takes a free one.
        hardfork: the rules: anvil's own default is osaka, where modexp costs six times as much.

    Raises:
        ProgramError: anvil is missing, the port is in use, or it does not come up.
    """
    program, port, folder = find("anvil"), _port(port), _made(folder)
    # Left to itself anvil passes over the cap of osaka on a transaction's gas (EIP-7825).
    command = [program, "--enable-tx-gas-limit"] if hardfork == "osaka" else [program]
    return _start_chain(
        "anvil",
        command,
        {
            "host": HOST,
            "port": port,
            "hardfork": hardfork,
            "mnemonic": MNEMONIC,
            "balance": RICH,
            "gas-limit": BLOCK_GAS,
            "cache-path": folder,
        },
        folder,
        port,
    )


def start_ganache(folder: Path, *, port: int = 0) -> Running:
    """A chain of ganache, chain id 1337, shanghai rules, each transaction mined at once.

    Args:
        folder: made where it is missing.
        port: of the JSON-RPC; 0 takes a free one.

    Raises:
        ProgramError: ganache or Node is missing, the port is in use, or it does not come up.
    """
    program, port, folder = find("ganache"), _port(port), _made(folder)
    if shutil.which("node") is None:
        raise ProgramError("ganache needs Node, which is not on PATH", help="Install Node 20 or newer.")
    return _start_chain(
        "ganache",
        [program],
        {
            "server.host": HOST,
            "server.port": port,
            "database.dbPath": folder / "chain",
            "wallet.mnemonic": MNEMONIC,
            "wallet.defaultBalance": RICH,
            "chain.hardfork": "shanghai",
            "miner.blockGasLimit": BLOCK_GAS,
            "miner.callGasLimit": BLOCK_GAS,
        },
        folder,
        port,
    )


def start_kubo(
    folder: Path,
    *,
    port: int = 0,
    swarm_key: str | None = None,
    detached: bool = False,
) -> Running:
    """kubo in a swarm of its own, which no node without the same key can join; gateway and swarm take free ports.

    Args:
        folder: its repository; made and set up where it is missing.
        port: of kubo's RPC; 0 takes a free one.
        swarm_key: content of ``swarm.key``; a fresh key is made where the repository has none.
        detached: it goes on when this process or its terminal ends.

    Raises:
        ProgramError: kubo is missing, a port is in use, or it does not come up.
    """
    program, folder = find("ipfs"), _made(folder)
    port, gateway_port, swarm_port = _port(port), _port(0), _port(0)
    if not (folder / "config").exists():
        _run([program, "--repo-dir", folder, "init", "--profile", "test"])
    key = folder / "swarm.key"
    if swarm_key is not None:
        key.unlink(missing_ok=True)
    if not key.exists():
        write_new(key, (swarm_key or new_swarm_key()).encode())
    _configure_kubo(folder / "config", port, gateway_port, swarm_port)
    private = {"LIBP2P_FORCE_PNET": "1", "IPFS_TELEMETRY": "off"}
    process = _start("ipfs", [program, "--repo-dir", folder, "daemon"], folder, private, detached=detached)
    _wait("ipfs", process, folder, lambda: _post(port, "/api/v0/id", b""))
    return Running(
        "ipfs", f"http://{HOST}:{port}", process.pid, folder, gateway=f"http://{HOST}:{gateway_port}", process=process
    )


def new_swarm_key() -> str:
    """The content of a fresh ``swarm.key``: 256 random bits that all nodes of a private swarm share."""
    return f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n"


def _configure_kubo(config: Path, port: int, gateway_port: int, swarm_port: int) -> None:
    """Loopback only, nobody to ask but the own swarm, nothing fetched from kubo's makers. As in ipfs/configure.sh."""
    settings: dict[str, Any] = json.loads(config.read_text())
    settings["Addresses"] |= {
        "API": f"/ip4/{HOST}/tcp/{port}",
        "Gateway": f"/ip4/{HOST}/tcp/{gateway_port}",
        "Swarm": [f"/ip4/{HOST}/tcp/{swarm_port}"],
    }
    settings["Bootstrap"] = []
    settings["Swarm"]["Transports"]["Network"]["Websocket"] = False  # a private swarm speaks plain TCP only
    settings["Routing"] = {"Type": "dht"}
    settings["AutoConf"] = {"Enabled": False}
    settings["AutoTLS"] = {"Enabled": False}
    settings["DNS"] = {"Resolvers": {}}
    settings["Ipns"]["DelegatedPublishers"] = []
    config.write_text(json.dumps(settings, indent=2))


def _import_faucet(program: Path, folder: Path, password: Path) -> None:
    """geth gives all money of a development chain to the first account of its key store."""
    key = folder / "faucet"
    key.write_text(FAUCET.hex())
    try:
        _run([program, "account", "import", "--lightkdf", "--datadir", folder, "--password", password, key])
    finally:
        key.unlink()


def _start_chain(
    name: str,
    command: Sequence[object],
    options: Mapping[str, object],
    folder: Path,
    port: int,
    *,
    detached: bool = False,
) -> Running:
    flags = [part for option, value in options.items() for part in (f"--{option}", value)]
    process = _start(name, [*command, *flags], folder, {}, detached=detached)
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    answer = _wait(name, process, folder, lambda: _post(port, "/", request))
    chain_id = int(answer["result"], 16)
    return Running(name, f"http://{HOST}:{port}", process.pid, folder, chain_id, FAUCET, process=process)


def _start(
    name: str, command: Sequence[object], folder: Path, environment: Mapping[str, str], *, detached: bool
) -> subprocess.Popen[bytes]:
    # Unless it is to go on without us, it shares our session: what ends us from outside ends it too.
    with _log(folder, name).open("ab") as log:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            start_new_session=detached,
        )


def _wait(name: str, process: subprocess.Popen[bytes], folder: Path, ask: Callable[[], Any]) -> Any:
    """The first answer of a program that was just started; if none comes, the program is ended."""
    answers: list[Any] = []

    def answered() -> bool:
        with suppress(OSError, HTTPException, ValueError):
            answers.append(ask())
        return bool(answers) or process.poll() is not None

    try:
        _until(answered, PATIENCE)
    finally:  # Ctrl-C included
        if not answers:
            process.kill()
            process.wait()
    if process.poll() is None:
        return answers[0]
    log = _log(folder, name)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
    raise ProgramError(
        f"{name} did not come up in {folder}. The end of {log}:\n{tail}",
        help=f"If another {name} uses this folder, stop it; else choose an empty folder and try again.",
    )


def _run(command: Sequence[object]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        shown = " ".join(map(str, command))
        raise ProgramError(
            f"`{shown}` ended with status {done.returncode}:\n{done.stderr.strip()}",
            help="Choose an empty folder on a disk with room, and try again.",
        )


def _post(port: int, path: str, body: bytes) -> Any:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _port(wanted: int) -> int:
    """The wanted port, or a free one for 0.

    Raises:
        ProgramError: another program listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the programs do: one just left is free
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise ProgramError(
                f"port {wanted} on {HOST} cannot be used: {error.strerror}",
                help="Stop the program that listens there, or choose another port (0 takes a free one).",
            ) from error
        port: int = probe.getsockname()[1]
        return port


def _made(folder: Path) -> Path:
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _log(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


def _until(ready: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.05)


def _command_line(pid: int) -> str:
    """What a process was started with; empty where there is no such process, or only its corpse."""
    proc = Path("/proc")
    if (proc / "self").exists():
        with suppress(OSError):
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return listed.stdout
