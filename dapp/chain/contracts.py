"""One class a contract, one method a function: views return values, transactions are built as calls to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from dapp.chain.codec import Abi, abi, decode_arguments, decode_result, encode_call
from dapp.protocol.enums import Outcome, Phase, Status
from dapp.protocol.events import Event
from dapp.protocol.records import (
    Aggregate,
    Ballot,
    Candidate,
    Deadlines,
    Factor,
    IncludedSet,
    Leaf,
    Member,
    Opening,
    OutcomeReport,
    PanelState,
    Partial,
    PostedOpening,
    Progress,
    ProofFacts,
    Round,
    Schedule,
    Seed,
    SignedAttestation,
    SignedEnrolment,
    SignedShare,
    SignedUpdate,
    Slate,
    Task,
    Update,
    Verdict,
    VoteDeadlines,
)
from dapp.protocol.struct import Struct
from dapp.protocol.terms import Money, Terms
from dapp.types import Address, Digest, TaskId, Wei


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction that nobody signed yet: ``client.send(account, call)`` does. ``value`` in wei."""

    contract: str
    function: str
    to: bytes
    data: bytes
    value: int = 0

    def __str__(self) -> str:
        return f"{self.contract}.{self.function}"


class Reader(Protocol):
    """What a contract's views need of a client."""

    def read(self, call: Call) -> bytes: ...

    def logs(self, from_block: int, to_block: int, addresses: Sequence[Address] = ()) -> list[Event]: ...


