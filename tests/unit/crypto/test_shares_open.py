"""Shares are told from junk by the opening that they are said to have made."""

from __future__ import annotations

from random import Random

import pytest

from dapp.crypto import paillier, threshold
from dapp.crypto.threshold import ThresholdKey, shares_open

HOLDERS, THRESHOLD, POSITIONS = 5, 3, 4
random = Random(11).getrandbits
Opened = tuple[ThresholdKey, dict[int, list[int]], list[int]]


@pytest.fixture(scope="module")
def opened() -> Opened:
    """A key, all holders' shares of some ciphertexts, and the roots of their opening."""
    private = paillier.generate(512, random=Random(5).getrandbits, allow_small=True)
    key, secrets = threshold.deal(private, THRESHOLD, HOLDERS, random)
    public = key.public
    bits = paillier.exponent_bits(public, 10, POSITIONS)
    table = paillier.FixedBase.for_work(public, bits, POSITIONS)
    exponents = paillier.random_exponents(bits, POSITIONS, random)
    ciphertexts = paillier.encrypt_many(public, table, [7, 0, 1, 10**9], exponents)
    shares = {secret.index: threshold.share(key, secret, ciphertexts) for secret in secrets}
    opening, _ = threshold.combine(key, shares, ciphertexts)
    return key, shares, list(opening.roots)


@pytest.mark.parametrize("quorum", [(1, 2, 3), (1, 3, 5), (2, 4, 5)])
def test_every_quorum_of_right_shares_opens(opened: Opened, quorum: tuple[int, ...]) -> None:
    key, shares, roots = opened
    assert shares_open(key, {i: shares[i] for i in quorum}, roots, random)


def test_a_quorum_with_one_wrong_number_does_not_open(opened: Opened) -> None:
    key, shares, roots = opened
    wrong = [*shares[3][:-1], shares[3][-1] * 2 % key.public.n]
    assert not shares_open(key, {1: shares[1], 2: shares[2], 3: wrong}, roots, random)


def test_shares_under_another_holders_number_do_not_open(opened: Opened) -> None:
    key, shares, roots = opened
    assert not shares_open(key, {1: shares[2], 2: shares[1], 3: shares[3]}, roots, random)


def test_fewer_shares_than_the_threshold_do_not_open(opened: Opened) -> None:
    key, shares, roots = opened
    assert not shares_open(key, {1: shares[1], 2: shares[2]}, roots, random)
