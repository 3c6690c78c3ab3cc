// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Modular} from "../crypto/Modular.sol";

/// @title ModularHarness
/// @notice For tests only: the library's functions to be called. Numbers are big endian, below n².
contract ModularHarness {
    using Modular for Modular.Ring;

    function square(bytes calldata n) external view returns (bytes memory) {
        Modular.Ring memory ring = Modular.ofSquare(n);
        return ring.read(ring.modulus);
    }

    function multiply(bytes calldata n, bytes calldata a, bytes calldata b) external view returns (bytes memory) {
        Modular.Ring memory ring = Modular.ofSquare(n);
        (uint256 left, uint256 right) = (ring.zero(), ring.zero());
        ring.load(left, a);
        ring.load(right, b);
        ring.multiply(left, right, left);
        return ring.read(left);
    }

    function power(bytes calldata n, bytes calldata a, uint256 exponent) external view returns (bytes memory) {
        Modular.Ring memory ring = Modular.ofSquare(n);
        uint256 result = ring.zero();
        ring.load(ring.base, a);
        ring.power(exponent, result);
        return ring.read(result);
    }

    function isReduced(bytes calldata n, bytes calldata a) external view returns (bool) {
        Modular.Ring memory ring = Modular.ofSquare(n);
        ring.load(ring.base, a);
        return ring.isReduced(ring.base);
    }
}
