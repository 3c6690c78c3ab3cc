"""Every outcome pays whom it must, takes bonds only from whom the panel called invalid or wrong, and leaves the escrow
solvent with nothing in the round's pots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from evm import ETHER, Refused
from house import FUNDS, OVERFLOW, Drive, House, mask

from dapp.crypto.merkle import keccak256
from dapp.protocol.enums import CandidateState, Outcome, Phase, Status
from dapp.protocol.records import Ballot

BURNT = bytes.fromhex("000000000000000000000000000000000000dead")


def bonds_pot(drive: Drive) -> bytes:
    """keccak256(abi.encode(key, "bonds"))"""
    words = drive.key, (64).to_bytes(32, "big"), (5).to_bytes(32, "big"), b"bonds".ljust(32, b"\0")
    return keccak256(b"".join(words))


def attempt(call: Callable[[], object]) -> bool:
    try:
        call()
    except Refused as refused:
        if refused.name.endswith("NothingToClaim"):
            return False
        raise
    return True


def claim_all(drive: Drive) -> Counter[str]:
    """Claims and settles everything that anybody could ask for; gives how often each was granted."""
    house, place, anyone = drive.house, drive.place, drive.house.anyone
    granted: Counter[str] = Counter()
    calls: list[tuple[str, Callable[[], object]]] = [
        ("edge", lambda: house.mining.send(anyone, "claimEdgePayFor", *place)),
        ("opener", lambda: house.mining.send(anyone, "claimOpenerPayFor", *place)),
    ]
    for device in house.devices:
        calls.append(("device", lambda d=device: house.learning.send(anyone, "claimDevicePayFor", *place, d.address)))
    for holder in range(len(house.holders)):
        calls.append(("holder", lambda h=holder: house.mining.send(anyone, "claimHolderPayFor", *place, h)))
    for edge in house.edges:
        calls.append(("commits", lambda e=edge: house.learning.send(anyone, "claimRelayPayFor", *place, e.address)))
        calls.append(("relay", lambda e=edge: house.mining.send(anyone, "claimRelayPayFor", *place, e.address)))
    for slot in range(8):
        calls.append(("candidate", lambda s=slot: house.mining.send(anyone, "settleCandidateBond", *place, s)))
    for index in range(4):
        calls.append(("opening", lambda i=index: house.mining.send(anyone, "settleOpeningBond", *place, i)))
    for name, call in calls:
        granted[name] += attempt(call)
        assert house.solvent()
    for name, call in calls:
        assert not attempt(call), f"{name} was granted twice"
    return granted


def claim_votes(drive: Drive) -> int:
    house, verification = drive.house, drive.house.verification
    granted = 0
    for number in range(3):
        panel = verification.read("panelOf", house.mining.address, drive.key, number)
        case = house.mining.address, drive.key, number
        for seat in range(panel[2]):
            granted += attempt(lambda c=case, s=seat: verification.send(house.anyone, "claimVoterPayFor", *c, s))
    return granted


def nothing_left(drive: Drive) -> bool:
    return drive.house.pot(drive.key) == drive.house.pot(bonds_pot(drive)) == 0


def test_accepted_pays_everybody_who_worked(house: House) -> None:
    drive = house.start(weights=(100, 200, 300, 57)).to_closed(edges=2, ballot=Ballot(0b11, 0, 1, 0))
    m = drive.terms.money
    assert drive.round.outcome == Outcome.ACCEPTED
    before = {edge: house.credit(edge) for edge in house.edges}
    requester = house.credit(house.requester)
    granted = claim_all(drive)
    assert granted == Counter(edge=1, opener=1, device=4, holder=3, commits=1, relay=1, candidate=2, opening=1)
    for device, weight in zip(house.devices, (100, 200, 300, 57), strict=False):
        assert house.credit(device) == m.device_pot * weight // 657
    dust = m.device_pot - sum(m.device_pot * weight // 657 for weight in (100, 200, 300, 57))
    assert dust > 0
    assert house.credit(house.requester) - requester == dust
    for holder in range(3):
        assert house.credit(house.holders[holder]) == m.holder_pay
    assert house.credit(house.holders[3]) == 0, "its share was not used: it posted none"
    worked = m.edge_pay + m.bounty + (4 + 5 + 3) * m.relay_pay + m.edge_bond + m.opening_bond
    assert house.credit(house.edges[0]) - before[house.edges[0]] == worked
    assert house.credit(house.edges[1]) - before[house.edges[1]] == m.edge_bond
    assert claim_votes(drive) == 3
    assert nothing_left(drive)


def test_the_first_valid_candidate_in_seal_order_wins(house: House) -> None:
    drive = house.start().to_closed(edges=3, ballot=Ballot(0b110, 0b001, 1, 0))
    assert house.task(drive.task_id).head != bytes(32)
    event = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place).event("EdgePaid")
    assert event["edge"] == "0x" + house.edges[1].address.hex()
    claim_all(drive)
    states = [drive.candidate(slot).state for slot in range(3)]
    assert states == [CandidateState.FORFEITED, CandidateState.RELEASED, CandidateState.RELEASED]
    assert house.credit(BURNT) == ETHER
    claim_votes(drive)
    assert nothing_left(drive)


def test_seal_order_counts_and_not_the_place_in_the_table(house: House) -> None:
    """A late candidate may sit in a displaced one's place."""
    drive = house.start().to_seal()
    for slot in range(8):
        drive.seal(house.edges[slot % 3], bond=ETHER * (1 if slot == 0 else 3))
    late = house.edges[4]
    assert drive.seal(late, bond=2 * ETHER).event("AggregateSealed")["slot"] == 0
    drive.advance("seal_end")
    drive.open(late, 0)
    drive.open(house.edges[1], 1)
    drive.advance("open_end")
    drive.advance("challenge_end")
    drive.share(range(3))
    drive.post_opening(late)
    drive.advance("opening_end")
    drive.vote(Ballot(0b11, 0, 1, 0))
    drive.close()
    event = house.mining.send(house.anyone, "claimEdgePayFor", *drive.place).event("EdgePaid")
    assert event["edge"] == "0x" + house.edges[1].address.hex()
    claim_all(drive)
    claim_votes(drive)
    assert nothing_left(drive)


