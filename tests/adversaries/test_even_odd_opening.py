"""Even-odd opening: r replaced by n − r opens alike up to a sign, which a random weight shows if it is odd.

An opening that honest voters judge differently decides nothing, costs its poster nothing and can be repeated.
"""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from gmpy2 import powmod
from siege import Lab

from dapp.crypto import threshold
from dapp.crypto.threshold import Opening
from dapp.errors import CryptoError

VOTERS = 40


@pytest.fixture(scope="module")
def total(lab: Lab) -> list[int]:
    """Fourteen encrypted sums."""
    return [c for members in list(combinations(range(8), 7))[:7] for c in lab.sum(members)]


@pytest.fixture(scope="module")
def opening(lab: Lab, total: list[int]) -> Opening:
    return threshold.combine(lab.facts.key, {i: lab.share(i, total) for i in (1, 2, 3)}, total)[0]


def sign(lab: Lab, c: int, m: int, r: int) -> int:
    """Of c = ±(1+n)^m·r^n mod n²."""
    n, n_squared = lab.public.n, lab.public.n_squared
    opened = (1 + n * m) * powmod(r, n, n_squared) % n_squared
    assert opened in (c, n_squared - c)
    return 1 if opened == c else -1


def signs(lab: Lab, total: list[int], opening: Opening) -> list[int]:
    return [sign(lab, c, m, r) for c, m, r in zip(total, opening.messages, opening.roots, strict=True)]


def with_signs(lab: Lab, total: list[int], opening: Opening, wanted: list[int]) -> Opening:
    """The same opening with r or n − r, whichever has the sign: (n − r)^n = −r^n mod n²."""
    roots = zip(opening.roots, signs(lab, total, opening), wanted, strict=True)
    return Opening(opening.messages, tuple(r if s == w else lab.public.n - r for r, s, w in roots))


def naive(lab: Lab, total: list[int], opening: Opening, voter: int) -> bool:
    """The check as it was: the batch equation with private random weights of any parity, and 0 < r < n."""
    n, n_squared, random = lab.public.n, lab.public.n_squared, Random(voter).getrandbits
    left = right = 1
    for c, m, r in zip(total, opening.messages, opening.roots, strict=True):
        weight = random(128)
        left = left * powmod(c, weight, n_squared) % n_squared
        right = right * powmod((1 + n * m) * powmod(r, n, n_squared), weight, n_squared) % n_squared
    return bool(left == right)


def ours(lab: Lab, total: list[int], opening: Opening, voter: int) -> bool:
    try:
        threshold.check_opening(lab.public, total, opening, Random(voter).getrandbits)
    except CryptoError:
        return False
    return True


def test_the_attack_splits_honest_voters_that_weigh_at_random(lab: Lab, total: list[int], opening: Opening) -> None:
    exact = with_signs(lab, total, opening, [1] * len(total))
    assert sum(naive(lab, total, exact, voter) for voter in range(VOTERS)) == VOTERS
    one_turned = with_signs(lab, total, opening, [-1, *[1] * (len(total) - 1)])
    fooled = sum(naive(lab, total, one_turned, voter) for voter in range(VOTERS))
    assert VOTERS // 4 < fooled < 3 * VOTERS // 4, f"{fooled} of {VOTERS}"


def test_defended_every_voter_passes_the_smaller_roots_whatever_their_signs(
    lab: Lab, total: list[int], opening: Opening
) -> None:
    assert set(signs(lab, total, opening)) == {1, -1}
    assert sum(ours(lab, total, opening, voter) for voter in range(VOTERS)) == VOTERS


def test_defended_every_voter_refuses_the_larger_root(lab: Lab, total: list[int], opening: Opening) -> None:
    turned = Opening(opening.messages, (lab.public.n - opening.roots[0], *opening.roots[1:]))
    assert sum(ours(lab, total, turned, voter) for voter in range(VOTERS)) == 0
    with pytest.raises(CryptoError, match=r"the root at position 0 is not in 1 ≤ r ≤ \(n−1\)/2"):
        threshold.check_opening(lab.public, total, turned, Random(1).getrandbits)


def test_defended_an_opening_has_one_form_only(lab: Lab, total: list[int], opening: Opening) -> None:
    """Any three holders come to the same bytes, so that a digest names what was opened."""
    for holders in combinations(range(1, 6), 3):
        shares = {i: lab.share(i, total) for i in holders}
        assert threshold.combine(lab.facts.key, shares, total)[0] == opening


def test_defended_a_wrong_message_passes_with_no_voter(lab: Lab, total: list[int], opening: Opening) -> None:
    wrong = Opening((opening.messages[0] + 1, *opening.messages[1:]), opening.roots)
    assert sum(ours(lab, total, wrong, voter) for voter in range(VOTERS)) == 0
