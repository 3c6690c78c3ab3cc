"""``cairn task``: ordering, showing, admitting to, opening, funding and ending tasks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dapp.cli.access import (
    acting,
    address_of,
    chain_option,
    connect,
    contracts_at,
    contracts_option,
    deployment_in,
    fee_options,
    json_option,
    key_options,
    network,
    pace_option,
    store_at,
    store_option,
    unlock,
)
from dapp.cli.common import InOrder, SettingsCommand, task_changes
from dapp.errors import SettingsError

if TYPE_CHECKING:
    from dapp.chain.client import Client
    from dapp.chain.contracts import Contracts
    from dapp.chain.network import Network
    from dapp.protocol.events import TaskCreated
    from dapp.protocol.view import View
    from dapp.types import Address, TaskId

MAX_HOLDERS = 32
GWEI = 10**9

task_argument = click.argument("task", metavar="[TASK]", required=False)
"""The beginning of an id, or nothing."""


@click.group(cls=InOrder)
def task() -> None:
    """Order a task, look after it, admit devices to it. TASK may be the beginning of an id, or left out if there is
    only one."""


@task.command(cls=SettingsCommand, short_help="Order the task in DIR, and pay for its rounds.")
@click.argument("project", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@chain_option
@store_option
@contracts_option
@key_options("the requester; it pays for the rounds")
@click.option(
    "--holders",
    metavar="ADDRESSES",
    required=True,
    help="Who will hold a share of the key: addresses separated by commas, or a file with one in each line.",
)
@click.option("--admission", metavar="ADDRESS", required=True, help="Whose tickets will admit devices.")
@click.option(
    "--shares",
    metavar="OUTDIR",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the files with the key shares go.",
)
@pace_option
@task_changes
@click.option("--yes", is_flag=True, help="Do not ask whether to pay.")
@fee_options
def create(
    project: Path,
    chain: str,
    store: str,
    contracts: Path,
    key: Path,
    password_file: Path | None,
    holders: str,
    admission: str,
    shares: Path,
    pace: str | None,
    changes: tuple[str, ...],
    yes: bool,
    chain_id: int | None,
    max_fee: float,
) -> None:
    """Order the task in DIR: deal its key, publish its model, create and fund it.

    Whoever runs this deals the key, and could read every update with it: the share files go to their holders, and no
    copy stays.
    """
    from dapp.chain.keys import checksummed
    from dapp.settings import load, with_pace

    named = holders_from(holders)
    admitting = address_of(admission, "--admission")
    settings = load(project / "task.toml", os.environ, [*changes, f"key.holders={len(named)}"])
    if pace is not None:
        settings = with_pace(settings, pace)
    client = connect(chain, network(chain_id=chain_id, max_fee=max_fee))
    deployed = contracts_at(client, contracts)
    blobs = store_at(store)
    with acting(client, key, password_file) as requester:
        click.echo("loading model and data")
        from dapp.requester import order

        def agreed(what: str) -> bool:
            click.echo(f"{checksummed(requester.address)} orders on chain {client.chain_id}: {what}")
            return yes or not sys.stdin.isatty() or click.confirm("Order?", default=True)

        wanted = order.Order.of(settings, project, admitting, named, shares)
        task_id = order.place(wanted, client, deployed, requester, blobs, click.echo, agreed)
    if task_id is None:
        raise click.Abort
    click.echo(f"\ntask     0x{task_id.hex()}\nshares   {shares}: hand each holder its file, and keep none")
    click.echo(f"admit    cairn task admit 0x{task_id.hex()} --contracts {contracts} --key ADMISSION.json DEVICE…")
    click.echo(f"watch    cairn task show --chain {chain} --contracts {contracts}")


@task.command(name="list")
@chain_option
@contracts_option
@json_option
def list_(chain: str, contracts: Path, as_json: bool) -> None:
    """List the tasks of these contracts."""
    from dapp.cli import listing

    client = connect(chain, network())
    deployed, head = contracts_at(client, contracts), client.head()
    found = [
        listing.facts(created, view, deployed.escrow.pot_of(view.task_id), head.timestamp)
        for created, view in listing.all_tasks(deployed, head.number).values()
    ]
    if as_json:
        click.echo(json.dumps([json.loads(each.to_json()) for each in found], indent=2))
        return
    for each in found:
        click.echo(f"{each.task}  {len(each.devices):>3} devices  {each.state}")
    if not found:
        click.echo("there is no task yet")


@task.command(short_help="Show a task and its rounds.")
@task_argument
@chain_option
@contracts_option
@json_option
def show(task: str | None, chain: str, contracts: Path, as_json: bool) -> None:
    """Show a task: its terms, its cohort, its rounds and who committed to them."""
    from dapp.cli import listing

    client = connect(chain, network())
    deployed, head = contracts_at(client, contracts), client.head()
    created, view = _found(deployed, head.number, task)
    shown = listing.facts(created, view, deployed.escrow.pot_of(view.task_id), head.timestamp)
    click.echo(shown.to_json() if as_json else "\n".join(shown.lines()))


@task.command()
@click.argument("task", metavar="TASK")
@contracts_option
@key_options("the task's admission")
@click.argument("devices", metavar="DEVICE…", nargs=-1, required=True)
@click.option("--chain", metavar="URL", help="If given: checked that there is the task, and that the key admits to it.")
@json_option
def admit(
    task: str,
    contracts: Path,
    key: Path,
    password_file: Path | None,
    devices: tuple[str, ...],
    chain: str | None,
    as_json: bool,
) -> None:
    """Sign tickets for devices, by their addresses. The admission key needs no ether and, without --chain, no network.

    Each device enters its ticket as device.ticket in its settings.
    """
    from dapp.chain.keys import checksummed
    from dapp.crypto.typed_data import Ticket, learning_domain

    addresses = [address_of(device, "DEVICE") for device in devices]
    deployment = deployment_in(contracts)
    task_id = _id_of(task)
    admission = unlock(key, password_file)
    if chain is not None:
        client = connect(chain, network())
        deployed = contracts_at(client, contracts)
        _, view = _found(deployed, client.head().number, task)
        assert view.terms is not None
        if view.terms.cohort.admission != admission.address:
            raise SettingsError(
                f"{checksummed(admission.address)} does not admit to this task: "
                f"{checksummed(view.terms.cohort.admission)} does",
                help="Name that key's keystore by --key.",
            )
    domain = learning_domain(deployment.chain_id, deployment.learning)
    tickets = [
        {
            "device": checksummed(address),
            "ticket": f"0x{admission.sign_digest(Ticket(task_id, address).signing_hash(domain)).hex()}",
        }
        for address in addresses
    ]
    if as_json:
        click.echo(json.dumps(tickets, indent=2))
        return
    for each in tickets:
        click.echo(f"{each['device']}  {each['ticket']}")


@task.command(name="open")
@task_argument
@chain_option
@contracts_option
@key_options("whoever opens; it needs ether for gas")
@fee_options
def open_(
    task: str | None,
    chain: str,
    contracts: Path,
    key: Path,
    password_file: Path | None,
    chain_id: int | None,
    max_fee: float,
) -> None:
    """Open a task's next round by hand; edges do it by themselves."""
    from dapp.protocol.events import RoundOpened

    client, deployed, view = _reached(task, chain, contracts, network(chain_id=chain_id, max_fee=max_fee))
    with acting(client, key, password_file) as account:
        receipt = client.send(account, deployed.learning.open_round(view.task_id))
    opened = next(event for event in receipt.events if isinstance(event, RoundOpened))
    click.echo(f"round {opened.round} is open: {opened.enrolled} devices, {receipt.gas_used:,} gas")


