"""Checks a finished run from its events and its blobs alone, trusting nobody: ``cairn verify`` and ``cairn inspect``.

First every transaction is replayed under the contracts' rules and must have caused exactly the events that the file
says (``replay``); then every blob that those events name is opened and what it claims is recomputed (``contents``).
What only the chain itself can tell: that the headers are its own, and that no transaction was left out of the file.
"""

from dapp.audit.inspection import Inspection, inspect, render
from dapp.audit.verify import CHECKS, Audit, verify

__all__ = ["CHECKS", "Audit", "Inspection", "inspect", "render", "verify"]
