"""The settings of one role's process, such as ``device.toml``: where its chain, its store and its key are, and what it
does for its task.

They are read as a task's are; the environment's names begin with ``CAIRN_ROLE_``, as in ``CAIRN_ROLE_EDGE_DOOR``. A
path in the file begins at the file's folder. The terms of the task come from the chain and cannot be set here. No key
is a secret: a keystore's password comes from a file, from ``CAIRN_PASSWORD`` or from the keyboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from dapp.errors import SettingsError
from dapp.settings.schema import Entry, Schema, Value, about, same_as, setting
from dapp.settings.task import NAME, NAME_SHAPE, Learning, PartitionOptions, Settings

Role = Literal["device", "edge", "verifier", "holder"]
ROLES: tuple[Role, ...] = get_args(Role)

_URLS = {"pattern": r"https?://[^\s,]+(\s*,\s*https?://[^\s,]+)*", "shape": "http:// addresses, separated by commas"}
_DOOR = {"pattern": r"|([^\s:/]+|\[[0-9a-fA-F:]+\]):\d{1,5}", "shape": "host:port, or nothing"}


@dataclass(frozen=True, slots=True)
class Device:
    """[device]"""

    model: Literal["small-cnn", "paper-cnn"] | str = same_as(Learning, "model")
    data: Literal["mnist"] | str = setting(
        "mnist",
        "What this device learns from: the MNIST subset inside the package, or a function of your own.",
        file=True,
    )
    partition: Literal["iid", "dirichlet", "pathological", "shard", "size"] = setting(
        "iid", "How the data set is split into parts, where it is not this device's alone."
    )
    partition_options: PartitionOptions = field(
        default_factory=PartitionOptions, metadata=about("What the chosen partition can be told.")
    )
    parts: int = setting(
        1, "Into how many parts the data set is split; 1: all of it is this device's.", least=1, most=256
    )
    part: int = setting(0, "Which of the parts is this device's, counted from 0.", least=0, most=255)
    samples: int | None = setting(None, "How many samples of its part are used. If unset: all.", least=1)
    seed: int = same_as(Settings, "seed")
    weight: int | None = setting(
        None,
        "s_k, with which the device enrols. If unset: its samples, at most the task's cap.",
        least=1,
        most=2**32 - 1,
    )
    ticket: str | None = setting(
        None,
        "Admits the device to the task; `cairn task admit` signs it. Needed to enrol.",
        pattern=r"0x[0-9a-fA-F]{130}",
        shape="0x and 130 hexadecimal digits",
    )
    doors: str | None = setting(
        None, "Doors of the edges that take what is signed and published here; the first that answers is used.", **_URLS
    )
    share: str | None = setting(
        None, "Share of the task's key, as `cairn task create` dealt it. If unset: the device holds none.", path=True
    )


@dataclass(frozen=True, slots=True)
class Edge:
    """[edge]"""

    door: str = setting(
        "127.0.0.1:8700", "Where devices and holders hand in their messages and blobs; nothing: no door.", **_DOOR
    )
    requests_per_minute: int = setting(
        600, "Requests that the door takes from one address in a minute.", least=1, most=1_000_000
    )
    bytes_per_minute: int = setting(
        256 * 1024 * 1024, "Bytes of blobs that one address may send and fetch in a minute.", least=1024, most=2**40
    )
    max_blob_bytes: int = setting(
        64 * 1024 * 1024, "Largest blob that passes the door, in bytes.", least=1024, most=2**32 - 1
    )
    least_bounty: int = setting(
        100_000,
        "Least bounty, in gwei, for which this edge does chores, which cost gas, in tasks it was not told to serve.",
        least=0,
        most=10**15,
    )
    turn: int = setting(0, "This edge's place in the line of edges, from 0: who acts first.", least=0, most=255)
    wait_for: int = setting(
        0,
        "Devices that must have enrolled before this edge opens the first round; 0: as the terms say.",
        least=0,
        most=256,
    )
    watch: bool = setting(False, "Sends a proof of it when another edge's sum is wrong.")
    heartbeat: str | None = setting(
        None,
        "Keystore of a key set aside for empty transactions, where a development chain makes no blocks of itself.",
        path=True,
    )


@dataclass(frozen=True, slots=True)
class Verifier:
    """[verifier]"""

    join: bool = setting(False, "Stakes and joins the registry when the key is not a member yet.")


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """The whole tree of a role's process. Made by `load_role`."""

    name: str = setting("role", "What the log calls this process.", pattern=NAME, shape=NAME_SHAPE)
    chain: str | None = setting(
        None, "JSON-RPC addresses of an Ethereum node; with several, the next is asked when one fails.", **_URLS
    )
    chain_id: int | None = setting(
        None, "The chain's id (EIP-155); another chain is refused. If unset: as the contracts' file says.", least=1
    )
    store: str | None = setting(
        None,
        "RPC addresses of IPFS nodes (kubo), or a folder. If unset: a device uses the doors of edges.",
        shape="http:// addresses or folders, separated by commas",
        places=True,
    )
    contracts: str | None = setting(None, "The file that `cairn deploy` wrote: where the contracts are.", path=True)
    task: str | None = setting(
        None,
        "The task's id. If unset: a device or holder serves the only one that has not ended, others serve all.",
        pattern=r"0x[0-9a-fA-F]{64}",
        shape="0x and 64 hexadecimal digits",
    )
    keystore: str | None = setting(None, "This role's key, as `cairn keys new` makes one.", path=True)
    password_file: str | None = setting(
        None, "File whose first line is the keystore's password. If unset: CAIRN_PASSWORD, or the keyboard.", path=True
    )
    confirmations: int = setting(
        0,
        "Blocks behind the head from which on the chain is read: what lies deeper is not expected to change.",
        least=0,
        most=10_000,
    )
    finalized: bool = setting(False, "Reads only what the chain calls final; for networks that know the word.")
    max_fee: float = setting(
        100.0, "Most that a unit of gas may cost, in gwei (10⁻⁹ ether), tip included.", above=0, most=1_000_000
    )
    poll: float = setting(1.0, "Seconds between two looks at the chain.", least=0.05, most=3600)
    workers: int = setting(1, "Processes for heavy work; 1: no other process.", least=1, most=256)
    device: Device = field(
        default_factory=Device, metadata=about("What a device learns from, and how it or a holder takes part.")
    )
    edge: Edge = field(default_factory=Edge, metadata=about("What an edge does."))
    verifier: Verifier = field(default_factory=Verifier, metadata=about("What a verifier does."))

    @property
    def chains(self) -> tuple[str, ...]:
        """The addresses of the chain's nodes."""
        return _split(self.chain)

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores' addresses and folders."""
        return _split(self.store)

    @property
    def doors(self) -> tuple[str, ...]:
        """The doors of the edges."""
        return _split(self.device.doors)

    @property
    def task_id(self) -> bytes | None:
        """The task's id, 32 bytes."""
        return None if self.task is None else bytes.fromhex(self.task[2:])

    @property
    def ticket(self) -> bytes | None:
        """The device's ticket, a signature of 65 bytes."""
        return None if self.device.ticket is None else bytes.fromhex(self.device.ticket[2:])

    @property
    def max_fee_wei(self) -> int:
        """The most that a unit of gas may cost, in wei."""
        return round(self.max_fee * 10**9)


