"""The report survives JSON, and JSON that is no report is refused by name and place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dapp.errors import BlobError
from dapp.report import schema
from dapp.report.schema import Report

from .sample import interrupted, sample_report

SCHEMA = Path(__file__).parents[3] / "docs" / "report.schema.json"


def changed(**changes: Any) -> str:
    """The sample as JSON with some top-level keys replaced; None takes one away."""
    content = json.loads(sample_report(1).to_json())
    for key, value in changes.items():
        if value is None:
            del content[key]
        else:
            content[key] = value
    return json.dumps(content)


@pytest.mark.parametrize("report", [sample_report(), interrupted(sample_report())], ids=lambda r: r.status)
def test_a_report_comes_back_from_json_as_it_was(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


def test_a_report_before_its_task_comes_back_too() -> None:
    report = replace(sample_report(1), task=None, rounds=(), best=None, final=None)
    assert Report.from_json(report.to_json()) == report


def test_the_published_schema_is_that_of_the_dataclasses() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema.json_schema()


def test_every_key_of_the_published_schema_is_described() -> None:
    definitions = json.loads(schema.json_schema())["$defs"]
    silent = [f"{n}.{k}" for n, d in definitions.items() for k, p in d["properties"].items() if not p["description"]]
    assert silent == []


def test_the_published_schema_names_the_keys_of_the_document() -> None:
    definitions = json.loads(schema.json_schema())["$defs"]
    content = json.loads(sample_report(1).to_json())
    assert list(definitions["Report"]["properties"]) == list(content)
    assert list(definitions["RoundReport"]["properties"]) == list(content["rounds"][0])
    assert "global" in definitions["Accuracy"]["properties"]


def test_wei_is_a_decimal_string_since_it_outgrows_a_double() -> None:
    report = sample_report(1)
    wei = 10**18 + 1
    payment = replace(report.rounds[0].payments[0], wei=schema.Wei(wei))
    report = replace(report, rounds=(replace(report.rounds[0], payments=(payment,)),))
    assert json.loads(report.to_json())["rounds"][0]["payments"][0]["wei"] == str(wei)
    assert Report.from_json(report.to_json()).rounds[0].payments[0].wei == wei


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON"),
        ("[]", "the document: expected an object, found []"),
        (changed(gass=[]), "the document: unknown key 'gass'"),
        (changed(gas=None), "the document: key 'gas' is missing"),
        (changed(schema=2), "schema: expected one of 1, found 2"),
        (changed(schema=True), "schema: expected one of 1, found True"),
        (changed(status="done"), "status: expected one of 'complete', 'interrupted', 'failed', found 'done'"),
        (changed(total_seconds="3"), "total_seconds: expected number, found '3'"),
        (changed(total_seconds=True), "total_seconds: expected number, found True"),
        (changed(settings={"rounds": []}), "settings.rounds: expected string or integer or number or boolean or null"),
        (changed(warnings=[1]), "warnings[0]: expected string, found 1"),
        (changed(rounds=[{}]), "rounds[0]: key 'round' is missing"),
        (changed(bytes=[{"device": 0, "sent": 1.5, "received": 0}]), "bytes[0].sent: expected integer, found 1.5"),
        (changed(total_seconds=1).replace('"total_seconds": 1', '"total_seconds": NaN'), "total_seconds: expected"),
        (changed(total_seconds=1).replace('"total_seconds": 1', '"total_seconds": 1e999'), "total_seconds: expected"),
    ],
    ids=lambda value: value if len(value) < 90 else "",
)
def test_what_is_no_report_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(BlobError) as refused:
        Report.from_json(text)
    assert message in str(refused.value)


def test_a_misspelt_key_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(BlobError) as refused:
        Report.from_json(changed(warning=[]))
    assert refused.value.help == "did you mean 'warnings'?"


def test_wei_that_is_not_decimal_is_refused() -> None:
    text = changed().replace('"wei": "1000000000000000"', '"wei": "0x10"', 1)
    with pytest.raises(BlobError, match="wei as a decimal string, found '0x10'"):
        Report.from_json(text)


def test_a_number_that_json_cannot_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(sample_report(1), total_seconds=float("nan")).to_json()


def test_a_whole_number_is_taken_where_a_fraction_is_meant() -> None:
    assert Report.from_json(changed(total_seconds=3)).total_seconds == 3.0
