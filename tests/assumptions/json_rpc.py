"""Chains asked in their own words, and small programs run on them without being deployed."""

from __future__ import annotations

from typing import Any

import requests

from dapp.runtime.programs import Running

RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
"""The account of `dapp.runtime.programs.FAUCET`, which each node holds unlocked."""
RETURN_WORD = "60005260206000f3"
"""PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN: what lies on the stack is the answer."""


class Refused(Exception):
    """An error answered by a node, with its ``code``, ``message`` and ``data``."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code, self.data = error.get("code"), error.get("data")


def ask(chain: Running, method: str, *parameters: object) -> Any:
    """The result of a JSON-RPC call; `Refused` if the node answers with an error."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    answer = requests.post(chain.url, json=body, timeout=30).json()
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["result"]


def number(chain: Running, method: str, *parameters: object) -> int:
    return int(ask(chain, method, *parameters), 16)


def run(chain: Running, code: str, gas: int = 16_000_000) -> bytes:
    """What bytecode returns when it is called as the making of a contract."""
    call = {"from": RICH, "data": f"0x{code}", "gas": hex(gas)}
    return bytes.fromhex(ask(chain, "eth_call", call, "latest").removeprefix("0x"))


def send(chain: Running, **transaction: object) -> str:
    """Sends a transaction from the rich account; its hash."""
    return ask(chain, "eth_sendTransaction", {"from": RICH, "to": RICH, "gas": hex(21_000), **transaction})


def block(chain: Running, which: str = "latest") -> dict[str, Any]:
    return ask(chain, "eth_getBlockByNumber", which, False)


def time_of(chain: Running) -> int:
    return int(block(chain)["timestamp"], 16)


def modexp_gas(chain: Running, modulus_bits: int, exponent_bits: int) -> int:
    """Gas that one call of the modexp precompile costs, all numbers as large as they can be."""
    size, exponent = modulus_bits // 8, exponent_bits // 8
    lengths = b"".join(length.to_bytes(32, "big") for length in (size, exponent, size))
    given = lengths + b"\xff" * (size + exponent + size - 1) + b"\xfd"  # an odd modulus
    measure = f"5a6000600061{len(given):04x}600060055afa505a9003{RETURN_WORD}"  # GAS, STATICCALL(5), GAS, SUB
    copy = f"61{len(given):04x}61{{offset:04x}}600039"  # CODECOPY
    offset = len(bytes.fromhex(copy.format(offset=0) + measure))
    return int.from_bytes(run(chain, copy.format(offset=offset) + measure + given.hex()), "big")
