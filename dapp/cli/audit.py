"""``cairn verify`` and ``cairn inspect``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dapp.cli.access import FILE, connect, contracts_at, json_option, network, split, store_at
from dapp.errors import SettingsError, StoreFull

if TYPE_CHECKING:
    from dapp import audit

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(file_okay=False, path_type=Path)


def _where(command: F) -> F:
    """What is audited: a run's folder, or what is on a chain and in a store."""
    options = (
        click.argument(
            "folder", metavar="[RUN]", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
        ),
        click.option("--chain", metavar="URL", help="Instead of RUN: JSON-RPC address of a node; several must agree."),
        click.option("--store", metavar="PLACE", help="With --chain: address of a kubo node or a folder; or several."),
        click.option("--contracts", metavar="FILE", type=FILE, help="With --chain: the file of `cairn deploy`."),
        click.option("--task", metavar="ID", help="The beginning of the task's id, where several share the contracts."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Check a run, trusting nobody.")
@_where
@click.option(
    "--export", metavar="DIR", type=FOLDER, help="With --chain: keep what was read in this new folder, as a run's."
)
def verify(
    folder: Path | None,
    chain: str | None,
    store: str | None,
    contracts: Path | None,
    task: str | None,
    export: Path | None,
) -> None:
    """Check a run from its events and blobs alone, trusting nobody; exit code 6 at the first lie.

    With --chain the events are read from a chain, which is asked for what no file can tell, and blobs from a store.
    """
    from dapp import audit

    with _found(folder, chain, store, contracts, export) as run:
        width = max(map(len, (*audit.CHECKS, *audit.ASKED)))
        found = audit.verify(run, lambda check, count: click.echo(f"✓ {check.ljust(width)}  {count:>9,}"), task=task)
    for finding in found.findings:
        click.echo(f"! {finding}")
    if found.others:
        click.echo(_taken(found.others, "of other tasks"))
    if found.unfollowed:
        click.echo(_taken(found.unfollowed, "that cannot be followed"))
    if found.trust:
        click.echo(found.trust)
    if not found.ended:
        click.echo("the task has not ended: only what is there was checked")
    what = f"in {folder}" if folder else f"about task 0x{found.task_id.hex()}"
    click.echo(f"{sum(found.counts.values()):,} checks, no lie found {what}")


@click.command(short_help="Show what happened in a run.")
@_where
@json_option
def inspect(
    folder: Path | None,
    chain: str | None,
    store: str | None,
    contracts: Path | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Show what happened in a run, from its events and blobs alone, or from a chain and a store."""
    from dapp import audit

    with _found(folder, chain, store, contracts, None) as run:
        told = audit.inspect(run, task=task)
        click.echo(told.to_json() if as_json else audit.render(told), nl=False)


@contextmanager
def _found(
    folder: Path | None, chain: str | None, store: str | None, contracts: Path | None, export: Path | None
) -> Iterator[Path | audit.RunFolder]:
    """The run that is meant; what is read of a chain is kept as long as it is needed."""
    if folder is not None:
        if chain or store or contracts or export:
            raise click.UsageError("name a RUN, or --chain with --store and --contracts: not both")
        yield folder
        return
    if not (chain and store and contracts):
        raise click.UsageError("name a RUN, or --chain with --store and --contracts")
    from dapp import audit
    from dapp.storage import EmbeddedStore

    with ExitStack() as stack:
        client = connect(chain, network())
        deployed, blobs = contracts_at(client, contracts), store_at(store)
        live = audit.Live.at(split(chain), network(), deployed, client, _progress("holding them against the blocks"))
        kept = _made(export) if export else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cairn-")))
        keeping = audit.Keeping(blobs, EmbeddedStore(kept / "store"))
        yield audit.read_chain(live, keeping, kept, _progress("events"))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise SettingsError(f"{folder} is there already", help="Name another folder, or remove this one.") from None
    except OSError as error:
        raise StoreFull(f"{folder} cannot be made: {error.strerror}", help="Check the disk and its rights.") from error
    return folder


def _progress(what: str) -> Callable[[int, int], None]:
    """Tells how far the blocks are read: redrawn at a terminal, otherwise once at the end."""
    terminal = sys.stderr.isatty()

    def said(done: int, blocks: int) -> None:
        if terminal:
            click.echo(f"\r{what}: {done:,} of {blocks:,} blocks", err=True, nl=done == blocks)
        elif done == blocks:
            click.echo(f"{what}: {blocks:,} blocks", err=True)

    return said


def _taken(count: int, which: str) -> str:
    if count == 1:
        return f"1 transaction {which} was taken as the chain gives it"
    return f"{count:,} transactions {which} were taken as the chain gives them"
