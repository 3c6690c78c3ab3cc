"""What is handed in at a door, judged by those who relay it and by those who wait for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dapp.chain.keys import Account
from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, UpdateCommit
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed, Observed
from dapp.protocol.enums import Outcome
from dapp.protocol.relayed import blob_of, is_on_chain, is_signed, named_on_chain, refusal
from dapp.protocol.view import View
from dapp.types import Round, TaskId

if TYPE_CHECKING:
    from conftest import Recorded


def edge_view(recorded: Recorded) -> View:
    view: View = recorded.tapes["edge 0"].last.view
    return view


def handed(recorded: Recorded) -> list[Handed]:
    return [each for each in recorded.tapes["edge 0"].inputs if isinstance(each, Handed)]


@pytest.mark.parametrize("kind", [UpdateCommit, Attestation, ShareCommit])
def test_what_honest_people_hand_in_is_signed_taken_and_comes_to_the_chain(recorded: Recorded, kind: type) -> None:
    tape = recorded.tapes["edge 0"]
    state, seen = tape.first, 0
    for each in tape.inputs:
        if isinstance(each, Handed) and isinstance(each.message, kind):
            seen += 1
            assert refusal(state.facts, state.view, each) is None
            assert not is_on_chain(state.view, each)
            assert is_on_chain(edge_view(recorded), each)
        elif isinstance(each, Observed):
            state, _ = tape.step(state, each)
    assert seen


def test_an_edge_says_why_it_takes_a_message_not(recorded: Recorded) -> None:
    facts, over = recorded.stage.world.facts, edge_view(recorded)
    first = handed(recorded)[0]
    open_again = replace(over, ended_at=0, rounds=(replace(over.rounds[0], outcome=type(over.rounds[0].outcome).OPEN),))
    assert refusal(facts, open_again, first) is None
    assert refusal(facts, over, first) == "the task is over"
    assert refusal(facts, replace(over, ended_at=0), first) == "round 0 is not the current one: no round is open"
    assert refusal(facts, replace(open_again, rounds=()), first) == "round 0 is not the current one: no round is open"
    later = replace(open_again, rounds=(*over.rounds[:1], replace(open_again.rounds[0], number=Round(1))))
    assert refusal(facts, later, first) == "round 0 is not the current one: it is 1"
    other = replace(first, message=replace(first.message, task_id=TaskId(bytes(32))))
    assert (refusal(facts, over, other) or "").startswith("it is of task 0x0000")
    assert refusal(facts, over, replace(first, signature=bytes(65))) is not None


def test_an_edge_takes_no_commit_of_whom_the_round_does_not_expect_nor_one_over_the_terms(recorded: Recorded) -> None:
    """Anybody can make keys and sign commits; each would take a place in the line, and a blob in the store."""
    facts, over = recorded.stage.world.facts, edge_view(recorded)
    round_ = replace(over.rounds[0], outcome=Outcome.OPEN)
    view = replace(over, ended_at=0, rounds=(round_,))
    first = next(each.message for each in handed(recorded) if isinstance(each.message, UpdateCommit))

    def said(account: Account, **changes: Any) -> str | None:
        message = replace(first, device=account.address, **changes)
        return refusal(facts, view, Handed(message, account.sign_digest(message.signing_hash(facts.learning_domain))))

    member, stranger = recorded.stage.world.people.devices[0], Account(b"\7" * 32)
    assert said(member) is None
    assert said(stranger) == f"0x{stranger.address.hex()} takes no part in round 0"
    late = replace(round_, enrolled=0)
    view = replace(view, rounds=(late,))
    assert said(member) == f"0x{member.address.hex()} takes no part in round 0"
    view = replace(view, rounds=(round_,))
    most = facts.terms.cohort.max_update_bytes
    assert said(member, size=most) is None
    assert "more than the terms allow" in (said(member, size=most + 1) or "")


def test_a_message_changed_in_any_field_or_at_another_place_is_not_signed(recorded: Recorded) -> None:
    facts = recorded.stage.world.facts
    for each in handed(recorded):
        assert is_signed(facts, each)
        assert not is_signed(facts, replace(each, message=replace(each.message, deadline=each.message.deadline + 1)))
        assert not is_signed(replace(facts, chain_id=facts.chain_id + 1), each)
        if each.proof:
            assert not is_signed(facts, replace(each, proof=each.proof[:-1]))
            assert not is_signed(facts, replace(each, proof=(bytes(32),) * len(each.proof)))


def test_the_chain_names_every_blob_of_the_common_store_and_nothing_else(recorded: Recorded) -> None:
    view, store = edge_view(recorded), recorded.stage.world.store
    named = named_on_chain(view)
    assert all(store.has(blob.digest, blob.size) for blob in named)
    files = [path for path in (store.folder / "blobs").rglob("*") if path.is_file()]
    assert len(files) == len(named)


def test_only_updates_and_shares_promise_a_blob(recorded: Recorded) -> None:
    for message in (each.message for each in handed(recorded)):
        if isinstance(message, Attestation | Enrolment):
            assert blob_of(message) is None
        else:
            assert blob_of(message) == BlobRef(message.digest, message.size)
