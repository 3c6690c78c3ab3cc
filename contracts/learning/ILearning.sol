// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ILearningTypes
/// @notice The terms of a task and the states of its rounds.
interface ILearningTypes {
    /// @notice Who applies the weights s_k: the edge (c^{s_k}, BlockDeepNet's Eq. 5) or the device (folded into its values).
    enum Weighting {
        Edge,
        Device
    }

    /// @notice What a round adds up: model updates, or gradients at the global model (Eq. 3's first exchange).
    enum RoundKind {
        Update,
        Gradient
    }

    /// @notice How a round ended.
    enum Outcome {
        Open,
        Accepted,
        Converged,
        Overflow,
        TooFew,
        NotOpened,
        Abandoned
    }

    /// @notice Where a round is; derived from times and counts, never stored.
    enum Phase {
        None,
        Commit,
        Publish,
        Seal,
        Open,
        Challenge,
        Share,
        Opening,
        Vote,
        Closed
    }

    /// @notice Lengths of the phases, in seconds of chain time.
    /// @param seed how long a requested seed may take to be proven before the attempt lapses
    struct Windows {
        uint32 commit;
        uint32 publish;
        uint32 seal;
        uint32 open;
        uint32 challenge;
        uint32 share;
        uint32 opening;
        uint32 contest;
        uint32 commitVote;
        uint32 revealVote;
        uint32 seed;
    }

    /// @param admission signs the tickets with which devices enrol
    /// @param maxWeight S_max, the largest sum of weights that the encoding's slots hold
    struct Cohort {
        address admission;
        uint16 minDevices;
        uint16 maxDevices;
        uint32 weightCap;
        uint32 maxWeight;
        uint32 maxUpdateBytes;
    }

    /// @param strategyDigest blob with the canonical encoding of rule, λ, local steps and their like
    /// @param modelDigest blob of the first model, w^(0)
    /// @param epsilon stopping threshold of ‖w^(p) − w^(p−1)‖ in 10⁻⁹; 0 never stops
    struct LearningTerms {
        bytes32 strategyDigest;
        uint32 strategySize;
        bytes32 modelDigest;
        uint32 modelSize;
        uint32 maxRounds;
        bool gradientRounds;
        uint64 epsilon;
    }

    /// @param bits q, the bits of one value
    /// @param clip B in 10⁻⁹: values are clipped to ±B
    /// @param lossCap largest loss that the loss slot can say, in 10⁻⁹
    /// @param slots values packed into one ciphertext
    /// @param ciphertexts count of ciphertexts in one update
    struct Encoding {
        uint8 bits;
        Weighting weighting;
        uint64 clip;
        uint64 lossCap;
        uint16 slots;
        uint32 ciphertexts;
    }

    /// @param digest blob of the public threshold key
    /// @param bits length of the modulus n
    /// @param holdersRoot Merkle root over (index, address) of the holders, indices from 0
    struct Key {
        bytes32 digest;
        uint32 size;
        uint16 bits;
        uint8 holders;
        uint8 threshold;
        bytes32 holdersRoot;
    }

    /// @param acceptBips share of the seats that decides, in 1/10,000; 6,667 means two thirds exactly
    struct Panel {
        uint16 seats;
        uint16 acceptBips;
    }

    /// @param beta block generation rate β, carried by every header
    /// @param powTarget a candidate's header must not exceed it; 0 asks for no proof of work
    struct MiningTerms {
        uint64 beta;
        uint256 powTarget;
    }

    /// @notice Wei per round, per person or per act.
    struct Money {
        uint128 devicePot;
        uint128 edgePay;
        uint128 holderPay;
        uint128 voterPay;
        uint128 relayPay;
        uint128 bounty;
        uint128 edgeBond;
        uint128 openingBond;
    }

    struct Terms {
        Windows windows;
        Cohort cohort;
        LearningTerms learning;
        Encoding encoding;
        Key key;
        Panel panel;
        MiningTerms mining;
        Money money;
    }

    /// @param head header of the last closed round; the genesis before the first
    /// @param enrolments running hash over all enrolments, in order
    /// @param model digest of the global model
    /// @param gradient digest of the accepted gradient at `model`, or 0
    struct Task {
        address requester;
        uint32 rounds;
        uint16 enrolled;
        uint32 totalWeight;
        bool ended;
        Outcome lastOutcome;
        bytes32 termsDigest;
        bytes32 head;
        bytes32 enrolments;
        bytes32 model;
        uint32 modelSize;
        bytes32 gradient;
        uint32 gradientSize;
    }

