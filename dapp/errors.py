"""What can go wrong, in three kinds, each with an exit code and a sentence of help.

``Retryable``: the world may answer differently next time. ``Rejected``: this input is bad and will stay bad.
``Fatal``: this process cannot go on. Every message says what happened and where; ``help`` says what to do.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of ``cairn``; documented in README.md."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    SETTINGS = 3
    LEARNING = 4
    BLOB = 5
    LIE = 6
    CHAIN = 7
    STORE = 8
    KEY = 9
    CRYPTO = 10
    PROGRAM = 11
    INTERRUPTED = 130


class CairnError(Exception):
    """A terminal condition with a sentence of help.

    Args:
        message: what happened and where (role, task, round, address).
        help: what the reader can do about it.
    """

    code: ExitCode = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.help = help


class Retryable(CairnError):
    """The same call may succeed later."""


class Rejected(CairnError):
    """The input is bad; the same call will fail again."""


class Fatal(CairnError):
    """The process cannot go on."""


class SettingsError(Rejected):
    """A settings file, a task file or a flag cannot be used."""

    code = ExitCode.SETTINGS


class LearningError(Rejected):
    """A model or a data set cannot be loaded or used."""

    code = ExitCode.LEARNING


class CryptoError(Rejected):
    """A key, ciphertext, proof, share or opening is not what it must be."""

    code = ExitCode.CRYPTO


class KeyTooSmall(CryptoError):
    """A Paillier key under the accepted minimum."""

    code = ExitCode.KEY


class KeyFileError(Rejected):
    """A keystore, a share of a key or a password cannot be used: it is wrong, or others may read it."""

    code = ExitCode.KEY


class BlobError(Rejected):
    """A blob is not what its digest, its size or its format promises."""

    code = ExitCode.BLOB


class BlobUnavailable(Retryable):
    """No store gave the blob; for a voter the verdict is "not to be had is wrong"."""

    code = ExitCode.BLOB


class StoreUnavailable(BlobUnavailable):
    """A store does not answer, or what answers is no store."""

    code = ExitCode.STORE


class StoreFull(Fatal):
    """The disk under the store or the run's folder is full or not writable."""

    code = ExitCode.STORE


class ChainError(Rejected):
    """The chain refused a call; carries the contract's custom error in a sentence."""

    code = ExitCode.CHAIN


class AuditError(Rejected):
    """An audit found a lie; names round, role and object."""

    code = ExitCode.LIE
