"""Hostile encodings: bytes that are small to send and dear, or deadly, to decode."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import cbor2
import pytest
from siege import Lab
from stage import Stage

from dapp.crypto import cid
from dapp.device.training import TrainAndEncrypt
from dapp.errors import BlobError
from dapp.protocol.blobs import BlobRef, read_map
from dapp.protocol.effects import Blobs, Effect, Input, RandomBits, Result, Work
from dapp.protocol.enums import Outcome
from dapp.protocol.work import CheckUpdates, Examine
from dapp.runtime.node import Step
from dapp.simulation.faults import lying

LARGE = 1 << 20
"""Bytes of the larger attacks: what the terms let an update have."""
QUICK = 0.1
"""Seconds of one core that a refusal may take; a MiB is hashed in about as much."""
KIND = cbor2.dumps("kind")
MAP_OF_ONE, MAP_OF_TWO, UNENDING_MAP = b"\xa1", b"\xa2", b"\xbf"
BIGNUM, REGEX, DATE, SHARED, RATIONAL = b"\xc2", b"\xd8\x23", b"\xc0", b"\xd8\x1c", b"\xd8\x1e"


def string(major: int, data: bytes) -> bytes:
    """A byte string (2) or a text (3) with its length in 32 bits."""
    return bytes([major << 5 | 26]) + len(data).to_bytes(4, "big") + data


HOSTILE = {
    "a bignum for a key": MAP_OF_ONE + BIGNUM + string(2, b"\xff" * 2048) + b"\0",
    "a large bignum for a key": MAP_OF_ONE + BIGNUM + string(2, b"\xff" * LARGE) + b"\0",
    "a bignum for a value": MAP_OF_ONE + KIND + BIGNUM + string(2, b"\xff" * LARGE),
    "a regular expression": MAP_OF_ONE + KIND + REGEX + string(3, b"(" * 5000 + b"a" + b")*" * 5000),
    "a regular expression for a key": MAP_OF_ONE + REGEX + string(3, b"(a|" * 5000) + b"\0",
    "a date": MAP_OF_ONE + KIND + DATE + string(3, b"9999-99-99T99:99:99Z"),
    "a value that holds itself": SHARED + MAP_OF_ONE + KIND + b"\xd8\x1d\0",
    "a rational over nought": MAP_OF_ONE + KIND + RATIONAL + b"\x82\x01\0",
    "tags on tags": MAP_OF_ONE + KIND + BIGNUM * LARGE + b"\0",
    "arrays in arrays": MAP_OF_ONE + KIND + b"\x81" * LARGE + b"\0",
    "maps in maps": (MAP_OF_ONE + KIND) * (LARGE // 6) + b"\0",
    "maps for keys": MAP_OF_ONE * LARGE,
    "a byte string of 2^64 bytes": MAP_OF_ONE + KIND + b"\x5b" + b"\xff" * 8,
    "a text of 2^64 bytes": MAP_OF_ONE + KIND + b"\x7b" + b"\xff" * 8,
    "a key of 2^32 bytes": MAP_OF_ONE + b"\x7a" + b"\xff" * 4,
    "a key of a MiB": MAP_OF_ONE + string(3, b"k" * LARGE) + b"\0",
    "a map of 2^64 fields": b"\xbb" + b"\xff" * 8,
    "a map of many fields": b"\xba" + (LARGE // 8).to_bytes(4, "big") + b"".join(
        string(3, i.to_bytes(3, "big").hex()[:2].encode()) + b"\0" for i in range(LARGE // 8)
    ),
    "a map without an end": UNENDING_MAP + (KIND + b"\0") * (LARGE // 6),
    "a byte string in pieces without an end": MAP_OF_ONE + KIND + b"\x5f" + b"\x41\0" * (LARGE // 2),
    "the same key twice": MAP_OF_TWO + KIND + b"\x01" + KIND + b"\x02",
    "a key that is not UTF-8": MAP_OF_ONE + b"\x62\xff\xfe" + b"\0",
    "a negative number": MAP_OF_ONE + KIND + b"\x20",
    "not a number": MAP_OF_ONE + KIND + b"\xf9\x7e\0",
    "bytes after the end": MAP_OF_ONE + KIND + b"\0" * LARGE,
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_defended_it_is_refused_as_no_blob_and_quickly(name: str) -> None:
    data, started = HOSTILE[name], time.thread_time()
    with pytest.raises(BlobError) as refused:
        read_map(data)
    assert time.thread_time() - started < QUICK
    assert len(str(refused.value)) < 300, "nor does it fill a log"


def test_the_attack_works_on_a_general_decoder_that_gives_keys_of_any_size() -> None:
    """It is CBOR; who then names the fields in a message meets Python's limit, and another exception than it awaits."""
    body = cbor2.loads(HOSTILE["a bignum for a key"])
    with pytest.raises(ValueError, match="digits"):
        sorted(map(str, body))


def test_defended_a_holder_names_what_it_refuses_and_checks_the_others(lab: Lab) -> None:
    honest, data = lab.updates[0]
    commits, blobs = [honest], {honest.update: data}
    for index, hostile in enumerate(HOSTILE.values(), start=1):
        ref = BlobRef(cid.digest(hostile), len(hostile))
        commits.append(replace(honest, index=index, update=ref))
        blobs[ref] = hostile
    found = CheckUpdates(lab.facts, 0, tuple(commits)).run(blobs, Random(1).getrandbits).value
    assert found[0] == ""
    assert all(found[index] for index in range(1, len(HOSTILE) + 1))


# In a run


HOSTILE_DEVICE, FAILING_VERIFIER = 3, 3


def hostile_update(job: TrainAndEncrypt, honest: Result) -> Result:
    data = HOSTILE["a bignum for a key"]
    return Result(replace(honest.value, digest=cid.digest(data), size=len(data)), (data,))


@dataclass(frozen=True)
class Failing:
    """A job in which something fails that nobody thought of."""

    job: Any

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.job.needs  # type: ignore[no-any-return]

    @property
    def label(self) -> str:
        return "failing"

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        raise RecursionError("too deep")


def failing(step: Step[Any]) -> Step[Any]:
    def failed(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(
            replace(e, job=Failing(e.job)) if isinstance(e, Work) and isinstance(e.job, Examine) else e for e in effects
        )

    return failed


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage.build(tmp_path_factory.mktemp("hostile"), "panel.seats=4")
    stage.node("device", HOSTILE_DEVICE).wrap(lambda step: lying(step, TrainAndEncrypt, hostile_update))
    stage.node("verifier", FAILING_VERIFIER).wrap(failing)
    return stage.play()


def test_defended_a_run_goes_on_without_the_device_that_published_a_bignum(stage: Stage) -> None:
    (round_,) = stage.rounds
    assert round_.committed == 0b1111
    assert round_.included == 0b0111
    assert round_.outcome == Outcome.ACCEPTED


def test_defended_every_holder_says_whose_update_it_refused(stage: Stage) -> None:
    for holder in stage.world.nodes_of("holder"):
        assert any(f"update of device {HOSTILE_DEVICE}" in what for what in stage.faults(holder.name))


def test_defended_whatever_a_job_raises_is_its_own_failure(stage: Stage) -> None:
    assert any("RecursionError: too deep" in what for what in stage.faults(f"verifier {FAILING_VERIFIER}"))
