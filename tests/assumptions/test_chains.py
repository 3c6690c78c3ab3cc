"""What we believe of geth, anvil and ganache alike, and where they part, one statement a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from assumptions.json_rpc import RETURN_WORD, RICH, Refused, ask, block, modexp_gas, number, run, send, time_of
from real_nodes import program

from dapp.runtime import programs
from dapp.runtime.programs import Running

pytestmark = pytest.mark.nodes

ALL = ["geth", "anvil", "anvil_osaka", "ganache"]


@pytest.fixture
def chain(request: pytest.FixtureRequest) -> Running:
    return request.getfixturevalue(request.param)


def on(*names: str) -> Callable[..., object]:
    return pytest.mark.parametrize("chain", names, indirect=True)


def receipt_of(chain: Running, sent: str) -> dict[str, object]:
    """Polled: right after a send geth has none yet."""
    for _ in range(100):
        if receipt := ask(chain, "eth_getTransactionReceipt", sent):
            return receipt
        time.sleep(0.05)
    pytest.fail(f"{chain.name} has no receipt of {sent} after five seconds")


# --- rules


@on(*ALL)
def test_shanghais_push0_runs_everywhere(chain: Running) -> None:
    assert run(chain, f"5f{RETURN_WORD}") == bytes(32)


@on("geth", "anvil", "anvil_osaka")
def test_cancuns_mcopy_runs_on_newer_chains(chain: Running) -> None:
    assert run(chain, f"5f5f5f5e5f{RETURN_WORD}") == bytes(32)


@on("ganache")
def test_cancuns_mcopy_dies_on_ganache(chain: Running) -> None:
    with pytest.raises(Refused, match="invalid opcode"):
        run(chain, f"5f5f5f5e5f{RETURN_WORD}")


@on("anvil", "ganache")
def test_a_modexp_of_2048_bits_to_256_costs_87_thousand_gas_before_osaka(chain: Running) -> None:
    assert 87_000 < modexp_gas(chain, 2048, 256) < 88_000


@on("geth", "anvil_osaka")
def test_the_same_modexp_costs_six_times_as_much_under_osaka_which_is_what_geth_runs(chain: Running) -> None:
    assert 522_000 < modexp_gas(chain, 2048, 256) < 523_000


@on("anvil", "ganache")
def test_a_modexp_of_4096_bits_to_256_costs_348_thousand_gas_before_osaka(chain: Running) -> None:
    assert 348_000 < modexp_gas(chain, 4096, 256) < 349_000


@on("geth", "anvil_osaka")
def test_a_modexp_of_4096_bits_to_256_costs_2_million_gas_under_osaka(chain: Running) -> None:
    assert 2_088_000 < modexp_gas(chain, 4096, 256) < 2_090_000


def test_anvil_left_to_itself_runs_osaka(tmp_path: Path) -> None:
    port = programs._port(0)
    with programs._start_chain("anvil", [program("anvil")], {"port": port}, tmp_path, port) as plain:
        assert modexp_gas(plain, 2048, 256) > 522_000


@on("geth", "anvil_osaka")
def test_under_osaka_no_transaction_may_have_more_than_2_to_the_24_gas(chain: Running) -> None:
    send(chain, gas=hex(2**24))
    with pytest.raises(Refused, match=r"(?i)gas.*(cap|too high)"):
        send(chain, gas=hex(2**24 + 1))


@on("anvil", "ganache")
def test_before_osaka_a_transaction_may_have_more(chain: Running) -> None:
    send(chain, gas=hex(2**24 + 1))


@on("geth")
def test_geth_takes_no_transaction_over_128_kib(chain: Running) -> None:
    with pytest.raises(Refused, match=r"oversized data: transaction size .* limit 131072"):
        send(chain, data=f"0x{'00' * 131_072}", gas=hex(16_000_000))


@on("anvil", "ganache")
def test_anvil_and_ganache_take_larger_ones_which_no_public_chain_would(chain: Running) -> None:
    assert receipt_of(chain, send(chain, data=f"0x{'00' * 131_072}", gas=hex(16_000_000)))["status"] == "0x1"


@on(*ALL)
def test_no_contract_is_larger_than_24576_bytes(chain: Running) -> None:
    assert len(run(chain, f"61{24_576:04x}5ff3")) == 24_576
    with pytest.raises(Refused):
        run(chain, f"61{24_577:04x}5ff3")


@on(*ALL)
def test_a_contracts_own_error_comes_back_as_data(chain: Running) -> None:
    with pytest.raises(Refused) as caught:
        run(chain, "63deadbeef60e01b60005260046000fd")
    assert caught.value.data == "0xdeadbeef"


@on(*ALL)
def test_every_block_has_another_prevrandao(chain: Running) -> None:
    seen = set()
    for _ in range(4):
        receipt_of(chain, send(chain))
        seen.add(block(chain)["mixHash"])
    assert len(seen) == 4
    assert "0x" + "00" * 32 not in seen


# --- fees


@on(*ALL)
def test_every_chain_has_a_base_fee_and_names_a_tip(chain: Running) -> None:
    assert int(block(chain)["baseFeePerGas"], 16) > 0
    assert number(chain, "eth_maxPriorityFeePerGas") > 0


@on(*ALL)
def test_an_empty_block_lowers_the_base_fee(chain: Running) -> None:
    receipt_of(chain, send(chain, maxFeePerGas=hex(10**12)))
    before = int(block(chain)["baseFeePerGas"], 16)
    receipt_of(chain, send(chain, maxFeePerGas=hex(10**12)))
    assert int(block(chain)["baseFeePerGas"], 16) < before


@on(*ALL)
def test_a_transaction_that_reverts_is_mined_with_status_0_and_its_gas_is_paid(chain: Running) -> None:
    before = number(chain, "eth_getBalance", RICH, "latest")
    receipt = receipt_of(
        chain, ask(chain, "eth_sendTransaction", {"from": RICH, "data": "0x5f5ffd", "gas": hex(100_000)})
    )
    assert receipt["status"] == "0x0"
    assert number(chain, "eth_getBalance", RICH, "latest") < before


# --- time


@on("geth")
def test_an_instant_geth_does_nothing_by_itself(chain: Running) -> None:
    before = block(chain)
    time.sleep(2.5)
    assert block(chain) == before
    assert int.from_bytes(run(chain, f"42{RETURN_WORD}"), "big") <= int(before["timestamp"], 16) + 1, "nor in a call"


@on("geth")
def test_an_instant_geth_has_no_time_travel(chain: Running) -> None:
    for method, parameters in (("evm_increaseTime", (10,)), ("evm_mine", ()), ("anvil_mine", ())):
        with pytest.raises(Refused) as caught:
            ask(chain, method, *parameters)
        assert caught.value.code == -32601


@on("geth")
def test_each_block_of_an_instant_geth_is_a_second_later_however_fast_they_come(chain: Running) -> None:
    receipt_of(chain, send(chain))
    before, first = time_of(chain), number(chain, "eth_blockNumber")
    began = time.monotonic()
    for _ in range(15):
        receipt_of(chain, send(chain))
    blocks = number(chain, "eth_blockNumber") - first
    assert blocks >= 15, "now and then one is empty"
    assert time_of(chain) - before >= blocks
    assert time.monotonic() - began < blocks, "or the clock of the wall would explain it"


def test_a_geth_with_a_period_mines_by_itself(geth_seconds: Running) -> None:
    before, then = number(geth_seconds, "eth_blockNumber"), time_of(geth_seconds)
    time.sleep(3.2)
    mined = number(geth_seconds, "eth_blockNumber") - before
    assert 2 <= mined <= 4
    assert time_of(geth_seconds) - then == mined


@on("anvil", "ganache")
def test_anvil_and_ganache_travel_in_time(chain: Running) -> None:
    before = time_of(chain)
    ask(chain, "evm_increaseTime", 1000)
    ask(chain, "evm_mine")
    assert 1000 <= time_of(chain) - before < 1030
    ask(chain, "evm_mine")
    assert time_of(chain) - before >= 1000, "and stay there"


@on("anvil", "ganache")
def test_anvil_and_ganache_go_back_to_a_snapshot(chain: Running) -> None:
    before = number(chain, "eth_blockNumber")
    mark = ask(chain, "evm_snapshot")
    ask(chain, "evm_mine")
    assert number(chain, "eth_blockNumber") == before + 1
    assert ask(chain, "evm_revert", mark) is True
    assert number(chain, "eth_blockNumber") == before


def test_anvil_makes_a_reorg_on_demand(anvil: Running) -> None:
    for _ in range(3):
        receipt_of(anvil, send(anvil))
    old = block(anvil)
    ask(anvil, "anvil_reorg", 2, [])
    new = block(anvil)
    assert new["number"] == old["number"]
    assert new["hash"] != old["hash"]


# --- reading


@on("geth")
def test_geth_refuses_a_range_of_logs_that_ends_beyond_its_head(chain: Running) -> None:
    head = number(chain, "eth_blockNumber")
    assert ask(chain, "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(head)}) == []
    with pytest.raises(Refused, match="invalid block range"):
        ask(chain, "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(head + 1)})


@on("geth", "anvil")
def test_geth_and_anvil_prove_what_an_account_holds(chain: Running) -> None:
    proof = ask(chain, "eth_getProof", RICH, ["0x" + "00" * 32], "latest")
    assert proof["accountProof"]
    assert proof["storageProof"][0]["value"] == "0x0"


@on("anvil")
def test_anvil_has_no_finalized_block_before_its_64th(chain: Running) -> None:
    with programs.start_anvil(chain.folder / "young") as young:
        for _ in range(3):
            receipt_of(young, send(young))
        assert block(young, "finalized")["number"] == "0x0"


@on("ganache")
def test_ganache_calls_its_head_finalized(chain: Running) -> None:
    assert block(chain, "finalized") == block(chain)


@on("geth")
def test_an_unlocked_account_of_geth_is_its_only_one(chain: Running) -> None:
    assert ask(chain, "eth_accounts") == [RICH]