def test_a_wrong_opening_loses_its_bond_and_the_next_closes_the_round(house: House) -> None:
    drive = house.start().to_share()
    drive.share(range(5))
    cheat, honest = house.edges[0], house.edges[1]
    drive.post_opening(cheat, drive.claim_of("wrong", used=0b11100))
    drive.post_opening(honest, drive.claim_of("right", used=0b00111))
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 0b10, 0b01))
    assert drive.close().event("RoundClosed")["result"] == drive.claim_of("right").model_digest
    before = house.credit(honest)
    claim_all(drive)
    m = drive.terms.money
    assert house.credit(honest) - before == m.bounty + m.opening_bond
    assert house.credit(BURNT) == m.opening_bond
    paid = [house.credit(holder) for holder in house.holders]
    assert paid == [m.holder_pay] * 3 + [0, 0], "only the shares that the right opening used"
    claim_votes(drive)
    assert nothing_left(drive)


def test_overflow_pays_as_an_accepted_round_does(house: House) -> None:
    drive = house.start().to_closed(flags=OVERFLOW)
    assert drive.round.outcome == Outcome.OVERFLOW
    granted = claim_all(drive)
    assert granted == Counter(edge=1, opener=1, device=4, holder=3, commits=1, relay=1, candidate=1, opening=1)
    claim_votes(drive)
    assert nothing_left(drive)


def test_too_few_pays_nobody_but_the_closer(house: House) -> None:
    drive = house.start()
    drive.commit([0, 1])
    drive.advance("commit_end")
    drive.close()
    assert not any(claim_all(drive).values())
    assert house.pot(drive.task_id) == FUNDS - drive.terms.money.bounty
    assert nothing_left(drive)


