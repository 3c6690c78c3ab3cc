"""What a verifier votes on each kind of lie, and why a device keeps its old weights: both recompute everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from secrets import randbits
from typing import TYPE_CHECKING

import pytest

from dapp.crypto import cid
from dapp.errors import BlobUnavailable
from dapp.learning.vectors import model_like, weights_of
from dapp.protocol import device, verifier
from dapp.protocol.blobs import AggregateBlob, BlobRef, OpeningBlob
from dapp.protocol.effects import Done, Failed, Input, Transact, Work
from dapp.protocol.records import Ballot
from dapp.protocol.view import Candidate, Posted
from dapp.protocol.work import NO_DIGEST, OVERFLOW, Examination, Examine
from dapp.types import Round

if TYPE_CHECKING:
    from conftest import Recorded


@dataclass(frozen=True)
class Case:
    """What is judged: round 0's first candidate and its opening, with the blobs that a store has."""

    job: Examine
    candidate: Candidate
    posted: Posted
    blobs: Mapping[BlobRef, bytes | None]

    def judge(self) -> Examination:
        job = replace(self.job, candidates=(self.candidate,), openings=(self.posted,))
        found: Examination = job.run(self.blobs, randbits).value
        return found

    def without(self, ref: BlobRef) -> Case:
        return replace(self, blobs={**self.blobs, ref: None})

    def with_candidate(self, blob: bytes | None = None, **changes: object) -> Case:
        """Another candidate; ``blob`` is what it says its aggregate is."""
        if blob is None:
            return replace(self, candidate=replace(self.candidate, **changes))
        ref = BlobRef(cid.digest(blob), len(blob))
        candidate = replace(self.candidate, aggregate=ref, **changes)
        return replace(self, candidate=candidate, blobs={**self.blobs, ref: blob})

    def with_opening(self, blob: bytes | None = None, model: bytes | None = None, **changes: object) -> Case:
        """Another opening; ``blob`` and ``model`` are what it says that the sum decrypts to."""
        blobs = dict(self.blobs)
        for data, names in ((blob, ("digest", "size")), (model, ("model_digest", "model_size"))):
            if data is not None:
                changes |= dict(zip(names, (cid.digest(data), len(data)), strict=True))
                blobs[BlobRef(cid.digest(data), len(data))] = data
        posted = replace(self.posted, opening=replace(self.posted.opening, **changes))
        return replace(self, posted=posted, blobs=blobs)

    @property
    def listed(self) -> list[BlobRef]:
        """The shares that the opening says it used."""
        return [s.blob for s in self.job.shares if self.posted.opening.used_shares >> s.holder & 1]

    @property
    def opened(self) -> OpeningBlob:
        return OpeningBlob.decode(self.blobs[self.posted.blob])

    def reopened(self, *, messages: int = 0, roots: int = 0) -> bytes:
        """The opening with so much added to its first message or its first root."""
        blob, width = self.opened, self.job.facts.key.public.n_bytes

        def first(data: bytes, more: int) -> bytes:
            return (int.from_bytes(data[:width], "big") + more).to_bytes(width, "big") + data[width:]

        return replace(blob, messages=first(blob.messages, messages), roots=first(blob.roots, roots)).encode()


@pytest.fixture(scope="module")
def case(recorded: Recorded) -> Case:
    stage = recorded.stage
    round_ = stage.rounds[0]
    candidate, posted = round_.opened_candidates[0], round_.openings[0]
    job = Examine.of(stage.world.facts, stage.view, round_, (candidate,), (posted,))
    return Case(job, candidate, posted, {ref: stage.blob(ref) for ref in job.needs})


def test_the_truth_is_valid_and_right(case: Case) -> None:
    found = case.judge()
    assert verifier.ballot_of(found) == Ballot(valid=1, invalid=0, right=1, wrong=0)
    assert found.reasons == ()


