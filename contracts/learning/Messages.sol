// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILearningTypes} from "./ILearning.sol";

/// @title Messages
/// @notice EIP-712 struct hashes of what devices, holders and the admission key sign for anybody to relay.
/// @dev Types are hashed in, so that a signature of one message never passes for another's.
library Messages {
    bytes32 private constant TICKET = keccak256("Ticket(bytes32 taskId,address device)");
    bytes32 private constant ENROLMENT =
        keccak256("Enrolment(bytes32 taskId,address device,uint32 weight,bytes32 ownership,uint64 deadline)");
    bytes32 private constant UPDATE = keccak256(
        // solhint-disable-next-line max-line-length
        "Update(bytes32 taskId,uint32 round,address device,bytes32 digest,uint32 size,bytes32 root,uint32 computeMillis,uint64 deadline)"
    );
    bytes32 private constant ATTESTATION =
        keccak256("Attestation(bytes32 taskId,uint32 round,uint8 holder,uint256 mask,uint64 deadline)");
    bytes32 private constant SHARE =
        keccak256("Share(bytes32 taskId,uint32 round,uint8 holder,bytes32 digest,uint32 size,uint64 deadline)");

    function ticket(bytes32 taskId, address device) internal pure returns (bytes32) {
        return keccak256(abi.encode(TICKET, taskId, device));
    }

    function enrolment(bytes32 taskId, address device, uint32 weight, bytes32 ownership, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(ENROLMENT, taskId, device, weight, ownership, deadline));
    }

    function update(
        bytes32 taskId,
        uint32 round,
        address device,
        ILearningTypes.Update calldata committed,
        uint64 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(UPDATE, taskId, round, device, committed, deadline));
    }

    function attestation(bytes32 taskId, uint32 round, uint8 holder, uint256 mask, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(ATTESTATION, taskId, round, holder, mask, deadline));
    }

    function share(bytes32 taskId, uint32 round, uint8 holder, bytes32 digest, uint32 size, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SHARE, taskId, round, holder, digest, size, deadline));
    }
}
