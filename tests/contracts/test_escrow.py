"""Escrow holds all ether: counted in pots and credits, given out by the protocol, drawn by its owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from court import label
from evm import ETHER, Contract, Evm, Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dapp.types import Address

POT, OTHER = label("pot"), label("other pot")
REASON = b"for the test".ljust(32, b"\0")


@dataclass
class Till:
    evm: Evm
    escrow: Contract

    def __post_init__(self) -> None:
        self.learning, self.mining, self.verification, self.alice, self.bob = self.evm.accounts[1:6]

    def fund(self, pot: bytes, amount: int) -> None:
        self.escrow.send(self.alice, "fund", pot, value=amount)

    def credit(self, owner: bytes, amount: int) -> None:
        self.fund(POT, amount)
        self.escrow.send(self.learning, "pay", POT, owner, amount, REASON)

    def balance(self, address: bytes) -> int:
        return self.evm.chain.balance(Address(address))

    def counted(self) -> int:
        return int(self.escrow.read("totalPots") + self.escrow.read("totalCredit"))


@pytest.fixture(scope="module")
def built() -> Till:
    evm = Evm(6)
    return Till(evm, evm.deploy("Escrow", *(account.address for account in evm.accounts[1:4])))


@pytest.fixture
def till(built: Till) -> Iterator[Till]:
    before = built.evm.chain.snapshot()
    yield built
    built.evm.chain.revert(before)


def test_anyone_funds_a_pot(till: Till) -> None:
    till.fund(POT, 5)
    till.fund(POT, 7)
    till.fund(OTHER, 1)
    assert (till.escrow.read("potOf", POT), till.escrow.read("potOf", OTHER)) == (12, 1)
    assert (till.escrow.read("totalPots"), till.escrow.read("totalCredit")) == (13, 0)


def test_each_protocol_contract_pays_and_moves_and_nobody_else_does(till: Till) -> None:
    till.fund(POT, 10)
    for contract in (till.learning, till.mining, till.verification):
        till.escrow.send(contract, "pay", POT, till.bob.address, 1, REASON)
        till.escrow.send(contract, "move", POT, OTHER, 1)
    assert till.escrow.read("creditOf", till.bob.address) == 3
    assert (till.escrow.read("potOf", POT), till.escrow.read("potOf", OTHER)) == (4, 3)
    for call in (("pay", POT, till.bob.address, 1, REASON), ("move", POT, OTHER, 1)):
        with pytest.raises(Refused, match="EscrowNotProtocol"):
            till.escrow.send(till.bob, *call)


def test_no_pot_gives_more_than_it_holds(till: Till) -> None:
    till.fund(POT, 5)
    till.fund(OTHER, 100)
    for call in (("pay", POT, till.bob.address, 6, REASON), ("move", POT, OTHER, 6)):
        with pytest.raises(Refused, match="EscrowPotTooSmall") as refused:
            till.escrow.send(till.mining, *call)
        assert refused.value.values == (POT, 6, 5)
    till.escrow.send(till.mining, "move", POT, POT, 5)
    assert till.escrow.read("potOf", POT) == 5


def test_what_is_paid_is_said_with_its_reason(till: Till) -> None:
    till.fund(POT, 5)
    event = till.escrow.send(till.mining, "pay", POT, till.bob.address, 5, REASON).event("Paid")
    assert (event["pot"], event["amount"], event["reason"]) == (POT, 5, REASON)


def test_credit_goes_to_its_owner_to_whom_the_owner_says_or_is_sent_by_anyone_to_the_owner(till: Till) -> None:
    stranger = b"\x77" * 20
    for withdraw, receiver in (
        (lambda: till.escrow.send(till.bob, "withdraw"), till.bob.address),
        (lambda: till.escrow.send(till.bob, "withdrawTo", stranger), stranger),
        (lambda: till.escrow.send(till.alice, "withdrawFor", till.bob.address), till.bob.address),
    ):
        till.credit(till.bob.address, ETHER)
        before = till.balance(receiver)
        withdraw()
        # Bob pays for his own transactions' gas.
        assert ETHER - 10**16 < till.balance(receiver) - before <= ETHER
        assert till.balance(till.escrow.address) == 0
        assert till.escrow.read("totalCredit") == 0
        with pytest.raises(Refused, match="EscrowNothingOwed"):
            withdraw()


def test_a_receiver_that_withdraws_again_while_it_is_paid_gets_nothing_more(till: Till) -> None:
    thief = till.evm.deploy("Reenterer", till.escrow.address)
    till.credit(thief.address, ETHER)
    till.credit(till.bob.address, ETHER)
    thief.send(till.alice, "attack")
    assert till.balance(thief.address) == ETHER
    assert thief.read("answer")[:4] == bytes.fromhex("3ee5aeb5"), "ReentrancyGuardReentrantCall()"
    assert till.escrow.read("creditOf", till.bob.address) == ETHER


def test_a_receiver_that_refuses_ether_keeps_its_credit_and_holds_nobody_up(till: Till) -> None:
    refuser = till.evm.deploy("RefusesEther")
    till.credit(refuser.address, ETHER)
    with pytest.raises(Refused, match="EscrowTransferFailed"):
        till.escrow.send(till.alice, "withdrawFor", refuser.address)
    assert till.escrow.read("creditOf", refuser.address) == ETHER
    refuser.send(till.alice, "withdrawTo", till.escrow.address, b"\x77" * 20)
    assert till.balance(b"\x77" * 20) == ETHER


def test_escrow_takes_no_ether_but_by_fund_and_sends_none_to_itself(till: Till) -> None:
    with pytest.raises(Refused):
        till.evm.transfer(till.alice, till.escrow.address, 1)
    till.credit(till.bob.address, 1)
    with pytest.raises(Refused, match="EscrowTransferFailed"):
        till.escrow.send(till.bob, "withdrawTo", till.escrow.address)


def test_forced_ether_is_counted_nowhere_and_owed_to_nobody() -> None:
    evm = Evm(6)
    # Its address is known before it is there.
    evm.transfer(evm.accounts[5], evm.next_address(), ETHER)
    till = Till(evm, evm.deploy("Escrow", *(account.address for account in evm.accounts[1:4])))
    till.credit(till.bob.address, 5)
    assert till.balance(till.escrow.address) == ETHER + 5
    assert till.counted() == 5
    till.escrow.send(till.bob, "withdraw")
    assert till.balance(till.escrow.address) == ETHER


ACTS = st.one_of(
    st.tuples(st.just("fund"), st.sampled_from([POT, OTHER]), st.integers(0, 2**70)),
    st.tuples(st.just("pay"), st.sampled_from([POT, OTHER]), st.integers(0, 2**69)),
    st.tuples(st.just("move"), st.sampled_from([POT, OTHER]), st.integers(0, 2**69)),
    st.tuples(st.just("withdraw"), st.sampled_from([POT]), st.just(0)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTS, max_size=20))
def test_balance_equals_pots_and_credits_after_every_history(till: Till, acts: list[tuple[str, bytes, int]]) -> None:
    before = till.evm.chain.snapshot()
    pots, credit = {POT: 0, OTHER: 0}, 0
    for act, pot, amount in acts:
        another = OTHER if pot == POT else POT
        if act == "fund":
            till.fund(pot, amount)
            pots[pot] += amount
        elif act == "withdraw":
            if credit:
                till.escrow.send(till.bob, "withdraw")
                credit = 0
            else:
                with pytest.raises(Refused, match="EscrowNothingOwed"):
                    till.escrow.send(till.bob, "withdraw")
        elif amount > pots[pot]:
            with pytest.raises(Refused, match="EscrowPotTooSmall"):
                _spend(till, act, pot, another, amount)
        else:
            _spend(till, act, pot, another, amount)
            pots[pot] -= amount
            pots[another] += amount if act == "move" else 0
            credit += amount if act == "pay" else 0
        assert till.balance(till.escrow.address) == till.counted() == sum(pots.values()) + credit
    assert [till.escrow.read("potOf", pot) for pot in pots] == list(pots.values())
    assert till.escrow.read("creditOf", till.bob.address) == credit
    till.evm.chain.revert(before)


def _spend(till: Till, act: str, pot: bytes, another: bytes, amount: int) -> None:
    if act == "pay":
        till.escrow.send(till.mining, "pay", pot, till.bob.address, amount, REASON)
    else:
        till.escrow.send(till.mining, "move", pot, another, amount)


def test_the_protocol_is_fixed_at_construction(till: Till) -> None:
    names = ("LEARNING", "MINING", "VERIFICATION")
    fixed = [bytes.fromhex(till.escrow.read(name)[2:]) for name in names]
    assert fixed == [account.address for account in (till.learning, till.mining, till.verification)]
    assert till.escrow.read("version") == "0.1.0"
