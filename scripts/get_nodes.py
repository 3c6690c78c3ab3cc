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
    missing = [*get_npm([name for name in NAMES if name not in BUILT]), *get_built(BUILT)]
    for name in NAMES:
        if name not in missing:
            path = find(name)
            print(f"{name:8} {version(path):10} {path}")
    return 1 if missing else 0


def get_npm(names: Sequence[str]) -> Sequence[str]:
    """Has npm install the project's packages if a program is missing; those that it cannot get."""
    missing = [name for name in names if not found(name)]
    if missing and (npm := shutil.which("npm")) is not None:
        subprocess.run([npm, "ci", "--no-fund", "--no-audit"], cwd=ROOT, stdout=sys.stderr)
        missing = [name for name in names if not found(name)]
        complain(missing, "npm did not bring them, see above")
    else:
        complain(missing, "install Node 20 or newer, which npm comes with")
    return missing


def get_built(names: Sequence[str]) -> Sequence[str]:
    """Builds the programs that are not on PATH if the cache has none of this module; those that cannot be built."""
    stamp = cache() / "bin" / "built-from"
    missing = [name for name in names if on_path(name) is None]
    if not missing or (stamp.is_file() and stamp.read_text() == module_hash() and all(map(found, missing))):
        return []
    if (go := shutil.which("go")) is None:
        complain(missing, "install Go 1.26 or newer")
        return missing
    print(f"building {' and '.join(BUILT)} from source, which takes minutes the first time", file=sys.stderr)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stamp.parent) as fresh:
        built = subprocess.run([go, "build", "-mod=readonly", "-o", f"{fresh}{os.sep}", "tool"], cwd=MODULE)
        if built.returncode:
            complain(missing, "Go could not build them, see above")
            return missing
        for program in Path(fresh).iterdir():
            program.replace(stamp.parent / program.name)
    stamp.write_text(module_hash())
    return []


def module_hash() -> str:
    """SHA-256 over what decides the programs' bytes."""
    return hashlib.sha256(b"\0".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()


def found(name: str) -> bool:
    """Whether the program is there."""
    try:
        find(name)
    except ProgramError:
        return False
    return True


def version(program: Path) -> str:
    """The version that a program says it has: the first word with a dot in what it prints."""
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    return next(word for word in said.split() if "." in word).removeprefix("v").removesuffix("-stable")


def complain(missing: Sequence[str], what: str) -> None:
    """One line on what cannot be had."""
    if missing:
        print(f"not to be had: {', '.join(missing)} ({what})", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
