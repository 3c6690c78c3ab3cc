"""What we believe of web3.py 7, one statement a test, on the chains that it speaks to."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from assumptions.json_rpc import RICH
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, MethodNotSupported, TransactionNotFound

from dapp.runtime.programs import FAUCET, Running

pytestmark = pytest.mark.nodes

CHAINS = ["geth", "anvil", "anvil_osaka", "ganache"]
REVERTS = "0x63deadbeef60e01b60005260046000fd"


@pytest.fixture(params=CHAINS)
def web3(request: pytest.FixtureRequest) -> Web3:
    chain: Running = request.getfixturevalue(request.param)
    return Web3(HTTPProvider(chain.url))


def payment(web3: Web3, nonce: int) -> bytes:
    signed = Account.from_key(FAUCET).sign_transaction(
        {
            "type": 2,
            "chainId": web3.eth.chain_id,
            "nonce": nonce,
            "to": "0x" + "22" * 20,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 10**12,
            "maxPriorityFeePerGas": 10**9,
        }
    )
    return bytes(signed.raw_transaction)


def nonce(web3: Web3) -> int:
    return web3.eth.get_transaction_count(Web3.to_checksum_address(RICH), "pending")


def test_it_is_of_the_version_that_brownie_wants_too() -> None:
    assert (7, 16) <= tuple(map(int, version("web3").split(".")[:2])) < (8, 0)


def test_the_known_key_is_that_of_the_rich_account() -> None:
    assert Account.from_key(FAUCET).address.lower() == RICH


def test_a_contracts_error_reaches_us_as_hexadecimal_data(web3: Web3) -> None:
    with pytest.raises(ContractLogicError) as caught:
        web3.eth.call({"from": Web3.to_checksum_address(RICH), "data": REVERTS, "gas": 1_000_000})
    assert caught.value.data == "0xdeadbeef"


def test_it_refuses_to_send_within_its_own_batches(web3: Web3) -> None:
    with web3.batch_requests(), pytest.raises(MethodNotSupported, match="within a batch request"):
        web3.eth.send_raw_transaction(b"")


def test_its_providers_batch_sends_many_at_once(web3: Web3) -> None:
    first = nonce(web3)
    requests = [("eth_sendRawTransaction", ["0x" + payment(web3, first + step).hex()]) for step in range(5)]
    answers = web3.provider.make_batch_request(requests)
    assert isinstance(answers, list)
    receipts = [web3.eth.wait_for_transaction_receipt(answer["result"], timeout=20) for answer in answers]
    assert [receipt["status"] for receipt in receipts] == [1] * 5


def test_a_transaction_that_nobody_sent_is_not_found(web3: Web3) -> None:
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction_receipt("0x" + "ab" * 32)


def test_a_transaction_with_a_used_nonce_is_refused_with_the_word_nonce(web3: Web3) -> None:
    raw = payment(web3, nonce(web3))
    web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw), timeout=20)
    with pytest.raises(Exception, match=r"(?i)nonce"):
        web3.eth.send_raw_transaction(payment(web3, nonce(web3) - 1))
