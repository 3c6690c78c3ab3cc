"""Runs forge's invariants and tells which functions they reached.

    python scripts/invariants.py                            50 histories of 220 steps: 10,000 calls
    python scripts/invariants.py --histories 5000           a million

Every state-changing function of every contract is called, by people who mostly do what can be done where a round is,
and sometimes anything (tests/invariants/Handler.sol). After each step the books are compared; each history ends with
everybody silent but a stranger, and with everybody paid. Fails where a law is broken, where a function was never
reached, or where a fifth of the calls or more were refused, for then they would show little.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from compile_contracts import compiler

from dapp.runtime.programs import find

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "tests" / "invariants" / "Handler.sol"
HISTORIES = ROOT / "build" / "invariants" / "histories.txt"
MOST_REFUSED = 0.2
REFUSED_HERE = {"EscrowPay", "EscrowMove", "PaillierSumMultiply", "PaillierSumStrikeOut", "PaillierSumExcludeUpdate"}
"""The escrow's are for the contracts alone, and are called through them whenever money moves; the judge of ciphertexts
wants proofs, which tests/contracts/test_paillier_sum.py brings."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How often a function was called, and how often it refused."""

    verb: str
    calls: int
    refused: int


def verbs() -> list[str]:
    """The handler's functions, in the order in which it counts them."""
    listed = re.search(r"enum Verb \{(.*?)\}", HANDLER.read_text(), re.S)
    assert listed, "the handler names its verbs in an enum"
    return re.findall(r"\w+", listed[1])


def run_forge(histories: int, depth: int, seed: int | None) -> float:
    """Seconds that forge took; exits with its words where an invariant is broken."""
    HISTORIES.parent.mkdir(parents=True, exist_ok=True)
    HISTORIES.unlink(missing_ok=True)
    environment = os.environ | {
        "FOUNDRY_CONFIG": str(ROOT / "tests" / "foundry.toml"),
        "FOUNDRY_SOLC": str(compiler()),
        "FOUNDRY_INVARIANT_RUNS": str(histories),
        "FOUNDRY_INVARIANT_DEPTH": str(depth),
    }
    command = [str(find("forge")), "test", "--root", str(ROOT), "--match-path", "tests/invariants/*"]
    command += [] if seed is None else ["--fuzz-seed", str(seed)]
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout[-6000:] + done.stderr[-2000:])
    return time.monotonic() - began


def reached() -> tuple[int, int, int, list[Reach]]:
    """Histories, rounds, the longest lock in seconds, and what was called in all histories together."""
    rows = [[int(word) for word in line.split()] for line in HISTORIES.read_text().splitlines()]
    sums = [sum(column) for column in zip(*rows, strict=True)]
    names = verbs()
    counts = [Reach(name, sums[2 + 2 * i], sums[3 + 2 * i]) for i, name in enumerate(names)]
    return len(rows), sums[1], max(row[0] for row in rows), counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=50)
    parser.add_argument("--depth", type=int, default=220, help="steps in a history")
    parser.add_argument("--seed", type=int, help="of forge's random numbers; default: another each time")
    arguments = parser.parse_args()

    seconds = run_forge(arguments.histories, arguments.depth, arguments.seed)
    histories, rounds, lock, counts = reached()
    for reach in counts:
        print(f"{reach.verb:<32}{reach.calls:>8} calls{reach.refused:>8} refused")
    calls, refused = sum(reach.calls for reach in counts), sum(reach.refused for reach in counts)
    print(
        f"{calls:,} calls in {histories:,} histories and {rounds:,} rounds; {refused / calls:.1%} refused; "
        f"no law broken; with everybody silent, rounds closed within {lock} s; {seconds:.0f} s"
    )
    missed = [r.verb for r in counts if not r.calls or (r.calls == r.refused and r.verb not in REFUSED_HERE)]
    if missed:
        raise SystemExit(f"never reached: {', '.join(missed)}")
    if refused >= MOST_REFUSED * calls:
        raise SystemExit(f"{refused / calls:.1%} of the calls were refused; at {MOST_REFUSED:.0%} they show little")


if __name__ == "__main__":
    main()
