// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title MerkleHarness
/// @notice For tests only: OpenZeppelin's check of a ciphertext at its position under an update's root.
contract MerkleHarness {
    function holds(bytes32[] calldata branch, bytes32 root, uint32 position, bytes calldata ciphertext)
        external
        pure
        returns (bool)
    {
        return MerkleProof.verifyCalldata(branch, root, keccak256(abi.encodePacked(position, ciphertext)));
    }
}