SCHEMA = Schema(RoleSettings, "CAIRN_ROLE_", "`cairn new --role device my-device` writes one to begin with.")

_OF_HOLDER = ("device", "device.doors", "device.share")
"""What a holder alone reads of [device]: one file serves a device and its holder."""
_OWN: dict[Role, dict[str, Value]] = {
    "device": {
        "device.model": "model.py:Model",
        "device.data": "data.py:dataset",
        "device.doors": "http://127.0.0.1:8700",
    },
    "edge": {"store": "http://127.0.0.1:5001", "workers": 2},
    "verifier": {"store": "http://127.0.0.1:5001"},
    "holder": {"store": "http://127.0.0.1:5001", "device.share": "share.json"},
}


def load_role(
    role: Role | None, path: Path | None, environment: Mapping[str, str], overrides: Sequence[str]
) -> RoleSettings:
    """A role's settings from its file, the environment and flags, in which a later source wins.

    Args:
        role: what it needs must be set; for None nothing needs to be.
        path: its file; paths in it become absolute or relative to the current folder.
        environment: as `os.environ`; only names that begin with ``CAIRN_ROLE_`` are read.
        overrides: ``key=value`` with a full key (``edge.door``) or one that only one section has (``door``).

    Raises:
        SettingsError: an unreadable file, an unknown key, a value that is not allowed, keys that contradict each other,
            or something that the role needs and nobody set; the message says where.
    """
    settings, where = SCHEMA.read(path, environment, overrides)
    source = "the settings" if path is None else str(path)
    _check_sense(settings, where, source)
    if role is not None:
        _check_needs(role, settings, source)
    return settings


