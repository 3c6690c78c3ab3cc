"""Files that nobody but their owner may read: keystores, shares of a threshold key, passwords."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dapp.errors import KeyFileError

LARGEST = 1 << 20
"""Bytes; no such file is larger."""


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that only its owner may read (0600), whole or not at all, and never over another.

    Raises:
        KeyFileError: there is something at `path`, or it cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} is there already: it was left as it is", help="Choose another name.") from None
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be written: {error.strerror}", help="Check the folder and its rights."
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise KeyFileError(f"{path} cannot be written: {error.strerror}", help="Free some space.") from None
        raise


def read(path: Path) -> bytes:
    """The bytes of such a file.

    Raises:
        KeyFileError: it cannot be read, others may read it, or it is far too large.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}", help="Check the path and its rights.") from None
    if not stat.S_ISREG(mode) or len(data) > LARGEST:
        raise KeyFileError(f"{path} is no file of a key", help="Check the path.")
    if mode & 0o077:
        raise KeyFileError(
            f"others than its owner may read {path} (mode {mode & 0o777:04o})", help=f"Close it: chmod 600 {path}"
        )
    return data
