"""The settings of a task and of its demonstration: one frozen tree, from `task.toml`, the environment and flags.

A later source wins over an earlier one: the defaults here, the file, ``CAIRN_<SECTION>_<KEY>`` in the environment,
``-c key=value``. Each key is declared once, below, with its type, its default, its bounds and its sentence of help;
checks, error messages, the template of a new project and the list for ``--help`` are all read from there.

No key is a secret: keys and passwords never come through settings, so that a `Settings` may be printed and stored.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from dapp.errors import KeyTooSmall, SettingsError

MIN_KEY_BITS = 2048
"""Shortest Paillier modulus outside tests."""

MIN_WINDOW = 60
"""Shortest phase outside tests, in seconds: nobody may be called silent who had no time to answer."""

MIN_VOTER_PAY = 100_000
"""Least pay of a vote, in gwei, for which a silent seat loses stake."""

MAX_SUM_BITS = 52
"""Widest slot: the sum of all devices must be exact in a float64 (``dapp.crypto.packing``)."""

T = TypeVar("T")
Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a key's value must be, beside its type.

    Attributes:
        help: what the key means, in one sentence or two.
        least, most: inclusive bounds of a number.
        above: exclusive lower bound of a number.
        file: a text may also be ``file.py:Name``.
        pattern: regular expression that a text must match.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    file: bool = False
    pattern: str = ""


def _setting(default: T, help: str, **bounds: Any) -> T:
    """Declares a key; `bounds` are the attributes of `Rule`."""
    declared: T = field(default=default, metadata={"rule": Rule(help, **bounds)})
    return declared


def _about(help: str) -> dict[str, Rule]:
    """What a table of keys is about, as metadata of its field."""
    return {"rule": Rule(help)}


@dataclass(frozen=True, slots=True)
class PartitionOptions:
    """[learning.partition_options]"""

    alpha: float | None = _setting(
        None, "dirichlet: concentration; the smaller, the more uneven the classes. If unset: 0.5.", above=0
    )
    classes_per_device: int | None = _setting(
        None, "pathological: how many classes each device holds. If unset: 2.", least=1
    )
    shards_per_device: int | None = _setting(
        None, "shard: how many label-sorted shards each device is dealt. If unset: 2.", least=1
    )

    def given(self) -> dict[str, Value]:
        """The options that were set, as the partitioner takes them."""
        return _given(self, (each.name for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Learning:
    """[learning]"""

    strategy: Literal["fedavg", "fedprox", "blockdeepnet"] = _setting(
        "fedavg",
        "The rule of the local update; blockdeepnet is Eq. 3 of its paper, with two encrypted exchanges an epoch.",
    )
    model: Literal["small-cnn", "paper-cnn"] | str = _setting(
        "small-cnn",
        "The network: the small CNN, BlockDeepNet's CNN with 252,398 weights, or an nn.Module of your own.",
        file=True,
    )
    data: Literal["mnist"] | str = _setting(
        "mnist", "The data set: the MNIST subset inside the package, or a function of your own.", file=True
    )
    partition: Literal["iid", "dirichlet", "pathological", "shard", "size"] = _setting(
        "iid", "How the samples are split over the devices."
    )
    partition_options: PartitionOptions = field(
        default_factory=PartitionOptions, metadata=_about("What the chosen partition can be told.")
    )
    samples_per_device: int | None = _setting(
        None, "How many samples each device keeps of its part. If unset: all.", least=1
    )
    rounds: int = _setting(5, "Epochs p: how often the global model is updated at most.", least=1, most=1_000_000)
    learning_rate: float | None = _setting(None, "λ, the learning rate. If unset: the strategy's own.", above=0)
    local_epochs: int | None = _setting(
        None, "Passes over a device's data in a round. If unset: the strategy's own.", least=1
    )
    local_steps: int | None = _setting(
        None, "T, local iterations in a round; set this or local_epochs. If unset: the strategy's own.", least=1
    )
    batch_size: int | None = _setting(None, "Samples of a mini-batch. If unset: the strategy's own.", least=1)
    full_batch: bool | None = _setting(
        None, "Every local iteration takes all samples of the device, as in the paper. If unset: the strategy's own."
    )
    momentum: float | None = _setting(
        None, "Momentum of local SGD (fedavg, fedprox), below 1. If unset: the strategy's own.", least=0, most=0.9999
    )
    mu: float | None = _setting(None, "fedprox: weight μ of the proximal term. If unset: the strategy's own.", least=0)
    printed: bool | None = _setting(
        None, "blockdeepnet: Eq. 3 as printed, where λ is divided by s_k a second time. If unset: undivided."
    )
    epsilon: float = _setting(
        0.0, "ε: the task ends once the global model moves by no more than this (L2 norm); 0 never ends it.", least=0
    )

    def strategy_changes(self) -> dict[str, Value]:
        """The parameters of the strategy that were set, over its defaults."""
        return _given(
            self,
            (
                *("learning_rate", "local_epochs", "local_steps", "batch_size"),
                *("full_batch", "momentum", "mu", "printed"),
            ),
        )

    @property
    def epsilon_nano(self) -> int:
        """ε in 10⁻⁹, as the terms carry it."""
        return round(self.epsilon * 10**9)


@dataclass(frozen=True, slots=True)
class Encoding:
    """[encoding]"""

    bits: int = _setting(16, "q: bits of one encoded weight.", least=4, most=32)
    clip: float = _setting(
        1.0,
        "B: values are clipped to ±B before they are encoded; clipped values are counted.",
        least=1e-9,
        most=1_000_000,
    )
    weighting: Literal["edge", "device"] = _setting(
        "edge", "Who applies the weights s_k: the edge, as c^s_k (Eq. 5), or the device, inside its own values."
    )
    max_weight: int = _setting(
        8192, "S_max: largest sum of all devices' weights; it sets the slots' width.", least=3, most=2**32 - 1
    )
    weight_cap: int = _setting(2048, "Largest weight s_k of one device.", least=1, most=2**32 - 1)
    loss_cap: float = _setting(16.0, "Largest loss that the loss slot can say.", least=1e-9, most=1_000_000)

    @property
    def clip_nano(self) -> int:
        """B in 10⁻⁹, as the terms carry it."""
        return round(self.clip * 10**9)

    @property
    def loss_cap_nano(self) -> int:
        """The largest loss in 10⁻⁹, as the terms carry it."""
        return round(self.loss_cap * 10**9)


@dataclass(frozen=True, slots=True)
class Key:
    """[key]"""

    bits: int = _setting(
        2048,
        f"Bits of the Paillier modulus, at least {MIN_KEY_BITS}; 3072 for 128-bit security.",
        least=256,
        most=16384,
    )
    holders: int | None = _setting(
        None, "Devices that hold a share of the key. If unset: all, at most 32.", least=2, most=32
    )
    threshold: int | None = _setting(
        None,
        "t: holders whose shares open a sum, more than half of them. If unset: the smallest majority.",
        least=2,
        most=32,
    )


@dataclass(frozen=True, slots=True)
class Cohort:
    """[cohort]"""

    min_devices: int = _setting(
        3, "A round needs so many devices; no sum over fewer is ever opened.", least=3, most=256
    )
    max_devices: int = _setting(16, "So many devices can enrol.", least=3, most=256)
    max_update_bytes: int = _setting(
        4 * 1024 * 1024, "Largest encrypted update that is read.", least=1024, most=2**32 - 1
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """[panel]"""

    seats: int = _setting(5, "Verifiers drawn by lot for a round; a repeated draw has 2·seats + 1.", least=1, most=51)
    accept_bips: int = _setting(
        6667,
        "Share of the seats that decides, in 1/10,000; 6667 means two thirds exactly.",
        least=5001,
        most=10_000,
    )


_WINDOW = {"least": MIN_WINDOW, "most": 30 * 24 * 3600}


@dataclass(frozen=True, slots=True)
class Windows:
    """[windows]"""

    commit: int = _setting(600, "Devices train and commit to their updates.", **_WINDOW)
    publish: int = _setting(600, "Updates are published; key holders attest those that they hold.", **_WINDOW)
    seal: int = _setting(120, "Edges seal their sums, under a bond.", **_WINDOW)
    open: int = _setting(120, "Edges open what they sealed.", **_WINDOW)
    challenge: int = _setting(
        0, "Anybody proves a wrong position before shares are given; 0: no such time.", least=0, most=30 * 24 * 3600
    )
    share: int = _setting(600, "Holders share the decryption of the included sum.", **_WINDOW)
    opening: int = _setting(300, "Openings of the sum are posted; the candidate's edge first, then anyone.", **_WINDOW)
    contest: int = _setting(120, "Other openings are taken for so long after the first.", **_WINDOW)
    commit_vote: int = _setting(300, "The panel seals its votes.", **_WINDOW)
    reveal_vote: int = _setting(300, "The panel reveals its votes.", **_WINDOW)
    seed: int = _setting(600, "The panel's seed must be proven within so long.", **_WINDOW)


@dataclass(frozen=True, slots=True)
class Mining:
    """[mining]"""

    beta: int = _setting(0, "Block generation rate β, carried by every header.", least=0, most=2**32 - 1)
    pow_bits: int = _setting(
        0, "Proof of work: leading zero bits of a candidate's header; 0 asks for none.", least=0, most=32
    )

    @property
    def pow_target(self) -> int:
        """What a header must not exceed, as the terms carry it; 0 where no work is asked for."""
        return 2 ** (256 - self.pow_bits) - 1 if self.pow_bits else 0


_GWEI = {"least": 0, "most": 10**15}


@dataclass(frozen=True, slots=True)
class Money:
    """[money]"""

    device_pot: int = _setting(10_000_000, "For all included devices of a round, shared by weight.", **_GWEI)
    edge_pay: int = _setting(5_000_000, "For the edge whose sum closed the round.", **_GWEI)
    holder_pay: int = _setting(1_000_000, "For each holder whose share was used.", **_GWEI)
    voter_pay: int = _setting(
        1_000_000, "For each verifier who voted with the outcome.", **(_GWEI | {"least": MIN_VOTER_PAY})
    )
    relay_pay: int = _setting(200_000, "For the relay of each included update.", **_GWEI)
    bounty: int = _setting(
        500_000, "For each duty that others wait for: summon, prove the seed, settle, close.", **_GWEI
    )
    edge_bond: int = _setting(20_000_000, "What an edge puts at stake for its sum.", **_GWEI)
    opening_bond: int = _setting(
        10_000_000,
        "What is put at stake for an opening; a quarter of the devices' pot or more, for four may be posted.",
        **_GWEI,
    )
    stake: int = _setting(50_000_000, "What a verifier puts at stake to be in the registry.", **_GWEI)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole tree. Made by `load`; what is derived from several keys is a property here."""

    name: str = _setting("demo", "Name of the task and of its folder under runs/.", pattern=r"[A-Za-z0-9][\w.-]{0,63}")
    seed: int = _setting(
        0, "Seed of the split, the first model and the batches: the same seed, the same model.", least=0, most=2**32 - 1
    )
    devices: int = _setting(10, "Devices that learn.", least=1, most=256)
    edges: int = _setting(1, "Edges that form sums.", least=1, most=8)
    verifiers: int = _setting(7, "Verifiers in the registry from which panels are drawn.", least=1, most=1024)
    workers: int = _setting(2, "Processes for heavy work on this machine; 1: no other process.", least=1, most=256)
    learning: Learning = field(default_factory=Learning, metadata=_about("What is learned, and how."))
    encoding: Encoding = field(
        default_factory=Encoding, metadata=_about("How weights become the integers that are encrypted.")
    )
    key: Key = field(default_factory=Key, metadata=_about("The threshold Paillier key."))
    cohort: Cohort = field(default_factory=Cohort, metadata=_about("Who may take part."))
    panel: Panel = field(default_factory=Panel, metadata=_about("Who checks a round."))
    windows: Windows = field(
        default_factory=Windows, metadata=_about("How long each phase lasts at most, in seconds of chain time.")
    )
    mining: Mining = field(default_factory=Mining, metadata=_about("What a candidate block must carry."))
    money: Money = field(default_factory=Money, metadata=_about("Pay, bonds and stakes, in gwei (10⁻⁹ ether)."))

    @property
    def holders(self) -> int:
        """n, devices that hold a share of the key."""
        return min(self.devices, 32) if self.key.holders is None else self.key.holders

    @property
    def threshold(self) -> int:
        """t, holders whose shares open a sum."""
        return self.holders // 2 + 1 if self.key.threshold is None else self.key.threshold

    @property
    def total_weight(self) -> int:
        """W of the encoding: S_max with weights applied by the edge, else the largest number of devices."""
        return self.encoding.max_weight if self.encoding.weighting == "edge" else self.cohort.max_devices

    @property
    def round_budget(self) -> int:
        """What one round can cost at most, in gwei: as `Learning.roundBudget` reckons."""
        money, seats, votes = self.money, self.panel.seats, 0
        for _ in range(3):
            votes, seats = votes + seats, min(2 * seats + 1, 51)
        pays = money.device_pot + money.edge_pay + self.holders * money.holder_pay + votes * money.voter_pay
        return pays + (self.cohort.max_devices + 2 * self.holders) * money.relay_pay + 12 * money.bounty

    @property
    def slot_bits(self) -> int:
        """s = q + ⌈log₂ W⌉, the width of one value in a plaintext."""
        return self.encoding.bits + (self.total_weight - 1).bit_length()


