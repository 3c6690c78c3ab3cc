// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IEscrow} from "../escrow/IEscrow.sol";

/// @title RefusesEther
/// @notice For tests only: cannot be paid, but can have its credit sent elsewhere.
contract RefusesEther {
    function withdrawTo(IEscrow escrow, address to) external {
        escrow.withdrawTo(to);
    }
}
