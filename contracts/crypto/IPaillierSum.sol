// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILearningTypes} from "../learning/ILearning.sol";

/// @title IPaillierSumTypes
/// @notice What a proof brings along because the chain keeps only its hash.
interface IPaillierSumTypes {
    /// @notice The round that a proof is about.
    /// @param terms of the task, whole
    /// @param n modulus of the task's key, big endian, without leading zeros
    struct ProofFacts {
        bytes32 taskId;
        uint32 round;
        ILearningTypes.Terms terms;
        bytes n;
    }

    /// @notice A ciphertext at the position that is in question.
    /// @param ciphertext big endian, twice as long as n
    /// @param branch Merkle branch of keccak256(position as 4 bytes ‖ ciphertext)
    struct Leaf {
        bytes ciphertext;
        bytes32[] branch;
    }

    /// @notice An included device's part of the product: its commit, and its ciphertext.
    struct Factor {
        address device;
        ILearningTypes.Update update;
        Leaf leaf;
    }

    /// @notice A product that was begun: nothing at first, then what `multiply` came to.
    /// @param remaining bitmap by enrolment index of the included devices that are still to be multiplied in
    /// @param product so far, big endian in whole words of 32 bytes; empty at first
    struct Partial {
        uint256 remaining;
        bytes product;
    }
}

/// @title IPaillierSumErrors
interface IPaillierSumErrors is IPaillierSumTypes {
    error PaillierSumWrongTerms(bytes32 actual, bytes32 expected);
    error PaillierSumWrongKey(bytes32 actual, bytes32 expected);
    error PaillierSumNotFixed(bytes32 taskId, uint32 round);
    error PaillierSumTooManyFactors(uint256 length, uint256 max);
    error PaillierSumNotIncluded(address device);
    error PaillierSumNotCommitted(address device);
    error PaillierSumBadLeaf(address owner, uint32 position);
    error PaillierSumWrongPartial(bytes32 actual, bytes32 expected);
    error PaillierSumIncomplete(uint256 remaining);
    error PaillierSumHolds(address owner);
    error PaillierSumWrongBlob(bytes32 actual, bytes32 expected);
}

/// @title IPaillierSumEvents
interface IPaillierSumEvents is IPaillierSumTypes {
    /// @param commitment hash of what is still to be multiplied in, and of the product so far
    event ProductAdvanced(
        bytes32 indexed taskId,
        uint32 indexed round,
        address indexed by,
        uint32 position,
        uint256 remaining,
        bytes32 commitment
    );
}

/// @title IPaillierSum
/// @notice The judge of what can be computed: whether a candidate is the product of the included updates, and whether an
/// update has the Merkle root that was committed with it. What it finds wrong, Mining takes out; nobody votes.
interface IPaillierSum is IPaillierSumErrors, IPaillierSumEvents {
    function version() external view returns (string memory);

    /// @notice Multiplies some of the included devices' ciphertexts at a position, each raised to s_k where the edge
    /// weighs, for a later `strikeOut` by the same caller: where all of them are too much for one transaction.
    /// @dev Who begins brings at least one: a product of nothing is refused.
    function multiply(ProofFacts calldata facts, uint32 position, Partial calldata before, Factor[] calldata factors)
        external;

    /// @notice Strikes a candidate out that is not ∏ c_k^{s_k} mod N² at a position, or cannot be: a position that no sum
    /// of the task has, a branch of another length than there, a number of N² or more. What cannot be needs no factors.
    /// Reverts where the candidate is right. The caller has half of the bond.
    /// @param slot of the candidate
    /// @param candidate its ciphertext at the position
    function strikeOut(
        ProofFacts calldata facts,
        uint32 position,
        uint8 slot,
        Leaf calldata candidate,
        Partial calldata before,
        Factor[] calldata factors
    ) external;

    /// @notice Excludes a device whose update's ciphertexts do not have the Merkle root that it committed to.
    /// @param blob the update as published, which must have the committed digest; at most one chunk of the store, since
    /// only then its digest is a plain SHA-256
    function excludeUpdate(
        ProofFacts calldata facts,
        address device,
        ILearningTypes.Update calldata update,
        bytes calldata blob
    ) external;

    /// @return commitment to the product that a challenger has begun, or 0
    function partialOf(address by, bytes32 taskId, uint32 round, uint32 position)
        external
        view
        returns (bytes32 commitment);
}
