// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPaillierSumTypes} from "../../contracts/crypto/IPaillierSum.sol";
import {Sealed} from "../../contracts/crypto/Sealed.sol";
import {IMiningTypes} from "../../contracts/mining/IMining.sol";
import {Headers} from "../../contracts/mining/Headers.sol";
import {IVerificationTypes} from "../../contracts/verification/IVerification.sol";
import {Signatures} from "./Signatures.sol";
import {vm} from "./Vm.sol";

/// @title Handler
/// @notice Every state-changing function of every contract, called as people might: mostly in time, sometimes not.
/// @dev A verb that has nothing to do where the round is says so by calling nothing; then another is tried.
abstract contract Handler is Signatures {
    enum Verb {
        EscrowFund,
        EscrowPay,
        EscrowMove,
        EscrowWithdraw,
        EscrowWithdrawTo,
        EscrowWithdrawFor,
        LearningCreateTask,
        LearningEnrol,
        LearningEnrolBySig,
        LearningOpenRound,
        LearningCommitUpdate,
        LearningCommitUpdates,
        LearningCloseRound,
        LearningClaimDevicePayFor,
        LearningClaimRelayPayFor,
        LearningEndTask,
        MiningAttest,
        MiningAttestBySig,
        MiningFixIncluded,
        MiningSealAggregate,
        MiningOpenAggregate,
        MiningExcludeUpdate,
        MiningStrikeOut,
        MiningPostShare,
        MiningPostSharesBySig,
        MiningPostOpening,
        MiningSettleCandidateBond,
        MiningSettleOpeningBond,
        MiningClaimEdgePayFor,
        MiningClaimOpenerPayFor,
        MiningClaimHolderPayFor,
        MiningClaimRelayPayFor,
        VerificationJoin,
        VerificationPromote,
        VerificationLeave,
        VerificationWithdrawStakeFor,
        VerificationSummon,
        VerificationProveSeed,
        VerificationCommitVote,
        VerificationRevealVote,
        VerificationSettle,
        VerificationSlashSilent,
        VerificationClaimVoterPayFor,
        SeedRequest,
        SeedProve,
        PaillierSumMultiply,
        PaillierSumStrikeOut,
        PaillierSumExcludeUpdate
    }

    uint256 public constant VERBS = 48;
    uint256 internal constant MAX_TASKS = 2;

    struct Place {
        bytes32 task;
        uint32 number;
        bytes32 key;
    }

    uint256[VERBS] public calls;
    uint256[VERBS] public reverts;
    bytes32[] public tasks;
    Place[] public places;
    /// @notice Ether put by strangers where nobody can earn it: into pots of nobody, and by force.
    uint256 public gifts;
    uint256 public forced;
    mapping(bytes32 key => Phase) public lastPhase;
    mapping(bytes32 key => Outcome) public lastOutcome;

    uint256 private _random;
    bool private _called;
    uint256 private _ownRequests;

    constructor() {
        require(uint256(type(Verb).max) + 1 == VERBS, "count the verbs");
        for (uint256 i = 0; i < VERIFIERS - 2; ++i) _join(verifiers[i]);
        _pass(ACTIVATION_DELAY);
        _do(Verb.VerificationPromote, STRANGER, address(verification), 0, abi.encodeCall(verification.promote, (9)));
        _createTask();
        delete calls; // the cast's own
    }

    // What forge calls

    /// @notice Somebody does something that can be done now.
    function act(uint256 random) public {
        _act(random);
        _look();
    }

    function _act(uint256 random) private {
        _begin(random);
        for (uint256 i = 0; i < 24 && !_called; ++i) {
            _anything(_pick(100));
        }
        if (!_called) _passPhase();
    }

    /// @notice Somebody does anything, at any time, with whatever arguments.
    function dare(uint256 random) external {
        if (random % 3 == 0) {
            _begin(random);
            _dare(Verb(_pick(VERBS)), _place());
            _look();
        } else {
            act(random);
        }
    }

    /// @notice Nobody does anything until a phase is over.
    function wait(uint256 random) external {
        if (random % 16 == 0) {
            _begin(random);
            _passPhase();
            _look();
        } else {
            act(random);
        }
    }

    function placesCount() external view returns (uint256) {
        return places.length;
    }

    function tasksCount() external view returns (uint256) {
        return tasks.length;
    }

    /// @dev Compares each round with how it was when last looked at.
    function _look() internal virtual;

    // Chance and time

    function _begin(uint256 random) private {
        _random = random;
        _called = false;
        _pass(1);
    }

    function _pick(uint256 count) internal returns (uint256) {
        _random = uint256(keccak256(abi.encode(_random)));
        return _random % count;
    }

    function _pass(uint256 time) internal {
        vm.warp(vm.getBlockTimestamp() + time);
        vm.roll(vm.getBlockNumber() + 1);
    }

    function _passPhase() private {
        _pass(_pick(2) == 0 ? WINDOW : WINDOW / 2);
    }

    function _do(Verb verb, address caller, address target, uint256 value, bytes memory data)
        internal
        returns (bool done, bytes memory result)
    {
        _called = true;
        ++calls[uint256(verb)];
        vm.prank(caller);
        (done, result) = target.call{value: value}(data);
        if (!done) ++reverts[uint256(verb)];
    }

    function _learn(Verb verb, address caller, bytes memory data) internal returns (bool done) {
        (done,) = _do(verb, caller, address(learning), 0, data);
    }

    function _mine(Verb verb, address caller, uint256 value, bytes memory data) internal returns (bool done) {
        (done,) = _do(verb, caller, address(mining), value, data);
    }

    function _verify(Verb verb, address caller, bytes memory data) internal returns (bool done) {
        (done,) = _do(verb, caller, address(verification), 0, data);
    }

    function _anyone() private returns (address) {
        return people[_pick(people.length)];
    }

    function _place() private returns (Place memory p) {
        if (places.length != 0) p = places[_pick(places.length)];
    }

    // What there is to do

    function _anything(uint256 kind) private {
        if (kind < 6) _withdraw();
        else if (kind < 8) _fund();
        else if (kind < 12) _registry();
        else if (kind < 13) _seedOfNobody();
        else if (kind < 20) _grow();
        else if (kind < 45) _claim();
        else _proceed(_latest());
    }

    function _latest() private returns (Place memory p) {
        bytes32 task = tasks[_pick(tasks.length)];
        uint32 rounds = learning.taskOf(task).rounds;
        if (rounds == 0) return Place(task, 0, 0);
        return Place(task, rounds - 1, Headers.roundKey(task, rounds - 1));
    }

    function _proceed(Place memory p) private {
        if (p.key == 0) return _open(p.task);
        Phase phase = learning.phaseOf(p.task, p.number);
        if (phase >= Phase.Challenge && phase <= Phase.Vote && _pick(20) == 0) _strike(p);
        else if (phase == Phase.Closed) _open(p.task);
        else if (phase == Phase.Commit) _commit(p);
        else if (phase == Phase.Publish) _attest(p);
        else if (phase == Phase.Seal) _seal(p);
        else if (phase == Phase.Open) _openAggregate(p);
        else if (phase == Phase.Challenge) _pass(60);
        else if (phase == Phase.Share || phase == Phase.Opening) _share(p);
        else _vote(p);
    }

    // Escrow

    function _fund() private {
        bytes32 task = tasks[_pick(tasks.length)];
        if (learning.taskOf(task).ended) return;
        _do(Verb.EscrowFund, STRANGER, address(escrow), 1 ether, abi.encodeCall(escrow.fund, (task)));
    }

    function _withdraw() private {
        address owner = _anyone();
        if (owner == BURN || escrow.creditOf(owner) == 0) return;
        uint256 how = _pick(3);
        if (how == 0) _do(Verb.EscrowWithdraw, owner, address(escrow), 0, abi.encodeCall(escrow.withdraw, ()));
        else if (how == 1) {
            address to = address(uint160(0xaaaa));
            _do(Verb.EscrowWithdrawTo, owner, address(escrow), 0, abi.encodeCall(escrow.withdrawTo, (to)));
        } else {
            address caller = _anyone();
            _do(Verb.EscrowWithdrawFor, caller, address(escrow), 0, abi.encodeCall(escrow.withdrawFor, (owner)));
        }
    }

    // Learning

    function _createTask() private {
        if (tasks.length == MAX_TASKS) return;
        (bool done, bytes memory id) = _do(
            Verb.LearningCreateTask,
            REQUESTER,
            address(learning),
            8 ether,
            abi.encodeCall(learning.createTask, (_terms()))
        );
        if (done) tasks.push(abi.decode(id, (bytes32)));
    }

    function _grow() private {
        if (_pick(8) == 0) return _createTask();
        bytes32 task = tasks[_pick(tasks.length)];
        if (learning.taskOf(task).ended) return;
        uint256 i = _pick(DEVICES);
        (uint16 index,) = learning.enrolmentOf(task, devices[i]);
        if (index != 0) return;
        uint32 weight = uint32(1 + _pick(60));
        if (_pick(3) == 0) {
            _learn(
                Verb.LearningEnrol,
                devices[i],
                abi.encodeCall(learning.enrol, (task, weight, bytes32(i), _ticket(task, i)))
            );
        } else {
            SignedEnrolment[] memory batch = new SignedEnrolment[](1);
            batch[0] = _enrolment(task, i, weight);
            _learn(Verb.LearningEnrolBySig, _edge(), abi.encodeCall(learning.enrolBySig, (task, batch)));
        }
    }

    function _open(bytes32 task) private {
        Task memory t = learning.taskOf(task);
        if (t.ended) return;
        if (t.lastOutcome == Outcome.Converged || t.rounds == 4 || (t.rounds > 2 && _pick(40) == 0)) {
            _learn(Verb.LearningEndTask, REQUESTER, abi.encodeCall(learning.endTask, (task)));
            return;
        }
        if (t.enrolled < 3) return _grow();
        uint256 budget = learning.roundBudget(task);
        if (escrow.potOf(task) < budget) {
            _do(Verb.EscrowFund, REQUESTER, address(escrow), budget, abi.encodeCall(escrow.fund, (task)));
        }
        if (_learn(Verb.LearningOpenRound, _anyone(), abi.encodeCall(learning.openRound, (task)))) {
            places.push(Place(task, t.rounds, Headers.roundKey(task, t.rounds)));
        }
    }

    function _commit(Place memory p) private {
        Round memory round = learning.roundOf(p.task, p.number);
        uint256 i = _pick(DEVICES);
        if (_pick(48) == 0) return _pass(WINDOW);
        (uint16 index,) = learning.enrolmentOf(p.task, devices[i]);
        if (index == 0 || index > round.enrolled || round.committed >> (index - 1) & 1 == 1) return;
        if (_pick(3) == 0) {
            _learn(
                Verb.LearningCommitUpdate,
                devices[i],
                abi.encodeCall(learning.commitUpdate, (p.task, p.number, _update(p.key, i)))
            );
        } else {
            SignedUpdate[] memory batch = new SignedUpdate[](1);
            batch[0] = _signedUpdate(p.task, p.number, p.key, i);
            _learn(
                Verb.LearningCommitUpdates,
                _edge(),
                abi.encodeCall(learning.commitUpdates, (p.task, p.number, batch))
            );
        }
    }

    // Mining

    function _edge() private returns (address) {
        return edges[_pick(EDGES)];
    }

    function _attest(Place memory p) private {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        uint8 holder = uint8(_pick(HOLDERS));
        if (_pick(32) == 0) return _pass(WINDOW);
        if (_pick(24) == 0) return _exclude(p);
        if (progress.attested >> holder & 1 == 1) return;
        uint256 mask = learning.roundOf(p.task, p.number).committed;
        // A holder that does not have one of the updates.
        if (_pick(8) == 0) mask &= ~(uint256(1) << _pick(DEVICES));
        if (_pick(3) == 0) {
            _mine(
                Verb.MiningAttest,
                holders[holder],
                0,
                abi.encodeCall(mining.attest, (p.task, p.number, holder, mask, _branch(holder)))
            );
        } else {
            IMiningTypes.SignedAttestation[] memory batch = new IMiningTypes.SignedAttestation[](1);
            batch[0] = _signedAttestation(p.task, p.number, holder, mask);
            _mine(Verb.MiningAttestBySig, _edge(), 0, abi.encodeCall(mining.attestBySig, (p.task, p.number, batch)));
        }
    }

    /// @dev As PaillierSum does once it has seen a proof; its proofs need real ciphertexts, which Python's tests bring.
    function _exclude(Place memory p) private {
        uint16 index = uint16(_pick(DEVICES));
        if (learning.roundOf(p.task, p.number).committed >> index & 1 == 0) return;
        bytes memory data = abi.encodeCall(mining.excludeUpdate, (p.task, p.number, devices[0], index, STRANGER));
        _mine(Verb.MiningExcludeUpdate, address(paillierSum), 0, data);
    }

    /// @dev As above, at any time from the end of Open to the close.
    function _strike(Place memory p) private {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        if (progress.candidates == 0) return;
        uint8 slot = uint8(_pick(8));
        if (progress.candidates >> slot & 1 == 0) return;
        bytes memory data = abi.encodeCall(mining.strikeOut, (p.task, p.number, slot, _anyone()));
        _mine(Verb.MiningStrikeOut, address(paillierSum), 0, data);
    }

    function _seal(Place memory p) private {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        if (!progress.included && _pick(3) == 0) {
            _mine(Verb.MiningFixIncluded, STRANGER, 0, abi.encodeCall(mining.fixIncluded, (p.task, p.number)));
            return;
        }
        if (progress.sealedCount > 1 && _pick(4) != 0) return _pass(_pick(WINDOW));
        uint256 bond = 0.5 ether;
        if (progress.sealedCount == 8) {
            bond = type(uint256).max;
            for (uint8 slot = 0; slot < 8; ++slot) {
                uint256 other = mining.candidateOf(p.task, p.number, slot).bond;
                if (2 * other < bond) bond = 2 * other;
            }
        }
        address edge = _edge();
        bytes memory data = abi.encodeCall(mining.sealAggregate, (p.task, p.number, _sealOf(p, edge)));
        _mine(Verb.MiningSealAggregate, edge, bond, data);
        // Now and then somebody wants all the places.
        for (uint256 i = _pick(24) == 0 ? 8 : 0; i > 0; --i) {
            _mine(Verb.MiningSealAggregate, edge, bond + i, data);
        }
    }

    function _sealOf(Place memory p, address edge) private view returns (bytes32) {
        IMiningTypes.Aggregate memory a = _aggregate(p, edge);
        return Sealed.aggregate(
            address(mining), p.task, p.number, edge, a.digest, a.size, a.root, a.nonce, bytes32("salt")
        );
    }

    function _aggregate(Place memory p, address edge) private pure returns (IMiningTypes.Aggregate memory) {
        return IMiningTypes.Aggregate(keccak256(abi.encode(p.key, edge)), 4000, keccak256(abi.encode(edge, p.key)), 0);
    }

    function _openAggregate(Place memory p) private {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        if (_pick(24) == 0) return _pass(WINDOW);
        if (progress.sealedCount == 0) return _pass(WINDOW);
        uint8 slot = uint8(_pick(progress.sealedCount));
        IMiningTypes.Candidate memory candidate = mining.candidateOf(p.task, p.number, slot);
        if (candidate.state != IMiningTypes.CandidateState.Sealed) return;
        _mine(
            Verb.MiningOpenAggregate,
            candidate.edge,
            0,
            abi.encodeCall(
                mining.openAggregate, (p.task, p.number, slot, _aggregate(p, candidate.edge), bytes32("salt"))
            )
        );
    }

    function _share(Place memory p) private {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        if (_pick(24) == 0) return _pass(WINDOW);
        if (progress.thresholdSharedAt != 0 && progress.openings < 4 && _pick(2) == 0) return _opening(p, progress);
        uint8 holder = uint8(_pick(HOLDERS));
        IMiningTypes.Deadlines memory ends = mining.deadlinesOf(p.task, p.number);
        bool late = block.timestamp >= ends.challengeEnd + WINDOW;
        if (progress.shared >> holder & 1 == 1 || late) {
            if (late || progress.openings > 1) _pass(1 + _pick(WINDOW));
            return;
        }
        bytes32 digest = keccak256(abi.encode("share", p.key, holder));
        if (_pick(3) == 0) {
            _mine(
                Verb.MiningPostShare,
                holders[holder],
                0,
                abi.encodeCall(mining.postShare, (p.task, p.number, holder, digest, 2000, _branch(holder)))
            );
        } else {
            IMiningTypes.SignedShare[] memory batch = new IMiningTypes.SignedShare[](1);
            batch[0] = _signedShare(p.task, p.number, holder, digest);
            _mine(
                Verb.MiningPostSharesBySig, _edge(), 0, abi.encodeCall(mining.postSharesBySig, (p.task, p.number, batch))
            );
        }
    }

    function _opening(Place memory p, IMiningTypes.Progress memory progress) private {
        address poster;
        for (uint8 slot = 0; slot < progress.sealedCount; ++slot) {
            IMiningTypes.Candidate memory candidate = mining.candidateOf(p.task, p.number, slot);
            if (candidate.state == IMiningTypes.CandidateState.Opened) poster = candidate.edge;
        }
        bool gradient = learning.roundOf(p.task, p.number).kind == RoundKind.Gradient;
        uint256 end = _pick(12);
        uint8 flags = end == 0 ? 2 : end == 1 && !gradient ? 1 : 0;
        IMiningTypes.Opening memory opening = IMiningTypes.Opening(
            keccak256(abi.encode("opening", p.key, progress.openings)),
            3000,
            flags == 2 ? bytes32(0) : keccak256(abi.encode("model", p.key, progress.openings)),
            flags == 2 ? 0 : 1000,
            progress.shared,
            flags
        );
        _mine(
            Verb.MiningPostOpening,
            poster,
            0.25 ether + 2 + _pick(1 ether),
            abi.encodeCall(mining.postOpening, (p.task, p.number, opening))
        );
    }

    // Verification

    function _registry() private {
        uint256 how = _pick(5);
        address member = verifiers[_pick(VERIFIERS)];
        IVerificationTypes.Member memory m = verification.memberOf(member);
        if (how == 0) {
            (, uint32 pending) = verification.memberCount();
            if (pending != 0) {
                _verify(Verb.VerificationPromote, _anyone(), abi.encodeCall(verification.promote, (1 + _pick(3))));
            }
        } else if (m.state == IVerificationTypes.MemberState.None) {
            _join(member);
        } else if (m.state == IVerificationTypes.MemberState.Leaving) {
            if (block.timestamp < m.leavingAt) {
                // A cool-down is longer than a phase: now and then everybody waits for it.
                if (_pick(16) != 0) return;
                _pass(m.leavingAt - block.timestamp);
            }
            _verify(
                Verb.VerificationWithdrawStakeFor, _anyone(), abi.encodeCall(verification.withdrawStakeFor, (member))
            );
        } else if (how == 1 && _pick(3) == 0) {
            _verify(Verb.VerificationLeave, member, abi.encodeCall(verification.leave, ()));
        }
    }

    function _join(address member) private {
        _do(Verb.VerificationJoin, member, address(verification), STAKE, abi.encodeCall(verification.join, ()));
    }

    function _vote(Place memory p) private {
        (Outcome outcome,,,,) = mining.outcomeOf(p.task, p.number);
        if (outcome != Outcome.Open) {
            _learn(Verb.LearningCloseRound, _anyone(), abi.encodeCall(learning.closeRound, (p.task, p.number)));
            return;
        }
        IVerificationTypes.Verdict memory verdict = verification.verdictOf(address(mining), p.key);
        bool none = verdict.status == IVerificationTypes.Status.None;
        if (none || verdict.status == IVerificationTypes.Status.Undecided) {
            uint8 attempt = none ? 0 : verdict.attempt + 1;
            _verify(
                Verb.VerificationSummon,
                _anyone(),
                abi.encodeCall(verification.summon, (address(mining), p.key, attempt))
            );
            return;
        }
        _panel(p, verdict.attempt, verdict.status);
    }

    function _panel(Place memory p, uint8 attempt, IVerificationTypes.Status status) private {
        if (status == IVerificationTypes.Status.Ended) {
            _verify(
                Verb.VerificationSettle, _anyone(), abi.encodeCall(verification.settle, (address(mining), p.key, attempt))
            );
            return;
        }
        if (_pick(status == IVerificationTypes.Status.Revealing ? 40 : 32) == 0) return _pass(WINDOW);
        IVerificationTypes.Panel memory panel = verification.panelOf(address(mining), p.key, attempt);
        if (status == IVerificationTypes.Status.Seeding) return _prove(p, attempt, panel.seedRequest);

        uint16 seat = uint16(_pick(panel.size));
        address voter = verification.seatOf(address(mining), p.key, attempt, seat);
        IVerificationTypes.Ballot memory ballot = _ballot(p, attempt, seat);
        bytes32 evidence = keccak256(abi.encode("evidence", voter));
        if (status == IVerificationTypes.Status.Committing) {
            bytes32 sealed_ = Sealed.vote(
                address(verification), address(mining), p.key, attempt, seat, voter, _packed(ballot), evidence, bytes32("salt")
            );
            if (_silent(p, attempt, seat) || committed[p.key][attempt][seat]) return;
            committed[p.key][attempt][seat] = _verify(
                Verb.VerificationCommitVote,
                voter,
                abi.encodeCall(verification.commitVote, (address(mining), p.key, attempt, seat, sealed_))
            );
        } else {
            if (!committed[p.key][attempt][seat] || revealed[p.key][attempt][seat]) return;
            revealed[p.key][attempt][seat] = _verify(
                Verb.VerificationRevealVote,
                voter,
                abi.encodeCall(
                    verification.revealVote,
                    (address(mining), p.key, attempt, seat, ballot, evidence, bytes32("salt"))
                )
            );
        }
    }

    mapping(bytes32 key => mapping(uint8 attempt => mapping(uint16 seat => bool))) internal committed;
    mapping(bytes32 key => mapping(uint8 attempt => mapping(uint16 seat => bool))) internal revealed;
    mapping(bytes32 key => mapping(uint8 attempt => mapping(uint16 seat => bool))) internal slashed;

    function _silent(Place memory p, uint8 attempt, uint16 seat) private pure returns (bool) {
        return uint256(keccak256(abi.encode(p.key, attempt, seat, "silent"))) % 12 == 0;
    }

    /// @dev Most say that all is as it should be; one in eight the contrary; one in eight abstains of openings.
    function _ballot(Place memory p, uint8 attempt, uint16 seat)
        private
        view
        returns (IVerificationTypes.Ballot memory)
    {
        IMiningTypes.Progress memory progress = mining.progressOf(p.task, p.number);
        uint8 right = progress.openings == 0 ? 0 : 1;
        uint8 wrong = uint8((1 << progress.openings) - 1) & ~right;
        uint256 mood = uint256(keccak256(abi.encode(p.key, attempt, seat))) % 8;
        if (mood == 0) return IVerificationTypes.Ballot(0, progress.candidates, 0, right | wrong);
        if (mood == 1) return IVerificationTypes.Ballot(progress.candidates, 0, 0, 0);
        return IVerificationTypes.Ballot(progress.candidates, 0, right, wrong);
    }

    function _packed(IVerificationTypes.Ballot memory b) private pure returns (uint32) {
        return uint32(b.valid) << 24 | uint32(b.invalid) << 16 | uint32(b.right) << 8 | b.wrong;
    }

    // Randomness

    function _prove(Place memory p, uint8 attempt, uint256 request) private {
        bytes memory header = _mineSeedBlock(request);
        if (_pick(4) == 0) {
            // Behind Verification's back; `settle` pays the prover then.
            _do(Verb.SeedProve, STRANGER, address(seed), 0, abi.encodeCall(seed.prove, (request, header)));
        } else {
            _verify(
                Verb.VerificationProveSeed,
                _anyone(),
                abi.encodeCall(verification.proveSeed, (address(mining), p.key, attempt, header))
            );
        }
    }

    function _seedOfNobody() private {
        (bool done, bytes memory id) =
            _do(Verb.SeedRequest, STRANGER, address(seed), 0, abi.encodeCall(seed.request, (bytes32("mine"))));
        if (!done) return;
        uint256 request = abi.decode(id, (uint256));
        bytes memory header = _mineSeedBlock(request);
        _do(Verb.SeedProve, STRANGER, address(seed), 0, abi.encodeCall(seed.prove, (request, header)));
    }

    function _mineSeedBlock(uint256 request) private returns (bytes memory header) {
        uint256 number = seed.seedBlockOf(request);
        while (vm.getBlockNumber() <= number) _pass(1);
        header = _header(number, keccak256(abi.encode(_random, number)));
        vm.setBlockhash(number, keccak256(header));
    }

    // Pay, of rounds that are closed

    function _claim() private {
        Place memory p = _place();
        if (p.key == 0 || learning.closedAs(p.task, p.number) == Outcome.Open) return;
        uint256 what = _pick(9);
        if (what == 0) _claimDevice(p, _pick(DEVICES));
        else if (what == 1) _claimRelay(p, edges[_pick(EDGES)]);
        else if (what == 2) _settleCandidate(p, uint8(_pick(8)));
        else if (what == 3) _settleOpening(p, uint8(_pick(4)));
        else if (what == 4) _claimHolder(p, uint8(_pick(HOLDERS)));
        else if (what == 5) _claimWinner(p);
        else _claimSeats(p, uint8(_pick(3)), what);
    }

    function _earned(Place memory p) private view returns (bool) {
        Outcome outcome = learning.closedAs(p.task, p.number);
        return outcome == Outcome.Accepted || outcome == Outcome.Converged || outcome == Outcome.Overflow;
    }

    function _claimDevice(Place memory p, uint256 i) private {
        if (mining.progressOf(p.task, p.number).openings == 0 || claimed[p.key]["device"][i]) return;
        (uint16 index,) = learning.enrolmentOf(p.task, devices[i]);
        (uint256 mask,,) = mining.includedSet(p.task, p.number);
        if (index == 0 || mask >> (index - 1) & 1 == 0) return;
        claimed[p.key]["device"][i] = _learn(
            Verb.LearningClaimDevicePayFor,
            _anyone(),
            abi.encodeCall(learning.claimDevicePayFor, (p.task, p.number, devices[i]))
        );
    }

    mapping(bytes32 key => mapping(bytes32 role => mapping(uint256 index => bool))) internal claimed;

    function _claimRelay(Place memory p, address relay) private {
        if (mining.progressOf(p.task, p.number).openings == 0) return;
        uint256 which = uint160(relay);
        if (_pick(2) == 0) {
            // What a relay brought is not to be read: whoever asks in vain is refused.
            if (claimed[p.key]["commits"][which]) return;
            claimed[p.key]["commits"][which] = true;
            _learn(
                Verb.LearningClaimRelayPayFor, relay, abi.encodeCall(learning.claimRelayPayFor, (p.task, p.number, relay))
            );
        } else {
            if (claimed[p.key]["messages"][which]) return;
            claimed[p.key]["messages"][which] = true;
            _mine(
                Verb.MiningClaimRelayPayFor, relay, 0, abi.encodeCall(mining.claimRelayPayFor, (p.task, p.number, relay))
            );
        }
    }

    function _settleCandidate(Place memory p, uint8 slot) private {
        IMiningTypes.CandidateState state = mining.candidateOf(p.task, p.number, slot).state;
        if (state != IMiningTypes.CandidateState.Sealed && state != IMiningTypes.CandidateState.Opened) return;
        _mine(
            Verb.MiningSettleCandidateBond,
            _anyone(),
            0,
            abi.encodeCall(mining.settleCandidateBond, (p.task, p.number, slot))
        );
    }

    function _settleOpening(Place memory p, uint8 index) private {
        IMiningTypes.PostedOpening memory opening = mining.openingOf(p.task, p.number, index);
        if (opening.poster == address(0) || opening.bondSettled) return;
        _mine(
            Verb.MiningSettleOpeningBond, _anyone(), 0, abi.encodeCall(mining.settleOpeningBond, (p.task, p.number, index))
        );
    }

    function _claimHolder(Place memory p, uint8 holder) private {
        if (claimed[p.key]["holder"][holder] || mining.progressOf(p.task, p.number).openings == 0) return;
        if (!_earned(p) && learning.closedAs(p.task, p.number) != Outcome.Abandoned) return;
        if (mining.openingOf(p.task, p.number, 0).opening.usedShares >> holder & 1 == 0) return;
        claimed[p.key]["holder"][holder] = _mine(
            Verb.MiningClaimHolderPayFor,
            _anyone(),
            0,
            abi.encodeCall(mining.claimHolderPayFor, (p.task, p.number, holder))
        );
    }

    function _claimWinner(Place memory p) private {
        if (!_earned(p)) return;
        if (_pick(2) == 0) {
            if (claimed[p.key]["edge"][0]) return;
            claimed[p.key]["edge"][0] = _mine(
                Verb.MiningClaimEdgePayFor, _anyone(), 0, abi.encodeCall(mining.claimEdgePayFor, (p.task, p.number))
            );
        } else {
            if (claimed[p.key]["opener"][0]) return;
            claimed[p.key]["opener"][0] = _mine(
                Verb.MiningClaimOpenerPayFor, _anyone(), 0, abi.encodeCall(mining.claimOpenerPayFor, (p.task, p.number))
            );
        }
    }

    function _claimSeats(Place memory p, uint8 attempt, uint256 what) private {
        IVerificationTypes.Panel memory panel = verification.panelOf(address(mining), p.key, attempt);
        if (panel.size == 0) return;
        uint16 seat = uint16(_pick(panel.size));
        bytes memory place = abi.encode(address(mining), p.key, attempt, seat);
        if (revealed[p.key][attempt][seat]) {
            if (claimed[p.key]["seat"][uint256(attempt) << 8 | seat]) return;
            claimed[p.key]["seat"][uint256(attempt) << 8 | seat] = _verify(
                Verb.VerificationClaimVoterPayFor,
                _anyone(),
                bytes.concat(verification.claimVoterPayFor.selector, place)
            );
        } else if (what > 6 && panel.seededAt != 0 && !slashed[p.key][attempt][seat]) {
            address member = verification.seatOf(address(mining), p.key, attempt, seat);
            if (verification.memberOf(member).stake == 0) return;
            slashed[p.key][attempt][seat] = _verify(
                Verb.VerificationSlashSilent, _anyone(), bytes.concat(verification.slashSilent.selector, place)
            );
        }
    }

    // What should be refused, and sometimes is not

    function _dare(Verb verb, Place memory p) private {
        address who = _anyone();
        uint8 small = uint8(_pick(9));
        if (verb == Verb.EscrowFund) {
            (bool done,) = _do(verb, who, address(escrow), 5, abi.encodeCall(escrow.fund, (keccak256(abi.encode(small)))));
            if (done) gifts += 5;
        } else if (verb == Verb.EscrowPay) {
            _do(verb, who, address(escrow), 0, abi.encodeCall(escrow.pay, (p.task, who, 1, "theft")));
        } else if (verb == Verb.EscrowMove) {
            _do(verb, who, address(escrow), 0, abi.encodeCall(escrow.move, (p.task, p.key, 1)));
        } else if (verb == Verb.EscrowWithdraw) {
            _do(verb, who, address(escrow), 0, abi.encodeCall(escrow.withdraw, ()));
        } else if (verb == Verb.EscrowWithdrawTo) {
            _do(verb, who, address(escrow), 0, abi.encodeCall(escrow.withdrawTo, (address(mining))));
        } else if (verb == Verb.EscrowWithdrawFor) {
            // By force, as a self-destructing contract or a block's proposer might.
            vm.deal(address(escrow), address(escrow).balance + 3);
            forced += 3;
        } else if (verb < Verb.MiningAttest) {
            _dareLearning(verb, p, who, small);
        } else if (verb >= Verb.PaillierSumMultiply) {
            _dareProof(verb, p, who);
        } else if (verb < Verb.VerificationJoin) {
            _dareMining(verb, p, who, small);
        } else {
            _dareVerification(verb, p, who, small);
        }
    }

    function _dareLearning(Verb verb, Place memory p, address who, uint8 small) private {
        if (verb == Verb.LearningEnrol) {
            _learn(verb, who, abi.encodeCall(learning.enrol, (p.task, small, 0, _ticket(p.task, 0))));
        } else if (verb == Verb.LearningOpenRound) {
            _learn(verb, who, abi.encodeCall(learning.openRound, (p.task)));
            _noteRound(p.task);
        } else if (verb == Verb.LearningCommitUpdate) {
            _learn(verb, who, abi.encodeCall(learning.commitUpdate, (p.task, p.number, _update(p.key, small))));
        } else if (verb == Verb.LearningCloseRound) {
            _learn(verb, who, abi.encodeCall(learning.closeRound, (p.task, p.number)));
        } else if (verb == Verb.LearningClaimDevicePayFor) {
            if (_learn(verb, who, abi.encodeCall(learning.claimDevicePayFor, (p.task, p.number, devices[small % DEVICES])))) {
                claimed[p.key]["device"][small % DEVICES] = true;
            }
        } else if (verb == Verb.LearningClaimRelayPayFor) {
            _learn(verb, who, abi.encodeCall(learning.claimRelayPayFor, (p.task, p.number, who)));
        } else if (verb == Verb.LearningEndTask) {
            _learn(verb, who == REQUESTER ? STRANGER : who, abi.encodeCall(learning.endTask, (p.task)));
        }
    }

    function _noteRound(bytes32 task) private {
        uint32 rounds = learning.taskOf(task).rounds;
        if (rounds == 0) return;
        bytes32 key = Headers.roundKey(task, rounds - 1);
        for (uint256 i = 0; i < places.length; ++i) {
            if (places[i].key == key) return;
        }
        places.push(Place(task, rounds - 1, key));
    }

    function _dareMining(Verb verb, Place memory p, address who, uint8 small) private {
        bytes memory place = abi.encode(p.task, p.number, small);
        if (verb == Verb.MiningExcludeUpdate) {
            _mine(verb, who, 0, abi.encodeCall(mining.excludeUpdate, (p.task, p.number, devices[0], small, who)));
        } else if (verb == Verb.MiningStrikeOut) {
            _mine(verb, who, 0, abi.encodeCall(mining.strikeOut, (p.task, p.number, small, who)));
        } else if (verb == Verb.MiningAttest) {
            _mine(verb, who, 0, abi.encodeCall(mining.attest, (p.task, p.number, small, 7, _branch(small % HOLDERS))));
        } else if (verb == Verb.MiningFixIncluded) {
            _mine(verb, who, 0, abi.encodeCall(mining.fixIncluded, (p.task, p.number)));
        } else if (verb == Verb.MiningSealAggregate) {
            _mine(verb, who, 0.5 ether, abi.encodeCall(mining.sealAggregate, (p.task, p.number, _sealOf(p, who))));
        } else if (verb == Verb.MiningOpenAggregate) {
            bytes memory data =
                abi.encodeCall(mining.openAggregate, (p.task, p.number, small, _aggregate(p, who), bytes32("salt")));
            _mine(verb, who, 0, data);
        } else if (verb == Verb.MiningPostShare) {
            bytes32[] memory branch = _branch(small % HOLDERS);
            _mine(verb, who, 0, abi.encodeCall(mining.postShare, (p.task, p.number, small, "share", 20, branch)));
        } else if (verb == Verb.MiningPostOpening) {
            IMiningTypes.Opening memory opening = IMiningTypes.Opening("digest", 9, "model", 9, 7, 0);
            _mine(verb, who, 1 ether, abi.encodeCall(mining.postOpening, (p.task, p.number, opening)));
        } else if (verb == Verb.MiningSettleCandidateBond) {
            _mine(verb, who, 0, bytes.concat(mining.settleCandidateBond.selector, place));
        } else if (verb == Verb.MiningSettleOpeningBond) {
            _mine(verb, who, 0, bytes.concat(mining.settleOpeningBond.selector, place));
        } else if (verb == Verb.MiningClaimHolderPayFor) {
            if (_mine(verb, who, 0, bytes.concat(mining.claimHolderPayFor.selector, place))) {
                claimed[p.key]["holder"][small] = true;
            }
        } else if (verb == Verb.MiningClaimRelayPayFor) {
            _mine(verb, who, 0, abi.encodeCall(mining.claimRelayPayFor, (p.task, p.number, who)));
        } else if (verb == Verb.MiningClaimEdgePayFor) {
            if (_mine(verb, who, 0, abi.encodeCall(mining.claimEdgePayFor, (p.task, p.number)))) {
                claimed[p.key]["edge"][0] = true;
            }
        }
    }

    function _dareProof(Verb verb, Place memory p, address who) private {
        IPaillierSumTypes.ProofFacts memory facts =
            IPaillierSumTypes.ProofFacts(p.task, p.number, _terms(), abi.encodePacked(type(uint256).max));
        IPaillierSumTypes.Partial memory nothing;
        IPaillierSumTypes.Leaf memory leaf = IPaillierSumTypes.Leaf(new bytes(64), new bytes32[](0));
        IPaillierSumTypes.Factor[] memory none = new IPaillierSumTypes.Factor[](0);
        bytes memory data = verb == Verb.PaillierSumMultiply
            ? abi.encodeCall(paillierSum.multiply, (facts, 0, nothing, none))
            : verb == Verb.PaillierSumStrikeOut
                ? abi.encodeCall(paillierSum.strikeOut, (facts, 0, 0, leaf, nothing, none))
                : abi.encodeCall(paillierSum.excludeUpdate, (facts, devices[0], _update(p.key, 0), "blob"));
        _do(verb, who, address(paillierSum), 0, data);
    }

    function _dareVerification(Verb verb, Place memory p, address who, uint8 small) private {
        bytes memory seat = abi.encode(address(mining), p.key, small % 3, uint16(small));
        if (verb == Verb.VerificationLeave) {
            _verify(verb, who, abi.encodeCall(verification.leave, ()));
        } else if (verb == Verb.VerificationWithdrawStakeFor) {
            _verify(verb, who, abi.encodeCall(verification.withdrawStakeFor, (who)));
        } else if (verb == Verb.VerificationSummon) {
            _verify(verb, who, abi.encodeCall(verification.summon, (address(mining), p.key, small % 3)));
        } else if (verb == Verb.VerificationProveSeed) {
            bytes memory header = _header(vm.getBlockNumber() - 1, "prevrandao");
            _verify(verb, who, abi.encodeCall(verification.proveSeed, (address(mining), p.key, small % 3, header)));
        } else if (verb == Verb.VerificationCommitVote) {
            _verify(verb, who, bytes.concat(verification.commitVote.selector, seat, bytes32("seal")));
        } else if (verb == Verb.VerificationSettle) {
            _verify(verb, who, abi.encodeCall(verification.settle, (address(mining), p.key, small % 3)));
        } else if (verb == Verb.VerificationSlashSilent) {
            if (_verify(verb, who, bytes.concat(verification.slashSilent.selector, seat))) {
                slashed[p.key][small % 3][small] = true;
            }
        } else if (verb == Verb.VerificationClaimVoterPayFor) {
            if (_verify(verb, who, bytes.concat(verification.claimVoterPayFor.selector, seat))) {
                claimed[p.key]["seat"][uint256(small % 3) << 8 | small] = true;
            }
        }
    }
}
