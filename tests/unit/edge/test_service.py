"""Which tasks an edge that serves every task leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from stage import Stage

from dapp.edge.service import demand_pay
from dapp.errors import Rejected
from dapp.types import Wei


def test_an_edge_does_no_chores_for_nothing(tmp_path: Path) -> None:
    """A task of strangers that pays no bounty would cost it gas for as many rounds as they like."""
    created = Stage.build(tmp_path / "run").world.task_created
    bounty = created.terms.money.bounty // 10**9
    demand_pay(created, bounty)
    with pytest.raises(Rejected, match="does no chore for less than"):
        demand_pay(created, bounty + 1)
    free = replace(created, terms=replace(created.terms, money=replace(created.terms.money, bounty=Wei(0))))
    with pytest.raises(Rejected, match="its bounty is 0 gwei"):
        demand_pay(free, 100_000)
