"""How a command comes to what it acts on: a chain behind an address, contracts in a file, a key in a keystore."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dapp.errors import ChainError, KeyFileError, SettingsError

if TYPE_CHECKING:
    from dapp.chain.client import Client
    from dapp.chain.contracts import Contracts, Deployment
    from dapp.chain.keys import Account
    from dapp.chain.network import Network
    from dapp.settings import RoleSettings
    from dapp.storage import BlobStore
    from dapp.types import Address

F = TypeVar("F", bound=Callable[..., Any])
PASSWORD = "CAIRN_PASSWORD"  # noqa: S105  # the variable's name, not what it holds
FILE = click.Path(dir_okay=False, path_type=Path)

chain_option = click.option(
    "--chain", metavar="URL", required=True, help="JSON-RPC address of an Ethereum node; several, separated by commas."
)
contracts_option = click.option(
    "--contracts", metavar="FILE", type=FILE, required=True, help="The file that `cairn deploy` wrote."
)
store_option = click.option(
    "--store", metavar="PLACE", required=True, help="Address of a kubo node or a folder; several, separated by commas."
)
pace_option = click.option(
    "--pace",
    type=click.Choice(["fast", "normal", "slow"]),
    help="How long windows are: fast suits a development chain with a block a second, slow a public network.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="The same facts as JSON.")


def key_options(what: str) -> Callable[[F], F]:
    """``--key`` and ``--password-file``."""

    def add(command: F) -> F:
        command = password_option(command)
        return click.option("--key", metavar="FILE", type=FILE, required=True, help=f"Keystore of {what}.")(command)

    return add


def password_option(command: F) -> F:
    """``--password-file``."""
    return click.option(
        "--password-file",
        metavar="FILE",
        type=FILE,
        help=f"Its first line is the password; else {PASSWORD}, else you are asked.",
    )(command)


def fee_options(command: F) -> F:
    """``--chain-id`` and ``--max-fee``, for whoever sends transactions."""
    command = click.option(
        "--max-fee",
        metavar="GWEI",
        type=click.FloatRange(0, min_open=True),
        default=100.0,
        show_default=True,
        help="Most that a unit of gas may cost.",
    )(command)
    return click.option("--chain-id", metavar="N", type=click.IntRange(1), help="Refuse every other chain.")(command)


def network(*, chain_id: int | None = None, max_fee: float = 100.0) -> Network:
    """How a network is treated whose transactions a person waits for."""
    from dapp.chain.network import GWEI, Network
    from dapp.types import Wei

    return Network(chain_id=chain_id, max_fee=Wei(round(max_fee * GWEI)))


def network_of(settings: RoleSettings) -> Network:
    """How a role treats its network."""
    from dapp.chain.network import Network
    from dapp.types import Wei

    return Network(
        chain_id=settings.chain_id,
        confirmations=settings.confirmations,
        finalized=settings.finalized,
        max_fee=Wei(settings.max_fee_wei),
    )


def connect(chain: str, how: Network) -> Client:
    """A client of the chain behind these addresses.

    Raises:
        Unreachable: none of them answers.
        WrongChain: one answers for another chain.
        SettingsError: one is no address.
    """
    from dapp.chain.client import Client
    from dapp.chain.web3_node import Web3Node

    return Client(Web3Node.connect(split(chain), how))


def split(places: str) -> list[str]:
    """Addresses or folders that commas separate."""
    return [part.strip() for part in places.split(",") if part.strip()]


def store_at(places: str) -> BlobStore:
    """The store at these places.

    Raises:
        SettingsError: no place, or an address that is none.
        StoreFull: a folder cannot be made.
    """
    from dapp.storage import open_store

    return open_store(*split(places))


def deployment_in(path: Path) -> Deployment:
    """The deployment that a file tells of.

    Raises:
        SettingsError: there is no such file, or it is not one that `cairn deploy` wrote.
    """
    from dapp.chain.contracts import Deployment

    help = "`cairn deploy` writes it, or ask whoever ordered the task for it."
    try:
        return Deployment.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}", help=help) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} does not say where contracts are: {error!r}", help=help) from error


def contracts_at(client: Client, path: Path) -> Contracts:
    """The contracts of a deployment, once it is sure that they are there, of this version, and know one another.

    Raises:
        SettingsError: the file cannot be used.
        ChainError: the client is of another chain.
        Fatal: there are other contracts at these addresses, or none, or they do not know one another.
    """
    from dapp.chain.code import check_code
    from dapp.chain.contracts import Contracts
    from dapp.chain.deploy import check_wiring

    deployment = deployment_in(path)
    if client.chain_id != deployment.chain_id:
        raise ChainError(
            f"the contracts of {path} are on chain {deployment.chain_id}, but this is chain {client.chain_id}",
            help="Name an address of that chain, or the file of a deployment on this one.",
        )
    contracts = Contracts(client, deployment)
    check_code(client, contracts)
    check_wiring(contracts)
    return contracts


def password(file: Path | None, what: str, *, new: bool = False) -> str:
    """A keystore's password: the first line of a file, else ``CAIRN_PASSWORD``, else what somebody types.

    Args:
        what: is asked about, such as ``key.json``.
        new: it is asked for twice.

    Raises:
        KeyFileError: the file cannot be read, others may read it, or nobody can be asked.
    """
    if file is not None:
        return _password_in(file)
    if (given := os.environ.get(PASSWORD)) is not None:
        return given
    if not sys.stdin.isatty():
        raise KeyFileError(
            f"there is nobody to ask for the password of {what}",
            help=f"Name a file by --password-file, or set {PASSWORD}.",
        )
    asked: str = click.prompt(f"Password of {what}", hide_input=True, confirmation_prompt=new, err=True)
    return asked


def _password_in(file: Path) -> str:
    from dapp import private

    try:
        lines = private.read(file, "password file", "Write the password into its first line.").decode().splitlines()
    except UnicodeDecodeError:
        raise KeyFileError(f"the password file {file} is no text in UTF-8", help="Save it as UTF-8.") from None
    if not lines or not lines[0]:
        raise KeyFileError(f"the password file {file} has no first line", help="Write the password into it.")
    return lines[0]


def unlock(key: Path, password_file: Path | None) -> Account:
    """The account in a keystore.

    Raises:
        KeyFileError: it cannot be read, others may read it, or the password is wrong.
    """
    from dapp.chain import keystore

    return keystore.load(key, password(password_file, str(key)))


@contextmanager
def acting(client: Client, key: Path, password_file: Path | None) -> Iterator[Account]:
    """The account in a keystore, with which no other process acts on the client's chain meanwhile.

    Raises:
        KeyFileError: it cannot be read, others may read it, or the password is wrong.
        KeyInUse: another process acts with it.
    """
    from dapp.chain import keystore

    account = unlock(key, password_file)
    with keystore.hold(key.parent, account.address, client.chain_id):
        yield account


def address_of(text: str, what: str) -> Address:
    """An address that somebody wrote; one in mixed case must have the right case (EIP-55).

    Raises:
        SettingsError: not an address.
    """
    from dapp.chain.keys import checksummed
    from dapp.types import Address

    digits = text.strip().removeprefix("0x")
    try:
        address = Address(bytes.fromhex(digits))
    except ValueError:
        address = Address(b"")
    if len(address) != 20 or not text.strip().startswith("0x"):
        raise SettingsError(f"{what}: {text!r} is not an address", help="An address is 0x and 40 hexadecimal digits.")
    if digits not in (digits.lower(), digits.upper()) and checksummed(address) != f"0x{digits}":
        raise SettingsError(
            f"{what}: the capitals of {text} are not those of its checksum", help="A digit is wrong; copy it again."
        )
    return address
