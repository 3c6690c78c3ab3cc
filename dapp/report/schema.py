"""The report of a run: ``runs/<name>/report.json``; its JSON Schema is docs/report.schema.json.

Digests, addresses and identifiers are lower-case hex with 0x. Seconds are wall seconds unless they say core seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from dapp.report import document
from dapp.types import Wei

Value = str | int | float | bool | None
Role = Literal["device", "holder", "edge", "watcher", "verifier", "requester", "chain"]
Seconds = dict[str, float]


class Kind(StrEnum):
    """What a round added up; members are named as in ``dapp.protocol.enums.RoundKind``."""

    UPDATE = "update"
    GRADIENT = "gradient"


class Outcome(StrEnum):
    """How a round ended; members are named as in ``dapp.protocol.enums.Outcome``."""

    OPEN = "Open"
    ACCEPTED = "Accepted"
    CONVERGED = "Converged"
    OVERFLOW = "Overflow"
    TOO_FEW = "TooFew"
    NOT_OPENED = "NotOpened"
    ABANDONED = "Abandoned"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the run ran on."""

    cpu: Annotated[str, "the processor's name"]
    cores: Annotated[int, "processor cores that the run could use"]
    memory_mib: Annotated[int, "main memory, MiB"]
    system: Annotated[str, "operating system and its release"]
    python: Annotated[str, "version of Python"]
    packages: Annotated[dict[str, str], "package name → version, of those that shape the result or the time"]


@dataclass(frozen=True, slots=True)
class Task:
    """What was agreed before the first round."""

    id: Annotated[str, "the task's identifier on chain"]
    terms_digest: Annotated[str, "keccak256 of the terms, as the contract holds it"]
    model: Annotated[str, "name of the model"]
    parameters: Annotated[int, "the model's parameters"]
    values: Annotated[int, "values in an update: the parameters and the extra slots"]
    slots: Annotated[int, "values packed into one ciphertext"]
    ciphertexts: Annotated[int, "ciphertexts of one update"]
    ciphertext_bytes: Annotated[int, "bytes of one ciphertext"]
    update_bytes: Annotated[int, "bytes of one encrypted update, its proof included"]
    expansion: Annotated[float, "update_bytes over the bytes of the same values as float32"]
    key_bits: Annotated[int, "bits of the Paillier modulus"]
    threshold: Annotated[int, "key holders that together can open a sum"]
    holders: Annotated[int, "key holders"]
    devices: Annotated[int, "devices enrolled"]
    edges: Annotated[int, "edges"]
    verifiers: Annotated[int, "staked members from whom panels are drawn"]
    seats: Annotated[int, "seats of the first panel of a round"]
    strategy: Annotated[dict[str, Value], "the strategy's name and parameters, as bound by the terms"]
    chain_id: Annotated[int, "EIP-155 chain id"]
    contracts: Annotated[dict[str, str], "contract name → address"]


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device in one round."""

    index: Annotated[int, "its place in the cohort, from 0"]
    name: Annotated[str, "what this report calls it"]
    address: Annotated[str, "its Ethereum address"]
    weight: Annotated[int, "s_k, fixed at its enrolment"]
    status: Annotated[
        Literal["included", "excluded", "committed", "missing"],
        "included in the sum; excluded from it by the holders; committed in a round that never fixed a set; missing",
    ]
    reason: Annotated[str, "why it is not included; else empty"]
    clipped: Annotated[int, "values of its update outside the clip bound"]
    samples: Annotated[int, "samples that it learns from"]
    compute_seconds: Annotated[float, "T_local: core seconds of its local training"]
    bytes: Annotated[int, "bytes of the update that it published; 0: none"]


@dataclass(frozen=True, slots=True)
class Refused:
    """An update that a holder did not attest."""

    device: Annotated[int, "the device's index"]
    reason: Annotated[str, "what was wrong with the update, in a sentence"]


@dataclass(frozen=True, slots=True)
class Attestation:
    """What one key holder said about the updates it saw."""

    holder: Annotated[int, "the holder's index, from 0"]
    name: Annotated[str, "the holder's name"]
    valid: Annotated[tuple[int, ...], "devices whose updates it holds and found valid"]
    refused: Annotated[tuple[Refused, ...], "devices whose updates it refused"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edge's claim of the encrypted sum."""

    slot: Annotated[int, "its number in the round, in the order of sealing"]
    edge: Annotated[str, "the edge's name"]
    digest: Annotated[str, "digest of the aggregate; empty where it was never opened"]
    cid: Annotated[str, "the aggregate's CID; empty where it was never opened"]
    status: Annotated[
        Literal["valid", "invalid", "unopened", "displaced", "struck out", "undecided"],
        "what the panel said, or why it said nothing",
    ]


