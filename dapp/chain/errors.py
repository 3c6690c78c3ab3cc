"""What a contract's refusal means: every custom error as a sentence with its actual and expected values, and a help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import decode

from dapp.chain.codec import Parameter, all_errors, decode_arguments
from dapp.chain.keys import checksummed
from dapp.errors import ChainError
from dapp.protocol.enums import MemberState, Outcome, Phase, SkipReason, Status
from dapp.types import Address

ERROR_STRING = bytes.fromhex("08c379a0")
"""Selector of ``Error(string)``: a require with a text."""
PANIC = bytes.fromhex("4e487b71")
"""Selector of ``Panic(uint256)``: an assertion, an overflow, an index out of range."""

ENUMS = {"Phase": Phase, "Status": Status, "Outcome": Outcome, "SkipReason": SkipReason, "MemberState": MemberState}


class ContractError(ChainError):
    """A contract refused a call.

    Attributes:
        error: name of the custom error, or ``""`` where the contract gave none.
        values: its arguments by Solidity name, bytes and integers as decoded.
    """

    def __init__(self, message: str, *, help: str, error: str = "", values: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, help=help)
        self.error = error
        self.values = dict(values or {})


def contract_error(where: str, data: bytes) -> ContractError:
    """The refusal in ``data``, the bytes that a revert returned.

    Args:
        where: what was attempted by whom, such as ``Learning.enrol by 0x…``.
    """
    if data[:4] == ERROR_STRING and len(data) > 4:
        text = decode(["string"], data[4:])[0]
        return ContractError(f"{where} was refused: {text}", help="The contract's own words are all there is.")
    if data[:4] == PANIC and len(data) > 4:
        number = decode(["uint256"], data[4:])[0]
        return ContractError(
            f"{where} failed with Solidity's panic 0x{number:02x}",
            help="A contract's own assertion failed: please report this with the transaction.",
        )
    entry = all_errors().get(data[:4])
    if entry is None:
        said = f"with the unknown error 0x{data.hex()}" if data else "without saying why"
        return ContractError(
            f"{where} was refused {said}",
            help="It ran out of gas, or at this address is no contract of this version.",
        )
    arguments = decode_arguments(entry, data)
    values = {parameter.name: value for parameter, value in zip(entry.inputs, arguments, strict=True)}
    texts = {parameter.name: _text(parameter, values[parameter.name]) for parameter in entry.inputs}
    sentence, help_ = SENTENCES.get(entry.name, ("", ""))
    if not sentence:
        sentence = entry.name + (": " + ", ".join(f"{name} {text}" for name, text in texts.items()) if texts else "")
    return ContractError(
        f"{where} was refused: {sentence.format(**texts)}", help=help_, error=entry.name, values=values
    )


def _text(parameter: Parameter, value: Any) -> str:
    enum = ENUMS.get(parameter.internal.rpartition(".")[2]) if parameter.internal.startswith("enum ") else None
    if enum is not None:
        return enum(value).name.lower().replace("_", " ")
    if parameter.type == "address":
        return checksummed(Address(bytes.fromhex(value.removeprefix("0x"))))
    if parameter.name in ("term", "name"):
        return bytes(value).rstrip(b"\0").decode("ascii", "replace")
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return "(" + ", ".join(str(item) for item in value) + ")"
    return f"{value:,}" if parameter.type == "uint256" and value < 10**24 else str(value)


SENTENCES: Mapping[str, tuple[str, str]] = {
    # Learning
    "LearningUnknownTask": ("there is no task {taskId}", "Check the task's id and the address of Learning."),
    "LearningTaskEnded": ("task {taskId} has ended", "Order a new task; what is still owed can be claimed."),
    "LearningWrongPhase": (
        "the round is in its {actual} phase, this belongs to the {expected} phase",
        "Ask phaseOf and commitEndOf when the phase comes, or came to its end.",
    ),
    "LearningWrongRound": ("this names round {actual}, the current one is {expected}", "Use the round last opened."),
    "LearningNotEnrolled": ("{device} is not enrolled", "Enrol it with a ticket before the round opens."),
    "LearningAlreadyEnrolled": ("{device} is enrolled already", "An enrolment and its weight are for good."),
    "LearningAlreadyCommitted": ("{device} has committed in this round", "A commit cannot be replaced."),
    "LearningBadTicket": (
        "the ticket of {device} was not signed by the admission key {admission}",
        "Ask whoever admits devices for a ticket for this task and this address.",
    ),
    "LearningBatchTooLong": ("a batch of {length} messages is over {max}", "Send several batches."),
    "LearningTermOutOfBounds": (
        "the term {term} cannot be {value}",
        "docs/contracts/learning.md lists the bounds of every term.",
    ),
    "LearningWeightOutOfBounds": ("a weight of {weight} is not within 1 and {max}", "Enrol with a weight in range."),
    "LearningWeightTooLarge": (
        "the weights would add up to {sum}, over the {max} that the encoding holds",
        "Enrol with a smaller weight, or order a task with a larger maxWeight.",
    ),
    "LearningCohortFull": ("all {max} places of the cohort are taken", "Order a task with more places."),
    "LearningTooFewDevices": ("{actual} devices are enrolled, a round needs {min}", "Wait for more enrolments."),
    "LearningUpdateTooLarge": ("an update of {size} bytes is over {max}", "Check the model and the encoding's terms."),
    "LearningPotTooSmall": (
        "the task's pot holds {held} wei, one round can cost {needed}",
        "Fund the task's pot through Escrow.fund.",
    ),
    "LearningNoRoundsLeft": ("all {max} rounds of the task were opened", "End the task, or order another."),
    "LearningRoundNotClosed": ("round {round} of task {taskId} is not closed", "Close it first, once it is decided."),
    "LearningNotDecided": ("round {round} of task {taskId} is not decided", "Wait for its verdict or its deadlines."),
    "LearningNothingToClaim": (
        "nothing is owed to {who} in round {round}",
        "It was paid already, or had no part in what was included.",
    ),
    "LearningTaskNotOver": ("task {taskId} is not over before {idleAt}", "Let its rounds end, or come back then."),
    # Mining
    "MiningWrongPhase": (
        "the round is in its {actual} phase, this belongs to the {expected} phase",
        "Ask phaseOf and deadlinesOf when the phase comes, or came to its end.",
    ),
    "MiningNotProver": ("{caller} is not the contract that checks proofs", "Bring the proof to PaillierSum."),
    "MiningNotHolder": (
        "{caller} is not the key's holder {holder}",
        "Give the index and the Merkle branch under which the task's terms list this address.",
    ),
    "MiningAlreadyAttested": ("holder {holder} has attested in this round", "An attestation cannot be replaced."),
    "MiningAlreadyShared": ("holder {holder} has posted its share", "One share a holder and round."),
    "MiningBadMask": (
        "the mask {mask} marks devices outside the committed {committed}",
        "Mark only devices that committed.",
    ),
    "MiningBatchTooLong": ("a batch of {length} messages is over {max}", "Send several batches."),
    "MiningBondTooSmall": ("a bond of {sent} wei is under {needed}", "Send the bond that is asked for."),
    "MiningTooFewIncluded": (
        "{actual} devices are included, the terms ask for {min}",
        "The round closes as TooFew; open the next one.",
    ),
    "MiningUnknownCandidate": (
        "there is no such candidate in place {slot}",
        "It was displaced, never sealed, opened already, or struck out.",
    ),
    "MiningNotOwner": ("{caller} does not own this: {owner} does", "Send from the owner's account."),
    "MiningSealMismatch": (
        "what was opened gives the seal {actual}, the sealed one is {expected}",
        "Open with the aggregate, the nonce and the salt that were sealed, from the same account.",
    ),
    "MiningWorkTooSmall": (
        "the header {header} is over the target {target}",
        "Search on for a nonce, and seal that one.",
    ),
    "MiningTooLarge": ("a blob of {size} bytes is over {max}", "Check it against the task's terms."),
    "MiningTooFewShares": ("{actual} shares are there, the key needs {threshold}", "Wait for more shares."),
    "MiningSharesNotPosted": (
        "the opening uses the shares {used}, only {posted} were posted",
        "List only shares whose digests are on the chain.",
    ),
    "MiningOpeningsFull": ("all {max} openings of the round are taken", "The panel decides among those."),
    "MiningNotYetOpenToAll": (
        "until {until} only an edge with an opened candidate may open",
        "Wait until then, or until a first opening is there.",
    ),
    "MiningBadFlags": ("the flags {flags} contradict the round or each other", "Bit 0: converged; bit 1: overflow."),
    "MiningNothingToClaim": ("nothing is owed to {who} in round {round}", "It was paid already, or earned nothing."),
    "MiningRoundNotClosed": ("round {round} of task {taskId} is not closed", "Close it first."),
    "MiningAlreadyFixed": ("the included set of round {round} is fixed", "There is nothing left to do."),
    # PaillierSum
    "PaillierSumWrongTerms": (
        "these terms hash to {actual}, the task's to {expected}",
        "Bring the terms of the TaskCreated event, whole.",
    ),
    "PaillierSumWrongKey": (
        "the key with this n hashes to {actual}, the terms name {expected}",
        "Bring the n of the key blob that the terms name.",
    ),
    "PaillierSumNotFixed": ("the included set of round {round} is not fixed yet", "Wait for the seal phase."),
    "PaillierSumTooManyFactors": (
        "{length} devices in one transaction are over {max}",
        "Split the product over several with multiply.",
    ),
    "PaillierSumNotIncluded": (
        "{device} is not included, or was multiplied in before",
        "Bring each device of the included set once.",
    ),
    "PaillierSumNotCommitted": ("{device} did not commit to this update", "Bring its UpdateCommitted event's fields."),
    "PaillierSumBadLeaf": (
        "the ciphertext at position {position} is not under the root of {owner}",
        "Bring its leaf and branch from the blob that it published.",
    ),
    "PaillierSumWrongPartial": (
        "the product so far hashes to {actual}, begun was {expected}",
        "Bring what the last multiply came to.",
    ),
    "PaillierSumIncomplete": (
        "the devices {remaining} (a bitmap) are still to be multiplied in",
        "Bring all included devices, or begin with multiply.",
    ),
    "PaillierSumHolds": ("{owner} told the truth here", "Look for another position, or leave it at that."),
    "PaillierSumWrongBlob": (
        "the blob's digest is {actual}, committed was {expected} (or its size differs)",
        "Bring the update's bytes as they were published; only an update of one chunk can be shown.",
    ),
    "ModularPrecompileFailed": (
        "the chain's precompile for powers failed",
        "Send more gas; on a chain without it no proof can be checked.",
    ),
    # Verification
    "VerificationNotConsumer": ("{consumer} may not put cases before panels", "The consumers are fixed for good."),
    "VerificationWrongStatus": (
        "the panel is {actual}, this belongs to {expected}",
        "Ask voteDeadlinesOf when the phase comes, or came to its end.",
    ),
    "VerificationWrongAttempt": ("this names attempt {actual}, the current one is {expected}", "Use that one."),
    "VerificationSlateNotReady": (
        "candidates or openings may still be added to the case {caseKey}",
        "Summon the panel once the opening window is over.",
    ),
    "VerificationNotSeated": ("{voter} does not sit on seat {seat}", "Ask seatOf who does."),
    "VerificationUnknownSeat": ("there is no seat {seat} in a panel of {size}", "Seats count from 0."),
    "VerificationAlreadyCommitted": ("the vote of seat {seat} is committed", "A seal cannot be replaced."),
    "VerificationSealMismatch": (
        "the revealed vote gives the seal {actual}, the committed one is {expected}",
        "Reveal the ballot, evidence and salt that were committed, from the same account.",
    ),
    "VerificationBallotOffSlate": (
        "the ballot {ballot} speaks of what is not on the slate, or says both yes and no",
        "Set bits for candidates and openings of the slate only.",
    ),
    "VerificationWrongStake": ("{sent} wei were sent, the stake is exactly {expected}", "Send the stake."),
    "VerificationAlreadyMember": ("{member} is a member already", "One stake an address."),
    "VerificationNotMember": ("{member} is not a member", "Join with the stake first."),
    "VerificationStillBound": ("the stake is bound until {until}", "Come back after that time."),
    "VerificationNotSilent": (
        "seat {seat} was not silent",
        "Only a seat that did not reveal in time is slashed, once.",
    ),
    "VerificationCaseTooHarsh": (
        "the case gave {commitWindow} s to commit and {revealWindow} s to reveal for {voterPay} wei",
        "Nobody is slashed for silence in a case below MIN_WINDOW or MIN_VOTER_PAY.",
    ),
    "VerificationNothingToClaim": (
        "nothing is owed to seat {seat}",
        "It was paid already, did not reveal, or contradicted the verdict.",
    ),
    "VerificationNotLeaving": ("{member} is {state}, not leaving", "Leave the registry first."),
    "VerificationConstantOutOfBounds": ("the constant {name} cannot be {value}", "Deploy with another value."),
    "SortitionSeatOutOfRange": ("there is no seat {seat} among {eligible} members", "Seats count from 0."),
    # Escrow
    "EscrowNotProtocol": ("{caller} is not a contract of the protocol", "Only the protocol moves pots."),
    "EscrowPotTooSmall": ("{wanted} wei were asked of the pot {pot}, which holds {held}", "Fund the pot."),
    "EscrowNothingOwed": ("nothing is owed to {owner}", "Claim what was earned first; it becomes credit."),
    "EscrowTransferFailed": ("{to} did not take the ether", "Withdraw to an address that accepts ether."),
    # The seed
    "SeedUnknown": ("no seed {id} was requested", "Summon a panel first."),
    "SeedAlreadyProven": ("seed {id} is proven already", "There is nothing left to do."),
    "SeedTooEarly": ("block {seedBlock} is not past at block {blockNumber}", "Wait for that block."),
    "SeedBlockhashGone": (
        "the chain no longer knows the hash of block {seedBlock}",
        "Let the attempt lapse, settle it and summon the next one.",
    ),
    "SeedWrongHeader": (
        "the header hashes to {actual}, the block's hash is {expected}",
        "Encode the header of the seed's block with every field that the node returns.",
    ),
    "SeedMalformedHeader": ("these bytes are not a block header in RLP", "Use dapp.chain.header to encode it."),
    "SeedNotProofOfStake": (
        "the block has difficulty {difficulty}: its mixHash is not randomness",
        "Use a proof-of-stake chain, or the embedded one.",
    ),
    "SeedDelayTooShort": ("a seed cannot come {delayBlocks} blocks after its request", "Deploy with at least one."),
    # OpenZeppelin
    "ReentrancyGuardReentrantCall": ("it was called from within itself", "Do not call back while being paid."),
    "SafeCastOverflowedUintDowncast": ("{value} does not fit {bits} bits", "Give a smaller number."),
    "StringTooLong": ("the name {str} is over 31 bytes", "Deploy with a shorter one."),
    "InvalidShortString": ("a name that the contract keeps is damaged", "Deploy anew."),
}
