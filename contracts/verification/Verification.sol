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
        uint40 epoch;
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

    /// @dev All that a commit reads and writes, in one word.
    /// @param seed taken from `SEED` when the panel is seated
    /// @param commitEnd 0 until the panel is seated; brought forward when all seats have committed
    struct Bench {
        uint128 seed;
        uint32 eligible;
        uint40 epoch;
        uint8 size;
        uint8 commits;
        uint40 commitEnd;
    }

    /// @dev All that a reveal writes, in one word.
    /// @param tally a byte a count: candidates valid, candidates invalid (8 each), openings right, openings wrong (4 each)
    /// @param settled Decided, Undecided or Abandoned; None before
    struct Count {
        uint192 tally;
        uint8 reveals;
        uint40 allRevealedAt;
        Status settled;
    }

    /// @param seedEnd when the attempt lapses if its seed is not proven
    /// @param seats a word a seat: 0, then the seal (lowest bit set), then the flags below, the ballot and the voter
    struct Draw {
        Bench bench;
        Count count;
        uint48 seedRequest;
        uint40 seedEnd;
        bool proverPaid;
        mapping(uint256 seat => uint256) seats;
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
    /// @notice No seat is slashed in a case that gave it less time, in either phase, or less pay.
    uint256 public immutable MIN_WINDOW;
    uint256 public immutable MIN_VOTER_PAY;

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

    constructor(
        IEscrow escrow,
        ISeed seed,
        address[] memory consumers,
        uint256 stake,
        uint256 slash,
        uint256 activationDelay,
        uint256 coolDown,
        uint256 minEligible,
        uint256 minWindow,
        uint256 minVoterPay
    ) {
        if (stake == 0 || stake > type(uint128).max) revert VerificationConstantOutOfBounds("stake", stake);
        if (slash == 0 || slash > stake) revert VerificationConstantOutOfBounds("slash", slash);
        if (minEligible == 0) revert VerificationConstantOutOfBounds("minEligible", minEligible);
        if (minWindow == 0) revert VerificationConstantOutOfBounds("minWindow", minWindow);
        ESCROW = escrow;
        SEED = seed;
        STAKE = stake;
        SLASH = slash;
        ACTIVATION_DELAY = activationDelay;
        COOL_DOWN = coolDown;
        MIN_ELIGIBLE = minEligible;
        MIN_WINDOW = minWindow;
        MIN_VOTER_PAY = minVoterPay;
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
    // `SEED`, `ESCROW` and the consumers are fixed at construction and call nobody back.
    // slither-disable-next-line reentrancy-no-eth
    function summon(address consumer, bytes32 caseKey, uint8 attempt) external {
        if (!isConsumer[consumer]) revert VerificationNotConsumer(consumer);
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        if (attempt != case_.attempts) revert VerificationWrongAttempt(attempt, case_.attempts);
        if (attempt == 0) {
            _open(case_, consumer, caseKey);
        } else {
            Status before = _draws[_drawId(consumer, caseKey, attempt - 1)].count.settled;
            if (before != Status.Undecided) revert VerificationWrongStatus(before, Status.Undecided);
        }
        _promote(PROMOTIONS);

        bytes32 drawId = _drawId(consumer, caseKey, attempt);
        Draw storage draw = _draws[drawId];
        uint8 size = _nextSize(case_, consumer, caseKey);
        case_.attempts = attempt + 1;
        if (size == 0) {
            draw.count.settled = Status.Abandoned;
            emit PanelSettled(consumer, caseKey, attempt, Status.Abandoned, Ballot(0, 0, 0, 0), msg.sender);
        } else {
            uint256 seedRequest = SEED.request(drawId);
            uint32 eligible = _freeze(draw, case_, size, seedRequest);
            emit PanelSummoned(consumer, caseKey, attempt, seedRequest, eligible, size, msg.sender);
        }
        _pay(case_.pot, msg.sender, case_.bounty, "summon");
    }

    /// @inheritdoc IVerification
    // As above.
    // slither-disable-next-line reentrancy-no-eth
    function proveSeed(address consumer, bytes32 caseKey, uint8 attempt, bytes calldata header) external {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        // What an open attempt cannot be refuses itself: `SEED` proves a seed once.
        if (draw.seedEnd == 0 || block.timestamp > draw.seedEnd) {
            revert VerificationWrongStatus(_statusOf(draw, case_), Status.Seeding);
        }
        SEED.prove(draw.seedRequest, header);
        draw.proverPaid = true;
        draw.bench = _seated(draw, case_);
        _pay(case_.pot, msg.sender, case_.bounty, "seed");
    }

    /// @inheritdoc IVerification
    function commitVote(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat, bytes32 seal) external {
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Bench memory bench = draw.bench;
        if (bench.commitEnd == 0) bench = _seated(draw, _cases[_caseId(consumer, caseKey)]);
        if (block.timestamp >= bench.commitEnd) {
            revert VerificationWrongStatus(statusOf(consumer, caseKey, attempt), Status.Committing);
        }
        if (seat >= bench.size) revert VerificationUnknownSeat(seat, bench.size);
        if (_memberOn(bench, seat) != msg.sender) revert VerificationNotSeated(msg.sender, seat);
        if (draw.seats[seat] != 0) revert VerificationAlreadyCommitted(seat);

        draw.seats[seat] = uint256(seal) | SEAL;
        ++bench.commits;
        if (bench.commits == bench.size) bench.commitEnd = uint40(block.timestamp);
        draw.bench = bench;
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
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        {
            Case storage case_ = _cases[_caseId(consumer, caseKey)];
            Status status = _statusOf(draw, case_);
            if (status != Status.Revealing) revert VerificationWrongStatus(status, Status.Revealing);
            if (!_onSlate(ballot, case_.candidates, case_.openings)) revert VerificationBallotOffSlate(ballot);
        }
        // That the seal opens to the caller shows that the caller is who was seated and committed.
        uint256 word = draw.seats[seat];
        if (uint256(seal) | SEAL != word) revert VerificationSealMismatch(seal, bytes32(word));

        draw.seats[seat] = uint256(uint160(msg.sender)) << VOTER_AT | uint256(packed) << BALLOT_AT | REVEALED;
        Count memory count = draw.count;
        ++count.reveals;
        // A byte counts to 255, a panel to 51.
        unchecked {
            count.tally += _spread(packed);
        }
        if (count.reveals == draw.bench.commits) count.allRevealedAt = uint40(block.timestamp);
        draw.count = count;
        emit VoteRevealed(consumer, caseKey, msg.sender, attempt, seat, ballot, evidence, salt);
    }

    /// @inheritdoc IVerification
    function settle(address consumer, bytes32 caseKey, uint8 attempt) external {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Status status = _statusOf(draw, case_);
        if (status != Status.Ended) revert VerificationWrongStatus(status, Status.Ended);

        Count memory count = draw.count;
        Ballot memory quorum = _quorum(count.tally, draw.bench.size, case_.acceptBips);
        if (count.reveals > 0 && ISlate(consumer).decides(caseKey, quorum)) status = Status.Decided;
        else if (_nextSize(case_, consumer, caseKey) > 0) status = Status.Undecided;
        else status = Status.Abandoned;
        draw.count.settled = status;
        case_.unclaimed += count.reveals;
        emit PanelSettled(consumer, caseKey, attempt, status, quorum, msg.sender);

        _pay(case_.pot, msg.sender, case_.bounty, "settle");
        if (!draw.proverPaid) {
            (, uint64 provenAt, address prover) = SEED.seedOf(draw.seedRequest);
            if (provenAt != 0 && provenAt <= draw.seedEnd) _pay(case_.pot, prover, case_.bounty, "seed");
        }
    }

    /// @inheritdoc IVerification
    function slashSilent(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external {
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        Status status = _statusOf(draw, case_);
        if (status < Status.Ended) revert VerificationWrongStatus(status, Status.Ended);
        if (
            case_.commitWindow < MIN_WINDOW || case_.revealWindow < MIN_WINDOW || case_.voterPay < MIN_VOTER_PAY
        ) revert VerificationCaseTooHarsh(case_.commitWindow, case_.revealWindow, case_.voterPay);
        Bench memory bench = _seated(draw, case_);
        if (seat >= bench.size) revert VerificationUnknownSeat(seat, bench.size);
        uint256 word = draw.seats[seat];
        // Nobody could vote without a seed.
        if (bench.commitEnd == 0 || (word != 0 && word & SEAL == 0)) revert VerificationNotSilent(seat);
        draw.seats[seat] = SLASHED;

        address member = _memberOn(bench, seat);
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
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Count memory count = draw.count;
        uint256 word = draw.seats[seat];
        if (count.settled == Status.None || word & (SEAL | REVEALED | CLAIMED) != REVEALED) {
            revert VerificationNothingToClaim(seat);
        }
        draw.seats[seat] = word | CLAIMED;
        --case_.unclaimed;

        address voter = address(uint160(word >> VOTER_AT));
        uint256 amount = case_.voterPay;
        if (
            count.settled == Status.Decided
                && !_agrees(
                    uint32(word >> BALLOT_AT), _pack(_quorum(count.tally, draw.bench.size, case_.acceptBips))
                )
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
        Bench memory bench = _seated(_draws[_drawId(consumer, caseKey, attempt)], _cases[_caseId(consumer, caseKey)]);
        if (seat >= bench.size) revert VerificationUnknownSeat(seat, bench.size);
        if (bench.commitEnd == 0) {
            revert VerificationWrongStatus(statusOf(consumer, caseKey, attempt), Status.Committing);
        }
        return _memberOn(bench, seat);
    }

    /// @inheritdoc IVerification
    function statusOf(address consumer, bytes32 caseKey, uint8 attempt) public view returns (Status) {
        return _statusOf(_draws[_drawId(consumer, caseKey, attempt)], _cases[_caseId(consumer, caseKey)]);
    }

    /// @inheritdoc IVerification
    function panelOf(address consumer, bytes32 caseKey, uint8 attempt) external view returns (Panel memory panel) {
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        panel.status = _statusOf(draw, case_);
        Bench memory bench = _seated(draw, case_);
        if (bench.size == 0) return panel;
        panel.seedRequest = draw.seedRequest;
        panel.eligible = bench.eligible;
        panel.size = bench.size;
        panel.commits = bench.commits;
        panel.reveals = draw.count.reveals;
        panel.summonedAt = draw.seedEnd - case_.seedWindow;
        if (bench.commitEnd != 0) (, panel.seededAt,) = SEED.seedOf(draw.seedRequest);
        if (bench.commits == bench.size) panel.allCommittedAt = bench.commitEnd;
        panel.allRevealedAt = draw.count.allRevealedAt;
        panel.quorum = _quorumOf(draw, case_);
    }

    /// @inheritdoc IVerification
    function voteDeadlinesOf(address consumer, bytes32 caseKey, uint8 attempt)
        external
        view
        returns (uint64 seedEnd, uint64 commitEnd, uint64 revealEnd)
    {
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempt)];
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        Bench memory bench = _seated(draw, case_);
        return (draw.seedEnd, bench.commitEnd, _revealEnd(bench, draw, case_));
    }

    /// @inheritdoc IVerification
    function verdictOf(address consumer, bytes32 caseKey) external view returns (Verdict memory verdict) {
        Case storage case_ = _cases[_caseId(consumer, caseKey)];
        uint8 attempts = case_.attempts;
        if (attempts == 0) return verdict;
        Draw storage draw = _draws[_drawId(consumer, caseKey, attempts - 1)];
        return Verdict({status: _statusOf(draw, case_), attempt: attempts - 1, quorum: _quorumOf(draw, case_)});
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
            Status settled = draw.count.settled;
            owed = case_.unclaimed * voterPay;
            if (settled == Status.Decided || settled == Status.Abandoned) return owed;
            size = draw.bench.size;
            // The open attempt: its voters, who settles it, and the prover of its seed.
            if (settled == Status.None) owed += size * voterPay + (draw.proverPaid ? 1 : 2) * bounty;
            size = _larger(size);
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
        // The tally has a byte for each of four.
        case_.openings = slate.openings & 0x0f;
        case_.seats = slate.seats < MAX_SEATS ? uint8(slate.seats) : MAX_SEATS;
    }

    /// @dev Seats of the next attempt; 0 where there can be none.
    function _nextSize(Case storage case_, address consumer, bytes32 caseKey) private view returns (uint8) {
        uint256 eligible = _registry.active;
        uint8 attempts = case_.attempts;
        if (attempts == MAX_ATTEMPTS || eligible < MIN_ELIGIBLE) return 0;
        uint256 last = attempts == 0 ? 0 : _draws[_drawId(consumer, caseKey, attempts - 1)].bench.size;
        uint256 size = attempts == 0 ? case_.seats : _larger(last);
        if (size > eligible) size = eligible;
        return size > last ? uint8(size) : 0;
    }

    /// @dev Freezes who can be drawn. Nobody knows the seed yet.
    function _freeze(Draw storage draw, Case storage case_, uint8 size, uint256 seedRequest)
        private
        returns (uint32 eligible)
    {
        Registry memory registry = _registry;
        eligible = registry.active;
        draw.bench =
            Bench({seed: 0, eligible: eligible, epoch: registry.epoch, size: size, commits: 0, commitEnd: 0});
        uint256 seedEnd = block.timestamp + case_.seedWindow;
        draw.seedRequest = seedRequest.toUint48();
        draw.seedEnd = seedEnd.toUint40();

        uint256 end = seedEnd + case_.commitWindow + case_.revealWindow;
        if (end > registry.panelsEnd) registry.panelsEnd = end.toUint40();
        ++registry.epoch;
        _registry = registry;
    }

    /// @return bench with seed and end of the commit phase, where the seed was proven in time
    function _seated(Draw storage draw, Case storage case_) private view returns (Bench memory bench) {
        bench = draw.bench;
        if (bench.size == 0 || bench.commitEnd != 0) return bench;
        (uint256 seed, uint64 provenAt,) = SEED.seedOf(draw.seedRequest);
        if (provenAt == 0 || provenAt > draw.seedEnd) return bench;
        bench.seed = uint128(seed);
        bench.commitEnd = uint40(provenAt + case_.commitWindow);
    }

    function _memberOn(Bench memory bench, uint256 seat) private view returns (address) {
        return _roster.memberAt(Sortition.memberAt(bench.seed, bench.eligible, seat), bench.epoch);
    }

    // Times. A phase lasts while now < its end; a seed may still be proven at the very end of its window.

    function _statusOf(Draw storage draw, Case storage case_) private view returns (Status) {
        Status settled = draw.count.settled;
        if (settled != Status.None) return settled;
        Bench memory bench = _seated(draw, case_);
        if (bench.size == 0) return Status.None;
        if (bench.commitEnd == 0) return block.timestamp > draw.seedEnd ? Status.Ended : Status.Seeding;
        if (block.timestamp < bench.commitEnd) return Status.Committing;
        return block.timestamp < _revealEnd(bench, draw, case_) ? Status.Revealing : Status.Ended;
    }

    /// @dev 0 where the commit phase has no end yet; its end where nobody committed.
    function _revealEnd(Bench memory bench, Draw storage draw, Case storage case_) private view returns (uint64) {
        if (bench.commitEnd == 0) return 0;
        if (bench.commits == 0 && block.timestamp >= bench.commitEnd) return bench.commitEnd;
        uint40 allRevealedAt = draw.count.allRevealedAt;
        return allRevealedAt != 0 ? allRevealedAt : bench.commitEnd + case_.revealWindow;
    }

    /// @dev Of a settled attempt; empty before, and where no panel could be seated.
    function _quorumOf(Draw storage draw, Case storage case_) private view returns (Ballot memory quorum) {
        Count memory count = draw.count;
        if (count.settled == Status.None || count.reveals == 0) return quorum;
        return _quorum(count.tally, draw.bench.size, case_.acceptBips);
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
