"""``cairn doctor``: whether what a role stands on is there, a line each with what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from dapp.cli.access import FILE, PASSWORD, password_option
from dapp.cli.common import changes_option
from dapp.errors import CairnError

if TYPE_CHECKING:
    from dapp.chain.client import Client
    from dapp.chain.contracts import Contracts
    from dapp.protocol.terms import Terms
    from dapp.protocol.view import View
    from dapp.settings import Role, RoleSettings
    from dapp.types import Address

P = ParamSpec("P")
T = TypeVar("T")

ROLES: tuple[Role, ...] = ("device", "edge", "verifier", "holder")
LIBRARIES = ("torch", "numpy", "gmpy2", "web3")
SLOW = 120
"""Seconds that a chain's head may lie behind this machine's clock, or before it, where blocks come by themselves."""
ROUND_GAS: dict[Role, int] = {"edge": 6_000_000, "verifier": 1_000_000, "holder": 500_000, "device": 200_000}
"""What a role's transactions in a round take at most, roughly (tests/gas)."""
HEARTBEAT_GAS = 100 * 21_000


@click.command(short_help="Check whatever a role stands on.")
@click.argument("file", metavar="[ROLE.toml]", type=FILE, required=False)
@click.option("--role", type=click.Choice(ROLES), help="Check what this role needs. By default as the file is called.")
@click.option("--chain", metavar="URL", help="Instead of the file's chain.")
@click.option("--store", metavar="PLACE", help="Instead of the file's store.")
@click.option("--contracts", metavar="FILE", help="Instead of the file's contracts.")
@click.option("--key", metavar="FILE", help="Instead of the file's keystore.")
@password_option
@changes_option("of the role's settings, as in -c chain_id=1")
def doctor(
    file: Path | None,
    role: Role | None,
    chain: str | None,
    store: str | None,
    contracts: str | None,
    key: str | None,
    password_file: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Check chain, contracts, store, doors, keys, clock and versions; says what to do about whatever is wrong."""
    if role is None and file is not None:
        role = next((each for each in ROLES if file.stem.startswith(each)), None)
    given = {"chain": chain, "store": store, "contracts": contracts, "keystore": key, "password_file": password_file}
    overrides = [*(f"{name}={value}" for name, value in given.items() if value is not None), *changes]
    look = Examination(click.echo)
    examine(look, role, file, overrides)
    if look.errors:
        count = "1 thing is" if len(look.errors) == 1 else f"{len(look.errors)} things are"
        click.echo(f"\n{count} not as it should be", err=True)
        raise click.exceptions.Exit(int(look.errors[0].code))


@dataclass(slots=True)
class Examination:
    """Carries checks out, says what each came to, and keeps what was wrong."""

    say: Callable[[str], None]
    errors: list[CairnError] = field(default_factory=list)

    def __call__(
        self, subject: str, check: Callable[P, tuple[str, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """What a check found for others to build upon; None where it failed."""
        try:
            told, value = check(*args, **kwargs)
        except CairnError as error:
            self.errors.append(error)
            self.say(f"! {subject:<10} {error}")
            if error.help:
                self.say(f"{'':13}{error.help}")
            return None
        self.say(f"✓ {subject:<10} {told}")
        return value


def examine(look: Examination, role: Role | None, file: Path | None, overrides: Sequence[str]) -> None:
    """Everything that there is something to check of, in the order in which one check needs another."""
    look("versions", versions)
    s = look("settings", settings, role, file, overrides)
    if s is None:
        return
    client = look("chain", chain, s) if s.chain else None
    if client:
        look("clock", clock, client)
    contracts = look("contracts", deployment, client, Path(s.contracts)) if client and s.contracts else None
    task = look("task", the_task, client, contracts, s) if client and contracts else None
    view = task[0] if task else None
    for place in s.stores:
        look("store", store, place)
    if contracts:
        for url in s.doors:
            look("door", door, url, contracts, view)
    me = look("key", key, s) if s.keystore else None
    if client and contracts and me and role:
        look("funds", funds, client, contracts, me, role, s, view.terms if view else None)
    if s.device.share and role in ("device", "holder", None):
        look("key share", share, Path(s.device.share), contracts, view, me)
    if role == "device" and contracts and view and me:
        look("admission", admission, contracts, view, me, s)
    if role == "verifier" and contracts and me:
        look("registry", membership, contracts, me, s)


def versions() -> tuple[str, bool]:
    """This program, Python, and the libraries that everything rests on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from dapp import __version__
    from dapp.errors import Fatal

    told = [f"cairn {__version__}", f"python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise Fatal(f"{name} is not installed", help="Install Cairn anew: pip install cairn-fl") from None
    return ", ".join(told), True


def settings(role: Role | None, file: Path | None, overrides: Sequence[str]) -> tuple[str, RoleSettings]:
    """They can be read, and say what the role needs."""
    from dapp.settings import load_role

    read = load_role(role, file, os.environ, overrides)
    return f"{file or 'as given here'}{f', for {article(role)}' if role else ''}", read


def chain(s: RoleSettings) -> tuple[str, Client]:
    """The chain answers, and is the one that the settings name."""
    from dapp.chain.web3_node import Web3Node
    from dapp.cli.access import connect, network_of

    client = connect(s.chain or "", network_of(s))
    name = str(client.node.ask("web3_clientVersion")) if isinstance(client.node, Web3Node) else "a node"
    said = "/".join(name.split("/")[:2])
    return f"{client.node} answers: {said}, chain {client.chain_id}, block {client.head().number:,}", client


def clock(client: Client) -> tuple[str, bool]:
    """The head's time is that of this machine, where blocks come by themselves."""
    import time

    from dapp.chain.network import DEVELOPMENT_CHAINS
    from dapp.errors import ChainError

    behind = int(time.time()) - client.head().timestamp
    told = f"the head is {behind} s old" if behind >= 0 else f"the head is {-behind} s ahead of this machine's clock"
    if abs(behind) > SLOW and client.chain_id not in DEVELOPMENT_CHAINS:
        raise ChainError(told, help="See whether the node is in step with its network, and this machine's clock right.")
    return told, True


def deployment(client: Client, path: Path) -> tuple[str, Contracts]:
    """The contracts are there, of this version, and know one another."""
    from dapp.chain.keys import checksummed
    from dapp.cli.access import contracts_at

    contracts = contracts_at(client, path)
    return f"this version's, Learning at {checksummed(contracts.learning.address)}", contracts


def the_task(client: Client, contracts: Contracts, s: RoleSettings) -> tuple[str, tuple[View | None]]:
    """The task is there, or none is and none was named."""
    from dapp.cli import listing

    head = client.head()
    there = listing.all_tasks(contracts, head.number)
    if s.task is None and all(view.ended for _, view in there.values()):
        return "none is open: a role waits for one", (None,)
    created, view = there[listing.find(there, s.task)]
    facts = listing.facts(created, view, contracts.escrow.pot_of(view.task_id), head.timestamp)
    return f"{facts.task[:14]}…, {len(facts.devices)} devices, {facts.state}", (view,)


def store(place: str) -> tuple[str, bool]:
    """The store gives back what it is given."""
    import secrets
    import time

    from dapp.storage import open_store

    opened, data, began = open_store(place), secrets.token_bytes(64), time.perf_counter()
    blob = opened.put(data)
    opened.get(blob.digest, blob.size, cap=blob.size)
    opened.unpin(blob.digest, blob.size)
    return f"{place} keeps and gives a blob, in {1000 * (time.perf_counter() - began):.0f} ms", True


def door(url: str, contracts: Contracts, view: View | None) -> tuple[str, bool]:
    """The door is an edge's of these contracts, and serves the task."""
    from dapp.chain.keys import checksummed
    from dapp.relay import DoorClient, Place
    from dapp.report.summary import size

    d = contracts.deployment
    place = Place(d.chain_id, d.learning, d.mining, d.verification)
    terms = DoorClient(url, place).terms()
    if view is not None:
        terms.check(place, view.task_id, url)
    return f"{url} is that of {checksummed(terms.edge)}, for blobs of up to {size(terms.max_blob_bytes)}", True


def key(s: RoleSettings) -> tuple[str, Address]:
    """The keystore is closed to others; its password opens it, where that can be known without asking anybody."""
    from dapp.chain import keystore
    from dapp.chain.keys import checksummed
    from dapp.cli.access import unlock
    from dapp.errors import KeyFileError

    path = Path(s.keystore or "")
    if s.password_file is not None or PASSWORD in os.environ:
        address = unlock(path, Path(s.password_file) if s.password_file else None).address
        return f"{checksummed(address)}; its password opens it", address
    named = keystore.address(path)
    if named is None:
        raise KeyFileError(f"{path} does not say whose key it holds", help="Name its password's file, to look.")
    return f"{checksummed(named)}; its password will be asked for", named


def funds(
    client: Client, contracts: Contracts, me: Address, role: Role, s: RoleSettings, terms: Terms | None
) -> tuple[str, bool]:
    """There is ether where ether is needed: for a round's gas, for bonds, for a stake, for heartbeats."""
    from dapp.chain.costs import cost, demand
    from dapp.report.summary import ether

    has = ether(client.balance(me))
    if role in ("device", "holder") and s.doors:
        return f"{has}; none is needed, for doors take what it signs", True
    bound = 0
    if role == "edge" and terms is not None:
        bound = terms.money.edge_bond + terms.money.opening_bond
    elif role == "verifier" and s.verifier.join and not contracts.verification.member_of(me).stake:
        bound = contracts.verification.immutable("STAKE")
    needed = cost(client, ROUND_GAS[role], bound)
    demand(client, me, needed, f"a round of {article(role)}")
    if role == "edge" and s.edge.heartbeat:
        from dapp.chain import keystore

        if heart := keystore.address(Path(s.edge.heartbeat)):
            demand(client, heart, cost(client, HEARTBEAT_GAS), "its heartbeats")
    return f"{has}; a round of {article(role)} may take {ether(needed.most)}", True


def share(path: Path, contracts: Contracts | None, view: View | None, me: Address | None) -> tuple[str, bool]:
    """The share is closed to others, of the task, and this key's."""
    from dapp.device.share_file import ShareFile

    read = ShareFile.read(path)
    if contracts and view and view.terms and me:
        read.check(contracts.deployment.chain_id, view.task_id, view.terms.key.holders_root, me)
        return f"of holder {read.index} of the task", True
    return f"of holder {read.index} of task 0x{read.task_id.hex()[:12]}…", True


def admission(contracts: Contracts, view: View, me: Address, s: RoleSettings) -> tuple[str, bool]:
    """The device is in the cohort, or has a ticket to it."""
    from dapp.crypto.typed_data import Ticket, learning_domain, recover
    from dapp.errors import SettingsError

    if enrolled := view.enrolments.get(me):
        return f"enrolled as device {enrolled.index}, with weight {enrolled.weight}", True
    help = "Ask whoever holds the admission key for one: cairn task admit TASK … ADDRESS"
    if s.ticket is None:
        raise SettingsError("not enrolled, and device.ticket is not set", help=help)
    domain = learning_domain(contracts.deployment.chain_id, contracts.deployment.learning)
    signer = recover(Ticket(view.task_id, me), domain, s.ticket)
    if view.terms is None or signer != view.terms.cohort.admission:
        raise SettingsError("device.ticket does not admit this key to the task", help=help)
    return "not enrolled yet; its ticket admits it", True


def membership(contracts: Contracts, me: Address, s: RoleSettings) -> tuple[str, bool]:
    """The verifier is in the registry, or will join it."""
    from dapp.errors import SettingsError
    from dapp.protocol.enums import MemberState

    state = contracts.verification.member_of(me).state
    if state != MemberState.NONE:
        return state.name.lower(), True
    if not s.verifier.join:
        raise SettingsError("not a member, and verifier.join is false", help="Set verifier.join to stake and join.")
    return "not a member yet; joins when it starts", True


def article(role: Role) -> str:
    """The role in a sentence."""
    return f"an {role}" if role == "edge" else f"a {role}"
