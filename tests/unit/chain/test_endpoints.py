"""Several addresses of one chain: the first that answers is asked, a failing one rests, another chain is refused."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from dapp.chain.client import NOBODY
from dapp.chain.network import Network
from dapp.chain.node import Unreachable, WrongChain
from dapp.chain.web3_node import Web3Node
from dapp.errors import SettingsError

from .rpc import Http, Refused, serve

NETWORK = Network(timeout=1, tries=2)


def chain(number: int = 1337, balance: int = 0) -> Callable[[str, list[Any]], Any]:
    answers = {"eth_chainId": hex(number), "eth_getBalance": hex(balance), "eth_blockNumber": "0x5"}

    def answer(method: str, params: list[Any]) -> Any:
        return answers[method]

    return answer


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_chain_that_is_not_there_is_named_with_what_to_try() -> None:
    url = nowhere()
    with pytest.raises(Unreachable, match=f"no chain answers: {url} is not to be reached") as caught:
        Web3Node.connect([url], NETWORK)
    assert "cairn up" in caught.value.help


@pytest.mark.parametrize("url", ["127.0.0.1:8545", "ftp://host", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is no address of a chain"):
        Web3Node.connect([url], NETWORK)


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(SettingsError, match="no chain is named"):
        Web3Node.connect([], NETWORK)


def test_an_address_is_shown_without_its_secrets() -> None:
    url = nowhere().replace("127.0.0.1", "user:pass@127.0.0.1") + "/v3/0123456789abcdef"
    with pytest.raises(Unreachable) as caught:
        Web3Node.connect([url], NETWORK)
    assert "0123456789abcdef" not in str(caught.value)
    assert "pass" not in str(caught.value)


def test_another_chain_than_the_settings_is_refused_naming_both() -> None:
    with (
        serve(chain(5)) as other,
        pytest.raises(WrongChain, match=f"{other.url} is on chain 5, the settings on chain 1337"),
    ):
        Web3Node.connect([other.url], Network(chain_id=1337))


def test_addresses_of_two_chains_are_refused_naming_both() -> None:
    fails = False

    def before() -> None:
        if fails:
            raise Http(502)

    with serve(chain(1337), before) as first, serve(chain(5)) as second:
        node = Web3Node.connect([first.url, second.url], NETWORK)
        assert node.balance(NOBODY) == 0
        fails = True
        with pytest.raises(WrongChain, match=f"{second.url} is on chain 5, {first.url} on chain 1337"):
            node.balance(NOBODY)


def test_the_first_that_answers_is_asked_and_the_preferred_one_again_when_it_is_back() -> None:
    down = True

    def before() -> None:
        if down:
            raise Http(503)

    with serve(chain(balance=1), before) as first, serve(chain(balance=2)) as second:
        node = Web3Node.connect([first.url, second.url], NETWORK)
        assert node.balance(NOBODY) == 2
        asked = len(first.requests)
        assert node.balance(NOBODY) == 2
        assert len(first.requests) == asked, "it rests"
        down = False
        time.sleep(0.6)
        assert node.balance(NOBODY) == 1


def test_a_busy_address_is_left_alone_for_as_long_as_it_asks() -> None:
    times: list[float] = []

    def before() -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Http(429, {"Retry-After": "1"})

    with serve(chain(), before) as only:
        Web3Node.connect([only.url], NETWORK)
    assert times[1] - times[0] >= 1


def test_an_address_that_asks_for_too_long_a_rest_is_given_up() -> None:
    def before() -> None:
        raise Http(429, {"Retry-After": "3600"})

    with serve(chain(), before) as only, pytest.raises(Unreachable, match="answered HTTP 429"):
        Web3Node.connect([only.url], NETWORK)


@pytest.mark.parametrize("word", ["rate limit exceeded", "Too Many Requests", "daily request limit reached"])
def test_a_limit_that_is_told_as_an_answer_is_one_too(word: str) -> None:
    def answer(method: str, params: list[Any]) -> Any:
        raise Refused(word, -32005)

    with (
        serve(answer) as busy,
        serve(chain(balance=2)) as second,
    ):
        assert Web3Node.connect([busy.url, second.url], NETWORK).balance(NOBODY) == 2
        assert busy.requests


def test_a_silent_address_is_given_up_after_the_timeout() -> None:
    def before() -> None:
        time.sleep(3)

    network = Network(timeout=0.2, tries=1)
    with serve(chain(), before) as silent, serve(chain(balance=2)) as second:
        started = time.monotonic()
        assert Web3Node.connect([silent.url, second.url], network).balance(NOBODY) == 2
        assert time.monotonic() - started < 1.5
        with pytest.raises(Unreachable, match="did not answer in time"):
            Web3Node.connect([silent.url], network)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"jsonrpc": "2.0", "id": 1}', b'"x"'])
def test_what_is_not_json_rpc_is_not_taken_for_an_answer(body: bytes) -> None:
    def before() -> None:
        raise Http(200, {}, body)

    with serve(chain(), before) as odd, pytest.raises(Unreachable, match="answered something that is not JSON-RPC"):
        Web3Node.connect([odd.url], NETWORK)


def test_a_server_that_is_no_node_is_told_so() -> None:
    def answer(method: str, params: list[Any]) -> Any:
        raise Refused("no such method", -32601)

    with serve(answer) as odd, pytest.raises(Unreachable, match="is no Ethereum node"):
        Web3Node.connect([odd.url], NETWORK)


def test_a_batch_is_answered_in_its_order_by_one_address() -> None:
    with serve(chain(balance=7)) as only:
        node = Web3Node.connect([only.url], NETWORK)
        asked = [("eth_getBalance", ["0x" + "00" * 20, "latest"]), ("eth_blockNumber", []), ("eth_chainId", [])]
        assert node.ask_all(asked) == ["0x7", "0x5", "0x539"]
        assert only.requests[-1] == [method for method, _ in asked]
