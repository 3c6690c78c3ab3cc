"""``cairn device``, ``cairn holder``, ``cairn edge`` and ``cairn verifier``: each role as a process of its own."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dapp.cli.access import FILE, connect, contracts_at, network_of, unlock
from dapp.cli.common import InOrder, changes_option

if TYPE_CHECKING:
    from dapp.chain.keys import Account
    from dapp.runtime.service import Service
    from dapp.settings import Role, RoleSettings
    from dapp.storage import BlobStore


class RoleCommand(click.Command):
    """A command whose help lists every key that its role's file can have."""

    def __init__(self, *args: Any, role: Role, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.role = role

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the keys below the options."""
        from dapp.settings import describe_role

        with formatter.section(f"Keys of {self.role}.toml, and for -c key=value"):
            for line in describe_role(self.role).splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}".rstrip() + "\n")


def role_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The settings file of a role, and changes to it."""
    return click.argument("file", metavar="FILE", type=FILE)(changes_option("listed below")(command))


@click.group(short_help="A device: learns, encrypts, checks every result itself.")
def device() -> None:
    """A device: learns from its own data, encrypts, and checks every result itself."""


@device.command("run", cls=RoleCommand, role="device", short_help="Take part in a task, as FILE says.")
@role_options
def run_device(file: Path, changes: tuple[str, ...]) -> None:
    """Take part in a task as FILE says, and hold a key share if it names one, until the task is over."""
    with _serving("device", file, changes) as service:
        from dapp.device.service import serve

        serve(service, device=True)


@click.group()
def holder() -> None:
    """A key holder alone, where no device holds its share."""


@holder.command("run", cls=RoleCommand, role="holder")
@role_options
def run_holder(file: Path, changes: tuple[str, ...]) -> None:
    """Attest updates and share the decryption of their sums, until the task is over."""
    with _serving("holder", file, changes) as service:
        from dapp.device.service import serve

        serve(service, device=False)


@click.group(short_help="An edge: relays, adds up what it cannot read.")
def edge() -> None:
    """An edge: relays, adds up what it cannot read, opens the sum, does the chores."""


@edge.command("run", cls=RoleCommand, role="edge", short_help="Serve tasks, with a door for devices.")
@role_options
def run_edge(file: Path, changes: tuple[str, ...]) -> None:
    """Serve every task, or the one that FILE names, with a door for devices."""
    with _serving("edge", file, changes) as service:
        from dapp.edge.service import serve

        serve(service, heart=_heart(service.settings))


@edge.command("watch", cls=RoleCommand, role="edge", short_help="Only prove the wrong sums of others wrong.")
@role_options
def watch_edge(file: Path, changes: tuple[str, ...]) -> None:
    """Recompute the sums of others, and prove a wrong one wrong on chain, for half of its bond.

    Of [edge] it reads turn alone: it opens no door, forms no sums and sends no heartbeats.
    """
    with _serving("edge", file, changes) as service:
        from dapp.edge.service import serve

        serve(service, only_watch=True)


@click.group(cls=InOrder, short_help="A verifier: votes on what it recomputed.")
def verifier() -> None:
    """A verifier: staked, drawn by lot, votes on what it recomputed."""


@verifier.command("run", cls=RoleCommand, role="verifier")
@role_options
def run_verifier(file: Path, changes: tuple[str, ...]) -> None:
    """Vote wherever the lot falls on this key."""
    with _serving("verifier", file, changes) as service:
        from dapp.verifier.service import serve

        serve(service)


@verifier.command("leave", cls=RoleCommand, role="verifier", short_help="Leave the registry, then take the stake out.")
@role_options
def leave_verifier(file: Path, changes: tuple[str, ...]) -> None:
    """Leave the registry, and, called again after the cool-down, take the stake out."""
    with _serving("verifier", file, changes) as service:
        from dapp.verifier.service import leave

        leave(service)


@contextmanager
def _serving(role: Role, file: Path, changes: tuple[str, ...]) -> Iterator[Service]:
    """What a role's process begins with, each part checked: settings, chain, contracts, key, store."""
    from dapp.settings import load_role

    settings = load_role(role, file, os.environ, changes)
    assert settings.chain is not None
    assert settings.contracts is not None
    assert settings.keystore is not None
    _say("chain", f"connects to {settings.chain}")
    logging.basicConfig(format="%(asctime)s  %(name)s: %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    from dapp.chain import keystore
    from dapp.runtime.service import Service, stopped_by_signals

    client = connect(settings.chain, network_of(settings))
    contracts = contracts_at(client, Path(settings.contracts))
    key = Path(settings.keystore)
    account = unlock(key, Path(settings.password_file) if settings.password_file else None)
    with keystore.hold(key.parent, account.address, client.chain_id):
        from dapp.chain.keys import checksummed

        ether = client.balance(account.address) / 10**18
        _say(
            settings.name,
            f"is {checksummed(account.address)} on chain {client.chain_id}, has {ether:g} ether",
        )
        yield Service(
            settings=settings,
            client=client,
            contracts=contracts,
            account=account,
            store=_store(settings),
            folder=file.parent.resolve(),
            said=_say,
            stop=stopped_by_signals(),
        )


def _store(settings: RoleSettings) -> BlobStore:
    if settings.stores:
        from dapp.storage import open_store

        return open_store(*settings.stores)
    from dapp.relay.client import DoorStore

    return DoorStore(settings.doors)


def _heart(settings: RoleSettings) -> Account | None:
    if settings.edge.heartbeat is None:
        return None
    return unlock(Path(settings.edge.heartbeat), Path(settings.password_file) if settings.password_file else None)


def _say(who: str, what: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {who}: {what}")
