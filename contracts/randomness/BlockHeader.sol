// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISeed} from "./ISeed.sol";

/// @title BlockHeader
/// @notice Reads the three fields of an RLP-encoded block header that a seed needs, in one pass over its first fourteen.
/// @dev Field order of the Yellow Paper (§4.4.1), with EIP-4399's prevrandao in place of mixHash. Later forks append
/// fields; they are not read. OpenZeppelin 5.4 has no RLP reader.
library BlockHeader {
    uint256 private constant DIFFICULTY = 7;
    uint256 private constant NUMBER = 8;
    uint256 private constant PREVRANDAO = 13;

    function read(bytes calldata header)
        internal
        pure
        returns (uint256 difficulty, uint256 number, uint256 prevrandao)
    {
        (uint256 next, uint256 end) = _list(header);
        for (uint256 field = 0; field <= PREVRANDAO; ++field) {
            uint256 start;
            (start, next) = _string(header, next, end);
            if (field == DIFFICULTY) difficulty = _integer(header, start, next);
            else if (field == NUMBER) number = _integer(header, start, next);
            else if (field == PREVRANDAO) {
                if (next - start != 32) revert ISeed.SeedMalformedHeader();
                prevrandao = _integer(header, start, next);
            }
        }
    }

    /// @dev The payload of the list that the whole of `data` is; a header is always longer than 55 bytes.
    function _list(bytes calldata data) private pure returns (uint256 start, uint256 end) {
        if (data.length == 0 || uint8(data[0]) < 0xf8) revert ISeed.SeedMalformedHeader();
        end = data.length;
        start = 1 + uint256(uint8(data[0])) - 0xf7;
        if (start > end || _integer(data, 1, start) != end - start) revert ISeed.SeedMalformedHeader();
    }

    /// @dev The payload of the string that begins at `next`; where it ends, the next field begins.
    function _string(bytes calldata data, uint256 next, uint256 limit) private pure returns (uint256 start, uint256 end) {
        if (next >= limit) revert ISeed.SeedMalformedHeader();
        uint256 prefix = uint8(data[next]);
        if (prefix < 0x80) return (next, next + 1);
        if (prefix < 0xb8) {
            start = next + 1;
            end = start + prefix - 0x80;
        } else if (prefix < 0xc0) {
            start = next + 1 + prefix - 0xb7;
            if (start > limit) revert ISeed.SeedMalformedHeader();
            uint256 length = _integer(data, next + 1, start);
            if (length > limit) revert ISeed.SeedMalformedHeader();
            end = start + length;
        } else {
            revert ISeed.SeedMalformedHeader();
        }
        if (end > limit) revert ISeed.SeedMalformedHeader();
    }

    function _integer(bytes calldata data, uint256 start, uint256 end) private pure returns (uint256) {
        uint256 length = end - start;
        if (length == 0) return 0;
        if (length > 32) revert ISeed.SeedMalformedHeader();
        return uint256(bytes32(data[start:end])) >> (8 * (32 - length));
    }
}
