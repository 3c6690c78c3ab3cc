// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ISlate
/// @notice What a consumer puts before a panel. Verification knows nothing of learning: a vote is a case of a consumer.
interface ISlate {
    /// @param ready whether nothing can be added any more, so that a panel may be summoned
    /// @param candidates bitmap of the candidates to judge valid or invalid
    /// @param openings bitmap of the openings to judge right or wrong
    /// @param pot from which voters and bounties are paid
    struct Slate {
        bool ready;
        uint8 candidates;
        uint8 openings;
        uint16 seats;
        uint16 acceptBips;
        uint32 commitVote;
        uint32 revealVote;
        uint32 seed;
        uint128 voterPay;
        uint128 bounty;
        bytes32 pot;
    }

    function slateOf(bytes32 caseKey) external view returns (Slate memory);

    /// @notice Whether these quorum masks decide the case; asked by `settle`.
    function decides(bytes32 caseKey, IVerificationTypes.Ballot calldata quorum) external view returns (bool);
}

/// @title IVerificationTypes
interface IVerificationTypes {
    enum Status {
        None,
        Seeding,
        Committing,
        Revealing,
        Ended,
        Decided,
        Undecided,
        Abandoned
    }

    enum MemberState {
        None,
        Pending,
        Active,
        Leaving
    }

    /// @notice One vote over everything: bit i speaks of candidate or opening i.
    struct Ballot {
        uint8 valid;
        uint8 invalid;
        uint8 right;
        uint8 wrong;
    }

    struct Panel {
        uint256 seedRequest;
        uint32 eligible;
        uint16 size;
        uint16 commits;
        uint16 reveals;
        uint64 summonedAt;
        uint64 seededAt;
        uint64 allCommittedAt;
        uint64 allRevealedAt;
        Status status;
        Ballot quorum;
    }

    /// @param leavingAt from when on a leaver's stake can be withdrawn; 0 while it is not leaving
    struct Member {
        MemberState state;
        uint32 index;
        uint64 activeFrom;
        uint64 leavingAt;
        uint128 stake;
    }

    /// @param attempt the attempt that decided, or the last one
    struct Verdict {
        Status status;
        uint8 attempt;
        Ballot quorum;
    }
}

/// @title IVerificationErrors
interface IVerificationErrors is IVerificationTypes {
    error VerificationNotConsumer(address consumer);
    error VerificationWrongStatus(Status actual, Status expected);
    error VerificationWrongAttempt(uint8 actual, uint8 expected);
    error VerificationSlateNotReady(address consumer, bytes32 caseKey);
    error VerificationNotSeated(address voter, uint16 seat);
    error VerificationUnknownSeat(uint16 seat, uint16 size);
    error VerificationAlreadyCommitted(uint16 seat);
    error VerificationSealMismatch(bytes32 actual, bytes32 expected);
    error VerificationBallotOffSlate(Ballot ballot);
    error VerificationWrongStake(uint256 sent, uint256 expected);
    error VerificationAlreadyMember(address member);
    error VerificationNotMember(address member);
    error VerificationNotLeaving(address member, MemberState state);
    error VerificationConstantOutOfBounds(bytes32 name, uint256 value);
    error VerificationStillBound(uint64 until);
    error VerificationNotSilent(uint16 seat);
    error VerificationCaseTooHarsh(uint32 commitWindow, uint32 revealWindow, uint128 voterPay);
    error VerificationNothingToClaim(uint16 seat);
}

