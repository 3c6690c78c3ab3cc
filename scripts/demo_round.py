"""One complete encrypted round of a small cohort: every role in this process, every step on the chain.

    brownie run demo_round [--network geth-dev]     in brownie, on the connected chain
    python scripts/demo_round.py [--chain URL] [--key FILE]

It is `cairn demo` with five devices and one round. ``CAIRN_…`` in the environment changes any other setting, ``$RUNS``
where the run's folder is made, which `cairn verify` audits. Whoever needs ether gets it from the key that was named,
else from the development chain's own rich account. Which chain, which key: scripts/connection.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from dapp import simulation
from dapp.cli.common import terminal
from dapp.cli.run import unused
from dapp.settings import load, with_pace
from scripts.connection import connect, run

SMALL = ("name=demo-round", "devices=5", "verifiers=3", "panel.seats=3", "rounds=1")


def main() -> None:
    connection = connect()
    settings = with_pace(load(None, os.environ, SMALL), "fast")
    folder = unused(Path(os.environ.get("RUNS", "runs")), settings.name)
    place = simulation.network([connection.url], giver=connection.named)
    with terminal(plain=True) as listener:
        simulation.run(settings, folder, listener, simulation.Scenario(), place=place)
    print(f"\nreport   {folder / 'report.html'}\ncheck it cairn verify {folder}")


if __name__ == "__main__":
    run(main)
