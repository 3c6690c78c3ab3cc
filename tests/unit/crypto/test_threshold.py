from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from random import Random

import gmpy2
import pytest

from dapp.crypto import paillier, threshold
from dapp.crypto.paillier import FixedBase, PrivateKey, PublicKey, RandomBits
from dapp.crypto.threshold import KeyShare, Opening, ThresholdKey
from dapp.errors import CryptoError

MESSAGES = (0, 1, 2**400 + 12345)


@pytest.fixture(scope="module")
def dealt(private: PrivateKey) -> tuple[ThresholdKey, tuple[KeyShare, ...]]:
    return threshold.deal(private, 3, 5, Random(2).getrandbits)


@pytest.fixture(scope="module")
def ciphertexts(public: PublicKey, table: FixedBase) -> list[int]:
    return paillier.encrypt_many(public, table, MESSAGES, [2**399 + 1, 5, 2**390 + 7])


@pytest.fixture
def shares(dealt: tuple[ThresholdKey, tuple[KeyShare, ...]], ciphertexts: list[int]) -> dict[int, list[int]]:
    key, key_shares = dealt
    return {s.index: threshold.share(key, s, ciphertexts) for s in key_shares}


@pytest.fixture
def key(dealt: tuple[ThresholdKey, tuple[KeyShare, ...]]) -> ThresholdKey:
    return dealt[0]


@pytest.mark.parametrize(("t", "holders"), [(5, 10), (0, 1), (11, 10), (1, 2)])
def test_a_threshold_that_is_no_majority_is_refused(private: PrivateKey, t: int, holders: int) -> None:
    with pytest.raises(CryptoError, match="no majority"):
        threshold.deal(private, t, holders, Random(1).getrandbits)


def test_a_key_without_safe_primes_is_not_dealt() -> None:
    p, q = 2**127 - 1, 2**89 - 1
    with pytest.raises(CryptoError, match="no safe primes"):
        threshold.deal(PrivateKey(PublicKey(p * q), p, q), 2, 3, Random(1).getrandbits)


def test_a_key_share_is_not_printed() -> None:
    assert "123456" not in repr(KeyShare(1, 123456))


def test_every_majority_opens_to_the_same_messages_and_roots(
    key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int], public: PublicKey
) -> None:
    openings = set()
    for quorum in combinations(shares, 3):
        opening, used = threshold.combine(key, {i: shares[i] for i in quorum}, ciphertexts)
        assert used == quorum
        openings.add(opening)
    (opening,) = openings
    assert opening.messages == MESSAGES
    for c, m, r in zip(ciphertexts, opening.messages, opening.roots, strict=True):
        opened = (1 + m * public.n) * pow(r, public.n, public.n_squared) % public.n_squared
        assert opened in (c, public.n_squared - c)


@pytest.mark.parametrize(("t", "holders"), [(1, 1), (2, 2), (2, 3), (6, 10), (17, 32)])
def test_any_number_of_holders_opens(private: PrivateKey, ciphertexts: list[int], t: int, holders: int) -> None:
    key, key_shares = threshold.deal(private, t, holders, Random(4).getrandbits)
    last = key_shares[-t:]
    opening, _ = threshold.combine(key, {s.index: threshold.share(key, s, ciphertexts) for s in last}, ciphertexts)
    assert opening.messages == MESSAGES


def test_every_unit_opens_whatever_its_jacobi_symbols(
    key: ThresholdKey, dealt: tuple[ThresholdKey, tuple[KeyShare, ...]], private: PrivateKey, random: RandomBits
) -> None:
    public = private.public
    strangers = [random(1020) for _ in range(12)]
    symbols = {(gmpy2.legendre(c, private.p), gmpy2.legendre(c, private.q)) for c in strangers}
    assert len(symbols) == 4
    shares = {s.index: threshold.share(key, s, strangers) for s in dealt[1]}
    opening, _ = threshold.combine(key, shares, strangers)
    assert list(opening.messages) == private.decrypt_many(strangers)
    threshold.check_opening(public, strangers, opening, random)


def test_a_small_set_of_holders_does_not_open(
    key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int]
) -> None:
    with pytest.raises(CryptoError, match=r"holders \[1, 4\] hold no 3"):
        threshold.combine(key, {i: shares[i] for i in (1, 4)}, ciphertexts)


def test_wrong_shares_are_left_out_and_right_ones_open(
    key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int]
) -> None:
    shares[1][2] = 12345  # each liar lies at one position only
    shares[3][0] = 54321
    opening, used = threshold.combine(key, shares, ciphertexts)
    assert (opening.messages, used) == (MESSAGES, (2, 4, 5))


