"""``cairn bench``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import click

from dapp.cli.common import plain_option, terminal


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Nothing but the figures, as JSON.")
@plain_option
def bench(as_json: bool, plain: bool) -> None:
    """Measure the demo and the encryption on this machine, beside phe."""
    from dapp.report.progress import Silent

    if as_json:
        from dapp import simulation

        click.echo(json.dumps(simulation.bench(Silent()), indent=2))
        return
    with terminal(plain=plain) as listener:
        from dapp import simulation

        figures = simulation.bench(listener)
    lines = list(flat(figures))
    width = max((len(name) for name, _ in lines), default=0)
    for name, figure in lines:
        click.echo(f"{name.ljust(width)}  {figure}")


def flat(figures: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, figure) of nested figures, in order."""
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            yield from flat(figure, f"{prefix}{name}.")
        else:
            yield prefix + name, f"{figure:,.4g}" if isinstance(figure, float) else str(figure)
