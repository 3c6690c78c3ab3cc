// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Bitmap
/// @notice Sets of at most 256 numbered things, one bit each.
library Bitmap {
    /// @return mask bits 0 … n−1
    function first(uint256 n) internal pure returns (uint256 mask) {
        return n > 255 ? type(uint256).max : (1 << n) - 1;
    }

    function has(uint256 mask, uint256 index) internal pure returns (bool) {
        return index < 256 && (mask >> index) & 1 == 1;
    }

    /// @return lowest index of a set bit; 256 for the empty set
    function lowest(uint256 mask) internal pure returns (uint256) {
        // The bits below the lowest set bit, counted.
        return mask == 0 ? 256 : count((mask - 1) & ~mask);
    }

    /// @return n number of set bits
    function count(uint256 mask) internal pure returns (uint256 n) {
        // Sums of neighbours in 2, 4 and 8 bits; each sum fits its field. A byte holds at most 8, so 256 bits sum to
        // at most 256, which needs 9 bits: the bytes are first paired into 16 bits, whose sums then fit.
        unchecked {
            mask -= (mask >> 1) & 0x5555555555555555555555555555555555555555555555555555555555555555;
            mask = (mask & 0x3333333333333333333333333333333333333333333333333333333333333333)
                + ((mask >> 2) & 0x3333333333333333333333333333333333333333333333333333333333333333);
            mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            mask = (mask + (mask >> 8)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            n = (mask * 0x0001000100010001000100010001000100010001000100010001000100010001) >> 240;
        }
    }
}
