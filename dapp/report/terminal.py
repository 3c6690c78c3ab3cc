"""What a run looks like in a terminal, and in a log that is none."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from types import TracebackType
from typing import assert_never

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table as Grid
from rich.text import Text
from rich.tree import Tree

from dapp.report import summary
from dapp.report.progress import Doing, Fault, Finished, Idle, Phase, Progress, RoundDone, Step
from dapp.report.schema import Report, Role
from dapp.report.summary import Node, Table, Tone

MARKS: dict[Tone, tuple[str, str]] = {
    "good": ("✓ ", "green"),
    "mixed": ("! ", "yellow"),
    "bad": ("✗ ", "red"),
    "plain": ("", ""),
}
Block = list[str]
ROLES: tuple[Role, ...] = ("device", "holder", "edge", "watcher", "verifier", "requester", "chain")
REFRESH = 8
"""Pictures a second: each costs a few milliseconds of the cores that the run needs."""


class Terminal:
    """A listener that draws: what each role is doing, then each round's tree, at the end the tables.

    On a terminal the lower lines are redrawn; elsewhere, or where ``plain`` is asked for, every step is one line and
    nothing is ever taken back. A context manager: the cursor comes back whatever happens.
    """

    def __init__(self, console: Console, *, plain: bool = False) -> None:
        self._console = console
        self._plain = plain or not console.is_terminal or console.is_dumb_terminal
        self._doing: dict[Role, dict[str, str]] = {role: {} for role in ROLES}
        self._told: set[tuple[int | None, str]] = set()
        self._now = self._step = ""
        self._began = self._since = time.monotonic()
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=REFRESH, transient=True, screen=False
        )

    def __enter__(self) -> Terminal:
        if not self._plain:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def on(self, progress: Progress) -> None:
        """Show ``progress``."""
        match progress:
            case Step(what):
                self._turn(what)
                self._step = what
            case Phase(number, name):
                self._turn(f"round {number}: {name}")
            case Doing(role, name, what):
                self._doing[role][name] = what
            case Idle(name):
                for names in self._doing.values():
                    names.pop(name, None)
            case RoundDone(done):
                self._console.print(_tree(summary.round_tree(done), depth=1))
            case Fault(number, role, name, what) if (number, what) not in self._told:
                self._told.add((number, what))
                where = "" if number is None else f"round {number}: "
                self._line(Text(f"! {where}{summary.who(role, name)} {what}", "yellow"))
            case Fault():
                pass  # what others have said already; the report has them all
            case Finished(report):
                self._turn("")
                self._live.stop()
                show(self._console, report)
            case _:
                assert_never(progress)

    def _turn(self, what: str) -> None:
        """From one thing to the next; where lines are redrawn, a finished step leaves one that stays."""
        now = time.monotonic()
        if self._step and not self._plain:
            self._line(Text.assemble(("✓ ", "green"), f"{self._step}, {summary.seconds(now - self._since)}"))
        for names in self._doing.values():
            names.clear()
        self._now, self._step, self._since = what, "", now
        if self._plain and what:
            self._line(Text(f"{self._elapsed()}  {what}"))

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=self._plain)

    def _picture(self) -> RenderableType:
        """The lines that are redrawn; never more of them than the terminal is high."""
        head = Spinner("dots", Text(f"{self._elapsed()}  {self._now}", "bold"))
        busy = Grid.grid(padding=(0, 2))
        busy.add_column(style="dim", no_wrap=True)
        busy.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for role in ROLES:
            for names, what in _alike(self._doing[role].copy()):
                busy.add_row(f"  {role}", f"{summary.named(names)}: {what}")
        return Group(head, busy)


def _alike(doing: dict[str, str]) -> Iterable[tuple[list[str], str]]:
    """Those who do the same, in one line."""
    groups: dict[str, list[str]] = {}
    for name, what in doing.items():
        groups.setdefault(what, []).append(name)
    return [(names, what) for what, names in groups.items()]


def show(console: Console, report: Report) -> None:
    """The headline and the tables of a finished run."""
    console.print()
    console.print(Text(summary.headline(report), "bold"))
    blocks = [block for table in summary.tables(report) for block in _blocks(table, console.width)]
    for row in _side_by_side(blocks, console.width):
        console.print()
        console.print(Text("\n".join(row)), soft_wrap=True)
    if report.warnings:
        console.print()
    for warning in report.warnings:
        console.print(Text(f"note: {warning}", "yellow"))


def show_tree(console: Console, report: Report) -> None:
    """Everything that happened in the rounds."""
    for done in report.rounds:
        console.print(_tree(summary.round_tree(done)))
    for where, names, what in summary.faults(report):
        console.print(Text(f"! {where}{names} {what}", "yellow"))


def _tree(node: Node, depth: int | None = None) -> Tree:
    tree = Tree(_marked(node), guide_style="dim")
    _grow(tree, node, depth)
    return tree


def _grow(tree: Tree, node: Node, depth: int | None) -> None:
    if depth == 0:
        return
    for child in node.children:
        _grow(tree.add(_marked(child)), child, None if depth is None else depth - 1)


def _marked(node: Node) -> Text:
    mark, style = MARKS[node.tone]
    return Text.assemble((mark, style), node.text)


def _blocks(table: Table, width: int) -> list[Block]:
    """The table as lines of at most ``width`` cells; one too wide goes on in another block, with its first column."""
    widths = [max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True)]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
    parts: list[list[int]] = [[]]
    for place in range(1, len(widths)):
        if parts[-1] and widths[0] + sum(gap + widths[k] for k in (*parts[-1], place)) > width:
            parts.append([])
        parts[-1].append(place)

    def line(cells: tuple[str, ...], part: list[int]) -> str:
        return (" " * gap).join((cells[0].ljust(widths[0]), *(cells[k].rjust(widths[k]) for k in part)))

    note = textwrap.wrap(table.note, width)
    return [
        [
            table.title if part is parts[0] else f"{table.title}, continued",
            line(table.columns, part),
            "─" * len(line(table.columns, part)),
            *(line(row, part) for row in table.rows),
            *(note if part is parts[-1] else ()),
        ]
        for part in parts
    ]


def _side_by_side(blocks: list[Block], width: int) -> Iterator[Block]:
    """Blocks in rows, as many beside each other as fit."""
    row: Block = []
    for block in blocks:
        beside = [f"{left}    {right}".rstrip() for left, right in _level(row, block)]
        if row and max(map(len, beside)) > width:
            yield row
            row = block
        else:
            row = beside if row else block
    if row:
        yield row


def _level(left: Block, right: Block) -> Iterator[tuple[str, str]]:
    """The lines of two blocks in pairs, the left one padded to its width."""
    margin = max(map(len, left), default=0)
    for one, other in zip_longest(left, right, fillvalue=""):
        yield one.ljust(margin), other
