"""What geth, anvil and ganache say when they refuse, in their own words, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from dapp.chain.node import Reverted
from dapp.chain.refusals import Said
from dapp.errors import ChainError

KINDS = ("known", "poor", "underpriced", "other_nonce", "failed", "passing")

GETH = "geth 1.16.9"
ANVIL = "anvil 1.7.1"
GANACHE = "ganache 7.9.2"

SENDING = [
    (GETH, "already known", {"known"}),
    (ANVIL, "transaction already imported", {"known"}),
    (GETH, "nonce too low: next nonce 1, tx nonce 0", {"other_nonce"}),
    (ANVIL, "nonce too low", {"other_nonce"}),
    (
        GANACHE,
        "the tx doesn't have the correct nonce. account has nonce of: 2 tx has nonce of: 1",
        {"other_nonce"},
    ),
    (GETH, "replacement transaction underpriced", {"other_nonce"}),
    (ANVIL, "replacement transaction underpriced", {"other_nonce"}),
    (
        GETH,
        "insufficient funds for gas * price + value: balance 0, tx cost 210000000000001, overshot 210000000000001",
        {"poor"},
    ),
    (ANVIL, "Insufficient funds for gas * price + value", {"poor"}),
    (GANACHE, "insufficient funds for gas * price + value", {"poor"}),
    (
        GETH,
        "failed with 11567539 gas: insufficient funds for gas * price + value: address 0x3E1F have 0 want 1",
        {"poor"},
    ),
    (GETH, "transaction underpriced: gas tip cap 0, minimum needed 1", {"underpriced"}),
    (ANVIL, "max fee per gas less than block base fee", {"underpriced"}),
    (
        GANACHE,
        "VM Exception while processing transaction: Transaction's maxFeePerGas (1) is less than the block's"
        " baseFeePerGas (765778125) (vm hf=shanghai -> block -> tx)",
        {"underpriced"},
    ),
    (GETH, "transaction gas limit too high (cap: 16777216, tx: 16777217)", set()),
    (GETH, "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)", set()),
    (ANVIL, "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", set()),
    (GANACHE, "exceeds block gas limit", set()),
    (GETH, "intrinsic gas too low: gas 20000, minimum needed 21000", set()),
    (GETH, "invalid sender: invalid chain id for signer: have 5 want 1337", set()),
    (GANACHE, "Invalid chain id (5) for chain with id 1337.", set()),
]
ASKING = [
    (GETH, "execution reverted", {"failed"}),
    (GANACHE, "VM Exception while processing transaction: revert", {"failed"}),
    (GETH, "invalid opcode: INVALID", {"failed"}),
    (ANVIL, "EVM error InvalidFEOpcode", {"failed"}),
    (GETH, "out of gas", {"failed"}),
    (GETH, "the method foo_bar does not exist/is not available", set()),
    (ANVIL, "Method not found", set()),
    (GETH, "header not found", {"passing"}),
    (GETH, "request timed out", {"passing"}),
    (GETH, "transaction indexing is in progress", {"passing"}),
    (GETH, "invalid block range params", set()),
]


@pytest.mark.parametrize(("node", "words", "kinds"), SENDING + ASKING)
def test_every_nodes_words_are_told_apart(node: str, words: str, kinds: set[str]) -> None:
    said = Said.of({"code": -32000, "message": words})
    assert {kind for kind in KINDS if getattr(said, kind)} == kinds, node
    assert str(said) == f"the node refused a request: {words}"
    assert isinstance(said, ChainError), "whoever is not prepared for it handles it as such"


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "execution reverted", "data": "0x08c379a0"},
        {"code": -32000, "message": "VM Exception while processing transaction: revert", "data": "0x08c379a0"},
        {
            "code": -32000,
            "message": "VM Exception while processing transaction: revert",
            "data": {"hash": None, "programCounter": 10, "result": "0x08c379a0", "reason": None},
        },
    ],
    ids=[GETH, f"{GANACHE} call", f"{GANACHE} estimate"],
)
def test_what_a_contract_said_is_found_wherever_a_node_puts_it(error: dict[str, Any]) -> None:
    refusal = Said.of(error).as_error()
    assert isinstance(refusal, Reverted)
    assert refusal.data == bytes.fromhex("08c379a0")


@pytest.mark.parametrize("error", ["busy", {}, {"message": None}, {"code": "x", "message": "?"}, {"data": "0xzz"}, 7])
def test_a_refusal_of_no_known_shape_is_still_one(error: Any) -> None:
    refusal = Said.of(error).as_error()
    assert isinstance(refusal, ChainError)
    assert "the node refused a request" in str(refusal)
