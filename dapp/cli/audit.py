"""``cairn verify`` and ``cairn inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from dapp.cli.common import run_folder


@click.command()
@run_folder
def verify(folder: Path) -> None:
    """Check a run from its events and blobs alone, trusting nobody; exit code 6 at the first lie."""
    from dapp import audit

    width = max(map(len, audit.CHECKS))
    found = audit.verify(folder, lambda check, count: click.echo(f"✓ {check.ljust(width)}  {count:>9,}"))
    for finding in found.findings:
        click.echo(f"! {finding}")
    if not found.ended:
        click.echo("the task has not ended: only what is there was checked")
    click.echo(f"{sum(found.counts.values()):,} checks, no lie found in {folder}")


@click.command()
@run_folder
@click.option("--json", "as_json", is_flag=True, help="The same facts as JSON.")
def inspect(folder: Path, as_json: bool) -> None:
    """Show what happened in a run, from its events and blobs alone."""
    from dapp import audit

    told = audit.inspect(folder)
    click.echo(told.to_json() if as_json else audit.render(told), nl=False)
