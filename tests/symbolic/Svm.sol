// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Vm
/// @notice The few of forge's cheat codes that halmos answers and these tests use.
interface Vm {
    function assume(bool condition) external pure;
    function prank(address caller) external;
    function deal(address account, uint256 balance) external;
    function warp(uint256 timestamp) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
