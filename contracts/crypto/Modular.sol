// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Modular
/// @notice Products and powers modulo the square of a large odd number, such as Paillier's N².
/// @dev A number is a run of `words` words in memory, the most significant first, named by where it begins. Powers and
/// squares are the precompile's (EIP-198). A product is ((a + b) / 2)² − ((a − b) / 2)²: two squares, about half the
/// price of a product word by word and its remainder.
// Numbers of many words are no type of Solidity's.
// solhint-disable no-inline-assembly
library Modular {
    /// @notice The precompile failed, or gave back something else than one number.
    error ModularPrecompileFailed();

    /// @dev The precompile's input stands in memory as a whole: three lengths, the base, a word of exponent, the modulus.
    /// @param words of a number
    /// @param base where the input's base begins
    /// @param modulus where the input's modulus begins
    /// @param x a number for what comes up on the way, as `y`
    struct Ring {
        uint256 words;
        uint256 base;
        uint256 modulus;
        uint256 x;
        uint256 y;
    }

    /// @return ring of the integers modulo n²
    /// @param n odd, big endian
    function ofSquare(bytes calldata n) internal view returns (Ring memory ring) {
        uint256 words = (2 * n.length + 31) / 32;
        // n² is below 2^(256·words), so modulo that it is itself.
        Ring memory wide = _allocate(words + 1);
        load(wide, wide.base, n);
        uint256 top = wide.modulus;
        assembly ("memory-safe") {
            mstore(top, 1)
        }
        power(wide, 2, wide.x);
        ring = _allocate(words);
        _copy(words, wide.x + 32, ring.modulus);
    }

    /// @return place of a new number, 0
    function zero(Ring memory ring) internal pure returns (uint256 place) {
        return _zeroes(32 * ring.words);
    }

    /// @notice Writes a big endian number of at most `words` words.
    function load(Ring memory ring, uint256 to, bytes calldata value) internal pure {
        uint256 size = 32 * ring.words;
        assembly ("memory-safe") {
            calldatacopy(to, calldatasize(), sub(size, value.length))
            calldatacopy(add(to, sub(size, value.length)), value.offset, value.length)
        }
    }

    /// @notice Raises what stands in the ring's base.
    function power(Ring memory ring, uint256 exponent, uint256 to) internal view {
        (uint256 base, uint256 size) = (ring.base, 32 * ring.words);
        bool done;
        assembly ("memory-safe") {
            mstore(add(base, size), exponent)
            // A call that fails may return nothing; so may, in its place, an address without a precompile.
            done := staticcall(gas(), 5, sub(base, 0x60), add(0x80, mul(2, size)), to, size)
            done := and(done, eq(returndatasize(), size))
        }
        if (!done) revert ModularPrecompileFailed();
    }

    /// @notice a·b for a and b below the modulus; the result may take the place of either.
    function multiply(Ring memory ring, uint256 a, uint256 b, uint256 to) internal view {
        (uint256 words, uint256 base, uint256 modulus) = (ring.words, ring.base, ring.modulus);
        // Half of the sum, up to its sign: of an odd sum, the difference to the modulus is even.
        uint256 carry = _add(words, a, b, base);
        if (_isOdd(words, base)) {
            uint256 borrow = _subtract(words, base, modulus, ring.x);
            if (carry < borrow) _subtract(words, modulus, base, base);
            else _copy(words, ring.x, base);
            carry = 0;
        }
        _halve(words, base, carry);
        power(ring, 2, ring.x);
        // Half of the difference, alike.
        if (_subtract(words, a, b, base) == 1) _subtract(words, b, a, base);
        if (_isOdd(words, base)) _subtract(words, modulus, base, base);
        _halve(words, base, 0);
        power(ring, 2, ring.y);
        if (_subtract(words, ring.x, ring.y, to) == 1) _add(words, to, modulus, to);
    }

    /// @return whether the number is below the modulus
    function isReduced(Ring memory ring, uint256 a) internal pure returns (bool) {
        return _subtract(ring.words, a, ring.modulus, ring.x) == 1;
    }

    /// @return value at a place, big endian
    function read(Ring memory ring, uint256 place) internal pure returns (bytes memory value) {
        value = new bytes(32 * ring.words);
        uint256 to;
        assembly ("memory-safe") {
            to := add(value, 32)
        }
        _copy(ring.words, place, to);
    }

    // --- numbers, word by word ---

    function _allocate(uint256 words) private pure returns (Ring memory ring) {
        uint256 size = 32 * words;
        uint256 input = _zeroes(0x80 + 2 * size);
        assembly ("memory-safe") {
            mstore(input, size)
            mstore(add(input, 0x20), 0x20)
            mstore(add(input, 0x40), size)
        }
        return Ring(words, input + 0x60, input + 0x80 + size, _zeroes(size), _zeroes(size));
    }

    function _zeroes(uint256 size) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := mload(0x40)
            mstore(0x40, add(place, size))
            calldatacopy(place, calldatasize(), size) // past its end, calldata is zero
        }
    }

    function _copy(uint256 words, uint256 from, uint256 to) private pure {
        assembly ("memory-safe") {
            for { let i := shl(5, words) } i {} {
                i := sub(i, 32)
                mstore(add(to, i), mload(add(from, i)))
            }
        }
    }

    function _isOdd(uint256 words, uint256 a) private pure returns (bool odd) {
        assembly ("memory-safe") {
            odd := and(mload(sub(add(a, shl(5, words)), 32)), 1)
        }
    }

    function _add(uint256 words, uint256 a, uint256 b, uint256 to) private pure returns (uint256 carry) {
        assembly ("memory-safe") {
            for { let i := shl(5, words) } i {} {
                i := sub(i, 32)
                let p := mload(add(a, i))
                let sum := add(p, mload(add(b, i)))
                let over := lt(sum, p)
                sum := add(sum, carry)
                carry := or(over, lt(sum, carry))
                mstore(add(to, i), sum)
            }
        }
    }

    function _subtract(uint256 words, uint256 a, uint256 b, uint256 to) private pure returns (uint256 borrow) {
        assembly ("memory-safe") {
            for { let i := shl(5, words) } i {} {
                i := sub(i, 32)
                let p := mload(add(a, i))
                let q := mload(add(b, i))
                let difference := sub(p, q)
                mstore(add(to, i), sub(difference, borrow))
                borrow := or(lt(p, q), lt(difference, borrow))
            }
        }
    }

    /// @param top the bit above the most significant word
    function _halve(uint256 words, uint256 a, uint256 top) private pure {
        assembly ("memory-safe") {
            let end := add(a, shl(5, words))
            for { let at := a } lt(at, end) { at := add(at, 32) } {
                let word := mload(at)
                mstore(at, or(shl(255, top), shr(1, word)))
                top := and(word, 1)
            }
        }
    }
}
