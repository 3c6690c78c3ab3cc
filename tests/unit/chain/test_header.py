"""A header rebuilt from a node's answer hashes to the block's hash, whatever the fork."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth.abc import BlockHeaderAPI
from eth.vm.forks.cancun.headers import CancunBlockHeader
from eth.vm.forks.london.blocks import LondonBlockHeader
from eth.vm.forks.paris.blocks import ParisBlockHeader
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.shanghai.headers import ShanghaiBlockHeader
from eth_hash.auto import keccak
from web3 import EthereumTesterProvider, Web3

from dapp.chain.header import header_rlp
from dapp.errors import ChainError

JSON_NAMES = {
    "parent_hash": "parentHash",
    "uncles_hash": "sha3Uncles",
    "coinbase": "miner",
    "state_root": "stateRoot",
    "transaction_root": "transactionsRoot",
    "receipt_root": "receiptsRoot",
    "bloom": "logsBloom",
    "difficulty": "difficulty",
    "block_number": "number",
    "gas_limit": "gasLimit",
    "gas_used": "gasUsed",
    "timestamp": "timestamp",
    "extra_data": "extraData",
    "mix_hash": "mixHash",
    "nonce": "nonce",
    "base_fee_per_gas": "baseFeePerGas",
    "withdrawals_root": "withdrawalsRoot",
    "blob_gas_used": "blobGasUsed",
    "excess_blob_gas": "excessBlobGas",
    "parent_beacon_block_root": "parentBeaconBlockRoot",
    "requests_hash": "requestsHash",
}


def header_of(fork: type[Any]) -> BlockHeaderAPI:
    values: dict[str, Any] = {
        "difficulty": 0,
        "block_number": 19_000_000,
        "gas_limit": 36_000_000,
        "gas_used": 12_345_678,
        "timestamp": 1_800_000_000,
        "extra_data": b"cairn\0",
        "mix_hash": keccak(b"prevrandao"),
        "bloom": 1 << 77,
        "base_fee_per_gas": 7,
    }
    later = {"withdrawals_root", "parent_beacon_block_root", "requests_hash"}
    names = {name for name, _ in fork._meta.fields}
    values |= {name: keccak(name.encode()) for name in names & later}
    values |= dict.fromkeys(names & {"blob_gas_used", "excess_blob_gas"}, 131072)
    header: BlockHeaderAPI = fork(**values)
    return header


def answer(header: BlockHeaderAPI, spell: Any) -> dict[str, Any]:
    """What ``eth_getBlockByNumber`` says of a header, with what is no part of it."""
    block = {JSON_NAMES[name]: spell(name, getattr(header, name)) for name, _ in type(header)._meta.fields}
    return block | {"hash": spell("hash", header.hash), "size": spell("size", 700), "totalDifficulty": None}


def as_json(name: str, value: Any) -> str:
    return hex(value) if isinstance(value, int) and name != "bloom" else "0x" + as_web3(name, value).hex()


def as_web3(name: str, value: Any) -> Any:
    return value.to_bytes(256, "big") if name == "bloom" else value


FORKS = [LondonBlockHeader, ParisBlockHeader, ShanghaiBlockHeader, CancunBlockHeader, PragueBlockHeader]


@pytest.mark.parametrize("spell", [as_json, as_web3])
@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.__name__)
def test_the_header_of_every_fork_is_rebuilt(fork: type[Any], spell: Any) -> None:
    header = header_of(fork)
    assert header_rlp(answer(header, spell)) == rlp.encode(header)


def test_the_block_access_list_of_amsterdam_is_the_last_field() -> None:
    header = header_of(PragueBlockHeader)
    access_list = keccak(b"access list")
    expected = rlp.encode([*rlp.decode(rlp.encode(header)), access_list])
    block = answer(header, as_web3) | {"blockAccessListHash": access_list, "hash": keccak(expected)}
    assert header_rlp(block) == expected


def test_eth_testers_padding_is_undone() -> None:
    web3 = Web3(EthereumTesterProvider())
    web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
    for number in (0, 1):
        block = web3.eth.get_block(number)
        assert keccak(header_rlp(block)) == bytes(block["hash"])


def test_a_node_that_lies_about_a_field_is_found_out() -> None:
    block = answer(header_of(PragueBlockHeader), as_json) | {"mixHash": "0x" + "11" * 32}
    with pytest.raises(ChainError, match="cannot be rebuilt"):
        header_rlp(block)


def test_an_answer_without_a_field_is_refused_by_its_name() -> None:
    block = answer(header_of(PragueBlockHeader), as_json)
    del block["mixHash"]
    with pytest.raises(ChainError, match="mixHash"):
        header_rlp(block)
