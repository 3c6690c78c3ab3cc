"""brownie for tests: the one that `make brownie` installs, with a home of its own, on ports that are free."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from real_nodes import absent
from solcx.install import get_solcx_install_folder

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv-brownie"
USUAL_PORT = 8545
PATIENCE = 300
"""Seconds that a command of brownie may take, a first compilation among them."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True)
class Brownie:
    """The command ``brownie`` of a person whose home folder this is."""

    home: Path

    @classmethod
    def at_home(cls, home: Path, port: int) -> Brownie:
        """brownie as installed, but that its networks are on another port than everybody's."""
        if not (ENVIRONMENT / "ready").is_file():
            absent(f"{ENVIRONMENT.name} is missing: run `make brownie`")
        own = home / ".brownie"
        own.mkdir()
        networks = brownie_data("network-config.yaml").read_text()
        (own / "network-config.yaml").write_text(networks.replace(f"port: {USUAL_PORT}", f"port: {port}"))
        return cls(home)

    def run(self, *arguments: str, folder: Path = ROOT, said: str = "", ok: bool = True, **changes: str) -> str:
        """Everything that ``brownie …`` prints in a folder.

        Args:
            said: what a person types.
            ok: whether it must end well, or badly.
            changes: of the environment.
        """
        return self._run([str(ENVIRONMENT / "bin" / "brownie"), *arguments], folder, said, ok, changes)

    def python(self, *arguments: str, **changes: str) -> str:
        """The same of ``python …`` in brownie's environment."""
        return self._run([str(ENVIRONMENT / "bin" / "python"), *arguments], ROOT, "", True, changes)

    def _run(self, command: list[str], folder: Path, said: str, ok: bool, changes: dict[str, str]) -> str:
        environment = os.environ | {
            "HOME": str(self.home),
            "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
            "SOLCX_BINARY_PATH": str(get_solcx_install_folder()),
            "COLUMNS": "200",
        }
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment | changes,
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            start_new_session=True,  # who asks for a password must not find this terminal
        )
        printed = _COLOURS.sub("", done.stdout)
        assert (done.returncode == 0) == ok, printed
        return printed


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def brownie_data(name: str) -> Path:
    """A file that brownie carries."""
    (file,) = ENVIRONMENT.glob(f"lib/python3*/site-packages/brownie/data/{name}")
    return file
