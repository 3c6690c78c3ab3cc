from __future__ import annotations

import pickle
import secrets
import time
from random import Random

import gmpy2
import pytest
from phe import paillier as phe

from dapp.crypto import paillier
from dapp.crypto.paillier import FixedBase, PrivateKey, PublicKey, RandomBits
from dapp.errors import CryptoError, ExitCode, KeyTooSmall


def test_a_default_key_has_2048_bits_and_passes_its_own_check() -> None:
    private = paillier.generate(random=secrets.randbits)
    private.public.check()
    assert private.public.bits == 2048
    assert private.public.ciphertext_bytes == 512
    assert private.p % 4 == private.q % 4 == 3


def test_a_key_under_2048_bits_is_refused_with_a_way_out() -> None:
    with pytest.raises(KeyTooSmall, match="512 bits; at least 2048") as caught:
        paillier.generate(512, random=Random(1).getrandbits)
    assert caught.value.code is ExitCode.KEY
    assert "2048 bits or more" in caught.value.help


def test_a_key_of_odd_length_is_refused() -> None:
    with pytest.raises(CryptoError, match="equal length"):
        paillier.generate(513, random=Random(1).getrandbits, allow_small=True)


@pytest.mark.parametrize("bits", [64, 100, 256])
def test_a_safe_prime_is_prime_and_so_is_its_half_and_its_length_is_exact(bits: int) -> None:
    prime = paillier.safe_prime(bits, Random(bits).getrandbits)
    assert gmpy2.is_prime(prime)
    assert gmpy2.is_prime(prime // 2)
    assert prime >> (bits - 2) == 0b11


def test_two_safe_primes_from_different_randomness_differ() -> None:
    random = Random(3).getrandbits
    assert paillier.safe_prime(128, random) != paillier.safe_prime(128, random)


def test_a_safe_prime_too_short_to_sieve_is_refused() -> None:
    with pytest.raises(CryptoError, match="32 bits is too small"):
        paillier.safe_prime(32, Random(1).getrandbits)


P, Q = (paillier.safe_prime(256, Random(seed).getrandbits) for seed in (11, 12))


@pytest.mark.parametrize(
    ("n", "fault"),
    [
        (0, "not positive"),
        (-P * Q, "not positive"),
        (2 * P * Q, "even"),
        (65521 * P, "factor below 65536"),
        (P * (2**255 - 19), "not 1 mod 4"),
        (P * P, "perfect power"),
        (P**4, "perfect power"),
        (2**255 - 19, "prime"),
    ],
)
def test_a_modulus_that_is_no_honest_key_is_refused_for_the_right_reason(n: int, fault: str) -> None:
    with pytest.raises(CryptoError, match=fault):
        PublicKey(int(n)).check(allow_small=True)


def test_a_modulus_too_large_to_be_examined_is_refused_at_once() -> None:
    """A blob of 64 KB can hold one of 524,288 bits: an hour's work to see whether it is prime."""
    started = time.monotonic()
    with pytest.raises(CryptoError, match="524,288 bits, more than 16,384"):
        PublicKey(2**524_288 - 3).check()
    assert time.monotonic() - started < 1


def test_factors_that_do_not_make_the_modulus_are_refused(public: PublicKey) -> None:
    with pytest.raises(CryptoError, match="factors"):
        PrivateKey(public, P, Q)


def test_the_base_is_minus_a_square_with_jacobi_symbol_one(private: PrivateKey) -> None:
    h = private.public.h
    assert gmpy2.jacobi(h, private.public.n) == 1
    assert gmpy2.legendre(-h, private.p) == gmpy2.legendre(-h, private.q) == 1


def test_the_base_follows_from_the_modulus_alone(public: PublicKey) -> None:
    assert PublicKey(public.n).h == public.h
    assert pow(public.h, public.n, public.n_squared) == public.hs


def test_the_private_parts_of_a_key_are_not_printed(private: PrivateKey) -> None:
    assert str(private.p) not in repr(private)
    assert str(private.q) not in repr(private)


def test_a_ciphertext_decrypts_to_its_message(private: PrivateKey, table: FixedBase, random: RandomBits) -> None:
    n = private.public.n
    messages = [0, 1, n - 1, random(500)]
    exponents = paillier.random_exponents(400, 4, random)
    ciphertexts = paillier.encrypt_many(private.public, table, messages, exponents)
    assert private.decrypt_many(ciphertexts) == messages
    assert private.decrypt(ciphertexts[2]) == n - 1


def test_a_ciphertext_is_what_the_formula_says(public: PublicKey, table: FixedBase) -> None:
    c = paillier.encrypt(public, table, 12345, 67890)
    assert c == (1 + 12345 * public.n) * pow(public.hs, 67890, public.n_squared) % public.n_squared


@pytest.mark.parametrize("message", [-1, "n"])
def test_a_message_out_of_range_is_refused(public: PublicKey, table: FixedBase, message: int | str) -> None:
    with pytest.raises(CryptoError, match="0 ≤ m < n"):
        paillier.encrypt(public, table, public.n if message == "n" else -1, 1)


def test_a_table_of_another_key_is_refused(public: PublicKey, table: FixedBase) -> None:
    with pytest.raises(CryptoError, match="another key"):
        paillier.encrypt(PublicKey(P * Q), table, 1, 1)


def test_a_negative_exponent_is_refused(table: FixedBase) -> None:
    with pytest.raises(CryptoError, match="negative"):
        table.power(-1)


@pytest.mark.parametrize("count", [1, 100, 10_000])
def test_every_table_gives_the_same_powers_even_past_its_length(public: PublicKey, count: int) -> None:
    table = FixedBase.for_work(public, 200, count)
    for exponent in (0, 1, 2**200 - 1, 2**200, 2**333 + 5):
        assert table.power(exponent) == pow(public.hs, exponent, public.n_squared)


def test_more_work_makes_a_larger_table_within_bounds(public: PublicKey) -> None:
    tables = [FixedBase.for_work(public, 400, count).tables for count in (1, 50, 10**6)]
    sizes = [sum(map(len, table)) for table in tables]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] <= 4096


