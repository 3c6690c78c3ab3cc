"""Compiles ``contracts/`` into the artifacts that the package carries.

    python scripts/compile_contracts.py             writes dapp/chain/abi/ and tests/contracts/artifacts/
    python scripts/compile_contracts.py --check     recompiles and fails on any difference
    python scripts/compile_contracts.py contracts/escrow/Escrow.sol     compiles only this file and what it imports

Needs ``npm ci`` (OpenZeppelin) and py-solc-x. The compiler is the native one where its site answers, else npm's behind
``solc-wrapper.mjs``; both give the same bytes. Who only runs Cairn needs neither.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
TEST_CONTRACTS = CONTRACTS / "test"
ARTIFACTS = ROOT / "dapp" / "chain" / "abi"
TEST_ARTIFACTS = ROOT / "tests" / "contracts" / "artifacts"
LIBRARY = "@openzeppelin/contracts"

SOLC_VERSION = "0.8.37"
SETTINGS: dict[str, Any] = {
    # The newest that every chain we support runs; the compiler's own default is newer.
    "evmVersion": "shanghai",
    "optimizer": {"enabled": True, "runs": 200},
    # Mining and Learning do not fit into EIP-170's 24,576 bytes without it.
    "viaIR": True,
    # Nothing of the machine that compiles may end up in the code.
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
}
EIP170_BYTES = 24_576
# "Will be promoted to keyword": the compiler is pinned, and ``leave`` is what a member does.
FUTURE_KEYWORD = "6335"

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_IMPORT = re.compile(r"\bimport\s+(?:[^\"';]*?\bfrom\s+)?[\"']([^\"']+)[\"']\s*;")

Artifact = dict[str, Any]


def imports_of(unit: str, source: str) -> list[str]:
    """Names of the source units that one imports, relative ones resolved as the compiler does."""
    names = _IMPORT.findall(_COMMENT.sub("", source))
    return [posixpath.normpath(posixpath.join(posixpath.dirname(unit), n)) if n.startswith(".") else n for n in names]


def own_sources(root: Path = ROOT) -> dict[str, str]:
    """All our source units, by name (``contracts/…/X.sol``)."""
    files = sorted((root / "contracts").rglob("*.sol"))
    return {file.relative_to(root).as_posix(): file.read_text() for file in files}


def closure(unit: str, sources: Mapping[str, str]) -> Iterator[str]:
    """A source unit and all that it imports, each once; of the library only the units imported by ours."""
    seen: set[str] = set()
    pending = [unit]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        if name in sources:
            pending += imports_of(name, sources[name])


def source_hash(unit: str, sources: Mapping[str, str], library_version: str) -> str:
    """SHA-256 over the sources that an artifact is built from, so that a stale one is found without a compiler.

    The library is pinned by its version (and its bytes by package-lock.json), hence named and not read.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(unit, sources)):
        content = sources.get(name, f"{LIBRARY}@{library_version}")
        for part in (name, content):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    digest.update(json.dumps([SOLC_VERSION, SETTINGS], sort_keys=True).encode())
    return digest.hexdigest()


def library_version(root: Path = ROOT) -> str:
    """The version of OpenZeppelin that package.json pins."""
    version: str = json.loads((root / "package.json").read_text())["devDependencies"][LIBRARY]
    return version


def all_sources(units: Iterable[str], own: Mapping[str, str]) -> dict[str, str]:
    """The given units of ours and everything that they import, the library read from ``node_modules``."""
    sources: dict[str, str] = {}
    pending = list(units)
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        if name in own:
            sources[name] = own[name]
        else:
            file = ROOT / "node_modules" / name
            if not file.is_file():
                raise SystemExit(f"{name} is imported but not there: run `npm ci` in {ROOT}")
            sources[name] = file.read_text()
        pending += imports_of(name, sources[name])
    return sources


def compiler() -> Path:
    """The path of the compiler; installs it where it is missing."""
    import solcx
    from requests import RequestException
    from solcx.exceptions import SolcNotInstalled
    from solcx.install import get_executable, get_solcx_install_folder

    try:
        return Path(get_executable(SOLC_VERSION))
    except SolcNotInstalled:
        pass
    try:
        solcx.install_solc(SOLC_VERSION)
    except (RequestException, ConnectionError):
        link = get_solcx_install_folder() / f"solc-v{SOLC_VERSION}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link whose checkout is gone
        link.symlink_to(ROOT / "scripts" / "solc-wrapper.mjs")
        print(f"the compiler's site does not answer; {link} runs npm's solc {SOLC_VERSION}", file=sys.stderr)
    return Path(get_executable(SOLC_VERSION))


