from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto import paillier, threshold
from dapp.crypto.threshold import Opening
from dapp.errors import CryptoError

PRIVATE = paillier.generate(512, random=Random(2).getrandbits, allow_small=True)
PUBLIC = PRIVATE.public
TABLE = paillier.FixedBase.for_work(PUBLIC, 400, count=300)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 9), st.integers(0, 2**32))
def test_any_threshold_of_right_shares_opens_and_the_opening_passes(
    data: st.DataObject, holders: int, seed: int
) -> None:
    random = Random(seed).getrandbits
    size = data.draw(st.integers(holders // 2 + 1, holders))
    key, shares = threshold.deal(PRIVATE, size, holders, random)
    messages = data.draw(st.lists(st.integers(0, PUBLIC.n - 1), max_size=3))
    ciphertexts = paillier.encrypt_many(PUBLIC, TABLE, messages, [random(400) for _ in messages])
    quorum = data.draw(st.permutations(shares))[:size]
    posted = {s.index: threshold.share(key, s, ciphertexts) for s in quorum}
    opening, used = threshold.combine(key, posted, ciphertexts)
    assert list(opening.messages) == messages
    assert set(used) == set(posted)
    threshold.check_opening(PUBLIC, ciphertexts, opening, random)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32))
def test_no_change_of_any_message_or_root_passes(data: st.DataObject, seed: int) -> None:
    random = Random(seed).getrandbits
    messages = data.draw(st.lists(st.integers(0, PUBLIC.n - 1), min_size=1, max_size=4))
    exponents = [random(400) for _ in messages]
    ciphertexts = paillier.encrypt_many(PUBLIC, TABLE, messages, exponents)
    powers = [pow(PUBLIC.h, x, PUBLIC.n) for x in exponents]
    roots = [min(r, PUBLIC.n - r) for r in powers]
    threshold.check_opening(PUBLIC, ciphertexts, Opening(tuple(messages), tuple(roots)), random)
    wrong = data.draw(st.sampled_from(["message", "root"]))
    position = data.draw(st.integers(0, len(messages) - 1))
    if wrong == "message":
        messages[position] = (messages[position] + data.draw(st.integers(1, PUBLIC.n - 1))) % PUBLIC.n
    else:
        other = data.draw(st.integers(1, (PUBLIC.n - 1) // 2).filter(lambda r: r != roots[position]))
        roots[position] = other
    with pytest.raises(CryptoError, match="the opening is wrong"):
        threshold.check_opening(PUBLIC, ciphertexts, Opening(tuple(messages), tuple(roots)), random)
