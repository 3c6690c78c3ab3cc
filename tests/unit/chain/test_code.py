"""A deployment is taken for ours only if its code is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_hash.auto import keccak

from dapp.chain.code import WrongCode, check_code, is_code_of
from dapp.chain.codec import CONTRACTS
from dapp.chain.contracts import Contracts
from dapp.types import Address

from .world import World


def test_a_deployment_of_ours_is_recognised_whatever_its_constructors_were_given(world: World) -> None:
    check_code(world.client, world.contracts)
    code = world.client.node.code(world.contracts.learning.address)
    assert [name for name in CONTRACTS if is_code_of(name, code)] == ["Learning"]


def test_an_address_without_code_is_named(world: World) -> None:
    nowhere = replace(world.contracts.deployment, mining=Address(b"\x11" * 20))
    with pytest.raises(
        WrongCode, match="there is no Mining at 0x1111111111111111111111111111111111111111 on chain 1337"
    ):
        check_code(world.client, Contracts(world.client, nowhere))


def test_another_contract_in_the_place_of_one_is_named_with_its_hash(world: World) -> None:
    escrow = world.contracts.escrow.address
    code_hash = keccak(world.client.node.code(escrow))
    swapped = Contracts(world.client, replace(world.contracts.deployment, learning=escrow))
    with pytest.raises(WrongCode, match=f"is not this version's Learning: its code hash is 0x{code_hash.hex()}"):
        check_code(world.client, swapped)


def test_one_byte_of_difference_is_another_contract(world: World) -> None:
    code = world.client.node.code(world.contracts.escrow.address)
    assert is_code_of("Escrow", code)
    for place in (0, len(code) // 2, len(code) - 1):
        spoilt = bytearray(code)
        spoilt[place] ^= 1
        assert not is_code_of("Escrow", bytes(spoilt))
    assert not is_code_of("Escrow", code + b"\0")
