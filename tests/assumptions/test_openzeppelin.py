"""What we believe of OpenZeppelin's contracts 5.4.0 and of what the compiler makes of them, one statement a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_nodes import absent

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARY = ROOT / "node_modules" / "@openzeppelin" / "contracts"
AFTER_SHANGHAI = {0x49: "BLOBHASH", 0x4A: "BLOBBASEFEE", 0x5C: "TLOAD", 0x5D: "TSTORE", 0x5E: "MCOPY", 0x1E: "CLZ"}
NEEDED = (
    "utils/cryptography/EIP712.sol",
    "utils/cryptography/ECDSA.sol",
    "utils/cryptography/MerkleProof.sol",
    "utils/Blockhash.sol",
    "utils/math/Math.sol",
)

pytestmark = pytest.mark.nodes


@pytest.fixture(scope="module")
def library() -> Path:
    if not LIBRARY.is_dir():
        absent(f"{LIBRARY} is not there: run `npm ci`")
    return LIBRARY


def compiled(library: Path, unit: str, rules: str | None = None) -> dict[str, Any]:
    """What py-solc-x gives for one file of the library."""
    import solcx
    from solcx.exceptions import SolcNotInstalled

    try:
        solcx.install.get_executable("0.8.37")
    except SolcNotInstalled:
        absent("solc 0.8.37 is not installed: run `make contracts`")
    name = f"@openzeppelin/contracts/{unit}"
    settings: dict[str, Any] = {
        "remappings": [f"@openzeppelin/contracts/={library}/"],
        "outputSelection": {"*": {"*": ["metadata", "evm.deployedBytecode.object"]}},
    }
    if rules is not None:
        settings["evmVersion"] = rules
    request = {"language": "Solidity", "sources": {name: {"urls": [str(library / unit)]}}, "settings": settings}
    output = solcx.compile_standard(request, solc_version="0.8.37", allow_paths=str(ROOT))
    return next(iter(output["contracts"][name].values()))


def instructions(code: bytes) -> Iterator[int]:
    """The opcodes of bytecode, without the bytes that PUSH takes, up to the data behind the last of them."""
    place = 0
    while place < len(code):
        yield code[place]
        place += 1 + max(0, code[place] - 0x5F) * (0x60 <= code[place] <= 0x7F)


def test_it_is_the_version_of_which_we_know_that_it_compiles_at_shanghai(library: Path) -> None:
    assert json.loads((library / "package.json").read_text())["version"] == "5.4.0"


@pytest.mark.parametrize("unit", NEEDED)
def test_what_we_use_of_it_compiles_at_shanghai(library: Path, unit: str) -> None:
    assert json.loads(compiled(library, unit, "shanghai")["metadata"])["settings"]["evmVersion"] == "shanghai"


def test_the_compiler_left_to_itself_writes_for_osaka(library: Path) -> None:
    made = compiled(library, "utils/cryptography/ECDSA.sol")
    assert json.loads(made["metadata"])["settings"]["evmVersion"] == "osaka"


@pytest.mark.parametrize(
    "artifact", sorted((ROOT / "dapp" / "chain" / "abi").glob("*.json")), ids=lambda path: path.stem
)
def test_no_contract_of_ours_uses_what_came_after_shanghai(artifact: Path) -> None:
    code = json.loads(artifact.read_text())["deployedBytecode"]
    code = bytes.fromhex((code if isinstance(code, str) else code["object"]).removeprefix("0x"))
    found = {AFTER_SHANGHAI[opcode] for opcode in instructions(code) if opcode in AFTER_SHANGHAI}
    assert found == set()
