"""``cairn new``: a project to begin with, or the folder of a role's own process."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dapp.errors import SettingsError

if TYPE_CHECKING:
    from dapp.settings import Role

OWN = {'model = "small-cnn"': 'model = "model.py:Model"', 'data = "mnist"': 'data = "data.py:dataset"'}
"""The lines of a task.toml that name the project's own files."""


@click.command(short_help="Write a project, or the folder of a role, to begin with.")
@click.option(
    "--role",
    type=click.Choice(("device", "edge", "verifier", "holder")),
    help="Write what this role's own process needs instead: its settings, and for a device model.py and data.py.",
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def new(role: Role | None, folder: Path) -> None:
    """Write a small project into DIR: model.py, data.py, task.toml with every term explained, README.md."""
    if role is not None:
        return _new_role(role, folder)
    written = project(folder.resolve().name)
    if folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} is not empty: nothing was written", help="name a folder that does not exist yet")
    _write(folder, written)
    click.echo(f"\nnow   cairn run {folder}")
    return None


def _new_role(role: Role, folder: Path) -> None:
    from dapp.settings import role_template

    written = {f"{role}.toml": role_template(role)}
    if role == "device":
        written |= _templates("model.py", "data.py")
    for name in written:  # a key or a share may lie there already
        if (folder / name).exists():
            raise SettingsError(
                f"{folder / name} is there already: nothing was written", help="name another folder, or move the file"
            )
    _write(folder, written)
    file = folder / f"{role}.toml"
    click.echo(f"\nkey   cairn keys new --out {folder / 'key.json'}\ncheck cairn doctor {file}")
    click.echo(f"now   cairn {role} run {file}")


def _write(folder: Path, written: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / name}")


def _templates(*names: str) -> dict[str, str]:
    templates = files("dapp.cli") / "templates"
    return {name: (templates / name).read_text(encoding="utf-8") for name in names}


def project(name: str) -> dict[str, str]:
    """File name → text of a project's files.

    Raises:
        SettingsError: no task can have this name.
    """
    from dapp.settings import to_toml_template

    terms = to_toml_template(name)
    for given, own in OWN.items():
        head, line, tail = terms.partition(f"\n{given}\n")
        assert line, f"the template of a task has no line {given}"
        terms = f"{head}\n{own}\n{tail}"
    texts = _templates("model.py", "data.py", "README.md")
    return {**texts, "README.md": texts["README.md"].replace("{name}", name), "task.toml": terms}
