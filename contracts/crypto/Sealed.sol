// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Sealed
/// @notice What a seal hides, and what it is bound to. A seal without its owner in it can be copied.
library Sealed {
    bytes32 private constant VOTE = keccak256("cairn.seal.vote.v1");
    bytes32 private constant AGGREGATE = keccak256("cairn.seal.aggregate.v1");

    /// @param verificationContract the contract that will open the seal
    /// @param ballot the four masks, packed as valid ‖ invalid ‖ right ‖ wrong in the low 32 bits
    function vote(
        address verificationContract,
        address consumer,
        bytes32 caseKey,
        uint8 attempt,
        uint16 seat,
        address voter,
        uint32 ballot,
        bytes32 evidence,
        bytes32 salt
    ) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                VOTE,
                block.chainid,
                verificationContract,
                consumer,
                caseKey,
                attempt,
                seat,
                voter,
                ballot,
                evidence,
                salt
            )
        );
    }

    /// @param miningContract the contract that will open the seal
    function aggregate(
        address miningContract,
        bytes32 taskId,
        uint32 round,
        address edge,
        bytes32 digest,
        uint32 size,
        bytes32 root,
        uint64 nonce,
        bytes32 salt
    ) internal view returns (bytes32) {
        return keccak256(
            abi.encode(AGGREGATE, block.chainid, miningContract, taskId, round, edge, digest, size, root, nonce, salt)
        );
    }
}