@dataclass(frozen=True, slots=True)
class Share:
    """One holder's decryption share."""

    holder: Annotated[int, "the holder's index"]
    name: Annotated[str, "the holder's name"]
    used: Annotated[bool, "whether the opening that closed the round used it, so that it was paid"]


@dataclass(frozen=True, slots=True)
class Opening:
    """A claim of what the encrypted sum decrypts to."""

    index: Annotated[int, "its number in the round, in the order of posting"]
    poster: Annotated[str, "who posted it"]
    digest: Annotated[str, "digest of the opening"]
    cid: Annotated[str, "the opening's CID"]
    status: Annotated[Literal["right", "wrong", "undecided"], "what the panel said"]
    used: Annotated[tuple[int, ...], "holders whose shares it lists"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One seat's ballot."""

    attempt: Annotated[int, "which panel of the round, from 0"]
    seat: Annotated[int, "the seat, from 0"]
    voter: Annotated[str, "who was drawn for it"]
    status: Annotated[Literal["revealed", "silent"], "whether a vote was revealed in time"]
    valid: Annotated[tuple[int, ...], "candidates called valid"]
    invalid: Annotated[tuple[int, ...], "candidates called invalid"]
    right: Annotated[tuple[int, ...], "openings called right"]
    wrong: Annotated[tuple[int, ...], "openings called wrong"]


@dataclass(frozen=True, slots=True)
class Slashed:
    """A stake or a bond that was lost."""

    name: Annotated[str, "whose"]
    wei: Annotated[Wei, "how much"]


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that a round paid."""

    to: Annotated[str, "to whom"]
    role: Annotated[Role, "in which role"]
    reason: Annotated[str, "for what"]
    wei: Annotated[Wei, "how much"]


@dataclass(frozen=True, slots=True)
class Model:
    """A model file."""

    digest: Annotated[str, "its digest, as on chain"]
    cid: Annotated[str, "its CID"]
    bytes: Annotated[int, "its size"]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of the test set that were labelled rightly, 0 … 1."""

    global_: Annotated[float, "of the global model"]
    alone: Annotated[tuple[float, ...], "of each device's model, had it only ever learnt from its own data"]


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One encrypted exchange."""

    round: Annotated[int, "its number, from 0"]
    epoch: Annotated[int, "the epoch that it belongs to, from 0"]
    kind: Annotated[Kind, "what was added up"]
    outcome: Annotated[Outcome, "how it ended; Open: the run stopped in the middle of it"]
    attempts: Annotated[int, "panels that were drawn"]
    devices: Annotated[tuple[DeviceReport, ...], "every enrolled device"]
    attestations: Annotated[tuple[Attestation, ...], "what the holders attested"]
    included: Annotated[tuple[int, ...], "devices in the sum"]
    total_weight: Annotated[int, "S: the weights s_k of the included devices, added up"]
    block_bytes: Annotated[int, "h + S·n of BlockDeepNet §4.2: the header and the included devices' updates, bytes"]
    candidates: Annotated[tuple[Candidate, ...], "the edges' candidates, in the order of sealing"]
    shares: Annotated[tuple[Share, ...], "the decryption shares"]
    holders_silent: Annotated[tuple[str, ...], "holders that were asked for a share and gave none"]
    openings: Annotated[tuple[Opening, ...], "the openings, in the order of posting"]
    votes: Annotated[tuple[Vote, ...], "the panels' ballots"]
    slashed: Annotated[tuple[Slashed, ...], "stakes and bonds lost"]
    payments: Annotated[tuple[Payment, ...], "payments"]
    model: Annotated[Model | None, "the global model after the round; null in a gradient round or where none came"]
    header: Annotated[str, "hash of the round's header"]
    parent: Annotated[str, "hash of the header before it"]
    base_loss: Annotated[
        float | None, "the cohort's loss at the model that the round started from, out of the encrypted sum"
    ]
    leverage: Annotated[float, "the largest of the devices' leverages on the model's sums, 0 … 1"]
    accuracy: Annotated[Accuracy | None, "of the models after the round; null where it was not measured"]
    seconds: Annotated[Seconds, "phase → wall seconds"]
    wall: Annotated[float, "wall seconds of the whole round"]


@dataclass(frozen=True, slots=True)
class Best:
    """w^f of BlockDeepNet's Algorithm 1, line 13: the model with the least loss."""

    round: Annotated[int, "the round whose global update it is"]
    loss: Annotated[float, "the cohort's loss at it"]
    digest: Annotated[str, "its digest"]


@dataclass(frozen=True, slots=True)
class Final:
    """The last global model."""

    digest: Annotated[str, "its digest, as on chain"]
    cid: Annotated[str, "its CID"]
    path: Annotated[str, "its file, relative to the report"]
    accuracy: Annotated[float | None, "on the test set, 0 … 1"]


@dataclass(frozen=True, slots=True)
class Gas:
    """What one kind of transaction cost."""

    function: Annotated[str, "Contract.function"]
    calls: Annotated[int, "transactions"]
    min: Annotated[int, "least gas used"]
    median: Annotated[int, "median gas used"]
    max: Annotated[int, "most gas used"]
    total: Annotated[int, "gas used by all"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one device sent and received."""

    device: Annotated[int, "its index"]
    sent: Annotated[int, "bytes"]
    received: Annotated[int, "bytes"]


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The most memory that was resident at any time."""

    main_mib: Annotated[float, "in the main process, MiB"]
    workers_mib: Annotated[tuple[float, ...], "in each worker process, MiB"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong or was refused."""

    round: Annotated[int | None, "the round; null: before the first or after the last"]
    role: Annotated[Role, "the role of who did it"]
    name: Annotated[str, "the name of who did it"]
    what: Annotated[str, "what happened, in a sentence"]


@dataclass(frozen=True, slots=True)
class Report:
    """A run of Cairn, from its settings to its last model."""

    schema: Annotated[Literal[1], "version of this format"]
    cairn: Annotated[str, "version of Cairn"]
    name: Annotated[str, "name of the run"]
    created: Annotated[str, "when it began, ISO 8601"]
    status: Annotated[Literal["complete", "interrupted", "failed"], "whether it came to its end"]
    message: Annotated[str, "why it did not; else empty"]
    settings: Annotated[dict[str, Value], "every setting and its value, secrets redacted"]
    machine: Annotated[Machine, "what it ran on"]
    task: Annotated[Task | None, "what was agreed; null where the run ended before the task was created"]
    rounds: Annotated[tuple[RoundReport, ...], "the rounds, in order"]
    best: Annotated[Best | None, "the model with the least loss; null before a loss was known"]
    final: Annotated[Final | None, "the last global model; null before there was one"]
    seconds: Annotated[Seconds, "part of the run → wall seconds; the parts add up to total_seconds"]
    work: Annotated[Seconds, "phase → core seconds, over all rounds and processes"]
    total_seconds: Annotated[float, "wall seconds of the whole run"]
    gas: Annotated[tuple[Gas, ...], "gas, by kind of transaction"]
    bytes: Annotated[tuple[Traffic, ...], "traffic, by device"]
    peak_memory: Annotated[PeakMemory, "memory"]
    faults: Annotated[tuple[Fault, ...], "everything that went wrong or was refused"]
    warnings: Annotated[tuple[str, ...], "what a reader should know before trusting the figures"]

    def to_json(self) -> str:
        """The report as JSON text."""
        return document.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report in JSON ``text``.

        Raises:
            BlobError: not JSON, a missing or an unknown key, or a value of another type; names the place.
        """
        return document.loads(cls, text)


def json_schema() -> str:
    """The text of docs/report.schema.json."""
    return json.dumps(document.json_schema(Report), indent=2, ensure_ascii=False) + "\n"
