// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IEscrow} from "./IEscrow.sol";

/// @title Escrow
contract Escrow is IEscrow, ReentrancyGuard {
    address public immutable LEARNING;
    address public immutable MINING;
    address public immutable VERIFICATION;

    mapping(bytes32 pot => uint256) private _pots;
    mapping(address owner => uint256) private _credits;

    // Both sums change together, so they share a word. No chain holds 2¹²⁸ wei.
    uint128 private _totalPots;
    uint128 private _totalCredit;

    modifier onlyProtocol() {
        if (msg.sender != LEARNING && msg.sender != MINING && msg.sender != VERIFICATION) {
            revert EscrowNotProtocol(msg.sender);
        }
        _;
    }

    constructor(address learning, address mining, address verification) {
        LEARNING = learning;
        MINING = mining;
        VERIFICATION = verification;
    }

    /// @inheritdoc IEscrow
    function fund(bytes32 pot) external payable {
        _pots[pot] += msg.value;
        _totalPots += uint128(msg.value);
        emit PotFunded(pot, msg.sender, msg.value);
    }

    /// @inheritdoc IEscrow
    function pay(bytes32 pot, address to, uint256 amount, bytes32 reason) external onlyProtocol {
        _take(pot, amount);
        _credits[to] += amount;
        // A pot never holds more than all pots, so neither sum can under- or overflow.
        unchecked {
            _totalPots -= uint128(amount);
            _totalCredit += uint128(amount);
        }
        emit Paid(pot, to, amount, reason);
    }

    /// @inheritdoc IEscrow
    function move(bytes32 from, bytes32 to, uint256 amount) external onlyProtocol {
        _take(from, amount);
        _pots[to] += amount;
        emit PotMoved(from, to, amount);
    }

    /// @inheritdoc IEscrow
    function withdraw() external {
        _withdraw(msg.sender, msg.sender);
    }

    /// @inheritdoc IEscrow
    function withdrawTo(address to) external {
        _withdraw(msg.sender, to);
    }

    /// @inheritdoc IEscrow
    function withdrawFor(address owner) external {
        _withdraw(owner, owner);
    }

    /// @inheritdoc IEscrow
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    /// @inheritdoc IEscrow
    function potOf(bytes32 pot) external view returns (uint256) {
        return _pots[pot];
    }

    /// @inheritdoc IEscrow
    function creditOf(address owner) external view returns (uint256) {
        return _credits[owner];
    }

    /// @inheritdoc IEscrow
    function totalPots() external view returns (uint256) {
        return _totalPots;
    }

    /// @inheritdoc IEscrow
    function totalCredit() external view returns (uint256) {
        return _totalCredit;
    }

    /// @dev The one place that sends value.
    function _withdraw(address owner, address to) private nonReentrant {
        uint256 amount = _credits[owner];
        if (amount == 0) revert EscrowNothingOwed(owner);
        _credits[owner] = 0;
        _totalCredit -= uint128(amount);
        emit Withdrawn(owner, to, amount);
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert EscrowTransferFailed(to);
    }

    function _take(bytes32 pot, uint256 amount) private {
        uint256 held = _pots[pot];
        if (amount > held) revert EscrowPotTooSmall(pot, amount, held);
        unchecked {
            _pots[pot] = held - amount;
        }
    }
}
