"""A cohort in which every role is a process of its own, with its own key, folder and settings file: what an operator
would type, typed by a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dapp.chain import keystore
from dapp.chain.client import Client
from dapp.chain.development import fund
from dapp.chain.keys import Account, checksummed
from dapp.chain.web3_node import Web3Node
from dapp.types import Wei

PASSWORD = "a password of nobody's"
ETHER = 10**18
CAIRN = (sys.executable, "-c", "from dapp.cli import main; main()")
TASK = ("learning.rounds=3", "devices=5", "cohort.min_devices=3", "verifiers=5", "panel.seats=3")


@dataclass
class Process:
    """One role's process; ``log`` takes what it says."""

    name: str
    folder: Path
    running: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def private_mib(self) -> float:
        """The memory that it has for itself now, in MiB; 0 once it is gone. Pages of libraries, which the system may
        drop at any time, do not count: torch's build for CUDA maps 240 MiB of them on import."""
        try:
            lines = Path(f"/proc/{self.running.pid}/status").read_text(encoding="utf-8").splitlines()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


@dataclass
class Cohort:
    """The cohort of one task.

    Args:
        chain: JSON-RPC address of a development chain.
        store: RPC address of a kubo node.
    """

    folder: Path
    chain: str
    store: str
    accounts: dict[str, Account] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)
    task: str = ""

    @classmethod
    def order(cls, folder: Path, chain: str, store: str, *, changes: Sequence[str] = TASK, devices: int = 5) -> Cohort:
        """Makes the keys, deploys the contracts, orders the task, admits the devices."""
        cohort = cls(folder, chain, store)
        names = [f"device-{i}" for i in range(devices)]
        for name in (
            "requester",
            "admission",
            *names,
            "holder",
            "edge-0",
            "edge-1",
            "watcher",
            *(f"verifier-{i}" for i in range(5)),
        ):
            (folder / name).mkdir(parents=True)
            cohort.accounts[name] = keystore.new(folder / name / "key.json", PASSWORD)
        client = Client(Web3Node.connect([chain]))
        rich = [
            a.address
            for name, a in cohort.accounts.items()
            if name.startswith(("requester", "edge", "watcher", "verifier"))
        ]
        fund(client, rich, Wei(20 * ETHER))
        key = ("--key", folder / "requester" / "key.json")
        at = ("--chain", chain, "--contracts", folder / "deployment.json")
        out = ("--out", folder / "deployment.json")
        cohort.cairn("deploy", "--chain", chain, *key, *out, "--pace", "fast", "--activation-delay", 5, "--yes")
        cohort.cairn("new", folder / "my-task")
        project = folder / "my-task"
        settings = ["model=small-cnn", "data=mnist", *changes]
        holders = ",".join(checksummed(cohort.accounts[name].address) for name in (*names[:-1], "holder"))
        cohort.cairn(
            *("task", "create", project, *at, "--store", store, *key, "--holders", holders, "--pace", "fast"),
            *("--admission", checksummed(cohort.accounts["admission"].address), "--shares", folder / "shares", "--yes"),
            *(part for change in settings for part in ("-c", change)),
        )
        (listed,) = json.loads(cohort.cairn("task", "list", *at, "--json"))
        cohort.task = listed["task"]
        tickets = json.loads(
            cohort.cairn(
                *("task", "admit", cohort.task, *(checksummed(cohort.accounts[name].address) for name in names)),
                *("--contracts", folder / "deployment.json", "--key", folder / "admission" / "key.json", "--json"),
            )
        )
        by_device = {each["device"]: each["ticket"] for each in tickets}
        cohort.tickets |= {name: by_device[checksummed(cohort.accounts[name].address)] for name in names}
        return cohort

    @property
    def contracts(self) -> Path:
        """The file that says where the contracts are."""
        return self.folder / "deployment.json"

    def cairn(self, *arguments: object) -> str:
        """Runs the command to its end; gives what it prints."""
        done = self.refused(*arguments)
        assert done.returncode == 0, f"cairn {arguments[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
        return done.stdout

    def refused(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Runs the command to its end, whichever that is."""
        command = [*CAIRN, *map(str, arguments)]
        return subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=240, check=False
        )

    def start(self, name: str, *verb: str, settings: Mapping[str, Any] = {}) -> Process:
        """Starts a role's process with these settings over the common ones."""
        folder = self.folder / name
        common = {
            "name": name,
            "chain": self.chain,
            "contracts": str(self.folder / "deployment.json"),
            "task": self.task,
            "keystore": "key.json",
            "poll": 0.5,
        }
        tables: dict[str, dict[str, Any]] = {"": {}}
        for key, value in {**common, **settings}.items():
            table, _, leaf = key.rpartition(".")
            tables.setdefault(table, {})[leaf] = value
        lines = [f"{leaf} = {json.dumps(value)}" for leaf, value in tables.pop("").items() if value != ""]
        for table, entries in tables.items():
            lines += [f"[{table}]", *(f"{leaf} = {json.dumps(value)}" for leaf, value in entries.items())]
        file = folder / "settings.toml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (folder / "log").open("ab") as log:
            running = subprocess.Popen(
                [*CAIRN, *verb, str(file)], env=self._environment(), stdout=log, stderr=subprocess.STDOUT, cwd=folder
            )
        self.processes[name] = Process(name, folder, running)
        return self.processes[name]

    def device(self, i: int, doors: Sequence[str], **more: Any) -> Process:
        """A device with its share of the data, and but for the last of the key, and no store of its own."""
        name = f"device-{i}"
        own = {"parts": 5, "part": i, "model": "small-cnn", "data": "mnist", "ticket": self.tickets[name]}
        own |= {"doors": ",".join(doors)}
        if i < 4:
            own["share"] = self._share(i)
        return self.start(name, "device", "run", settings={f"device.{key}": value for key, value in own.items()} | more)

    def holder(self, doors: Sequence[str]) -> Process:
        """Who holds the last share of the key, and is no device."""
        own = {"device.share": self._share(4), "device.doors": ",".join(doors)}
        return self.start("holder", "holder", "run", settings={"store": self.store, **own})

    def _share(self, i: int) -> str:
        return str(self.folder / "shares" / f"share-{i}.json")

    def edge(self, i: int, **more: Any) -> Process:
        """An edge with a door at a port of its own choice."""
        settings = {"store": self.store, "edge.door": "127.0.0.1:0", "edge.turn": i, "edge.wait_for": 5, "workers": 2}
        return self.start(f"edge-{i}", "edge", "run", settings=settings | more)

    def verifier(self, i: int, **more: Any) -> Process:
        """A verifier, which joins the registry when it is not in yet."""
        settings = {"store": self.store, "verifier.join": True}
        return self.start(f"verifier-{i}", "verifier", "run", settings=settings | more)

    def door(self, i: int, patience: float = 240) -> str:
        """Where an edge's door is, as it says itself."""
        mark = "its door is at "
        self.until(lambda: mark in self.processes[f"edge-{i}"].log, patience, f"edge {i} opens its door")
        return self.processes[f"edge-{i}"].log.partition(mark)[2].split()[0]

    def until(self, reached: Any, patience: float, what: str) -> None:
        """Waits; a process that ends in an error meanwhile is reported at once."""
        deadline = time.monotonic() + patience
        while not reached():
            for process in self.processes.values():
                code = process.running.poll()
                assert code in (None, 0), f"{process.name} ended with {code}: {process.log[-2000:]}"
                self.peaks[process.name] = max(process.private_mib(), self.peaks.get(process.name, 0.0))
            assert time.monotonic() < deadline, f"{what}: not within {patience:g} s\n{self.story()}"
            time.sleep(0.2)

    def story(self, lines: int = 12) -> str:
        """The last lines of every log."""
        return "\n".join(f"--- {p.name}\n" + "\n".join(p.log.splitlines()[-lines:]) for p in self.processes.values())

    def stop(self) -> None:
        """Ends what still runs."""
        for process in self.processes.values():
            if process.running.poll() is None:
                process.running.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.running.wait(20)
            except subprocess.TimeoutExpired:
                process.running.kill()
                process.running.wait()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CAIRN_PASSWORD": PASSWORD, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
