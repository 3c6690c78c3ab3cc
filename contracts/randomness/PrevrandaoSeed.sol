// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {BlockHeader} from "./BlockHeader.sol";
import {ISeed} from "./ISeed.sol";

/// @title PrevrandaoSeed
/// @notice Seeds from the randomness that the chain's own validators put into a block fixed at the request (EIP-4399).
/// @dev Whoever proposes the seed block may withhold it: one bit a slot. Nobody else has any choice.
contract PrevrandaoSeed is ISeed {
    /// @param word the context until the seed is proven, the seed from then on
    struct Request {
        uint48 seedBlock;
        uint48 provenAt;
        address prover;
        bytes32 word;
    }

    /// @notice How many blocks after the request the seed block lies; at least four epochs where money is at stake.
    uint256 public immutable DELAY_BLOCKS;

    uint256 private _requests;
    mapping(uint256 id => Request) private _requestOf;

    constructor(uint256 delayBlocks) {
        // The randomness of the requesting block itself is known to who requests.
        if (delayBlocks == 0) revert SeedDelayTooShort(delayBlocks);
        DELAY_BLOCKS = delayBlocks;
    }

    /// @inheritdoc ISeed
    function request(bytes32 context) external returns (uint256 id) {
        id = ++_requests;
        uint64 seedBlock = uint64(block.number + DELAY_BLOCKS);
        _requestOf[id] = Request({seedBlock: uint48(seedBlock), provenAt: 0, prover: address(0), word: context});
        emit SeedRequested(id, msg.sender, context, seedBlock);
    }

    /// @inheritdoc ISeed
    function prove(uint256 id, bytes calldata header) external {
        Request memory asked = _requestOf[id];
        if (asked.seedBlock == 0) revert SeedUnknown(id);
        if (asked.provenAt != 0) revert SeedAlreadyProven(id);
        if (block.number <= asked.seedBlock) revert SeedTooEarly(asked.seedBlock, block.number);
        bytes32 expected = Blockhash.blockHash(asked.seedBlock);
        if (expected == 0) revert SeedBlockhashGone(asked.seedBlock);
        bytes32 actual = keccak256(header);
        if (actual != expected) revert SeedWrongHeader(actual, expected);

        (uint256 difficulty, uint256 number, uint256 prevrandao) = BlockHeader.read(header);
        if (number != asked.seedBlock) revert SeedMalformedHeader();
        // Chains without proof of stake have a constant there.
        if (difficulty != 0) revert SeedNotProofOfStake(difficulty);

        uint256 seed = uint128(uint256(keccak256(abi.encode(prevrandao, address(this), id, asked.word))));
        _requestOf[id] = Request({
            seedBlock: asked.seedBlock,
            provenAt: uint48(block.timestamp),
            prover: msg.sender,
            word: bytes32(seed)
        });
        emit SeedProven(id, msg.sender, seed);
    }

    /// @inheritdoc ISeed
    function seedOf(uint256 id) external view returns (uint256 seed, uint64 provenAt, address prover) {
        Request storage asked = _requestOf[id];
        provenAt = asked.provenAt;
        if (provenAt != 0) (seed, prover) = (uint256(asked.word), asked.prover);
    }

    /// @inheritdoc ISeed
    function seedBlockOf(uint256 id) external view returns (uint64) {
        return _requestOf[id].seedBlock;
    }
}
