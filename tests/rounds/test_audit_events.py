"""No event of a run can be changed, dropped, added or moved unseen: the auditor names it, whose it is and its round."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgery import FORGER, calls, change, copied, flipped, logs, resign, rewritten
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dapp import audit
from dapp.audit.replay import replay
from dapp.chain.facts import import_events
from dapp.errors import AuditError, BlobError

STRANGER = f"0x{FORGER.address.hex()}"


def verify(folder: Path) -> audit.Audit:
    return audit.verify(folder, lambda *_: None, min_key_bits=512)


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A folder whose events may be changed; its blobs are not read before the lie is found."""
    (tmp_path / "store").mkdir()
    (tmp_path / "events.jsonl").write_bytes((small_run / "events.jsonl").read_bytes())
    return tmp_path


def more(value: int) -> int:
    return value + 1


def less(value: int) -> int:
    return value - 1


def set_in(place: int, new: Callable[[Any], Any]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A struct with another value at a place."""
    return lambda old: (*old[:place], new(old[place]), *old[place + 1 :])


CHANGES = [
    ("TaskCreated", 0, {"termsDigest": flipped}, "TaskCreated of .*terms_digest is"),
    ("TaskCreated", 0, {"terms": set_in(1, set_in(3, more))}, "TaskCreated of .*terms is"),
    ("DeviceEnrolled", 2, {"weight": more}, "DeviceEnrolled .*weight is 41, and must be 40"),
    ("DeviceEnrolled", 1, {"ownership": flipped}, "DeviceEnrolled .*ownership"),
    ("RoundOpened", 1, {"parent": flipped}, "RoundOpened.*parent is"),
    ("RoundOpened", 1, {"baseModel": flipped}, "RoundOpened.*base_model is"),
    ("RoundOpened", 0, {"budget": less}, "RoundOpened.*budget is"),
    ("UpdateCommitted", 6, {"digest": flipped}, r"round 1: .*UpdateCommitted of device \d .*digest is"),
    ("UpdateCommitted", 0, {"size": more}, r"round 0: .*UpdateCommitted of device .*size is"),
    ("UpdateCommitted", 1, {"device": STRANGER}, f"round 0: .*UpdateCommitted of sender {STRANGER}: device is"),
    ("UpdatesAttested", 1, {"mask": lambda mask: mask ^ 1}, "round 0: .*UpdatesAttested of device .*mask is"),
    ("SetIncluded", 1, {"mask": lambda mask: mask ^ 1}, "round 1: .*SetIncluded .*mask is"),
    ("SetIncluded", 0, {"totalWeight": more}, "round 0: .*SetIncluded .*total_weight is"),
    ("AggregateSealed", 0, {"seal": flipped}, "round 0: .*AggregateSealed of .*seal is"),
    ("AggregateOpened", 1, {"digest": flipped}, "round 0: .*AggregateOpened of edge .*digest is"),
    ("AggregateOpened", 3, {"header": flipped}, "round 1: .*AggregateOpened of edge .*header is"),
    ("SharePosted", 2, {"digest": flipped}, "round 0: .*SharePosted of device .*digest is"),
    ("OpeningPosted", 1, {"opening": set_in(2, flipped)}, "round 1: .*OpeningPosted of edge .*opening is"),
    ("OpeningPosted", 0, {"opening": set_in(5, more)}, "round 0: .*OpeningPosted of edge .*opening is"),
    ("SeedRequested", 0, {"seedBlock": more}, "block"),
    ("SeedProven", 0, {"seed": more}, "round 0: .*SeedProven of .*seed is"),
    ("MemberActivated", 0, {"index": more}, "MemberActivated of verifier .*index is 1"),
    ("PanelSummoned", 1, {"eligible": less}, "round 1: .*PanelSummoned of .*eligible is 2, and must be 3"),
    ("VoteCommitted", 1, {"voter": STRANGER}, f"round 0: .*VoteCommitted of sender {STRANGER}: voter is"),
    ("VoteCommitted", 0, {"seat": lambda seat: (seat + 1) % 3}, "round 0: .*VoteCommitted of verifier .*seat is"),
    (
        "VoteRevealed",
        1,
        {"ballot": set_in(0, lambda mask: mask ^ 3)},
        "round 0: .*VoteRevealed of verifier .*ballot is",
    ),
    ("VoteRevealed", 0, {"evidence": flipped}, "round 0: .*VoteRevealed of verifier .*evidence is"),
    ("PanelSettled", 1, {"quorum": set_in(1, lambda mask: 0)}, "round 1: .*PanelSettled of .*quorum is"),
    ("RoundClosed", 0, {"header": flipped}, "round 0: .*RoundClosed.*header is"),
    ("RoundClosed", 1, {"outcome": 2}, "round 1: .*RoundClosed.*outcome is"),
    ("RoundClosed", 0, {"result": flipped}, "round 0: .*RoundClosed.*result is"),
    ("DevicePaid", 0, {"amount": more}, r"round 0: .*DevicePaid of device \d .*amount is"),
    ("RelayPaid", 0, {"relay": STRANGER}, f"round 0: .*RelayPaid of sender {STRANGER}: relay is"),
    ("HolderPaid", 1, {"holder": STRANGER}, f"round 0: .*HolderPaid of sender {STRANGER}: holder is"),
    ("EdgePaid", 0, {"edge": STRANGER}, f"round 0: .*EdgePaid of sender {STRANGER}: edge is"),
    ("VoterPaid", 0, {"amount": more}, "round 0: .*VoterPaid of verifier .*amount is"),
    ("BondForfeited", 0, {"owner": STRANGER}, f"round 0: .*BondForfeited of sender {STRANGER}: owner is"),
    ("MemberSlashed", 0, {"member": STRANGER}, f"MemberSlashed of sender {STRANGER}: member is"),
    ("Paid", 3, {"to": STRANGER}, f"Paid of sender {STRANGER}: to is"),
    ("Paid", 4, {"amount": more}, "Paid of .*amount is"),
    ("PotFunded", 0, {"amount": more}, "PotFunded.*amount is"),
    ("PotMoved", 0, {"amount": less}, "PotMoved.*amount is"),
    ("Withdrawn", 0, {"amount": less}, "Withdrawn of .*amount is"),
    ("TaskEnded", 0, {"refund": more}, "TaskEnded.*refund is"),
]


@pytest.mark.parametrize(("event", "which", "fields", "said"), CHANGES)
def test_a_changed_event_is_found_and_named(
    run: Path, event: str, which: int, fields: dict[str, Any], said: str
) -> None:
    with rewritten(run) as lines:
        change(logs(lines, event)[which], **fields)
    with pytest.raises(AuditError, match=said) as lie:
        verify(run)
    assert lie.value.code == 6
    assert re.search("transaction 0x[0-9a-f]{64}", str(lie.value))


DROPPED = [
    "DeviceEnrolled",
    "UpdateCommitted",
    "UpdatesAttested",
    "SetIncluded",
    "AggregateSealed",
    "SharePosted",
    "VoteRevealed",
    "BondForfeited",
    "MemberSlashed",
    "Paid",
    "PotMoved",
]


@pytest.mark.parametrize("event", DROPPED)
def test_an_event_left_out_is_missed(run: Path, event: str) -> None:
    with rewritten(run) as lines:
        lines.remove(logs(lines, event)[0])
    with pytest.raises(AuditError, match=rf"event {event}.*(by the rules|is missing|instead)"):
        verify(run)


@pytest.mark.parametrize("event", ["DevicePaid", "VoteCommitted", "UpdateCommitted"])
def test_an_event_told_twice_is_one_too_many(run: Path, event: str) -> None:
    with rewritten(run) as lines:
        first = logs(lines, event)[0]
        later = [line for line in lines if line["kind"] == "log" and line["tx_hash"] == first["tx_hash"]][-1]
        place = lines.index(later) + 1
        for line in lines[place:]:
            if line["kind"] == "log" and line["block"] == first["block"]:
                line["log_index"] += 1
        lines.insert(place, first | {"log_index": later["log_index"] + 1})
    with pytest.raises(AuditError, match=r"the rules give no such event"):
        verify(run)


def test_a_transaction_told_twice_is_one_too_many(run: Path) -> None:
    with rewritten(run) as lines:
        (call, *_) = calls(lines, "Learning.claimDevicePayFor")
        start = lines.index(call)
        block = lines[start : start + 3]
        assert [line["kind"] for line in block] == ["transaction", "log", "log"]
        later = [dict(line) for line in block]
        for offset, log in enumerate(later[1:], 100):
            log["log_index"] += offset
        lines[start + 3 : start + 3] = later
    with pytest.raises(AuditError, match=r"paid already|not in the chain's order"):
        verify(run)


def test_logs_in_another_order_are_no_chain(run: Path) -> None:
    with rewritten(run) as lines:
        sealed = calls(lines, "Mining.openAggregate")[0]
        start = lines.index(sealed)
        before = max(i for i in range(start) if lines[i]["kind"] == "transaction")
        lines[before:start], lines[start : start + 2] = [], lines[start : start + 2] + lines[before:start]
    with pytest.raises(AuditError, match=r"order|earlier"):
        verify(run)


def test_a_sender_is_who_signed(run: Path) -> None:
    with rewritten(run) as lines:
        lines[1]["sender"] = STRANGER
    with pytest.raises(AuditError, match=r"line 2: the transaction's sender is said to be"):
        verify(run)


def test_a_block_gives_its_own_time(run: Path) -> None:
    with rewritten(run) as lines:
        late = calls(lines, "Learning.commitUpdates")[0]
        for line in lines:
            if late["hash"] in (line.get("hash"), line.get("tx_hash")):
                line["timestamp"] += 1
    with pytest.raises(AuditError, match=r"gives another time than its logs"):
        verify(run)


def test_a_header_names_its_parent(run: Path) -> None:
    with rewritten(run) as lines:
        headers = {line["number"]: line for line in lines if line["kind"] == "header"}
        child = next(number for number in sorted(headers) if number - 1 in headers)
        raw = bytearray(bytes.fromhex(headers[child]["rlp"][2:]))
        raw[10] ^= 1  # within the parent's hash, the first field
        headers[child]["rlp"] = f"0x{raw.hex()}"
    with pytest.raises(AuditError, match=f"header of block {child} names another parent"):
        verify(run)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_digit_of_a_transaction_or_a_log_can_be_changed(run: Path, small_run: Path, data: st.DataObject) -> None:
    """Gas alone is not told from what the events mean; it is in no transaction's and in no log's hex."""
    (run / "events.jsonl").write_bytes((small_run / "events.jsonl").read_bytes())
    with rewritten(run) as lines:
        line = data.draw(st.sampled_from([line for line in lines if line["kind"] in ("transaction", "log")]))
        name = data.draw(st.sampled_from(["hash", "sender", "raw"] if line["kind"] == "transaction" else LOG_FIELDS))
        place = len(line["topics"]) - 1 if name == "topics" else None
        old = line[name] if place is None else line[name][place]
        assume(len(old) > 2)
        digit = data.draw(st.integers(2, len(old) - 1))
        new = f"{old[:digit]}{int(old[digit], 16) ^ data.draw(st.integers(1, 15)):x}{old[digit + 1 :]}"
        line[name] = new if place is None else [*line[name][:place], new]
    with pytest.raises((AuditError, BlobError)):
        replay(import_events(run / "events.jsonl"))


LOG_FIELDS = ["data", "topics", "address", "tx_hash", "sender"]


def _in_first(place: int, new: Callable[[Any], Any]) -> Callable[[list[Any]], None]:
    """Changes a field of the first message of a batch."""

    def change_args(args: list[Any]) -> None:
        args[-1][0][place] = new(args[-1][0][place])

    return change_args


def _digest(update: list[Any]) -> list[Any]:
    return [flipped(update[0]), *update[1:]]


FORGED = [
    ("Learning.enrolBySig", _in_first(1, less), "EnrolmentSkipped"),
    ("Learning.commitUpdates", _in_first(1, _digest), "UpdateSkipped"),
    ("Mining.attestBySig", _in_first(1, lambda mask: mask ^ 1), "MessageSkipped"),
    ("Mining.postSharesBySig", _in_first(1, flipped), "MessageSkipped"),
]


@pytest.mark.parametrize(("function", "change_args", "must"), FORGED)
def test_a_relayed_message_must_be_signed_by_whom_it_names(
    run: Path, function: str, change_args: Callable[[list[Any]], None], must: str
) -> None:
    with rewritten(run) as lines:
        resign(lines, calls(lines, function)[0], function, change_args)
    with pytest.raises(AuditError, match=f"the rules give an event {must} instead"):
        verify(run)


def test_nobody_votes_on_a_seat_that_the_lot_gave_to_another(run: Path) -> None:
    with rewritten(run) as lines:
        resign(lines, calls(lines, "Verification.commitVote")[0], "Verification.commitVote", lambda args: None)
    with pytest.raises(AuditError, match=f"round 0: sender {STRANGER}: the lot gave seat"):
        verify(run)


def test_nobody_opens_what_another_sealed(run: Path) -> None:
    with rewritten(run) as lines:
        resign(lines, calls(lines, "Mining.openAggregate")[0], "Mining.openAggregate", lambda args: None)
    with pytest.raises(AuditError, match=f"round 0: sender {STRANGER}: candidate 0 is another edge's"):
        verify(run)


def test_a_seed_comes_from_the_block_that_was_fixed(run: Path) -> None:
    def another_header(args: list[Any]) -> None:
        args[3] = other

    with rewritten(run) as lines:
        other = bytes.fromhex(next(line for line in lines if line["kind"] == "header")["rlp"][2:])
        resign(lines, calls(lines, "Verification.proveSeed")[0], "Verification.proveSeed", another_header)
    with pytest.raises(AuditError, match=r"round 0: .*the header shown is not that of block"):
        verify(run)


def test_the_header_that_gave_a_seed_must_be_there(run: Path) -> None:
    with rewritten(run) as lines:
        logged = {line["block"] for line in lines if line["kind"] == "log"}
        lines[:] = [line for line in lines if line["kind"] != "header" or line["number"] in logged]
    with pytest.raises(AuditError, match=r"the header of block .* is missing"):
        verify(run)


def test_events_of_another_contract_are_refused(run: Path) -> None:
    with rewritten(run) as lines:
        logs(lines, "UpdateCommitted")[0]["address"] = STRANGER
    with pytest.raises(AuditError, match=r"deployment's"):
        verify(run)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlobError, match=re.escape(f"{tmp_path} is not the folder of a run: it has no events.jsonl")):
        verify(tmp_path)


def test_a_file_of_events_that_ends_in_the_middle_of_a_line_is_named(run: Path) -> None:
    path = run / "events.jsonl"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BlobError, match=r"events.jsonl, line"):
        verify(run)


def test_a_file_of_events_that_was_cut_lacks_its_headers(run: Path) -> None:
    path = run / "events.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:50]))
    with pytest.raises(AuditError, match=r"header of block .* missing"):
        verify(run)


def test_an_empty_file_of_events_is_named(run: Path) -> None:
    (run / "events.jsonl").write_text("")
    with pytest.raises(BlobError, match=r"line 1"):
        verify(run)


def test_the_run_as_it_was_left_has_no_lie(small_run: Path, tmp_path: Path) -> None:
    folder = copied(small_run, tmp_path / "copy")
    (folder / "report.json").unlink()  # nothing of it is believed, so nothing of it is needed
    told: list[tuple[str, int]] = []
    found = audit.verify(folder, lambda check, count: told.append((check, count)), min_key_bits=512)
    assert told == list(found.counts.items())
    assert [check for check, _ in told] == list(audit.CHECKS)
    assert all(count > 0 for _, count in told)
    assert found.ended
    assert sum("candidate 0 of edge" in finding for finding in found.findings) == 2
    assert any("device 4" in finding and "not to be had" in finding for finding in found.findings)
