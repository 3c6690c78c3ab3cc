"""The committed artifacts are what the sources say, seen without a compiler, and can be deployed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from evm import FOLDERS, ROOT, artifact

sys.path.insert(0, str(ROOT / "scripts"))

from compile_contracts import EIP170_BYTES, SETTINGS, SOLC_VERSION, library_version, own_sources, source_hash

OWN = own_sources()
ARTIFACTS = sorted(path for folder in FOLDERS for path in folder.glob("*.json"))
PACKAGED = [path for path in ARTIFACTS if path.parent == FOLDERS[0]]


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_an_artifact_is_built_from_the_sources_as_they_are(path: Path) -> None:
    built = artifact(path.stem)
    assert built["sourceHash"] == source_hash(built["sourceName"], OWN, library_version()), "run `make contracts`"
    assert built["compiler"] == {"version": SOLC_VERSION, **SETTINGS}
    assert built["contractName"] == path.stem


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_runtime_code_fits_into_a_block_of_any_chain(path: Path) -> None:
    assert len(artifact(path.stem)["deployedBytecode"]) // 2 - 1 <= EIP170_BYTES


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_the_code_tells_nothing_of_the_machine_that_compiled_it(path: Path) -> None:
    """No metadata at its end: the same sources give the same bytes everywhere."""
    for marker in (b"ipfs", b"solc"):
        assert marker.hex() not in artifact(path.stem)["deployedBytecode"]


def test_every_contract_of_the_round_is_packaged() -> None:
    names = {"Escrow", "Learning", "Mining", "Verification", "PrevrandaoSeed"}
    assert names <= {path.stem for path in PACKAGED}
    for path in PACKAGED:
        assert not artifact(path.stem)["sourceName"].startswith("contracts/test/")


def test_a_changed_source_changes_the_hash_of_all_that_import_it() -> None:
    changed = OWN | {"contracts/crypto/Sortition.sol": OWN["contracts/crypto/Sortition.sol"] + "\n"}
    for unit, differs in (("contracts/verification/Verification.sol", True), ("contracts/escrow/Escrow.sol", False)):
        before, after = (source_hash(unit, sources, "5.4.0") for sources in (OWN, changed))
        assert (before != after) is differs
    assert source_hash("contracts/escrow/Escrow.sol", OWN, "5.4.1") != source_hash(
        "contracts/escrow/Escrow.sol", OWN, "5.4.0"
    )
