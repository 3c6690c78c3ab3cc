// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ISeed
/// @notice A seed that nobody chooses: requested first, known later.
interface ISeed {
    event SeedRequested(uint256 indexed id, address indexed by, bytes32 context, uint64 seedBlock);
    event SeedProven(uint256 indexed id, address indexed by, uint256 seed);

    error SeedDelayTooShort(uint256 delayBlocks);
    error SeedUnknown(uint256 id);
    error SeedAlreadyProven(uint256 id);
    error SeedTooEarly(uint64 seedBlock, uint256 blockNumber);
    error SeedBlockhashGone(uint64 seedBlock);
    error SeedWrongHeader(bytes32 actual, bytes32 expected);
    error SeedMalformedHeader();
    error SeedNotProofOfStake(uint256 difficulty);

    /// @notice Fixes the block that the seed will come from.
    /// @return id counted from 1
    function request(bytes32 context) external returns (uint256 id);

    /// @notice Proves the seed by the RLP of that block's header. Anyone.
    function prove(uint256 id, bytes calldata header) external;

    /// @return seed below 2¹²⁸, so that it shares a word with what is read beside it; 0 until proven
    /// @return provenAt seconds; 0 until proven
    /// @return prover who proved it
    function seedOf(uint256 id) external view returns (uint256 seed, uint64 provenAt, address prover);

    /// @return block whose header proves the seed
    function seedBlockOf(uint256 id) external view returns (uint64);
}