LIES_OF_EDGES: dict[str, Callable[[Case], Case]] = {
    "its aggregate is not to be had": lambda case: case.without(case.candidate.aggregate),
    "it was never opened": lambda case: case.with_candidate(aggregate=None),
    "its root is of another sum": lambda case: case.with_candidate(root=bytes(32)),
    "its blob is of another sum": lambda case: case.with_candidate(
        blob=AggregateBlob(case.job.sum_.task_id, Round(0), b"another").encode()
    ),
    "its header is of another nonce": lambda case: case.with_candidate(nonce=case.candidate.nonce + 1),
}


@pytest.mark.parametrize("lie", LIES_OF_EDGES.values(), ids=LIES_OF_EDGES)
def test_a_false_candidate_is_invalid_and_its_opening_is_judged_on_its_own(
    case: Case, lie: Callable[[Case], Case]
) -> None:
    found = lie(case).judge()
    assert verifier.ballot_of(found) == Ballot(valid=0, invalid=1, right=1, wrong=0)
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith(f"candidate {case.candidate.slot}: ")


def a_bit_off(case: Case) -> bytes:
    model = case.blobs[case.posted.model]
    weights = weights_of(model).copy()
    weights[0] += 2.0**-20
    return model_like(model, weights)


LIES_OF_OPENERS: dict[str, Callable[[Case], Case]] = {
    "it is not to be had": lambda case: case.without(case.posted.blob),
    "its model is not to be had": lambda case: case.without(case.posted.model),
    "it is no opening": lambda case: case.with_opening(blob=b"nothing"),
    "a plaintext is one more": lambda case: case.with_opening(blob=case.reopened(messages=1)),
    "a root is another": lambda case: case.with_opening(blob=case.reopened(roots=1)),
    "it is of another round": lambda case: case.with_opening(blob=replace(case.opened, round=Round(1)).encode()),
    "one position is missing": lambda case: case.with_opening(
        blob=replace(case.opened, messages=case.opened.messages[: -case.job.facts.key.public.n_bytes]).encode()
    ),
    "its model is not the mean": lambda case: case.with_opening(model=a_bit_off(case)),
    "a share that it lists is not to be had": lambda case: case.without(case.listed[0]),
    "a share that it lists is another's": lambda case: replace(
        case, blobs={**case.blobs, case.listed[0]: case.blobs[case.listed[1]]}
    ),
    "it lists one share more than it took": lambda case: case.with_opening(used_shares=0b1111),
    "it says that it converged": lambda case: case.with_opening(flags=1),
    "it says that it overflowed": lambda case: case.with_opening(flags=OVERFLOW, model_digest=NO_DIGEST, model_size=0),
}


@pytest.mark.parametrize("lie", LIES_OF_OPENERS.values(), ids=LIES_OF_OPENERS)
def test_a_false_opening_is_wrong_and_the_candidate_stays_valid(case: Case, lie: Callable[[Case], Case]) -> None:
    found = lie(case).judge()
    assert verifier.ballot_of(found) == Ballot(valid=1, invalid=0, right=0, wrong=1)
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith("opening 0: ")


def test_without_an_included_update_nothing_can_be_judged(case: Case) -> None:
    with pytest.raises(BlobUnavailable, match="included update of device 2"):
        case.without(case.job.sum_.updates[2]).judge()


# What a verifier makes of it


def vote_after(recorded: Recorded, answer: Input) -> Ballot:
    """What a verifier commits to, and reveals, in round 0 if its job comes to this."""
    tape = next(t for n, t in recorded.tapes.items() if n.startswith("verifier") and asked_to_judge(t.inputs))
    state = committed = tape.first
    for input in tape.inputs:
        if isinstance(input, Done) and input.duty == ("judge", 0, 0):
            state, _ = tape.step(state, answer)
            continue
        state, effects = tape.step(state, input)
        if any(isinstance(effect, Transact) and effect.duty == ("commit vote", 0, 0) for effect in effects):
            committed = state
        for effect in effects:
            if isinstance(effect, Transact) and effect.duty == ("reveal vote", 0, 0):
                assert committed.judged == state.judged
                ballot: Ballot = effect.args[4]
                return ballot
    raise AssertionError("it never voted")


