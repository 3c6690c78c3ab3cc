"""Settings: of a task and its demonstration (``task.toml``), and of a role's own process (``device.toml``, …)."""

from dapp.settings.role import ROLES, Role, RoleSettings, describe_role, load_role, role_template
from dapp.settings.task import (
    MIN_KEY_BITS,
    MIN_VOTER_PAY,
    MIN_WINDOW,
    PACES,
    Learning,
    Pace,
    Settings,
    Windows,
    check,
    describe,
    load,
    to_toml_template,
    with_pace,
)

__all__ = [
    "MIN_KEY_BITS",
    "MIN_VOTER_PAY",
    "MIN_WINDOW",
    "PACES",
    "ROLES",
    "Learning",
    "Pace",
    "Role",
    "RoleSettings",
    "Settings",
    "Windows",
    "check",
    "describe",
    "describe_role",
    "load",
    "load_role",
    "role_template",
    "to_toml_template",
    "with_pace",
]
