"""The report as one page that needs nothing else: no script, no request, readable on a phone and on paper."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from dapp.report import plots, summary
from dapp.report.schema import Report


def page(report: Report) -> str:
    """The text of ``report.html``."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("dapp.report") / "template.html.j2").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        faults=summary.faults(report),
        headline=summary.headline(report),
        figures=summary.key_figures(report),
        plots=_plots(report),
        rounds=[summary.round_tree(r) for r in report.rounds],
        tables=summary.tables(report),
        facts=summary.facts(report),
    )


def _plots(report: Report) -> list[tuple[str, Markup]]:
    """(caption, drawing) of the plots that have something to show."""
    drawings = []
    if any(r.accuracy for r in report.rounds):
        caption = "Accuracy on the test set: all devices together against each device alone"
        drawings.append((caption, _inline(plots.accuracy(report.rounds, "svg"))))
    if report.rounds:
        drawings.append(("Wall seconds of each round, by phase", _inline(plots.seconds(report.rounds, "svg"))))
    return drawings


def _inline(svg: bytes) -> Markup:
    """A drawing of ours as part of the page: it takes the page's ink and grows with its column."""
    text = svg.decode()
    return Markup(text[text.index("<svg") :].replace(plots.INK, "currentColor"))  # noqa: S704