def asked_to_judge(inputs: list[object]) -> bool:
    return any(isinstance(input, Done) and input.duty == ("judge", 0, 0) for input in inputs)


def test_who_cannot_recompute_the_sum_votes_an_empty_ballot_which_is_not_silence(recorded: Recorded) -> None:
    unable = Failed(("judge", 0, 0), "the included update of device 2 is not to be had")
    assert vote_after(recorded, unable) == Ballot(0, 0, 0, 0)


def test_a_verifier_votes_what_it_found(recorded: Recorded) -> None:
    found = Examination(valid=0b10, invalid=0b01, right=0b1, wrong=0, root=bytes(32), reasons=("it lies",), loss=None)
    assert vote_after(recorded, Done(("judge", 0, 0), found)) == Ballot(0b10, 0b01, 0b1, 0)


# What a device makes of it


FOUND_WRONG = {
    "the product": Examination(0, 1, 1, 0, bytes(32), ("candidate 0: not the product",), 1.0),
    "the opening or the mean": Examination(1, 0, 0, 1, bytes(32), ("opening 0: not the mean",), None),
}


@pytest.mark.parametrize("found", FOUND_WRONG.values(), ids=FOUND_WRONG)
def test_a_device_keeps_its_old_weights_if_something_is_wrong(recorded: Recorded, found: Examination) -> None:
    tape = recorded.tapes["device 0"]
    state, notices = tape.first, []
    for input in tape.inputs:
        wrong = isinstance(input, Done) and input.duty[0] == "adopt"
        state, effects = device.step(state, replace(input, value=found) if wrong else input)
        notices += [effect.text for effect in effects if getattr(effect, "duty", ("",))[0] == "sit out"]
    assert state.model == tape.first.model
    assert state.refused[0] == found.reasons[0]
    assert len(notices) == 1
    assert found.reasons[0] in notices[0]


def test_a_device_that_could_not_check_keeps_its_old_weights_too(recorded: Recorded) -> None:
    tape = recorded.tapes["device 0"]
    state = tape.first
    for input in tape.inputs:
        adopted = isinstance(input, Done) and input.duty[0] == "adopt"
        state, _ = device.step(state, Failed(input.duty, "a blob is not to be had") if adopted else input)
    assert state.model == tape.first.model
    assert state.refused == {0: "a blob is not to be had", 1: "a blob is not to be had"}


def test_a_device_that_could_not_check_looks_again_in_the_next_round(recorded: Recorded) -> None:
    tape, stage = recorded.tapes["device 0"], recorded.stage
    good = next(input.value for input in tape.inputs if isinstance(input, Done) and input.duty[:2] == ("adopt", 0))
    state, again = tape.first, []
    for input in tape.inputs:
        adopted = isinstance(input, Done) and input.duty[0] == "adopt"
        state, effects = device.step(state, Failed(input.duty, "a blob is not to be had") if adopted else input)
        asked = [effect.duty for effect in effects if isinstance(effect, Work) and effect.duty[0] == "adopt"]
        for duty in asked:
            if duty[1:] == (0, 1):
                again.append(duty)
                state, _ = device.step(state, Done(duty, good))
    assert again == [("adopt", 0, 1)]
    assert state.model == stage.rounds[0].result
    assert 0 not in state.refused


def test_a_device_checks_before_it_trains_on(recorded: Recorded) -> None:
    tape = recorded.tapes["device 0"]
    duties = [effect.duty[:2] for effect in tape.effects if isinstance(effect, Work)]
    assert duties.index(("adopt", 0)) < duties.index(("train", 1))
