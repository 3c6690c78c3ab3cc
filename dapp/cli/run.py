"""``cairn demo`` and ``cairn run``."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dapp.cli.common import SettingsCommand, run_options, terminal
from dapp.errors import SettingsError

if TYPE_CHECKING:
    from dapp.settings import Learning, Settings

PAPER = (
    "model=paper-cnn",
    "strategy=blockdeepnet",
    "partition=iid",
    "learning_rate=0.5",
    "rounds=2",
    "local_steps=100",
)
"""What BlockDeepNet's §5 fixes: the network, Eq. 3, ten equal disjoint subsets, λ; and how long to learn here."""


@click.command(cls=SettingsCommand)
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
@run_options
def demo(
    strategy: str | None,
    paper: bool,
    drop: int,
    cheat: str | None,
    changes: tuple[str, ...],
    name: str | None,
    runs: Path,
    workers: int | None,
    plain: bool,
) -> None:
    """Ten devices learn MNIST together on this machine, every update encrypted, every step on a chain."""
    from dapp.settings import load

    flags = _flags(strategy=strategy, name=name, workers=workers)
    settings = load(None, os.environ, [*(PAPER if paper else ()), *flags, *changes])
    if paper:
        _explain(settings)
    _simulate(settings, runs, drop=drop, cheat=cheat, plain=plain)


@click.command(cls=SettingsCommand)
@click.argument("project", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@run_options
def run(
    project: Path, changes: tuple[str, ...], name: str | None, runs: Path, workers: int | None, plain: bool
) -> None:
    """Run the task in DIR, as `cairn new` writes one, on this machine."""
    from dapp.settings import load

    settings = load(project / "task.toml", os.environ, [*_flags(name=name, workers=workers), *changes])
    _simulate(located(settings, project), runs, drop=0, cheat=None, plain=plain)


def _flags(**given: str | int | None) -> list[str]:
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def located(settings: Settings, project: Path) -> Settings:
    """The settings with ``file.py:Name`` seen from here, not from the project's folder."""

    def seen(reference: str) -> str:
        file, colon, name = reference.rpartition(":")
        return f"{project / file}:{name}" if colon else reference

    learning = replace(settings.learning, model=seen(settings.learning.model), data=seen(settings.learning.data))
    return replace(settings, learning=learning)


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


def _simulate(settings: Settings, runs: Path, *, drop: int, cheat: str | None, plain: bool) -> None:
    from dapp.report.progress import Step

    if drop >= settings.devices:
        raise SettingsError(
            f"--drop {drop}: there are only {settings.devices} devices", help="leave some, or set -c devices=N"
        )
    folder = claimed(runs, settings.name)
    settings = replace(settings, name=folder.name)
    try:
        with terminal(plain=plain) as listener:
            listener.on(Step("loading torch, web3 and the embedded chain"))
            from dapp import simulation

            simulation.run(settings, folder, listener, simulation.Scenario(drop=drop, cheat=cheat))
    except BaseException:
        if any(folder.iterdir()):
            click.echo(f"what there was is in {folder}", err=True)
        else:
            folder.rmdir()
        raise
    click.echo(f"\nreport   {folder / 'report.html'}\ncheck it cairn verify {folder}")


def claimed(runs: Path, name: str) -> Path:
    """A new folder for a run; an earlier run of that name keeps its own: demo, demo-2, demo-3."""
    runs.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = runs / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count() never ends")
