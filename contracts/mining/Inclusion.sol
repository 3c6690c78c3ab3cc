// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Inclusion
/// @notice Which devices are marked by at least t of at most 32 holders.
library Inclusion {
    /// @notice 256 counters at once, bit-sliced: plane i holds bit i of every device's count.
    /// @dev O(holders) whatever the number of devices. Six planes count to 63.
    struct Counters {
        uint256 p0;
        uint256 p1;
        uint256 p2;
        uint256 p3;
        uint256 p4;
        uint256 p5;
    }

    /// @notice Adds one to the counter of every device in the mask: a ripple of carries through the planes.
    function add(Counters memory c, uint256 mask) internal pure {
        uint256 carry = c.p0 & mask;
        c.p0 ^= mask;
        (c.p1, carry) = (c.p1 ^ carry, c.p1 & carry);
        (c.p2, carry) = (c.p2 ^ carry, c.p2 & carry);
        (c.p3, carry) = (c.p3 ^ carry, c.p3 & carry);
        (c.p4, carry) = (c.p4 ^ carry, c.p4 & carry);
        c.p5 ^= carry;
    }

    /// @return mask of the devices whose counter is `threshold` or more
    function atLeast(Counters memory c, uint256 threshold) internal pure returns (uint256 mask) {
        uint256[6] memory planes = [c.p0, c.p1, c.p2, c.p3, c.p4, c.p5];
        // Comparing from the highest bit down: greater once a counter has a bit that the threshold lacks.
        uint256 greater;
        uint256 equal = type(uint256).max;
        for (uint256 i = 6; i > 0;) {
            unchecked {
                --i; // i > 0 by the loop's condition
            }
            if ((threshold >> i) & 1 == 1) {
                equal &= planes[i];
            } else {
                greater |= equal & planes[i];
                equal &= ~planes[i];
            }
        }
        return greater | equal;
    }
}