@task.command(short_help="Put more ether into a task's pot.")
@task_argument
@chain_option
@contracts_option
@key_options("whoever pays")
@click.option("--gwei", metavar="GWEI", type=click.IntRange(1), required=True, help="How much (10⁻⁹ ether).")
@fee_options
def fund(
    task: str | None,
    chain: str,
    contracts: Path,
    key: Path,
    password_file: Path | None,
    gwei: int,
    chain_id: int | None,
    max_fee: float,
) -> None:
    """Put more ether into a task's pot; what its rounds do not use goes back to its requester when it ends."""
    from dapp.report.summary import ether

    client, deployed, view = _reached(task, chain, contracts, network(chain_id=chain_id, max_fee=max_fee))
    if view.ended:
        raise SettingsError("the task has ended: what its pot is given could not be had back", help="Order another.")
    with acting(client, key, password_file) as account:
        client.send(account, deployed.escrow.fund(view.task_id, gwei * GWEI))
    click.echo(f"{ether(deployed.escrow.pot_of(view.task_id))} in the pot")


@task.command(short_help="End a task, and take back what is left in its pot.")
@task_argument
@chain_option
@contracts_option
@key_options("the requester")
@fee_options
def end(
    task: str | None,
    chain: str,
    contracts: Path,
    key: Path,
    password_file: Path | None,
    chain_id: int | None,
    max_fee: float,
) -> None:
    """End a task between its rounds, and pay back what is left in its pot."""
    from dapp.protocol.events import TaskEnded
    from dapp.report.summary import ether

    client, deployed, view = _reached(task, chain, contracts, network(chain_id=chain_id, max_fee=max_fee))
    with acting(client, key, password_file) as account:
        receipt = client.send(account, deployed.learning.end_task(view.task_id))
        ended = next(event for event in receipt.events if isinstance(event, TaskEnded))
        owed = deployed.escrow.credit_of(view.requester)
        if owed:
            client.send(account, deployed.escrow.withdraw_for(view.requester))
    click.echo(f"the task has ended; {ether(ended.refund)} were left, and {ether(owed)} were paid to its requester")


