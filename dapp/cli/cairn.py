"""``cairn`` itself, and how it ends.

Nothing heavy is imported before a command runs, so that ``cairn --help`` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import textwrap
import traceback
from pathlib import Path
from typing import NoReturn

import click

from dapp import __version__
from dapp.cli.audit import inspect, verify
from dapp.cli.bench import bench
from dapp.cli.common import InOrder
from dapp.cli.deploy import deploy
from dapp.cli.doctor import doctor
from dapp.cli.keys import keys
from dapp.cli.new import new
from dapp.cli.nodes import down, up
from dapp.cli.roles import device, edge, holder, verifier
from dapp.cli.run import demo, run
from dapp.cli.task import task
from dapp.errors import CairnError, ExitCode, StoreFull

MEANING = {
    ExitCode.OK: "all went well",
    ExitCode.UNEXPECTED: "an error that nobody foresaw; its traceback was saved",
    ExitCode.USAGE: "the command line cannot be understood",
    ExitCode.SETTINGS: "a setting cannot be used",
    ExitCode.LEARNING: "a model or a data set cannot be used",
    ExitCode.BLOB: "a blob is damaged or cannot be had",
    ExitCode.LIE: "an audit found a lie",
    ExitCode.CHAIN: "the chain refused a transaction",
    ExitCode.STORE: "a disk is full or cannot be written, or a store does not answer",
    ExitCode.KEY: "a key is too small, or its file or password cannot be used",
    ExitCode.CRYPTO: "a ciphertext, proof, share or opening is wrong",
    ExitCode.PROGRAM: "a program that was to run beside Cairn is missing or does not start",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C; the report holds what there was",
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class Cairn(InOrder):
    """The group of all commands, which explains its exit codes."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the exit codes below the commands."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANING.items()])


@click.group(cls=Cairn, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cairn")
def cairn() -> None:
    """Federated learning that nobody has to be trusted with: encrypted updates, true IPFS names, Ethereum contracts."""


for command in (
    demo,
    new,
    run,
    verify,
    inspect,
    bench,
    keys,
    deploy,
    task,
    doctor,
    device,
    holder,
    edge,
    verifier,
    up,
    down,
):
    cairn.add_command(command)


def main() -> NoReturn:
    """Runs the command line and exits with an ``ExitCode``."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(_run())


def _run() -> ExitCode | int:
    try:
        ended = cairn.main(prog_name="cairn", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except CairnError as error:
        return _tell(error)
    except OSError as error:
        if error.errno not in FULL:
            return _save(error)
        where = f"{error.filename} " if error.filename else ""
        return _tell(
            StoreFull(f"{where}cannot be written: {error.strerror}", help="make room, or choose another folder")
        )
    except Exception as error:
        return _save(error)
    return ended if isinstance(ended, int) else ExitCode.OK  # of a command that ended by an exit code of its own


def _tell(error: CairnError) -> ExitCode:
    click.echo(f"error: {error}", err=True)
    if error.help:
        click.echo(textwrap.indent(error.help, "      ").replace("      ", "help: ", 1), err=True)
    return error.code


def _save(error: Exception) -> ExitCode:
    """Keeps the traceback out of the reader's way, but not out of reach."""
    text = "".join(traceback.format_exception(error))
    summary = f"error: {type(error).__name__}: {error}".splitlines()[0]
    try:
        handle, name = tempfile.mkstemp(prefix="cairn-", suffix=".txt")
        os.close(handle)
        Path(name).write_text(text, encoding="utf-8")
    except OSError:
        click.echo(text, err=True)
        click.echo(summary, err=True)
    else:
        click.echo(f"{summary} (please report this; the traceback is in {name})", err=True)
    return ExitCode.UNEXPECTED
