"""Sending, reading, and what refusals say."""

from __future__ import annotations

import pytest

from dapp.chain.client import Client, Receipt
from dapp.chain.codec import abi, encode_call
from dapp.chain.contracts import Call, Escrow
from dapp.chain.errors import ContractError, contract_error
from dapp.chain.keys import Account, checksummed
from dapp.errors import ChainError, ExitCode
from dapp.protocol.enums import Outcome, Phase, RoundKind
from dapp.protocol.events import DeviceEnrolled, PotFunded, RoundOpened, TaskCreated
from dapp.types import Wei

from .world import ETHER, World, make_terms


def test_a_receipt_has_the_events_decoded_with_their_place(world: World) -> None:
    funder = world.accounts[3]
    receipt = world.client.send(funder, world.contracts.escrow.fund(b"p" * 32, 5))
    assert receipt.events == (
        PotFunded(
            b"p" * 32,
            funder.address,
            Wei(5),
            contract=world.contracts.escrow.address,
            block=receipt.block,
            log_index=0,
            timestamp=receipt.timestamp,
        ),
    )
    assert world.contracts.escrow.pot_of(b"p" * 32) == 5
    assert receipt.gas_used == world.client.gas_used["Escrow.fund"][-1]


def test_terms_come_back_from_the_chain_as_they_were_sent(world: World) -> None:
    task_id = world.create_task()
    (created,) = [
        event for event in world.contracts.events(0, world.chain.head().number) if isinstance(event, TaskCreated)
    ]
    assert created.terms == make_terms(world.accounts[1])
    task = world.contracts.learning.task_of(task_id)
    assert (task.requester, task.terms_digest) == (world.accounts[2].address, created.terms_digest)


def test_a_round_opens_once_enough_devices_are_enrolled(world: World) -> None:
    task_id = world.create_task()
    for device in world.accounts[3:6]:
        assert isinstance(world.enrol(task_id, device).events[0], DeviceEnrolled)
    receipt = world.client.send(world.accounts[7], world.contracts.learning.open_round(task_id))
    (opened,) = [event for event in receipt.events if isinstance(event, RoundOpened)]
    assert (opened.round, opened.kind, opened.enrolled, opened.expected) == (0, RoundKind.UPDATE, 3, 0b111)
    assert world.contracts.learning.phase_of(task_id, 0) == Phase.COMMIT
    assert world.contracts.learning.round_of(task_id, 0).outcome == Outcome.OPEN
    assert world.contracts.mining.deadlines_of(task_id, 0).commit_end == opened.timestamp + 1_000
    assert world.contracts.learning.enrolment_of(task_id, world.accounts[4].address) == (2, 5)


