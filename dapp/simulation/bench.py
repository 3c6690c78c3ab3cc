"""The demo's figures, and the crypto's beside python-paillier's in the same process."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from dapp import settings
from dapp.crypto import packing, paillier, threshold
from dapp.report import progress, schema
from dapp.requester.dealer import find_prime
from dapp.simulation.faults import Scenario
from dapp.simulation.run import run

DEVICES = 10
CIPHERTEXTS = 20
REPEATS = 3


def bench(listener: progress.Listener) -> Mapping[str, Any]:
    """Runs the demo as it is and the crypto alone; seconds, bytes, gas and MiB, ready for JSON."""
    began = time.perf_counter()
    chosen = settings.load(None, {}, [])
    with tempfile.TemporaryDirectory() as folder:
        report = run(chosen, Path(folder, "run"), listener, Scenario(), began=began)
    listener.on(progress.Step("the crypto alone, beside phe"))
    return {
        "machine": {"cpu": report.machine.cpu, "cores": report.machine.cores, "python": report.machine.python},
        "date": report.created,
        "packages": report.machine.packages,
        "demo": _demo(report),
        "crypto": crypto(chosen),
    }


def _demo(report: schema.Report) -> dict[str, Any]:
    assert report.task is not None, "a complete run has a task"
    return {
        "total_seconds": round(report.total_seconds, 2),
        "seconds": _rounded(report.seconds),
        "seconds_of_a_round": _rounded(
            {phase: median(r.seconds.get(phase, 0.0) for r in report.rounds) for phase in report.rounds[0].seconds}
        ),
        "core_seconds": _rounded(report.work),
        "accuracy": [round(r.accuracy.global_, 3) for r in report.rounds if r.accuracy],
        "accuracy_alone": [
            round(sum(r.accuracy.alone) / len(r.accuracy.alone), 3) for r in report.rounds if r.accuracy
        ],
        "ciphertexts": report.task.ciphertexts,
        "update_bytes": report.task.update_bytes,
        "expansion": round(report.task.expansion, 2),
        "device_bytes": {
            "sent": round(median(t.sent for t in report.bytes)),
            "received": round(median(t.received for t in report.bytes)),
        },
        "gas": {g.function: {"calls": g.calls, "median": g.median} for g in report.gas},
        "peak_mib": {"main": round(report.peak_memory.main_mib), "worker": round(max(report.peak_memory.workers_mib))},
    }


def crypto(chosen: settings.Settings) -> dict[str, Any]:
    """Milliseconds a ciphertext of ours and of phe's, on one core, and how many values each carries."""
    bits = chosen.key.bits
    encoding = packing.Encoding(
        bits=chosen.encoding.bits, clip_nano=10**9, total_weight=chosen.total_weight, key_bits=bits
    )
    p, q = find_prime(bits // 2), find_prime(bits // 2)
    private = paillier.PrivateKey(paillier.PublicKey(p * q), p, q)
    key, shares = threshold.deal(private, chosen.threshold, chosen.holders, secrets.randbits)
    public = key.public
    exponent_bits = paillier.exponent_bits(public, chosen.total_weight, CIPHERTEXTS)
    table = paillier.FixedBase.for_work(public, exponent_bits, CIPHERTEXTS * DEVICES)
    messages = [secrets.randbits(bits - 2) for _ in range(CIPHERTEXTS)]
    exponents = paillier.random_exponents(exponent_bits, CIPHERTEXTS, secrets.randbits)
    ciphertexts = paillier.encrypt_many(public, table, messages, exponents)
    columns, weights = [ciphertexts] * DEVICES, [600] * DEVICES
    given = {s.index: threshold.share(key, s, ciphertexts) for s in shares[: chosen.threshold]}

    phe_public, phe_private = paillier.to_phe_public(public), paillier.to_phe_private(private)
    numbers = [paillier.to_phe_number(public, c) for c in ciphertexts]

    def phe_sum() -> None:
        for number in numbers:
            total = number * 600
            for _ in range(DEVICES - 1):
                total = total + number * 600

    ours = {
        "encrypt": _milliseconds(lambda: paillier.encrypt_many(public, table, messages, exponents)),
        "weighted sum of 10": _milliseconds(lambda: paillier.weighted_product(public, columns, weights)),
        "share of a holder": _milliseconds(lambda: threshold.share(key, shares[0], ciphertexts)),
        "open with 6 shares": _milliseconds(lambda: threshold.combine(key, given, ciphertexts)),
    }
    theirs = {
        "encrypt": _milliseconds(lambda: [phe_public.raw_encrypt(m) for m in messages]),
        "weighted sum of 10": _milliseconds(phe_sum),
        "decrypt with one key": _milliseconds(lambda: [phe_private.raw_decrypt(c) for c in ciphertexts]),
    }
    return {
        "key_bits": bits,
        "values_a_ciphertext": {"cairn": encoding.slots, "phe": 1},
        "milliseconds_a_ciphertext": {"cairn": ours, "phe": theirs},
        "times_faster_a_value": {
            step: round(theirs[step] / ours[step] * encoding.slots) for step in ours if step in theirs
        },
    }


def _milliseconds(work: Callable[[], object]) -> float:
    """The median over a few repeats, for one ciphertext."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return round(1000 * median(times) / CIPHERTEXTS, 3)


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in seconds.items()}