def _check_needs(role: Role, s: RoleSettings, source: str) -> None:
    def demand(holds: bool, sentence: str, help: str) -> None:
        if not holds:
            raise SettingsError(f"{source}: {sentence}", help=help)

    demand(s.chain is not None, f"a {role} needs a chain", 'Set chain = "http://127.0.0.1:8545", or your node\'s.')
    demand(s.contracts is not None, f"a {role} needs contracts", "Set contracts to the file that `cairn deploy` wrote.")
    demand(s.keystore is not None, f"a {role} needs a keystore", "`cairn keys new` makes one; set keystore to it.")
    outside = role in ("device", "holder")
    demand(
        bool(s.store) or (outside and bool(s.device.doors)),
        f"a {role} needs a store{' or doors' if outside else ''}",
        'Set store = "http://127.0.0.1:5001", or a folder'
        + (", or device.doors to the doors of edges." if outside else "."),
    )
    demand(role != "holder" or bool(s.device.share), "a holder needs device.share", "`cairn task create` deals shares.")


def _check_sense(s: RoleSettings, where: Mapping[str, str], source: str) -> None:
    def demand(holds: bool, sentence: str, help: str, *keys: str) -> None:
        if not holds:
            known = dict.fromkeys(where[key] for key in keys if key in where)
            raise SettingsError(f"{', '.join(known) or source}: {sentence}", help=help)

    demand(
        not (s.finalized and s.confirmations),
        "finalized and confirmations contradict each other",
        "Set one of them.",
        "finalized",
        "confirmations",
    )
    demand(
        s.device.part < s.device.parts,
        f"device.part is {s.device.part}, but there are {s.device.parts} parts, counted from 0",
        "Lower device.part, or raise device.parts.",
        "device.part",
        "device.parts",
    )


def role_template(role: Role, name: str | None = None) -> str:
    """A settings file for a role: every key that it reads, with its meaning.

    Raises:
        SettingsError: a process cannot have this name.
    """
    values: dict[str, Value] = {
        "name": name or role,
        "chain": "http://127.0.0.1:8545",
        "contracts": "deployment.json",
        "keystore": "key.json",
    }
    return SCHEMA.template(role, values | _OWN[role], lambda entry: _reads(role, entry))


def describe_role(role: Role) -> str:
    """Every key that a role reads, with its default, its meaning and what is allowed; for ``--help``."""
    return SCHEMA.describe(lambda entry: _reads(role, entry))


def _reads(role: Role, entry: Entry) -> bool:
    if role == "holder" and entry.path.startswith("device"):
        return entry.path in _OF_HOLDER
    top = entry.path.partition(".")[0]
    return top == role or top not in ROLES


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
