"""The settings of a task and of its demonstration: one frozen tree, from `task.toml`, the environment and flags.

A later source wins over an earlier one: the defaults here, the file, ``CAIRN_<SECTION>_<KEY>`` in the environment,
``-c key=value``. Each key is declared once, below, with its type, its default, its bounds and its sentence of help;
checks, error messages, the template of a new project and the list for ``--help`` are all read from there.

No key is a secret: keys and passwords never come through settings, so that a `Settings` may be printed and stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from dapp.errors import KeyTooSmall, SettingsError
from dapp.settings.schema import Schema, Value, about, setting

MIN_KEY_BITS = 2048
"""Shortest Paillier modulus outside tests."""

MIN_WINDOW = 60
"""Shortest phase outside tests, in seconds: nobody may be called silent who had no time to answer."""

MIN_VOTER_PAY = 100_000
"""Least pay of a vote, in gwei, for which a silent seat loses stake."""

MAX_SUM_BITS = 52
"""Widest slot: the sum of all devices must be exact in a float64 (``dapp.crypto.packing``)."""

NAME, NAME_SHAPE = r"[A-Za-z0-9][\w.-]{0,63}", "letters, digits, '_', '.' and '-', at most 64 of them"


@dataclass(frozen=True, slots=True)
class PartitionOptions:
    """[learning.partition_options]"""

    alpha: float | None = setting(
        None, "dirichlet: concentration; the smaller, the more uneven the classes. If unset: 0.5.", above=0
    )
    classes_per_device: int | None = setting(
        None, "pathological: how many classes each device holds. If unset: 2.", least=1
    )
    shards_per_device: int | None = setting(
        None, "shard: how many label-sorted shards each device is dealt. If unset: 2.", least=1
    )

    def given(self) -> dict[str, Value]:
        """The options that were set, as the partitioner takes them."""
        return _given(self, (each.name for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Learning:
    """[learning]"""

    strategy: Literal["fedavg", "fedprox", "blockdeepnet"] = setting(
        "fedavg",
        "The rule of the local update; blockdeepnet is Eq. 3 of its paper, with two encrypted exchanges an epoch.",
    )
    model: Literal["small-cnn", "paper-cnn"] | str = setting(
        "small-cnn",
        "The network: the small CNN, BlockDeepNet's CNN with 252,398 weights, or an nn.Module of your own.",
        file=True,
    )
    data: Literal["mnist"] | str = setting(
        "mnist", "The data set: the MNIST subset inside the package, or a function of your own.", file=True
    )
    partition: Literal["iid", "dirichlet", "pathological", "shard", "size"] = setting(
        "iid", "How the samples are split over the devices."
    )
    partition_options: PartitionOptions = field(
        default_factory=PartitionOptions, metadata=about("What the chosen partition can be told.")
    )
    samples_per_device: int | None = setting(
        None, "How many samples each device keeps of its part. If unset: all.", least=1
    )
    rounds: int = setting(5, "Epochs p: how often the global model is updated at most.", least=1, most=1_000_000)
    learning_rate: float | None = setting(None, "λ, the learning rate. If unset: the strategy's own.", above=0)
    local_epochs: int | None = setting(
        None, "Passes over a device's data in a round. If unset: the strategy's own.", least=1
    )
    local_steps: int | None = setting(
        None, "T, local iterations in a round; set this or local_epochs. If unset: the strategy's own.", least=1
    )
    batch_size: int | None = setting(None, "Samples of a mini-batch. If unset: the strategy's own.", least=1)
    full_batch: bool | None = setting(
        None, "Every local iteration takes all samples of the device, as in the paper. If unset: the strategy's own."
    )
    momentum: float | None = setting(
        None, "Momentum of local SGD (fedavg, fedprox), below 1. If unset: the strategy's own.", least=0, most=0.9999
    )
    mu: float | None = setting(None, "fedprox: weight μ of the proximal term. If unset: the strategy's own.", least=0)
    printed: bool | None = setting(
        None, "blockdeepnet: Eq. 3 as printed, where λ is divided by s_k a second time. If unset: undivided."
    )
    epsilon: float = setting(
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

    bits: int = setting(16, "q: bits of one encoded weight.", least=4, most=32)
    clip: float = setting(
        1.0,
        "B: values are clipped to ±B before they are encoded; clipped values are counted.",
        least=1e-9,
        most=1_000_000,
    )
    weighting: Literal["edge", "device"] = setting(
        "edge", "Who applies the weights s_k: the edge, as c^s_k (Eq. 5), or the device, inside its own values."
    )
    max_weight: int = setting(
        8192, "S_max: largest sum of all devices' weights; it sets the slots' width.", least=3, most=2**32 - 1
    )
    weight_cap: int = setting(2048, "Largest weight s_k of one device.", least=1, most=2**32 - 1)
    loss_cap: float = setting(16.0, "Largest loss that the loss slot can say.", least=1e-9, most=1_000_000)

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

    bits: int = setting(
        2048,
        f"Bits of the Paillier modulus, at least {MIN_KEY_BITS}; 3072 for 128-bit security.",
        least=256,
        most=16384,
    )
    holders: int | None = setting(
        None, "Devices that hold a share of the key. If unset: all, at most 32.", least=2, most=32
    )
    threshold: int | None = setting(
        None,
        "t: holders whose shares open a sum, more than half of them. If unset: the smallest majority.",
        least=2,
        most=32,
    )


@dataclass(frozen=True, slots=True)
class Cohort:
    """[cohort]"""

    min_devices: int = setting(3, "A round needs so many devices; no sum over fewer is ever opened.", least=3, most=256)
    max_devices: int = setting(16, "So many devices can enrol.", least=3, most=256)
    max_update_bytes: int = setting(
        4 * 1024 * 1024, "Largest encrypted update that is read.", least=1024, most=2**32 - 1
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """[panel]"""

    seats: int = setting(5, "Verifiers drawn by lot for a round; a repeated draw has 2·seats + 1.", least=1, most=51)
    accept_bips: int = setting(
        6667,
        "Share of the seats that decides, in 1/10,000; 6667 means two thirds exactly.",
        least=5001,
        most=10_000,
    )


_WINDOW = {"least": MIN_WINDOW, "most": 30 * 24 * 3600}


@dataclass(frozen=True, slots=True)
class Windows:
    """[windows]"""

    commit: int = setting(600, "Devices train and commit to their updates.", **_WINDOW)
    publish: int = setting(600, "Updates are published; key holders attest those that they hold.", **_WINDOW)
    seal: int = setting(120, "Edges seal their sums, under a bond.", **_WINDOW)
    open: int = setting(120, "Edges open what they sealed.", **_WINDOW)
    challenge: int = setting(
        0, "Anybody proves a wrong position before shares are given; 0: no such time.", least=0, most=30 * 24 * 3600
    )
    share: int = setting(600, "Holders share the decryption of the included sum.", **_WINDOW)
    opening: int = setting(300, "Openings of the sum are posted; the candidate's edge first, then anyone.", **_WINDOW)
    contest: int = setting(120, "Other openings are taken for so long after the first.", **_WINDOW)
    commit_vote: int = setting(300, "The panel seals its votes.", **_WINDOW)
    reveal_vote: int = setting(300, "The panel reveals its votes.", **_WINDOW)
    seed: int = setting(600, "The panel's seed must be proven within so long.", **_WINDOW)


Pace = Literal["fast", "normal", "slow"]
PACES: dict[Pace, Windows] = {
    "fast": Windows(
        commit=90,
        publish=40,
        seal=12,
        open=20,
        challenge=0,
        share=40,
        opening=40,
        contest=10,
        commit_vote=40,
        reveal_vote=40,
        seed=60,
    ),
    "normal": Windows(),
    "slow": Windows(
        commit=6 * 3600,
        publish=2 * 3600,
        seal=1800,
        open=1800,
        challenge=3600,
        share=2 * 3600,
        opening=3600,
        contest=3600,
        commit_vote=2 * 3600,
        reveal_vote=2 * 3600,
        seed=2 * 3600,
    ),
}
"""How long rounds take. ``fast``: a development chain with a block a second, whose contracts were deployed for windows
under `MIN_WINDOW`, where nobody's money hangs on them. ``slow``: a public network with a block every 12 seconds."""


