// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BlockHeader} from "../randomness/BlockHeader.sol";

/// @title HeaderHarness
/// @notice For tests only: BlockHeader's reader from outside.
contract HeaderHarness {
    function read(bytes calldata header)
        external
        pure
        returns (uint256 difficulty, uint256 number, uint256 prevrandao)
    {
        return BlockHeader.read(header);
    }
}