    /// @param enrolled how many devices were enrolled when the round opened (bits 0 … enrolled−1)
    /// @param committed bitmap, by enrolment index, of the devices that committed
    /// @param expected bitmap of the devices that the commit phase waits for
    /// @param allCommittedAt the latest commit with which nobody expected was missing; 0 until then
    /// @param parent pointer ℵ: what this round's header builds on
    /// @param result digest of the model (or gradient) that the round produced, or 0
    struct Round {
        RoundKind kind;
        Outcome outcome;
        uint16 enrolled;
        uint64 openedAt;
        uint64 allCommittedAt;
        uint64 closedAt;
        uint256 committed;
        uint256 expected;
        bytes32 parent;
        bytes32 result;
    }

    /// @notice One device's commit: what it will publish once the commit phase is over.
    /// @param root Merkle root over the update's ciphertexts
    /// @param computeMillis T_local, the device's computing time
    struct Update {
        bytes32 digest;
        uint32 size;
        bytes32 root;
        uint32 computeMillis;
    }

    /// @notice A commit signed by its device (EIP-712) for anybody to relay.
    struct SignedUpdate {
        address device;
        Update update;
        uint64 deadline;
        bytes signature;
    }

    /// @notice An enrolment signed by its device (EIP-712) for anybody to relay.
    struct SignedEnrolment {
        address device;
        uint32 weight;
        bytes32 ownership;
        uint64 deadline;
        bytes ticket;
        bytes signature;
    }

    /// @notice What Mining needs of a round to derive its phases, in one call.
    /// @param commitEnd when the commit phase ended, or will end; 0 for a round that does not exist
    /// @param closedAt 0 while open
    /// @param maxBytes largest update, aggregate, share or opening
    struct Schedule {
        RoundKind kind;
        uint64 commitEnd;
        uint64 closedAt;
        uint16 minDevices;
        uint8 holders;
        uint8 threshold;
        uint8 seats;
        uint16 acceptBips;
        uint32 maxBytes;
        uint64 beta;
        uint256 committed;
        bytes32 parent;
        Windows windows;
    }

    /// @notice Why one message of a batch was passed over.
    enum SkipReason {
        BadSignature,
        Expired,
        NotEnrolled,
        AlreadyDone,
        TooLarge
    }
}

/// @title ILearningErrors
interface ILearningErrors is ILearningTypes {
    error LearningUnknownTask(bytes32 taskId);
    error LearningTaskEnded(bytes32 taskId);
    error LearningWrongPhase(Phase actual, Phase expected);
    error LearningWrongRound(uint32 actual, uint32 expected);
    error LearningNotEnrolled(address device);
    error LearningAlreadyEnrolled(address device);
    error LearningAlreadyCommitted(address device);
    error LearningBadTicket(address device, address admission);
    error LearningBatchTooLong(uint256 length, uint256 max);
    error LearningTermOutOfBounds(bytes32 term, uint256 value);
    error LearningWeightOutOfBounds(uint32 weight, uint32 max);
    error LearningWeightTooLarge(uint256 sum, uint256 max);
    error LearningCohortFull(uint16 max);
    error LearningTooFewDevices(uint16 actual, uint16 min);
    error LearningUpdateTooLarge(uint32 size, uint32 max);
    error LearningPotTooSmall(uint256 held, uint256 needed);
    error LearningNoRoundsLeft(uint32 max);
    error LearningRoundNotClosed(bytes32 taskId, uint32 round);
    error LearningNotDecided(bytes32 taskId, uint32 round);
    error LearningNothingToClaim(bytes32 taskId, uint32 round, address who);
    error LearningTaskNotOver(bytes32 taskId, uint64 idleAt);
}

/// @title ILearningEvents
interface ILearningEvents is ILearningTypes {
    event TaskCreated(bytes32 indexed taskId, address indexed requester, bytes32 termsDigest, Terms terms);
    event DeviceEnrolled(
        bytes32 indexed taskId, address indexed device, uint16 index, uint32 weight, bytes32 ownership
    );
    event RoundOpened(
        bytes32 indexed taskId,
        uint32 indexed round,
        RoundKind kind,
        uint16 enrolled,
        uint256 expected,
        bytes32 baseModel,
        uint32 baseModelSize,
        bytes32 parent,
        uint256 budget
    );
    /// @param relay who sent it; the device itself earns no relay pay
    event UpdateCommitted(
        bytes32 indexed taskId,
        uint32 indexed round,
        address indexed device,
        bytes32 digest,
        uint32 size,
        bytes32 root,
        uint32 computeMillis,
        address relay
    );
    event UpdateSkipped(bytes32 indexed taskId, uint32 indexed round, uint256 index, SkipReason reason);
    event EnrolmentSkipped(bytes32 indexed taskId, uint256 index, SkipReason reason);
    event RoundClosed(
        bytes32 indexed taskId,
        uint32 indexed round,
        Outcome outcome,
        bytes32 result,
        uint32 resultSize,
        bytes32 header
    );
    event DevicePaid(bytes32 indexed taskId, uint32 indexed round, address indexed device, uint256 amount);
    event RelayPaid(bytes32 indexed taskId, uint32 indexed round, address indexed relay, uint256 amount);
    event TaskEnded(bytes32 indexed taskId, bytes32 model, uint256 refund);
}

