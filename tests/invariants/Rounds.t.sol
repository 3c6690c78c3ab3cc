// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMiningTypes} from "../../contracts/mining/IMining.sol";
import {IVerificationTypes} from "../../contracts/verification/IVerification.sol";
import {Handler} from "./Handler.sol";
import {vm} from "./Vm.sol";

/// @title House
/// @notice The handler, with what must hold after each of its calls, and with a way to the end of everything.
contract House is Handler {
    uint256 private constant CLOSED = uint256(Phase.Closed);

    function checkMoney() external view {
        uint256 pots = escrow.totalPots();
        uint256 credit = escrow.totalCredit();
        require(address(escrow).balance == pots + credit + forced, "Escrow is solvent, to the wei");

        uint256 known = gifts + escrow.potOf(_stakesPot());
        for (uint256 i = 0; i < tasks.length; ++i) known += escrow.potOf(tasks[i]);
        for (uint256 i = 0; i < places.length; ++i) known += _held(places[i]);
        require(known == pots, "the pots of tasks, rounds, bonds and stakes are all the pots");

        uint256 owed;
        for (uint256 i = 0; i < people.length; ++i) owed += escrow.creditOf(people[i]);
        require(owed == credit, "the credit of all is all the credit");
    }

    function checkStakes() external view {
        uint256 stakes;
        uint32 active;
        uint32 pending;
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            IVerificationTypes.Member memory m = verification.memberOf(verifiers[i]);
            stakes += m.stake;
            if (m.state == IVerificationTypes.MemberState.Active) ++active;
            if (m.state == IVerificationTypes.MemberState.Pending) ++pending;
            require(m.stake <= STAKE, "nobody has more than its stake at stake");
        }
        require(stakes == escrow.potOf(_stakesPot()), "the stakes' pot holds the stakes");
        (uint32 countedActive, uint32 countedPending) = verification.memberCount();
        require(active == countedActive && pending == countedPending, "the registry counts its members");
    }

    /// @dev Remembers where each round was, so that none goes back; what an invariant writes, forge forgets.
    function _look() internal override {
        for (uint256 i = 0; i < places.length; ++i) {
            Place memory p = places[i];
            Phase phase = learning.phaseOf(p.task, p.number);
            require(phase >= lastPhase[p.key], "a phase does not come back");
            lastPhase[p.key] = phase;

            Outcome outcome = learning.closedAs(p.task, p.number);
            require((outcome != Outcome.Open) == (phase == Phase.Closed), "closed is closed");
            if (lastOutcome[p.key] != Outcome.Open) require(outcome == lastOutcome[p.key], "an outcome stays");
            lastOutcome[p.key] = outcome;
            _checkCounters(p);
            require(_pot(p) >= _owed(p), "a round's pot holds what the round still owes");
        }
    }

    function _checkCounters(Place memory p) private view {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        require(progress.sealedCount <= 8 && progress.openings <= 4, "at most eight candidates and four openings");
        require(progress.candidates >> progress.sealedCount == 0, "only what was sealed is opened");
        uint256 committedMask = learning.roundOf(p.task, p.number).committed;
        require(progress.includedMask & ~committedMask == 0, "only what was committed is included");
        require(progress.totalWeight <= 400, "the weights fit the slots");
        require(!progress.included || progress.includedCount >= 3, "a sum of fewer is never fixed");

        uint256 bonds;
        for (uint8 slot = 0; slot < progress.sealedCount; ++slot) {
            IMiningTypes.Candidate memory c = mining.candidateOf(p.task, p.number, slot);
            if (c.state == IMiningTypes.CandidateState.Sealed || c.state == IMiningTypes.CandidateState.Opened) {
                bonds += c.bond;
            }
        }
        for (uint8 index = 0; index < progress.openings; ++index) {
            IMiningTypes.PostedOpening memory opening = mining.openingOf(p.task, p.number, index);
            if (!opening.bondSettled) bonds += opening.bond;
        }
        require(bonds == escrow.potOf(_bondsPot(p)), "the bonds' pot holds the bonds, and nothing else");
        for (uint8 attempt = 0; attempt < 4; ++attempt) {
            uint16 size = verification.panelOf(address(mining), p.key, attempt).size;
            require(size <= VERIFIERS && (attempt < 3 || size == 0), "three attempts, nobody on two seats of one");
        }
    }

    /// @dev What a closed round still owes; of an open one, what its vote may still cost.
    function _owed(Place memory p) private view returns (uint256 owed) {
        if (learning.closedAs(p.task, p.number) == Outcome.Open) {
            return verification.entitlementsOf(address(mining), p.key);
        }
        owed = mining.entitlementsOf(p.task, p.number);
    }

    function _pot(Place memory p) private view returns (uint256) {
        return escrow.potOf(p.key);
    }

    function _held(Place memory p) private view returns (uint256) {
        return escrow.potOf(p.key) + escrow.potOf(_bondsPot(p));
    }

    function _bondsPot(Place memory p) private pure returns (bytes32) {
        return keccak256(abi.encode(p.key, "bonds"));
    }

    function _stakesPot() private view returns (bytes32) {
        return keccak256(abi.encode("stakes", address(verification)));
    }

    // The end of everything: everybody is silent for ever but a stranger, who does what anybody may do.

    /// @return locked the longest that a round, open when silence began, took to close
    function windUp() external returns (uint256 locked) {
        uint256 began = block.timestamp;
        for (uint256 i = 0; i < places.length; ++i) {
            if (learning.closedAs(places[i].task, places[i].number) == Outcome.Open) _close(places[i]);
        }
        locked = vm.getBlockTimestamp() - began;
        for (uint256 i = 0; i < places.length; ++i) _payOut(places[i]);
        _pass(30 days);
        for (uint256 i = 0; i < tasks.length; ++i) {
            if (!learning.taskOf(tasks[i]).ended) _must(address(learning), abi.encodeCall(learning.endTask, (tasks[i])));
        }
        _leaveAll();
        for (uint256 i = 0; i < people.length; ++i) {
            if (escrow.creditOf(people[i]) == 0) continue;
            _must(address(escrow), abi.encodeCall(escrow.withdrawFor, (people[i])));
        }
        require(escrow.totalCredit() == 0, "everybody was paid");
        require(escrow.totalPots() == gifts, "no pot but a stranger's gift holds anything");
        require(address(escrow).balance == gifts + forced, "no wei is missing, none is left");
    }

    function _close(Place memory p) private {
        uint256 longest = vm.getBlockTimestamp() + _longestRound() + 60;
        while (learning.closedAs(p.task, p.number) == Outcome.Open) {
            require(vm.getBlockTimestamp() <= longest, "no round outlasts its windows");
            (Outcome outcome,,,,) = mining.outcomeOf(p.task, p.number);
            if (outcome != Outcome.Open) {
                _must(address(learning), abi.encodeCall(learning.closeRound, (p.task, p.number)));
            } else if (learning.phaseOf(p.task, p.number) != Phase.Vote) {
                _pass(20);
            } else {
                _judge(p);
            }
        }
    }

    function _judge(Place memory p) private {
        IVerificationTypes.Verdict memory verdict = verification.verdictOf(address(mining), p.key);
        if (verdict.status == IVerificationTypes.Status.None) _summon(p, 0);
        else if (verdict.status == IVerificationTypes.Status.Undecided) _summon(p, verdict.attempt + 1);
        else if (verdict.status == IVerificationTypes.Status.Ended) {
            bytes memory data = abi.encodeCall(verification.settle, (address(mining), p.key, verdict.attempt));
            _must(address(verification), data);
        } else {
            _pass(20);
        }
    }

    function _summon(Place memory p, uint8 attempt) private {
        _must(address(verification), abi.encodeCall(verification.summon, (address(mining), p.key, attempt)));
    }

    /// @dev Every claim that anybody may have; those of nothing are refused.
    function _payOut(Place memory p) private {
        for (uint8 i = 0; i < 8; ++i) {
            _may(address(mining), abi.encodeCall(mining.settleCandidateBond, (p.task, p.number, i)));
            _may(address(mining), abi.encodeCall(mining.settleOpeningBond, (p.task, p.number, i)));
            _may(address(mining), abi.encodeCall(mining.claimHolderPayFor, (p.task, p.number, i)));
        }
        _may(address(mining), abi.encodeCall(mining.claimEdgePayFor, (p.task, p.number)));
        _may(address(mining), abi.encodeCall(mining.claimOpenerPayFor, (p.task, p.number)));
        for (uint256 i = 0; i < people.length; ++i) {
            _may(address(learning), abi.encodeCall(learning.claimRelayPayFor, (p.task, p.number, people[i])));
            _may(address(mining), abi.encodeCall(mining.claimRelayPayFor, (p.task, p.number, people[i])));
            _may(address(learning), abi.encodeCall(learning.claimDevicePayFor, (p.task, p.number, people[i])));
        }
        for (uint8 attempt = 0; attempt < 3; ++attempt) {
            for (uint16 seat = 0; seat < VERIFIERS; ++seat) {
                bytes memory data =
                    abi.encodeCall(verification.claimVoterPayFor, (address(mining), p.key, attempt, seat));
                _may(address(verification), data);
            }
        }
        require(_held(p) == 0, "a round that is paid out holds nothing");
    }

    function _leaveAll() private {
        uint256 last = vm.getBlockTimestamp();
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            IVerificationTypes.Member memory m = verification.memberOf(verifiers[i]);
            if (m.state == IVerificationTypes.MemberState.None) continue;
            if (m.state != IVerificationTypes.MemberState.Leaving) {
                vm.prank(verifiers[i]);
                verification.leave();
                m = verification.memberOf(verifiers[i]);
            }
            if (m.leavingAt > last) last = m.leavingAt;
        }
        vm.warp(last);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            if (verification.memberOf(verifiers[i]).state == IVerificationTypes.MemberState.None) continue;
            _must(address(verification), abi.encodeCall(verification.withdrawStakeFor, (verifiers[i])));
        }
    }

    function _must(address target, bytes memory data) private {
        vm.prank(STRANGER);
        (bool done, bytes memory why) = target.call(data);
        if (!done) {
            assembly {
                revert(add(why, 32), mload(why))
            }
        }
    }

    function _may(address target, bytes memory data) private {
        vm.prank(STRANGER);
        (bool done,) = target.call(data);
        done; // a claim of nothing is refused, which is as it should be
    }
}

/// @title RoundsTest
contract RoundsTest {
    House private house;

    function setUp() external {
        house = new House();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(house);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](3);
        (selectors[0], selectors[1], selectors[2]) = (house.act.selector, house.dare.selector, house.wait.selector);
        targets[0] = FuzzSelector(address(house), selectors);
    }

    /// @notice After every call: money, stakes, phases, counters.
    function invariant_booksAndBounds() external {
        house.checkMoney();
        house.checkStakes();
    }

    /// @notice After every history: whoever is silent from here on, everybody can withdraw, and nothing is left over.
    function afterInvariant() external {
        uint256 locked = house.windUp();
        string memory line = string.concat(vm.toString(locked), " ", vm.toString(house.placesCount()));
        for (uint256 i = 0; i < house.VERBS(); ++i) {
            line = string.concat(line, " ", vm.toString(house.calls(i)), " ", vm.toString(house.reverts(i)));
        }
        vm.writeLine("build/invariants/histories.txt", line);
    }
}