def test_a_table_survives_the_way_into_another_process(table: FixedBase) -> None:
    assert pickle.loads(pickle.dumps(table)).power(99) == table.power(99)


def test_exponents_have_half_the_modulus_and_the_slack_of_the_opening() -> None:
    public = PublicKey(1 << 2047)
    assert paillier.exponent_bits(public, total_weight=8192, positions=91) == 1024 + 13 + 128 + 7
    assert paillier.exponent_bits(public, total_weight=1, positions=1) == 1024 + 128


def test_a_weighted_product_decrypts_to_the_weighted_sum(
    private: PrivateKey, table: FixedBase, random: RandomBits
) -> None:
    columns, sums = [], [0, 0, 0]
    weights = [1, 600, 37, 600]
    for weight in weights:
        messages = [random(100) for _ in range(3)]
        columns.append(
            paillier.encrypt_many(private.public, table, messages, paillier.random_exponents(300, 3, random))
        )
        sums = [total + weight * m for total, m in zip(sums, messages, strict=True)]
    assert private.decrypt_many(paillier.weighted_product(private.public, columns, weights)) == sums


@pytest.mark.parametrize(
    ("columns", "weights"), [([], []), ([[1, 2], [3]], [1, 1]), ([[1], [2]], [1]), ([[1], [2]], [1, 0])]
)
def test_a_weighted_product_of_unequal_or_unweighted_columns_is_refused(
    public: PublicKey, columns: list[list[int]], weights: list[int]
) -> None:
    with pytest.raises(CryptoError):
        paillier.weighted_product(public, columns, weights)


def test_the_first_bad_ciphertext_is_named_with_the_rule_it_breaks(private: PrivateKey) -> None:
    public = private.public
    paillier.check_ciphertexts(public, [1, 2, public.n_squared - 1])
    for bad in (0, -1, public.n_squared):
        with pytest.raises(CryptoError, match="position 1 is not in 0 < c < n²"):
            paillier.check_ciphertexts(public, [1, bad, 2])
    for bad in (private.p, public.n, 3 * private.q):
        with pytest.raises(CryptoError, match="position 2 shares a factor with n"):
            paillier.check_ciphertexts(public, [1, 2, bad])


def test_decryption_refuses_what_is_no_ciphertext(private: PrivateKey) -> None:
    with pytest.raises(CryptoError, match="position 0"):
        private.decrypt(0)


def test_a_fault_during_decryption_gives_nothing_out(private: PrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, calls = paillier.powmod, []

    def flipped(base: int, exponent: int, modulus: int) -> int:
        calls.append(1)
        return int(honest(base, exponent, modulus)) ^ (2**80 if len(calls) == 2 else 0)

    monkeypatch.setattr(paillier, "powmod", flipped)
    with pytest.raises(CryptoError, match="decryption went wrong"):
        private.decrypt(5)


def test_ciphertexts_survive_bytes_in_fixed_width(public: PublicKey) -> None:
    values = [1, public.n_squared - 1, 7]
    data = paillier.to_bytes(public, values)
    assert len(data) == 3 * 128
    assert data[:128] == bytes(127) + b"\1"
    assert paillier.from_bytes(public, data) == values
    assert paillier.from_bytes(public, b"") == []


def test_a_truncated_blob_of_ciphertexts_is_refused(public: PublicKey) -> None:
    with pytest.raises(CryptoError, match="127 bytes are no whole number"):
        paillier.from_bytes(public, bytes(127))


def test_phe_decrypts_what_we_encrypt(private: PrivateKey, table: FixedBase) -> None:
    number = paillier.to_phe_number(private.public, paillier.encrypt(private.public, table, 123456789, 2**300 + 1))
    assert paillier.to_phe_private(private).decrypt(number) == 123456789


def test_we_decrypt_what_phe_encrypts(private: PrivateKey) -> None:
    number = paillier.to_phe_public(private.public).encrypt(987654321)
    assert private.decrypt(paillier.from_phe_number(number)) == 987654321


def test_sums_made_by_phe_decrypt_here(private: PrivateKey, table: FixedBase) -> None:
    ours = paillier.to_phe_number(private.public, paillier.encrypt(private.public, table, 40, 11))
    assert private.decrypt(paillier.from_phe_number(ours + ours * 3 + 2)) == 162


def test_keys_go_to_phe_and_back_without_loss(private: PrivateKey) -> None:
    back = paillier.from_phe_private(paillier.to_phe_private(private))
    assert (back.public, {back.p, back.q}) == (private.public, {private.p, private.q})
    assert paillier.from_phe_public(paillier.to_phe_public(private.public)) == private.public


def test_a_key_made_by_phe_works_here() -> None:
    _, theirs = phe.generate_paillier_keypair(n_length=512)
    ours = paillier.from_phe_private(theirs)
    number = theirs.public_key.encrypt(77)
    assert ours.decrypt(paillier.from_phe_number(number)) == 77
    table = FixedBase.for_work(ours.public, 300, 1)
    assert theirs.raw_decrypt(paillier.encrypt(ours.public, table, 78, 2**290 + 9)) == 78
