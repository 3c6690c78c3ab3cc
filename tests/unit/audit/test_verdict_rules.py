"""The auditor's own reading of votes, verdicts and money."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dapp.audit.rules import RULES
from dapp.audit.rules.learning import bounds
from dapp.audit.rules.verification import decides, quorum
from dapp.audit.world import bonds_pot, stakes_pot
from dapp.chain.codec import CONTRACTS, abi
from dapp.crypto import merkle
from dapp.protocol.blobs import BlobRef
from dapp.protocol.enums import CandidateState, RoundKind, Weighting
from dapp.protocol.records import Ballot, Opening
from dapp.protocol.terms import Cohort, Encoding, Key, LearningTerms, MiningTerms, Money, Panel, Terms, Windows
from dapp.protocol.view import Candidate, Posted, RoundView, Vote
from dapp.protocol.view import Panel as Attempt
from dapp.types import Address, Digest, Round, TaskId, Wei

WHO = Address(b"\x01" * 20)
DIGEST = Digest(b"\x02" * 32)
TERMS = Terms(
    windows=Windows(*[60] * 11),
    cohort=Cohort(WHO, 3, 16, 100, 1000, 100_000),
    learning=LearningTerms(DIGEST, 100, DIGEST, 100, 5, False, 0),
    encoding=Encoding(16, Weighting.EDGE, 10**9, 10**9, 70, 33),
    key=Key(DIGEST, 300, 2048, 10, 6, DIGEST),
    panel=Panel(5, 6667),
    mining=MiningTerms(0, 0),
    money=Money(*map(Wei, (1000, 100, 10, 7, 3, 1, 50, 250))),
)


def attempt(*ballots: Ballot | None, size: int) -> Attempt:
    votes = {seat: Vote(seat, WHO, b"", ballot) for seat, ballot in enumerate(ballots)}
    return Attempt(0, 1, size, (), WHO, 0, votes=votes)


def round_with(candidates: int, openings: int) -> RoundView:
    ref = BlobRef(DIGEST, 1)
    return RoundView(
        task_id=TaskId(DIGEST),
        number=Round(0),
        kind=RoundKind.UPDATE,
        opened_at=0,
        enrolled=3,
        expected=7,
        base=ref,
        parent=DIGEST,
        budget=Wei(0),
        candidates={i: Candidate(i, i, WHO, b"", Wei(0), CandidateState.OPENED, ref) for i in range(candidates)},
        openings=tuple(Posted(i, WHO, Wei(0), Opening(DIGEST, 1, DIGEST, 1, 1, 0)) for i in range(openings)),
    )


YES = Ballot(valid=1, invalid=2, right=1, wrong=0)
NO = Ballot(valid=0, invalid=3, right=0, wrong=1)
NOTHING = Ballot(0, 0, 0, 0)


def test_two_thirds_of_the_seats_decide_not_of_the_votes() -> None:
    assert quorum(attempt(YES, YES, YES, size=5), 6667) == NOTHING
    assert quorum(attempt(YES, YES, YES, YES, size=5), 6667) == YES
    assert quorum(attempt(YES, YES, None, size=3), 6667) == YES
    assert quorum(attempt(*[YES] * 14, size=21), 6667) == YES
    assert quorum(attempt(*[YES] * 13, size=21), 6667) == NOTHING


def test_what_some_agree_on_is_decided_even_where_they_differ_on_the_rest() -> None:
    assert quorum(attempt(YES, YES, NO, size=3), 6667) == Ballot(1, 2, 1, 0)
    assert quorum(attempt(YES, NO, NO, size=3), 10_000) == Ballot(0, 2, 0, 0)


@pytest.mark.parametrize(
    ("said", "openings", "decided"),
    [
        (Ballot(1, 0, 1, 0), 1, True),
        (Ballot(1, 0, 0, 0), 1, False),
        (Ballot(1, 0, 0, 1), 1, True),
        (Ballot(1, 0, 0, 1), 2, False),
        (Ballot(1, 0, 0, 0), 0, True),
        (Ballot(0, 3, 0, 0), 1, True),
        (Ballot(0, 1, 1, 0), 1, False),
    ],
)
def test_a_vote_decides_when_something_can_close_the_round_or_nothing_can(
    said: Ballot, openings: int, decided: bool
) -> None:
    assert decides(round_with(2, openings), said) is decided


def test_lawful_terms_are_within_every_bound() -> None:
    assert all(bounds(TERMS).values())


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("windows.challenge", replace(TERMS, windows=replace(TERMS.windows, challenge=30 * 86_400 + 1))),
        ("windows.seal", replace(TERMS, windows=replace(TERMS.windows, seal=0))),
        ("cohort.min_devices", replace(TERMS, cohort=replace(TERMS.cohort, min_devices=2))),
        ("cohort.weight_cap", replace(TERMS, cohort=replace(TERMS.cohort, weight_cap=1001))),
        ("encoding.slots", replace(TERMS, encoding=replace(TERMS.encoding, slots=79))),
        ("key.threshold", replace(TERMS, key=replace(TERMS.key, threshold=5))),
        ("key.holders", replace(TERMS, key=replace(TERMS.key, holders=33, threshold=17))),
        ("panel.accept_bips", replace(TERMS, panel=replace(TERMS.panel, accept_bips=5000))),
        ("money.opening_bond", replace(TERMS, money=replace(TERMS.money, opening_bond=Wei(249)))),
        ("money.opening_bond", replace(TERMS, money=replace(TERMS.money, opening_bond=Wei(1594)))),
        ("money.edge_bond", replace(TERMS, money=replace(TERMS.money, edge_bond=Wei(1594)))),
    ],
)
def test_terms_out_of_bounds_are_named(name: str, terms: Terms) -> None:
    assert [term for term, holds in bounds(terms).items() if not holds] == [name]


def test_a_round_costs_at_most_every_attempt_and_every_bounty() -> None:
    assert TERMS.round_budget == 1000 + 100 + 10 * 10 + (16 + 20) * 3 + (5 + 11 + 23) * 7 + 12


def test_pots_are_named_as_solidity_encodes_them() -> None:
    from eth_abi.abi import encode

    round_ = round_with(0, 0)
    assert bonds_pot(round_) == merkle.keccak256(encode(["bytes32", "string"], [round_.key, "bonds"]))
    assert stakes_pot(WHO) == merkle.keccak256(encode(["string", "address"], ["stakes", f"0x{WHO.hex()}"]))


def test_every_function_that_can_cause_an_event_from_outside_has_a_rule() -> None:
    """Only the contracts themselves may call the rest: the escrow's books, and what follows from a proof."""
    views = {entry.name for name in CONTRACTS for entry in abi(name).functions.values() if _reads(name, entry.name)}
    functions = {f"{name}.{entry}" for name in CONTRACTS for entry in abi(name).functions if entry not in views}
    by_contracts = {"Escrow.pay", "Escrow.move", "Mining.strikeOut", "Mining.excludeUpdate"}
    assert functions - set(RULES) == by_contracts
    assert set(RULES) <= functions


def _reads(contract: str, function: str) -> bool:
    import json
    from importlib.resources import files

    artifact = json.loads((files("dapp.chain") / "abi" / f"{contract}.json").read_text())
    (entry,) = (e for e in artifact["abi"] if e["type"] == "function" and e["name"] == function)
    return entry["stateMutability"] in ("view", "pure")