def load(
    path: Path | None, environment: Mapping[str, str], overrides: Sequence[str], *, allow_small: bool = False
) -> Settings:
    """The settings from a file, the environment and flags; see the module's text for their order.

    Args:
        path: a `task.toml`, or None for the defaults.
        environment: as `os.environ`; only names that begin with ``CAIRN_`` are read.
        overrides: ``key=value`` with a full key (``learning.rounds``) or one that only one section has (``rounds``).
        allow_small: accept Paillier keys under 2048 bits; for tests only.

    Raises:
        SettingsError: an unreadable file, an unknown key, a value that is not allowed, or keys that contradict each
            other; the message says where.
        KeyTooSmall: ``key.bits`` under 2048.
    """
    given: dict[str, tuple[Value, str]] = {}
    if path is not None:
        given |= _from_file(path)
    given |= _from_environment(environment)
    given |= _from_overrides(overrides)
    settings = _build(Settings, "", {key: value for key, (value, _) in given.items()})
    check(settings, allow_small=allow_small, where={key: where for key, (_, where) in given.items()})
    return settings


def check(settings: Settings, *, allow_small: bool = False, where: Mapping[str, str] | None = None) -> None:
    """Checks what keys must be to each other.

    Args:
        allow_small: accept Paillier keys under 2048 bits; for tests only.
        where: the places where keys were set, for the message.

    Raises:
        SettingsError: two keys contradict each other.
        KeyTooSmall: ``key.bits`` under 2048.
    """
    where = where or {}

    def place(*keys: str) -> str:
        known = dict.fromkeys(where[key] for key in keys if key in where)
        return f"{', '.join(known)}: " if known else ""

    def demand(holds: bool, sentence: str, help: str, *keys: str) -> None:
        if not holds:
            raise SettingsError(place(*keys) + sentence, help=help)

    s, key, cohort, encoding = settings, settings.key, settings.cohort, settings.encoding
    if key.bits < MIN_KEY_BITS and not allow_small:
        raise KeyTooSmall(
            f"{place('key.bits')}key.bits is {key.bits}, but a Paillier key needs at least {MIN_KEY_BITS} bits",
            help="A shorter modulus can be factored, and with it every update read. Use 2048, or 3072 to last.",
        )
    demand(
        key.bits % 2 == 0,
        f"key.bits must be even, not {key.bits}",
        "The modulus is the product of two primes of the same length.",
        "key.bits",
    )
    demand(
        s.devices >= cohort.min_devices,
        f"{s.devices} devices are fewer than cohort.min_devices = {cohort.min_devices}",
        "Add devices; a sum over fewer than three would tell too much about each.",
        "devices",
        "cohort.min_devices",
    )
    demand(
        s.devices <= cohort.max_devices,
        f"{s.devices} devices are more than cohort.max_devices = {cohort.max_devices}",
        f"Raise it too: -c max_devices={s.devices}",
        "devices",
        "cohort.max_devices",
    )
    demand(
        s.holders <= s.devices,
        f"key.holders is {s.holders}, but only {s.devices} devices can hold a share",
        "Leave key.holders out: every device then holds one share.",
        "key.holders",
        "devices",
    )
    demand(
        s.holders < 2 * s.threshold <= 2 * s.holders,
        f"key.threshold is {s.threshold}, but of {s.holders} holders it must be {s.holders // 2 + 1} to {s.holders}",
        "More than half of the holders must agree, so that no two disjoint groups can open different sums.",
        "key.threshold",
        "key.holders",
        "devices",
    )
    demand(
        s.panel.seats <= s.verifiers,
        f"a panel of {s.panel.seats} seats cannot be drawn from {s.verifiers} verifiers",
        "Add verifiers, or make the panel smaller.",
        "panel.seats",
        "verifiers",
    )
    demand(
        4 * s.money.opening_bond >= s.money.device_pot,
        f"money.opening_bond = {s.money.opening_bond:,} is under a quarter of "
        f"money.device_pot = {s.money.device_pot:,}",
        "Four junk openings keep the right one out; they must not cost less than what the devices earn.",
        "money.opening_bond",
        "money.device_pot",
    )
    for name in ("opening_bond", "edge_bond"):
        bond = getattr(s.money, name)
        demand(
            bond <= s.round_budget,
            f"money.{name} = {bond:,} is over what one round can cost, {s.round_budget:,} gwei",
            "A bond that nobody can raise keeps everybody honest out. Lower it.",
            f"money.{name}",
        )
    demand(
        encoding.weight_cap <= encoding.max_weight,
        f"encoding.weight_cap = {encoding.weight_cap} is over encoding.max_weight = {encoding.max_weight}",
        "One device cannot weigh more than all together.",
        "encoding.weight_cap",
        "encoding.max_weight",
    )
    demand(
        s.slot_bits <= min(MAX_SUM_BITS, key.bits - 1),
        f"a slot of {s.slot_bits} bits is too wide: {encoding.bits} for the value and "
        f"{s.slot_bits - encoding.bits} for a total weight of {s.total_weight:,}, of at most {MAX_SUM_BITS} bits",
        "Lower encoding.bits or encoding.max_weight.",
        "encoding.bits",
        "encoding.max_weight",
        "cohort.max_devices",
    )


