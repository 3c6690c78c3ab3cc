"""Small keys, made once: 512 bits are enough to show what must hold, and fast."""

from __future__ import annotations

from random import Random

import pytest

from dapp.crypto.paillier import FixedBase, PrivateKey, PublicKey, RandomBits, exponent_bits, generate


@pytest.fixture
def random() -> RandomBits:
    return Random(7).getrandbits


@pytest.fixture(scope="session")
def private() -> PrivateKey:
    return generate(512, random=Random(1).getrandbits, allow_small=True)


@pytest.fixture(scope="session")
def public(private: PrivateKey) -> PublicKey:
    return private.public


@pytest.fixture(scope="session")
def table(public: PublicKey) -> FixedBase:
    return FixedBase.for_work(public, exponent_bits(public, 1000, 10), count=100)
