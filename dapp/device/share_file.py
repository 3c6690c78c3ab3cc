"""The file in which a holder of a key share is given it: the share, for which task it is, and proof of its place.

One JSON object: ``{"format": 1, "chain_id", "task", "holder", "index", "share", "branch"}``. ``index`` counts holders
from 0, bytes are 0x-prefixed hex, and ``share`` is a hexadecimal number. Whoever reads enough of these files can open
every sum of the task, so each has mode 0600 and is handed over like a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dapp import private
from dapp.crypto import merkle
from dapp.crypto.threshold import KeyShare
from dapp.errors import KeyFileError
from dapp.types import Address, TaskId

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ShareFile:
    """A holder's share of a task's key.

    Args:
        index: the holder's place among the holders, from 0.
        holder: the address that must sign what the holder says.
        branch: proves (index, holder) under the terms' ``holders_root``.
    """

    chain_id: int
    task_id: TaskId
    index: int
    holder: Address
    branch: tuple[bytes, ...]
    share: KeyShare = field(repr=False)

    def check(self, chain_id: int, task_id: TaskId, holders_root: bytes, me: Address) -> None:
        """
        Raises:
            KeyFileError: the share is of another task, or its place is not this holder's.
        """
        if (self.chain_id, self.task_id) != (chain_id, task_id):
            raise KeyFileError(
                f"the key share is of task 0x{self.task_id.hex()} on chain {self.chain_id}, "
                f"not of 0x{task_id.hex()} on chain {chain_id}",
                help="Name the share file of this task, or the task of this share.",
            )
        if self.holder != me:
            raise KeyFileError(
                f"the key share is 0x{self.holder.hex()}'s, but the keystore is 0x{me.hex()}'s",
                help="Use the keystore whose address was given to whoever dealt the share.",
            )
        if not merkle.verify(merkle.holder_leaf(self.index, self.holder), self.branch, holders_root):
            raise KeyFileError(
                f"the task knows no holder {self.index} of this address",
                help="The share was dealt for other terms; ask the task's requester.",
            )

    def to_json(self) -> str:
        """The file's text."""
        return (
            json.dumps(
                {
                    "format": FORMAT,
                    "chain_id": self.chain_id,
                    "task": f"0x{self.task_id.hex()}",
                    "holder": f"0x{self.holder.hex()}",
                    "index": self.index,
                    "share": hex(self.share.value),
                    "branch": [f"0x{sibling.hex()}" for sibling in self.branch],
                },
                indent=2,
            )
            + "\n"
        )

    @classmethod
    def from_json(cls, text: str) -> ShareFile:
        """Reads what :meth:`to_json` gives and nothing else.

        Raises:
            ValueError: anything else; the message never holds any of the text.
        """
        fields: Any = _parsed(text)
        names = ["format", "chain_id", "task", "holder", "index", "share", "branch"]
        if not isinstance(fields, Mapping) or sorted(fields) != sorted(names):
            raise ValueError(f"it does not hold {', '.join(names)}, each once")
        if fields["format"] != FORMAT or isinstance(fields["format"], bool):
            raise ValueError(f"its format is not {FORMAT}")
        chain_id, index = _whole(fields, "chain_id", 1), _whole(fields, "index", 0)
        branch = fields["branch"]
        if not isinstance(branch, list):
            raise ValueError("branch is no list")
        return cls(
            chain_id=chain_id,
            task_id=TaskId(_octets(fields["task"], "task", 32)),
            index=index,
            holder=Address(_octets(fields["holder"], "holder", 20)),
            branch=tuple(_octets(sibling, "branch", 32) for sibling in branch),
            share=KeyShare(index + 1, _secret(fields["share"])),
        )

    @classmethod
    def read(cls, path: Path) -> ShareFile:
        """
        Raises:
            KeyFileError: the file cannot be read, others may read it, or it is no share.
        """
        help = "Ask the task's requester for the file as it was dealt."
        try:
            return cls.from_json(private.read(path, "key share", help).decode())
        except ValueError as error:
            reason = "it is no text" if isinstance(error, UnicodeDecodeError) else str(error)
            raise KeyFileError(f"{path} is no key share: {reason}", help=help) from None

    def write(self, path: Path) -> None:
        """Writes a new file with mode 0600.

        Raises:
            KeyFileError: there is a file already, or it cannot be written.
        """
        private.write_new(path, self.to_json().encode())


def shares_of(
    chain_id: int, task_id: TaskId, holders: Sequence[Address], shares: Sequence[KeyShare]
) -> tuple[ShareFile, ...]:
    """What each holder is given, in the order of the holders."""
    leaves = [merkle.holder_leaf(i, holder) for i, holder in enumerate(holders)]
    return tuple(
        ShareFile(chain_id, task_id, i, holder, merkle.branch(leaves, i), share)
        for i, (holder, share) in enumerate(zip(holders, shares, strict=True))
    )


def _parsed(text: str) -> object:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name stands twice in it")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON, line {error.lineno}") from None
    except RecursionError:
        raise ValueError("it is no JSON of ours") from None


def _whole(fields: Mapping[str, Any], name: str, least: int) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is no whole number of at least {least}")
    return value


def _octets(value: object, name: str, length: int) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + 2 * length:
        raise ValueError(f"{name} is not 0x and {2 * length} hexadecimal digits")
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        raise ValueError(f"{name} is not 0x and {2 * length} hexadecimal digits") from None


def _secret(value: object) -> int:
    digits = value.removeprefix("0x") if isinstance(value, str) and value.startswith("0x") else ""
    if not digits or set(digits) - set("0123456789abcdef") or digits.startswith("0"):
        raise ValueError("share is no hexadecimal number")
    return int(digits, 16)