def to_toml_template(name: str = "demo") -> str:
    """A `task.toml` that holds every key with its default and its meaning; a key without a default is commented out.

    Raises:
        SettingsError: `name` cannot be a task's name.
    """
    lines = ["# The settings of this task. Any of them can be changed for one run with -c key=value."]
    for entry in _entries():
        if entry.is_section:
            lines += ["", "", f"# {entry.rule.help}", f"[{entry.path}]"]
            continue
        value = entry.convert(name, "a new task") if entry.path == "name" else entry.default
        lines += ["", *(f"# {line}" for line in textwrap.wrap(entry.meaning, 110))]
        lines.append(f"# {entry.key} =" if value is None else f"{entry.key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def describe() -> str:
    """Every key with its default, its meaning and what is allowed; for ``--help``."""
    lines: list[str] = []
    for entry in _entries():
        if entry.is_section:
            lines += ["", f"[{entry.path}] {entry.rule.help}"]
        else:
            default = "" if entry.default is None else f" = {_toml(entry.default)}"
            lines.append(f"{entry.path}{default}")
            lines += textwrap.wrap(entry.meaning, 96, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One declared key or section."""

    path: str
    kinds: tuple[type, ...]
    choices: tuple[str, ...]
    default: Value | None
    rule: Rule

    @property
    def key(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def section(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def is_section(self) -> bool:
        return is_dataclass(self.kinds[0])

    @property
    def variable(self) -> str:
        return "CAIRN_" + self.path.upper().replace(".", "_")

    @property
    def kind(self) -> type:
        return self.kinds[0]

    @property
    def allowed(self) -> str:
        """What the value may be, in words."""
        if self.choices:
            words = ", ".join(self.choices)
            return f'one of {words}, or "file.py:Name"' if self.rule.file else f"one of {words}"
        noun = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[self.kind]
        if self.rule.pattern:
            return noun + " of letters, digits, '_', '.' and '-', at most 64 of them"
        least, most, above = (_number(bound) for bound in (self.rule.least, self.rule.most, self.rule.above))
        if least and most:
            return f"{noun} from {least} to {most}"
        bounds = (f"of at least {least}" if least else "", f"of at most {most}" if most else "")
        return " ".join(filter(None, (noun, *bounds, f"above {above}" if above else "")))

    @property
    def meaning(self) -> str:
        return f"{self.rule.help} ({self.allowed[0].upper()}{self.allowed[1:]}.)"

    def accepts(self, value: object) -> bool:
        rule = self.rule
        if isinstance(value, str) and self.kind is str:
            if self.choices:
                return value in self.choices or (rule.file and re.fullmatch(r".+\.py:[^\W\d]\w*", value) is not None)
            return re.fullmatch(rule.pattern, value) is not None
        if isinstance(value, bool) or self.kind is bool:
            return isinstance(value, bool) and self.kind is bool
        if not isinstance(value, int if self.kind is int else int | float) or not _finite(value):
            return False
        return (
            (rule.least is None or value >= rule.least)
            and (rule.most is None or value <= rule.most)
            and (rule.above is None or value > rule.above)
        )

    def convert(self, value: object, where: str) -> Value:
        """`value` in this key's type.

        Raises:
            SettingsError: not allowed.
        """
        if not self.accepts(value):
            near = get_close_matches(value, self.choices, 1) if isinstance(value, str) else []
            raise SettingsError(
                f"{where}: {self.path} must be {self.allowed}, not {_shown(value)}",
                help=f"did you mean {near[0]!r}?" if near else self.rule.help,
            )
        converted: Value = self.kind(value)
        return converted

    def parse(self, text: str, where: str) -> Value:
        """The value that `text` spells.

        Raises:
            SettingsError: it spells none that is allowed.
        """
        value: object = text
        if self.kind is bool:
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif self.kind is not str:
            try:
                value = self.kind(text)
            except ValueError:
                value = text
        return self.convert(value, where)


@cache
def _entries() -> tuple[_Entry, ...]:
    """Every key and section in the order of a file: the keys of a section before the sections inside it."""
    return tuple(_walk(Settings, ""))


def _walk(tree: type, prefix: str) -> Iterator[_Entry]:
    hints = get_type_hints(tree)
    inner: list[tuple[_Entry, type]] = []
    for each in fields(tree):
        arms = get_args(hints[each.name]) if get_origin(hints[each.name]) is not Literal else ()
        arms = tuple(arm for arm in arms or (hints[each.name],) if arm is not NoneType)
        choices = tuple(str(word) for arm in arms if get_origin(arm) is Literal for word in get_args(arm))
        kinds = tuple(str if get_origin(arm) is Literal else arm for arm in arms)
        default: Any = None if is_dataclass(kinds[0]) else each.default
        entry = _Entry(prefix + each.name, kinds, choices, default, each.metadata["rule"])
        if entry.is_section:
            inner.append((entry, kinds[0]))
        else:
            yield entry
    for entry, kind in inner:
        yield entry
        yield from _walk(kind, f"{entry.path}.")


def _build(tree: type[T], prefix: str, values: Mapping[str, Value]) -> T:
    arguments: dict[str, Any] = {}
    for each in fields(tree):  # type: ignore[arg-type]
        path = prefix + each.name
        if path in values:
            arguments[each.name] = values[path]
        elif isinstance(each.default_factory, type):
            arguments[each.name] = _build(each.default_factory, f"{path}.", values)
    return tree(**arguments)


def _from_file(path: Path) -> dict[str, tuple[Value, str]]:
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror or error}", help="`cairn new my-task` writes one to begin with."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not a text file in UTF-8", help="Save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers or nesting that Python refuses
        line = re.search(r"at line (\d+)", str(error))
        place = f"{path}:{line[1]}" if line else f"{path}"
        raise SettingsError(
            f"{place}: not TOML: {error}", help="A line is `key = value` or `[section]`; a text stands in quotes."
        ) from error
    lines = _line_numbers(text)
    return dict(_flatten(tree, "", lambda key: f"{path}:{_line_of(key, lines)}"))


def _flatten(table: Mapping[str, object], prefix: str, where: Any) -> Iterator[tuple[str, tuple[Value, str]]]:
    declared = {entry.path: entry for entry in _entries()}
    for name, value in table.items():
        path = prefix + name
        entry = declared.get(path)
        if entry is None:
            _refuse_unknown(where(path), path, isinstance(value, dict))
        elif not entry.is_section:
            yield path, (entry.convert(value, where(path)), where(path))
        elif isinstance(value, dict):
            yield from _flatten(value, f"{path}.", where)
        else:
            raise SettingsError(
                f"{where(path)}: {path} is a section, not a key", help=f"write [{path}] and its keys below it."
            )


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[Value, str]]]:
    variables = {entry.variable: entry for entry in _entries() if not entry.is_section}
    for name in sorted(environment):
        if name.startswith("CAIRN_"):
            where = f"environment variable {name}"
            if name not in variables:
                raise SettingsError(
                    f"{where}: there is no such setting",
                    help=_suggestion(name, {variable: variable for variable in variables})
                    or "A variable is CAIRN_KEY, or CAIRN_SECTION_KEY.",
                )
            yield variables[name].path, (variables[name].parse(environment[name], where), where)


def _from_overrides(overrides: Sequence[str]) -> Iterator[tuple[str, tuple[Value, str]]]:
    entries = [entry for entry in _entries() if not entry.is_section]
    for override in overrides:
        where = f"-c {override}"
        name, equals, text = (part.strip() for part in override.partition("="))
        if not equals:
            raise SettingsError(f"{where}: no value", help="Write -c key=value, for example -c rounds=3.")
        named = [entry for entry in entries if entry.path == name] or [entry for entry in entries if entry.key == name]
        if not named:
            _refuse_unknown(where, name, is_table=False)
        if len(named) > 1:
            paths = " or ".join(entry.path for entry in named)
            raise SettingsError(f"{where}: {name!r} may be {paths}", help="Write the section too, as named here.")
        yield named[0].path, (named[0].parse(text, where), where)


def _refuse_unknown(where: str, path: str, is_table: bool) -> NoReturn:
    """The error for a key that nobody declared: the right section for it, else the nearest name."""
    entries = [entry for entry in _entries() if entry.is_section == is_table]
    section, _, name = path.rpartition(".")
    anywhere = {entry.key: entry.path for entry in entries}
    beside = {entry.key: entry.path for entry in entries if entry.section == section}
    raise SettingsError(
        f"{where}: there is no {f'section [{path}]' if is_table else f'key {path!r}'}",
        help=(f"did you mean {anywhere[name]!r}?" if name in anywhere else "")
        or _suggestion(name, beside)
        or _suggestion(name, anywhere)
        or f"Known here: {', '.join(beside or anywhere)}.",
    )


def _suggestion(name: str, known: Mapping[str, str]) -> str:
    """Asks whether the nearest of the names was meant, and calls it by its value."""
    near = get_close_matches(name, known, 1)
    return f"did you mean {known[near[0]]!r}?" if near else ""


def _line_numbers(text: str) -> dict[str, int]:
    """The line of every section and key, for messages; `tomllib` does not tell."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]", line):
            section = f"{_plain(header[1])}."
            lines.setdefault(section[:-1], number)
        elif assignment := re.match(r"\s*([\w.\"' -]+?)\s*=", line):
            lines.setdefault(section + _plain(assignment[1]), number)
    return lines


def _plain(key: str) -> str:
    return re.sub(r"[\"'\s]", "", key)


def _line_of(path: str, lines: Mapping[str, int]) -> int:
    """The line of a key, else of a key below it (``a.b = 1`` for a), else of what it stands in (an inline table)."""
    if path in lines:
        return lines[path]
    below = [number for key, number in lines.items() if key.startswith(f"{path}.")]
    return min(below) if below else _line_of(path.rpartition(".")[0], lines) if path else 1


def _given(tree: object, names: Iterable[str]) -> dict[str, Value]:
    return {name: value for name in names if (value := getattr(tree, name)) is not None}


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'  # names and references hold no quotes
    return repr(value)


def _number(bound: float | None) -> str:
    return "" if bound is None else f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number past every float
        return False


def _shown(value: object) -> str:
    return _toml(value) if isinstance(value, bool | int | float) else repr(value)