/// @title IVerificationEvents
interface IVerificationEvents is IVerificationTypes {
    event MemberJoined(address indexed member, uint256 stake, uint64 activeFrom);
    event MemberActivated(address indexed member, uint32 index);
    event MemberLeaving(address indexed member, uint32 index, address movedIn, uint64 until);
    event MemberLeft(address indexed member, uint256 stake);
    event MemberSlashed(
        address indexed member, address indexed consumer, bytes32 indexed caseKey, uint8 attempt, uint16 seat, uint256 amount
    );
    event PanelSummoned(
        address indexed consumer,
        bytes32 indexed caseKey,
        uint8 attempt,
        uint256 seedRequest,
        uint32 eligible,
        uint16 size,
        address by
    );
    event VoteCommitted(
        address indexed consumer, bytes32 indexed caseKey, address indexed voter, uint8 attempt, uint16 seat, bytes32 seal
    );
    event VoteRevealed(
        address indexed consumer,
        bytes32 indexed caseKey,
        address indexed voter,
        uint8 attempt,
        uint16 seat,
        Ballot ballot,
        bytes32 evidence,
        bytes32 salt
    );
    event PanelSettled(
        address indexed consumer, bytes32 indexed caseKey, uint8 attempt, Status status, Ballot quorum, address by
    );
    event VoterPaid(
        address indexed consumer, bytes32 indexed caseKey, address indexed voter, uint8 attempt, uint16 seat, uint256 amount
    );
    event VoterPayBurnt(
        address indexed consumer, bytes32 indexed caseKey, address indexed voter, uint8 attempt, uint16 seat, uint256 amount
    );
}

/// @title IVerification
/// @notice Staked members; panels drawn by lot; hidden votes; verdicts for whoever asks.
interface IVerification is IVerificationErrors, IVerificationEvents {
    function version() external view returns (string memory);

    /// @notice Joins with exactly `STAKE`; active after `ACTIVATION_DELAY`.
    function join() external payable;

    /// @notice Moves matured pending members into the registry, at most `max` of them. Anyone.
    function promote(uint256 max) external;

    /// @notice Leaves the registry; the stake stays bound for `COOL_DOWN`.
    function leave() external;

    /// @notice Credits the stake of a member whose cool-down is over. Anyone may call it for the member.
    function withdrawStakeFor(address member) external;

    /// @notice Summons the panel of an attempt: freezes who is eligible and requests the seed. Anyone; earns the bounty.
    function summon(address consumer, bytes32 caseKey, uint8 attempt) external;

    /// @notice Proves the seed of an attempt by its block's header and seats the panel. Anyone; earns the bounty.
    /// @dev The seed may as well be proven at `SEED` itself; then its prover is paid by `settle`, and the first commit
    /// bears the cost of reading it.
    function proveSeed(address consumer, bytes32 caseKey, uint8 attempt, bytes calldata header) external;

    /// @notice Who sits on a seat; known once the seed is proven.
    function seatOf(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external view returns (address);

    /// @notice Commits the seal of a vote. Once a seat; no overwriting.
    function commitVote(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat, bytes32 seal) external;

    /// @param evidence keccak256 over what only a voter who recomputed knows, bound to the voter
    function revealVote(
        address consumer,
        bytes32 caseKey,
        uint8 attempt,
        uint16 seat,
        Ballot calldata ballot,
        bytes32 evidence,
        bytes32 salt
    ) external;

    /// @notice Settles an attempt that has ended. O(1). Anyone; earns the bounty, and pays a prover who was not paid yet.
    function settle(address consumer, bytes32 caseKey, uint8 attempt) external;

    /// @notice Slashes a seat that did not reveal. Anyone; earns a part of it. Not in a case whose windows or pay are below
    /// the least that members agreed to when they joined.
    function slashSilent(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external;

    /// @notice Credits the voter of a seat that revealed and did not contradict the verdict. Anyone may call it.
    function claimVoterPayFor(address consumer, bytes32 caseKey, uint8 attempt, uint16 seat) external;

    function statusOf(address consumer, bytes32 caseKey, uint8 attempt) external view returns (Status);

    function panelOf(address consumer, bytes32 caseKey, uint8 attempt) external view returns (Panel memory);

    /// @notice The end of the commit and of the reveal phase; 0 while not known.
    function voteDeadlinesOf(address consumer, bytes32 caseKey, uint8 attempt)
        external
        view
        returns (uint64 seedEnd, uint64 commitEnd, uint64 revealEnd);

    function verdictOf(address consumer, bytes32 caseKey) external view returns (Verdict memory);

    function memberOf(address member) external view returns (Member memory);

    /// @return active how many members can be drawn
    function memberCount() external view returns (uint32 active, uint32 pending);

    /// @return wei still owed to voters and for bounties of a case, at most
    function entitlementsOf(address consumer, bytes32 caseKey) external view returns (uint256);
}
