"""Checks a task from its events and its blobs alone, trusting nobody: ``cairn verify`` and ``cairn inspect``.

First every transaction is replayed under the contracts' rules and must have caused exactly the events that are told
(``replay``); those of other tasks on the same contracts are taken as they are (``others``). Then every blob that those
events name is opened and what it claims is recomputed (``contents``).

A run's folder cannot show that its headers are the chain's own, that no transaction was left out, and that the code of
the contracts is Cairn's; what a constructor fixed (stakes, delays) is taken from its first use; every later use must
agree. A chain that can be asked shows these as well (``live``).
"""

from dapp.audit.folder import Keeping, RunFolder, read_chain
from dapp.audit.inspection import Inspection, inspect, render
from dapp.audit.live import ASKED, Live
from dapp.audit.verify import CHECKS, Audit, verify

__all__ = [
    "ASKED",
    "CHECKS",
    "Audit",
    "Inspection",
    "Keeping",
    "Live",
    "RunFolder",
    "inspect",
    "read_chain",
    "render",
    "verify",
]
