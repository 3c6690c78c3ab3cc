// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Roster
/// @notice Who stands at which index, now and as of any earlier panel.
/// @dev Members stand at 0 … count − 1 without gaps: a leaver's place is taken by the last. A panel is numbered by the
/// epoch in which it was summoned; changes after it carry a later epoch and cannot touch it. Not OpenZeppelin's
/// Checkpoints: the newest version lies in one word, so that the usual look-up costs one cold read, not two.
library Roster {
    /// @param since the first epoch for which this holds
    /// @param earlier how many versions came before
    struct Place {
        address member;
        uint40 since;
        uint56 earlier;
    }

    struct Book {
        mapping(uint256 index => Place) places;
        mapping(uint256 index => mapping(uint256 version => Place)) history;
    }

    /// @notice Puts a member at an index, as of `epoch`.
    function set(Book storage book, uint256 index, address member, uint40 epoch) internal {
        Place memory place = book.places[index];
        // Within one epoch no panel was summoned that could ask for the replaced one.
        if (place.member != address(0) && place.since != epoch) {
            book.history[index][place.earlier] = place;
            ++place.earlier;
        }
        book.places[index] = Place({member: member, since: epoch, earlier: place.earlier});
    }

    /// @notice Who stands at an index now.
    function memberAt(Book storage book, uint256 index) internal view returns (address) {
        return book.places[index].member;
    }

    /// @notice Who stood at an index as of `epoch`. O(log versions).
    function memberAt(Book storage book, uint256 index, uint40 epoch) internal view returns (address) {
        Place memory place = book.places[index];
        if (place.since <= epoch) return place.member;
        // The last version that is not younger than the epoch.
        uint256 low = 0;
        uint256 high = place.earlier;
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (book.history[index][middle].since <= epoch) low = middle;
            else high = middle;
        }
        return book.history[index][low].member;
    }
}
