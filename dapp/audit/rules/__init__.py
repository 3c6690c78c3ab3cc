"""The contracts' rules once more, in Python: for a call, the events that it must cause.

Written from the protocol, not from the machines that take part in it, so that an auditor's opinion is its own.
"""

from dapp.audit.rules import escrow, learning, mining, paillier_sum, verification  # noqa: F401  # each registers its rules
from dapp.audit.rules.registry import RULES

__all__ = ["RULES"]
