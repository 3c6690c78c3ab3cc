"""``cairn demo`` and ``cairn run``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dapp.cli.access import FILE, fee_options, network, pace_option, password_option, split, unlock
from dapp.cli.common import SettingsCommand, run_options, terminal
from dapp.errors import SettingsError

if TYPE_CHECKING:
    from dapp.settings import Learning, Settings
    from dapp.simulation import Place

F = TypeVar("F", bound=Callable[..., Any])

PAPER = (
    "model=paper-cnn",
    "strategy=blockdeepnet",
    "partition=iid",
    "learning_rate=0.5",
    "rounds=2",
    "local_steps=100",
)
"""What BlockDeepNet's §5 fixes: the network, Eq. 3, ten equal disjoint subsets, λ; and how long to learn here."""
BESIDE = ("edges=2",)
"""Beside an edge that cheats, an honest one, which closes the round."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a run takes place, as the flags say; on the embedded chain and store where they say nothing."""

    chain: str | None
    store: str | None
    pace: str | None
    key: Path | None
    password_file: Path | None
    fees: Mapping[str, Any]

    def place(self) -> Place:
        """What prepares chain and store."""
        from dapp import simulation

        if not self.chain and not self.store:
            return simulation.embedded
        giver = unlock(self.key, self.password_file) if self.key else None
        return simulation.network(
            split(self.chain or ""), split(self.store or ""), giver=giver, settings=network(**self.fees)
        )


def place_options(command: F) -> F:
    """``--chain``, ``--store`` and ``--pace``, and from which key those who need ether are given some."""

    @wraps(command)
    def placed(**given: Any) -> Any:
        fees = {name: given.pop(name) for name in ("chain_id", "max_fee")}
        named = {name: given.pop(name) for name in ("chain", "store", "pace", "key", "password_file")}
        where = Where(**named, fees=fees)
        return command(where=where, **given)

    for option in reversed(
        (
            click.option(
                "--chain",
                metavar="URL",
                help="Run on the chain behind this JSON-RPC address; several, separated by commas.",
            ),
            click.option(
                "--store",
                metavar="PLACE",
                help="Keep blobs at this address of a kubo node, or in this folder; several, separated by commas.",
            ),
            pace_option,
            click.option(
                "--key",
                metavar="FILE",
                type=FILE,
                help="Keystore that gives ether to those who need it; on a development chain its node does.",
            ),
            password_option,
            fee_options,
        )
    ):
        placed = option(placed)
    return placed  # type: ignore[return-value]


@click.command(cls=SettingsCommand, short_help="Ten devices learn MNIST, encrypted, on a chain.")
@click.option("--strategy", metavar="NAME", help="Rule of the local update: fedavg, fedprox, blockdeepnet.")
@click.option("--paper", is_flag=True, help="BlockDeepNet's own network, Eq. 3 and λ; says where it departs and why.")
@click.option(
    "--drop",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="N devices vanish in the middle of a round, a verifier and a key holder fall silent.",
)
@click.option(
    "--cheat",
    type=click.Choice(["edge", "opener", "device"]),
    help="A wrong sum, a wrong opening, or a copied update: watch it being caught.",
)
@click.option("--watch", is_flag=True, help="Somebody watches the edges, and proves on chain which sums are wrong.")
@place_options
@run_options
def demo(
    strategy: str | None,
    paper: bool,
    drop: int,
    cheat: str | None,
    watch: bool,
    where: Where,
    changes: tuple[str, ...],
    name: str | None,
    runs: Path,
    workers: int | None,
    plain: bool,
) -> None:
    """Ten devices learn MNIST together on this machine, every update encrypted, every step on a chain."""
    from dapp.settings import load, with_pace

    presets = [*(PAPER if paper else ()), *(BESIDE if cheat in ("edge", "opener") else ())]
    flags = _flags(strategy=strategy, name=name, workers=workers)
    settings = load(None, os.environ, [*presets, *flags, *changes])
    if pace := where.pace or ("fast" if where.chain else None):
        settings = with_pace(settings, pace)
    if paper:
        _explain(settings)
    _simulate(settings, runs, where, drop=drop, cheat=cheat, watch=watch, plain=plain)


