"""A light client takes a task's terms and a round's result on nobody's word: whoever alters an answer is caught."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from chain.rpc import Refused, forward, serve
from chain.world import ETHER, PARAMETERS, World, make_terms

from dapp.chain import Account, Client, Contracts
from dapp.chain.code import WrongCode
from dapp.chain.deploy import deploy
from dapp.chain.development import capabilities, fund, travel
from dapp.chain.light import Light, check_round, check_task
from dapp.chain.network import Network
from dapp.chain.node import Unreachable
from dapp.chain.web3_node import Web3Node
from dapp.errors import AuditError, ChainError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import Outcome
from dapp.runtime.programs import Running
from dapp.types import Digest, TaskId, Wei

NETWORK = Network(timeout=5, tries=1)
NO_RESULT = BlobRef(Digest(bytes(32)), 0)


@dataclass(frozen=True)
class Ordered:
    """A task on a real chain, whose first round was closed for want of updates where time can be moved."""

    url: str
    contracts: Contracts
    admission: Account
    task_id: TaskId
    closed: bool


@pytest.fixture(scope="module", params=["geth", "anvil", "ganache"])
def ordered(request: pytest.FixtureRequest) -> Ordered:
    running: Running = request.getfixturevalue(request.param)
    node = Web3Node.connect([running.url])
    client = Client(node)
    accounts = [Account(os.urandom(32)) for _ in range(6)]
    fund(client, [account.address for account in accounts], Wei(20 * ETHER))
    world = World(accounts, node, client, deploy(client, accounts[0], PARAMETERS))  # type: ignore[arg-type]
    task_id = world.create_task(5 * ETHER)
    for device in accounts[3:]:
        world.enrol(task_id, device)
    client.send(accounts[3], world.contracts.learning.open_round(task_id))
    closes = capabilities(node).travels
    if closes:
        travel(node, 1_001)
        client.send(accounts[3], world.contracts.learning.close_round(task_id, 0))
    return Ordered(running.url, world.contracts, accounts[1], task_id, closes)


Alter = Callable[[str, list[Any], Any], Any]


def altered(url: str, alter: Alter) -> Any:
    """A server that passes everything on and alters answers."""
    return serve(lambda method, params: alter(method, params, forward(url, method, params)))


def honest(method: str, params: list[Any], result: Any) -> Any:
    return result


def test_terms_and_how_a_round_ended_are_proven(ordered: Ordered) -> None:
    with altered(ordered.url, honest) as second:
        light = Light.connect([ordered.url, second.url], NETWORK)
        terms = make_terms(ordered.admission)
        task = check_task(light, ordered.contracts.deployment, ordered.task_id, terms)
        shown = ordered.contracts.learning.task_of(ordered.task_id)
        assert (task.terms_digest, task.rounds, task.ended) == (shown.terms_digest, shown.rounds, shown.ended)
        assert task.model == BlobRef(terms.learning.model_digest, terms.learning.model_size)
        assert f"2 addresses agree on the header: {ordered.url}, {second.url}" == task.header.trust
        if ordered.closed:
            proven = check_round(light, ordered.contracts.deployment, ordered.task_id, 0, NO_RESULT)
            assert proven.outcome == Outcome.TOO_FEW
            assert proven.closed_at == ordered.contracts.learning.round_of(ordered.task_id, 0).closed_at
        with pytest.raises(Unreachable, match=r"round 7 of task 0x.* is not closed in block"):
            check_round(light, ordered.contracts.deployment, ordered.task_id, 7, NO_RESULT)


def test_other_terms_another_result_and_a_task_that_is_not_there_are_told(ordered: Ordered) -> None:
    light = Light.connect([ordered.url], NETWORK)
    deployment = ordered.contracts.deployment
    with pytest.raises(AuditError, match="the terms shown of task 0x"):
        check_task(light, deployment, ordered.task_id, make_terms(Account(os.urandom(32))))
    with pytest.raises(ChainError, match=r"block \d+ has no task 0x0101"):
        check_task(light, deployment, TaskId(b"\1" * 32), make_terms(ordered.admission))
    if ordered.closed:
        with pytest.raises(AuditError, match="ended as too_few with the result"):
            check_round(light, deployment, ordered.task_id, 0, BlobRef(Digest(b"m" * 32), 20))
    with pytest.raises(WrongCode, match="is not this version's Learning"):
        check_task(
            light, replace(deployment, learning=deployment.escrow), ordered.task_id, make_terms(ordered.admission)
        )
    nobody = replace(deployment, learning=Account(os.urandom(32)).address)
    with pytest.raises(WrongCode, match="there is no Learning at"):
        check_task(light, nobody, ordered.task_id, make_terms(ordered.admission))


def test_one_address_alone_says_that_it_is_trusted(ordered: Ordered) -> None:
    assert f"{ordered.url} alone is trusted" in Light.connect([ordered.url, ordered.url], NETWORK).header().trust


def _flipped(hexadecimal: str) -> str:
    middle = len(hexadecimal) // 2
    return hexadecimal[:middle] + ("1" if hexadecimal[middle] == "0" else "0") + hexadecimal[middle + 1 :]


def _value(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getProof":
        for each in result["storageProof"]:
            each["proof"][-1] = _flipped(each["proof"][-1])
    return result


def _account(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getProof":
        result["accountProof"][-1] = _flipped(result["accountProof"][-1])
    return result


def _cut(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getProof":
        for each in result["storageProof"]:
            each["proof"] = each["proof"][:-1]
    return result


def _absent(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getProof":
        result["storageProof"] = []
    return result


def _swapped(method: str, params: list[Any], result: Any) -> Any:
    """Proofs of other slots under the names of those asked for."""
    if method == "eth_getProof":
        proofs = [each["proof"] for each in result["storageProof"]]
        for each, proof in zip(result["storageProof"], proofs[1:] + proofs[:1], strict=True):
            each["proof"] = proof
    return result


def _code(method: str, params: list[Any], result: Any) -> Any:
    return _flipped(result) if method == "eth_getCode" else result


def _nonsense(method: str, params: list[Any], result: Any) -> Any:
    return {"accountProof": 7} if method == "eth_getProof" else result


@pytest.mark.parametrize("lie", [_value, _account, _cut, _absent, _swapped, _code, _nonsense])
def test_a_lie_about_the_state_is_caught_and_its_teller_named(ordered: Ordered, lie: Alter) -> None:
    with altered(ordered.url, lie) as liar:
        light = Light.connect([liar.url, ordered.url], NETWORK)
        with pytest.raises(AuditError, match=liar.url):
            check_task(light, ordered.contracts.deployment, ordered.task_id, make_terms(ordered.admission))


def test_addresses_that_disagree_on_a_block_are_both_named(ordered: Ordered) -> None:
    def elsewhere(method: str, params: list[Any], result: Any) -> Any:
        """Another block, true in itself, under this number."""
        if method == "eth_getBlockByNumber" and params[0] not in ("latest", "0x0"):
            return forward(ordered.url, method, [hex(int(params[0], 16) - 1), params[1]])
        return result

    with altered(ordered.url, elsewhere) as liar:
        with pytest.raises(AuditError, match=f"{liar.url} and {ordered.url} disagree on block"):
            Light.connect([liar.url, ordered.url], NETWORK).header()
        with pytest.raises(AuditError, match=f"{liar.url} gives another block's header"):
            Light.connect([liar.url], NETWORK).header()


def test_a_header_that_does_not_hash_to_its_hash_is_refused(ordered: Ordered) -> None:
    def root(method: str, params: list[Any], result: Any) -> Any:
        return result | {"stateRoot": _flipped(result["stateRoot"])} if method == "eth_getBlockByNumber" else result

    with altered(ordered.url, root) as liar, pytest.raises(ChainError, match="header cannot be rebuilt"):
        Light.connect([liar.url], NETWORK).header()


def test_of_several_addresses_two_must_answer(ordered: Ordered) -> None:
    with altered(ordered.url, honest) as gone:
        pass
    with pytest.raises(Unreachable, match="1 of 2 addresses answer, and one alone is not to be believed"):
        Light.connect([ordered.url, gone.url], NETWORK)


def test_a_node_without_proofs_is_told_what_is_missing(ordered: Ordered) -> None:
    def without(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getProof":
            raise Refused("the method eth_getProof does not exist/is not available", -32601)
        return result

    with altered(ordered.url, without) as poor:
        light = Light.connect([poor.url], NETWORK)
        with pytest.raises(ChainError, match=r"nobody proves the state of block .* eth_getProof does not ex") as caught:
            check_task(light, ordered.contracts.deployment, ordered.task_id, make_terms(ordered.admission))
    assert "such as geth" in caught.value.help