def compile_units(units: Iterable[str], own: Mapping[str, str]) -> dict[Path, Artifact]:
    """Compiles units of ours; gives the artifact of each contract that can be deployed."""
    import solcx

    sources = all_sources(units, own)
    deployed = ("object", "immutableReferences")
    wanted = ["abi", "evm.bytecode.object", *(f"evm.deployedBytecode.{part}" for part in deployed), "storageLayout"]
    request = {
        "language": "Solidity",
        "sources": {name: {"content": sources[name]} for name in sorted(sources)},
        "settings": SETTINGS | {"outputSelection": {"*": {"*": wanted}}},
    }
    try:
        output = solcx.compile_standard(request, solc_binary=compiler(), allow_empty=True)
    except solcx.exceptions.SolcError as error:
        report = json.loads(error.stdout_data)["errors"] if error.stdout_data else [{"formattedMessage": str(error)}]
        raise SystemExit("\n".join(entry["formattedMessage"] for entry in report)) from None
    for entry in output.get("errors", []):
        if entry.get("errorCode") != FUTURE_KEYWORD:
            print(entry["formattedMessage"], file=sys.stderr)

    artifacts: dict[Path, Artifact] = {}
    for unit, contracts in output["contracts"].items():
        if unit not in own:
            continue
        for name, contract in contracts.items():
            code = contract["evm"]["bytecode"]["object"]
            # Nobody deploys an interface, nor a library of internal functions, which has code but nothing to call.
            if not code or not any(entry["type"] == "function" for entry in contract["abi"]):
                continue
            runtime = contract["evm"]["deployedBytecode"]["object"]
            if len(runtime) // 2 > EIP170_BYTES:
                print(f"{name}: {len(runtime) // 2} bytes of runtime code, over {EIP170_BYTES}", file=sys.stderr)
            folder = TEST_ARTIFACTS if unit.startswith("contracts/test/") else ARTIFACTS
            artifacts[folder / f"{name}.json"] = {
                "abi": contract["abi"],
                "bytecode": f"0x{code}",
                "compiler": {"version": SOLC_VERSION, **SETTINGS},
                "contractName": name,
                "deployedBytecode": f"0x{runtime}",
                "immutables": immutables(contract["evm"]["deployedBytecode"]),
                "sourceHash": source_hash(unit, own, library_version()),
                "sourceName": unit,
                "storage": storage(contract["storageLayout"]),
            }
    return artifacts


def immutables(deployed: Mapping[str, Any]) -> list[list[int]]:
    """Where a contract's constructor writes into its code: start and length in bytes."""
    places = [place for places in deployed.get("immutableReferences", {}).values() for place in places]
    return sorted([place["start"], place["length"]] for place in places)


def storage(layout: Mapping[str, Any]) -> dict[str, Any]:
    """Where state lies, for who reads it without asking the contract: slots of variables, and for each struct its
    members as [slot, offset in the slot, bytes]. The compiler's own names of types hold numbers that change with any
    source, so they are left out."""
    types: Mapping[str, Any] = layout["types"] or {}

    def place(member: Mapping[str, Any]) -> list[int]:
        return [int(member["slot"]), member["offset"], int(types[member["type"]]["numberOfBytes"])]

    return {
        "slots": {variable["label"]: int(variable["slot"]) for variable in layout["storage"]},
        "structs": {
            kind["label"].rpartition(".")[2].removeprefix("struct "): {
                member["label"]: place(member) for member in kind["members"]
            }
            for kind in types.values()
            if "members" in kind
        },
    }


def text_of(artifact: Artifact) -> str:
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def differences(artifacts: Mapping[Path, Artifact]) -> list[str]:
    """What a fresh compilation says against the committed artifacts."""
    found = []
    for path, artifact in sorted(artifacts.items()):
        if not path.exists():
            found.append(f"{path.relative_to(ROOT)} is missing")
        elif path.read_text() != text_of(artifact):
            found.append(f"{path.relative_to(ROOT)} differs from a fresh compilation")
    return found


def stale(artifacts: Mapping[Path, Artifact]) -> list[Path]:
    present = [path for folder in (ARTIFACTS, TEST_ARTIFACTS) for path in sorted(folder.glob("*.json"))]
    return [path for path in present if path not in artifacts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail where a committed artifact differs")
    parser.add_argument("files", nargs="*", type=Path, help="source files; default: all")
    arguments = parser.parse_args()

    own = own_sources()
    units = [file.resolve().relative_to(ROOT).as_posix() for file in arguments.files] or list(own)
    artifacts = compile_units(units, own)
    without_source = [] if arguments.files else stale(artifacts)
    if arguments.check:
        found = differences(artifacts) + [f"{path.relative_to(ROOT)} has no source" for path in without_source]
        if found:
            raise SystemExit("\n".join([*found, "run `make contracts` and commit what it writes"]))
        return
    for path in without_source:
        path.unlink()
    for path, artifact in artifacts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text_of(artifact):
            path.write_text(text_of(artifact))
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
