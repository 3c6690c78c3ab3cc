"""Whom an edge brings to the chain of those who want to take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dapp.chain.keys import Account
from dapp.crypto.typed_data import Enrolment, Ticket
from dapp.protocol import edge
from dapp.protocol.edge import MAX_BATCH, EdgeState
from dapp.protocol.effects import Handed, Tick, Transact
from dapp.protocol.records import SignedEnrolment
from dapp.protocol.view import View
from dapp.types import Address

if TYPE_CHECKING:
    from conftest import Recorded

ADMISSION = Account(b"\x33" * 32)
CAP, MOST_WEIGHT, MOST_DEVICES = 100, 250, 40


def fresh(recorded: Recorded) -> EdgeState:
    """An edge of a task in which nobody is enrolled."""
    state: EdgeState = recorded.tapes["edge 0"].first
    cohort = replace(
        state.facts.terms.cohort,
        admission=ADMISSION.address,
        weight_cap=CAP,
        max_weight=MOST_WEIGHT,
        max_devices=MOST_DEVICES,
    )
    terms = replace(state.facts.terms, cohort=cohort)
    view = View(state.facts.task_id, terms=terms)
    return replace(state, facts=replace(state.facts, terms=terms), view=view)


def with_applicants(state: EdgeState, weights: Sequence[int]) -> EdgeState:
    """Devices 1, 2 … with good tickets hand in that they want to weigh so much."""
    facts = state.facts
    for number, weight in enumerate(weights, 1):
        device = account(number)
        message = Enrolment(facts.task_id, device.address, weight, bytes(32), 10**10)
        ticket = Ticket(facts.task_id, device.address).signing_hash(facts.learning_domain)
        signature = device.sign_digest(message.signing_hash(facts.learning_domain))
        state, _ = edge.step(state, Handed(message, signature, (ADMISSION.sign_digest(ticket),)))
    return state


def account(number: int) -> Account:
    return Account(number.to_bytes(32, "big"))


def brought(state: EdgeState) -> list[Address]:
    """Whose enrolments it sends."""
    _, effects = edge.step(state, Tick(1000, 5))
    batches = [e.args[1] for e in effects if isinstance(e, Transact) and e.duty[0] == "relay enrolments"]
    return [each.device for batch in batches for each in batch if isinstance(each, SignedEnrolment)]


def test_whose_weight_no_longer_fits_stands_in_nobodys_way(recorded: Recorded) -> None:
    """One batch of them would else come before all others, for ever: the contract passes over them each time."""
    state = with_applicants(fresh(recorded), [CAP + 1, 0] * (MAX_BATCH // 2) + [5])
    assert brought(state) == [account(MAX_BATCH + 1).address]


def test_weights_are_brought_as_far_as_they_fit_together(recorded: Recorded) -> None:
    state = with_applicants(fresh(recorded), [100, 100, 60, 50])
    assert brought(state) == [account(1).address, account(2).address, account(4).address]


def test_no_more_than_a_batch_is_brought_at_a_time(recorded: Recorded) -> None:
    state = with_applicants(fresh(recorded), [1] * (MAX_BATCH + 3))
    assert len(brought(state)) == MAX_BATCH
