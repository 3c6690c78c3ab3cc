// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title Sortition
/// @notice Who sits on a seat: the partial Fisher–Yates shuffle of `eligible` members, read at one place.
/// @dev Seat i draws r_i uniformly from [i, eligible) and swaps. Who ends up at a seat is found by walking the earlier
/// draws backwards, so nothing is stored and the cost is one hash per earlier seat. Seats are distinct by construction.
library Sortition {
    error SortitionSeatOutOfRange(uint256 seat, uint256 eligible);

    /// @return index of the member on `seat`, below `eligible`
    function memberAt(uint256 seed, uint256 eligible, uint256 seat) internal pure returns (uint256 index) {
        if (seat >= eligible) revert SortitionSeatOutOfRange(seat, eligible);
        index = draw(seed, eligible, seat);
        for (uint256 i = seat; i > 0; --i) {
            if (index == draw(seed, eligible, i - 1)) index = i - 1;
        }
    }

    /// @dev A 256-bit hash modulo at most 2³² members: bias below 2⁻²²⁴.
    function draw(uint256 seed, uint256 eligible, uint256 seat) internal pure returns (uint256) {
        // keccak256(abi.encode(seed, seat))
        return seat + uint256(Hashes.efficientKeccak256(bytes32(seed), bytes32(seat))) % (eligible - seat);
    }
}
