"""Runs the demo on every chain there is here, with kubo for a store, and says what a round takes and costs on each.

``make bench-nodes`` runs it; ``--readme`` writes the table into README.md, between its markers. Windows are those of
``--pace fast``: on a chain that mines every second a round mostly waits for them.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import click

from dapp import settings, simulation
from dapp.report.progress import Silent
from dapp.report.schema import Report
from dapp.runtime import programs
from dapp.simulation.faults import Scenario

README = Path(__file__).parents[1] / "README.md"
MARKS = "<!-- nodes:begin -->", "<!-- nodes:end -->"
ROUNDS = 3
SETUP = re.compile(
    r"\.constructor$|^Verification\.(join|promote)$|^Learning\.(createTask|enrolBySig|endTask)$|^Escrow\."
)
"""What a task needs once, whatever its rounds."""

CHAINS: Mapping[str, Callable[[Path], programs.Running] | None] = {
    "embedded (py-evm)": None,
    "anvil, prague": programs.start_anvil,
    "anvil, osaka": lambda folder: programs.start_anvil(folder, hardfork="osaka"),
    "ganache": programs.start_ganache,
    "geth --dev, blocks at once": programs.start_geth,
    "geth --dev, a block a second": lambda folder: programs.start_geth(folder, period=1),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A chain's figures: seconds of the wall, gas, and transactions, of a round."""

    chain: str
    store: str
    seconds_a_round: float
    gas_a_round: int
    transactions_a_round: int


def measure(chain: str, folder: Path, kubo: programs.Running) -> Row:
    """One run of the demo's cohort on a chain.

    Raises:
        ProgramError: the chain's program is missing or does not come up.
        CairnError: what stopped the run.
    """
    start = CHAINS[chain]
    chosen = settings.with_pace(settings.load(None, {}, [f"rounds={ROUNDS}"]), "fast")
    if start is None:
        report = simulation.run(chosen, folder / "run", Silent(), Scenario())
        return _row(chain, "embedded", report)
    with start(folder / "chain") as running:
        place = simulation.network([running.url], [kubo.url])
        return _row(chain, "kubo", simulation.run(chosen, folder / "run", Silent(), Scenario(), place=place))


def _row(chain: str, store: str, report: Report) -> Row:
    of_rounds = [gas for gas in report.gas if not SETUP.search(gas.function)]
    seconds = sum(sum(round_.seconds.values()) for round_ in report.rounds)
    return Row(
        chain=chain,
        store=store,
        seconds_a_round=seconds / ROUNDS,
        gas_a_round=sum(gas.total for gas in of_rounds) // ROUNDS,
        transactions_a_round=sum(gas.calls for gas in of_rounds) // ROUNDS,
    )


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| chain | store | seconds a round | gas a round | transactions a round |", "|---|---|--:|--:|--:|"]
    lines += [
        f"| {r.chain} | {r.store} | {r.seconds_a_round:.1f} | {r.gas_a_round:,} | {r.transactions_a_round} |"
        for r in rows
    ]
    return "\n".join(lines)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option("--readme", is_flag=True, help="Write the table into README.md.")
def main(as_json: bool, readme: bool) -> None:
    """Seconds and gas of a round on each chain."""
    text = README.read_text(encoding="utf-8")
    if readme and not all(mark in text for mark in MARKS):
        raise click.ClickException(f"{README} has no {' and '.join(MARKS)}: nowhere to write the table")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, programs.start_kubo(Path(name) / "kubo") as kubo:
        for place, chain in enumerate(CHAINS):
            click.echo(f"{chain} …", err=True)
            rows.append(measure(chain, Path(name) / str(place), kubo))
    click.echo(json.dumps([asdict(row) for row in rows], indent=2) if as_json else table(rows))
    if readme:
        head, _, rest = text.partition(MARKS[0])
        _, _, tail = rest.partition(MARKS[1])
        where = f"{os.cpu_count()} cores, {platform.machine()}"
        said = f"Measured by `make bench-nodes`, {where}, {date.today().isoformat()}."
        README.write_text(f"{head}{MARKS[0]}\n{table(rows)}\n\n{said}\n{MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
