// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IEscrow} from "../escrow/IEscrow.sol";
import {Headers} from "../mining/Headers.sol";
import {IMining} from "../mining/IMining.sol";
import {Bitmap} from "./Bitmap.sol";
import {ILearning} from "./ILearning.sol";
import {Messages} from "./Messages.sol";

/// @title Learning
contract Learning is ILearning, EIP712 {
    using Bitmap for uint256;

    /// @notice Most messages in one batch.
    uint256 public constant MAX_BATCH = 32;

    /// @notice A task that nobody moved for so long may be ended by anyone.
    uint64 public constant IDLE_AFTER = 30 days;

    uint256 private constant MAX_WINDOW = 30 days;
    uint256 private constant MAX_SEATS = 51;
    uint256 private constant MAX_ATTEMPTS = 3;

    /// @dev Every other lane of 32 bits.
    uint256 private constant LOW_LANES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;

    IEscrow public immutable ESCROW;
    IMining public immutable MINING;

    /// @notice Shortest modulus accepted; 2048 in every deployment that is not a test's.
    uint16 public immutable MIN_KEY_BITS;

    /// @notice Shortest phase accepted, the challenge apart: nobody is to be called silent who had no time to answer.
    uint32 public immutable MIN_WINDOW;

    /// @dev The terms that contracts act on; the rest is in the event and in `termsDigest`. Windows fit 24 bits by
    /// MAX_WINDOW, seats fit 8 by MAX_SEATS.
    struct HotTerms {
        address admission;
        uint16 minDevices;
        uint16 maxDevices;
        uint32 weightCap;
        uint32 maxWeight;
        // next word
        uint24 publish;
        uint24 seal;
        uint24 open;
        uint24 challenge;
        uint24 share;
        uint24 opening;
        uint24 contest;
        uint24 commitVote;
        uint24 revealVote;
        uint24 seed;
        uint8 holders;
        uint8 threshold;
        // next word
        uint24 commit;
        uint32 maxUpdateBytes;
        uint32 maxRounds;
        bool gradientRounds;
        uint8 seats;
        uint16 acceptBips;
        uint64 beta;
        uint64 createdAt;
        // a word each
        bytes32 holdersRoot;
        uint256 powTarget;
        Money money;
    }

    /// @dev `relayed`: commits that a relay brought; `claimed`: devices paid; `devicePaid`: wei paid to them.
    struct RoundState {
        Round round;
        uint256 relayed;
        uint256 claimed;
        uint128 devicePaid;
        bool opened;
    }

    mapping(address creator => uint256) private _nonces;
    mapping(bytes32 taskId => Task) private _tasks;
    mapping(bytes32 taskId => HotTerms) private _terms;
    mapping(bytes32 taskId => mapping(address device => uint16)) private _indices;
    /// @dev Eight weights a word, by enrolment index, so that a sum over 256 devices reads 32 words.
    mapping(bytes32 taskId => mapping(uint256 word => uint256)) private _weights;
    mapping(bytes32 taskId => mapping(uint32 round => RoundState)) private _rounds;
    mapping(bytes32 roundKey => mapping(address device => bytes32)) private _updates;
    mapping(bytes32 roundKey => mapping(address relay => uint256)) private _relayedBy;

    constructor(IEscrow escrow, IMining mining, uint16 minKeyBits, uint32 minWindow) EIP712("Cairn Learning", "1") {
        _within("minWindow", minWindow, 1, MAX_WINDOW);
        ESCROW = escrow;
        MINING = mining;
        MIN_KEY_BITS = minKeyBits;
        MIN_WINDOW = minWindow;
    }

    /// @inheritdoc ILearning
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    // --- a task and its cohort ---

    /// @inheritdoc ILearning
    function createTask(Terms calldata terms) external payable returns (bytes32 taskId) {
        _checkTerms(terms);
        uint256 needed = _budget(terms.money, terms.cohort.maxDevices, terms.key.holders, terms.panel.seats);
        // Four junk openings keep the right one out: they shall not cost less than what the devices earn. A bond that
        // nobody can raise keeps it out for nothing.
        _within("money.openingBond", terms.money.openingBond, Math.ceilDiv(terms.money.devicePot, 4), needed);
        _within("money.edgeBond", terms.money.edgeBond, 0, needed);
        if (msg.value < needed) revert LearningPotTooSmall(msg.value, needed);

        taskId = keccak256(abi.encode(block.chainid, address(this), msg.sender, _nonces[msg.sender]++));
        bytes32 termsDigest = keccak256(abi.encode(terms));
        Task storage task = _tasks[taskId];
        task.requester = msg.sender;
        task.termsDigest = termsDigest;
        task.head = Headers.genesis(taskId, termsDigest);
        task.model = terms.learning.modelDigest;
        task.modelSize = terms.learning.modelSize;
        _keepTerms(_terms[taskId], terms);
        emit TaskCreated(taskId, msg.sender, termsDigest, terms);
        ESCROW.fund{value: msg.value}(taskId);
    }

    /// @inheritdoc ILearning
    function enrol(bytes32 taskId, uint32 weight, bytes32 ownership, bytes calldata ticket) external {
        Task storage task = _running(taskId);
        HotTerms storage terms = _terms[taskId];
        if (_indices[taskId][msg.sender] != 0) revert LearningAlreadyEnrolled(msg.sender);
        if (!_admitted(taskId, msg.sender, terms.admission, ticket)) {
            revert LearningBadTicket(msg.sender, terms.admission);
        }
        if (weight == 0 || weight > terms.weightCap) revert LearningWeightOutOfBounds(weight, terms.weightCap);
        uint256 sum = uint256(task.totalWeight) + weight;
        if (sum > terms.maxWeight) revert LearningWeightTooLarge(sum, terms.maxWeight);
        if (task.enrolled == terms.maxDevices) revert LearningCohortFull(terms.maxDevices);
        _enrol(taskId, task, msg.sender, weight, ownership);
    }

    /// @inheritdoc ILearning
    function enrolBySig(bytes32 taskId, SignedEnrolment[] calldata enrolments) external {
        if (enrolments.length > MAX_BATCH) revert LearningBatchTooLong(enrolments.length, MAX_BATCH);
        Task storage task = _running(taskId);
        HotTerms storage terms = _terms[taskId];
        for (uint256 i = 0; i < enrolments.length; ++i) {
            SignedEnrolment calldata e = enrolments[i];
            if (block.timestamp > e.deadline) {
                emit EnrolmentSkipped(taskId, i, SkipReason.Expired);
            } else if (_indices[taskId][e.device] != 0) {
                emit EnrolmentSkipped(taskId, i, SkipReason.AlreadyDone);
            } else if (
                e.weight == 0 || e.weight > terms.weightCap
                    || uint256(task.totalWeight) + e.weight > terms.maxWeight || task.enrolled == terms.maxDevices
            ) {
                emit EnrolmentSkipped(taskId, i, SkipReason.TooLarge);
            } else if (
                !_signed(
                    e.device,
                    Messages.enrolment(taskId, e.device, e.weight, e.ownership, e.deadline),
                    e.signature
                ) || !_admitted(taskId, e.device, terms.admission, e.ticket)
            ) {
                emit EnrolmentSkipped(taskId, i, SkipReason.BadSignature);
            } else {
                _enrol(taskId, task, e.device, e.weight, e.ownership);
            }
        }
    }

    // --- a round ---

    /// @inheritdoc ILearning
    function openRound(bytes32 taskId) external returns (uint32 number) {
        Task storage task = _running(taskId);
        HotTerms storage terms = _terms[taskId];
        if (task.lastOutcome == Outcome.Converged) revert LearningTaskEnded(taskId);
        number = task.rounds;
        if (number != 0 && _rounds[taskId][number - 1].round.closedAt == 0) {
            revert LearningRoundNotClosed(taskId, number - 1);
        }
        if (number == terms.maxRounds) revert LearningNoRoundsLeft(terms.maxRounds);
        uint16 enrolled = task.enrolled;
        if (enrolled < terms.minDevices) revert LearningTooFewDevices(enrolled, terms.minDevices);
        uint256 budget = _budget(terms.money, terms.maxDevices, terms.holders, terms.seats);
        uint256 held = ESCROW.potOf(taskId);
        if (held < budget) revert LearningPotTooSmall(held, budget);

        Round storage round = _rounds[taskId][number].round;
        round.kind = terms.gradientRounds && task.gradient == 0 ? RoundKind.Gradient : RoundKind.Update;
        round.enrolled = enrolled;
        round.openedAt = uint64(block.timestamp);
        round.expected = _expected(taskId, number, enrolled);
        round.parent = Headers.parent(task.head, task.enrolments, enrolled);
        task.rounds = number + 1;
        emit RoundOpened(
            taskId,
            number,
            round.kind,
            enrolled,
            round.expected,
            task.model,
            task.modelSize,
            round.parent,
            budget
        );
        ESCROW.move(taskId, Headers.roundKey(taskId, number), budget);
    }

    /// @inheritdoc ILearning
    function commitUpdate(bytes32 taskId, uint32 round, Update calldata update) external {
        Round storage state = _committing(taskId, round).round;
        uint256 index = _indices[taskId][msg.sender];
        if (index == 0 || index > state.enrolled) revert LearningNotEnrolled(msg.sender);
        uint256 bit = 1 << (index - 1);
        uint256 committed = state.committed;
        if (committed & bit != 0) revert LearningAlreadyCommitted(msg.sender);
        uint32 max = _terms[taskId].maxUpdateBytes;
        if (update.size > max) revert LearningUpdateTooLarge(update.size, max);
        _commit(taskId, round, Headers.roundKey(taskId, round), msg.sender, update);
        _count(taskId, state, committed | bit);
    }

    /// @inheritdoc ILearning
    function commitUpdates(bytes32 taskId, uint32 round, SignedUpdate[] calldata updates) external {
        if (updates.length > MAX_BATCH) revert LearningBatchTooLong(updates.length, MAX_BATCH);
        RoundState storage state = _committing(taskId, round);
        bytes32 key = Headers.roundKey(taskId, round);
        uint256 committed = state.round.committed;
        uint256 relayed;
        for (uint256 i = 0; i < updates.length; ++i) {
            SignedUpdate calldata message = updates[i];
            (uint256 bit, SkipReason reason) = _bitOf(taskId, round, state.round, committed, message);
            if (bit == 0) {
                emit UpdateSkipped(taskId, round, i, reason);
            } else {
                committed |= bit;
                if (message.device != msg.sender) relayed |= bit;
                _commit(taskId, round, key, message.device, message.update);
            }
        }
        if (relayed != 0) {
            state.relayed |= relayed;
            _relayedBy[key][msg.sender] |= relayed;
        }
        // A batch of which nothing was taken moves no time: nobody could read it from the events.
        if (committed != state.round.committed) _count(taskId, state.round, committed);
    }

    /// @inheritdoc ILearning
    function closeRound(bytes32 taskId, uint32 round) external {
        RoundState storage state = _rounds[taskId][round];
        if (state.round.openedAt == 0) revert LearningWrongPhase(Phase.None, Phase.Vote);
        if (state.round.closedAt != 0) revert LearningWrongPhase(Phase.Closed, Phase.Vote);
        (Outcome outcome, bytes32 header, bytes32 result, uint32 resultSize, bool opened) =
            MINING.outcomeOf(taskId, round);
        if (outcome == Outcome.Open) revert LearningNotDecided(taskId, round);

        state.round.outcome = outcome;
        state.round.closedAt = uint64(block.timestamp);
        if (result != 0) state.round.result = result;
        if (opened) state.opened = true;
        _advance(_tasks[taskId], state.round.kind, outcome, header, result, resultSize);
        emit RoundClosed(taskId, round, outcome, result, resultSize, header);

        bytes32 key = Headers.roundKey(taskId, round);
        Money storage money = _terms[taskId].money;
        _pay(key, msg.sender, money.bounty, "close");
        uint256 owed = MINING.entitlementsOf(taskId, round);
        if (opened) {
            (uint256 included,,) = MINING.includedSet(taskId, round);
            owed += money.devicePot + uint256(money.relayPay) * (state.relayed & included).count();
        }
        uint256 held = ESCROW.potOf(key);
        if (held > owed) ESCROW.move(key, taskId, held - owed);
    }

    // --- pay ---

    /// @inheritdoc ILearning
    function claimDevicePayFor(bytes32 taskId, uint32 round, address device) external {
        RoundState storage state = _closed(taskId, round);
        uint256 index = _indices[taskId][device];
        (uint256 included,, uint64 totalWeight) = MINING.includedSet(taskId, round);
        uint256 claimed = state.claimed;
        if (!state.opened || index == 0 || !(included & ~claimed).has(index - 1)) {
            revert LearningNothingToClaim(taskId, round, device);
        }
        claimed |= 1 << (index - 1);
        uint128 pot = _terms[taskId].money.devicePot;
        // At most the pot, since s_k ≤ S; the sum over devices too, since each is rounded down.
        uint128 amount = uint128(Math.mulDiv(pot, _weightAt(taskId, index - 1), totalWeight));
        uint128 paid = state.devicePaid + amount;
        state.claimed = claimed;
        state.devicePaid = paid;
        emit DevicePaid(taskId, round, device, amount);
        bytes32 key = Headers.roundKey(taskId, round);
        _pay(key, device, amount, "device");
        if (claimed == included) _pay(key, _tasks[taskId].requester, pot - paid, "dust");
    }

    /// @inheritdoc ILearning
    function claimRelayPayFor(bytes32 taskId, uint32 round, address relay) external {
        RoundState storage state = _closed(taskId, round);
        bytes32 key = Headers.roundKey(taskId, round);
        (uint256 included,,) = MINING.includedSet(taskId, round);
        uint256 brought = _relayedBy[key][relay] & included;
        if (!state.opened || brought == 0) revert LearningNothingToClaim(taskId, round, relay);
        delete _relayedBy[key][relay];
        uint256 amount = uint256(_terms[taskId].money.relayPay) * brought.count();
        emit RelayPaid(taskId, round, relay, amount);
        _pay(key, relay, amount, "relay");
    }

    /// @inheritdoc ILearning
    function endTask(bytes32 taskId) external {
        Task storage task = _running(taskId);
        uint32 rounds = task.rounds;
        uint64 movedAt = _terms[taskId].createdAt;
        if (rounds != 0) {
            movedAt = _rounds[taskId][rounds - 1].round.closedAt;
            if (movedAt == 0) revert LearningRoundNotClosed(taskId, rounds - 1);
        }
        // Between rounds the requester may leave: whatever anybody has earned lies in the rounds' own pots.
        bool over = task.lastOutcome == Outcome.Converged || rounds == _terms[taskId].maxRounds
            || msg.sender == task.requester;
        if (!over && block.timestamp < movedAt + IDLE_AFTER) {
            revert LearningTaskNotOver(taskId, movedAt + IDLE_AFTER);
        }
        uint256 refund = ESCROW.potOf(taskId);
        task.ended = true;
        emit TaskEnded(taskId, task.model, refund);
        _pay(taskId, task.requester, refund, "refund");
    }

    // --- views ---

    /// @inheritdoc ILearning
    function phaseOf(bytes32 taskId, uint32 round) public view returns (Phase) {
        return MINING.phaseOf(taskId, round);
    }

    /// @inheritdoc ILearning
    function commitEndOf(bytes32 taskId, uint32 round) external view returns (uint64) {
        return _commitEnd(taskId, _rounds[taskId][round].round);
    }

    /// @inheritdoc ILearning
    function taskOf(bytes32 taskId) external view returns (Task memory) {
        return _tasks[taskId];
    }

    /// @inheritdoc ILearning
    function roundOf(bytes32 taskId, uint32 round) external view returns (Round memory) {
        return _rounds[taskId][round].round;
    }

    /// @inheritdoc ILearning
    function enrolmentOf(bytes32 taskId, address device) external view returns (uint16 index, uint32 weight) {
        index = _indices[taskId][device];
        if (index != 0) weight = _weightAt(taskId, index - 1);
    }

    /// @inheritdoc ILearning
    function updateOf(bytes32 taskId, uint32 round, address device) external view returns (bytes32 commitment) {
        return _updates[Headers.roundKey(taskId, round)][device];
    }

    /// @inheritdoc ILearning
    function roundBudget(bytes32 taskId) external view returns (uint256) {
        HotTerms storage terms = _terms[taskId];
        return _budget(terms.money, terms.maxDevices, terms.holders, terms.seats);
    }

    /// @inheritdoc ILearning
    function nonceOf(address creator) external view returns (uint256 nonce) {
        return _nonces[creator];
    }

    /// @inheritdoc ILearning
    function scheduleOf(bytes32 taskId, uint32 round) external view returns (Schedule memory schedule) {
        Round storage r = _rounds[taskId][round].round;
        HotTerms storage terms = _terms[taskId];
        schedule.kind = r.kind;
        schedule.commitEnd = _commitEnd(taskId, r);
        schedule.closedAt = r.closedAt;
        schedule.minDevices = terms.minDevices;
        schedule.holders = terms.holders;
        schedule.threshold = terms.threshold;
        schedule.seats = terms.seats;
        schedule.acceptBips = terms.acceptBips;
        schedule.maxBytes = terms.maxUpdateBytes;
        schedule.beta = terms.beta;
        schedule.committed = r.committed;
        schedule.parent = r.parent;
        Windows memory windows = schedule.windows;
        windows.commit = terms.commit;
        windows.publish = terms.publish;
        windows.seal = terms.seal;
        windows.open = terms.open;
        windows.challenge = terms.challenge;
        windows.share = terms.share;
        windows.opening = terms.opening;
        windows.contest = terms.contest;
        windows.commitVote = terms.commitVote;
        windows.revealVote = terms.revealVote;
        windows.seed = terms.seed;
    }

    /// @inheritdoc ILearning
    function closedAs(bytes32 taskId, uint32 round) external view returns (Outcome outcome) {
        return _rounds[taskId][round].round.outcome;
    }

    /// @inheritdoc ILearning
    function moneyOf(bytes32 taskId) external view returns (Money memory) {
        return _terms[taskId].money;
    }

    /// @inheritdoc ILearning
    function holdersRootOf(bytes32 taskId) external view returns (bytes32 root) {
        return _terms[taskId].holdersRoot;
    }

    /// @inheritdoc ILearning
    function powTargetOf(bytes32 taskId) external view returns (uint256 target) {
        return _terms[taskId].powTarget;
    }

    /// @inheritdoc ILearning
    function weightOfSet(bytes32 taskId, uint256 mask) external view returns (uint64 weight) {
        mapping(uint256 word => uint256) storage weights = _weights[taskId];
        // At most 32 words of eight weights. Neighbours are summed in 64 bits, where 256 weights of 32 bits fit.
        uint256 sums;
        for (uint256 word = 0; mask != 0; ++word) {
            uint256 members = mask & 0xff;
            mask >>= 8;
            if (members == 0) continue;
            uint256 packed = weights[word] & _lanes(members);
            unchecked {
                sums += (packed & LOW_LANES) + ((packed >> 32) & LOW_LANES);
            }
        }
        return uint64(sums) + uint64(sums >> 64) + uint64(sums >> 128) + uint64(sums >> 192);
    }

    // --- internals ---

    /// @dev Eight bits as eight lanes of 32 bits, all ones where the bit is set: the bits are moved apart by halves.
    function _lanes(uint256 bits) private pure returns (uint256) {
        unchecked {
            bits = (bits | (bits << 124)) & ((0xf << 128) | 0xf);
            bits = (bits | (bits << 62)) & ((0x3 << 192) | (0x3 << 128) | (0x3 << 64) | 0x3);
            bits = (bits | (bits << 31)) & 0x0000000100000001000000010000000100000001000000010000000100000001;
            return bits * type(uint32).max;
        }
    }

    function _running(bytes32 taskId) private view returns (Task storage task) {
        task = _tasks[taskId];
        if (task.requester == address(0)) revert LearningUnknownTask(taskId);
        if (task.ended) revert LearningTaskEnded(taskId);
    }

    function _closed(bytes32 taskId, uint32 round) private view returns (RoundState storage state) {
        state = _rounds[taskId][round];
        if (state.round.closedAt == 0) revert LearningRoundNotClosed(taskId, round);
    }

    function _committing(bytes32 taskId, uint32 round) private view returns (RoundState storage state) {
        state = _rounds[taskId][round];
        if (state.round.openedAt == 0) {
            // A task that does not exist has no rounds either: round 0 is expected.
            uint32 rounds = _tasks[taskId].rounds;
            revert LearningWrongRound(round, rounds == 0 ? 0 : rounds - 1);
        }
        if (block.timestamp >= _commitEnd(taskId, state.round)) {
            revert LearningWrongPhase(phaseOf(taskId, round), Phase.Commit);
        }
    }

    /// @dev Who is dormant has half the window to come back, or a few could keep it out of every round for good.
    function _commitEnd(bytes32 taskId, Round storage round) private view returns (uint64) {
        uint64 openedAt = round.openedAt;
        if (openedAt == 0) return 0;
        uint64 completed = round.allCommittedAt;
        uint24 window = _terms[taskId].commit;
        if (completed == 0) return openedAt + window;
        if (round.committed == Bitmap.first(round.enrolled)) return completed;
        return uint64(Math.max(completed, openedAt + window / 2));
    }

    /// @dev Everybody enrolled, less who was enrolled in each of the last three rounds and committed in none.
    function _expected(bytes32 taskId, uint32 number, uint16 enrolled) private view returns (uint256 expected) {
        expected = Bitmap.first(enrolled);
        if (number < 3) return expected;
        mapping(uint32 round => RoundState) storage rounds = _rounds[taskId];
        uint256 veterans = Bitmap.first(rounds[number - 3].round.enrolled);
        uint256 seen = rounds[number - 1].round.committed | rounds[number - 2].round.committed
            | rounds[number - 3].round.committed;
        return expected & ~(veterans & ~seen);
    }

    function _enrol(bytes32 taskId, Task storage task, address device, uint32 weight, bytes32 ownership) private {
        uint16 index = task.enrolled;
        task.enrolled = index + 1;
        task.totalWeight += weight;
        task.enrolments = Headers.enrolments(task.enrolments, device, weight, ownership);
        _indices[taskId][device] = index + 1;
        _weights[taskId][index / 8] |= uint256(weight) << (32 * (index % 8));
        emit DeviceEnrolled(taskId, device, index, weight, ownership);
    }

    function _weightAt(bytes32 taskId, uint256 index) private view returns (uint32) {
        return uint32(_weights[taskId][index / 8] >> (32 * (index % 8)));
    }

    /// @return bit of the device that signed, or 0
    /// @return reason why 0
    function _bitOf(
        bytes32 taskId,
        uint32 round,
        Round storage state,
        uint256 committed,
        SignedUpdate calldata message
    ) private view returns (uint256 bit, SkipReason reason) {
        if (block.timestamp > message.deadline) return (0, SkipReason.Expired);
        uint256 index = _indices[taskId][message.device];
        if (index == 0 || index > state.enrolled) return (0, SkipReason.NotEnrolled);
        bit = 1 << (index - 1);
        if (committed & bit != 0) return (0, SkipReason.AlreadyDone);
        if (message.update.size > _terms[taskId].maxUpdateBytes) return (0, SkipReason.TooLarge);
        bytes32 structHash = Messages.update(taskId, round, message.device, message.update, message.deadline);
        if (!_signed(message.device, structHash, message.signature)) return (0, SkipReason.BadSignature);
    }

    function _commit(
        bytes32 taskId,
        uint32 round,
        bytes32 key,
        address device,
        Update calldata update
    ) private {
        _updates[key][device] = keccak256(abi.encode(update));
        emit UpdateCommitted(
            taskId, round, device, update.digest, update.size, update.root, update.computeMillis, msg.sender
        );
    }

    /// @dev The commit phase may end early once nobody expected is missing, but never so that the round fails by it.
    function _count(bytes32 taskId, Round storage round, uint256 committed) private {
        round.committed = committed;
        uint256 expected = round.expected;
        if (committed & expected == expected && committed.count() >= _terms[taskId].minDevices) {
            round.allCommittedAt = uint64(block.timestamp);
        }
    }

    function _advance(
        Task storage task,
        RoundKind kind,
        Outcome outcome,
        bytes32 header,
        bytes32 result,
        uint32 resultSize
    ) private {
        task.head = header;
        task.lastOutcome = outcome;
        if (outcome != Outcome.Accepted && outcome != Outcome.Converged) return;
        if (kind == RoundKind.Gradient) {
            (task.gradient, task.gradientSize) = (result, resultSize);
        } else {
            (task.model, task.modelSize) = (result, resultSize);
            (task.gradient, task.gradientSize) = (0, 0);
        }
    }

    function _pay(bytes32 pot, address to, uint256 amount, bytes32 reason) private {
        if (amount != 0) ESCROW.pay(pot, to, amount, reason);
    }

    function _admitted(bytes32 taskId, address device, address admission, bytes calldata ticket)
        private
        view
        returns (bool)
    {
        return _signed(admission, Messages.ticket(taskId, device), ticket);
    }

    function _signed(address signer, bytes32 structHash, bytes calldata signature) private view returns (bool) {
        (address recovered, ECDSA.RecoverError fault,) = ECDSA.tryRecover(_hashTypedDataV4(structHash), signature);
        return fault == ECDSA.RecoverError.NoError && recovered == signer;
    }

    /// @dev What a round can cost at most: every attempt's panel at its largest, every bounty earned.
    function _budget(Money memory money, uint256 devices, uint256 holders, uint256 seats)
        private
        pure
        returns (uint256)
    {
        uint256 votes = seats;
        for (uint256 attempt = 1; attempt < MAX_ATTEMPTS; ++attempt) {
            seats = Math.min(2 * seats + 1, MAX_SEATS);
            votes += seats;
        }
        // fixIncluded, the right opening, closeRound; and summon, seed proof, settle of every attempt
        uint256 bounties = 3 + 3 * MAX_ATTEMPTS;
        return uint256(money.devicePot) + money.edgePay + holders * money.holderPay
            + (devices + 2 * holders) * money.relayPay + votes * money.voterPay + bounties * money.bounty;
    }

    function _keepTerms(HotTerms storage hot, Terms calldata terms) private {
        Windows calldata windows = terms.windows;
        hot.admission = terms.cohort.admission;
        hot.minDevices = terms.cohort.minDevices;
        hot.maxDevices = terms.cohort.maxDevices;
        hot.weightCap = terms.cohort.weightCap;
        hot.maxWeight = terms.cohort.maxWeight;
        // Every window was checked against MAX_WINDOW < 2²⁴, the seats against MAX_SEATS < 2⁸.
        hot.publish = uint24(windows.publish);
        hot.seal = uint24(windows.seal);
        hot.open = uint24(windows.open);
        hot.challenge = uint24(windows.challenge);
        hot.share = uint24(windows.share);
        hot.opening = uint24(windows.opening);
        hot.contest = uint24(windows.contest);
        hot.commitVote = uint24(windows.commitVote);
        hot.revealVote = uint24(windows.revealVote);
        hot.seed = uint24(windows.seed);
        hot.holders = terms.key.holders;
        hot.threshold = terms.key.threshold;
        hot.commit = uint24(windows.commit);
        hot.maxUpdateBytes = terms.cohort.maxUpdateBytes;
        hot.maxRounds = terms.learning.maxRounds;
        hot.gradientRounds = terms.learning.gradientRounds;
        hot.seats = uint8(terms.panel.seats);
        hot.acceptBips = terms.panel.acceptBips;
        hot.beta = terms.mining.beta;
        hot.createdAt = uint64(block.timestamp);
        hot.holdersRoot = terms.key.holdersRoot;
        if (terms.mining.powTarget != 0) hot.powTarget = terms.mining.powTarget;
        hot.money = terms.money;
    }

    function _checkTerms(Terms calldata terms) private view {
        Windows calldata windows = terms.windows;
        _within("windows.commit", windows.commit, MIN_WINDOW, MAX_WINDOW);
        _within("windows.publish", windows.publish, MIN_WINDOW, MAX_WINDOW);
        _within("windows.seal", windows.seal, MIN_WINDOW, MAX_WINDOW);
        _within("windows.open", windows.open, MIN_WINDOW, MAX_WINDOW);
        _within("windows.challenge", windows.challenge, 0, MAX_WINDOW);
        _within("windows.share", windows.share, MIN_WINDOW, MAX_WINDOW);
        _within("windows.opening", windows.opening, MIN_WINDOW, MAX_WINDOW);
        _within("windows.contest", windows.contest, MIN_WINDOW, MAX_WINDOW);
        _within("windows.commitVote", windows.commitVote, MIN_WINDOW, MAX_WINDOW);
        _within("windows.revealVote", windows.revealVote, MIN_WINDOW, MAX_WINDOW);
        _within("windows.seed", windows.seed, MIN_WINDOW, MAX_WINDOW);

        Cohort calldata cohort = terms.cohort;
        _nonZero("cohort.admission", uint160(cohort.admission));
        _within("cohort.maxDevices", cohort.maxDevices, 3, 256);
        _within("cohort.minDevices", cohort.minDevices, 3, cohort.maxDevices);
        _nonZero("cohort.maxWeight", cohort.maxWeight);
        _within("cohort.weightCap", cohort.weightCap, 1, cohort.maxWeight);
        _nonZero("cohort.maxUpdateBytes", cohort.maxUpdateBytes);

        _nonZero("learning.strategyDigest", uint256(terms.learning.strategyDigest));
        _nonZero("learning.modelDigest", uint256(terms.learning.modelDigest));
        _nonZero("learning.maxRounds", terms.learning.maxRounds);

        Encoding calldata encoding = terms.encoding;
        _within("encoding.bits", encoding.bits, 4, 32);
        _nonZero("encoding.clip", encoding.clip);
        _nonZero("encoding.ciphertexts", encoding.ciphertexts);
        _nonZero("key.digest", uint256(terms.key.digest));
        _within("key.bits", terms.key.bits, MIN_KEY_BITS, type(uint16).max);
        // A slot holds the largest sum of weights and no more: q + ⌈log₂ W⌉ bits. All slots stay below the modulus.
        uint256 largest = encoding.weighting == Weighting.Edge ? cohort.maxWeight : cohort.maxDevices;
        uint256 slotBits = encoding.bits + Math.log2(largest, Math.Rounding.Ceil);
        _within("encoding.slots", encoding.slots, 1, (uint256(terms.key.bits) - 1) / slotBits);

        _nonZero("key.holdersRoot", uint256(terms.key.holdersRoot));
        _within("key.holders", terms.key.holders, 1, 32);
        _within("key.threshold", terms.key.threshold, terms.key.holders / 2 + 1, terms.key.holders);
        _within("panel.seats", terms.panel.seats, 1, MAX_SEATS);
        _within("panel.acceptBips", terms.panel.acceptBips, 5001, 10_000);
    }

    function _within(bytes32 term, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert LearningTermOutOfBounds(term, value);
    }

    function _nonZero(bytes32 term, uint256 value) private pure {
        if (value == 0) revert LearningTermOutOfBounds(term, value);
    }
}