def holders_from(text: str) -> list[Address]:
    """The holders that a list or a file names; lines that begin with # are passed over.

    Raises:
        SettingsError: an unreadable file, no address, one twice, or too few or too many.
    """
    if text.lstrip().startswith("0x"):
        named = [part.strip() for part in text.split(",") if part.strip()]
    else:
        try:
            lines = Path(text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"--holders: {text} is neither addresses nor a file that can be read ({error})",
                help="Write 0x…,0x…, or name a file with one address in each line.",
            ) from None
        named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    holders = [address_of(each, "--holders") for each in named]
    if not 2 <= len(holders) <= MAX_HOLDERS:
        raise SettingsError(f"--holders: {len(holders)} addresses", help=f"A key has 2 to {MAX_HOLDERS} holders.")
    if len(set(holders)) < len(holders):
        raise SettingsError("--holders: an address stands there twice", help="Each holder holds one share.")
    return holders


def _reached(task: str | None, chain: str, contracts: Path, how: Network) -> tuple[Client, Contracts, View]:
    """A client of the chain, the contracts there, and what they say of a task."""
    client = connect(chain, how)
    deployed = contracts_at(client, contracts)
    _, view = _found(deployed, client.head().number, task)
    return client, deployed, view


def _found(contracts: Contracts, to_block: int, text: str | None) -> tuple[TaskCreated, View]:
    from dapp.cli import listing

    there = listing.all_tasks(contracts, to_block)
    return there[listing.find(there, text)]


def _id_of(text: str) -> TaskId:
    from dapp.types import TaskId

    try:
        task_id = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        task_id = b""
    if len(task_id) != 32:
        raise SettingsError(
            f"{text} is not a task's id", help="It is 0x and 64 hexadecimal digits: a ticket is for one task only."
        )
    return TaskId(task_id)