def malformed(public: PublicKey) -> dict[str, Callable[[list[int]], list[int]]]:
    return {
        "too few": lambda values: values[:-1],
        "zero": lambda values: [0, *values[1:]],
        "not reduced": lambda values: [values[0] + public.n, *values[1:]],
    }


@pytest.mark.parametrize("fault", ["too few", "zero", "not reduced"])
def test_malformed_shares_are_left_out(
    key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int], public: PublicKey, fault: str
) -> None:
    shares[2] = malformed(public)[fault](shares[2])
    assert threshold.combine(key, shares, ciphertexts)[1] == (1, 3, 4)


def test_shares_that_share_a_factor_with_n_or_come_from_nobody_are_left_out(
    key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int], private: PrivateKey
) -> None:
    shares[1][0] = private.p
    shares[0] = shares[9] = list(shares[2])
    assert threshold.combine(key, shares, ciphertexts)[1] == (2, 3, 4)


def test_too_few_right_shares_are_an_error_that_names_the_malformed(
    key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int]
) -> None:
    for liar in (1, 2):
        shares[liar][0] = 99
    shares[5] = []
    with pytest.raises(CryptoError, match=r"holders \[1, 2, 3, 4\] hold no 3 .* malformed shares from holders \[5\]"):
        threshold.combine(key, shares, ciphertexts)


def test_five_liars_among_thirty_two_do_not_stop_the_opening(private: PrivateKey, ciphertexts: list[int]) -> None:
    key, key_shares = threshold.deal(private, 17, 32, Random(5).getrandbits)
    shares = {s.index: threshold.share(key, s, ciphertexts[:1]) for s in key_shares}
    liars = {2, 7, 11, 20, 31}
    for liar in liars:
        shares[liar] = [liar]
    opening, used = threshold.combine(key, shares, ciphertexts[:1])
    assert opening.messages == MESSAGES[:1]
    assert not liars & set(used)


def test_slices_combine_to_the_whole(key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int]) -> None:
    whole, _ = threshold.combine(key, shares, ciphertexts)
    first, _ = threshold.combine(key, {i: values[:2] for i, values in shares.items()}, ciphertexts[:2])
    rest, _ = threshold.combine(key, {i: values[2:] for i, values in shares.items()}, ciphertexts[2:])
    assert Opening(first.messages + rest.messages, first.roots + rest.roots) == whole


@pytest.fixture
def opening(key: ThresholdKey, shares: dict[int, list[int]], ciphertexts: list[int]) -> Opening:
    return threshold.combine(key, shares, ciphertexts)[0]


def test_a_right_opening_passes(
    public: PublicKey, ciphertexts: list[int], opening: Opening, random: RandomBits
) -> None:
    threshold.check_opening(public, ciphertexts, opening, random)
    threshold.check_opening(public, [], Opening((), ()), random)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("field", ["messages", "roots"])
def test_one_wrong_value_is_found_and_its_position_named(
    public: PublicKey, ciphertexts: list[int], opening: Opening, random: RandomBits, field: str, position: int
) -> None:
    values = list(getattr(opening, field))
    values[position] += 1
    with pytest.raises(CryptoError, match=f"the ciphertext at position {position} does not open"):
        threshold.check_opening(public, ciphertexts, replace(opening, **{field: tuple(values)}), random)


def test_errors_that_cancel_in_a_plain_product_are_found(
    public: PublicKey, ciphertexts: list[int], opening: Opening, random: RandomBits
) -> None:
    swapped = replace(opening, messages=(1, 0, opening.messages[2]))
    with pytest.raises(CryptoError, match="position 0 does not open"):
        threshold.check_opening(public, ciphertexts, swapped, random)


def test_values_out_of_range_are_refused(
    public: PublicKey, private: PrivateKey, ciphertexts: list[int], opening: Opening, random: RandomBits
) -> None:
    n = public.n
    bad = [
        (replace(opening, messages=(n, *opening.messages[1:])), "message at position 0"),
        (replace(opening, messages=(-1, *opening.messages[1:])), "message at position 0"),
        (replace(opening, roots=(0, *opening.roots[1:])), "root at position 0"),
        (replace(opening, roots=(n - opening.roots[0], *opening.roots[1:])), "root at position 0"),
        (replace(opening, roots=(private.p, *opening.roots[1:])), "shares a factor"),
        (replace(opening, roots=opening.roots[1:]), "3 messages and 2 roots for 3 ciphertexts"),
    ]
    for wrong, why in bad:
        with pytest.raises(CryptoError, match=why):
            threshold.check_opening(public, ciphertexts, wrong, random)


def test_a_sign_never_splits_honest_checkers(public: PublicKey, ciphertexts: list[int], opening: Opening) -> None:
    negated = [public.n_squared - ciphertexts[0], *ciphertexts[1:]]
    for seed in range(40):
        threshold.check_opening(public, negated, opening, Random(seed).getrandbits)
