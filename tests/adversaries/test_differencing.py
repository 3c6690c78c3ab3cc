"""Differencing: sums over sets that differ by little are opened, and what they differ by comes out.

The sums are opened with real Paillier and real key shares, three of five holders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from house import House
from siege import BASE, Lab

from dapp.crypto.leverage import allowed, leverages, openable
from dapp.errors import CryptoError
from dapp.protocol import holder
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Notice, Tick, Work
from dapp.protocol.enums import CandidateState, Outcome, Phase, RoundKind
from dapp.protocol.view import Attestation, Candidate, bits
from dapp.protocol.work import ShareMade
from dapp.types import Address, Digest, Wei

Set = frozenset[int]
EIGHT = frozenset(range(8))
LEAST = 3
A, B = frozenset({0, 1, 2, 3}), frozenset({4, 5, 6, 7})
"""Disjoint sums: any two of A, B and A∪B∖{7} differ by three devices or more; all three give away device 7."""


def sets_of(devices: int) -> list[Set]:
    return [frozenset(c) for size in range(LEAST, devices + 1) for c in combinations(range(devices), size)]


def isolations(sets: Sequence[Set], reach: int = 2) -> Iterator[tuple[tuple[int, ...], dict[int, int]]]:
    """Whole combinations of sums, tried out one by one, in which fewer than the least number of devices are left;
    and those devices, each with its factor."""
    members = sorted(frozenset().union(*sets))
    for factors in product(range(-reach, reach + 1), repeat=len(sets)):
        weights = {k: sum(f for f, s in zip(factors, sets, strict=True) if k in s) for k in members}
        left = {k: weight for k, weight in weights.items() if weight}
        if 0 < len(left) < LEAST:
            yield factors, left


# The attacks work where holders share whatever they are asked


def test_the_attack_works_without_the_rule_on_two_sums_that_differ_by_one_device(lab: Lab) -> None:
    everyone, without = lab.sum(EIGHT), lab.sum(EIGHT - {5})
    difference = lab.open([1, 2, 3], everyone) - lab.open([3, 4, 5], without)
    assert (difference == lab.weights[5] * lab.units(5)).all(), "device 5's update, in the clear"


def test_the_attack_works_without_the_rule_on_three_sums_of_which_no_two_isolate_anybody(lab: Lab) -> None:
    three = (A, B, A | B - {7})
    for pair in combinations(three, 2):
        assert not list(isolations(pair, reach=4))
    first, second, both = (lab.open([1, 2, 3], lab.sum(s)) for s in three)
    assert (first + second - both == lab.weights[7] * lab.units(7)).all(), "device 7's update, in the clear"


def test_the_attack_works_without_attestation_as_two_t_minus_n_colluders_get_two_sums_opened_in_one_round(
    lab: Lab,
) -> None:
    """The design that this one replaced: each holder shares for the set that it saw. A device that serves its blob to
    half of the honest holders splits them, and one holder (2·3 − 5) who shares for both sets completes both."""
    saw_it, saw_it_not, colluder = [1, 2], [3, 4], 5
    with_it, without = lab.sum(EIGHT), lab.sum(EIGHT - {5})
    difference = lab.open([*saw_it, colluder], with_it) - lab.open([*saw_it_not, colluder], without)
    assert (difference == lab.weights[5] * lab.units(5)).all()


# The rule


def test_defended_no_pair_of_sums_that_the_rule_allows_isolates_a_device() -> None:
    """Every pair of sets over six devices, and every small combination of the two sums: 336 of 861 give away one device
    or the difference of two."""
    pairs = list(combinations(sets_of(6), 2))
    passed = {pair for pair in pairs if allowed([pair[0]], pair[1], LEAST)}
    isolating = {pair for pair in pairs if any(isolations(pair, reach=3))}
    assert (len(pairs), len(isolating)) == (861, 336)
    assert passed
    assert not passed & isolating


def test_defended_no_triple_of_sums_that_the_rule_allows_isolates_a_device() -> None:
    """Every triple over six devices whose sets were allowed one after the other."""
    sets = sets_of(6)
    passed = [
        (*pair, third)
        for pair in combinations(sets, 2)
        if allowed(pair[:1], pair[1], LEAST)
        for third in sets
        if third not in pair and allowed(pair, third, LEAST)
    ]
    assert passed
    assert not any(list(isolations(triple)) for triple in passed)


def test_defended_every_pair_that_differs_by_one_or_two_devices_is_refused(lab: Lab) -> None:
    for first, second in combinations(sets_of(5), 2):
        if len(first ^ second) < LEAST:
            assert "could be combined" in str(lab.refusal([first, second])), (first, second)
            (factors, left), *_ = isolations([first, second], reach=1)
            sums = [lab.unpack(lab.private.decrypt_many(lab.sum(s))) for s in (first, second)]
            combined = sum(f * s for f, s in zip(factors, sums, strict=True))
            secret = sum(factor * lab.weights[k] * lab.units(k) for k, factor in left.items())
            assert np.array_equal(combined, secret), "what the refusal keeps secret"


@pytest.mark.parametrize("gone", range(4, 8))
def test_defended_an_honest_holder_refuses_the_third_of_the_three_sums(lab: Lab, gone: int) -> None:
    assert lab.refusal([A]) is None
    assert lab.refusal([A, B]) is None
    assert lab.refusal([A, B, A | B]) is None, "it says nothing new"
    assert "fewer than 3 devices" in str(lab.refusal([A, B, (A | B) - {gone}]))
    assert "fewer than 3 devices" in str(lab.refusal([(A | B) - {gone}, A, B])), "in any order"


def test_defended_the_same_set_again_is_never_refused(lab: Lab) -> None:
    """A failed round is repeated on the same base."""
    assert lab.refusal([A, A, A]) is None


def test_defended_a_failed_round_and_its_retry_are_looked_at_together(lab: Lab) -> None:
    """Its sum was opened, its vote failed, and in the retry one device is missing: that difference would be its
    update. A round in which nobody shared counts for nothing."""
    opened = lab.round(0, EIGHT, outcome=Outcome.ABANDONED)
    unshared = lab.round(0, EIGHT, outcome=Outcome.ABANDONED, shared=False)
    retry = lab.round(1, EIGHT - {5}, shared=False)
    assert "could be combined" in str(holder.refusal(lab.holder([opened, retry]), retry))
    assert holder.refusal(lab.holder([unshared, retry]), retry) is None


def test_defended_a_share_that_was_made_and_kept_off_the_chain_counts_against_the_next_sum(lab: Lab) -> None:
    """An edge that is handed t shares and posts none of them may have opened the sum for itself."""
    hoarded = lab.round(0, EIGHT, outcome=Outcome.ABANDONED, shared=False)
    retry = lab.round(1, EIGHT - {5}, shared=False)
    unasked = lab.holder([hoarded, retry])
    asked = replace(unasked, made={0: ShareMade(BASE)})
    assert holder.refusal(unasked, retry) is None
    assert "could be combined" in str(holder.refusal(asked, retry))
    assert holder.refusal(replace(asked, made={1: ShareMade(BASE)}), retry) is None, "its own share is not against it"


def test_defended_a_junk_share_for_a_set_that_the_others_refuse_locks_nothing(lab: Lab) -> None:
    """It reaches the chain, and opens nothing; the whole cohort stays allowed, the refused set refused."""
    assert lab.refusal([EIGHT, EIGHT - {5}, EIGHT]) is None
    assert "could be combined" in str(lab.refusal([EIGHT, EIGHT - {5}, EIGHT - {5}]))
    assert openable([EIGHT, EIGHT - {5}, A, B], LEAST) == (EIGHT, A, B)


def test_defended_what_honest_holders_share_for_in_turn_isolates_nobody_whatever_junk_is_posted() -> None:
    """Every history of three sets over five devices: of those that ``openable`` keeps, no combination isolates."""
    kept = {openable(history, LEAST) for history in product(sets_of(5), repeat=3)}
    assert max(map(len, kept)) == 3
    assert not any(list(isolations(tuple(dict.fromkeys(sets)))) for sets in kept)


def test_defended_gradients_and_updates_are_different_secrets(lab: Lab) -> None:
    gradient = lab.round(0, EIGHT, kind=RoundKind.GRADIENT)
    update = lab.round(1, EIGHT - {5}, shared=False)
    assert holder.refusal(lab.holder([gradient, update]), update) is None


def test_defended_a_refusing_holder_says_so_and_makes_no_share(lab: Lab) -> None:
    """Its machine in the share phase of the retry: no work, no message, one notice."""
    earlier = lab.round(0, EIGHT, outcome=Outcome.ABANDONED, closed_at=1)
    candidate = Candidate(0, 0, Address(bytes(20)), bytes(32), Wei(1), CandidateState.OPENED, BASE, bytes(32))
    mask = sum(1 << k for k in EIGHT - {5})
    commits = {k: commit for k, (commit, _) in enumerate(lab.updates)}
    for included, refused in ((EIGHT - {5}, True), (EIGHT, False)):
        round_ = lab.round(
            1,
            included,
            shared=False,
            commits=commits,
            all_committed_at=1,
            attestations={i: Attestation(i, Address(bytes(20)), mask, Address(bytes(20))) for i in range(5)},
            all_attested_at=2,
            candidates={0: candidate},
            all_opened_at=3,
        )
        terms = lab.facts.terms
        now = round_.deadlines(terms).challenge_end + terms.windows.share // 2
        assert round_.phase(terms, now) == Phase.SHARE
        _, effects = holder.step(lab.holder([earlier, round_]), Tick(now, 1))
        assert [type(effect) for effect in effects] == [Notice if refused else Work]


def test_defended_too_few_colluders_open_nothing_that_the_honest_refuse(lab: Lab) -> None:
    """Fewer than t holders hold nothing; t colluders hold everything: that is what the threshold means."""
    total = lab.sum(EIGHT - {5})
    with pytest.raises(CryptoError, match="hold no 3"):
        lab.open([1, 2], total)
    assert (lab.open([1, 2, 3], total) == lab.unpack(lab.private.decrypt_many(total))).all()


# The included set


def test_defended_one_round_has_one_included_set_whoever_saw_what(house: House) -> None:
    """A device that serves its blob to some of the holders splits nobody: who is marked by t of them is in."""
    drive = house.start().to_publish()
    everyone, without_two = 0b1111, 0b1011
    drive.attest(everyone, [0, 1])
    drive.attest(without_two, [2, 3])
    drive.advance("publish_end")
    house.mining.send(house.anyone, "fixIncluded", *drive.place)
    assert house.mining.read("includedSet", *drive.place)[:2] == (without_two, 3)


def test_defended_a_holder_shares_once_a_round(house: House) -> None:
    drive = house.start().to_share()
    drive.share([0])
    again = drive.share([0])
    assert [event.name for event in again.events] == ["MessageSkipped"]


# What sets of this kind cannot hide


def test_bounded_leverage_over_all_sums_is_at_most_one_in_min_devices() -> None:
    """1 is isolation, 1/m is what one sum of m devices tells; no allowed history goes above 1/3."""
    sets = sets_of(6)
    for first, second in combinations(sets, 2):
        if allowed([first], second, LEAST):
            assert max(leverages([first, second]).values()) <= Fraction(1, LEAST)
    assert leverages([EIGHT, EIGHT - {5}])[5] == 1


def test_known_gap_sums_on_moving_models_are_not_compared(lab: Lab) -> None:
    """Where the model moved little, two updates of a device are alike, and so are the sums without it. Its cure is
    noise; the leverage over the whole task, as if the model stood still, is reported with every round."""
    earlier = lab.round(0, EIGHT)
    moved = BlobRef(Digest(bytes(32)), 2000)
    later = replace(lab.round(1, EIGHT - {5}, shared=False), base=moved)
    assert holder.refusal(lab.holder([earlier, later]), later) is None
    still = leverages([frozenset(bits(r.included or 0)) for r in (earlier, later)])
    assert still[5] == 1
