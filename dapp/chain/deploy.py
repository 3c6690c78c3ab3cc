"""Deploys the six contracts, wired to one another by their predicted addresses, and asserts the wiring."""

from __future__ import annotations

from dataclasses import dataclass

from dapp.chain.client import Client
from dapp.chain.codec import abi
from dapp.chain.contracts import Contracts, Deployment
from dapp.chain.keys import Account, created_address
from dapp.errors import Fatal


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a deployment fixes for good.

    Args:
        stake: wei that a verifier locks.
        slash: wei that a silent seat loses.
        activation_delay: seconds until a new verifier can be drawn; longer than any seed takes to come.
        cool_down: seconds that a leaving verifier's stake stays bound; no shorter than any panel stays open.
        min_eligible: verifiers without whom no panel is drawn.
        min_key_bits: smallest threshold key that a task may name; under 2,048 for tests only.
        min_window: seconds that any phase of a task lasts at least, the challenge apart; a silent seat keeps its stake
            where its case gave it less.
        min_voter_pay: wei; a silent seat keeps its stake where its case offered less.
        seed_delay: blocks from a request to the block that gives the seed. Two where nobody gains by withholding a
            block; 132 (four epochs and a little, EIP-4399) where validators could.
    """

    stake: int = 50 * 10**15
    slash: int = 10 * 10**15
    activation_delay: int = 24 * 3600
    cool_down: int = 7 * 24 * 3600
    min_eligible: int = 3
    min_key_bits: int = 2048
    min_window: int = 60
    min_voter_pay: int = 100_000 * 10**9
    seed_delay: int = 2


def deploy(client: Client, deployer: Account, parameters: Parameters, seed_code: bytes | None = None) -> Contracts:
    """Deploys Escrow, Learning, Mining, Verification, the seed and PaillierSum with the deployer's next six nonces.

    Args:
        seed_code: creation code of another `ISeed`, for tests; default PrevrandaoSeed.

    Raises:
        ContractError: a constructor refused a parameter.
        Fatal: the contracts do not read one another back: another transaction of the deployer came between.
    """
    first = client.nonce(deployer.address)
    escrow, learning, mining, verification, seed, paillier_sum = (
        created_address(deployer.address, first + i) for i in range(6)
    )
    codes = {
        "Escrow": abi("Escrow").creation_code(learning, mining, verification),
        "Learning": abi("Learning").creation_code(escrow, mining, parameters.min_key_bits, parameters.min_window),
        "Mining": abi("Mining").creation_code(learning, verification, escrow, paillier_sum),
        "Verification": abi("Verification").creation_code(
            escrow,
            seed,
            [mining],
            parameters.stake,
            parameters.slash,
            parameters.activation_delay,
            parameters.cool_down,
            parameters.min_eligible,
            parameters.min_window,
            parameters.min_voter_pay,
        ),
        "PrevrandaoSeed": seed_code or abi("PrevrandaoSeed").creation_code(parameters.seed_delay),
        "PaillierSum": abi("PaillierSum").creation_code(learning, mining),
    }
    blocks = [client.deploy(deployer, name, code)[1].block for name, code in codes.items()]
    addresses = learning, mining, verification, escrow, seed, paillier_sum
    contracts = Contracts(client, Deployment(*addresses, chain_id=client.chain_id, block=blocks[0]))
    check_wiring(contracts)
    return contracts


def check_wiring(contracts: Contracts) -> None:
    """Asks every contract for the others that it was built with.

    Raises:
        Fatal: one names another address; the message says which.
        ChainError: there is no contract of this version at one of the addresses.
    """
    addresses = {role.upper(): address for role, address in contracts.deployment.addresses().items()}
    readings = {
        contracts.escrow: ("LEARNING", "MINING", "VERIFICATION"),
        contracts.learning: ("ESCROW", "MINING"),
        contracts.mining: ("LEARNING", "VERIFICATION", "ESCROW", "PAILLIER_SUM"),
        contracts.verification: ("ESCROW", "SEED"),
        contracts.paillier_sum: ("LEARNING", "MINING"),
    }
    for contract, getters in readings.items():
        for getter in getters:
            actual, expected = contract.immutable(getter), addresses[getter]
            if actual != expected:
                raise Fatal(
                    f"{contract.name}.{getter} is 0x{actual.hex()}, not 0x{expected.hex()}",
                    help="Deploy anew from a key that sends nothing else meanwhile.",
                )
    if not contracts.verification.is_consumer(contracts.mining.address):
        raise Fatal(
            f"Verification does not take cases from Mining at 0x{contracts.mining.address.hex()}",
            help="Deploy anew from a key that sends nothing else meanwhile.",
        )
