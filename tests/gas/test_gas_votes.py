"""What Verification, the seeds and Escrow cost on prague."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from court import YES, Case, Court, label
from evm import ETHER, Evm


@pytest.fixture(scope="module")
def built() -> Court:
    return Court.build(members=25, spare=3)


@pytest.fixture
def court(built: Court) -> Iterator[Court]:
    with built.supposing():
        yield built


def usual(court: Court, seats: int = 5) -> Case:
    """A second case: whoever works for panels has credit from a first one already."""
    first = court.case("first", seats=3).seated().vote([YES] * 3)
    first.settle()
    return court.case(seats=seats)


def test_members(court: Court, gas: Any) -> None:
    joined = [court.join(member).gas for member in court.members[25:]]
    gas.check("join", joined[-1], 110_000)
    court.evm.chain.travel(60)
    gas.check("promote one member", court.verification.send(court.anyone, "promote", 1).gas, 100_000)
    gas.check("leave, the last moves in", court.leave(court.members[0]).gas, 120_000)
    court.evm.chain.travel(5_000)
    withdrawn = court.verification.send(court.anyone, "withdrawStakeFor", court.members[0].address)
    gas.check("withdraw a stake", withdrawn.gas, 90_000)


def test_seeds(court: Court, gas: Any) -> None:
    requests = [court.seed.send(court.anyone, "request", label(f"context {i}")) for i in range(2)]
    gas.check("seed request", requests[1].gas, 75_000)
    court.evm.chain.mine(3)
    event = requests[1].event("SeedRequested")
    header = court.evm.chain.header(event["seedBlock"])
    gas.check("seed proof", court.seed.send(court.anyone, "prove", event["id"], header).gas, 110_000)


def test_a_panel(court: Court, gas: Any) -> None:
    case = usual(court)
    gas.check("summon, first attempt", case.summon().gas, 280_000)
    gas.check("prove the seed, seat the panel, be paid", case.prove().gas, 110_000)
    gas.check("commit vote, panel of 5", max(case.commit(seat).gas for seat in range(5)), 60_000)
    reveals = [case.reveal(seat).gas for seat in range(5)]
    gas.check("reveal vote, first", reveals[0], 75_000)
    gas.check("reveal vote, later", max(reveals[1:]), 55_000)
    gas.check("settle", case.settle().gas, 100_000)
    gas.check("claim voter pay, first credit", case.claim(0).gas, 95_000)


def test_a_first_settlement_pays_people_without_credit(court: Court, gas: Any) -> None:
    case = court.case().seated().vote([YES] * 5)
    gas.check("settle, first credit", case.settle(by=court.members[26]).gas, 100_000)


def test_a_large_panel(court: Court, gas: Any) -> None:
    case = usual(court, seats=21).seated()
    gas.check("commit vote, seat 20 of 21", [case.commit(seat).gas for seat in range(21)][20], 75_000)
    gas.check("reveal vote, seat 20 of 21", [case.reveal(seat).gas for seat in range(21)][20], 75_000)


def test_a_seed_proven_elsewhere_costs_the_first_committer(court: Court, gas: Any) -> None:
    case = usual(court)
    case.summon()
    court.seed.send(court.anyone, "prove", case.read("panelOf")[0], case.header())
    gas.check("commit vote, seating the panel", case.commit(0).gas, 75_000)


def test_slashing(court: Court, gas: Any) -> None:
    case = usual(court).seated().to_reveal()
    case.slash(0)
    gas.check("slash a silent seat", case.slash(1).gas, 130_000)


def test_escrow(gas: Any) -> None:
    evm = Evm(6)
    escrow = evm.deploy("Escrow", *(account.address for account in evm.accounts[1:4]))
    pot, reason, (protocol, owner) = label("pot"), b"reason".ljust(32, b"\0"), (evm.accounts[1], evm.accounts[5])
    escrow.send(owner, "fund", pot, value=ETHER)
    gas.check("fund a pot again", escrow.send(owner, "fund", pot, value=ETHER).gas, 45_000)
    escrow.send(protocol, "pay", pot, protocol.address, 1, reason)
    gas.check("credit, first", escrow.send(protocol, "pay", pot, owner.address, 1, reason).gas, 65_000)
    gas.check("credit", escrow.send(protocol, "pay", pot, owner.address, 1, reason).gas, 50_000)
    gas.check("withdraw", escrow.send(owner, "withdraw").gas, 40_000)


def test_where_a_figure_is_dearest(gas: Any) -> None:
    """Over the 100,000 that settling and the 60,000 that a commit are to cost; the documentation says so."""
    court = Court.build(members=51, spare=2)
    case = court.case(seats=51)
    case.summon()
    court.seed.send(court.members[52], "prove", case.read("panelOf")[0], case.header())
    commits = [case.commit(seat).gas for seat in range(51)]
    gas.check("commit vote, seat 50 of 51", commits[50], 77_000)
    case.to_reveal()
    for seat in range(51):
        case.reveal(seat)
    gas.check("settle, first credit, paying the prover too", case.settle(by=court.members[51]).gas, 150_000)
