"""A task is created on terms within bounds, and paid for one round's worst case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import ETHER, Refused
from house import MIN_WINDOW, House

from dapp.crypto.merkle import keccak256
from dapp.crypto.sealed import genesis_head, terms_digest
from dapp.protocol.enums import Outcome, Weighting
from dapp.types import Wei

MONTH = 30 * 86_400
ZERO = bytes(32)
WINDOWS = ("commit", "publish", "seal", "open", "share", "opening", "contest", "commit_vote", "reveal_vote", "seed")


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


OUT_OF_BOUNDS = [
    *[("windows", window, value) for window in WINDOWS for value in (MIN_WINDOW - 1, MONTH + 1)],
    ("windows", "challenge", MONTH + 1),
    ("cohort", "admission", bytes(20)),
    ("cohort", "min_devices", 2),
    ("cohort", "min_devices", 17),
    ("cohort", "max_devices", 2),
    ("cohort", "max_devices", 257),
    ("cohort", "weight_cap", 0),
    ("cohort", "weight_cap", 4001),
    ("cohort", "max_weight", 0),
    ("cohort", "max_update_bytes", 0),
    ("learning", "strategy_digest", ZERO),
    ("learning", "model_digest", ZERO),
    ("learning", "max_rounds", 0),
    ("encoding", "bits", 3),
    ("encoding", "bits", 33),
    ("encoding", "clip", 0),
    ("encoding", "slots", 0),
    ("encoding", "ciphertexts", 0),
    ("key", "digest", ZERO),
    ("key", "bits", 511),
    ("key", "holders_root", ZERO),
    ("key", "holders", 0),
    ("key", "holders", 33),
    ("key", "threshold", 2),
    ("key", "threshold", 6),
    ("panel", "seats", 0),
    ("panel", "seats", 52),
    ("panel", "accept_bips", 5000),
    ("panel", "accept_bips", 10_001),
]


@pytest.mark.parametrize(("group", "term", "value"), OUT_OF_BOUNDS)
def test_a_term_out_of_bounds_is_refused_by_name(house: House, group: str, term: str, value: int | bytes) -> None:
    with pytest.raises(Refused) as refused:
        house.create(house.terms(**{group: {term: value}}))
    name, said = refused.value.values
    assert refused.value.name == "LearningTermOutOfBounds"
    assert name == f"{group}.{camel(term)}".encode().ljust(32, b"\0")
    assert said == (value if isinstance(value, int) else int.from_bytes(value, "big"))


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("windows", {"challenge": 0}),
        ("windows", dict.fromkeys(WINDOWS, MONTH)),
        ("windows", dict.fromkeys(WINDOWS, MIN_WINDOW)),
        ("cohort", {"min_devices": 16}),
        ("cohort", {"max_devices": 256, "weight_cap": 4000}),
        ("encoding", {"bits": 4}),
        ("key", {"threshold": 5}),
        ("key", {"holders": 1, "threshold": 1}),
        ("key", {"holders": 32, "threshold": 17}),
        ("panel", {"seats": 51, "accept_bips": 10_000}),
        ("panel", {"accept_bips": 5001}),
    ],
)
def test_terms_at_their_bounds_are_taken(house: House, group: str, values: dict[str, int]) -> None:
    assert house.create(house.terms(**{group: values}))


@pytest.mark.parametrize(
    ("weighting", "largest", "slot_bits"),
    [
        (Weighting.EDGE, {"max_weight": 4096}, 16 + 12),
        (Weighting.EDGE, {"max_weight": 4097}, 16 + 13),
        (Weighting.DEVICE, {"max_devices": 16}, 16 + 4),
        (Weighting.DEVICE, {"max_devices": 17}, 16 + 5),
    ],
)
def test_the_slots_must_fit_below_the_modulus(
    house: House, weighting: Weighting, largest: dict[str, int], slot_bits: int
) -> None:
    most = 511 // slot_bits
    terms = house.terms(cohort=largest, encoding={"weighting": weighting, "slots": most})
    assert house.create(terms)
    with pytest.raises(Refused, match="LearningTermOutOfBounds"):
        house.create(replace(terms, encoding=replace(terms.encoding, slots=most + 1)))


def test_a_round_is_budgeted_at_its_worst_case(house: House) -> None:
    terms = house.terms(panel={"seats": 20})
    m, holders, devices = terms.money, terms.key.holders, terms.cohort.max_devices
    seats = 20 + 41 + 51
    budget = m.device_pot + m.edge_pay + holders * m.holder_pay + (devices + 2 * holders) * m.relay_pay
    budget += seats * m.voter_pay + 12 * m.bounty
    with pytest.raises(Refused) as refused:
        house.create(terms, value=budget - 1)
    assert (refused.value.name, *refused.value.values) == ("LearningPotTooSmall", budget - 1, budget)
    task_id = house.create(terms, value=budget)
    assert house.learning.read("roundBudget", task_id) == house.pot(task_id) == budget


def test_bonds_can_be_raised_and_four_junk_openings_cost_what_the_devices_earn(house: House) -> None:
    """A bond that nobody can raise, or one so small that junk is free, lets a requester have the sum for nothing."""
    budget = house.learning.read("roundBudget", house.create())
    pot = house.terms().money.device_pot
    for term, least, most in (("opening_bond", -(-pot // 4), budget), ("edge_bond", 0, budget)):
        for value in (least, most):
            assert house.create(house.terms(money={term: Wei(value)}))
        for value in {least - 1, most + 1} - {-1}:
            with pytest.raises(Refused) as refused:
                house.create(house.terms(money={term: Wei(value)}))
            name = f"money.{camel(term)}".encode().ljust(32, b"\0")
            assert (refused.value.name, *refused.value.values) == ("LearningTermOutOfBounds", name, value)


def test_the_shortest_window_is_fixed_at_construction_and_at_least_a_second(house: House) -> None:
    assert house.learning.read("MIN_WINDOW") == MIN_WINDOW
    for window in (0, MONTH + 1):
        with pytest.raises(Refused, match="LearningTermOutOfBounds"):
            house.evm.deploy("Learning", house.escrow.address, house.mining.address, 512, window)


def test_a_task_begins_with_its_genesis_and_its_first_model(house: House) -> None:
    terms = house.terms()
    task = house.task(task_id := house.create(terms))
    assert task.terms_digest == terms_digest(terms.to_abi())
    assert task.head == genesis_head(task_id, task.terms_digest)
    assert (task.model, task.model_size) == (terms.learning.model_digest, terms.learning.model_size)
    assert (task.requester, task.rounds, task.last_outcome) == (house.requester.address, 0, Outcome.OPEN)
    assert not task.ended


def test_tasks_are_named_by_chain_contract_creator_and_nonce(house: House) -> None:
    """So nobody can take a name by being faster: another creator's tasks have other names."""
    for nonce in range(2):
        assert house.learning.read("nonceOf", house.requester.address) == nonce
        parts = house.evm.chain.chain_id, house.learning.address, house.requester.address, nonce
        words = [p.to_bytes(32, "big") if isinstance(p, int) else p.rjust(32, b"\0") for p in parts]
        assert house.create() == keccak256(b"".join(words))


def test_what_mining_reads_are_the_terms(house: House) -> None:
    terms = house.terms(mining={"pow_target": 2**250})
    task_id = house.create(terms)
    assert house.learning.read("moneyOf", task_id) == terms.money.to_abi()
    assert house.learning.read("holdersRootOf", task_id) == terms.key.holders_root
    assert house.learning.read("powTargetOf", task_id) == 2**250
    schedule = house.learning.read("scheduleOf", task_id, 0)
    assert schedule[-1] == terms.windows.to_abi()
    assert schedule[3:10] == (3, 5, 3, 3, 6667, 1_000_000, 3)


def test_a_task_that_nobody_created_is_unknown(house: House) -> None:
    for call in (("openRound", ZERO), ("endTask", ZERO), ("enrol", ZERO, 1, ZERO, b""), ("enrolBySig", ZERO, [])):
        with pytest.raises(Refused, match="LearningUnknownTask"):
            house.learning.send(house.anyone, *call)


def test_value_beyond_the_budget_stays_in_the_tasks_pot(house: House) -> None:
    assert house.pot(house.create(value=3 * ETHER)) == 3 * ETHER