def test_not_opened_for_want_of_a_candidate_pays_nobody(house: House) -> None:
    drive = house.start().to_seal()
    drive.advance("publish_end")
    house.mining.send(house.anyone, "fixIncluded", *drive.place)
    drive.advance("seal_end")
    drive.advance("open_end")
    drive.close()
    assert drive.round.outcome == Outcome.NOT_OPENED
    assert not any(claim_all(drive).values())
    assert house.pot(drive.task_id) == FUNDS - 2 * drive.terms.money.bounty
    assert nothing_left(drive)


def test_not_opened_for_want_of_shares_gives_honest_candidates_their_bonds(house: House) -> None:
    drive = house.start().to_share(edges=2)
    drive.share([0, 1])
    drive.advance("share_end")
    drive.vote(Ballot(0b01, 0b10, 0, 0))
    drive.close()
    assert drive.round.outcome == Outcome.NOT_OPENED
    assert claim_all(drive) == Counter(candidate=2)
    assert house.credit(BURNT) == ETHER
    assert claim_votes(drive) == 3
    assert nothing_left(drive)


def test_when_all_openings_are_wrong_devices_and_relays_are_paid_and_holders_are_not(house: House) -> None:
    drive = house.start().to_closed(ballot=Ballot(1, 0, 0, 1))
    assert drive.round.outcome == Outcome.NOT_OPENED
    assert claim_all(drive) == Counter(device=4, commits=1, relay=1, candidate=1, opening=1)
    claim_votes(drive)
    assert nothing_left(drive)


def test_when_all_candidates_are_invalid_the_round_is_not_opened(house: House) -> None:
    drive = house.start().to_closed(edges=2, ballot=Ballot(0, 0b11, 0, 1))
    assert drive.round.outcome == Outcome.NOT_OPENED
    assert claim_all(drive) == Counter(device=4, commits=1, relay=1, candidate=2, opening=1)
    assert house.credit(BURNT) == 2 * ETHER + ETHER // 2
    claim_votes(drive)
    assert nothing_left(drive)


def test_abandoned_pays_devices_holders_and_relays_and_returns_the_bonds(house: House) -> None:
    """A requester who lets the vote fail after the opening has the sum; so who made it is paid."""
    drive = house.start().to_vote()
    for number, size in enumerate((3, 5)):
        assert drive.vote(Ballot(0, 0, 0, 0), attempt=number, silent=2)[0].event("PanelSummoned")["size"] == size
    assert house.verification.read("verdictOf", house.mining.address, drive.key)[0] == Status.ABANDONED
    drive.close()
    assert drive.round.outcome == Outcome.ABANDONED
    assert house.task(drive.task_id).model == drive.terms.learning.model_digest
    granted = claim_all(drive)
    assert granted == Counter(device=4, holder=3, commits=1, relay=1, candidate=1, opening=1)
    assert drive.candidate(0).state == CandidateState.RELEASED
    assert house.credit(house.edges[0]) >= drive.terms.money.edge_bond + drive.terms.money.opening_bond
    assert claim_votes(drive) == 1 + 3
    assert nothing_left(drive)


def test_a_round_is_not_closed_before_the_verdict(house: House) -> None:
    drive = house.start().to_vote()
    with pytest.raises(Refused, match="LearningNotDecided"):
        drive.close()
    assert house.mining.read("entitlementsOf", *drive.place) == house.pot(drive.key), "all of it, while undecided"


def test_nothing_is_claimed_or_settled_before_the_close(house: House) -> None:
    drive = house.start().to_vote()
    drive.vote(Ballot(1, 0, 1, 0))
    calls = [
        (house.mining, "claimEdgePayFor", ()),
        (house.mining, "claimOpenerPayFor", ()),
        (house.mining, "claimHolderPayFor", (0,)),
        (house.mining, "claimRelayPayFor", (house.edges[0].address,)),
        (house.mining, "settleCandidateBond", (0,)),
        (house.mining, "settleOpeningBond", (0,)),
        (house.learning, "claimDevicePayFor", (house.devices[0].address,)),
        (house.learning, "claimRelayPayFor", (house.edges[0].address,)),
    ]
    for contract, function, arguments in calls:
        with pytest.raises(Refused, match="RoundNotClosed"):
            contract.send(house.anyone, function, *drive.place, *arguments)


