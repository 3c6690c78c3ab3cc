"""What can go wrong at an edge's door."""

from __future__ import annotations

from dapp.errors import ExitCode, Fatal, Rejected, Retryable


class DoorRefused(Rejected):
    """A door does not take what it was given, or is not the door that was looked for."""

    code = ExitCode.SETTINGS


class DoorUnavailable(Retryable):
    """A door cannot be reached, is too busy, or answers with something that is no answer."""

    code = ExitCode.SETTINGS


class DoorBlocked(Fatal):
    """A door cannot be opened: its port is in use, or its address is not this machine's."""

    code = ExitCode.PROGRAM
