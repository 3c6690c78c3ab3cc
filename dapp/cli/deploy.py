"""``cairn deploy``: the contracts, onto a chain of one's choice."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dapp.cli.access import FILE, acting, chain_option, connect, fee_options, key_options, network, pace_option
from dapp.errors import SettingsError, StoreFull

if TYPE_CHECKING:
    from dapp.chain.client import Client
    from dapp.chain.contracts import Contracts
    from dapp.chain.deploy import Parameters
    from dapp.chain.keys import Account

F = TypeVar("F", bound=Callable[..., Any])
GWEI = 10**9


@dataclass(frozen=True, slots=True)
class _Flag:
    """A parameter of the deployment as a flag. ``scale``: what it counts, in the parameter's own unit."""

    parameter: str
    least: int
    scale: int
    help: str


FLAGS = (
    _Flag("stake", 1, GWEI, "What a verifier locks."),
    _Flag("slash", 1, GWEI, "What a silent seat loses."),
    _Flag("activation_delay", 1, 1, "Seconds until a new verifier can be drawn; longer than any seed takes to come."),
    _Flag("cool_down", 1, 1, "Seconds that a leaving verifier's stake stays bound."),
    _Flag("min_eligible", 1, 1, "Verifiers without whom no panel is drawn."),
    _Flag("min_window", 1, 1, "Seconds that any phase of a task lasts at least."),
    _Flag("min_voter_pay", 0, GWEI, "Least pay of a vote for which a silent seat loses stake."),
    _Flag("seed_delay", 1, 1, "Blocks from a request to the block that gives the seed; 132 where validators may gain."),
)


def parameter_options(command: F) -> F:
    """A flag for every parameter of a deployment; those that are not given are None."""
    for flag in reversed(FLAGS):
        name = f"--{flag.parameter.replace('_', '-')}"
        unit = "GWEI" if flag.scale == GWEI else "N"
        command = click.option(name, metavar=unit, type=click.IntRange(flag.least), help=flag.help)(command)
    return command


@click.command()
@chain_option
@key_options("the deployer; it needs ether")
@click.option(
    "--out", metavar="FILE", type=FILE, required=True, help="Where the file goes that says where the contracts are."
)
@pace_option
@parameter_options
@click.option("--yes", is_flag=True, help="Do not ask whether to pay.")
@fee_options
def deploy(
    chain: str,
    key: Path,
    password_file: Path | None,
    out: Path,
    pace: str | None,
    yes: bool,
    chain_id: int | None,
    max_fee: float,
    **flags: int | None,
) -> None:
    """Deploy the contracts, and write where they are. Says what it costs first, and checks the wiring after."""
    from dapp.chain.keys import checksummed

    if out.exists():
        raise SettingsError(f"{out} is there already: nothing was deployed", help="Choose another --out.")
    if not out.parent.is_dir():
        raise SettingsError(
            f"there is no folder {out.parent}: nothing was deployed", help="Make it, or choose another."
        )
    parameters = parameters_from(pace, flags)
    client = connect(chain, network(chain_id=chain_id, max_fee=max_fee))
    with acting(client, key, password_file) as account:

        def agreed(what: str) -> bool:
            click.echo(f"{checksummed(account.address)} deploys to chain {client.chain_id}: {what}")
            return yes or not sys.stdin.isatty() or click.confirm("Deploy?", default=True)

        contracts = deployed(client, account, parameters, agreed)
    if contracts is None:
        raise click.Abort
    text = json.dumps(contracts.deployment.to_json(), indent=2) + "\n"
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:  # what was paid for must not be lost
        click.echo(text, nl=False)
        raise StoreFull(
            f"{out} cannot be written: {error.strerror}; what it was to say stands above", help="Write it to a file."
        ) from error
    for role, address in contracts.deployment.addresses().items():
        click.echo(f"{role:<13} {checksummed(address)}")
    click.echo(f"\nwrote {out}\nnow   cairn task create DIR --chain {chain} --contracts {out} …")


def parameters_from(pace: str | None, flags: dict[str, int | None]) -> Parameters:
    """The defaults, those of a pace instead, and over them whatever a flag says."""
    from dataclasses import replace

    from dapp.chain.deploy import Parameters
    from dapp.settings import Settings, with_pace

    parameters = Parameters()
    if pace is not None:
        from dapp.requester.creation import parameters_of

        fitting = parameters_of(with_pace(Settings(), pace))
        parameters = replace(parameters, min_window=fitting.min_window)
        if pace == "fast":
            parameters = replace(parameters, activation_delay=fitting.activation_delay, cool_down=fitting.cool_down)
    scales = {flag.parameter: flag.scale for flag in FLAGS}
    given = {name: value * scales[name] for name, value in flags.items() if value is not None}
    return replace(parameters, **given)


def deployed(
    client: Client, account: Account, parameters: Parameters, agreed: Callable[[str], bool]
) -> Contracts | None:
    """Deploys once the price is known, can be paid and is agreed to; checks the wiring.

    Args:
        agreed: is told the price; None is returned where it says no.

    Raises:
        OutOfFunds: the deployer has too little; says how much is needed.
        ContractError: a constructor refuses a parameter; nothing was sent.
        Fatal: the contracts do not read one another back.
    """
    from dapp.chain import deploy as chain
    from dapp.chain.costs import cost, demand, gas_of_deployment

    price = cost(client, gas_of_deployment(parameters))
    demand(client, account.address, price, "a deployment")
    return chain.deploy(client, account, parameters) if agreed(str(price)) else None
