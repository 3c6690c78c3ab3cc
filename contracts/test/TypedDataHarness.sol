// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ILearningTypes} from "../learning/ILearning.sol";
import {Messages} from "../learning/Messages.sol";

/// @title TypedDataHarness
/// @notice Struct hashes and signing hashes for whoever compares them with another implementation; many at once.
contract TypedDataHarness is EIP712 {
    struct Ticket {
        bytes32 taskId;
        address device;
    }

    struct Enrolment {
        bytes32 taskId;
        address device;
        uint32 weight;
        bytes32 ownership;
        uint64 deadline;
    }

    struct Update {
        bytes32 taskId;
        uint32 round;
        address device;
        ILearningTypes.Update update;
        uint64 deadline;
    }

    struct Attestation {
        bytes32 taskId;
        uint32 round;
        uint8 holder;
        uint256 mask;
        uint64 deadline;
    }

    struct Share {
        bytes32 taskId;
        uint32 round;
        uint8 holder;
        bytes32 digest;
        uint32 size;
        uint64 deadline;
    }

    constructor(string memory name) EIP712(name, "1") {}

    function signingHashes(bytes32[] calldata structHashes) external view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](structHashes.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = _hashTypedDataV4(structHashes[i]);
        }
    }

    function tickets(Ticket[] calldata m) external pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](m.length);
        for (uint256 i = 0; i < m.length; ++i) {
            hashes[i] = Messages.ticket(m[i].taskId, m[i].device);
        }
    }

    function enrolments(Enrolment[] calldata m) external pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](m.length);
        for (uint256 i = 0; i < m.length; ++i) {
            hashes[i] = Messages.enrolment(m[i].taskId, m[i].device, m[i].weight, m[i].ownership, m[i].deadline);
        }
    }

    function updates(Update[] calldata m) external pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](m.length);
        for (uint256 i = 0; i < m.length; ++i) {
            hashes[i] = Messages.update(m[i].taskId, m[i].round, m[i].device, m[i].update, m[i].deadline);
        }
    }

    function attestations(Attestation[] calldata m) external pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](m.length);
        for (uint256 i = 0; i < m.length; ++i) {
            hashes[i] = Messages.attestation(m[i].taskId, m[i].round, m[i].holder, m[i].mask, m[i].deadline);
        }
    }

    function shares(Share[] calldata m) external pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](m.length);
        for (uint256 i = 0; i < m.length; ++i) {
            hashes[i] =
                Messages.share(m[i].taskId, m[i].round, m[i].holder, m[i].digest, m[i].size, m[i].deadline);
        }
    }
}
