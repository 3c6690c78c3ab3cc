// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Sortition} from "../crypto/Sortition.sol";

/// @title SortitionHarness
/// @notice For tests only: Sortition's functions from outside, many at once.
contract SortitionHarness {
    function memberAt(uint256 seed, uint256 eligible, uint256 seat) external pure returns (uint256) {
        return Sortition.memberAt(seed, eligible, seat);
    }

    function panel(uint256 seed, uint256 eligible, uint256 size) public pure returns (uint256[] memory members) {
        members = new uint256[](size);
        for (uint256 seat = 0; seat < size; ++seat) {
            members[seat] = Sortition.memberAt(seed, eligible, seat);
        }
    }

    function panels(uint256[] calldata seeds, uint256 eligible, uint256 size)
        external
        pure
        returns (uint256[][] memory drawn)
    {
        drawn = new uint256[][](seeds.length);
        for (uint256 i = 0; i < seeds.length; ++i) {
            drawn[i] = panel(seeds[i], eligible, size);
        }
    }
}
