"""``cairn verify`` and ``cairn inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from dapp.cli.common import plain_option, run_folder, terminal


@click.command()
@run_folder
@plain_option
def verify(folder: Path, plain: bool) -> None:
    """Check a run from its events and blobs alone, trusting nobody; exit code 6 at the first lie."""
    with terminal(plain=plain) as listener:
        from dapp import audit

        counts = audit.verify(folder, listener)
    width = max(map(len, counts), default=0)
    for kind, checked in counts.items():
        click.echo(f"✓ {kind.ljust(width)}  {checked:>9,}")
    click.echo(f"{sum(counts.values()):,} checks, no lie found in {folder}")


@click.command()
@run_folder
@click.option("--json", "as_json", is_flag=True, help="The same facts as JSON, in the format of report.json.")
def inspect(folder: Path, as_json: bool) -> None:
    """Show what happened in a run: every round's tree, and the figures."""
    from dapp import audit

    report = audit.inspect(folder)
    if as_json:
        click.echo(report.to_json(), nl=False)
        return
    from rich.console import Console

    from dapp.report.terminal import show, show_tree

    console = Console(highlight=False)
    show_tree(console, report)
    show(console, report)
