"""What a task is created with: parameters of contracts that fit its settings, its terms, its price; its creation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from dapp.chain.client import Client
from dapp.chain.contracts import Contracts
from dapp.chain.deploy import Parameters
from dapp.chain.keys import Account
from dapp.crypto import merkle, packing
from dapp.crypto.words import encode_words
from dapp.learning.strategy import Strategy
from dapp.protocol import terms as t
from dapp.protocol.enums import Weighting
from dapp.protocol.events import TaskCreated
from dapp.settings import MIN_VOTER_PAY, MIN_WINDOW, Settings
from dapp.storage import Blob
from dapp.types import Address, TaskId, Wei

GWEI = 10**9
ACTIVATION_DELAY = 60
"""Seconds until a new verifier can be drawn, where those who deploy also order; longer than a seed takes to come."""


def parameters_of(settings: Settings, *, min_key_bits: int = 2048) -> Parameters:
    """What contracts must be deployed with for a task of these settings: as strict as they always are, but that the
    least window is no longer than the shortest of the task's own."""
    windows = settings.windows
    longest_panel = 3 * (windows.seed + windows.commit_vote + windows.reveal_vote)
    shortest = min(getattr(windows, each.name) for each in fields(windows) if each.name != "challenge")
    stake = settings.money.stake * GWEI
    return Parameters(
        stake=Wei(stake),
        slash=Wei(stake // 5),
        activation_delay=min(ACTIVATION_DELAY, shortest),
        cool_down=longest_panel,
        min_eligible=min(3, settings.panel.seats),
        min_key_bits=min_key_bits,
        min_window=min(MIN_WINDOW, shortest),
        min_voter_pay=Wei(MIN_VOTER_PAY * GWEI),
    )


def create_task(client: Client, contracts: Contracts, requester: Account, terms: t.Terms) -> TaskCreated:
    """Creates the task and funds every round's worst case, so that no round waits for what an earlier one gives back.

    Raises:
        ContractError: the contract refuses the terms.
        ChainError: the transaction could not be mined, for want of ether for example.
    """
    receipt = client.send(requester, contracts.learning.create_task(terms, cost_of(terms)))
    return next(event for event in receipt.events if isinstance(event, TaskCreated))


def task_id_of(chain_id: int, learning: Address, requester: Address, nonce: int) -> TaskId:
    """The id of a requester's task number ``nonce``, before the task is there."""
    types = ["uint256", "address", "address", "uint256"]
    return TaskId(merkle.keccak256(encode_words(types, [chain_id, learning, requester, nonce])))


def cost_of(terms: t.Terms) -> Wei:
    """What the pot of a task must hold for every round's worst case."""
    return Wei(terms.round_budget * terms.learning.max_rounds)


def terms_of(
    settings: Settings,
    rule: Strategy,
    admission: Address,
    holders: Sequence[Address],
    blobs: Sequence[Blob],
    parameters: int,
) -> t.Terms:
    """The task's terms.

    Args:
        admission: whose tickets admit devices.
        holders: who holds which share of the key, as many as the settings say, in the order of the shares.
        blobs: strategy, first model, key.
        parameters: the model's weights.
    """
    s, (strategy_blob, model, key) = settings, blobs
    weighting = Weighting.EDGE if s.encoding.weighting == "edge" else Weighting.DEVICE
    encoding = packing.Encoding(
        bits=s.encoding.bits, clip_nano=s.encoding.clip_nano, total_weight=s.total_weight, key_bits=s.key.bits
    )
    leaves = [merkle.holder_leaf(i, address) for i, address in enumerate(holders)]
    windows = s.windows
    return t.Terms(
        windows=t.Windows(
            commit=windows.commit,
            publish=windows.publish,
            seal=windows.seal,
            open=windows.open,
            challenge=windows.challenge,
            share=windows.share,
            opening=windows.opening,
            contest=windows.contest,
            commit_vote=windows.commit_vote,
            reveal_vote=windows.reveal_vote,
            seed=windows.seed,
        ),
        cohort=t.Cohort(
            admission=admission,
            min_devices=s.cohort.min_devices,
            max_devices=s.cohort.max_devices,
            weight_cap=s.encoding.weight_cap,
            max_weight=s.encoding.max_weight,
            max_update_bytes=s.cohort.max_update_bytes,
        ),
        learning=t.LearningTerms(
            strategy_digest=strategy_blob.digest,
            strategy_size=strategy_blob.size,
            model_digest=model.digest,
            model_size=model.size,
            max_rounds=s.learning.rounds * (2 if rule.gradient_round else 1),
            gradient_rounds=rule.gradient_round,
            epsilon=s.learning.epsilon_nano,
        ),
        encoding=t.Encoding(
            bits=s.encoding.bits,
            weighting=weighting,
            clip=s.encoding.clip_nano,
            loss_cap=s.encoding.loss_cap_nano,
            slots=encoding.slots,
            ciphertexts=packing.ciphertext_count(parameters + 1, encoding),
        ),
        key=t.Key(
            digest=key.digest,
            size=key.size,
            bits=s.key.bits,
            holders=s.holders,
            threshold=s.threshold,
            holders_root=merkle.root(leaves),
        ),
        panel=t.Panel(seats=s.panel.seats, accept_bips=s.panel.accept_bips),
        mining=t.MiningTerms(beta=s.mining.beta, pow_target=s.mining.pow_target),
        money=t.Money(
            device_pot=Wei(s.money.device_pot * GWEI),
            edge_pay=Wei(s.money.edge_pay * GWEI),
            holder_pay=Wei(s.money.holder_pay * GWEI),
            voter_pay=Wei(s.money.voter_pay * GWEI),
            relay_pay=Wei(s.money.relay_pay * GWEI),
            bounty=Wei(s.money.bounty * GWEI),
            edge_bond=Wei(s.money.edge_bond * GWEI),
            opening_bond=Wei(s.money.opening_bond * GWEI),
        ),
    )
