"""Malformed ciphertexts and keys: c = 0, c ≥ n², c sharing a factor with n, wrong counts; keys that leak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import gmpy2
import pytest
from attackers import MALFORMER
from evm import Refused
from house import House
from siege import Lab, Siege, ciphertexts_of, with_ciphertexts

from dapp.crypto.paillier import PublicKey, weighted_product
from dapp.errors import BlobError, CryptoError, KeyTooSmall
from dapp.protocol.blobs import UpdateBlob
from dapp.protocol.enums import Outcome

FAULTS: dict[str, tuple[Callable[[Lab], int], str]] = {
    "0": (lambda _: 0, "not in 0 < c < n²"),
    "n²": (lambda lab: lab.public.n_squared, "not in 0 < c < n²"),
    "n² + 1": (lambda lab: lab.public.n_squared + 1, "not in 0 < c < n²"),
    "n": (lambda lab: lab.public.n, "shares a factor with n"),
    "a multiple of p": (lambda lab: 5 * lab.private.p, "shares a factor with n"),
    "−c, of Jacobi symbol +1, known to nobody": (
        lambda lab: lab.public.n_squared - ciphertexts_of(lab.public, own(lab))[1],
        "proof of plaintext knowledge fails",
    ),
    "a unit of Jacobi symbol −1": (
        lambda lab: next(c for c in range(2, 50) if gmpy2.jacobi(c, lab.public.n) == -1),
        "Jacobi symbol −1",
    ),
    "1, whose plaintext everybody knows": (lambda _: 1, "proof of plaintext knowledge fails"),
}


def own(lab: Lab) -> UpdateBlob:
    return UpdateBlob.decode(lab.updates[0][1])


@pytest.mark.parametrize("fault", FAULTS)
def test_defended_a_malformed_ciphertext_is_refused(lab: Lab, fault: str) -> None:
    make, reason = FAULTS[fault]
    blob = with_ciphertexts(lab.public, own(lab), [ciphertexts_of(lab.public, own(lab))[0], make(lab)])
    with pytest.raises(CryptoError, match=reason):
        lab.check(*lab.committed(0, blob))


def test_the_attack_works_where_nobody_checks(lab: Lab) -> None:
    """One ciphertext 0 makes the whole sum 0: nothing could be opened any more."""
    assert weighted_product(lab.public, [ciphertexts_of(lab.public, own(lab)), [0, 0]], [1, 1]) == [0, 0]


@pytest.mark.parametrize("change", ["one too few", "one too many", "cut", "none"])
def test_defended_a_wrong_count_of_ciphertexts_is_refused(lab: Lab, change: str) -> None:
    blob, width = own(lab), lab.public.ciphertext_bytes
    data = {
        "one too few": blob.ciphertexts[width:],
        "one too many": blob.ciphertexts + blob.ciphertexts[:width],
        "cut": blob.ciphertexts[:-1],
        "none": b"",
    }[change]
    with pytest.raises(BlobError, match="ciphertexts"):
        lab.check(*lab.committed(0, replace(blob, ciphertexts=data)))


def test_defended_ciphertexts_other_than_committed_are_refused(lab: Lab) -> None:
    commit, data = lab.updates[0]
    with pytest.raises(BlobError, match="Merkle root"):
        lab.check(replace(commit, root=bytes(32)), data)


@pytest.mark.parametrize("length", [0, 1, 40])
def test_defended_a_truncated_update_is_refused(lab: Lab, length: int) -> None:
    commit, data = lab.updates[0]
    with pytest.raises(BlobError):
        lab.check(commit, data[:length])


def test_defended_malformed_updates_are_named_and_the_rounds_close_without_them(siege: Siege) -> None:
    for holder in range(5):
        mine = [text for text in siege.stage.faults(f"holder {holder}") if f"device {MALFORMER}" in text]
        assert [("0 < c < n²" in text, "factor with n" in text) for text in mine] == [(True, False), (False, True)]
    assert [round_.outcome for round_ in siege.rounds] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert not any((round_.included or 0) >> MALFORMER & 1 for round_ in siege.rounds)
    assert not any(("device", siege.address(MALFORMER)) in round_.paid for round_ in siege.rounds)


def test_defended_keys_that_cannot_be_honest_are_refused(lab: Lab) -> None:
    p, q = lab.private.p, lab.private.q
    keys = {
        2 * p * q: "even",
        3 * p * q: "prime factor below",
        5 * 11 * p * q: "prime factor below",
        p * p: "perfect power",
        -p * q: "not positive",
        int(gmpy2.next_prime(4 * p * q)): "1 mod 4|prime",
    }
    for n, reason in keys.items():
        with pytest.raises(CryptoError, match=reason):
            PublicKey(n).check(allow_small=True)
    with pytest.raises(KeyTooSmall, match="512 bits; at least 2048"):
        lab.public.check()


def test_defended_terms_with_a_key_below_the_deployments_least_are_refused(house: House) -> None:
    with pytest.raises(Refused) as refused:
        house.create(house.terms(key={"bits": 511}))
    assert refused.value.name == "LearningTermOutOfBounds"
    assert refused.value.values[0].rstrip(b"\0") == b"key.bits"


def test_known_gap_the_dealer_of_a_key_knows_its_factors(lab: Lab) -> None:
    """Whoever deals a key can read every update: the demo's dealer says so. A key without a dealer comes later."""
    read = lab.private.decrypt_many(ciphertexts_of(lab.public, own(lab)))
    assert (lab.unpack(read) == lab.units(0)).all()
