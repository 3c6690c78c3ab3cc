"""Keys on disk: Web3 Secret Storage version 3, as geth and every wallet read it, under a password and closed to others.

A key is used by one process a chain: two would send different transactions under one nonce, and seal different votes.
So whoever acts with a key holds its lock, a file beside the keystore that the system frees when the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from dapp import private
from dapp.chain.keys import SECP256K1_ORDER, Account
from dapp.chain.network import DEVELOPMENT_CHAINS
from dapp.errors import ChainError, ExitCode, Fatal, KeyFileError
from dapp.types import Address

SCRYPT_N = 2**18
"""Work and memory (256 MiB, about a second) that each guess of a password costs."""


class KeyInUse(Fatal):
    """Another process acts with this key on this chain."""

    code = ExitCode.KEY


def new(path: Path, password: str) -> Account:
    """Makes a key and writes its keystore.

    Raises:
        KeyFileError: there is a file already, or it cannot be written.
    """
    return import_key(path, (secrets.randbelow(SECP256K1_ORDER - 1) + 1).to_bytes(32, "big"), password)


def import_key(path: Path, private_key: bytes, password: str) -> Account:
    """Writes the keystore of a key that exists.

    Raises:
        ChainError: these bytes are no key.
        KeyFileError: the password is empty, there is a file already, or it cannot be written.
    """
    account = Account(private_key)
    if not password:
        raise KeyFileError("a keystore without a password protects nothing", help="Choose a password.")
    content = create_keyfile_json(
        private_key, password.encode(), version=3, kdf="scrypt", iterations=SCRYPT_N, salt_size=32
    )
    private.write_new(path, json.dumps(content, indent=1).encode() + b"\n")
    return account


def load(path: Path, password: str) -> Account:
    """Opens a keystore.

    Raises:
        KeyFileError: it is not there, is open to others, is no keystore, or the password is wrong.
    """
    content = _read(path)
    try:
        key = decode_keyfile_json(content, password.encode())
        account = Account(bytes(key))
    except Exception as error:  # its libraries raise many kinds, and none may show what it holds
        if "MAC mismatch" in str(error):
            raise KeyFileError(
                f"the password does not open {path}", help="Type it again. Nobody can open it without."
            ) from None
        raise _no_keystore(path) from None
    named = content.get("address")
    if isinstance(named, str) and named.lower().removeprefix("0x") != account.address.hex():
        raise KeyFileError(
            f"{path} says it holds the key of {named}, and holds that of 0x{account.address.hex()}",
            help="Somebody changed the file: take the one of your backup.",
        )
    return account


def address(path: Path) -> Address | None:
    """Whose key a keystore says it holds, without its password; None where it does not say.

    Raises:
        KeyFileError: it is not there, is open to others, or is no keystore.
    """
    named = _read(path).get("address")
    try:
        return Address(bytes.fromhex(named.removeprefix("0x"))) if isinstance(named, str) else None
    except ValueError:
        raise _no_keystore(path) from None


def plain(value: str, chain_id: int) -> Account:
    """The account of a private key that stands somewhere in plain hexadecimal, as in an environment.

    Raises:
        KeyFileError: the chain is none for development, or the value is no key.
    """
    if chain_id not in DEVELOPMENT_CHAINS:
        raise KeyFileError(
            f"a private key in plain text is not taken on chain {chain_id}",
            help="Put it in a keystore with `cairn keys import`, and name that file.",
        )
    try:
        return Account(bytes.fromhex(value.removeprefix("0x")))
    except (ValueError, ChainError):
        raise KeyFileError(
            "what stands in place of a private key is none", help="It is 64 hexadecimal digits, with or without 0x."
        ) from None


@contextmanager
def hold(folder: Path, key: Address, chain_id: int) -> Iterator[None]:
    """Keeps every other process from acting with a key on a chain, as long as this one does.

    Args:
        folder: where the key's keystore lies.

    Raises:
        KeyInUse: another process holds it; names that process.
        KeyFileError: the folder cannot be written.
    """
    path = folder / f"0x{key.hex()}.{chain_id}.lock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise private.unusable(path, error) from None
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(20).decode("ascii", "replace").strip() or "another one"
            raise KeyInUse(
                f"process {holder} acts with the key of 0x{key.hex()} on chain {chain_id}",
                help="Stop that process first, or give this one a key of its own.",
            ) from None
        file.truncate()
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def _read(path: Path) -> dict[str, object]:
    data = private.read(path, "keystore", "Make one with `cairn keys new`, or name the right file.")
    try:
        content = json.loads(data)
    except ValueError:
        raise _no_keystore(path) from None
    if not isinstance(content, dict):
        raise _no_keystore(path)
    return content


def _no_keystore(path: Path) -> KeyFileError:
    return KeyFileError(
        f"{path} is no keystore of version 3",
        help="Give the file that `cairn keys new` or a wallet's export wrote, or your backup of it.",
    )
