"""Files that nobody but their owner may read: keystores, shares of a threshold key, passwords."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from dapp.errors import KeyFileError

LARGEST = 1 << 20
"""Bytes; no such file is larger."""


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that only its owner may read (0600), whole or not at all, and never over another.

    A folder that is not there is made, and is its owner's alone.

    Raises:
        KeyFileError: there is something at `path`, or it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path} is there already, and a key is never written over", help="Choose another file."
        ) from None
    except OSError as error:
        raise unusable(path, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask took away
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise unusable(path, error) from None
        raise


def read(path: Path, what: str, help: str) -> bytes:
    """The bytes of such a file.

    Args:
        what: is at `path`, for people.
        help: how one gets such a file.

    Raises:
        KeyFileError: there is none, it cannot be read, others may read it, or it is far too large.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise KeyFileError(f"there is no {what} {path}", help=help) from None
    except OSError as error:
        raise unusable(path, error) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IRGRP if _is_credential(path) else 0):
        raise KeyFileError(
            f"{path} is open to others (mode {stat.S_IMODE(mode):04o})",
            help=f"Close it with `chmod 600 {path}`; if others used this machine meanwhile, replace it.",
        )
    if len(data) > LARGEST:
        raise KeyFileError(f"{path} is no {what}: it is far too large", help=help)
    return data


def _is_credential(path: Path) -> bool:
    """Whether systemd laid the file down for this service alone (``LoadCredential=``): from version 254 on by an access
    list, whose mask is shown as the group's right to read."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def unusable(path: Path, error: OSError) -> KeyFileError:
    """What to say where the system refuses a file."""
    return KeyFileError(f"{path} cannot be used: {error.strerror}", help="Check the folder and whose it is.")
