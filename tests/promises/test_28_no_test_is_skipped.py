"""Promise 28: no test is skipped, or expected to fail, but with a reason that names an open issue and a date.

One place may skip without: where a person's machine has not got a program. With ``CI`` set it fails the test instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.outcomes import Failed, Skipped
from real_nodes import absent

ABSENT = "real_nodes.py"
TESTS = Path(__file__).resolve().parents[1]
EVASIONS = {"skip", "skipif", "xfail", "importorskip", "skipTest", "skipUnless", "expectedFailure"}
REASON = re.compile(r"issue \d+.*\d{4}-\d{2}-\d{2}")


def evasions(source: str) -> Iterator[tuple[int, str]]:
    """Line and reason of everything that keeps a test from failing."""
    tree = ast.parse(source)
    reasons = {
        id(call.func): next((word.value for word in call.keywords if word.arg == "reason"), None)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in EVASIONS:
            reason = reasons.get(id(node))
            yield node.lineno, str(reason.value) if isinstance(reason, ast.Constant) else ""


def test_nothing_is_skipped_without_an_issue_and_a_date() -> None:
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 50
    unexplained = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in files
        if path.name != ABSENT
        for line, reason in evasions(path.read_text(encoding="utf-8"))
        if not REASON.search(reason)
    ]
    assert unexplained == []


def test_what_is_absent_is_skipped_on_a_person_s_machine_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line for line, _ in evasions((TESTS / ABSENT).read_text(encoding="utf-8"))], "the one place that may skip"
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Skipped, match="no such program"):
        absent("no such program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Failed, match="no such program, and CI insists on it"):
        absent("no such program")


def test_this_file_finds_what_it_looks_for() -> None:
    source = (
        "import pytest\n@pytest.mark.skipif(True, reason='issue 7, since 2026-11-01')\ndef test(): pytest.skip('no')\n"
    )
    assert list(evasions(source)) == [(2, "issue 7, since 2026-11-01"), (3, "")]
    assert REASON.search("issue 7, since 2026-11-01")