class Contract:
    """A contract at an address."""

    name: str

    def __init__(self, reader: Reader, address: Address) -> None:
        self.address = address
        self._reader = reader

    @property
    def abi(self) -> Abi:
        return abi(self.name)

    def version(self) -> str:
        version: str = self._value("version")
        return version

    def immutable(self, getter: str) -> Any:
        """A public immutable by its getter's name in capitals, such as ``ESCROW``; addresses as 20 bytes."""
        value = self._value(getter)
        is_address = self.abi.functions[getter].outputs[0].type == "address"
        return Address(bytes.fromhex(value[2:])) if is_address else value

    def _call(self, function: str, *arguments: Any, value: int = 0) -> Call:
        data = encode_call(self.abi.functions[function], [_plain(argument) for argument in arguments])
        return Call(self.name, function, self.address, data, value)

    def _values(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        data = self._reader.read(self._call(function, *arguments))
        return decode_result(self.abi.functions[function], data)

    def _value(self, function: str, *arguments: Any) -> Any:
        return self._values(function, *arguments)[0]

    def _address(self, function: str, *arguments: Any) -> Address:
        return Address(bytes.fromhex(self._value(function, *arguments)[2:]))


class Learning(Contract):
    """`ILearning`: a task, its cohort, its rounds and the updates committed in them."""

    name = "Learning"

    def create_task(self, terms: Terms, value: int) -> Call:
        """``value`` in wei funds the task's pot; :class:`dapp.protocol.events.TaskCreated` has the task's id."""
        return self._call("createTask", terms, value=value)

    def enrol(self, task_id: TaskId, weight: int, ownership: bytes, ticket: bytes) -> Call:
        return self._call("enrol", task_id, weight, ownership, ticket)

    def enrol_by_sig(self, task_id: TaskId, enrolments: Sequence[SignedEnrolment]) -> Call:
        return self._call("enrolBySig", task_id, enrolments)

    def open_round(self, task_id: TaskId) -> Call:
        return self._call("openRound", task_id)

    def commit_update(self, task_id: TaskId, round: int, update: Update) -> Call:
        return self._call("commitUpdate", task_id, round, update)

    def commit_updates(self, task_id: TaskId, round: int, updates: Sequence[SignedUpdate]) -> Call:
        return self._call("commitUpdates", task_id, round, updates)

    def close_round(self, task_id: TaskId, round: int) -> Call:
        return self._call("closeRound", task_id, round)

    def claim_device_pay_for(self, task_id: TaskId, round: int, device: Address) -> Call:
        return self._call("claimDevicePayFor", task_id, round, device)

    def claim_relay_pay_for(self, task_id: TaskId, round: int, relay: Address) -> Call:
        return self._call("claimRelayPayFor", task_id, round, relay)

    def end_task(self, task_id: TaskId) -> Call:
        return self._call("endTask", task_id)

    def phase_of(self, task_id: TaskId, round: int) -> Phase:
        return Phase(self._value("phaseOf", task_id, round))

    def commit_end_of(self, task_id: TaskId, round: int) -> int:
        """Seconds of chain time."""
        return int(self._value("commitEndOf", task_id, round))

    def task_of(self, task_id: TaskId) -> Task:
        return Task.from_abi(self._value("taskOf", task_id))

    def round_of(self, task_id: TaskId, round: int) -> Round:
        return Round.from_abi(self._value("roundOf", task_id, round))

    def enrolment_of(self, task_id: TaskId, device: Address) -> tuple[int, int]:
        """Enrolment index plus one, and weight; both 0 when not enrolled."""
        index, weight = self._values("enrolmentOf", task_id, device)
        return index, weight

    def update_of(self, task_id: TaskId, round: int, device: Address) -> bytes:
        """keccak256 over the ABI-encoded update, or 32 zero bytes."""
        return bytes(self._value("updateOf", task_id, round, device))

    def closed_as(self, task_id: TaskId, round: int) -> Outcome:
        """How a round was closed; open until it is."""
        return Outcome(self._value("closedAs", task_id, round))

    def schedule_of(self, task_id: TaskId, round: int) -> Schedule:
        return Schedule.from_abi(self._value("scheduleOf", task_id, round))

    def money_of(self, task_id: TaskId) -> Money:
        return Money.from_abi(self._value("moneyOf", task_id))

    def holders_root_of(self, task_id: TaskId) -> bytes:
        return bytes(self._value("holdersRootOf", task_id))

    def pow_target_of(self, task_id: TaskId) -> int:
        """0 asks for no proof of work."""
        return int(self._value("powTargetOf", task_id))

    def weight_of_set(self, task_id: TaskId, mask: int) -> int:
        """Sum of the weights of the devices in a bitmap by enrolment index."""
        return int(self._value("weightOfSet", task_id, mask))

    def nonce_of(self, creator: Address) -> int:
        """The nonce that the creator's next task will be named by."""
        return int(self._value("nonceOf", creator))

    def round_budget(self, task_id: TaskId) -> Wei:
        return Wei(self._value("roundBudget", task_id))


class Mining(Contract):
    """`IMining`: which updates are included, candidate blocks, shares and openings."""

    name = "Mining"

    def attest(self, task_id: TaskId, round: int, holder: int, mask: int, branch: Sequence[bytes]) -> Call:
        return self._call("attest", task_id, round, holder, mask, branch)

    def attest_by_sig(self, task_id: TaskId, round: int, attestations: Sequence[SignedAttestation]) -> Call:
        return self._call("attestBySig", task_id, round, attestations)

    def fix_included(self, task_id: TaskId, round: int) -> Call:
        return self._call("fixIncluded", task_id, round)

    def seal_aggregate(self, task_id: TaskId, round: int, seal: bytes, bond: int) -> Call:
        return self._call("sealAggregate", task_id, round, seal, value=bond)

    def open_aggregate(self, task_id: TaskId, round: int, slot: int, aggregate: Aggregate, salt: bytes) -> Call:
        return self._call("openAggregate", task_id, round, slot, aggregate, salt)

    def post_share(
        self, task_id: TaskId, round: int, holder: int, digest: Digest, size: int, branch: Sequence[bytes]
    ) -> Call:
        return self._call("postShare", task_id, round, holder, digest, size, branch)

    def post_shares_by_sig(self, task_id: TaskId, round: int, shares: Sequence[SignedShare]) -> Call:
        return self._call("postSharesBySig", task_id, round, shares)

    def post_opening(self, task_id: TaskId, round: int, opening: Opening, bond: int) -> Call:
        return self._call("postOpening", task_id, round, opening, value=bond)

    def settle_candidate_bond(self, task_id: TaskId, round: int, slot: int) -> Call:
        return self._call("settleCandidateBond", task_id, round, slot)

    def settle_opening_bond(self, task_id: TaskId, round: int, index: int) -> Call:
        return self._call("settleOpeningBond", task_id, round, index)

    def claim_edge_pay_for(self, task_id: TaskId, round: int) -> Call:
        return self._call("claimEdgePayFor", task_id, round)

    def claim_opener_pay_for(self, task_id: TaskId, round: int) -> Call:
        return self._call("claimOpenerPayFor", task_id, round)

    def claim_holder_pay_for(self, task_id: TaskId, round: int, holder: int) -> Call:
        return self._call("claimHolderPayFor", task_id, round, holder)

    def claim_relay_pay_for(self, task_id: TaskId, round: int, relay: Address) -> Call:
        return self._call("claimRelayPayFor", task_id, round, relay)

    def phase_of(self, task_id: TaskId, round: int) -> Phase:
        return Phase(self._value("phaseOf", task_id, round))

    def deadlines_of(self, task_id: TaskId, round: int) -> Deadlines:
        return Deadlines.from_abi(self._value("deadlinesOf", task_id, round))

    def progress_of(self, task_id: TaskId, round: int) -> Progress:
        return Progress.from_abi(self._value("progressOf", task_id, round))

    def candidate_of(self, task_id: TaskId, round: int, slot: int) -> Candidate:
        return Candidate.from_abi(self._value("candidateOf", task_id, round, slot))

    def opening_of(self, task_id: TaskId, round: int, index: int) -> PostedOpening:
        return PostedOpening.from_abi(self._value("openingOf", task_id, round, index))

    def attestation_of(self, task_id: TaskId, round: int, holder: int) -> tuple[Address, int]:
        """Who attested, and the mask; zeroes where nobody did."""
        who, mask = self._values("attestationOf", task_id, round, holder)
        return Address(bytes.fromhex(who[2:])), mask

    def share_of(self, task_id: TaskId, round: int, holder: int) -> tuple[Address, bytes]:
        """Who posted the share, and its commitment; zeroes where nobody did."""
        who, commitment = self._values("shareOf", task_id, round, holder)
        return Address(bytes.fromhex(who[2:])), commitment

    def included_set(self, task_id: TaskId, round: int) -> IncludedSet:
        return IncludedSet.from_abi(self._values("includedSet", task_id, round))

    def excluded_set(self, task_id: TaskId, round: int) -> int:
        """Bitmap by enrolment index of the devices whose update was proven not to be what was committed."""
        return int(self._value("excludedSet", task_id, round))

    def outcome_of(self, task_id: TaskId, round: int) -> OutcomeReport:
        return OutcomeReport.from_abi(self._values("outcomeOf", task_id, round))

    def entitlements_of(self, task_id: TaskId, round: int) -> Wei:
        return Wei(self._value("entitlementsOf", task_id, round))

    def slate_of(self, case_key: bytes) -> Slate:
        return Slate.from_abi(self._value("slateOf", case_key))

    def decides(self, case_key: bytes, quorum: Ballot) -> bool:
        return bool(self._value("decides", case_key, quorum))


class Verification(Contract):
    """`IVerification`: staked members; panels drawn by lot; hidden votes; verdicts. A case is (consumer, case key)."""

    name = "Verification"

    def join(self, stake: int) -> Call:
        return self._call("join", value=stake)

    def promote(self, max: int) -> Call:
        return self._call("promote", max)

    def leave(self) -> Call:
        return self._call("leave")

    def withdraw_stake_for(self, member: Address) -> Call:
        return self._call("withdrawStakeFor", member)

    def summon(self, consumer: Address, case_key: bytes, attempt: int) -> Call:
        return self._call("summon", consumer, case_key, attempt)

    def prove_seed(self, consumer: Address, case_key: bytes, attempt: int, header: bytes) -> Call:
        """``header``: RLP of the header of the block that the panel's seed was requested from."""
        return self._call("proveSeed", consumer, case_key, attempt, header)

    def commit_vote(self, consumer: Address, case_key: bytes, attempt: int, seat: int, seal: bytes) -> Call:
        return self._call("commitVote", consumer, case_key, attempt, seat, seal)

    def reveal_vote(
        self,
        consumer: Address,
        case_key: bytes,
        attempt: int,
        seat: int,
        ballot: Ballot,
        evidence: bytes,
        salt: bytes,
    ) -> Call:
        return self._call("revealVote", consumer, case_key, attempt, seat, ballot, evidence, salt)

    def settle(self, consumer: Address, case_key: bytes, attempt: int) -> Call:
        return self._call("settle", consumer, case_key, attempt)

    def slash_silent(self, consumer: Address, case_key: bytes, attempt: int, seat: int) -> Call:
        return self._call("slashSilent", consumer, case_key, attempt, seat)

    def claim_voter_pay_for(self, consumer: Address, case_key: bytes, attempt: int, seat: int) -> Call:
        return self._call("claimVoterPayFor", consumer, case_key, attempt, seat)

    def seat_of(self, consumer: Address, case_key: bytes, attempt: int, seat: int) -> Address:
        return self._address("seatOf", consumer, case_key, attempt, seat)

    def status_of(self, consumer: Address, case_key: bytes, attempt: int) -> Status:
        return Status(self._value("statusOf", consumer, case_key, attempt))

    def panel_of(self, consumer: Address, case_key: bytes, attempt: int) -> PanelState:
        return PanelState.from_abi(self._value("panelOf", consumer, case_key, attempt))

    def vote_deadlines_of(self, consumer: Address, case_key: bytes, attempt: int) -> VoteDeadlines:
        return VoteDeadlines.from_abi(self._values("voteDeadlinesOf", consumer, case_key, attempt))

    def verdict_of(self, consumer: Address, case_key: bytes) -> Verdict:
        return Verdict.from_abi(self._value("verdictOf", consumer, case_key))

    def member_of(self, member: Address) -> Member:
        return Member.from_abi(self._value("memberOf", member))

    def is_consumer(self, consumer: Address) -> bool:
        """Whether a contract may put cases before panels."""
        return bool(self._value("isConsumer", consumer))

    def member_count(self) -> tuple[int, int]:
        """How many members are active, and how many pending."""
        active, pending = self._values("memberCount")
        return active, pending

    def entitlements_of(self, consumer: Address, case_key: bytes) -> Wei:
        return Wei(self._value("entitlementsOf", consumer, case_key))


class Escrow(Contract):
    """`IEscrow`: all money, in pots and credits."""

    name = "Escrow"

    def fund(self, pot: bytes, value: int) -> Call:
        return self._call("fund", pot, value=value)

    def withdraw(self) -> Call:
        return self._call("withdraw")

    def withdraw_to(self, to: Address) -> Call:
        return self._call("withdrawTo", to)

    def withdraw_for(self, owner: Address) -> Call:
        return self._call("withdrawFor", owner)

    def pot_of(self, pot: bytes) -> Wei:
        return Wei(self._value("potOf", pot))

    def credit_of(self, owner: Address) -> Wei:
        return Wei(self._value("creditOf", owner))

    def total_pots(self) -> Wei:
        return Wei(self._value("totalPots"))

    def total_credit(self) -> Wei:
        return Wei(self._value("totalCredit"))


class SeedSource(Contract):
    """`ISeed`: a seed that nobody chooses."""

    name = "PrevrandaoSeed"

    def prove(self, id: int, header: bytes) -> Call:
        """``header``: RLP of the header of the block that ``seed_block_of`` names."""
        return self._call("prove", id, header)

    def seed_of(self, id: int) -> Seed:
        return Seed.from_abi(self._values("seedOf", id))

    def seed_block_of(self, id: int) -> int:
        return int(self._value("seedBlockOf", id))


class PaillierSum(Contract):
    """`IPaillierSum`: strikes wrong sums out, and excludes updates that are not what was committed, on proof."""

    name = "PaillierSum"

    def multiply(self, facts: ProofFacts, position: int, before: Partial, factors: Sequence[Factor]) -> Call:
        return self._call("multiply", facts, position, before, factors)

    def strike_out(
        self,
        facts: ProofFacts,
        position: int,
        slot: int,
        candidate: Leaf,
        before: Partial,
        factors: Sequence[Factor],
    ) -> Call:
        return self._call("strikeOut", facts, position, slot, candidate, before, factors)

    def exclude_update(self, facts: ProofFacts, device: Address, update: Update, blob: bytes) -> Call:
        return self._call("excludeUpdate", facts, device, update, blob)

    def partial_of(self, by: Address, task_id: TaskId, round: int, position: int) -> bytes:
        """What ``by`` has committed to with ``multiply``, or 32 zero bytes."""
        return bytes(self._value("partialOf", by, task_id, round, position))


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the six contracts of one deployment are; ``block`` is the one of the first."""

    learning: Address
    mining: Address
    verification: Address
    escrow: Address
    seed: Address
    paillier_sum: Address
    chain_id: int
    block: int

    def addresses(self) -> dict[str, Address]:
        """Addresses by role: ``learning``, ``mining``, ``verification``, ``escrow``, ``seed``, ``paillier_sum``."""
        return {
            field.name: Address(value)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), bytes)
        }

    def to_json(self) -> dict[str, Any]:
        """For a file: addresses as 0x-prefixed hex."""
        addresses = {role: f"0x{address.hex()}" for role, address in self.addresses().items()}
        return addresses | {"chain_id": self.chain_id, "block": self.block}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Deployment:
        """
        Raises:
            KeyError, ValueError: not what :meth:`to_json` gives.
        """
        roles = [field.name for field in fields(cls)][:6]
        addresses = {role: Address(bytes.fromhex(value[role].removeprefix("0x"))) for role in roles}
        return cls(**addresses, chain_id=int(value["chain_id"]), block=int(value["block"]))


class Contracts:
    """The contracts of a deployment, as one client sees them."""

    def __init__(self, client: Reader, deployment: Deployment) -> None:
        self.deployment = deployment
        self.learning = Learning(client, deployment.learning)
        self.mining = Mining(client, deployment.mining)
        self.verification = Verification(client, deployment.verification)
        self.escrow = Escrow(client, deployment.escrow)
        self.seed = SeedSource(client, deployment.seed)
        self.paillier_sum = PaillierSum(client, deployment.paillier_sum)
        self._client = client

    def events(self, from_block: int, to_block: int) -> list[Event]:
        """Events of these contracts in a range of blocks, both ends included, in the chain's order."""
        return self._client.logs(from_block, to_block, list(self.deployment.addresses().values()))

    def decode_call(self, to: bytes, data: bytes) -> tuple[str, dict[str, Any]]:
        """What a transaction to one of these contracts asked: the function, and its arguments by Solidity name.

        Raises:
            KeyError: no function of the contract at ``to``, or no contract of ours there.
        """
        named: dict[bytes, Contract] = {a: getattr(self, role) for role, a in self.deployment.addresses().items()}
        contract = named[Address(to)]
        entry = contract.abi.selectors[data[:4]]
        names = [parameter.name for parameter in entry.inputs]
        return f"{contract.name}.{entry.name}", dict(zip(names, decode_arguments(entry, data), strict=True))


def _plain(argument: Any) -> Any:
    if isinstance(argument, Struct):
        return argument.to_abi()
    if isinstance(argument, (list, tuple)):
        return [_plain(item) for item in argument]
    return argument
