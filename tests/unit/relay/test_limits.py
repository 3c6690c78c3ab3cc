"""Rates are by address, refill evenly, and remembering them takes bounded memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapp.relay.limits import Bucket, Visitor, Visitors, network


@dataclass
class Watch:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@given(steps=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 100)), max_size=50))
def test_no_more_is_taken_than_the_bucket_held_and_what_flowed_in(steps: list[tuple[float, int]]) -> None:
    watch = Watch()
    bucket = Bucket(60, 100, watch)
    taken = 0
    for wait, amount in steps:
        watch.now += wait
        if not bucket.take(amount):
            taken += amount
    assert taken <= 100 + watch.now + 1e-6


@given(first=st.integers(0, 100), amount=st.integers(1, 100))
def test_who_waits_as_long_as_told_gets_it(first: int, amount: int) -> None:
    watch = Watch()
    bucket = Bucket(60, 100, watch)
    assert bucket.take(first) == 0
    wait = bucket.take(amount)
    assert wait <= max(0, first + amount - 100) + 1e-9
    watch.now += wait + 1e-9
    assert not wait or bucket.take(amount) == 0


def test_only_those_heard_of_lately_are_remembered() -> None:
    def visitor() -> Visitor:
        return Visitor(Bucket(60, 1), Bucket(60, 1), asyncio.Semaphore())

    visitors = Visitors(visitor, most=2)
    first = visitors.of("10.0.0.1")
    visitors.of("10.0.0.2")
    assert visitors.of("10.0.0.1") is first
    visitors.of("10.0.0.3")
    assert visitors.of("10.0.0.1") is first
    assert len(visitors._known) == 2


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_a_host_of_ipv6_is_its_network(address: str, stands_for: str) -> None:
    assert network(address) == stands_for
