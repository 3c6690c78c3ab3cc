"""Promise 1 by forge: 10,000 calls of every function of every contract, after each of which the books are right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.nodes


def test_no_law_is_broken_in_ten_thousand_calls_and_every_function_is_reached() -> None:
    command = [sys.executable, "scripts/invariants.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    print(done.stdout)
    said = re.search(r"([\d,]+) calls in \d+ histories .* ([\d.]+)% refused; no law broken", done.stdout)
    assert said, done.stdout
    assert int(said[1].replace(",", "")) >= 10_000
    assert float(said[2]) < 20
