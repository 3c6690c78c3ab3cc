"""Checks a finished run from its events and its blobs alone, trusting nobody: ``cairn verify`` and ``cairn inspect``.

First every transaction is replayed under the contracts' rules and must have caused exactly the events that the file
says (``replay``); then every blob that those events name is opened and what it claims is recomputed (``contents``).
What only the chain itself can tell: that the headers are its own, that no transaction at the end was left out, that
the contracts' code is Cairn's, and how much gas was used. What a constructor fixed (stakes, delays) is taken from its
first use; every later use must agree.
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
