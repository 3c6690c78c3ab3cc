"""A report such as ``cairn demo --drop 2 --cheat edge`` makes, from a seed: what rendering is tried on."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from dapp.report.schema import (
    Accuracy,
    Attestation,
    Best,
    Candidate,
    DeviceReport,
    Fault,
    Final,
    Gas,
    Kind,
    Machine,
    Model,
    Opening,
    Outcome,
    Payment,
    PeakMemory,
    Refused,
    Report,
    RoundReport,
    Share,
    Slashed,
    Task,
    Traffic,
    Vote,
)
from dapp.types import Wei

DEVICES = HOLDERS = 10
UPDATE_BYTES = 47_562


def sample_report(rounds: int = 5) -> Report:
    """A complete run; round 1 has two absent devices, a cheating edge, a silent verifier and a silent holder."""
    random = Random(7)
    reports = tuple(sample_round(random, number, troubled=number == 1) for number in range(rounds))
    last = reports[-1]
    assert last.model is not None
    assert last.accuracy is not None
    return Report(
        schema=1,
        cairn="0.1.0",
        name="demo",
        created="2026-03-14T15:09:26+00:00",
        status="complete",
        message="",
        settings={"devices": 10, "rounds": rounds, "strategy": "fedavg", "partition": "iid", "clip": 0.25, "pow": None},
        machine=Machine(
            cpu="Example CPU 3.0 GHz",
            cores=2,
            memory_mib=7956,
            system="Linux 6.1",
            python="3.11.9",
            packages={"torch": "2.13.0", "numpy": "2.4.1", "gmpy2": "2.2.1", "web3": "7.16.0"},
        ),
        task=Task(
            id=hexed(random, 32),
            terms_digest=hexed(random, 32),
            model="small-cnn",
            parameters=2242,
            values=2243,
            slots=70,
            ciphertexts=91,
            ciphertext_bytes=512,
            update_bytes=UPDATE_BYTES,
            expansion=UPDATE_BYTES / (4 * 2243),
            key_bits=2048,
            threshold=6,
            holders=HOLDERS,
            devices=DEVICES,
            edges=2,
            verifiers=9,
            seats=5,
            strategy={"name": "fedavg", "learning_rate": 0.05, "local_epochs": 1, "batch_size": 32, "momentum": 0.9},
            chain_id=131277322940537,
            contracts={name: hexed(random, 20) for name in ("Learning", "Mining", "Verification", "Escrow")},
        ),
        rounds=reports,
        best=Best(round=rounds - 1, loss=0.231, digest=last.model.digest),
        final=Final(last.model.digest, last.model.cid, "model.safetensors", last.accuracy.global_),
        seconds={"imports": 4.6, "key": 1.7, "chain": 1.1, "enrol": 0.6, "rounds": 15.2, "report": 0.7},
        work={"train": 6.1, "encrypt": 9.3, "attest": 4.2, "sum": 2.0, "share": 3.9, "open": 1.1, "vote": 4.0},
        total_seconds=23.9,
        gas=(
            Gas("Learning.createTask", 1, 401_231, 401_231, 401_231, 401_231),
            Gas("Learning.commitUpdates", 5, 611_020, 640_118, 655_091, 3_190_004),
            Gas("Mining.attest", 49, 48_210, 51_730, 66_001, 2_533_190),
            Gas("Verification.revealVote", 24, 61_044, 63_910, 88_120, 1_560_771),
        ),
        bytes=tuple(Traffic(k, 5 * UPDATE_BYTES + 310, 5 * 61_000) for k in range(DEVICES)),
        peak_memory=PeakMemory(main_mib=612.4, workers_mib=(241.0, 239.5)),
        faults=(
            Fault(1, "device", "device-3", "vanished before it had committed"),
            Fault(1, "device", "device-7", "vanished before it had committed"),
            Fault(1, "edge", "edge-0", "published a wrong sum at position 17; its bond is forfeited"),
            Fault(1, "verifier", "verifier-4", "revealed no vote in time and lost its stake"),
            Fault(1, "holder", "holder-2", "was asked for a share and gave none"),
        ),
        warnings=("the key comes from a dealer, who could read every update",),
    )


def sample_round(random: Random, number: int, *, troubled: bool) -> RoundReport:
    """An accepted round: 10 of 10 devices, or 8 of 10 where it is troubled."""
    gone = (3, 7) if troubled else ()
    refused = (Refused(5, "its proof of knowledge is another device's"),) if troubled else ()
    included = tuple(k for k in range(DEVICES) if k not in gone)
    silent = (2,) if troubled else ()
    holders = [k for k in range(HOLDERS) if k not in silent][:7]
    good = Candidate(len(gone) // 2, "edge-1" if troubled else "edge-0", hexed(random, 32), cid(random), "valid")
    bad = Candidate(0, "edge-0", hexed(random, 32), cid(random), "invalid")
    digest = hexed(random, 32)
    return RoundReport(
        round=number,
        epoch=number,
        kind=Kind.UPDATE,
        outcome=Outcome.ACCEPTED,
        attempts=1,
        devices=tuple(sample_device(random, k, missing=k in gone) for k in range(DEVICES)),
        attestations=tuple(
            Attestation(k, f"holder-{k}", included, refused if k == 0 else ())
            for k in range(HOLDERS)
            if k not in silent
        ),
        included=included,
        total_weight=600 * len(included),
        block_bytes=420 + len(included) * UPDATE_BYTES,
        candidates=(bad, good) if troubled else (good,),
        shares=tuple(Share(k, f"holder-{k}", place < 6) for place, k in enumerate(holders)),
        holders_silent=tuple(f"holder-{k}" for k in silent),
        openings=(Opening(0, good.edge, hexed(random, 32), cid(random), "right", tuple(holders[:6])),),
        votes=tuple(sample_vote(seat, good.slot, silent=troubled and seat == 4) for seat in range(5)),
        slashed=(Slashed("edge-0", Wei(10**17)), Slashed("verifier-4", Wei(10**16))) if troubled else (),
        payments=(
            *(Payment(f"device-{k}", "device", "data", Wei(10**16 // len(included))) for k in included),
            *(Payment(f"holder-{k}", "holder", "share", Wei(2 * 10**14)) for k in holders[:6]),
            Payment(good.edge, "edge", "processing", Wei(5 * 10**15)),
            *(Payment(f"verifier-{k}", "verifier", "vote", Wei(10**15)) for k in range(4 if troubled else 5)),
        ),
        model=Model(digest, cid(random), 9_520),
        header=hexed(random, 32),
        parent=hexed(random, 32),
        base_loss=2.31 * 0.55**number,
        leverage=1 / len(included),
        accuracy=Accuracy(
            global_=0.94 - 0.22 * 0.55**number,
            alone=tuple(0.84 - 0.3 * 0.6**number - 0.06 * random.random() for _ in range(DEVICES)),
        ),
        seconds={
            "commit": 1.1 + 0.1 * random.random(),
            "publish": 0.5,
            "seal": 0.2,
            "open": 0.1,
            "share": 0.6,
            "opening": 0.2,
            "vote": 0.5 + 0.4 * troubled,
            "close": 0.1,
        },
        wall=3.1 + 0.4 * troubled,
    )


def sample_device(random: Random, index: int, *, missing: bool) -> DeviceReport:
    """A device that is included, or one that vanished."""
    return DeviceReport(
        index=index,
        name=f"device-{index}",
        address=hexed(random, 20),
        weight=600,
        status="missing" if missing else "included",
        reason="vanished before it had committed" if missing else "",
        clipped=0 if missing else random.choice((0, 0, 0, 2)),
        samples=600,
        compute_seconds=0.0 if missing else 0.12 + 0.02 * random.random(),
        bytes=0 if missing else UPDATE_BYTES,
    )


def sample_vote(seat: int, slot: int, *, silent: bool) -> Vote:
    """A revealed ballot for the candidate in ``slot`` and against those before it, or a silent seat."""
    if silent:
        return Vote(0, seat, f"verifier-{seat}", "silent", (), (), (), ())
    return Vote(0, seat, f"verifier-{seat}", "revealed", (slot,), tuple(range(slot)), (0,), ())


def interrupted(report: Report) -> Report:
    """The same run, stopped by Ctrl-C in its third round."""
    stopped = replace(report.rounds[2], outcome=Outcome.OPEN, openings=(), votes=(), payments=(), model=None)
    return replace(
        report,
        status="interrupted",
        message="interrupted in round 2",
        rounds=(*report.rounds[:2], replace(stopped, accuracy=None)),
        final=None,
    )


def hexed(random: Random, length: int) -> str:
    """``length`` bytes in hex."""
    return "0x" + random.randbytes(length).hex()


def cid(random: Random) -> str:
    """Something as long as a CIDv1."""
    return "bafybei" + "".join(random.choices("abcdefghijklmnopqrstuvwxyz234567", k=52))
