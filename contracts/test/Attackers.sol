// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IEscrow} from "../escrow/IEscrow.sol";

/// @title Reenterer
/// @notice For tests only: asks for its money again while it is being paid, and swallows the refusal.
contract Reenterer {
    IEscrow private immutable ESCROW;
    bytes public refusal;

    constructor(IEscrow escrow) {
        ESCROW = escrow;
    }

    receive() external payable {
        try ESCROW.withdraw() {}
        catch (bytes memory reason) {
            refusal = reason;
        }
    }

    function attack() external {
        ESCROW.withdraw();
    }
}

/// @title RefusesEther
/// @notice For tests only: cannot be paid, but can have its credit sent elsewhere.
contract RefusesEther {
    function withdrawTo(IEscrow escrow, address to) external {
        escrow.withdrawTo(to);
    }
}
