// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Sealed} from "../crypto/Sealed.sol";
import {Sortition} from "../crypto/Sortition.sol";
import {IEscrow} from "../escrow/IEscrow.sol";
import {ISeed} from "../randomness/ISeed.sol";
import {ISlate, IVerification} from "./IVerification.sol";
import {Roster} from "./Roster.sol";

/// @title Verification
contract Verification is IVerification {
    using Roster for Roster.Book;
    using SafeCast for uint256;

    /// @dev The registry's counters, in one word.
    /// @param epoch how many panels have been summoned; numbers the next one
    /// @param panelsEnd when the last of the panels summoned so far ends at the latest
    struct Registry {
        uint32 active;
        uint32 pending;
        uint48 head;
        uint48 tail;
        uint48 epoch;
        uint40 panelsEnd;
    }

    /// @dev One word per member.
    struct Stake {
        MemberState state;
        uint32 index;
        uint40 activeFrom;
        uint40 leavingAt;
        uint128 amount;
    }

    /// @dev A place in the queue is void when the member's `activeFrom` says otherwise: it left, or left and came back.
    struct Waiting {
        address member;
        uint40 activeFrom;
    }

    /// @dev What the slate said when its first panel was summoned, and how far the case has come.
    /// @param attempts how many attempts were begun
    /// @param unclaimed seats of settled attempts that revealed and whose pay is still to be claimed
    struct Case {
        bytes32 pot;
        uint128 voterPay;
        uint128 bounty;
        uint32 seedWindow;
        uint32 commitWindow;
        uint32 revealWindow;
        uint16 acceptBips;
        uint8 candidates;
        uint8 openings;
        uint8 seats;
        uint8 attempts;
        uint16 unclaimed;
    }

    /// @dev One word that a commit reads and writes, one that a reveal reads and writes.
    /// @param seedEnd when the attempt lapses if its seed is not proven
    /// @param tally a byte per count: candidates valid, candidates invalid (8 each), openings right, openings wrong (4 each)
    /// @param settled Decided, Undecided or Abandoned; None before
    struct Draw {
        uint48 seedRequest;
        uint48 epoch;
        uint32 eligible;
        uint8 size;
        uint8 commits;
        uint40 seedEnd;
        uint32 commitWindow;
        uint40 allCommittedAt;
        uint192 tally;
        uint8 reveals;
        uint40 allRevealedAt;
        Status settled;
    }

    uint8 public constant MAX_SEATS = 51;
    uint8 public constant MAX_ATTEMPTS = 3;
    /// @notice How many matured members `join`, `leave` and `summon` take in on their way.
    uint256 public constant PROMOTIONS = 2;
    address public constant BURN = 0x000000000000000000000000000000000000dEaD;

    IEscrow public immutable ESCROW;
    ISeed public immutable SEED;
    uint256 public immutable STAKE;
    uint256 public immutable SLASH;
    uint256 public immutable ACTIVATION_DELAY;
    uint256 public immutable COOL_DOWN;
    uint256 public immutable MIN_ELIGIBLE;
    bytes32 public immutable STAKES_POT;

    // A seat's word is 0, then the seal (lowest bit set), then these flags (lowest bit clear), the ballot and the voter.
    uint256 private constant SEAL = 1 << 0;
    uint256 private constant REVEALED = 1 << 1;
    uint256 private constant CLAIMED = 1 << 2;
    uint256 private constant SLASHED = 1 << 3;
    uint256 private constant BALLOT_AT = 8;
    uint256 private constant VOTER_AT = 96;

    uint256 private constant TWO_THIRDS = 6_667;

    mapping(address consumer => bool) public isConsumer;

    Registry private _registry;
    Roster.Book private _roster;
    mapping(address member => Stake) private _stakes;
    mapping(uint256 place => Waiting) private _queue;

    mapping(bytes32 caseId => Case) private _cases;
    mapping(bytes32 drawId => Draw) private _draws;
    mapping(bytes32 drawId => mapping(uint256 seat => uint256)) private _seats;

    constructor(
        IEscrow escrow,
        ISeed seed,
        address[] memory consumers,
        uint256 stake,
        uint256 slash,
        uint256 activationDelay,
        uint256 coolDown,
        uint256 minEligible
    ) {
        if (stake == 0 || stake > type(uint128).max) revert VerificationConstantOutOfBounds("stake", stake);
        if (slash == 0 || slash > stake) revert VerificationConstantOutOfBounds("slash", slash);
        if (minEligible == 0) revert VerificationConstantOutOfBounds("minEligible", minEligible);
        ESCROW = escrow;
        SEED = seed;
        STAKE = stake;
        SLASH = slash;
        ACTIVATION_DELAY = activationDelay;
        COOL_DOWN = coolDown;
        MIN_ELIGIBLE = minEligible;
        STAKES_POT = keccak256(abi.encode("stakes", address(this)));
        for (uint256 i = 0; i < consumers.length; ++i) {
            isConsumer[consumers[i]] = true;
        }
    }

    /// @inheritdoc IVerification
    function join() external payable {
        if (msg.value != STAKE) revert VerificationWrongStake(msg.value, STAKE);
        if (_stakes[msg.sender].state != MemberState.None) revert VerificationAlreadyMember(msg.sender);
        _promote(PROMOTIONS);

        uint40 activeFrom = (block.timestamp + ACTIVATION_DELAY).toUint40();
        _stakes[msg.sender] = Stake({
            state: MemberState.Pending,
            index: 0,
            activeFrom: activeFrom,
            leavingAt: 0,
            amount: uint128(msg.value)
        });
        _queue[_registry.tail++] = Waiting({member: msg.sender, activeFrom: activeFrom});
        ++_registry.pending;
        emit MemberJoined(msg.sender, msg.value, activeFrom);

        ESCROW.fund{value: msg.value}(STAKES_POT);
    }

    /// @inheritdoc IVerification
    function promote(uint256 max) external {
        _promote(max);
    }

    /// @inheritdoc IVerification
    function leave() external {
        _promote(PROMOTIONS);
        MemberState state = _stakes[msg.sender].state;
        if (state != MemberState.Pending && state != MemberState.Active) revert VerificationNotMember(msg.sender);
        _remove(msg.sender);
    }

    /// @inheritdoc IVerification
    function withdrawStakeFor(address member) external {
        Stake memory stake = _stakes[member];
        if (stake.state != MemberState.Leaving) revert VerificationNotLeaving(member, stake.state);
        if (block.timestamp < stake.leavingAt) revert VerificationStillBound(stake.leavingAt);
        delete _stakes[member];
        emit MemberLeft(member, stake.amount);
        if (stake.amount > 0) ESCROW.pay(STAKES_POT, member, stake.amount, "stake");
    }

    /// @inheritdoc IVerification
    function summon(address consumer, bytes32 caseKey, uint8 attempt) external {
        if (!isConsumer[consumer]) revert VerificationNotConsumer(consumer);
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        if (attempt != case_.attempts) revert VerificationWrongAttempt(attempt, case_.attempts);
        if (attempt == 0) {
            _open(case_, consumer, caseKey);
        } else {
            Status before = _draws[_drawId(consumer, caseKey, attempt - 1)].settled;
            if (before != Status.Undecided) revert VerificationWrongStatus(before, Status.Undecided);
        }
        _promote(PROMOTIONS);

        bytes32 drawId = _drawId(consumer, caseKey, attempt);
        Draw storage draw = _draws[drawId];
        uint8 size = _nextSize(case_, consumer, caseKey);
        case_.attempts = attempt + 1;
        if (size == 0) {
            draw.settled = Status.Abandoned;
            emit PanelSettled(consumer, caseKey, attempt, Status.Abandoned, Ballot(0, 0, 0, 0), msg.sender);
        } else {
            _draw(draw, drawId, case_, size);
            emit PanelSummoned(consumer, caseKey, attempt, draw.seedRequest, draw.eligible, size, msg.sender);
        }
        _pay(case_.pot, msg.sender, case_.bounty, "summon");
    }

    /// @inheritdoc IVerification
    function commitVote(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat, bytes32 seal) external {
        bytes32 drawId = _drawId(consumer, caseKey, attempt);
        Draw storage draw = _draws[drawId];
        (uint256 seed, uint64 commitEnd) = _seedOf(draw);
        if (draw.allCommittedAt != 0 || block.timestamp >= commitEnd) {
            revert VerificationWrongStatus(statusOf(consumer, caseKey, attempt), Status.Committing);
        }
        uint8 size = draw.size;
        if (seat >= size) revert VerificationUnknownSeat(seat, size);
        if (_memberOn(draw, seed, seat) != msg.sender) revert VerificationNotSeated(msg.sender, seat);
        if (_seats[drawId][seat] != 0) revert VerificationAlreadyCommitted(seat);

        _seats[drawId][seat] = uint256(seal) | SEAL;
        uint8 commits = draw.commits + 1;
        draw.commits = commits;
        if (commits == size) draw.allCommittedAt = uint40(block.timestamp);
        emit VoteCommitted(consumer, caseKey, msg.sender, attempt, seat, seal);
    }

    /// @inheritdoc IVerification
    function revealVote(
        address consumer,
        bytes32 caseKey,
        uint8 attempt,
        uint16 seat,
        Ballot calldata ballot,
        bytes32 evidence,
        bytes32 salt
    ) external {
        uint32 packed = _pack(ballot);
        bytes32 seal = Sealed.vote(address(this), consumer, caseKey, attempt, seat, msg.sender, packed, evidence, salt);
        bytes32 drawId = _drawId(consumer, caseKey, attempt);
        Draw storage draw = _draws[drawId];
        {
            Case storage case_ = _cases[_caseId(consumer, caseKey)];
            Status status = _statusOf(draw, case_);
            if (status != Status.Revealing) revert VerificationWrongStatus(status, Status.Revealing);
            if (!_onSlate(ballot, case_.candidates, case_.openings)) revert VerificationBallotOffSlate(ballot);
        }
        // That the seal opens to the caller shows that the caller is who was seated and committed.
        uint256 word = _seats[drawId][seat];
        if (uint256(seal) | SEAL != word) revert VerificationSealMismatch(seal, bytes32(word));

        _seats[drawId][seat] = uint256(uint160(msg.sender)) << VOTER_AT | uint256(packed) << BALLOT_AT | REVEALED;
        uint8 reveals = draw.reveals + 1;
        draw.reveals = reveals;
        // A byte counts to 255, a panel to 51.
        unchecked {
            draw.tally += _spread(packed);
        }
        if (reveals == draw.commits) draw.allRevealedAt = uint40(block.timestamp);
        emit VoteRevealed(consumer, caseKey, msg.sender, attempt, seat, ballot, evidence, salt);
    }

    /// @inheritdoc IVerification
    function settle(address consumer, bytes32 caseKey, uint8 attempt) external {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Status status = _statusOf(draw, case_);
        if (status != Status.Ended) revert VerificationWrongStatus(status, Status.Ended);

        Ballot memory quorum = _quorum(draw.tally, draw.size, case_.acceptBips);
        uint8 reveals = draw.reveals;
        if (reveals > 0 && ISlate(consumer).decides(caseKey, quorum)) status = Status.Decided;
        else if (_nextSize(case_, consumer, caseKey) > 0) status = Status.Undecided;
        else status = Status.Abandoned;
        draw.settled = status;
        case_.unclaimed += reveals;
        emit PanelSettled(consumer, caseKey, attempt, status, quorum, msg.sender);

        uint128 bounty = case_.bounty;
        (, uint64 provenAt, address prover) = SEED.seedOf(draw.seedRequest);
        bool proven = provenAt != 0 && provenAt <= draw.seedEnd;
        if (proven && prover == msg.sender) {
            _pay(case_.pot, msg.sender, 2 * uint256(bounty), "settle");
        } else {
            _pay(case_.pot, msg.sender, bounty, "settle");
            if (proven) _pay(case_.pot, prover, bounty, "seed");
        }
    }

    /// @inheritdoc IVerification
    function slashSilent(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external {
        bytes32 drawId = _drawId(consumer, caseKey, attempt);
        Draw storage draw = _draws[drawId];
        Status status = _statusOf(draw, _cases[_caseId(consumer, caseKey)]);
        if (status < Status.Ended) revert VerificationWrongStatus(status, Status.Ended);
        if (seat >= draw.size) revert VerificationUnknownSeat(seat, draw.size);
        (uint256 seed, uint64 commitEnd) = _seedOf(draw);
        uint256 word = _seats[drawId][seat];
        // Nobody could vote without a seed.
        if (commitEnd == 0 || (word != 0 && word & SEAL == 0)) revert VerificationNotSilent(seat);
        _seats[drawId][seat] = SLASHED;

        address member = _memberOn(draw, seed, seat);
        Stake storage stake = _stakes[member];
        uint256 held = stake.amount;
        uint256 amount = held < SLASH ? held : SLASH;
        if (amount == 0) revert VerificationNotMember(member);
        stake.amount = uint128(held - amount);
        emit MemberSlashed(member, consumer, caseKey, attempt, seat, amount);
        if (held - amount < SLASH && stake.state != MemberState.Leaving) _remove(member);

        uint256 reward = amount / 2;
        _pay(STAKES_POT, msg.sender, reward, "slash");
        _pay(STAKES_POT, BURN, amount - reward, "burn");
    }

    /// @inheritdoc IVerification
    function claimVoterPayFor(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        bytes32 drawId = _drawId(consumer, caseKey, attempt);
        Draw storage draw = _draws[drawId];
        uint256 word = _seats[drawId][seat];
        if (draw.settled == Status.None || word & SEAL != 0 || word & (REVEALED | CLAIMED) != REVEALED) {
            revert VerificationNothingToClaim(seat);
        }
        _seats[drawId][seat] = word | CLAIMED;
        --case_.unclaimed;

        address voter = address(uint160(word >> VOTER_AT));
        uint256 amount = case_.voterPay;
        if (
            draw.settled == Status.Decided
                && !_agrees(uint32(word >> BALLOT_AT), _pack(_quorum(draw.tally, draw.size, case_.acceptBips)))
        ) {
            emit VoterPayBurnt(consumer, caseKey, voter, attempt, seat, amount);
            _pay(case_.pot, BURN, amount, "burn");
        } else {
            emit VoterPaid(consumer, caseKey, voter, attempt, seat, amount);
            _pay(case_.pot, voter, amount, "voter");
        }
    }

    /// @inheritdoc IVerification
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    /// @inheritdoc IVerification
    function seatOf(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external view returns (address) {
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        if (seat >= draw.size) revert VerificationUnknownSeat(seat, draw.size);
        (uint256 seed, uint64 commitEnd) = _seedOf(draw);
        if (commitEnd == 0) revert VerificationWrongStatus(statusOf(consumer, caseKey, attempt), Status.Committing);
        return _memberOn(draw, seed, seat);
    }

    /// @inheritdoc IVerification
    function statusOf(address consumer, bytes32 caseKey, uint8 attempt) public view returns (Status) {
        return _statusOf(_draws[_drawId(consumer, caseKey, attempt)], _cases[_caseId(consumer, caseKey)]);
    }

    /// @inheritdoc IVerification
    function panelOf(address consumer, bytes32 caseKey, uint8 attempt) external view returns (Panel memory panel) {
        Draw memory draw = _draws[_drawId(consumer, caseKey, attempt)];
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        panel.status = _statusOf(_draws[_drawId(consumer, caseKey, attempt)], case_);
        if (draw.size == 0) return panel;
        (, uint64 provenAt,) = SEED.seedOf(draw.seedRequest);
        panel.seedRequest = draw.seedRequest;
        panel.eligible = draw.eligible;
        panel.size = draw.size;
        panel.commits = draw.commits;
        panel.reveals = draw.reveals;
        panel.summonedAt = draw.seedEnd - case_.seedWindow;
        panel.seededAt = provenAt <= draw.seedEnd ? provenAt : 0;
        panel.allCommittedAt = draw.allCommittedAt;
        panel.allRevealedAt = draw.allRevealedAt;
        if (draw.settled != Status.None) panel.quorum = _quorum(draw.tally, draw.size, case_.acceptBips);
    }

    /// @inheritdoc IVerification
    function voteDeadlinesOf(address consumer, bytes32 caseKey, uint8 attempt)
        external
        view
        returns (uint64 seedEnd, uint64 commitEnd, uint64 revealEnd)
    {
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        seedEnd = draw.seedEnd;
        commitEnd = _commitEnd(draw);
        if (commitEnd != 0) revealEnd = _revealEnd(draw, _cases[_caseId(consumer, caseKey)], commitEnd);
    }

    /// @inheritdoc IVerification
    function verdictOf(address consumer, bytes32 caseKey) external view returns (Verdict memory verdict) {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        uint8 attempts = case_.attempts;
        if (attempts == 0) return verdict;
        verdict.attempt = attempts - 1;
        Draw storage draw = _draws[_drawId(consumer, caseKey, verdict.attempt)];
        verdict.status = _statusOf(draw, case_);
        if (draw.settled != Status.None) verdict.quorum = _quorum(draw.tally, draw.size, case_.acceptBips);
    }

    /// @inheritdoc IVerification
    function memberOf(address member) external view returns (Member memory) {
        Stake memory stake = _stakes[member];
        return Member({
            state: stake.state,
            index: stake.index,
            activeFrom: stake.activeFrom,
            leavingAt: stake.leavingAt,
            stake: stake.amount
        });
    }

    /// @inheritdoc IVerification
    function memberCount() external view returns (uint32 active, uint32 pending) {
        return (_registry.active, _registry.pending);
    }

    /// @inheritdoc IVerification
    function entitlementsOf(address consumer, bytes32 caseKey) external view returns (uint256 owed) {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        uint256 attempts = case_.attempts;
        uint256 voterPay = case_.voterPay;
        uint256 bounty = case_.bounty;
        uint256 size;
        if (attempts == 0) {
            ISlate.Slate memory slate = ISlate(consumer).slateOf(caseKey);
            (voterPay, bounty) = (slate.voterPay, slate.bounty);
            size = slate.seats < MAX_SEATS ? slate.seats : MAX_SEATS;
        } else {
            Draw storage draw = _draws[_drawId(consumer, caseKey, uint8(attempts - 1))];
            owed = case_.unclaimed * voterPay;
            if (draw.settled == Status.Decided || draw.settled == Status.Abandoned) return owed;
            // The open attempt: its voters, its seed's prover and who settles it.
            if (draw.settled == Status.None) owed += draw.size * voterPay + 2 * bounty;
            size = _larger(draw.size);
        }
        for (uint256 attempt = attempts; attempt < MAX_ATTEMPTS; ++attempt) {
            owed += size * voterPay + 3 * bounty;
            size = _larger(size);
        }
    }

    // Registry

    function _promote(uint256 max) private {
        Registry memory registry = _registry;
        for (uint256 i = 0; i < max && registry.head < registry.tail; ++i) {
            Waiting memory next = _queue[registry.head];
            if (block.timestamp < next.activeFrom) break;
            delete _queue[registry.head++];
            Stake storage stake = _stakes[next.member];
            if (stake.state != MemberState.Pending || stake.activeFrom != next.activeFrom) continue;
            stake.state = MemberState.Active;
            stake.index = registry.active;
            _roster.set(registry.active, next.member, registry.epoch);
            emit MemberActivated(next.member, registry.active);
            ++registry.active;
            --registry.pending;
        }
        _registry = registry;
    }

    /// @dev Bound until every panel that may have drawn the member is over, and `COOL_DOWN` more, in which a silent seat
    /// can be slashed.
    function _remove(address member) private {
        Stake storage stake = _stakes[member];
        Registry memory registry = _registry;
        uint32 index = stake.index;
        address movedIn;
        if (stake.state == MemberState.Active) {
            --registry.active;
            if (index != registry.active) {
                movedIn = _roster.memberAt(registry.active);
                _roster.set(index, movedIn, registry.epoch);
                _stakes[movedIn].index = index;
            }
        } else {
            --registry.pending;
        }
        _registry = registry;
        uint256 from = block.timestamp < registry.panelsEnd ? registry.panelsEnd : block.timestamp;
        stake.state = MemberState.Leaving;
        stake.leavingAt = (from + COOL_DOWN).toUint40();
        emit MemberLeaving(member, index, movedIn, stake.leavingAt);
    }

    // Panels

    function _open(Case storage case_, address consumer, bytes32 caseKey) private {
        ISlate.Slate memory slate = ISlate(consumer).slateOf(caseKey);
        if (!slate.ready) revert VerificationSlateNotReady(consumer, caseKey);
        case_.pot = slate.pot;
        case_.voterPay = slate.voterPay;
        case_.bounty = slate.bounty;
        case_.seedWindow = slate.seed;
        case_.commitWindow = slate.commitVote;
        case_.revealWindow = slate.revealVote;
        case_.acceptBips = slate.acceptBips;
        case_.candidates = slate.candidates;
        case_.openings = slate.openings;
        case_.seats = slate.seats < MAX_SEATS ? uint8(slate.seats) : MAX_SEATS;
    }

    /// @dev Seats of the next attempt; 0 where there can be none.
    function _nextSize(Case storage case_, address consumer, bytes32 caseKey) private view returns (uint8) {
        uint256 eligible = _registry.active;
        uint8 attempts = case_.attempts;
        if (attempts == MAX_ATTEMPTS || eligible < MIN_ELIGIBLE) return 0;
        uint256 last = attempts == 0 ? 0 : _draws[_drawId(consumer, caseKey, attempts - 1)].size;
        uint256 size = attempts == 0 ? case_.seats : _larger(last);
        if (size > eligible) size = eligible;
        return size > last ? uint8(size) : 0;
    }

    /// @dev Freezes who can be drawn, and requests the seed.
    function _draw(Draw storage draw, bytes32 drawId, Case storage case_, uint8 size) private {
        Registry memory registry = _registry;
        uint256 seedEnd = block.timestamp + case_.seedWindow;
        draw.seedRequest = SEED.request(drawId).toUint48();
        draw.epoch = registry.epoch;
        draw.eligible = registry.active;
        draw.size = size;
        draw.seedEnd = seedEnd.toUint40();
        draw.commitWindow = case_.commitWindow;

        uint256 end = seedEnd + case_.commitWindow + case_.revealWindow;
        if (end > registry.panelsEnd) registry.panelsEnd = end.toUint40();
        ++registry.epoch;
        _registry = registry;
    }

    function _memberOn(Draw storage draw, uint256 seed, uint256 seat) private view returns (address) {
        return _roster.memberAt(Sortition.memberAt(seed, draw.eligible, seat), draw.epoch);
    }

    // Times. A phase lasts while now < its end; a seed may still be proven at the very end of its window.

    function _statusOf(Draw storage draw, Case storage case_) private view returns (Status) {
        if (draw.settled != Status.None) return draw.settled;
        if (draw.size == 0) return Status.None;
        uint64 commitEnd = _commitEnd(draw);
        if (commitEnd == 0) return block.timestamp > draw.seedEnd ? Status.Ended : Status.Seeding;
        if (block.timestamp < commitEnd) return Status.Committing;
        return block.timestamp < _revealEnd(draw, case_, commitEnd) ? Status.Revealing : Status.Ended;
    }

    function _commitEnd(Draw storage draw) private view returns (uint64 end) {
        end = draw.allCommittedAt;
        if (end == 0) (, end) = _seedOf(draw);
    }

    function _revealEnd(Draw storage draw, Case storage case_, uint64 commitEnd) private view returns (uint64) {
        if (draw.commits == 0) return commitEnd;
        if (draw.allRevealedAt != 0) return draw.allRevealedAt;
        return commitEnd + case_.revealWindow;
    }

    /// @return seed and when its commit phase ends at the latest; 0 and 0 where it was not proven in time
    function _seedOf(Draw storage draw) private view returns (uint256, uint64) {
        (uint256 seed, uint64 provenAt,) = SEED.seedOf(draw.seedRequest);
        return provenAt == 0 || provenAt > draw.seedEnd ? (0, 0) : (seed, provenAt + draw.commitWindow);
    }

    // Ballots

    /// @dev As the seal packs it: valid ‖ invalid ‖ right ‖ wrong.
    function _pack(Ballot memory ballot) private pure returns (uint32) {
        return uint32(ballot.valid) << 24 | uint32(ballot.invalid) << 16 | uint32(ballot.right) << 8 | ballot.wrong;
    }

    /// @dev Says something of what is on the slate only, and not both things of one.
    function _onSlate(Ballot calldata ballot, uint8 candidates, uint8 openings) private pure returns (bool) {
        return (ballot.valid | ballot.invalid) & ~candidates == 0 && ballot.valid & ballot.invalid == 0
            && (ballot.right | ballot.wrong) & ~openings == 0 && ballot.right & ballot.wrong == 0;
    }

    /// @dev Whether a ballot says all that the verdict says: who abstains where others looked is not paid.
    function _agrees(uint32 ballot, uint32 quorum) private pure returns (bool) {
        return quorum & ~ballot == 0;
    }

    /// @dev A packed ballot as one vote in each byte of a tally.
    function _spread(uint32 packed) private pure returns (uint192) {
        return _bytesOf(packed >> 24) | _bytesOf(packed >> 16 & 0xff) << 64 | _bytesOf(packed >> 8 & 0x0f) << 128
            | _bytesOf(packed & 0x0f) << 160;
    }

    /// @dev Moves bit i of eight to bit 8·i.
    function _bytesOf(uint192 mask) private pure returns (uint192) {
        mask = (mask | mask << 28) & 0x0000000f0000000f;
        mask = (mask | mask << 14) & 0x0003000300030003;
        return (mask | mask << 7) & 0x0101010101010101;
    }

    /// @dev What `acceptBips` of the seats, not of the votes, say; 6,667 means two thirds exactly.
    function _quorum(uint192 tally, uint256 size, uint256 acceptBips) private pure returns (Ballot memory) {
        uint256 needed = acceptBips == TWO_THIRDS ? (2 * size + 2) / 3 : (acceptBips * size + 9_999) / 10_000;
        uint256 mask = 0;
        for (uint256 i = 0; i < 24; ++i) {
            if (uint8(tally >> 8 * i) >= needed) mask |= 1 << i;
        }
        return Ballot({
            valid: uint8(mask),
            invalid: uint8(mask >> 8),
            right: uint8(mask >> 16 & 0x0f),
            wrong: uint8(mask >> 20)
        });
    }

    function _larger(uint256 size) private pure returns (uint256) {
        uint256 larger = 2 * size + 1;
        return larger < MAX_SEATS ? larger : MAX_SEATS;
    }

    function _pay(bytes32 pot, address to, uint256 amount, bytes32 reason) private {
        if (amount != 0) ESCROW.pay(pot, to, amount, reason);
    }

    function _caseId(address consumer, bytes32 caseKey) private pure returns (bytes32) {
        return keccak256(abi.encode(consumer, caseKey));
    }

    function _drawId(address consumer, bytes32 caseKey, uint8 attempt) private pure returns (bytes32) {
        return keccak256(abi.encode(consumer, caseKey, attempt));
    }
}
