// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Sealed} from "../../contracts/crypto/Sealed.sol";
import {FixedSeed} from "../../contracts/test/FixedSeed.sol";
import {FixedSlate} from "../../contracts/test/FixedSlate.sol";
import {Escrow} from "../../contracts/escrow/Escrow.sol";
import {Verification} from "../../contracts/verification/Verification.sol";
import {ISlate, IVerificationTypes} from "../../contracts/verification/IVerification.sol";
import {vm} from "./Svm.sol";

/// @title SealedTest
/// @notice Proven for every argument, keccak256 taken to be injective: a seal opens to what was sealed, for its owner
/// alone; and on a panel of four, nobody reveals another's vote, nor anything but what was sealed.
contract SealedTest {
    function check_aVoteOpensForItsOwnerAlone(
        address verification,
        bytes32 caseKey,
        uint8 attempt,
        uint16 seat,
        address[2] memory voter,
        uint32[2] memory ballot,
        bytes32[2] memory evidence,
        bytes32[2] memory salt
    ) public view {
        bytes32 own = Sealed.vote(
            verification, address(this), caseKey, attempt, seat, voter[0], ballot[0], evidence[0], salt[0]
        );
        bytes32 other = Sealed.vote(
            verification, address(this), caseKey, attempt, seat, voter[1], ballot[1], evidence[1], salt[1]
        );
        if (own != other) return;
        assert(voter[0] == voter[1] && ballot[0] == ballot[1]);
        assert(evidence[0] == evidence[1] && salt[0] == salt[1]);
    }

    function check_aVoteOpensInItsPlaceAlone(
        address[2] memory verification,
        address[2] memory consumer,
        bytes32[2] memory caseKey,
        uint8[2] memory attempt,
        uint16[2] memory seat,
        address voter,
        bytes32 salt
    ) public view {
        bytes32 here = Sealed.vote(verification[0], consumer[0], caseKey[0], attempt[0], seat[0], voter, 0, 0, salt);
        bytes32 there = Sealed.vote(verification[1], consumer[1], caseKey[1], attempt[1], seat[1], voter, 0, 0, salt);
        if (here != there) return;
        assert(verification[0] == verification[1] && consumer[0] == consumer[1] && caseKey[0] == caseKey[1]);
        assert(attempt[0] == attempt[1] && seat[0] == seat[1]);
    }

    function check_anAggregateOpensForItsOwnerAlone(
        bytes32[2] memory taskId,
        uint32[2] memory round,
        address[2] memory edge,
        bytes32[2] memory digest,
        uint32[2] memory size,
        bytes32[2] memory root,
        uint64[2] memory nonce,
        bytes32[2] memory salt
    ) public view {
        address mining = address(this);
        bytes32 own = Sealed.aggregate(
            mining, taskId[0], round[0], edge[0], digest[0], size[0], root[0], nonce[0], salt[0]
        );
        bytes32 other = Sealed.aggregate(
            mining, taskId[1], round[1], edge[1], digest[1], size[1], root[1], nonce[1], salt[1]
        );
        if (own != other) return;
        assert(taskId[0] == taskId[1] && round[0] == round[1] && edge[0] == edge[1]);
        assert(digest[0] == digest[1] && size[0] == size[1] && root[0] == root[1]);
        assert(nonce[0] == nonce[1] && salt[0] == salt[1]);
    }
}

/// @title RevealTest
contract RevealTest is IVerificationTypes {
    bytes32 private constant CASE = "case";
    uint256 private constant STAKE = 1 ether;

    Verification private verification;
    FixedSlate private consumer;
    address[4] private people;

    function setUp() public {
        consumer = new FixedSlate();
        FixedSeed seed = new FixedSeed(7, true);
        people = [address(0xa1), address(0xa2), address(0xa3), address(0xa4)];
        address[] memory consumers = new address[](1);
        consumers[0] = address(consumer);
        // Nobody is paid here, so it need not know the real one.
        Escrow escrow = new Escrow(address(consumer), address(0x319), address(0x7e4));
        verification = new Verification(escrow, seed, consumers, STAKE, STAKE / 10, 60, 3600, 3, 60, 1);
        for (uint256 i = 0; i < 4; ++i) {
            vm.deal(people[i], STAKE);
            vm.prank(people[i]);
            verification.join{value: STAKE}();
        }
        vm.warp(block.timestamp + 60);
        verification.promote(4);
        consumer.put(CASE, ISlate.Slate(true, 3, 1, 4, 6667, 100, 100, 200, 0, 0, "pot"));
        verification.summon(address(consumer), CASE, 0);
    }

    /// @notice Four are seated and have committed; whoever reveals whatever on a seat, only what its owner sealed counts.
    function _check(uint16 seat, address thief, uint32 hidden, bytes32 salt, Ballot memory ballot, bytes32[2] memory told)
        private
    {
        address owner = verification.seatOf(address(consumer), CASE, 0, seat);
        bytes32 seal_ = Sealed.vote(
            address(verification), address(consumer), CASE, 0, seat, owner, hidden, "evidence", salt
        );
        for (uint16 i = 0; i < 4; ++i) {
            vm.prank(verification.seatOf(address(consumer), CASE, 0, i));
            verification.commitVote(address(consumer), CASE, 0, i, i == seat ? seal_ : bytes32("another's"));
        }
        uint32 packed =
            uint32(ballot.valid) << 24 | uint32(ballot.invalid) << 16 | uint32(ballot.right) << 8 | ballot.wrong;
        bytes32 other = Sealed.vote(
            address(verification), address(consumer), CASE, 0, seat, thief, packed, told[0], told[1]
        );
        // The contract keeps all bits of a seal but the lowest: no two hashes differ in that one alone.
        vm.assume(seal_ == other || uint256(seal_) | 1 != uint256(other) | 1);
        vm.prank(thief);
        try verification.revealVote(address(consumer), CASE, 0, seat, ballot, told[0], told[1]) {
            assert(thief == owner);
            assert(packed == hidden && told[0] == "evidence" && told[1] == salt);
        } catch {}
    }

    function check_onlyOwnerRevealed0(address thief, uint32 hidden, bytes32 salt, Ballot memory b, bytes32[2] memory told)
        public
    {
        _check(0, thief, hidden, salt, b, told);
    }

    function check_onlyOwnerRevealed1(address thief, uint32 hidden, bytes32 salt, Ballot memory b, bytes32[2] memory told)
        public
    {
        _check(1, thief, hidden, salt, b, told);
    }

    function check_onlyOwnerRevealed2(address thief, uint32 hidden, bytes32 salt, Ballot memory b, bytes32[2] memory told)
        public
    {
        _check(2, thief, hidden, salt, b, told);
    }

    function check_onlyOwnerRevealed3(address thief, uint32 hidden, bytes32 salt, Ballot memory b, bytes32[2] memory told)
        public
    {
        _check(3, thief, hidden, salt, b, told);
    }
}
