// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IEscrowErrors
interface IEscrowErrors {
    error EscrowNotProtocol(address caller);
    error EscrowPotTooSmall(bytes32 pot, uint256 wanted, uint256 held);
    error EscrowNothingOwed(address owner);
    error EscrowTransferFailed(address to);
}

/// @title IEscrowEvents
interface IEscrowEvents {
    event PotFunded(bytes32 indexed pot, address indexed from, uint256 amount);
    event PotMoved(bytes32 indexed from, bytes32 indexed to, uint256 amount);
    event Paid(bytes32 indexed pot, address indexed to, uint256 amount, bytes32 reason);
    event Withdrawn(address indexed owner, address indexed to, uint256 amount);
}

/// @title IEscrow
/// @notice All money; the only contract that sends value. Accounted by counters, never by balance.
interface IEscrow is IEscrowErrors, IEscrowEvents {
    function version() external view returns (string memory);

    /// @notice Adds the value sent to a pot. Anyone.
    function fund(bytes32 pot) external payable;

    /// @notice Turns money of a pot into somebody's credit. Protocol contracts only.
    function pay(bytes32 pot, address to, uint256 amount, bytes32 reason) external;

    /// @notice Moves money between pots. Protocol contracts only.
    function move(bytes32 from, bytes32 to, uint256 amount) external;

    /// @notice Sends the caller's credit to the caller.
    function withdraw() external;

    /// @notice Sends the caller's credit to another address.
    function withdrawTo(address to) external;

    /// @notice Sends an owner's credit to that owner. Anyone, so that a device without ether is paid.
    function withdrawFor(address owner) external;

    function potOf(bytes32 pot) external view returns (uint256);

    function creditOf(address owner) external view returns (uint256);

    function totalPots() external view returns (uint256);

    function totalCredit() external view returns (uint256);
}
