// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Sealed} from "../crypto/Sealed.sol";
import {IEscrow} from "../escrow/IEscrow.sol";
import {Bitmap} from "../learning/Bitmap.sol";
import {ILearning, ILearningTypes} from "../learning/ILearning.sol";
import {Messages} from "../learning/Messages.sol";
import {ISlate, IVerification, IVerificationTypes} from "../verification/IVerification.sol";
import {Headers} from "./Headers.sol";
import {IMining} from "./IMining.sol";
import {Inclusion} from "./Inclusion.sol";

/// @title Mining
contract Mining is IMining, ISlate, EIP712 {
    using Bitmap for uint256;
    using Inclusion for Inclusion.Counters;

    /// @notice Most messages in one batch.
    uint256 public constant MAX_BATCH = 32;

    /// @notice Most candidates that stand at a time.
    uint8 public constant MAX_CANDIDATES = 8;

    /// @notice Most openings of one round.
    uint8 public constant MAX_OPENINGS = 4;

    uint8 private constant CONVERGED = 1;
    uint8 private constant OVERFLOW = 2;

    /// @dev Where forfeited bonds go: never back to the requester, who could provoke forfeits for them.
    address private constant BURNT = 0x000000000000000000000000000000000000dEaD;

    ILearning public immutable LEARNING;
    IVerification public immutable VERIFICATION;
    IEscrow public immutable ESCROW;
    /// @notice The one whose word that a proof holds is taken.
    address public immutable PAILLIER_SUM;

    /// @dev `opened`: bitmap of opened candidates, less those that were struck out. `relayed`: messages that relays brought and were not yet paid for.
    /// `nextSeq` fits 16 bits since each displacement doubles a bond. `includedCount` is 0 until the set is fixed.
    struct State {
        uint32 attested;
        uint32 shared;
        uint8 opened;
        uint8 sealedCount;
        uint8 openings;
        uint8 relayed;
        uint16 nextSeq;
        uint16 includedCount;
        uint32 totalWeight;
        uint32 round;
        uint64 allAttestedAt;
        // next word
        uint64 allOpenedAt;
        uint64 thresholdSharedAt;
        uint64 allSharedAt;
        uint64 firstOpeningAt;
        // a word each
        uint256 includedMask;
        bytes32 taskId;
        // last word
        uint32 holdersPaid;
        bool edgePaid;
        bool openerPaid;
    }

    struct Context {
        bytes32 taskId;
        uint32 round;
        bytes32 key;
        ILearningTypes.Schedule schedule;
    }

    /// @dev A PostedOpening in four words.
    struct PackedOpening {
        address poster;
        uint64 at;
        uint8 flags;
        bool bondSettled;
        uint128 bond;
        uint32 size;
        uint32 modelSize;
        uint32 usedShares;
        bytes32 digest;
        bytes32 modelDigest;
    }

    mapping(bytes32 roundKey => State) private _states;
    mapping(bytes32 roundKey => mapping(uint256 slot => Candidate)) private _candidates;
    mapping(bytes32 roundKey => mapping(uint256 index => PackedOpening)) private _openings;
    mapping(bytes32 roundKey => mapping(uint256 holder => uint256)) private _masks;
    mapping(bytes32 roundKey => uint256) private _excluded;
    mapping(bytes32 roundKey => mapping(uint256 holder => bytes32)) private _shares;
    /// @dev Attestations in the low 32 bits, shares in the next 32, by holder.
    mapping(bytes32 roundKey => mapping(address relay => uint256)) private _relayedBy;
    /// @dev A holder proves its place once a task; from then on its address is compared.
    mapping(bytes32 taskId => mapping(uint256 holder => address)) private _holders;

    constructor(ILearning learning, IVerification verification, IEscrow escrow, address paillierSum)
        EIP712("Cairn Mining", "1")
    {
        LEARNING = learning;
        VERIFICATION = verification;
        ESCROW = escrow;
        PAILLIER_SUM = paillierSum;
    }

    /// @inheritdoc IMining
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    // --- the included set ---

    /// @inheritdoc IMining
    function attest(bytes32 taskId, uint32 round, uint8 holder, uint256 mask, bytes32[] calldata branch) external {
        (Context memory c, State storage state) = _during(taskId, round, ILearningTypes.Phase.Publish);
        if (!_isHolder(c, holder, msg.sender, branch)) revert MiningNotHolder(msg.sender, holder);
        uint32 attested = state.attested;
        if (uint256(attested).has(holder)) revert MiningAlreadyAttested(holder);
        if (mask & ~c.schedule.committed != 0) revert MiningBadMask(mask, c.schedule.committed);
        _attest(c, holder, mask, msg.sender);
        _countAttested(state, attested | _bit(holder), c.schedule.holders);
    }

    /// @inheritdoc IMining
    function attestBySig(bytes32 taskId, uint32 round, SignedAttestation[] calldata attestations) external {
        if (attestations.length > MAX_BATCH) revert MiningBatchTooLong(attestations.length, MAX_BATCH);
        (Context memory c, State storage state) = _during(taskId, round, ILearningTypes.Phase.Publish);
        uint32 attested = state.attested;
        uint256 relayed;
        for (uint256 i = 0; i < attestations.length; ++i) {
            SignedAttestation calldata a = attestations[i];
            (address signer, ILearningTypes.SkipReason reason) = _attestationSigner(c, attested, a);
            if (signer == address(0)) {
                emit MessageSkipped(taskId, round, i, reason);
            } else {
                attested |= _bit(a.holder);
                if (signer != msg.sender) relayed |= _bit(a.holder);
                _attest(c, a.holder, a.mask, signer);
            }
        }
        _countRelayed(state, c.key, relayed);
        _countAttested(state, attested, c.schedule.holders);
    }

    /// @inheritdoc IMining
    function fixIncluded(bytes32 taskId, uint32 round) external {
        (Context memory c, State storage state) = _sealing(taskId, round);
        if (state.includedCount != 0) revert MiningAlreadyFixed(taskId, round);
        _fix(c, state);
        _pay(c.key, msg.sender, _moneyOf(taskId).bounty, "include");
    }

    // --- candidates ---

    /// @inheritdoc IMining
    function sealAggregate(bytes32 taskId, uint32 round, bytes32 seal) external payable returns (uint8 slot) {
        (Context memory c, State storage state) = _sealing(taskId, round);
        ILearningTypes.Money memory money = _moneyOf(taskId);
        bool fixing = state.includedCount == 0;
        if (fixing) _fix(c, state);

        uint256 needed = money.edgeBond;
        slot = state.sealedCount;
        Candidate memory displaced;
        if (slot < MAX_CANDIDATES) {
            state.sealedCount = slot + 1;
        } else {
            slot = _lowestBond(c.key);
            displaced = _candidates[c.key][slot];
            // At least one wei more than nothing, or free bonds could displace each other for ever.
            needed = Math.max(needed, Math.max(2 * uint256(displaced.bond), 1));
        }
        if (msg.value < needed) revert MiningBondTooSmall(msg.value, needed);

        uint32 seq = state.nextSeq;
        state.nextSeq = uint16(seq + 1);
        Candidate storage candidate = _candidates[c.key][slot];
        candidate.seq = seq;
        candidate.edge = msg.sender;
        candidate.state = CandidateState.Sealed;
        candidate.bond = uint128(msg.value); // all ether there is fits 128 bits
        candidate.seal = seal;
        if (displaced.edge != address(0)) {
            emit CandidateDisplaced(taskId, round, displaced.edge, slot, displaced.seq);
            emit BondReleased(taskId, round, displaced.edge, false, slot, displaced.bond);
        }
        emit AggregateSealed(taskId, round, msg.sender, slot, seq, seal, uint128(msg.value));

        if (fixing) _pay(c.key, msg.sender, money.bounty, "include");
        if (displaced.edge != address(0)) _pay(_bondsPot(c.key), displaced.edge, displaced.bond, "bond");
        _fundBonds(c.key);
    }

    /// @inheritdoc IMining
    function openAggregate(bytes32 taskId, uint32 round, uint8 slot, Aggregate calldata aggregate, bytes32 salt)
        external
    {
        (Context memory c, State storage state) = _during(taskId, round, ILearningTypes.Phase.Open);
        Candidate storage candidate = _candidates[c.key][slot];
        if (candidate.state != CandidateState.Sealed) revert MiningUnknownCandidate(slot);
        if (candidate.edge != msg.sender) revert MiningNotOwner(msg.sender, candidate.edge);
        if (aggregate.size > c.schedule.maxBytes) revert MiningTooLarge(aggregate.size, c.schedule.maxBytes);
        {
            bytes32 seal = Sealed.aggregate(
                address(this),
                taskId,
                round,
                msg.sender,
                aggregate.digest,
                aggregate.size,
                aggregate.root,
                aggregate.nonce,
                salt
            );
            if (seal != candidate.seal) revert MiningSealMismatch(seal, candidate.seal);
        }
        bytes32 header = _candidateHeader(c, state, aggregate);
        uint256 target = LEARNING.powTargetOf(taskId);
        if (target != 0 && uint256(header) > target) revert MiningWorkTooSmall(uint256(header), target);

        candidate.state = CandidateState.Opened;
        candidate.size = aggregate.size;
        candidate.digest = aggregate.digest;
        candidate.root = aggregate.root;
        candidate.header = header;
        uint8 opened = state.opened | uint8(1 << slot);
        state.opened = opened;
        if (uint256(opened).count() == state.sealedCount) state.allOpenedAt = uint64(block.timestamp);
        emit AggregateOpened(
            taskId,
            round,
            msg.sender,
            slot,
            aggregate.digest,
            aggregate.size,
            aggregate.root,
            aggregate.nonce,
            header
        );
    }

    // --- what was proven wrong ---

    /// @inheritdoc IMining
    function excludeUpdate(bytes32 taskId, uint32 round, address device, uint16 index, address by) external {
        _onlyProver();
        (Context memory c,) = _during(taskId, round, ILearningTypes.Phase.Publish);
        _excluded[c.key] |= 1 << index;
        emit UpdateExcluded(taskId, round, device, index, by);
    }

    /// @inheritdoc IMining
    function strikeOut(bytes32 taskId, uint32 round, uint8 slot, address by) external {
        _onlyProver();
        (Context memory c, State storage state) = _load(taskId, round);
        ILearningTypes.Phase phase = _phase(c, state);
        if (phase < ILearningTypes.Phase.Challenge || phase == ILearningTypes.Phase.Closed) {
            revert MiningWrongPhase(phase, ILearningTypes.Phase.Challenge);
        }
        if (!uint256(state.opened).has(slot)) revert MiningUnknownCandidate(slot);
        state.opened ^= uint8(1 << slot);
        Candidate storage candidate = _candidates[c.key][slot];
        candidate.state = CandidateState.Struck;
        uint256 bond = candidate.bond;
        uint256 reward = bond / 2;
        emit CandidateStruckOut(taskId, round, candidate.edge, slot, by, reward);
        // Who lies and then reports itself still loses the other half.
        bytes32 bonds = _bondsPot(c.key);
        _pay(bonds, by, reward, "proof");
        _pay(bonds, BURNT, bond - reward, "burn");
    }

    // --- shares and openings ---

    /// @inheritdoc IMining
    function postShare(
        bytes32 taskId,
        uint32 round,
        uint8 holder,
        bytes32 digest,
        uint32 size,
        bytes32[] calldata branch
    ) external {
        (Context memory c, State storage state) = _sharing(taskId, round);
        if (!_isHolder(c, holder, msg.sender, branch)) revert MiningNotHolder(msg.sender, holder);
        uint32 shared = state.shared;
        if (uint256(shared).has(holder)) revert MiningAlreadyShared(holder);
        if (size > c.schedule.maxBytes) revert MiningTooLarge(size, c.schedule.maxBytes);
        _share(c, holder, digest, size, msg.sender);
        _countShared(state, shared | _bit(holder), c.schedule);
    }

    /// @inheritdoc IMining
    function postSharesBySig(bytes32 taskId, uint32 round, SignedShare[] calldata shares) external {
        if (shares.length > MAX_BATCH) revert MiningBatchTooLong(shares.length, MAX_BATCH);
        (Context memory c, State storage state) = _sharing(taskId, round);
        uint32 shared = state.shared;
        uint256 relayed;
        for (uint256 i = 0; i < shares.length; ++i) {
            SignedShare calldata s = shares[i];
            (address signer, ILearningTypes.SkipReason reason) = _shareSigner(c, shared, s);
            if (signer == address(0)) {
                emit MessageSkipped(taskId, round, i, reason);
            } else {
                shared |= _bit(s.holder);
                if (signer != msg.sender) relayed |= uint256(_bit(s.holder)) << 32;
                _share(c, s.holder, s.digest, s.size, signer);
            }
        }
        _countRelayed(state, c.key, relayed);
        // A batch of which nothing was taken moves no time: nobody could read it from the events.
        if (shared != state.shared) _countShared(state, shared, c.schedule);
    }

    /// @inheritdoc IMining
    function postOpening(bytes32 taskId, uint32 round, Opening calldata opening)
        external
        payable
        returns (uint8 index)
    {
        (Context memory c, State storage state) = _load(taskId, round);
        _checkOpening(c, state, opening);
        index = state.openings;
        uint256 needed = _moneyOf(taskId).openingBond;
        if (msg.value < needed) revert MiningBondTooSmall(msg.value, needed);

        _openings[c.key][index] = PackedOpening({
            poster: msg.sender,
            at: uint64(block.timestamp),
            flags: opening.flags,
            bondSettled: false,
            bond: uint128(msg.value), // all ether there is fits 128 bits
            size: opening.size,
            modelSize: opening.modelSize,
            usedShares: opening.usedShares,
            digest: opening.digest,
            modelDigest: opening.modelDigest
        });
        state.openings = index + 1;
        if (index == 0) state.firstOpeningAt = uint64(block.timestamp);
        emit OpeningPosted(taskId, round, msg.sender, index, uint128(msg.value), opening);
        _fundBonds(c.key);
    }

    // --- bonds and pay ---

    /// @inheritdoc IMining
    function settleCandidateBond(bytes32 taskId, uint32 round, uint8 slot) external {
        (bytes32 key,,) = _closed(taskId, round);
        Candidate storage candidate = _candidates[key][slot];
        (address owner, uint256 bond) = (candidate.edge, candidate.bond);
        CandidateState was = candidate.state;
        if (was != CandidateState.Sealed && was != CandidateState.Opened) {
            revert MiningNothingToClaim(taskId, round, owner);
        }
        bool forfeit = was == CandidateState.Sealed || uint256(_quorum(key).invalid).has(slot);
        if (forfeit) {
            candidate.state = CandidateState.Forfeited;
            emit BondForfeited(taskId, round, owner, false, slot, bond);
        } else {
            candidate.state = CandidateState.Released;
            emit BondReleased(taskId, round, owner, false, slot, bond);
        }
        _settleBond(key, owner, bond, forfeit);
    }

    /// @inheritdoc IMining
    function settleOpeningBond(bytes32 taskId, uint32 round, uint8 index) external {
        (bytes32 key,,) = _closed(taskId, round);
        PackedOpening storage opening = _openings[key][index];
        (address owner, uint256 bond) = (opening.poster, opening.bond);
        if (owner == address(0) || opening.bondSettled) revert MiningNothingToClaim(taskId, round, owner);
        bool forfeit = uint256(_quorum(key).wrong).has(index);
        opening.bondSettled = true;
        if (forfeit) {
            emit BondForfeited(taskId, round, owner, true, index, bond);
        } else {
            emit BondReleased(taskId, round, owner, true, index, bond);
        }
        _settleBond(key, owner, bond, forfeit);
    }

    /// @inheritdoc IMining
    function claimEdgePayFor(bytes32 taskId, uint32 round) external {
        (bytes32 key, State storage state, ILearningTypes.Outcome outcome) = _closed(taskId, round);
        if (!_hasWinner(outcome) || state.edgePaid) revert MiningNothingToClaim(taskId, round, msg.sender);
        state.edgePaid = true;
        address edge = _candidates[key][_firstValid(key, state, _quorum(key))].edge;
        uint256 amount = _moneyOf(taskId).edgePay;
        emit EdgePaid(taskId, round, edge, amount);
        _pay(key, edge, amount, "edge");
    }

    /// @inheritdoc IMining
    function claimOpenerPayFor(bytes32 taskId, uint32 round) external {
        (bytes32 key, State storage state, ILearningTypes.Outcome outcome) = _closed(taskId, round);
        if (!_hasWinner(outcome) || state.openerPaid) revert MiningNothingToClaim(taskId, round, msg.sender);
        state.openerPaid = true;
        address poster = _openings[key][_firstRight(state, _quorum(key))].poster;
        uint256 amount = _moneyOf(taskId).bounty;
        emit OpenerPaid(taskId, round, poster, amount);
        _pay(key, poster, amount, "opener");
    }

    /// @inheritdoc IMining
    function claimHolderPayFor(bytes32 taskId, uint32 round, uint8 holder) external {
        (bytes32 key, State storage state, ILearningTypes.Outcome outcome) = _closed(taskId, round);
        address owner = _holders[taskId][holder];
        uint256 unpaid = _rewardedShares(key, state, outcome) & ~uint256(state.holdersPaid);
        if (!unpaid.has(holder)) revert MiningNothingToClaim(taskId, round, owner);
        state.holdersPaid |= _bit(holder);
        uint256 amount = _moneyOf(taskId).holderPay;
        emit HolderPaid(taskId, round, owner, amount);
        _pay(key, owner, amount, "holder");
    }

    /// @inheritdoc IMining
    function claimRelayPayFor(bytes32 taskId, uint32 round, address relay) external {
        (bytes32 key, State storage state,) = _closed(taskId, round);
        uint256 brought = _relayedBy[key][relay].count();
        if (brought == 0 || state.openings == 0) revert MiningNothingToClaim(taskId, round, relay);
        delete _relayedBy[key][relay];
        state.relayed -= uint8(brought);
        uint256 amount = _moneyOf(taskId).relayPay * brought;
        emit RelayPaid(taskId, round, relay, amount);
        _pay(key, relay, amount, "relay");
    }

    // --- what the panel asks ---

    /// @inheritdoc ISlate
    function slateOf(bytes32 caseKey) external view returns (Slate memory slate) {
        State storage state = _states[caseKey];
        if (state.taskId == 0) return slate;
        (Context memory c,) = _load(state.taskId, state.round);
        ILearningTypes.Money memory money = _moneyOf(state.taskId);
        slate.candidates = state.opened;
        slate.openings = _openingsMask(state);
        slate.ready = slate.candidates != 0 && _phase(c, state) == ILearningTypes.Phase.Vote;
        slate.seats = c.schedule.seats;
        slate.acceptBips = c.schedule.acceptBips;
        slate.commitVote = c.schedule.windows.commitVote;
        slate.revealVote = c.schedule.windows.revealVote;
        slate.seed = c.schedule.windows.seed;
        slate.voterPay = money.voterPay;
        slate.bounty = money.bounty;
        slate.pot = caseKey;
    }

    /// @inheritdoc ISlate
    /// @dev Either something closes the round, or nothing on the slate can.
    function decides(bytes32 caseKey, IVerificationTypes.Ballot calldata quorum) external view returns (bool) {
        State storage state = _states[caseKey];
        uint8 candidates = state.opened;
        uint8 openings = _openingsMask(state);
        if (quorum.invalid & candidates == candidates) return true;
        return quorum.valid & candidates != 0
            && (quorum.right & openings != 0 || quorum.wrong & openings == openings);
    }

    // --- views ---

    /// @inheritdoc IMining
    function phaseOf(bytes32 taskId, uint32 round) external view returns (ILearningTypes.Phase) {
        (Context memory c, State storage state) = _load(taskId, round);
        return _phase(c, state);
    }

    /// @inheritdoc IMining
    function deadlinesOf(bytes32 taskId, uint32 round) external view returns (Deadlines memory deadlines) {
        (Context memory c, State storage state) = _load(taskId, round);
        Deadlines memory d = _deadlines(c, state);
        deadlines.commitEnd = d.commitEnd;
        if (block.timestamp < d.commitEnd || _tooFewCommitted(c)) return deadlines;
        deadlines.publishEnd = d.publishEnd;
        if (block.timestamp < d.publishEnd || _tooFewIncluded(c, state)) return deadlines;
        deadlines.sealEnd = d.sealEnd;
        if (block.timestamp < d.sealEnd) return deadlines;
        deadlines.openEnd = d.openEnd;
        if (block.timestamp < d.openEnd || state.opened == 0) return deadlines;
        deadlines.challengeEnd = d.challengeEnd;
        if (block.timestamp < d.challengeEnd) return deadlines;
        deadlines.shareEnd = d.shareEnd;
        if (block.timestamp < d.shareEnd) return deadlines;
        deadlines.openingEnd = d.openingEnd;
    }

    /// @inheritdoc IMining
    function progressOf(bytes32 taskId, uint32 round) external view returns (Progress memory progress) {
        State storage state = _states[Headers.roundKey(taskId, round)];
        progress.attested = state.attested;
        progress.shared = state.shared;
        progress.candidates = state.opened;
        progress.sealedCount = state.sealedCount;
        progress.openedCount = uint8(uint256(state.opened).count());
        progress.openings = state.openings;
        progress.allAttestedAt = state.allAttestedAt;
        progress.allOpenedAt = state.allOpenedAt;
        progress.thresholdSharedAt = state.thresholdSharedAt;
        progress.allSharedAt = state.allSharedAt;
        progress.firstOpeningAt = state.firstOpeningAt;
        progress.included = state.includedCount != 0;
        progress.includedCount = state.includedCount;
        progress.totalWeight = state.totalWeight;
        progress.includedMask = state.includedMask;
    }

    /// @inheritdoc IMining
    function includedSet(bytes32 taskId, uint32 round)
        external
        view
        returns (uint256 mask, uint16 count, uint64 totalWeight)
    {
        State storage state = _states[Headers.roundKey(taskId, round)];
        return (state.includedMask, state.includedCount, state.totalWeight);
    }

    /// @inheritdoc IMining
    function excludedSet(bytes32 taskId, uint32 round) external view returns (uint256 mask) {
        return _excluded[Headers.roundKey(taskId, round)];
    }

    /// @inheritdoc IMining
    function candidateOf(bytes32 taskId, uint32 round, uint8 slot) external view returns (Candidate memory) {
        return _candidates[Headers.roundKey(taskId, round)][slot];
    }

    /// @inheritdoc IMining
    function openingOf(bytes32 taskId, uint32 round, uint8 index) external view returns (PostedOpening memory posted) {
        PackedOpening storage o = _openings[Headers.roundKey(taskId, round)][index];
        posted.poster = o.poster;
        posted.at = o.at;
        posted.bond = o.bond;
        posted.bondSettled = o.bondSettled;
        posted.opening = Opening({
            digest: o.digest,
            size: o.size,
            modelDigest: o.modelDigest,
            modelSize: o.modelSize,
            usedShares: o.usedShares,
            flags: o.flags
        });
    }

    /// @inheritdoc IMining
    function attestationOf(bytes32 taskId, uint32 round, uint8 holder)
        external
        view
        returns (address who, uint256 mask)
    {
        bytes32 key = Headers.roundKey(taskId, round);
        if (uint256(_states[key].attested).has(holder)) (who, mask) = (_holders[taskId][holder], _masks[key][holder]);
    }

    /// @inheritdoc IMining
    function shareOf(bytes32 taskId, uint32 round, uint8 holder)
        external
        view
        returns (address who, bytes32 commitment)
    {
        commitment = _shares[Headers.roundKey(taskId, round)][holder];
        if (commitment != 0) who = _holders[taskId][holder];
    }

    /// @inheritdoc IMining
    function outcomeOf(bytes32 taskId, uint32 round)
        external
        view
        returns (ILearningTypes.Outcome outcome, bytes32 header, bytes32 result, uint32 resultSize, bool opened)
    {
        (Context memory c, State storage state) = _load(taskId, round);
        ILearningTypes.Phase phase = _phase(c, state);
        if (phase < ILearningTypes.Phase.Vote) return (outcome, header, result, resultSize, opened);
        opened = state.openings != 0;
        IVerificationTypes.Verdict memory verdict = _verdictOf(c.key);
        // Where the last candidate was struck out before a panel was summoned, there is nothing to summon one for.
        if (state.opened == 0 && verdict.status == IVerificationTypes.Status.None) {
            outcome = _tooFewCommitted(c) || _tooFewIncluded(c, state)
                ? ILearningTypes.Outcome.TooFew
                : ILearningTypes.Outcome.NotOpened;
        } else {
            if (verdict.status == IVerificationTypes.Status.Abandoned) {
                outcome = ILearningTypes.Outcome.Abandoned;
            } else if (verdict.status == IVerificationTypes.Status.Decided) {
                uint8 slot = _firstValid(c.key, state, verdict.quorum);
                uint8 index = _firstRight(state, verdict.quorum);
                if (slot == MAX_CANDIDATES || index == MAX_OPENINGS) {
                    outcome = ILearningTypes.Outcome.NotOpened;
                } else {
                    PackedOpening storage o = _openings[c.key][index];
                    outcome = o.flags == OVERFLOW
                        ? ILearningTypes.Outcome.Overflow
                        : o.flags == CONVERGED ? ILearningTypes.Outcome.Converged : ILearningTypes.Outcome.Accepted;
                    // An overflow has no model: _checkOpening demands 0.
                    (result, resultSize) = (o.modelDigest, o.modelSize);
                    header = Headers.closing(_candidates[c.key][slot].header, outcome, o.digest, result);
                    return (outcome, header, result, resultSize, opened);
                }
            } else {
                return (outcome, header, result, resultSize, opened);
            }
        }
        header = Headers.failed(c.schedule.parent, taskId, round, outcome);
    }

    /// @inheritdoc IMining
    function entitlementsOf(bytes32 taskId, uint32 round) external view returns (uint256 owed) {
        bytes32 key = Headers.roundKey(taskId, round);
        State storage state = _states[key];
        ILearningTypes.Outcome outcome = LEARNING.closedAs(taskId, round);
        if (outcome == ILearningTypes.Outcome.Open) return ESCROW.potOf(key);
        // Without a candidate there was a panel only if one was struck out later.
        if (state.opened != 0 || _verdictOf(key).status != IVerificationTypes.Status.None) {
            owed = VERIFICATION.entitlementsOf(address(this), key);
        }
        ILearningTypes.Money memory money = _moneyOf(taskId);
        if (state.openings != 0) owed += uint256(money.relayPay) * state.relayed;
        if (_hasWinner(outcome)) {
            if (!state.edgePaid) owed += money.edgePay;
            if (!state.openerPaid) owed += money.bounty;
        }
        uint256 unpaid = _rewardedShares(key, state, outcome) & ~uint256(state.holdersPaid);
        owed += uint256(money.holderPay) * unpaid.count();
    }

    // --- phases ---

    function _onlyProver() private view {
        if (msg.sender != PAILLIER_SUM) revert MiningNotProver(msg.sender);
    }

    function _load(bytes32 taskId, uint32 round) private view returns (Context memory c, State storage state) {
        c.taskId = taskId;
        c.round = round;
        c.key = Headers.roundKey(taskId, round);
        c.schedule = LEARNING.scheduleOf(taskId, round);
        state = _states[c.key];
    }

    function _during(bytes32 taskId, uint32 round, ILearningTypes.Phase expected)
        private
        view
        returns (Context memory c, State storage state)
    {
        (c, state) = _load(taskId, round);
        ILearningTypes.Phase actual = _phase(c, state);
        if (actual != expected) revert MiningWrongPhase(actual, expected);
    }

    /// @dev A wrong opening cuts no share off: until the window's own end shares are taken beside openings.
    function _sharing(bytes32 taskId, uint32 round) private view returns (Context memory c, State storage state) {
        (c, state) = _load(taskId, round);
        ILearningTypes.Phase actual = _phase(c, state);
        if (
            actual != ILearningTypes.Phase.Share
                && (actual != ILearningTypes.Phase.Opening
                    || block.timestamp >= _deadlines(c, state).challengeEnd + c.schedule.windows.share)
        ) revert MiningWrongPhase(actual, ILearningTypes.Phase.Share);
    }

    /// @dev As `_during` the seal phase, but without counting the marks, which `_fix` does.
    function _sealing(bytes32 taskId, uint32 round) private view returns (Context memory c, State storage state) {
        (c, state) = _load(taskId, round);
        Deadlines memory d = _deadlines(c, state);
        if (
            c.schedule.commitEnd == 0 || c.schedule.closedAt != 0 || block.timestamp < d.publishEnd
                || block.timestamp >= d.sealEnd || _tooFewCommitted(c)
        ) {
            revert MiningWrongPhase(_phase(c, state), ILearningTypes.Phase.Seal);
        }
    }

    function _phase(Context memory c, State storage state) private view returns (ILearningTypes.Phase) {
        if (c.schedule.commitEnd == 0) return ILearningTypes.Phase.None;
        if (c.schedule.closedAt != 0) return ILearningTypes.Phase.Closed;
        Deadlines memory d = _deadlines(c, state);
        if (block.timestamp < d.commitEnd) return ILearningTypes.Phase.Commit;
        if (_tooFewCommitted(c)) return ILearningTypes.Phase.Vote;
        if (block.timestamp < d.publishEnd) return ILearningTypes.Phase.Publish;
        if (_tooFewIncluded(c, state)) return ILearningTypes.Phase.Vote;
        if (block.timestamp < d.sealEnd) return ILearningTypes.Phase.Seal;
        if (block.timestamp < d.openEnd) return ILearningTypes.Phase.Open;
        if (state.opened == 0) return ILearningTypes.Phase.Vote;
        if (block.timestamp < d.challengeEnd) return ILearningTypes.Phase.Challenge;
        if (block.timestamp < d.shareEnd) return ILearningTypes.Phase.Share;
        if (block.timestamp < d.openingEnd) return ILearningTypes.Phase.Opening;
        return ILearningTypes.Phase.Vote;
    }

    /// @dev Each end follows from the one before, whether that has come or not.
    function _deadlines(Context memory c, State storage state) private view returns (Deadlines memory d) {
        ILearningTypes.Windows memory windows = c.schedule.windows;
        d.commitEnd = c.schedule.commitEnd;
        d.publishEnd = _endOr(state.allAttestedAt, d.commitEnd + windows.publish);
        d.sealEnd = d.publishEnd + windows.seal;
        d.openEnd = _endOr(state.allOpenedAt, d.sealEnd + windows.open);
        d.challengeEnd = d.openEnd + windows.challenge;
        d.shareEnd = _endOr(state.allSharedAt, d.challengeEnd + windows.share);
        uint64 first = state.firstOpeningAt;
        if (first != 0) {
            if (first < d.shareEnd) d.shareEnd = first;
            d.openingEnd = first + windows.contest;
        } else if (state.thresholdSharedAt != 0) {
            d.openingEnd = d.shareEnd + windows.opening;
        } else {
            d.openingEnd = d.shareEnd;
        }
    }

    function _endOr(uint64 completedAt, uint64 deadline) private pure returns (uint64) {
        return completedAt != 0 ? completedAt : deadline;
    }

    function _tooFewCommitted(Context memory c) private pure returns (bool) {
        return c.schedule.committed.count() < c.schedule.minDevices;
    }

    function _tooFewIncluded(Context memory c, State storage state) private view returns (bool) {
        return state.includedCount == 0
            && _marked(c.key, state.attested, c.schedule.threshold).count() < c.schedule.minDevices;
    }

    // --- the included set ---

    /// @return mask of the devices that at least `threshold` holders marked, less those that were excluded
    function _marked(bytes32 key, uint256 attested, uint256 threshold) private view returns (uint256 mask) {
        Inclusion.Counters memory counters;
        for (uint256 holder = 0; attested != 0; ++holder) {
            if (attested & 1 == 1) counters.add(_masks[key][holder]);
            attested >>= 1;
        }
        return counters.atLeast(threshold) & ~_excluded[key];
    }

    function _fix(Context memory c, State storage state) private {
        uint256 mask = _marked(c.key, state.attested, c.schedule.threshold);
        uint16 count = uint16(mask.count());
        if (count < c.schedule.minDevices) revert MiningTooFewIncluded(count, c.schedule.minDevices);
        uint64 totalWeight = LEARNING.weightOfSet(c.taskId, mask);
        state.includedCount = count;
        state.totalWeight = uint32(totalWeight); // at most the terms' maxWeight
        state.includedMask = mask;
        state.taskId = c.taskId;
        state.round = c.round;
        emit SetIncluded(c.taskId, c.round, mask, count, totalWeight, msg.sender);
    }

    /// @dev Proves the holder's place by its branch the first time, remembers it, and then compares.
    function _isHolder(Context memory c, uint8 holder, address who, bytes32[] calldata branch) private returns (bool) {
        if (holder >= c.schedule.holders) return false;
        address known = _holders[c.taskId][holder];
        if (known != address(0)) return known == who;
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(uint256(holder), who))));
        if (!MerkleProof.verifyCalldata(branch, LEARNING.holdersRootOf(c.taskId), leaf)) return false;
        _holders[c.taskId][holder] = who;
        return true;
    }

    /// @return signer the holder, or 0
    /// @return reason why 0
    function _attestationSigner(Context memory c, uint32 attested, SignedAttestation calldata a)
        private
        returns (address signer, ILearningTypes.SkipReason reason)
    {
        if (block.timestamp > a.deadline) return (address(0), ILearningTypes.SkipReason.Expired);
        if (a.holder >= c.schedule.holders) return (address(0), ILearningTypes.SkipReason.NotEnrolled);
        if (uint256(attested).has(a.holder)) return (address(0), ILearningTypes.SkipReason.AlreadyDone);
        if (a.mask & ~c.schedule.committed != 0) return (address(0), ILearningTypes.SkipReason.TooLarge);
        return _signerOf(
            c,
            a.holder,
            Messages.attestation(c.taskId, c.round, a.holder, a.mask, a.deadline),
            a.branch,
            a.signature
        );
    }

    /// @return signer the holder, or 0
    /// @return reason why 0
    function _shareSigner(Context memory c, uint32 shared, SignedShare calldata s)
        private
        returns (address signer, ILearningTypes.SkipReason reason)
    {
        if (block.timestamp > s.deadline) return (address(0), ILearningTypes.SkipReason.Expired);
        if (s.holder >= c.schedule.holders) return (address(0), ILearningTypes.SkipReason.NotEnrolled);
        if (uint256(shared).has(s.holder)) return (address(0), ILearningTypes.SkipReason.AlreadyDone);
        if (s.size > c.schedule.maxBytes) return (address(0), ILearningTypes.SkipReason.TooLarge);
        return _signerOf(
            c,
            s.holder,
            Messages.share(c.taskId, c.round, s.holder, s.digest, s.size, s.deadline),
            s.branch,
            s.signature
        );
    }

    function _signerOf(
        Context memory c,
        uint8 holder,
        bytes32 structHash,
        bytes32[] calldata branch,
        bytes calldata signature
    ) private returns (address signer, ILearningTypes.SkipReason reason) {
        ECDSA.RecoverError fault;
        (signer, fault,) = ECDSA.tryRecover(_hashTypedDataV4(structHash), signature);
        if (fault != ECDSA.RecoverError.NoError || !_isHolder(c, holder, signer, branch)) {
            return (address(0), ILearningTypes.SkipReason.BadSignature);
        }
    }

    function _attest(Context memory c, uint8 holder, uint256 mask, address who) private {
        _masks[c.key][holder] = mask;
        emit UpdatesAttested(c.taskId, c.round, who, holder, mask, msg.sender);
    }

    function _share(Context memory c, uint8 holder, bytes32 digest, uint32 size, address who) private {
        _shares[c.key][holder] = keccak256(abi.encode(digest, size));
        emit SharePosted(c.taskId, c.round, who, holder, digest, size, msg.sender);
    }

    function _countAttested(State storage state, uint32 attested, uint256 holders) private {
        state.attested = attested;
        if (attested == Bitmap.first(holders)) state.allAttestedAt = uint64(block.timestamp);
    }

    function _countShared(State storage state, uint32 shared, ILearningTypes.Schedule memory schedule) private {
        state.shared = shared;
        if (state.thresholdSharedAt == 0 && uint256(shared).count() >= schedule.threshold) {
            state.thresholdSharedAt = uint64(block.timestamp);
        }
        if (shared == Bitmap.first(schedule.holders)) state.allSharedAt = uint64(block.timestamp);
    }

    function _countRelayed(State storage state, bytes32 key, uint256 brought) private {
        if (brought == 0) return;
        _relayedBy[key][msg.sender] |= brought;
        state.relayed += uint8(brought.count()); // at most 32 attestations and 32 shares
    }

    function _bit(uint8 holder) private pure returns (uint32) {
        return uint32(1) << holder;
    }

    // --- candidates and openings ---

    /// @dev The lowest bond; among equals the latest, so that who came first stays.
    function _lowestBond(bytes32 key) private view returns (uint8 lowest) {
        Candidate storage worst = _candidates[key][0];
        for (uint8 slot = 1; slot < MAX_CANDIDATES; ++slot) {
            Candidate storage other = _candidates[key][slot];
            if (other.bond < worst.bond || (other.bond == worst.bond && other.seq > worst.seq)) {
                (lowest, worst) = (slot, other);
            }
        }
    }

    function _candidateHeader(Context memory c, State storage state, Aggregate calldata aggregate)
        private
        view
        returns (bytes32)
    {
        return Headers.candidate(
            Headers.Candidate({
                parent: c.schedule.parent,
                taskId: c.taskId,
                round: c.round,
                kind: c.schedule.kind,
                includedMask: state.includedMask,
                totalWeight: state.totalWeight,
                aggregateDigest: aggregate.digest,
                aggregateSize: aggregate.size,
                aggregateRoot: aggregate.root,
                edge: msg.sender,
                beta: c.schedule.beta,
                nonce: aggregate.nonce
            })
        );
    }

    function _checkOpening(Context memory c, State storage state, Opening calldata opening) private view {
        ILearningTypes.Phase phase = _phase(c, state);
        if (phase != ILearningTypes.Phase.Share && phase != ILearningTypes.Phase.Opening) {
            revert MiningWrongPhase(phase, ILearningTypes.Phase.Opening);
        }
        uint64 since = state.thresholdSharedAt;
        uint8 threshold = c.schedule.threshold;
        if (since == 0) revert MiningTooFewShares(uint16(uint256(state.shared).count()), threshold);
        uint8 openings = state.openings;
        if (openings == MAX_OPENINGS) revert MiningOpeningsFull(MAX_OPENINGS);
        uint64 openToAll = since + c.schedule.windows.opening / 2;
        if (openings == 0 && block.timestamp < openToAll && !_openedCandidate(c.key, state.opened, msg.sender)) {
            revert MiningNotYetOpenToAll(openToAll);
        }
        uint32 used = opening.usedShares;
        if (used & ~state.shared != 0) revert MiningSharesNotPosted(used, state.shared);
        uint16 count = uint16(uint256(used).count());
        if (count < threshold) revert MiningTooFewShares(count, threshold);
        if (opening.size > c.schedule.maxBytes) revert MiningTooLarge(opening.size, c.schedule.maxBytes);
        // Converged speaks of models only; an overflow leaves no model, everything else one.
        uint8 flags = opening.flags;
        bool overflow = flags == OVERFLOW;
        if (
            flags > OVERFLOW || (flags == CONVERGED && c.schedule.kind == ILearningTypes.RoundKind.Gradient)
                || overflow != (opening.modelDigest == 0) || (overflow && opening.modelSize != 0)
        ) revert MiningBadFlags(flags);
    }

    function _openedCandidate(bytes32 key, uint256 opened, address edge) private view returns (bool) {
        for (uint256 slot = 0; slot < MAX_CANDIDATES; ++slot) {
            if (opened.has(slot) && _candidates[key][slot].edge == edge) return true;
        }
        return false;
    }

    function _openingsMask(State storage state) private view returns (uint8) {
        return uint8(Bitmap.first(state.openings));
    }

    // --- what the verdict means ---

    function _closed(bytes32 taskId, uint32 round)
        private
        view
        returns (bytes32 key, State storage state, ILearningTypes.Outcome outcome)
    {
        outcome = LEARNING.closedAs(taskId, round);
        if (outcome == ILearningTypes.Outcome.Open) revert MiningRoundNotClosed(taskId, round);
        key = Headers.roundKey(taskId, round);
        state = _states[key];
    }

    function _quorum(bytes32 key) private view returns (IVerificationTypes.Ballot memory) {
        return _verdictOf(key).quorum;
    }

    function _verdictOf(bytes32 key) private view returns (IVerificationTypes.Verdict memory) {
        return VERIFICATION.verdictOf(address(this), key);
    }

    /// @return slot first valid candidate in the order of sealing, or MAX_CANDIDATES
    function _firstValid(bytes32 key, State storage state, IVerificationTypes.Ballot memory quorum)
        private
        view
        returns (uint8 slot)
    {
        slot = MAX_CANDIDATES;
        uint256 valid = quorum.valid & state.opened;
        uint32 best = type(uint32).max;
        for (uint8 i = 0; i < MAX_CANDIDATES; ++i) {
            if (valid.has(i) && _candidates[key][i].seq < best) (slot, best) = (i, _candidates[key][i].seq);
        }
    }

    /// @return index first right opening, or MAX_OPENINGS
    function _firstRight(State storage state, IVerificationTypes.Ballot memory quorum)
        private
        view
        returns (uint8 index)
    {
        return uint8(Math.min(uint256(quorum.right & _openingsMask(state)).lowest(), MAX_OPENINGS));
    }

    function _hasWinner(ILearningTypes.Outcome outcome) private pure returns (bool) {
        return outcome == ILearningTypes.Outcome.Accepted || outcome == ILearningTypes.Outcome.Converged
            || outcome == ILearningTypes.Outcome.Overflow;
    }

    /// @return used bitmap of the holders to pay: of the right opening, or, undecided for good, of the first
    function _rewardedShares(bytes32 key, State storage state, ILearningTypes.Outcome outcome)
        private
        view
        returns (uint256 used)
    {
        if (_hasWinner(outcome)) {
            return _openings[key][_firstRight(state, _quorum(key))].usedShares;
        }
        // Without any opening there is nothing at place 0, and nobody to pay.
        return outcome == ILearningTypes.Outcome.Abandoned ? _openings[key][0].usedShares : 0;
    }

    // --- money ---

    function _moneyOf(bytes32 taskId) private view returns (ILearningTypes.Money memory) {
        return LEARNING.moneyOf(taskId);
    }

    function _bondsPot(bytes32 key) private pure returns (bytes32) {
        return keccak256(abi.encode(key, "bonds"));
    }

    function _fundBonds(bytes32 key) private {
        ESCROW.fund{value: msg.value}(_bondsPot(key));
    }

    function _settleBond(bytes32 key, address owner, uint256 bond, bool forfeit) private {
        if (forfeit) {
            _pay(_bondsPot(key), BURNT, bond, "burn");
        } else {
            _pay(_bondsPot(key), owner, bond, "bond");
        }
    }

    function _pay(bytes32 pot, address to, uint256 amount, bytes32 reason) private {
        if (amount != 0) ESCROW.pay(pot, to, amount, reason);
    }
}