def test_pay_goes_to_whom_it_is_owed_whoever_claims(house: House) -> None:
    drive = house.start().to_closed()
    thief = house.edges[3]
    house.learning.send(thief, "claimDevicePayFor", *drive.place, house.devices[0].address)
    house.mining.send(thief, "claimHolderPayFor", *drive.place, 0)
    house.mining.send(thief, "claimEdgePayFor", *drive.place)
    assert house.credit(thief) == 0
    assert house.credit(house.devices[0]) > 0


def test_relays_are_paid_for_included_commits_only(house: House) -> None:
    drive = house.start(weights=(1, 2, 3, 4, 5))
    drive.commit([0, 1], relay=house.edges[1])
    drive.commit([2, 3, 4], relay=house.edges[2])
    drive.attest(0b01111)
    drive.seal(house.edges[0])
    drive.advance("seal_end")
    drive.open(house.edges[0], 0)
    drive.advance("challenge_end")
    drive.share(range(3))
    drive.post_opening(house.edges[0])
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close()
    pay = drive.terms.money.relay_pay
    for edge, count in ((house.edges[1], 2), (house.edges[2], 2)):
        house.learning.send(house.anyone, "claimRelayPayFor", *drive.place, edge.address)
        assert house.credit(edge) == count * pay
    claim_all(drive)
    claim_votes(drive)
    assert nothing_left(drive)


def test_who_sends_its_own_messages_earns_no_relay_pay(house: House) -> None:
    task_id, device = house.create(), house.edges[3]
    house.learning.send(device, "enrol", task_id, 5, bytes(32), house.ticket(task_id, device))
    house.enrol(task_id, [1, 2, 3])
    drive = house.open(task_id)
    house.learning.send(device, "commitUpdate", *drive.place, drive.update(9).to_abi())
    drive.commit([0, 1, 2])
    drive.attest(0b1111)
    drive.seal(house.edges[0])
    drive.advance("seal_end")
    drive.open(house.edges[0], 0)
    drive.advance("challenge_end")
    drive.share(range(3))
    drive.post_opening(house.edges[0])
    drive.advance("opening_end")
    drive.vote(Ballot(1, 0, 1, 0))
    drive.close()
    with pytest.raises(Refused, match="LearningNothingToClaim"):
        house.learning.send(house.anyone, "claimRelayPayFor", *drive.place, device.address)


@pytest.mark.parametrize(
    ("quorum", "expected"),
    [
        ((0b01, 0, 0b01, 0), True),
        ((0b10, 0, 0b10, 0), True),
        ((0b01, 0, 0, 0b11), True),
        ((0, 0b11, 0, 0), True),
        ((0, 0b11, 0b11, 0), True),
        ((0, 0b01, 0b01, 0), False),
        ((0b01, 0, 0, 0b01), False),
        ((0b01, 0, 0, 0), False),
        ((0, 0, 0b11, 0), False),
        ((0b100, 0, 0b100, 0), False),
        ((0, 0, 0, 0), False),
    ],
)
def test_a_case_is_decided_when_something_closes_it_or_nothing_can(
    built: House, slate_of_two: Drive, quorum: tuple[int, int, int, int], expected: bool
) -> None:
    assert built.mining.read("decides", slate_of_two.key, quorum) is expected


@pytest.fixture
def slate_of_two(house: House) -> Drive:
    """Two candidates, two openings."""
    drive = house.start().to_share(edges=2)
    drive.share(range(3))
    drive.post_opening(house.edges[0])
    drive.post_opening(house.edges[1])
    drive.advance("opening_end")
    assert drive.phase == Phase.VOTE
    assert drive.progress.candidates == mask([0, 1])
    return drive


def test_without_openings_a_valid_candidate_decides(house: House) -> None:
    drive = house.start().to_share()
    drive.advance("share_end")
    assert house.mining.read("decides", drive.key, (1, 0, 0, 0))
    assert not house.mining.read("decides", drive.key, (0, 0, 0, 0))
