"""What several commands share: how they are told settings, and how they show progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from dapp.report.terminal import Terminal

F = TypeVar("F", bound=Callable[..., Any])


class SettingsCommand(click.Command):
    """A command whose help lists every key that ``-c`` can set."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the keys below the options."""
        from dapp.settings import describe

        with formatter.section("Keys for -c key=value"):
            for line in describe().splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}".rstrip() + "\n")


class InOrder(click.Group):
    """A group whose help lists its commands in the order in which one meets them."""

    def list_commands(self, _: click.Context) -> list[str]:
        """The commands as they were added."""
        return list(self.commands)


def changes_option(which: str) -> Callable[[F], F]:
    """``-c``. ``which``: the keys that it sets."""
    return click.option(
        "-c", "changes", metavar="KEY=VALUE", multiple=True, help=f"Set a key {which}; can be given again."
    )


task_changes = changes_option("listed below, as in -c rounds=3")


def run_options(command: F) -> F:
    """The options of whatever makes a run."""
    for option in reversed(
        (
            task_changes,
            click.option("--name", metavar="NAME", help="Name of the run and of its folder."),
            click.option(
                "--runs",
                metavar="DIR",
                type=click.Path(file_okay=False, path_type=Path),
                default=Path("runs"),
                show_default=True,
                help="Where the run's folder is made.",
            ),
            click.option("--workers", metavar="N", type=click.IntRange(1), help="Processes for heavy work."),
            plain_option,
        )
    ):
        command = option(command)
    return command


def plain_option(command: F) -> F:
    """``--plain``."""
    return click.option(
        "--plain", is_flag=True, help="One line a step, nothing redrawn; so anyway where the output is no terminal."
    )(command)


def terminal(*, plain: bool) -> Terminal:
    """The listener that draws on standard output."""
    from rich.console import Console

    from dapp.report.terminal import Terminal

    return Terminal(Console(highlight=False), plain=plain)
