"""Whether a chain runs the contracts that the package carries, byte for byte."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from eth_hash.auto import keccak

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.keys import checksummed
from dapp.errors import ExitCode, Fatal
from dapp.types import Address


class WrongCode(Fatal):
    """At a contract's address is nothing, or something else."""

    code = ExitCode.CHAIN


def check_code(client: Client, contracts: Contracts) -> None:
    """Holds the code of every contract of a deployment against the package's, what constructors wrote into it apart.

    Raises:
        WrongCode: at an address is no contract, or another one.
        Unreachable: no answer.
    """
    for role, address in contracts.deployment.addresses().items():
        name, code = getattr(contracts, role).name, client.node.code(address)
        check(name, address, code, client.chain_id)


def check(name: str, address: Address, code: bytes, chain_id: int) -> None:
    """The same for one contract's code.

    Raises:
        WrongCode: it is not the contract's.
    """
    if not code:
        raise WrongCode(
            f"there is no {name} at {checksummed(address)} on chain {chain_id}",
            help="Check the deployment's file and the chain's address; a development chain forgets when it restarts.",
        )
    if not is_code_of(name, code):
        raise WrongCode(
            f"what runs at {checksummed(address)} on chain {chain_id} is not this version's {name}:"
            f" its code hash is 0x{keccak(code).hex()}",
            help="Use the version of Cairn that the contracts were deployed with, or deploy them anew.",
        )


def is_code_of(name: str, code: bytes) -> bool:
    """Whether code is a contract's of ours, whatever its constructor was given."""
    expected, places = _deployed(name)
    return _without(code, places) == expected


def artifact(name: str) -> Any:
    """A contract's artifact as the compiler script wrote it."""
    return json.loads((files("dapp.chain") / "abi" / f"{name}.json").read_text())


@cache
def _deployed(name: str) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """The code that is deployed, zeros for immutables, and where these are."""
    compiled = artifact(name)
    places = tuple((start, length) for start, length in compiled["immutables"])
    return _without(bytes.fromhex(compiled["deployedBytecode"].removeprefix("0x")), places), places


def _without(code: bytes, places: tuple[tuple[int, int], ...]) -> bytes:
    blank = bytearray(code)
    for start, length in places:
        blank[start : start + length] = bytes(length)
    return bytes(blank)
