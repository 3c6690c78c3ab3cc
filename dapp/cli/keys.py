"""``cairn keys``: keystores, the files in which keys lie under a password."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dapp.cli.access import FILE, password, password_option
from dapp.cli.common import InOrder
from dapp.errors import KeyFileError

if TYPE_CHECKING:
    from dapp.chain.keys import Account

out_option = click.option(
    "--out", metavar="FILE", type=FILE, default=Path("key.json"), show_default=True, help="Where the keystore goes."
)


@click.group(cls=InOrder)
def keys() -> None:
    """Make, import and show the keys that sign for a role."""


@keys.command(short_help="Make a key, in a keystore under a password.")
@out_option
@password_option
def new(out: Path, password_file: Path | None) -> None:
    """Make a key and write it into a keystore under a password; prints its address."""
    from dapp.chain import keystore

    _refuse_present(out)
    _tell(out, keystore.new(out, password(password_file, str(out), new=True)))


@keys.command(name="import", short_help="Put a private key that you have into a keystore.")
@click.option(
    "--from", "source", metavar="FILE", type=FILE, help="A file of mode 0600 with the private key; else you are asked."
)
@out_option
@password_option
def import_(source: Path | None, out: Path, password_file: Path | None) -> None:
    """Put a private key that you have, 64 hexadecimal digits, into a keystore; prints its address."""
    from dapp.chain import keystore

    _refuse_present(out)
    secret = _private_key(source)
    _tell(out, keystore.import_key(out, secret, password(password_file, str(out), new=True)))


@keys.command()
@click.argument("files", metavar="FILE…", type=FILE, nargs=-1, required=True)
def show(files: tuple[Path, ...]) -> None:
    """Print the address that each keystore says it holds the key of."""
    from dapp.chain import keystore
    from dapp.chain.keys import checksummed

    for file in files:
        address = keystore.address(file)
        click.echo(f"{checksummed(address) if address else 'does not say'}  {file}")


def _refuse_present(out: Path) -> None:
    """Before anybody types a password for nothing."""
    if out.exists():
        raise KeyFileError(f"{out} is there already, and a key is never written over", help="Choose another --out.")


def _private_key(source: Path | None) -> bytes:
    from dapp import private

    if source is not None:
        text, where = private.read(source, "file", "Name the right file.").decode("ascii", "replace"), str(source)
    elif sys.stdin.isatty():
        text, where = click.prompt("Private key", hide_input=True, err=True), "what was typed"
    else:
        raise KeyFileError("there is nobody to ask for the private key", help="Name a file with it by --from.")
    digits = text.strip().removeprefix("0x")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise KeyFileError(f"{where} is no private key", help="It is 64 hexadecimal digits, with or without 0x.")
    return key


def _tell(out: Path, account: Account) -> None:
    from dapp.chain.keys import checksummed

    click.echo(checksummed(account.address))
    click.echo(f"wrote {out}: keep a copy of it and its password, for nobody can restore them", err=True)
