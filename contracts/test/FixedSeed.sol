// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISeed} from "../randomness/ISeed.sol";

/// @title FixedSeed
/// @notice For tests only: every request gets the seed that was fixed at construction, at once or when `prove` is called.
contract FixedSeed is ISeed {
    uint128 public immutable SEED;
    bool public immutable PROVEN_ON_REQUEST;

    uint256 private _requests;
    mapping(uint256 id => uint64) private _provenAt;
    mapping(uint256 id => address) private _prover;
    mapping(uint256 id => uint64) private _requestedAt;

    constructor(uint128 seed, bool provenOnRequest) {
        SEED = seed;
        PROVEN_ON_REQUEST = provenOnRequest;
    }

    /// @inheritdoc ISeed
    function request(bytes32 context) external returns (uint256 id) {
        id = ++_requests;
        _requestedAt[id] = uint64(block.number);
        emit SeedRequested(id, msg.sender, context, uint64(block.number));
        if (PROVEN_ON_REQUEST) _prove(id);
    }

    /// @inheritdoc ISeed
    function prove(uint256 id, bytes calldata) external {
        if (_requestedAt[id] == 0) revert SeedUnknown(id);
        if (_provenAt[id] != 0) revert SeedAlreadyProven(id);
        _prove(id);
    }

    /// @inheritdoc ISeed
    function seedOf(uint256 id) external view returns (uint256 seed, uint64 provenAt, address prover) {
        if (_provenAt[id] != 0) return (SEED, _provenAt[id], _prover[id]);
    }

    /// @inheritdoc ISeed
    function seedBlockOf(uint256 id) external view returns (uint64) {
        return _requestedAt[id];
    }

    function _prove(uint256 id) private {
        _provenAt[id] = uint64(block.timestamp);
        _prover[id] = msg.sender;
        emit SeedProven(id, msg.sender, SEED);
    }
}
