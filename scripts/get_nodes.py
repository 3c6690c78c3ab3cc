"""Gets the foreign programs that Cairn runs beside itself: anvil, forge, ganache, geth and ipfs (kubo).

    python scripts/get_nodes.py     a line each: the program, its version, where it is

What is on PATH stays. npm brings anvil, forge and ganache, as package-lock.json pins them; geth and ipfs are built by
Go from the module in ``nodes/``, whose sources go.sum pins, into the cache (``dapp.runtime.programs.cache``), again
only when that module has changed. Ends with status 1 if a program cannot be had, and says what to install.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dapp.runtime.programs import BUILT, NAMES, ProgramError, cache, find, on_path

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "nodes"


def main() -> int:
    """Gets what is missing; the status to exit with."""
    get_npm([name for name in NAMES if name not in BUILT])
    get_built(BUILT)
    versions = {name: version(name) for name in NAMES}
    for name, known in versions.items():
        if known is not None:
            print(f"{name:8} {known:8} {find(name)}")
    return 1 if None in versions.values() else 0


def get_npm(names: Sequence[str]) -> None:
    """Has npm install the project's packages if a program is missing or does not run."""
    missing = [name for name in names if version(name) is None]
    if missing and (npm := shutil.which("npm")) is not None:
        subprocess.run([npm, "ci", "--no-fund", "--no-audit"], cwd=ROOT, stdout=sys.stderr)
        complain([name for name in names if version(name) is None], "npm did not bring them, see above")
    else:
        complain(missing, "install Node 20 or newer, which npm comes with")


def get_built(names: Sequence[str]) -> None:
    """Builds the programs that are not on PATH, if the cache has none of this module."""
    stamp = cache() / "bin" / "built-from"
    missing = [name for name in names if on_path(name) is None]
    if stamp.is_file() and stamp.read_text() == module_hash():
        missing = [name for name in missing if version(name) is None]
    if not missing:
        return
    if (go := shutil.which("go")) is None:
        complain(missing, "install Go 1.26 or newer, which builds them")
        return
    print(f"building {' and '.join(BUILT)} from source, which takes minutes the first time", file=sys.stderr)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stamp.parent) as fresh:
        built = subprocess.run([go, "build", "-mod=readonly", "-o", f"{fresh}{os.sep}", "tool"], cwd=MODULE)
        if built.returncode:
            complain(missing, "Go could not build them, see above")
            return
        for program in Path(fresh).iterdir():
            program.replace(stamp.parent / program.name)
    stamp.write_text(module_hash())


def module_hash() -> str:
    """SHA-256 over what decides the programs' bytes."""
    return hashlib.sha256(b"\0".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()


def version(name: str) -> str | None:
    """The version that a program says it has; None where it is missing or does not run."""
    try:
        said = subprocess.run([str(find(name)), "--version"], capture_output=True, text=True, check=True).stdout
    except (ProgramError, OSError, subprocess.CalledProcessError):
        return None
    numbered = (word for word in said.split() if "." in word)
    return next(numbered, "unknown").removeprefix("v").removesuffix("-stable")


def complain(missing: Sequence[str], what: str) -> None:
    """One line on what cannot be had."""
    if missing:
        print(f"not to be had: {', '.join(missing)} ({what})", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
