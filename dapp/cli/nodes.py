"""``cairn up`` and ``cairn down``: a geth and a kubo of one's own, in the background, for development."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dapp.errors import SettingsError

if TYPE_CHECKING:
    from dapp.runtime.programs import Running

STATE = "nodes.json"
GETH, KUBO = "geth", "kubo"

folder_option = click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/nodes"),
    show_default=True,
    help="Where chain and store keep their data.",
)


@dataclass(frozen=True, slots=True)
class Up:
    """What `cairn up` started. ``period``: seconds between geth's blocks."""

    nodes: Mapping[str, Running]
    period: int


@click.command(short_help="Start a geth and a kubo, for development.")
@folder_option
@click.option(
    "--period",
    metavar="SECONDS",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seconds between blocks; 0 mines each transaction at once.",
)
@click.option(
    "--chain-port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=8545,
    show_default=True,
    help="Where geth answers; 0 takes a free port.",
)
@click.option(
    "--store-port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=5001,
    show_default=True,
    help="Where kubo answers; 0 takes a free port.",
)
def up(folder: Path, period: int, chain_port: int, store_port: int) -> None:
    """Start a geth and a kubo in the background, for development."""
    from dapp.runtime import programs

    folder = folder.resolve()
    before = _read(folder)
    alive = {name: node for name, node in before.nodes.items() if node.alive}
    if GETH in alive and before.period != period:
        raise SettingsError(
            f"geth is up with blocks every {before.period} s, not {period}",
            help=f"Run `cairn down{_flag(folder)}` first; the chain goes on where it was.",
        )
    starts: dict[str, Callable[[], Running]] = {
        GETH: partial(programs.start_geth, folder / GETH, port=chain_port, period=period, detached=True),
        KUBO: partial(programs.start_kubo, folder / KUBO, port=store_port, detached=True),
    }
    nodes: dict[str, Running] = {}
    try:
        for name in starts:
            nodes[name] = alive[name] if name in alive else starts[name]()
        _write(folder, Up(nodes, period))
    except BaseException:
        for name in nodes.keys() - alive.keys():
            nodes[name].stop()
        raise
    for name in starts:
        node = nodes[name]
        told = "was up already" if name in alive else "is up"
        click.echo(f"{name:5} {told:14} {node.url}  (process {node.pid}, log {_shown(node.log)})")
    click.echo(f"\ncairn demo --chain {nodes[GETH].url} --store {nodes[KUBO].url}\ncairn down{_flag(folder)}")


@click.command()
@folder_option
@click.option("--wipe", is_flag=True, help="Remove the chain and all blobs too.")
def down(folder: Path, wipe: bool) -> None:
    """Stop the geth and the kubo that `cairn up` started."""
    folder = folder.resolve()
    nodes = _read(folder).nodes
    for name, node in nodes.items():
        alive = node.alive
        node.stop()
        click.echo(f"{name:5} {'is stopped' if alive else 'was not running'}")
    if not nodes:
        click.echo(f"nothing was started in {_shown(folder)}")
    (folder / STATE).unlink(missing_ok=True)
    if wipe:
        for name in (GETH, KUBO):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        click.echo(f"the data in {_shown(folder)} are gone")


def _read(folder: Path) -> Up:
    from dapp.runtime.programs import Running

    path = folder / STATE
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        nodes = {name: Running(**{**node, "folder": Path(node["folder"])}) for name, node in state["nodes"].items()}
        return Up(nodes, int(state["period"]))
    except FileNotFoundError:
        return Up({}, 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is not what `cairn up` wrote there: {error}",
            help="Stop geth and ipfs by hand if they still run, then remove this file.",
        ) from error


def _write(folder: Path, up: Up) -> None:
    nodes = {
        name: {
            "name": node.name,
            "url": node.url,
            "pid": node.pid,
            "folder": str(node.folder),
            "chain_id": node.chain_id,
            "gateway": node.gateway,
        }
        for name, node in up.nodes.items()
    }
    (folder / STATE).write_text(json.dumps({"period": up.period, "nodes": nodes}, indent=2) + "\n", encoding="utf-8")


def _shown(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _flag(folder: Path) -> str:
    """``--folder``, where it has to be given."""
    return "" if folder == Path("runs/nodes").resolve() else f" --folder {_shown(folder)}"
