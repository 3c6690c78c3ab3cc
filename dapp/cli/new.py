"""``cairn new``: a project to begin with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from dapp.errors import SettingsError

OWN = {'model = "small-cnn"': 'model = "model.py:Model"', 'data = "mnist"': 'data = "data.py:dataset"'}
"""The lines of a task.toml that name the project's own files."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def new(folder: Path) -> None:
    """Write a small project into DIR: model.py, data.py, task.toml with every term explained, README.md."""
    written = project(folder.resolve().name)
    if folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} is not empty: nothing was written", help="name a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / name}")
    click.echo(f"\nnow   cairn run {folder}")


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
    templates = files("dapp.cli") / "templates"
    texts = {each: (templates / each).read_text(encoding="utf-8") for each in ("model.py", "data.py", "README.md")}
    return {**texts, "README.md": texts["README.md"].replace("{name}", name), "task.toml": terms}
