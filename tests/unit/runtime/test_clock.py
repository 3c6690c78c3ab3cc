"""Waiting on the embedded chain."""

from __future__ import annotations

from dapp.chain.devnet import GENESIS_TIME, Devnet
from dapp.runtime.clock import DevnetClock


def test_waiting_moves_the_chain_to_exactly_that_time() -> None:
    chain = Devnet({})
    clock = DevnetClock(chain)
    clock.advance_to(GENESIS_TIME + 500)
    assert clock.now() == chain.head().timestamp == GENESIS_TIME + 500


def test_waiting_for_what_is_past_does_nothing() -> None:
    chain = Devnet({})
    clock = DevnetClock(chain)
    clock.advance_to(GENESIS_TIME)
    clock.advance_to_block(0)
    assert chain.head().number == 0


def test_waiting_for_a_block_mines_up_to_it() -> None:
    chain = Devnet({})
    DevnetClock(chain).advance_to_block(5)
    assert chain.head().number == 5
