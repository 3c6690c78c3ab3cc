"""The files of a report, as they lie in ``runs/<name>/``."""

from __future__ import annotations

from dapp.report import html, plots
from dapp.report.schema import Report


def rendered(report: Report) -> dict[str, bytes]:
    """File name → content: the document, the page, and the plots that have something to show."""
    files = {"report.json": report.to_json().encode(), "report.html": html.page(report).encode()}
    if any(r.accuracy for r in report.rounds):
        files["accuracy.png"] = plots.accuracy(report.rounds)
    if report.rounds:
        files["seconds.png"] = plots.seconds(report.rounds)
    return files
