"""The Python mirror of the contracts has every function, event, struct and enumeration, in Solidity's order."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib.resources import files
from typing import Any, get_type_hints

import pytest

from dapp.chain import contracts, errors
from dapp.chain.codec import CONTRACTS, Entry, abi, all_errors, all_events, encode_call
from dapp.errors import ChainError, Fatal
from dapp.protocol import enums, events, records, terms
from dapp.protocol.struct import Struct

CLASSES = {
    "Learning": contracts.Learning,
    "Mining": contracts.Mining,
    "Verification": contracts.Verification,
    "Escrow": contracts.Escrow,
    "PrevrandaoSeed": contracts.SeedSource,
    "PaillierSum": contracts.PaillierSum,
}
BY_ANOTHER_CONTRACT = {"pay", "move", "request", "eip712Domain"}
"""Functions that only contracts, or nobody of ours, call."""
FOR_PAILLIER_SUM = {"Mining": {"strikeOut", "excludeUpdate"}}
"""What Mining takes from the contract that checks proofs, where people call functions of the same names."""
RENAMED = {"IVerificationTypes.Panel": records.PanelState}
NEVER_EMITTED = {"EIP712DomainChanged"}


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def field_name(solidity: str) -> str:
    return {"from": "from_"}.get(solidity, snake_case(solidity))


def components(contract: str) -> dict[str, list[tuple[str, str]]]:
    """Every struct in a contract's ABI: its fields' names and types."""
    found: dict[str, list[tuple[str, str]]] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type", "").startswith("tuple"):
                name = node["internalType"].removeprefix("struct ").removesuffix("[]")
                found[name] = [(part["name"], part["internalType"]) for part in node["components"]]
            node = list(node.values())
        if isinstance(node, list):
            for part in node:
                walk(part)

    walk(json.loads((files("dapp.chain") / "abi" / f"{contract}.json").read_text())["abi"])
    return found


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_function_has_a_method(contract: str) -> None:
    for name in abi(contract).functions:
        if not name.isupper() and name not in BY_ANOTHER_CONTRACT | FOR_PAILLIER_SUM.get(contract, set()):
            assert hasattr(CLASSES[contract], snake_case(name)), name


@pytest.mark.parametrize("entry", all_events().values(), ids=lambda entry: entry.name)
def test_every_event_has_a_dataclass_with_its_fields_in_order(entry: Entry) -> None:
    if entry.name in NEVER_EMITTED:
        return
    own = [field.name for field in dataclasses.fields(getattr(events, entry.name)) if not field.kw_only]
    assert own == [field_name(parameter.name) for parameter in entry.inputs]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_struct_has_a_dataclass_with_its_fields_in_order(contract: str) -> None:
    for name, parts in components(contract).items():
        short = name.rpartition(".")[2]
        mirror = RENAMED.get(name) or getattr(terms, short, None) or getattr(records, short)
        assert issubclass(mirror, Struct)
        assert [field.name for field in dataclasses.fields(mirror)] == [field_name(part) for part, _ in parts]
        hints = get_type_hints(mirror)
        for part, kind in parts:
            if kind.startswith("enum "):
                assert hints[field_name(part)].__name__ == kind.rpartition(".")[2]


def test_every_enumeration_counts_as_in_solidity() -> None:
    sources = {}
    root = files("dapp.chain").joinpath("../../contracts")
    for path in ("learning/ILearning.sol", "mining/IMining.sol", "verification/IVerification.sol"):
        for name, body in re.findall(r"enum (\w+) \{([^}]*)\}", root.joinpath(path).read_text()):
            sources[name] = [snake_case(member.strip()).upper() for member in body.split(",")]
    assert len(sources) == 8
    for name, members in sources.items():
        assert [member.name for member in getattr(enums, name)] == members
        assert [member.value for member in getattr(enums, name)] == list(range(len(members)))


def test_every_custom_error_has_a_sentence_and_no_sentence_is_left_over() -> None:
    assert {entry.name for entry in all_errors().values()} == errors.SENTENCES.keys()


def test_every_sentence_names_only_values_that_its_error_has() -> None:
    for entry in all_errors().values():
        sentence, help_ = errors.SENTENCES[entry.name]
        names = {parameter.name for parameter in entry.inputs}
        assert set(re.findall(r"{(\w+)}", sentence)) <= names, entry.name
        assert help_


def test_a_contract_that_is_not_in_the_package_is_named() -> None:
    with pytest.raises(Fatal, match="no compiled contract Market"):
        abi("Market")


def test_an_argument_of_another_type_is_refused_with_the_signature() -> None:
    with pytest.raises(ChainError, match=r"Escrow\.potOf") as caught:
        encode_call(abi("Escrow").functions["potOf"], [b"short" * 10])
    assert "potOf(bytes32)" in caught.value.help
