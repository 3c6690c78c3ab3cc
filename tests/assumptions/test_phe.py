"""What we believe of phe 1.5, the library that ours is compared with, one statement a test."""

from __future__ import annotations

import math
from importlib.metadata import version

import phe
import pytest
from phe import util

BITS = 1024


@pytest.fixture(scope="module")
def keys() -> tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey]:
    return phe.generate_paillier_keypair(n_length=BITS)


def test_it_is_the_version_that_we_measured() -> None:
    assert version("phe").startswith("1.5")


def test_it_uses_gmpy2_where_it_is_installed() -> None:
    assert util.HAVE_GMP


def test_its_generator_is_n_plus_1_so_that_our_ciphertexts_are_its_ciphertexts(
    keys: tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey],
) -> None:
    public, private = keys
    n, nn = public.n, public.nsquare
    assert public.g == n + 1
    r, m = 12_345, 67_890
    ours = (1 + n * m) * pow(r, n, nn) % nn
    assert public.raw_encrypt(m, r_value=r) == ours
    assert private.raw_decrypt(ours) == m


def test_a_product_of_ciphertexts_is_the_sum_and_a_power_the_multiple(
    keys: tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey],
) -> None:
    public, private = keys
    c = public.raw_encrypt(20) * pow(public.raw_encrypt(11), 2, public.nsquare) % public.nsquare
    assert private.raw_decrypt(c) == 42


def test_its_primes_have_half_the_bits_each_and_need_not_be_safe(
    keys: tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey],
) -> None:
    public, private = keys
    assert private.p * private.q == public.n
    assert public.n.bit_length() == BITS
    assert {private.p.bit_length(), private.q.bit_length()} == {BITS // 2}
    unsafe = [p for p in (private.p, private.q) if not util.is_prime((p - 1) // 2)]
    assert unsafe, "a safe prime among random ones is a chance of about one in 350"


def test_the_exponent_beside_a_float_tells_its_magnitude_to_everybody(
    keys: tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey],
) -> None:
    public, _ = keys
    assert public.encrypt(1e-9).exponent < public.encrypt(1.0).exponent < public.encrypt(1e20).exponent


def test_it_takes_a_number_for_a_ciphertext_that_is_none(
    keys: tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey],
) -> None:
    """No check that a ciphertext is coprime to n: ours refuses it."""
    public, private = keys
    assert math.gcd(private.p, public.n) > 1
    phe.EncryptedNumber(public, private.p)