@click.command(cls=SettingsCommand, short_help="Run the task in DIR, all its roles on this machine.")
@click.argument("project", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@place_options
@run_options
def run(
    project: Path,
    where: Where,
    changes: tuple[str, ...],
    name: str | None,
    runs: Path,
    workers: int | None,
    plain: bool,
) -> None:
    """Run the task in DIR, as `cairn new` writes one: all its roles on this machine."""
    from dapp.settings import load, with_pace

    settings = load(project / "task.toml", os.environ, [*_flags(name=name, workers=workers), *changes])
    if where.pace:
        settings = with_pace(settings, where.pace)
    _simulate(settings, runs, where, project=project, plain=plain)


def _flags(**given: str | int | None) -> list[str]:
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def departures(learning: Learning) -> list[tuple[str, str]]:
    """Where a run of the paper's task departs from the paper: (place, what and why)."""
    steps = learning.local_steps or "fewer"
    told = [
        ("Eq. 1", "The global loss carries the weights s_k, as Eq. 4 does."),
        ("Algorithm 1", "The stopping test comes after an epoch, on w^(p): before the first, all models are equal."),
        ("Eq. 5", "The division by S comes after decryption: Paillier cannot divide."),
        ("§4.2", "A device encrypts its change w_k − w, not w_k: it packs tighter and hides as much."),
        ("§5", "The data are MNIST: the network is made for 28×28×1 and ten classes, PASCAL VOC has twenty."),
        ("rewards", "One escrow, funded by who orders the task, pays devices, edges, holders and verifiers."),
    ]
    if not learning.printed:
        told.insert(
            0,
            (
                "Eq. 3",
                "λ is not divided by s_k, since F_k is a mean over s_k samples already: divided twice, the model "
                "hardly moves. -c printed=true divides it, as printed.",
            ),
        )
    if not learning.full_batch:
        told.insert(
            -2,
            (
                "§5",
                f"Epochs: {learning.rounds}, each of {steps} iterations on mini-batches; the paper has one of 1,500 on "
                "all samples, which takes minutes a device: -c full_batch=true -c local_steps=1500 -c rounds=1.",
            ),
        )
    return told


def _explain(settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for place, what in departures(settings.learning):
        table.add_row(place, what)
    console = Console(highlight=False)
    console.print("What differs from the paper as printed, and why:")
    console.print(table)
    console.print()


def _simulate(
    settings: Settings,
    runs: Path,
    where: Where,
    *,
    project: Path | None = None,
    drop: int = 0,
    cheat: str | None = None,
    watch: bool = False,
    plain: bool,
) -> None:
    from dapp.report.progress import Step

    began = time.perf_counter()
    if drop >= settings.devices:
        raise SettingsError(
            f"--drop {drop}: there are only {settings.devices} devices", help="leave some, or set -c devices=N"
        )
    folder = unused(runs, settings.name)
    settings = replace(settings, name=folder.name)
    try:
        with terminal(plain=plain) as listener:
            listener.on(Step("loading torch, web3 and the embedded chain"))
            from dapp import simulation

            scenario = simulation.Scenario(drop=drop, cheat=cheat, watch=watch)
            simulation.run(settings, folder, listener, scenario, project=project, place=where.place(), began=began)
    except BaseException:
        if folder.exists():
            click.echo(f"what there was is in {folder}", err=True)
        raise
    click.echo(f"\nreport   {folder / 'report.html'}\ncheck it cairn verify {folder}")


def unused(runs: Path, name: str) -> Path:
    """Where a run goes; an earlier run of its name keeps its own folder: demo, demo-2, demo-3."""
    folders = (runs / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(folder for folder in folders if not folder.exists())