def test_logs_come_in_the_chains_order_whatever_the_range(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = world.create_task()
    for device in world.accounts[3:6]:
        world.enrol(task_id, device)
    head = world.chain.head().number
    events = world.client.logs(0, head)
    assert [(event.block, event.log_index) for event in events] == sorted(
        (event.block, event.log_index) for event in events
    )
    monkeypatch.setattr("dapp.chain.client.LOG_RANGE", 2)
    assert world.client.logs(0, head) == events
    assert [event for block in range(head + 1) for event in world.client.logs(block, block)] == events
    assert world.client.logs(head + 1, head + 10) == []


def test_a_refusal_is_a_sentence_with_the_actual_and_the_expected_value(world: World) -> None:
    with pytest.raises(ContractError) as caught:
        world.create_task(value=5)
    error = caught.value
    assert error.error == "LearningPotTooSmall"
    assert error.values["held"] == 5
    assert error.code == ExitCode.CHAIN
    assert str(error) == (
        f"Learning.createTask by {checksummed(world.accounts[2].address)} was refused: "
        f"the task's pot holds 5 wei, one round can cost {error.values['needed']:,}"
    )
    assert error.help


def test_phases_in_a_refusal_have_names(world: World) -> None:
    task_id = world.create_task()
    for device in world.accounts[3:6]:
        world.enrol(task_id, device)
    world.client.send(world.accounts[3], world.contracts.learning.open_round(task_id))
    with pytest.raises(ContractError, match="is in its commit phase, this belongs to the"):
        world.client.send(world.accounts[3], world.contracts.mining.fix_included(task_id, 0))


def test_a_ticket_by_another_key_names_device_and_admission(world: World) -> None:
    task_id = world.create_task()
    device, admission = world.accounts[3], world.accounts[1]
    with pytest.raises(ContractError, match="was not signed by the admission key") as caught:
        world.enrol(task_id, device, admission=world.accounts[4])
    assert checksummed(device.address) in str(caught.value)
    assert checksummed(admission.address) in str(caught.value)


def test_an_enrolment_past_the_largest_sum_of_weights_is_refused(world: World) -> None:
    task_id = world.create_task()
    world.enrol(task_id, world.accounts[3], weight=100)
    with pytest.raises(ContractError, match="would add up to 121, over the 120 that the encoding holds"):
        world.enrol(task_id, world.accounts[4], weight=21)
    world.enrol(task_id, world.accounts[4], weight=20)


def test_terms_out_of_bounds_name_the_term(world: World) -> None:
    terms = make_terms(world.accounts[1])
    bad = type(terms).from_abi((*terms.to_abi()[:5], (0, 6667), *terms.to_abi()[6:]))
    with pytest.raises(ContractError, match=r"the term \S*seats cannot be 0"):
        world.client.send(world.accounts[2], world.contracts.learning.create_task(bad, ETHER))


def test_a_refused_transaction_does_not_stop_the_next(world: World) -> None:
    account = world.accounts[5]
    for _ in range(2):
        with pytest.raises(ContractError, match="nothing is owed"):
            world.client.send(account, world.contracts.escrow.withdraw())
    world.client.send(account, world.contracts.escrow.fund(b"p" * 32, 1))


def test_calls_sent_together_share_a_block_and_are_refused_one_by_one(world: World) -> None:
    fund, withdraw = world.contracts.escrow.fund(b"p" * 32, 1), world.contracts.escrow.withdraw()
    alone = world.client.send(world.accounts[3], fund)
    calls = [(world.accounts[3], fund), (world.accounts[4], withdraw), (world.accounts[3], fund)]
    first, refused, last = world.client.send_all(calls)
    assert isinstance(first, Receipt)
    assert isinstance(last, Receipt)
    assert isinstance(refused, ContractError)
    assert refused.error == "EscrowNothingOwed"
    assert first.block == last.block == alone.block + 1 == world.chain.head().number
    assert [event.log_index for receipt in (first, last) for event in receipt.events] == [0, 1]
    assert first.gas_used == last.gas_used < alone.gas_used, "the first fill of a pot costs more"
    assert world.contracts.escrow.pot_of(b"p" * 32) == 3


def test_a_nonce_used_elsewhere_is_asked_for_anew(world: World) -> None:
    account = world.accounts[5]
    other = Client(world.chain)
    for _ in range(2):
        world.client.send(account, world.contracts.escrow.fund(b"p" * 32, 1))
        other.send(account, world.contracts.escrow.fund(b"p" * 32, 1))
    assert world.contracts.escrow.pot_of(b"p" * 32) == 4


def test_reading_what_would_be_refused_says_why_too(world: World) -> None:
    data = encode_call(abi("Escrow").functions["pay"], [b"p" * 32, bytes(20), 1, bytes(32)])
    with pytest.raises(ContractError, match="is not a contract of the protocol"):
        world.client.read(Call("Escrow", "pay", world.contracts.escrow.address, data))


def test_an_account_without_ether_is_told_so(world: World) -> None:
    with pytest.raises(ChainError, match=r"Escrow\.fund by 0x"):
        world.client.send(Account.from_seed(b"poor"), world.contracts.escrow.fund(b"p" * 32, 1))


def test_an_address_without_our_contract_is_not_taken_for_one(world: World) -> None:
    with pytest.raises(ChainError, match="answer cannot be decoded"):
        Escrow(world.client, world.accounts[3].address).total_pots()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"no".ljust(32, b"\0"), "no"),
        (bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"), "panic 0x11"),
        (b"", "without saying why"),
        (b"\xde\xad\xbe\xef", "unknown error 0xdeadbeef"),
    ],
)
def test_refusals_that_are_no_errors_of_ours_still_read(data: bytes, sentence: str) -> None:
    assert sentence in str(contract_error("Escrow.pay", data))


def test_a_call_is_named_by_contract_and_function() -> None:
    assert str(Call("Escrow", "fund", bytes(20), b"")) == "Escrow.fund"
