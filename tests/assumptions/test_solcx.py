"""What we believe of py-solc-x 2, and of npm's compiler behind our wrapper, one statement a test."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import solcx
from real_nodes import absent
from solcx.install import get_executable, get_solcx_install_folder

ROOT = Path(__file__).resolve().parent.parent.parent
WRAPPER = ROOT / "scripts" / "solc-wrapper.mjs"
SOURCE = "contract A { function f() external pure returns (uint256) { return 7; } }"
METADATA = 2 * 53
"""Hexadecimal digits at the end of the code that depend on the file's name."""

pytestmark = pytest.mark.nodes


@pytest.fixture(autouse=True)
def wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of compilers that holds our wrapper only."""
    if shutil.which("node") is None or not (ROOT / "node_modules" / "solc").is_dir():
        absent("Node or npm's solc is missing: install Node 20 or newer and run `npm ci`")
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path))
    (tmp_path / "solc-v0.8.37").symlink_to(WRAPPER)
    return tmp_path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "A.sol"
    path.write_text(SOURCE)
    return path


def test_it_is_the_version_that_we_know() -> None:
    assert version("py-solc-x").startswith("2.")


def test_its_compilers_lie_where_the_environment_says(wrapped: Path) -> None:
    assert get_solcx_install_folder() == wrapped
    assert Path(get_executable("0.8.37")) == wrapped / "solc-v0.8.37"


def test_it_takes_the_wrapper_for_an_installed_compiler() -> None:
    assert [str(found) for found in solcx.get_installed_solc_versions()] == ["0.8.37"]


def test_the_wrapper_says_its_version_as_the_native_compiler_does() -> None:
    said = subprocess.run([WRAPPER, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("solc, the solidity compiler commandline interface\nVersion: 0.8.37+commit.")


def test_it_reads_from_help_what_combined_json_may_hold(source: Path) -> None:
    made = solcx.compile_files([source], output_values=["abi", "bin"], solc_version="0.8.37")
    (contract,) = made.values()
    assert contract["abi"][0]["name"] == "f"
    assert contract["bin"]


def test_an_error_of_the_source_is_an_exception_with_the_compilers_words() -> None:
    with pytest.raises(solcx.exceptions.SolcError, match="Undeclared identifier"):
        solcx.compile_standard(
            {
                "language": "Solidity",
                "sources": {"A.sol": {"content": SOURCE.replace("7", "x")}},
                "settings": {"outputSelection": {"*": {"*": ["abi"]}}},
            },
            solc_version="0.8.37",
        )


def test_both_ways_of_asking_give_the_same_code_for_shanghai(source: Path) -> None:
    combined = solcx.compile_files(
        [source], output_values=["bin-runtime"], solc_version="0.8.37", evm_version="shanghai"
    )
    standard = solcx.compile_standard(
        {
            "language": "Solidity",
            "sources": {"A.sol": {"content": SOURCE}},
            "settings": {"evmVersion": "shanghai", "outputSelection": {"*": {"*": ["evm.deployedBytecode.object"]}}},
        },
        solc_version="0.8.37",
    )
    (one,) = (contract["bin-runtime"] for contract in combined.values())
    other = standard["contracts"]["A.sol"]["A"]["evm"]["deployedBytecode"]["object"]
    assert one[:-METADATA] == other[:-METADATA]
    assert "5f" in one, "PUSH0 is shanghai's"
