"""No blob of a run can be changed, lost or swapped, and no claim about one be false, without the auditor naming it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forgery import copied, flipped, logs, rewritten

from dapp import audit
from dapp.audit.contents import Contents
from dapp.audit.replay import replay
from dapp.chain.facts import ChainFacts, import_events
from dapp.crypto import merkle
from dapp.crypto.cid import cid_v1
from dapp.errors import AuditError
from dapp.protocol.blobs import BlobRef, KeyBlob, OpeningBlob, ShareBlob, UpdateBlob
from dapp.protocol.enums import Status
from dapp.protocol.machine import Facts
from dapp.protocol.records import Ballot
from dapp.protocol.view import RoundView, View
from dapp.storage import EmbeddedStore


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    return copied(small_run, tmp_path / "run")


def verify(folder: Path) -> audit.Audit:
    return audit.verify(folder, lambda *_: None, min_key_bits=512)


@pytest.fixture(scope="session")
def chain(small_run: Path) -> ChainFacts:
    return import_events(small_run / "events.jsonl")


@pytest.fixture
def contents(chain: ChainFacts, run: Path) -> Contents:
    """A replayed run, whose view and blobs a test changes as if events and calldata had said so from the start."""
    return Contents(replay(chain), EmbeddedStore(run / "store"), min_key_bits=512)


@pytest.fixture
def facts(contents: Contents) -> Facts:
    return contents.facts()


def path_of(folder: Path, ref: BlobRef) -> Path:
    (path,) = (folder / "store" / "blobs").glob(f"*/{cid_v1(ref.digest, ref.size)}")
    return path


BLOBS: dict[str, Callable[[View], BlobRef]] = {
    "the terms' strategy": lambda view: BlobRef(_terms(view).strategy_digest, _terms(view).strategy_size),
    "the terms' first model": lambda view: view.rounds[0].base,
    "device 2": lambda view: view.rounds[1].commits[2].update,
    "candidate": lambda view: _aggregate(view.rounds[0]),
    "share": lambda view: view.rounds[0].shares[next(iter(_used(view.rounds[0])))].blob,
    "opening": lambda view: view.rounds[1].openings[0].blob,
    "round 0": lambda view: view.rounds[0].openings[0].model,
}


def _terms(view: View) -> Any:
    assert view.terms is not None
    return view.terms.learning


def _aggregate(round_: RoundView) -> BlobRef:
    winner = round_.winner
    assert winner is not None
    assert winner.aggregate is not None
    return winner.aggregate


def _used(round_: RoundView) -> list[int]:
    opening = round_.right_opening
    assert opening is not None
    return [i for i in round_.shares if opening.opening.used_shares >> i & 1]


@pytest.fixture(params=BLOBS)
def blob(request: pytest.FixtureRequest, contents: Contents) -> tuple[str, BlobRef]:
    return request.param, BLOBS[request.param](contents.world.view)


def test_a_blob_with_one_bit_changed_is_named(run: Path, blob: tuple[str, BlobRef]) -> None:
    name, ref = blob
    path = path_of(run, ref)
    path.write_bytes(flipped(path.read_bytes()))
    with pytest.raises(AuditError, match=rf"{name}.*{cid_v1(ref.digest, ref.size)}|{cid_v1(ref.digest, ref.size)}"):
        verify(run)


def test_a_truncated_blob_is_named(run: Path, blob: tuple[str, BlobRef]) -> None:
    _, ref = blob
    path = path_of(run, ref)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AuditError, match=rf"{cid_v1(ref.digest, ref.size)} has only"):
        verify(run)


def test_a_missing_blob_is_named_with_what_it_is_needed_for(run: Path, blob: tuple[str, BlobRef]) -> None:
    name, ref = blob
    path_of(run, ref).unlink()
    with pytest.raises(AuditError, match=rf"{name}.*(missing|not to be had)"):
        verify(run)


def test_the_model_that_a_run_gives_out_is_its_last(run: Path, contents: Contents) -> None:
    first = contents.world.view.rounds[0].base
    (run / "model.safetensors").write_bytes(path_of(run, first).read_bytes())
    with pytest.raises(AuditError, match=r"model.safetensors: it is not the last model"):
        verify(run)


def test_a_key_that_is_too_short_is_no_key(small_run: Path) -> None:
    with pytest.raises(AuditError, match=r"the requester's terms: .*512"):
        audit.verify(small_run, lambda *_: None)


# Lies that no event shows: everything is signed and in order, and what the blobs claim is false.


def doctor(contents: Contents, number: int, **changes: Any) -> RoundView:
    """Makes a round say something else."""
    view = contents.world.view
    round_ = replace(view.rounds[number], **changes)
    contents.world.view = replace(view, rounds=(*view.rounds[:number], round_, *view.rounds[number + 1 :]))
    return round_


def put(contents: Contents, data: bytes) -> BlobRef:
    blob = contents.store.put(data)
    return BlobRef(blob.digest, blob.size)


def read(contents: Contents, ref: BlobRef) -> bytes:
    return contents.store.get(ref.digest, ref.size, cap=ref.size)


def with_update(
    contents: Contents, facts: Facts, number: int, index: int, change: Callable[[UpdateBlob], UpdateBlob]
) -> RoundView:
    """A round in which a device had committed to another update."""
    round_ = contents.world.view.rounds[number]
    commit = round_.commits[index]
    blob = change(UpdateBlob.decode(read(contents, commit.update)))
    root = merkle.ciphertext_root(facts.key.public, blob.ciphertexts)
    commits = {**round_.commits, index: replace(commit, update=put(contents, blob.encode()), root=root)}
    return doctor(contents, number, commits=commits)


UPDATES: dict[str, Callable[[Facts, UpdateBlob], UpdateBlob]] = {
    "proof of plaintext knowledge": lambda facts, blob: replace(blob, proof=flipped(blob.proof)),
    "proof of plaintext": lambda facts, blob: replace(blob, ciphertexts=_times_h(facts, blob.ciphertexts)),
    "not in": lambda facts, blob: replace(blob, ciphertexts=_first(facts, blob.ciphertexts, 0)),
    "shares a factor": lambda facts, blob: replace(
        blob, ciphertexts=_first(facts, blob.ciphertexts, facts.key.public.n)
    ),
    "expected": lambda facts, blob: replace(blob, ciphertexts=blob.ciphertexts[: facts.key.public.ciphertext_bytes]),
    "copied or replayed": lambda facts, blob: replace(blob, device=flipped(blob.device)),
}


def _first(facts: Facts, ciphertexts: bytes, value: int) -> bytes:
    width = facts.key.public.ciphertext_bytes
    return value.to_bytes(width, "big") + ciphertexts[width:]


def _times_h(facts: Facts, ciphertexts: bytes) -> bytes:
    """The first ciphertext re-randomised: the same plaintext in other bytes."""
    public = facts.key.public
    first = int.from_bytes(ciphertexts[: public.ciphertext_bytes], "big")
    return _first(facts, ciphertexts, first * int(public.hs) % public.n_squared)


@pytest.mark.parametrize("reason", UPDATES)
def test_an_included_update_that_is_not_valid_is_a_lie_of_who_attested_it(
    contents: Contents, facts: Facts, reason: str
) -> None:
    round_ = with_update(contents, facts, 0, 2, lambda blob: UPDATES[reason](facts, blob))
    with pytest.raises(AuditError, match=rf"round 0: device 2 .* is bad, and holders \[.*\] attested it: .*{reason}"):
        contents.updates(facts, round_)


def test_a_bad_update_that_was_not_included_is_a_finding(contents: Contents, facts: Facts) -> None:
    round_ = with_update(contents, facts, 0, 2, lambda blob: replace(blob, proof=flipped(blob.proof)))
    assert round_.included is not None
    contents.updates(facts, doctor(contents, 0, included=round_.included & ~4))
    assert any("device 2" in finding and "attested it all the same" in finding for finding in contents.findings)


def test_a_wrong_sum_that_was_called_valid_is_a_lie_of_the_panel(contents: Contents, facts: Facts) -> None:
    contents.world.settled[0, 0] = Status.DECIDED, Ballot(valid=3, invalid=0, right=1, wrong=0)
    with pytest.raises(
        AuditError, match=r"round 0: the panel of verifiers called candidate 0 of edge .* valid, and it is"
    ):
        contents.sums(facts, contents.world.view.rounds[0])


def test_a_right_sum_that_was_called_invalid_is_a_lie_of_the_panel(contents: Contents, facts: Facts) -> None:
    contents.world.settled[0, 0] = Status.DECIDED, Ballot(valid=0, invalid=3, right=1, wrong=0)
    with pytest.raises(AuditError, match=r"called candidate 1 of edge .* invalid, and it is valid"):
        contents.sums(facts, contents.world.view.rounds[0])


def test_a_sum_over_another_set_is_wrong(contents: Contents, facts: Facts) -> None:
    included = contents.world.view.rounds[0].included
    assert included is not None
    with pytest.raises(AuditError, match=r"called candidate 1 of edge .* valid, and it is invalid: .*not the product"):
        contents.sums(facts, doctor(contents, 0, included=included & (included - 1)))


def with_opening(contents: Contents, **changes: Any) -> RoundView:
    posted = contents.world.view.rounds[0].openings[0]
    return doctor(contents, 0, openings=(replace(posted, opening=replace(posted.opening, **changes)),))


def test_an_opening_that_does_not_open_the_sum_is_wrong(contents: Contents, facts: Facts) -> None:
    blob = OpeningBlob.decode(read(contents, contents.world.view.rounds[0].openings[0].blob))
    messages = blob.messages[:-1] + bytes([blob.messages[-1] ^ 1])
    ref = put(contents, replace(blob, messages=messages).encode())
    with pytest.raises(AuditError, match=r"called opening 0 of .* right, and it is wrong: .* does not open"):
        contents.sums(facts, with_opening(contents, digest=ref.digest, size=ref.size))


def test_a_model_that_is_not_the_weighted_mean_is_wrong(contents: Contents, facts: Facts) -> None:
    base = contents.world.view.rounds[0].base
    with pytest.raises(AuditError, match=r"right, and it is wrong: its model is not the weighted mean"):
        contents.sums(facts, with_opening(contents, model_digest=base.digest, model_size=base.size))


@pytest.mark.parametrize("flags", [1, 2])
def test_flags_that_the_sum_does_not_bear_out_are_wrong(contents: Contents, facts: Facts, flags: int) -> None:
    with pytest.raises(AuditError, match=rf"it says flags {flags}, the sum says 0"):
        contents.sums(facts, with_opening(contents, flags=flags))


def with_share(contents: Contents, holder: int, shares: Callable[[bytes], bytes]) -> RoundView:
    """A round in which a holder whose share was used had posted another."""
    round_ = contents.world.view.rounds[0]
    blob = ShareBlob.decode(read(contents, round_.shares[holder].blob))
    ref = put(contents, replace(blob, shares=shares(blob.shares)).encode())
    return doctor(contents, 0, shares={**round_.shares, holder: replace(round_.shares[holder], blob=ref)})


def test_an_opening_that_lists_a_share_that_does_not_help_is_wrong(contents: Contents, facts: Facts) -> None:
    holder, width = _used(contents.world.view.rounds[0])[0], facts.key.public.n_bytes
    with pytest.raises(AuditError, match=rf"it is wrong: the shares of holders .*{holder}.*, do not open the sum"):
        contents.sums(facts, with_share(contents, holder, lambda old: old[width:] + old[:width]))


def test_a_share_of_the_wrong_length_is_not_used(contents: Contents, facts: Facts) -> None:
    holder = _used(contents.world.view.rounds[0])[0]
    with pytest.raises(AuditError, match=rf"round 0: holder {holder}'s share: .* was paid to use"):
        contents.shares(facts, with_share(contents, holder, lambda old: old[1:]))


def test_sums_that_give_a_device_away_must_not_be_shared_for(contents: Contents, facts: Facts) -> None:
    view = contents.world.view
    included = view.rounds[1].included
    assert included is not None
    doctor(contents, 0, included=included | 1 << 4)
    round_ = doctor(contents, 1, base=view.rounds[0].base)
    with pytest.raises(
        AuditError, match=r"round 1: holders .*shared for a set that lets sums on this model be combined"
    ):
        contents.shares(facts, round_)


def test_a_vote_without_the_sum_shows(contents: Contents, facts: Facts) -> None:
    round_ = contents.world.view.rounds[0]
    contents.sums(facts, round_)
    (panel,) = round_.panels
    votes = {seat: replace(vote, evidence=flipped(vote.evidence)) for seat, vote in panel.votes.items()}
    with pytest.raises(AuditError, match=r"round 0: verifier 0x.* on seat \d: .*voted without computing the sum"):
        contents.votes(doctor(contents, 0, panels=(replace(panel, votes=votes),)))


def test_a_wrong_vote_that_was_overruled_is_a_finding(contents: Contents, facts: Facts) -> None:
    round_ = contents.world.view.rounds[0]
    contents.sums(facts, round_)
    (panel,) = round_.panels
    seat, vote = next((seat, vote) for seat, vote in panel.votes.items() if vote.ballot)
    votes = {**panel.votes, seat: replace(vote, ballot=Ballot(valid=3, invalid=0, right=1, wrong=0))}
    contents.votes(doctor(contents, 0, panels=(replace(panel, votes=votes),)))
    assert f"round 0: verifier 0x{vote.voter.hex()} on seat {seat} voted against what is true in attempt 0" in (
        contents.findings
    )


def test_every_round_builds_on_the_model_before(contents: Contents) -> None:
    first = contents.world.view.rounds[0].base
    doctor(contents, 1, base=first)
    with pytest.raises(AuditError, match=r"round 0: its model is not"):
        contents.models(None)


def test_a_key_of_other_holders_is_not_that_of_the_terms(contents: Contents) -> None:
    view = contents.world.view
    assert view.terms is not None
    blob = KeyBlob.decode(read(contents, BlobRef(view.terms.key.digest, view.terms.key.size)))
    ref = put(contents, replace(blob, threshold=blob.threshold + 1).encode())
    key = replace(view.terms.key, digest=ref.digest, size=ref.size)
    contents.world.view = replace(view, terms=replace(view.terms, key=key))
    with pytest.raises(AuditError, match=r"the requester's terms: the key is 4 of 5"):
        contents.facts()


def test_an_interrupted_run_is_checked_as_far_as_it_came(run: Path) -> None:
    with rewritten(run) as lines:
        closing = lines.index(logs(lines, "RoundClosed")[0])
        end = next(i for i in range(closing, len(lines)) if lines[i]["kind"] != "log")
        lines[end:] = [line for line in lines[end:] if line["kind"] == "header"]
    (run / "model.safetensors").unlink()
    found = verify(run)
    assert not found.ended
    assert found.counts["models"] == 1


def test_an_inspection_tells_what_happened(small_run: Path) -> None:
    found = audit.inspect(small_run)
    text = audit.render(found)
    assert [r.outcome.name for r in found.rounds] == ["ACCEPTED", "ACCEPTED"]
    assert [c.verdict for c in found.rounds[0].candidates] == ["invalid", "valid"]
    assert [d.status for d in found.rounds[1].devices] == ["included"] * 4 + ["excluded"]
    assert any(seat.slashed for r in found.rounds for p in r.panels for seat in p.seats)
    assert found.model == found.rounds[1].result
    assert found.model.held
    for line in (
        "round 1: update, accepted",
        "excluded   4",
        "candidate 0 of edge",
        "silent, slashed",
        found.model.cid,
    ):
        assert line in text
    assert '"outcome": "ACCEPTED"' in found.to_json()
