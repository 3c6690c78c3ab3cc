"""Grinding: whoever chooses the caller, the block or the order of a call chooses among seeds."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from court import Court
from evm import Refused


def test_defended_no_choice_of_caller_block_or_order_changes_a_panel(court: Court) -> None:
    """Promise 20: 3 callers × 4 blocks × 2 orders of proving two requests, by hand or through Verification."""
    first, second = court.case("first"), court.case("second")
    first.summon()
    second.summon()
    header, other = first.header(), second.header()
    panels = set()
    for caller, wait, order in product(
        (court.anyone, court.other, court.members[0]), (1, 2, 50, 150), permutations((0, 1))
    ):
        with court.supposing():
            court.evm.chain.mine(wait)
            for which in order:
                (first, second)[which].send(caller, "proveSeed", (header, other)[which])
            panels.add(tuple(first.voter(seat).address for seat in range(first.size)))
    assert len(panels) == 1
    print("\n24 choices of caller, block and order: 1 panel")


def test_defended_only_the_block_that_was_fixed_at_the_request_gives_a_seed(court: Court) -> None:
    case = court.case()
    case.summon()
    fixed = court.seed.read("seedBlockOf", case.read("panelOf")[0])
    case.header()
    court.evm.chain.mine(5)
    for block in range(fixed - 2, fixed + 5):
        if block == fixed:
            continue
        with pytest.raises(Refused, match="SeedWrongHeader"):
            case.send(court.anyone, "proveSeed", court.evm.chain.header(block))
    case.prove()


def test_bounded_who_proposes_the_seed_block_has_two_panels_to_choose_from(court: Court) -> None:
    """It may withhold its block; then the next proposer's, which it does not know, gives the seed: one bit a slot."""
    case = court.case(seats=3)
    case.summon()
    with court.supposing():
        case.prove()
        published = tuple(case.voter(seat).address for seat in range(case.size))
    chain = court.evm.chain
    chain._seed += b" another proposer"  # the embedded chain's next block, as somebody else would have made it
    try:
        case.prove()
        withheld = tuple(case.voter(seat).address for seat in range(case.size))
    finally:
        chain._seed = chain._seed.removesuffix(b" another proposer")
    assert published != withheld