/// @title ILearning
/// @notice BlockDeepNet's learning contract: a task, its cohort, its rounds and the updates committed in them.
interface ILearning is ILearningErrors, ILearningEvents {
    function version() external view returns (string memory);

    /// @notice Orders a model. The value sent funds the task's pot and must cover one round's worst case.
    /// @return taskId keccak256(chain id, this, creator, creator's nonce)
    function createTask(Terms calldata terms) external payable returns (bytes32 taskId);

    /// @notice Enrols the caller with weight s_k, which stays fixed.
    /// @param ticket the admission key's EIP-712 signature over Ticket(taskId, device)
    function enrol(bytes32 taskId, uint32 weight, bytes32 ownership, bytes calldata ticket) external;

    /// @notice Enrols devices that signed, at most 32 in a batch; one that cannot be enrolled is skipped with an event.
    function enrolBySig(bytes32 taskId, SignedEnrolment[] calldata enrolments) external;

    /// @notice Opens the next round and moves its worst-case budget into its own pot. Anyone.
    function openRound(bytes32 taskId) external returns (uint32 round);

    /// @notice Commits the caller's update.
    function commitUpdate(bytes32 taskId, uint32 round, Update calldata update) external;

    /// @notice Commits updates that their devices signed, at most 32 in a batch; a bad one is skipped with an event.
    function commitUpdates(bytes32 taskId, uint32 round, SignedUpdate[] calldata updates) external;

    /// @notice Closes a decided round, fixes its header and the model. Anyone; earns the bounty.
    function closeRound(bytes32 taskId, uint32 round) external;

    /// @notice Credits a device with ⌊pot·s_k/S⌋. Anyone may call it for the device.
    function claimDevicePayFor(bytes32 taskId, uint32 round, address device) external;

    /// @notice Credits a relay for each included commit that it brought. Anyone may call it for the relay.
    function claimRelayPayFor(bytes32 taskId, uint32 round, address relay) external;

    /// @notice Ends a task whose rounds are over, converged, or which nobody moved for `IDLE_AFTER`; refunds the task's pot.
    /// Anyone; its requester whenever no round is open.
    function endTask(bytes32 taskId) external;

    function phaseOf(bytes32 taskId, uint32 round) external view returns (Phase);

    /// @notice When the commit phase ended, or will end.
    function commitEndOf(bytes32 taskId, uint32 round) external view returns (uint64);

    function taskOf(bytes32 taskId) external view returns (Task memory);

    function roundOf(bytes32 taskId, uint32 round) external view returns (Round memory);

    /// @return index enrolment index plus one; 0 when not enrolled
    function enrolmentOf(bytes32 taskId, address device) external view returns (uint16 index, uint32 weight);

    /// @return commitment keccak256 over the abi-encoded Update, or 0
    function updateOf(bytes32 taskId, uint32 round, address device) external view returns (bytes32 commitment);

    /// @return wei that one round of these terms can cost at most, all attempts included
    function roundBudget(bytes32 taskId) external view returns (uint256);

    /// @return nonce that the creator's next task will be named by
    function nonceOf(address creator) external view returns (uint256 nonce);

    function scheduleOf(bytes32 taskId, uint32 round) external view returns (Schedule memory);

    /// @return outcome Open until the round is closed
    function closedAs(bytes32 taskId, uint32 round) external view returns (Outcome outcome);

    function moneyOf(bytes32 taskId) external view returns (Money memory);

    /// @return root Merkle root over (index, address) of the key holders
    function holdersRootOf(bytes32 taskId) external view returns (bytes32 root);

    /// @return target that a candidate's header must not exceed; 0 asks for no proof of work
    function powTargetOf(bytes32 taskId) external view returns (uint256 target);

    /// @return weight sum of the weights of the devices in a bitmap by enrolment index
    function weightOfSet(bytes32 taskId, uint256 mask) external view returns (uint64 weight);
}
