"""A deployment on an embedded chain, and a task that its round can be opened for."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account import Account as Oracle
from eth_account.messages import encode_typed_data

from dapp.chain.client import Client, Receipt
from dapp.chain.contracts import Contracts
from dapp.chain.deploy import Parameters
from dapp.chain.devnet import Devnet
from dapp.chain.keys import Account
from dapp.protocol.enums import Weighting
from dapp.protocol.events import TaskCreated
from dapp.protocol.terms import Cohort, Encoding, Key, LearningTerms, MiningTerms, Money, Panel, Terms, Windows
from dapp.types import Digest, TaskId, Wei

ETHER = 10**18
SEED = b"tests/unit/chain"
PARAMETERS = Parameters(stake=Wei(ETHER), slash=Wei(ETHER // 2), activation_delay=10, cool_down=100, min_key_bits=512)


def make_terms(admission: Account) -> Terms:
    window = 1_000
    return Terms(
        windows=Windows(*[window] * 11),
        cohort=Cohort(admission.address, 3, 16, weight_cap=100, max_weight=120, max_update_bytes=100_000),
        learning=LearningTerms(Digest(b"s" * 32), 10, Digest(b"m" * 32), 20, 5, False, 0),
        encoding=Encoding(16, Weighting.EDGE, clip=10**9, loss_cap=10**9, slots=10, ciphertexts=5),
        key=Key(Digest(b"k" * 32), 100, bits=1024, holders=5, threshold=3, holders_root=b"r" * 32),
        panel=Panel(seats=5, accept_bips=6667),
        mining=MiningTerms(beta=0, pow_target=0),
        money=Money(*[Wei(10**12)] * 8),
    )


@dataclass(frozen=True)
class World:
    """Accounts: 0 deploys, 1 admits, 2 requests, the rest are devices."""

    accounts: list[Account]
    chain: Devnet
    client: Client
    contracts: Contracts

    def create_task(self, value: int = ETHER) -> TaskId:
        receipt = self.client.send(
            self.accounts[2], self.contracts.learning.create_task(make_terms(self.accounts[1]), value)
        )
        (created,) = [event for event in receipt.events if isinstance(event, TaskCreated)]
        return created.task_id

    def enrol(self, task_id: TaskId, device: Account, weight: int = 5, admission: Account | None = None) -> Receipt:
        ticket = self.ticket(task_id, device, admission or self.accounts[1])
        return self.client.send(device, self.contracts.learning.enrol(task_id, weight, bytes(32), ticket))

    def ticket(self, task_id: TaskId, device: Account, admission: Account) -> bytes:
        message = encode_typed_data(
            {
                "name": "Cairn Learning",
                "version": "1",
                "chainId": self.client.chain_id,
                "verifyingContract": self.contracts.learning.address,
            },
            {"Ticket": [{"name": "taskId", "type": "bytes32"}, {"name": "device", "type": "address"}]},
            {"taskId": task_id, "device": device.address},
        )
        return bytes(Oracle.sign_message(message, admission.private_key).signature)
