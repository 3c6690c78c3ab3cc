"""Forced ether, calls to itself and delegated code: money that came without being counted must move nothing."""

from __future__ import annotations

import re

import pytest
from evm import ETHER, ROOT, Contract, Evm, Refused
from house import House

from dapp.chain.keys import created_address
from dapp.protocol.enums import Outcome

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode:DeprecationWarning")

PUSH20, SELFDESTRUCT = b"\x73", b"\xff"


def force(house: House, victim: Contract, amount: int) -> None:
    """Ether that no function of the victim ever saw: a creation that leaves no code and pushes its ether onto it."""
    house.evm._send(house.anyone, b"", PUSH20 + victim.address + SELFDESTRUCT, amount)


@pytest.mark.parametrize("name", ["escrow", "learning", "mining", "verification", "seed"])
def test_the_attack_gets_ether_into_every_contract(house: House, name: str) -> None:
    victim = getattr(house, name)
    before = house.evm.chain.balance(victim.address)
    force(house, victim, ETHER)
    assert house.evm.chain.balance(victim.address) == before + ETHER


def test_defended_forced_ether_is_in_no_pot_and_nobodys_credit(house: House) -> None:
    drive = house.start().to_vote()
    pots, credits = house.escrow.read("totalPots"), house.escrow.read("totalCredit")
    force(house, house.escrow, 7 * ETHER)
    assert (house.escrow.read("totalPots"), house.escrow.read("totalCredit")) == (pots, credits)
    assert house.evm.chain.balance(house.escrow.address) == pots + credits + 7 * ETHER
    assert house.pot(drive.key) > 0


def test_defended_a_round_pays_the_same_with_forced_ether_as_without(house: House) -> None:
    def paid(forced: int) -> tuple[Outcome, int, int]:
        with house.supposing():
            if forced:
                force(house, house.escrow, forced)
                force(house, house.learning, forced)
                force(house, house.mining, forced)
            drive = house.start().to_closed()
            house.mining.send(house.anyone, "claimEdgePayFor", *drive.place)
            return drive.outcome, house.credit(house.edges[0]), house.pot(drive.key)

    assert paid(5 * ETHER) == paid(0)


def test_defended_plain_ether_is_refused_by_every_contract(house: House) -> None:
    for victim in (house.escrow, house.learning, house.mining, house.verification):
        with pytest.raises(Refused):
            house.evm.transfer(house.anyone, victim.address, 1)


def test_defended_the_escrow_pays_itself_nothing(house: House) -> None:
    drive = house.start().to_closed()
    house.mining.send(house.anyone, "claimEdgePayFor", *drive.place)
    owed = house.credit(house.edges[0])
    for own in (house.escrow, house.learning, house.mining):
        with pytest.raises(Refused, match="EscrowTransferFailed"):
            house.escrow.send(house.edges[0], "withdrawTo", own.address)
    assert house.credit(house.edges[0]) == owed


def test_defended_only_the_three_contracts_move_money(house: House) -> None:
    drive = house.start().to_closed()
    for thief in (house.requester, house.edges[0], house.verifiers[0], house.anyone):
        for call in (
            ("pay", drive.key, thief.address, 1, b"mine".ljust(32, b"\0")),
            ("move", drive.key, b"\1" * 32, 1),
        ):
            with pytest.raises(Refused, match="EscrowNotProtocol"):
                house.escrow.send(thief, *call)


def test_defended_no_contract_of_ours_runs_foreign_code() -> None:
    """Code and storage are a contract's own for ever."""
    sources = [path for path in (ROOT / "contracts").rglob("*.sol") if path.parent.name != "test"]
    assert len(sources) > 10
    for path in sources:
        assert not re.search(r"\b(delegatecall|callcode|selfdestruct)\b", path.read_text()), path


def test_defended_ether_sent_to_an_address_before_it_is_deployed_is_not_counted() -> None:
    evm = Evm(3)
    creator = evm.accounts[0].address
    evm.transfer(evm.accounts[1], created_address(creator, evm.chain.nonce(creator)), ETHER)
    escrow = evm.deploy("Escrow", *(account.address for account in evm.accounts))
    assert evm.chain.balance(escrow.address) == ETHER
    assert escrow.read("totalPots") == escrow.read("totalCredit") == 0
