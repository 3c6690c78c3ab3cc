"""A light client: it holds no chain, and takes nothing of the chain's state on anybody's word but the header's.

Several addresses are asked for one block's header, and must agree on it. Everything else is read with a Merkle proof
against that header's state root (EIP-1186), so that whoever answers can keep silent but not lie. What trust remains: in
the addresses to not all lie alike about the header; one address alone is trusted with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import rlp
from eth_hash.auto import keccak
from trie.hexary import HexaryTrie

from dapp.chain import code
from dapp.chain.contracts import Deployment
from dapp.chain.header import octets
from dapp.chain.keys import checksummed
from dapp.chain.network import Network
from dapp.chain.node import Unreachable
from dapp.chain.refusals import Said
from dapp.chain.web3_node import Web3Node
from dapp.crypto.sealed import terms_digest
from dapp.errors import AuditError, ChainError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import Outcome
from dapp.protocol.terms import Terms
from dapp.types import Address, Digest, TaskId

WORD = 32
LIAR = "This address lies or is broken: take it out of the settings."


@dataclass(frozen=True, slots=True)
class Agreed:
    """A block's header on which addresses agree. ``timestamp`` in seconds.

    Args:
        trust: who was believed, as a sentence for people.
    """

    number: int
    timestamp: int
    hash: bytes
    state_root: bytes
    trust: str


@dataclass(frozen=True, slots=True)
class ProvenTask:
    """A task as the state of a block holds it."""

    header: Agreed
    terms_digest: bytes
    rounds: int
    model: BlobRef
    last_outcome: Outcome
    ended: bool


@dataclass(frozen=True, slots=True)
class ProvenRound:
    """How a round ended, as the state of a block holds it; ``closed_at`` in seconds."""

    header: Agreed
    outcome: Outcome
    result: Digest
    closed_at: int


class Light:
    """Reads a chain's state through addresses that need not be trusted.

    Args:
        nodes: one an address.
    """

    def __init__(self, nodes: Sequence[Web3Node]) -> None:
        self._nodes = list(nodes)

    @classmethod
    def connect(cls, urls: Sequence[str], network: Network | None = None) -> Light:
        """A light client of the chain behind these addresses.

        Raises:
            WrongChain: one is on another chain.
            Unreachable: none answers; with several addresses, fewer than two.
            SettingsError: one is no address.
        """
        network = network or Network()
        urls = list(dict.fromkeys(urls))  # an address agrees with itself
        nodes: list[Web3Node] = []
        gone: list[Unreachable] = []
        for url in urls:
            try:
                node = Web3Node.connect([url], network)
            except Unreachable as error:
                gone.append(error)
                continue
            network = replace(network, chain_id=node.chain_id)
            nodes.append(node)
        _enough(len(nodes), len(urls), gone)
        return cls(nodes)

    def header(self) -> Agreed:
        """The newest header that every address has and counts as settled.

        Raises:
            AuditError: two addresses have different blocks of one number; names both.
            Unreachable: of several addresses fewer than two answer.
        """
        heads: list[tuple[Web3Node, int]] = []
        gone: list[Unreachable] = []
        for node in self._nodes:
            try:
                heads.append((node, node.head().number))
            except Unreachable as error:
                gone.append(error)
        _enough(len(heads), len(self._nodes), gone)
        number = min(head for _, head in heads)
        headers = [(node, node.header(number)) for node, _ in heads]
        first, encoded = headers[0]
        for node, other in headers[1:]:
            if other != encoded:
                raise AuditError(
                    f"{first} and {node} disagree on block {number}: 0x{keccak(encoded).hex()} and"
                    f" 0x{keccak(other).hex()}",
                    help="One of them lies or is on a branch that will not last: ask more addresses, or wait for more"
                    " confirmations.",
                )
        fields = rlp.decode(encoded)
        if int.from_bytes(fields[8], "big") != number:
            raise AuditError(f"{first} gives another block's header for block {number}", help="Ask another address.")
        timestamp = int.from_bytes(fields[11], "big")
        return Agreed(number, timestamp, keccak(encoded), fields[3], self._trust([node for node, _ in headers]))

    def storage(self, address: Address, slots: Sequence[int], header: Agreed, name: str) -> list[bytes]:
        """Words of a contract's storage in the state of a block, proven.

        Args:
            name: of the contract, whose code this must be.

        Raises:
            AuditError: an answer is no proof; names who gave it.
            WrongCode: the contract is another one.
            ChainError: nobody proves anything, as some development chains do not.
        """
        params = [checksummed(address), [f"0x{_word(slot).hex()}" for slot in slots], hex(header.number)]
        refused: list[str] = []
        for node in self._nodes:
            try:
                answer = node.ask("eth_getProof", *params)
                runs = octets(node.ask("eth_getCode", params[0], params[2]))
            except (Said, Unreachable) as error:
                refused.append(f"{node}: {error}")
                continue
            try:
                code_hash, words = _proven(answer, header.state_root, address, slots)
            except Exception as error:  # whatever a liar's bytes did
                raise AuditError(
                    f"what {node} gives as a proof of {checksummed(address)}'s state does not lead to block"
                    f" {header.number}'s state root ({type(error).__name__})",
                    help=LIAR,
                ) from None
            if keccak(runs) != code_hash:
                raise AuditError(
                    f"{node} gives another code of {checksummed(address)} than block {header.number}'s state has",
                    help=LIAR,
                )
            code.check(name, address, runs, node.chain_id)
            return words
        raise ChainError(
            f"nobody proves the state of block {header.number}: {'; '.join(refused)}",
            help="A light client needs nodes with eth_getProof, such as geth, that still keep this block's state.",
        )

    @staticmethod
    def _trust(nodes: Sequence[Web3Node]) -> str:
        if len(nodes) == 1:
            return f"{nodes[0]} alone is trusted for the headers; name a second address, and they must agree"
        return f"{len(nodes)} addresses agree on the header: {', '.join(map(str, nodes))}"


def check_task(light: Light, deployment: Deployment, task_id: TaskId, terms: Terms) -> ProvenTask:
    """Proves that the chain holds a task with exactly these terms.

    Raises:
        AuditError: the chain's terms are others, addresses disagree, or one lies.
        ChainError: there is no such task, or nobody proves anything.
        WrongCode: the contract is another one.
    """
    header = light.header()
    task = _struct(light, deployment, header, "Task", _mapped(_slot("_tasks"), task_id))
    digest = task["termsDigest"]
    if not any(digest):
        raise ChainError(
            f"block {header.number} has no task 0x{task_id.hex()} at {checksummed(deployment.learning)}",
            help="Check the task's id and the deployment; a task that was just ordered needs its confirmations.",
        )
    expected = terms_digest(terms.to_abi())
    if digest != expected:
        raise AuditError(
            f"the terms shown of task 0x{task_id.hex()} have the digest 0x{expected.hex()}, those of the chain"
            f" 0x{digest.hex()}",
            help="Somebody shows you other terms than were agreed on: take no part.",
        )
    return ProvenTask(
        header=header,
        terms_digest=digest,
        rounds=_number(task["rounds"]),
        model=BlobRef(Digest(task["model"]), _number(task["modelSize"])),
        last_outcome=Outcome(_number(task["lastOutcome"])),
        ended=bool(_number(task["ended"])),
    )


def check_round(light: Light, deployment: Deployment, task_id: TaskId, round: int, result: BlobRef) -> ProvenRound:
    """Proves that a round is closed, and produced this model (or gradient).

    Raises:
        AuditError: it produced another one or none, addresses disagree, or one lies.
        Unreachable: it is not closed in the block on which all addresses agree; one of them may lag.
        ChainError: nobody proves anything.
        WrongCode: the contract is another one.
    """
    header = light.header()
    place = _mapped(_mapped(_slot("_rounds"), task_id), _word(round))
    proven = _struct(light, deployment, header, "Round", place + _layout()["structs"]["RoundState"]["round"][0])
    closed_at, outcome = _number(proven["closedAt"]), Outcome(_number(proven["outcome"]))
    if not closed_at:
        raise Unreachable(
            f"round {round} of task 0x{task_id.hex()} is not closed in block {header.number}",
            help="Wait until it is closed and the block has its confirmations.",
        )
    if proven["result"] != result.digest:
        raise AuditError(
            f"round {round} of task 0x{task_id.hex()} ended as {outcome.name.lower()} with the result"
            f" 0x{proven['result'].hex()}, not 0x{result.digest.hex()}",
            help="Somebody shows you another model than the round's: do not use it.",
        )
    return ProvenRound(header, outcome, Digest(proven["result"]), closed_at)


def _struct(light: Light, deployment: Deployment, header: Agreed, name: str, start: int) -> dict[str, bytes]:
    """A struct of Learning's by its members' Solidity names, each as its bytes."""
    members: Mapping[str, Sequence[int]] = _layout()["structs"][name]
    slots = sorted({start + slot for slot, _, _ in members.values()})
    words = dict(zip(slots, light.storage(deployment.learning, slots, header, "Learning"), strict=True))
    return {
        member: words[start + slot][WORD - offset - size : WORD - offset]
        for member, (slot, offset, size) in members.items()
    }


@cache
def _layout() -> Any:
    return code.artifact("Learning")["storage"]


def _slot(variable: str) -> int:
    return int(_layout()["slots"][variable])


def _mapped(slot: int, key: bytes) -> int:
    """Where a mapping keeps the value of a key (Solidity, "Layout of State Variables in Storage")."""
    return _number(keccak(key + _word(slot)))


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _proven(
    answer: Mapping[str, Any], root: bytes, address: Address, slots: Sequence[int]
) -> tuple[bytes, list[bytes]]:
    """The code's hash and the words that an answer of eth_getProof proves; raises anything if it does not."""
    account = _value(root, keccak(address), answer["accountProof"])
    if not account:
        return keccak(b""), [bytes(WORD)] * len(slots)
    _, _, storage_root, code_hash = rlp.decode(account)
    proofs = {_number(octets(each["key"])): each["proof"] for each in answer["storageProof"]}
    words = [_value(storage_root, keccak(_word(slot)), proofs[slot]) for slot in slots]
    return code_hash, [rlp.decode(word).rjust(WORD, b"\0") if word else bytes(WORD) for word in words]


def _value(root: bytes, key: bytes, proof: Sequence[Any]) -> bytes:
    """The value of a key under a root; empty where the proof shows that there is none."""
    value: bytes = HexaryTrie.get_from_proof(root, key, [rlp.decode(octets(node)) for node in proof])  # type: ignore[no-untyped-call]
    return value


def _enough(answering: int, named: int, gone: Sequence[Unreachable]) -> None:
    if answering < min(2, named):
        raise Unreachable(
            f"{answering} of {named} addresses answer, and one alone is not to be believed: "
            + "; ".join(map(str, gone))
            if answering
            else "; ".join(map(str, gone)),
            help="See that the nodes run and listen at these addresses.",
        )
