// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IEscrow} from "../escrow/IEscrow.sol";

/// @title Reenterer
/// @notice For tests only: asks for its money again while it is being paid, and notes what it is told.
contract Reenterer {
    IEscrow private immutable ESCROW;
    bytes public answer;

    constructor(IEscrow escrow) {
        ESCROW = escrow;
    }

    receive() external payable {
        try ESCROW.withdraw() {
            answer = "paid twice";
        } catch (bytes memory refusal) {
            answer = refusal;
        }
    }

    function attack() external {
        ESCROW.withdraw();
    }
}
