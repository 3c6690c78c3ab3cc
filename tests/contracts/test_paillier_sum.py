"""One wrong position convicts an edge; nothing convicts an honest one."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from evm import ETHER, Refused
from house import House
from sums import NOTHING, Sums, plain

from dapp.chain.codec import encode_call
from dapp.chain.keys import Account, Transaction
from dapp.chain.node import Reverted
from dapp.crypto import fraud, merkle
from dapp.protocol.enums import CandidateState, Outcome, Phase, Weighting
from dapp.protocol.records import Ballot, Leaf, Partial
from dapp.types import Wei

EMPTY = 2
"""A slot that nobody took."""


def refused(act: Any, *arguments: Any, **named: Any) -> tuple[Any, ...]:
    with pytest.raises(Refused) as caught:
        act(*arguments, **named)
    return caught.value.name, *caught.value.values


def small(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


# An honest candidate


@pytest.mark.parametrize("weighting", Weighting)
@pytest.mark.parametrize("bits", [512, 520])
def test_a_right_sum_is_never_struck_out_at_any_position(house: House, weighting: Weighting, bits: int) -> None:
    checked = 0
    for seed in range(3):
        with house.supposing():
            encoding = {"ciphertexts": 25, "weighting": weighting}
            sums = Sums.start(house, count=25, bits=bits, seed=seed, encoding=encoding)
            sums.judged(sums.right())
            for position in range(25):
                arguments = sums.proof(position)
                assert refused(house.paillier_sum.read, "strikeOut", *arguments)[0] == "PaillierSumHolds"
                assert not sums.verdict(position)
                checked += 1
    assert checked == 75


def test_a_right_sum_is_not_struck_out_with_however_little_gas(house: House) -> None:
    """A precompile that fails, or returns nothing, convicts nobody."""
    sums = Sums.start(house)
    sums.judged(sums.right())
    entry = house.paillier_sum.abi.functions["strikeOut"]
    data, chain, account = encode_call(entry, sums.proof(3)), house.evm.chain, house.anyone
    outcomes = set()
    for gas in range(120_000, 620_000, 12_500):
        nonce = chain.nonce(account.address)
        sent = Transaction(chain.chain_id, nonce, Wei(0), Wei(10**10), gas, house.paillier_sum.address, Wei(0), data)
        with pytest.raises(Reverted) as caught:
            chain.send(account.sign(sent))
        outcomes.add(caught.value.data[:4])
    errors = {house.paillier_sum.abi.errors[selector].name for selector in outcomes if selector}
    assert "PaillierSumHolds" in errors, "the last ones had enough"
    assert sums.candidate(0).state == CandidateState.OPENED


def test_a_lie_elsewhere_does_not_convict_where_it_is_right(house: House) -> None:
    sums = Sums.start(house)
    right = sums.right()
    sums.judged([*right[:-1], right[-1] ^ 1])
    assert refused(sums.strike, 0)[0] == "PaillierSumHolds"
    sums.strike(4)


# Lies


def off_by_one(sums: Sums, right: list[int]) -> int:
    return right[1] - 1


def another_positions(sums: Sums, right: list[int]) -> int:
    return right[2]


def a_factor_too_many(sums: Sums, right: list[int]) -> int:
    return right[1] * 3 % sums.public.n_squared


def a_plaintext_more(sums: Sums, right: list[int]) -> int:
    return right[1] * (1 + sums.public.n) % sums.public.n_squared


def zero(sums: Sums, right: list[int]) -> int:
    return 0


def a_weight_more(sums: Sums, right: list[int]) -> int:
    return right[1] * sums.columns[2][1] % sums.public.n_squared


def no_weights(sums: Sums, right: list[int]) -> int:
    product = 1
    for column in sums.columns.values():
        product = product * column[1] % sums.public.n_squared
    return product


def a_missing_device(sums: Sums, right: list[int]) -> int:
    n2 = sums.public.n_squared
    return right[1] * pow(sums.columns[0][1], -sums.weights[0], n2) % n2


def modulo_n_only(sums: Sums, right: list[int]) -> int:
    return right[1] % sums.public.n


def not_reduced(sums: Sums, right: list[int]) -> int:
    return right[1] + sums.public.n_squared


LIES = (
    off_by_one,
    another_positions,
    a_factor_too_many,
    a_plaintext_more,
    zero,
    a_weight_more,
    no_weights,
    a_missing_device,
    modulo_n_only,
)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_every_lie_about_a_position_is_struck_out(house: House, lie: Any) -> None:
    sums = Sums.start(house)
    right = sums.right()
    sums.judged([right[0], lie(sums, right), *right[2:]])
    assert sums.verdict(1)
    sums.strike(1)
    assert sums.candidate(0).state == CandidateState.STRUCK


def test_a_device_that_is_not_included_must_not_be_in_the_sum(house: House) -> None:
    sums = Sums.start(house)
    with_all = sums.right()
    sums.to_publish()
    sums.attest(0b0111)
    sums.advance("publish_end")
    edge = house.edges[0]
    sums.claims[edge.address] = with_all
    sums.seal(edge)
    sums.advance("seal_end")
    sums.open(edge, 0)
    assert refused(sums.strike, 0, factors=sums.factors(0, range(4)))[0] == "PaillierSumNotIncluded"
    sums.strike(0)
    assert sums.candidate(0).state == CandidateState.STRUCK


def test_a_number_of_n_squared_or_more_needs_no_devices(house: House) -> None:
    sums = Sums.start(house, bits=513)
    right = sums.right()
    sums.judged([not_reduced(sums, right), *right[1:]])
    assert sums.verdict(0)
    sums.strike(0, factors=())
    assert sums.candidate(0).state == CandidateState.STRUCK


@pytest.mark.parametrize("count", [1, 2, 4, 6, 9])
def test_too_many_or_too_few_ciphertexts_show_in_a_branch(house: House, count: int) -> None:
    sums = Sums.start(house)
    claimed = [*sums.right(), *sums.columns[0]][:count]
    sums.judged(claimed)
    position = fraud.lie(sums.public, sums.data(sums.right()), sums.data(claimed))
    assert position is not None
    assert sums.verdict(position)
    sums.strike(position, factors=())
    assert sums.candidate(0).state == CandidateState.STRUCK


def test_contract_and_twin_agree_on_random_claims(house: House) -> None:
    random = Random(5)
    for seed in range(2):
        with house.supposing():
            sums = Sums.start(house, seed=seed, count=8)
            right = sums.right()
            claims = [[c if random.random() < 0.5 else random.choice(right) for c in right] for _ in range(3)]
            sums.judged(*claims)
            for slot, claimed in enumerate(claims):
                for position in range(8):
                    assert sums.verdict(position, slot) == (claimed[position] != right[position])
                    arguments = sums.proof(position, slot)
                    if sums.verdict(position, slot):
                        house.paillier_sum.read("strikeOut", *arguments)
                    else:
                        assert refused(house.paillier_sum.read, "strikeOut", *arguments)[0] == "PaillierSumHolds"


# Proofs that are none


@pytest.fixture
def lied(house: House) -> Sums:
    """A candidate that is wrong at position 1, so that only the proof can be at fault."""
    sums = Sums.start(house)
    right = sums.right()
    return sums.judged([right[0], off_by_one(sums, right), *right[2:]])


def test_another_keys_modulus_is_refused(lied: Sums) -> None:
    n = lied.public.n
    for other in (n + 2, n * n, n + (1 << 600)):
        facts = lied.facts(n=other.to_bytes((other.bit_length() + 7) // 8, "big"))
        assert refused(lied.strike, 1, facts=facts)[0] == "PaillierSumWrongKey"
    padded = lied.facts(n=b"\0" + lied.facts().n)
    assert refused(lied.strike, 1, facts=padded)[0] == "PaillierSumWrongKey"


def test_other_terms_are_refused(lied: Sums) -> None:
    terms = replace(lied.terms, encoding=replace(lied.terms.encoding, weighting=Weighting.DEVICE))
    assert refused(lied.strike, 1, facts=lied.facts(terms=terms))[0] == "PaillierSumWrongTerms"


def test_a_leaf_must_lie_under_its_own_root_at_its_own_position(lied: Sums) -> None:
    owner = lied.house.edges[0].address
    for candidate in (
        lied.leaf(lied.claim(lied.house.edges[0]), 2),
        lied.leaf(lied.columns[0], 1),
        replace(lied.leaf(lied.claim(lied.house.edges[0]), 1), branch=()),
    ):
        name, address, position = refused(lied.strike, 1, candidate=candidate)
        assert (name, small(address), position) == ("PaillierSumBadLeaf", owner, 1)


@pytest.mark.parametrize("position", [0, 1])
def test_an_inner_node_is_no_leaf(lied: Sums, position: int) -> None:
    """Its two halves are 64 bytes, as many as a position and a ciphertext of 60 bytes would be."""
    width, data = lied.public.ciphertext_bytes, lied.data(lied.claim(lied.house.edges[0]))
    leaves = [merkle.ciphertext_leaf(i, data[i * width : (i + 1) * width]) for i in range(5)]
    pair = b"".join(sorted(leaves[:2]))
    branch = merkle.branch(leaves, 0)[1:]
    assert merkle.verify(merkle.keccak256(pair), branch, merkle.root(leaves))
    shown = Leaf(pair[4:], tuple(branch))
    at = int.from_bytes(pair[:4], "big")
    assert refused(lied.strike, at, candidate=shown, factors=())[0] == "PaillierSumBadLeaf"


def test_factors_are_the_included_devices_each_once_with_what_it_committed_to(lied: Sums) -> None:
    first, second, third, fourth = lied.factors(1)
    address = lied.house.devices[1].address
    wrong = {
        "PaillierSumBadLeaf": (first, replace(second, leaf=third.leaf), third, fourth),
        "PaillierSumNotCommitted": (first, replace(second, update=third.update), third, fourth),
        "PaillierSumNotIncluded": (first, second, second, third, fourth),
    }
    for name, factors in wrong.items():
        said, who, *_ = refused(lied.strike, 1, factors=factors)
        assert (said, small(who)) == (name, address)
    other_position = replace(second, leaf=lied.leaf(lied.columns[1], 2))
    assert refused(lied.strike, 1, factors=(first, other_position, third, fourth))[0] == "PaillierSumBadLeaf"
    assert refused(lied.strike, 1, factors=(first, third)) == ("PaillierSumIncomplete", 0b1010)
    stranger = replace(second, device=lied.house.devices[7].address)
    assert refused(lied.strike, 1, factors=(first, stranger, third, fourth))[0] == "PaillierSumNotIncluded"


def test_an_update_of_another_round_is_refused(lied: Sums) -> None:
    lied.strike(1)
    lied.close()
    again = lied.house.open(lied.task_id, lied.terms)
    later = Sums(lied.house, lied.task_id, again.number, lied.terms, public=lied.public, columns=lied.columns)
    right = later.right()
    later.judged([right[0] ^ 1, *right[1:]])
    assert refused(later.strike, 0, factors=lied.factors(0))[0] == "PaillierSumNotCommitted"
    assert refused(later.strike, 0, facts=lied.facts())[0] == "PaillierSumBadLeaf"
    later.strike(0)


def test_a_place_without_a_candidate_is_refused(lied: Sums) -> None:
    candidate = lied.leaf(lied.claim(lied.house.edges[0]), 1)
    assert refused(lied.strike, 1, EMPTY, candidate=candidate)[0] == "PaillierSumBadLeaf"


def test_more_than_32_devices_in_one_transaction_are_refused(lied: Sums) -> None:
    factors = lied.factors(1) * 9
    assert refused(lied.strike, 1, factors=factors[:33]) == ("PaillierSumTooManyFactors", 33, 32)


# When, by whom, and what for


def test_only_the_contract_that_checks_proofs_strikes_out_and_excludes(lied: Sums) -> None:
    mining, anyone = lied.house.mining, lied.house.anyone
    for function, arguments in (
        ("strikeOut", (0, anyone.address)),
        ("excludeUpdate", (anyone.address, 0, anyone.address)),
    ):
        name, who = refused(mining.send, anyone, function, *lied.place, *arguments)
        assert (name, small(who)) == ("MiningNotProver", anyone.address)


def test_half_of_the_bond_goes_to_who_proved_it_and_half_is_burnt(house: House) -> None:
    sums = Sums.start(house)
    right = sums.right()
    sums.to_seal()
    edge, burnt = house.edges[0], small("0x000000000000000000000000000000000000dEaD")
    sums.claims[edge.address] = [right[0] ^ 1, *right[1:]]
    sums.seal(edge, bond=ETHER + 1)
    sums.advance("seal_end")
    sums.open(edge, 0)
    event = sums.strike(0, by=house.edges[3]).event("CandidateStruckOut")
    assert (event["slot"], event["reward"], small(event["by"])) == (0, ETHER // 2, house.edges[3].address)
    assert house.credit(house.edges[3]) == ETHER // 2
    assert house.credit(burnt) == ETHER // 2 + 1
    assert house.solvent()


def test_a_candidate_is_struck_out_once(lied: Sums) -> None:
    lied.strike(1)
    assert refused(lied.strike, 1) == ("MiningUnknownCandidate", 0)


def test_not_before_opening_has_ended(house: House) -> None:
    sums = Sums.start(house)
    right = sums.right()
    sums.to_open(edges=2)
    edge = house.edges[0]
    assert sums.phase == Phase.OPEN
    sums.claims[edge.address] = right
    sums.open(edge, 0)
    facts = sums.proof(0, facts=sums.facts())
    assert refused(house.paillier_sum.read, "strikeOut", *facts)[0] == "PaillierSumHolds", "it is judged, and right"
    with house.supposing():
        too_many = Sums.start(house, seed=1)
        wrong = too_many.right() * 2
        too_many.to_seal()
        for other in house.edges[:2]:
            too_many.claims[other.address] = wrong
            too_many.seal(other)
        too_many.advance("seal_end")
        too_many.open(house.edges[0], 0)
        assert refused(too_many.strike, 7, factors=()) == ("MiningWrongPhase", Phase.OPEN, Phase.CHALLENGE)


def test_what_a_panel_called_valid_can_be_struck_out_until_the_round_is_closed(lied: Sums) -> None:
    lied.advance("challenge_end")
    lied.share(range(lied.terms.key.threshold))
    lied.post_opening(lied.house.edges[0])
    lied.advance("opening_end")
    lied.vote(Ballot(1, 0, 1, 0))
    assert lied.outcome == Outcome.ACCEPTED
    lied.strike(1)
    assert lied.outcome == Outcome.NOT_OPENED
    lied.close()
    assert lied.round.result == bytes(32)
    settle = lied.house.mining.send
    assert refused(settle, lied.house.anyone, "settleCandidateBond", *lied.place, 0)[0] == "MiningNothingToClaim"
    assert refused(settle, lied.house.anyone, "claimEdgePayFor", *lied.place)[0] == "MiningNothingToClaim"
    devices = lied.house.learning.send(
        lied.house.anyone, "claimDevicePayFor", *lied.place, lied.house.devices[0].address
    )
    assert devices.event("DevicePaid")["amount"] > 0, "the sum was opened: its devices are paid"


def test_not_once_the_round_is_closed(lied: Sums) -> None:
    lied.advance("challenge_end")
    lied.advance("share_end")
    lied.vote(Ballot(0, 1, 0, 0))
    lied.close()
    assert refused(lied.strike, 1) == ("MiningWrongPhase", Phase.CLOSED, Phase.CHALLENGE)


def test_the_next_valid_candidate_wins_in_its_place(house: House) -> None:
    sums = Sums.start(house)
    right = sums.right()
    sums.judged([right[0] ^ 1, *right[1:]], right)
    sums.advance("challenge_end")
    sums.share(range(sums.terms.key.threshold))
    sums.post_opening(house.edges[1])
    sums.advance("opening_end")
    sums.vote(Ballot(0b11, 0, 1, 0))
    sums.strike(0)
    assert sums.outcome == Outcome.ACCEPTED
    sums.close()
    paid = house.mining.send(house.anyone, "claimEdgePayFor", *sums.place).event("EdgePaid")
    assert small(paid["edge"]) == house.edges[1].address


def test_without_another_candidate_the_round_closes_at_once_and_nothing_is_held_back(lied: Sums) -> None:
    lied.strike(1)
    assert (lied.phase, lied.outcome) == (Phase.VOTE, Outcome.NOT_OPENED)
    case = lied.house.mining.address, lied.key, 0
    refusal = refused(lied.house.verification.send, lied.house.anyone, "summon", *case)
    assert refusal[0] == "VerificationSlateNotReady"
    lied.close()
    assert lied.house.pot(lied.key) == 0
    assert lied.house.solvent()


def test_a_struck_edge_loses_its_first_right_to_open(house: House) -> None:
    sums = Sums.start(house)
    right = sums.right()
    sums.judged([right[0] ^ 1, *right[1:]], right)
    sums.strike(0)
    sums.advance("challenge_end")
    sums.share(range(sums.terms.key.threshold))
    assert refused(sums.post_opening, house.edges[0])[0] == "MiningNotYetOpenToAll"
    sums.post_opening(house.edges[1])


# A product in several transactions


def test_a_product_is_begun_in_one_transaction_and_ended_in_another(lied: Sums) -> None:
    first = lied.multiply(1, NOTHING, [2])
    assert first.remaining == 0b1011
    second = lied.multiply(1, first, [0, 3])
    assert second.remaining == 0b0010
    lied.strike(1, before=second, factors=lied.factors(1, [1]))
    assert lied.candidate(0).state == CandidateState.STRUCK


def test_a_right_sum_holds_in_several_transactions_too(house: House) -> None:
    sums = Sums.start(house)
    sums.judged(sums.right())
    begun = sums.multiply(2, NOTHING, [1, 3])
    assert refused(sums.strike, 2, before=begun, factors=sums.factors(2, [0, 2]))[0] == "PaillierSumHolds"
    whole = sums.multiply(2, begun, [2, 0])
    assert refused(sums.strike, 2, before=whole, factors=())[0] == "PaillierSumHolds"


def test_what_was_begun_is_its_owners_its_positions_and_cannot_be_changed(lied: Sums) -> None:
    begun = lied.multiply(1, NOTHING, [0, 1])
    rest = lied.factors(1, [2, 3])
    changed = replace(begun, product=begun.product[:-1] + bytes([begun.product[-1] ^ 1]))
    for before in (changed, replace(begun, remaining=0b1111), replace(begun, remaining=0b1000)):
        assert refused(lied.strike, 1, before=before, factors=rest)[0] == "PaillierSumWrongPartial"
    assert refused(lied.strike, 1, by=lied.house.edges[2], before=begun, factors=rest)[0] == "PaillierSumWrongPartial"
    elsewhere = lied.factors(2, [2, 3])
    assert refused(lied.strike, 2, before=begun, factors=elsewhere)[0] == "PaillierSumWrongPartial"
    again = lied.factors(1, [0, 2, 3])
    assert refused(lied.strike, 1, before=begun, factors=again)[0] == "PaillierSumNotIncluded"
    lied.strike(1, before=begun, factors=rest)


def test_nothing_is_multiplied_before_the_included_set_is_fixed(house: House) -> None:
    sums = Sums.start(house).to_publish()
    arguments = plain(sums.facts(), 0, NOTHING, sums.factors(0))
    assert refused(house.paillier_sum.send, house.anyone, "multiply", *arguments)[0] == "PaillierSumNotFixed"


def test_a_product_of_nothing_is_not_begun(house: House) -> None:
    """It would be kept as 0, and 0 times whatever comes later is not what an honest edge has."""
    sums = Sums.start(house)
    sums.judged(sums.right())
    arguments = plain(sums.facts(), 1, NOTHING, ())
    assert refused(house.paillier_sum.send, house.anyone, "multiply", *arguments) == ("PaillierSumIncomplete", 0b1111)
    zero = Partial(0b1111, fraud.partial_bytes(sums.public, 0))
    assert refused(sums.strike, 1, before=zero)[0] == "PaillierSumWrongPartial"
    assert refused(sums.strike, 1, factors=()) == ("PaillierSumIncomplete", 0b1111)
    assert sums.candidate(0).state == CandidateState.OPENED


def test_what_was_begun_can_be_read(lied: Sums) -> None:
    begun = lied.multiply(1, NOTHING, [0])
    read = lied.house.paillier_sum.read("partialOf", lied.house.anyone.address, *lied.place, 1)
    assert read == fraud.commitment(begun.remaining, begun.product)
    assert lied.house.paillier_sum.read("partialOf", lied.house.edges[0].address, *lied.place, 1) == bytes(32)


# Updates that are not what was committed


def exclude(sums: Sums, device: int, by: Account | None = None, blob: bytes | None = None, **changes: Any) -> Any:
    who, update = sums.house.devices[device].address, replace(sums.update(device), **changes)
    arguments = plain(sums.facts(), who, update, sums.blob(device) if blob is None else blob)
    return sums.house.paillier_sum.send(by or sums.house.anyone, "excludeUpdate", *arguments)


@pytest.fixture
def forked(house: House) -> Sums:
    """Device 2 committed to a root over other ciphertexts than it published."""
    sums = Sums.start(house)
    other = [*sums.columns[2][:-1], 7]
    sums.roots[2] = merkle.ciphertext_root(sums.public, sums.data(other))
    return sums.to_publish()


def test_a_device_whose_update_has_another_root_is_left_out_whoever_marked_it(forked: Sums) -> None:
    event = exclude(forked, 2).event("UpdateExcluded")
    assert (event["index"], small(event["device"])) == (2, forked.house.devices[2].address)
    assert forked.house.mining.read("excludedSet", *forked.place) == 0b0100
    forked.attest(0b1111)
    forked.house.mining.send(forked.house.anyone, "fixIncluded", *forked.place)
    assert forked.progress.included_mask == 0b1011


def test_who_marked_it_before_is_not_heard_either(forked: Sums) -> None:
    forked.attest(0b1111, holders=range(3))
    exclude(forked, 2)
    forked.advance("publish_end")
    forked.house.mining.send(forked.house.anyone, "fixIncluded", *forked.place)
    assert forked.progress.included_mask == 0b1011


def test_an_honest_device_is_not_excluded(forked: Sums) -> None:
    for device in (0, 1, 3):
        name, who = refused(exclude, forked, device)
        assert (name, small(who)) == ("PaillierSumHolds", forked.house.devices[device].address)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 33])
def test_roots_of_any_size_are_computed_as_devices_do(house: House, count: int) -> None:
    sums = Sums.start(house, count=count).to_publish()
    assert refused(exclude, sums, 0)[0] == "PaillierSumHolds"


def test_only_the_bytes_that_were_committed_convict(forked: Sums) -> None:
    blob = forked.blob(2)
    for other in (blob[:-1] + b"\0", blob + b"\0", b""):
        assert refused(exclude, forked, 2, blob=other)[0] == "PaillierSumWrongBlob"
    assert refused(exclude, forked, 2, root=bytes(32))[0] == "PaillierSumNotCommitted"


def test_an_update_too_short_for_its_ciphertexts_is_excluded(house: House) -> None:
    sums = Sums.start(house)
    sums.columns[1] = sums.columns[1][:2]
    sums.to_publish()
    exclude(sums, 1)
    assert house.mining.read("excludedSet", *sums.place) == 0b0010


def test_exclusion_belongs_into_the_publish_phase(forked: Sums) -> None:
    forked.attest(0b1111)
    assert refused(exclude, forked, 2) == ("MiningWrongPhase", Phase.SEAL, Phase.PUBLISH)


def test_too_few_left_fail_the_round(house: House) -> None:
    sums = Sums.start(house, weights=(5, 6, 7))
    sums.roots[0] = bytes(32)
    sums.to_publish()
    exclude(sums, 0)
    sums.attest(0b111)
    assert (sums.phase, sums.outcome) == (Phase.VOTE, Outcome.TOO_FEW)
