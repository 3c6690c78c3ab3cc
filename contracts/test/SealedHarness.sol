// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Sealed} from "../crypto/Sealed.sol";
import {ILearningTypes} from "../learning/ILearning.sol";
import {Headers} from "../mining/Headers.sol";

/// @title SealedHarness
/// @notice Seals and headers for whoever compares them with another implementation; many at once, so that ten thousand
/// are quick.
contract SealedHarness {
    struct Vote {
        address verificationContract;
        address consumer;
        bytes32 caseKey;
        uint8 attempt;
        uint16 seat;
        address voter;
        uint32 ballot;
        bytes32 evidence;
        bytes32 salt;
    }

    struct Aggregate {
        address miningContract;
        bytes32 taskId;
        uint32 round;
        address edge;
        bytes32 digest;
        uint32 size;
        bytes32 root;
        uint64 nonce;
        bytes32 salt;
    }

    struct Closing {
        bytes32 candidateHeader;
        ILearningTypes.Outcome outcome;
        bytes32 openingDigest;
        bytes32 modelDigest;
    }

    function votes(Vote[] calldata v) external view returns (bytes32[] memory seals) {
        seals = new bytes32[](v.length);
        for (uint256 i = 0; i < v.length; ++i) {
            seals[i] = Sealed.vote(
                v[i].verificationContract,
                v[i].consumer,
                v[i].caseKey,
                v[i].attempt,
                v[i].seat,
                v[i].voter,
                v[i].ballot,
                v[i].evidence,
                v[i].salt
            );
        }
    }

    function aggregates(Aggregate[] calldata a) external view returns (bytes32[] memory seals) {
        seals = new bytes32[](a.length);
        for (uint256 i = 0; i < a.length; ++i) {
            seals[i] = Sealed.aggregate(
                a[i].miningContract,
                a[i].taskId,
                a[i].round,
                a[i].edge,
                a[i].digest,
                a[i].size,
                a[i].root,
                a[i].nonce,
                a[i].salt
            );
        }
    }

    function candidates(Headers.Candidate[] calldata c) external pure returns (bytes32[] memory headers) {
        headers = new bytes32[](c.length);
        for (uint256 i = 0; i < c.length; ++i) {
            headers[i] = Headers.candidate(c[i]);
        }
    }

    function closings(Closing[] calldata c) external pure returns (bytes32[] memory headers) {
        headers = new bytes32[](c.length);
        for (uint256 i = 0; i < c.length; ++i) {
            headers[i] =
                Headers.closing(c[i].candidateHeader, c[i].outcome, c[i].openingDigest, c[i].modelDigest);
        }
    }

    function failures(bytes32[] calldata parents, bytes32 taskId, uint32 round, ILearningTypes.Outcome outcome)
        external
        pure
        returns (bytes32[] memory headers)
    {
        headers = new bytes32[](parents.length);
        for (uint256 i = 0; i < parents.length; ++i) {
            headers[i] = Headers.failed(parents[i], taskId, round, outcome);
        }
    }

    /// @return key of the round's pot
    /// @return head the genesis over the terms
    /// @return enrolments after one more device
    /// @return parent of a round over that head and these enrolments
    function chain(
        bytes32 taskId,
        uint32 round,
        ILearningTypes.Terms calldata terms,
        bytes32 before,
        address device,
        uint32 weight,
        bytes32 ownership,
        uint16 count
    ) external pure returns (bytes32 key, bytes32 head, bytes32 enrolments, bytes32 parent) {
        key = Headers.roundKey(taskId, round);
        head = Headers.genesis(taskId, keccak256(abi.encode(terms)));
        enrolments = Headers.enrolments(before, device, weight, ownership);
        parent = Headers.parent(head, enrolments, count);
    }
}