@dataclass(frozen=True, slots=True)
class Mining:
    """[mining]"""

    beta: int = setting(0, "Block generation rate β, carried by every header.", least=0, most=2**32 - 1)
    pow_bits: int = setting(
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

    device_pot: int = setting(10_000_000, "For all included devices of a round, shared by weight.", **_GWEI)
    edge_pay: int = setting(5_000_000, "For the edge whose sum closed the round.", **_GWEI)
    holder_pay: int = setting(1_000_000, "For each holder whose share was used.", **_GWEI)
    voter_pay: int = setting(
        1_000_000, "For each verifier who voted with the outcome.", **(_GWEI | {"least": MIN_VOTER_PAY})
    )
    relay_pay: int = setting(200_000, "For the relay of each included update.", **_GWEI)
    bounty: int = setting(
        500_000, "For each duty that others wait for: summon, prove the seed, settle, close.", **_GWEI
    )
    edge_bond: int = setting(20_000_000, "What an edge puts at stake for its sum.", **_GWEI)
    opening_bond: int = setting(
        10_000_000,
        "What is put at stake for an opening; a quarter of the devices' pot or more, for four may be posted.",
        **_GWEI,
    )
    stake: int = setting(50_000_000, "What a verifier puts at stake to be in the registry.", **_GWEI)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole tree. Made by `load`; what is derived from several keys is a property here."""

    name: str = setting("demo", "Name of the task and of its folder under runs/.", pattern=NAME, shape=NAME_SHAPE)
    seed: int = setting(
        0, "Seed of the split, the first model and the batches: the same seed, the same model.", least=0, most=2**32 - 1
    )
    devices: int = setting(10, "Devices that learn.", least=1, most=256)
    edges: int = setting(1, "Edges that form sums.", least=1, most=8)
    verifiers: int = setting(7, "Verifiers in the registry from which panels are drawn.", least=1, most=1024)
    workers: int = setting(2, "Processes for heavy work on this machine; 1: no other process.", least=1, most=256)
    learning: Learning = field(default_factory=Learning, metadata=about("What is learned, and how."))
    encoding: Encoding = field(
        default_factory=Encoding, metadata=about("How weights become the integers that are encrypted.")
    )
    key: Key = field(default_factory=Key, metadata=about("The threshold Paillier key."))
    cohort: Cohort = field(default_factory=Cohort, metadata=about("Who may take part."))
    panel: Panel = field(default_factory=Panel, metadata=about("Who checks a round."))
    windows: Windows = field(
        default_factory=Windows, metadata=about("How long each phase lasts at most, in seconds of chain time.")
    )
    mining: Mining = field(default_factory=Mining, metadata=about("What a candidate block must carry."))
    money: Money = field(default_factory=Money, metadata=about("Pay, bonds and stakes, in gwei (10⁻⁹ ether)."))

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


SCHEMA = Schema(
    Settings,
    "CAIRN_",
    "`cairn new my-task` writes one to begin with.",
    others=("CAIRN_ROLE_", "CAIRN_PASSWORD", "CAIRN_CACHE"),
)


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
    settings, where = SCHEMA.read(path, environment, overrides)
    check(settings, allow_small=allow_small, where=where)
    return settings


def with_pace(settings: Settings, pace: str) -> Settings:
    """The settings with the windows of a pace.

    Raises:
        SettingsError: there is no such pace.
    """
    windows = next((windows for name, windows in PACES.items() if name == pace), None)
    if windows is None:
        raise SettingsError(f"there is no pace {pace!r}", help=f"Known: {', '.join(PACES)}.")
    return replace(settings, windows=windows)


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
    return SCHEMA.template("task", {"name": name})


def describe() -> str:
    """Every key with its default, its meaning and what is allowed; for ``--help``."""
    return SCHEMA.describe()


def _given(tree: object, names: Iterable[str]) -> dict[str, Value]:
    return {name: value for name in names if (value := getattr(tree, name)) is not None}
