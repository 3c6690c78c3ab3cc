// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILearningTypes} from "../learning/ILearning.sol";

/// @title Headers
/// @notice The chain of headers from a task's genesis to its last round: what an auditor walks back.
library Headers {
    /// @notice What a candidate's header binds; β and the nonce are the paper's, the rest fixes the sum.
    struct Candidate {
        bytes32 parent;
        bytes32 taskId;
        uint32 round;
        ILearningTypes.RoundKind kind;
        uint256 includedMask;
        uint64 totalWeight;
        bytes32 aggregateDigest;
        uint32 aggregateSize;
        bytes32 aggregateRoot;
        address edge;
        uint64 beta;
        uint64 nonce;
    }

    function roundKey(bytes32 taskId, uint32 round) internal pure returns (bytes32) {
        return keccak256(abi.encode(taskId, round));
    }

    /// @return head of a task before its first round
    function genesis(bytes32 taskId, bytes32 termsDigest) internal pure returns (bytes32 head) {
        return keccak256(abi.encode(taskId, termsDigest));
    }

    /// @return hash of all enrolments so far, in order
    function enrolments(bytes32 before, address device, uint32 weight, bytes32 ownership)
        internal
        pure
        returns (bytes32 hash)
    {
        return keccak256(abi.encode(before, device, weight, ownership));
    }

    /// @return pointer ℵ: what a round builds on
    function parent(bytes32 head, bytes32 enrolled, uint16 count) internal pure returns (bytes32 pointer) {
        return keccak256(abi.encode(head, enrolled, count));
    }

    /// @dev All fields are values: in memory they stand as `abi.encode` would write them.
    function candidate(Candidate memory block_) internal pure returns (bytes32 header) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            header := keccak256(block_, 0x180)
        }
    }

    /// @return header of a round that a candidate and an opening closed
    function closing(
        bytes32 candidateHeader,
        ILearningTypes.Outcome outcome,
        bytes32 openingDigest,
        bytes32 modelDigest
    ) internal pure returns (bytes32 header) {
        return keccak256(abi.encode(candidateHeader, outcome, openingDigest, modelDigest));
    }

    /// @return header of a round that closed without one
    function failed(bytes32 pointer, bytes32 taskId, uint32 round, ILearningTypes.Outcome outcome)
        internal
        pure
        returns (bytes32 header)
    {
        return keccak256(abi.encode(pointer, taskId, round, outcome));
    }
}
