// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILearningTypes} from "../learning/ILearning.sol";

/// @title IMiningTypes
/// @notice Candidate blocks and openings of a round.
interface IMiningTypes {
    enum CandidateState {
        None,
        Sealed,
        Opened,
        Displaced,
        Forfeited,
        Released,
        Struck
    }

    /// @notice An edge's claim of the round's encrypted sum.
    /// @param seq order of sealing, from 0; the winner is the first valid one
    /// @param digest aggregate blob; 0 until opened
    /// @param root Merkle root over the aggregate's ciphertexts
    /// @param header hash of parent, task, round, included set, aggregate, β and nonce
    struct Candidate {
        uint32 seq;
        address edge;
        CandidateState state;
        uint128 bond;
        uint32 size;
        bytes32 seal;
        bytes32 digest;
        bytes32 root;
        bytes32 header;
    }

    /// @notice What an edge discloses after the seal window; all of it, and the salt, is in the seal.
    struct Aggregate {
        bytes32 digest;
        uint32 size;
        bytes32 root;
        uint64 nonce;
    }

    /// @notice A claim of what the sum decrypts to.
    /// @param usedShares bitmap of the holders whose shares it used
    /// @param flags bit 0: converged, bit 1: overflow
    struct Opening {
        bytes32 digest;
        uint32 size;
        bytes32 modelDigest;
        uint32 modelSize;
        uint32 usedShares;
        uint8 flags;
    }

    struct PostedOpening {
        address poster;
        uint64 at;
        uint128 bond;
        bool bondSettled;
        Opening opening;
    }

    /// @notice A holder's mask of valid updates, signed (EIP-712) for anybody to relay.
    struct SignedAttestation {
        uint8 holder;
        uint256 mask;
        uint64 deadline;
        bytes32[] branch;
        bytes signature;
    }

    /// @notice A holder's share, signed (EIP-712) for anybody to relay.
    struct SignedShare {
        uint8 holder;
        bytes32 digest;
        uint32 size;
        uint64 deadline;
        bytes32[] branch;
        bytes signature;
    }

    /// @notice The times and counts from which a round's phases after the commit are derived.
    /// @param attested bitmap of holders that attested
    /// @param shared bitmap of holders that posted a share
    /// @param relayed see claimRelayPayFor
    struct Progress {
        uint32 attested;
        uint32 shared;
        uint8 candidates;
        uint8 sealedCount;
        uint8 openedCount;
        uint8 openings;
        uint64 allAttestedAt;
        uint64 allOpenedAt;
        uint64 thresholdSharedAt;
        uint64 allSharedAt;
        uint64 firstOpeningAt;
        bool included;
        uint16 includedCount;
        uint64 totalWeight;
        uint256 includedMask;
    }

    /// @notice Which phase ends when; 0 where it is not known yet.
    struct Deadlines {
        uint64 commitEnd;
        uint64 publishEnd;
        uint64 sealEnd;
        uint64 openEnd;
        uint64 challengeEnd;
        uint64 shareEnd;
        uint64 openingEnd;
    }
}

/// @title IMiningErrors
interface IMiningErrors is IMiningTypes {
    error MiningWrongPhase(ILearningTypes.Phase actual, ILearningTypes.Phase expected);
    error MiningNotProver(address caller);
    error MiningNotHolder(address caller, uint8 holder);
    error MiningAlreadyAttested(uint8 holder);
    error MiningAlreadyShared(uint8 holder);
    error MiningBadMask(uint256 mask, uint256 committed);
    error MiningBatchTooLong(uint256 length, uint256 max);
    error MiningBondTooSmall(uint256 sent, uint256 needed);
    error MiningAlreadyFixed(bytes32 taskId, uint32 round);
    error MiningTooFewIncluded(uint16 actual, uint16 min);
    error MiningUnknownCandidate(uint8 slot);
    error MiningNotOwner(address caller, address owner);
    error MiningSealMismatch(bytes32 actual, bytes32 expected);
    error MiningWorkTooSmall(uint256 header, uint256 target);
    error MiningTooLarge(uint32 size, uint32 max);
    error MiningTooFewShares(uint16 actual, uint16 threshold);
    error MiningSharesNotPosted(uint32 used, uint32 posted);
    error MiningOpeningsFull(uint8 max);
    error MiningNotYetOpenToAll(uint64 until);
    error MiningBadFlags(uint8 flags);
    error MiningNothingToClaim(bytes32 taskId, uint32 round, address who);
    error MiningRoundNotClosed(bytes32 taskId, uint32 round);
}

/// @title IMiningEvents
interface IMiningEvents is IMiningTypes {
    /// @param relay who sent it; the holder itself earns no relay pay
    event UpdatesAttested(
        bytes32 indexed taskId, uint32 indexed round, address indexed holder, uint8 index, uint256 mask, address relay
    );
    event MessageSkipped(bytes32 indexed taskId, uint32 indexed round, uint256 index, ILearningTypes.SkipReason reason);
    /// @notice A device's blob was shown not to have the Merkle root that it committed to.
    event UpdateExcluded(
        bytes32 indexed taskId, uint32 indexed round, address indexed device, uint16 index, address by
    );
    event SetIncluded(
        bytes32 indexed taskId, uint32 indexed round, uint256 mask, uint16 count, uint64 totalWeight, address by
    );
    event AggregateSealed(
        bytes32 indexed taskId,
        uint32 indexed round,
        address indexed edge,
        uint8 slot,
        uint32 seq,
        bytes32 seal,
        uint128 bond
    );
    event CandidateDisplaced(bytes32 indexed taskId, uint32 indexed round, address indexed edge, uint8 slot, uint32 seq);
    event AggregateOpened(
        bytes32 indexed taskId,
        uint32 indexed round,
        address indexed edge,
        uint8 slot,
        bytes32 digest,
        uint32 size,
        bytes32 root,
        uint64 nonce,
        bytes32 header
    );
    /// @notice A candidate was proven wrong.
    /// @param by who proved it, and has half of the bond; the other half is burnt
    event CandidateStruckOut(
        bytes32 indexed taskId, uint32 indexed round, address indexed edge, uint8 slot, address by, uint256 reward
    );
    /// @param relay who sent it; the holder itself earns no relay pay
    event SharePosted(
        bytes32 indexed taskId,
        uint32 indexed round,
        address indexed holder,
        uint8 index,
        bytes32 digest,
        uint32 size,
        address relay
    );
    event OpeningPosted(
        bytes32 indexed taskId, uint32 indexed round, address indexed poster, uint8 index, uint128 bond, Opening opening
    );
    /// @param ofOpening whether it was an opening's bond, else a candidate's
    /// @param place slot of the candidate or index of the opening
    event BondReleased(
        bytes32 indexed taskId, uint32 indexed round, address indexed owner, bool ofOpening, uint8 place, uint256 amount
    );
    event BondForfeited(
        bytes32 indexed taskId, uint32 indexed round, address indexed owner, bool ofOpening, uint8 place, uint256 amount
    );
    event EdgePaid(bytes32 indexed taskId, uint32 indexed round, address indexed edge, uint256 amount);
    event HolderPaid(bytes32 indexed taskId, uint32 indexed round, address indexed holder, uint256 amount);
    event RelayPaid(bytes32 indexed taskId, uint32 indexed round, address indexed relay, uint256 amount);
    event OpenerPaid(bytes32 indexed taskId, uint32 indexed round, address indexed poster, uint256 amount);
}

/// @title IMining
/// @notice BlockDeepNet's mining contract: which updates are included, candidate blocks, shares and openings.
interface IMining is IMiningErrors, IMiningEvents {
    function version() external view returns (string memory);

    /// @notice Marks the updates that the calling holder keeps and found valid. Once a round and holder.
    /// @param mask bitmap by enrolment index, within the committed set
    /// @param branch Merkle branch of (holder, caller) under the task's holdersRoot
    function attest(bytes32 taskId, uint32 round, uint8 holder, uint256 mask, bytes32[] calldata branch) external;

    /// @notice Attestations that their holders signed; a bad one is skipped with an event.
    function attestBySig(bytes32 taskId, uint32 round, SignedAttestation[] calldata attestations) external;

    /// @notice Fixes the included set: exactly the devices marked by at least `threshold` holders. Anyone; earns the bounty.
    function fixIncluded(bytes32 taskId, uint32 round) external;

    /// @notice Seals a candidate with a bond. When all places are taken, a bond of twice the lowest displaces it.
    function sealAggregate(bytes32 taskId, uint32 round, bytes32 seal) external payable returns (uint8 slot);

    /// @notice Opens the caller's sealed candidate.
    function openAggregate(bytes32 taskId, uint32 round, uint8 slot, Aggregate calldata aggregate, bytes32 salt)
        external;

    /// @notice Leaves a device out of the included set, in Publish. For `PAILLIER_SUM`, which has seen the proof.
    /// @param index enrolment index of the device
    function excludeUpdate(bytes32 taskId, uint32 round, address device, uint16 index, address by) external;

    /// @notice Takes an opened candidate off the slate for good, from the end of Open until the round is closed. For
    /// `PAILLIER_SUM`, which has seen the proof.
    /// @param by who brought the proof
    function strikeOut(bytes32 taskId, uint32 round, uint8 slot, address by) external;

    /// @notice Posts the digest of the calling holder's share. Once a round and holder; in Share, and beside openings
    /// until the share window's own end.
    function postShare(
        bytes32 taskId,
        uint32 round,
        uint8 holder,
        bytes32 digest,
        uint32 size,
        bytes32[] calldata branch
    ) external;

    /// @notice Shares that their holders signed; a bad one is skipped with an event.
    function postSharesBySig(bytes32 taskId, uint32 round, SignedShare[] calldata shares) external;

    /// @notice Posts an opening with a bond. First for the edges that opened a candidate; for anyone from half the
    /// opening window on, or after the first opening.
    function postOpening(bytes32 taskId, uint32 round, Opening calldata opening) external payable returns (uint8 index);

    /// @notice Gives a candidate's bond back to its edge, or forfeits it; after the round is closed. Anyone.
    function settleCandidateBond(bytes32 taskId, uint32 round, uint8 slot) external;

    /// @notice Gives an opening's bond back to its poster, or forfeits it; after the round is closed. Anyone.
    function settleOpeningBond(bytes32 taskId, uint32 round, uint8 index) external;

    /// @notice Credits the winning candidate's edge with the processing reward. Anyone may call it.
    function claimEdgePayFor(bytes32 taskId, uint32 round) external;

    /// @notice Credits the poster of the right opening with the bounty. Anyone may call it.
    function claimOpenerPayFor(bytes32 taskId, uint32 round) external;

    /// @notice Credits a holder whose share the right opening used. Anyone may call it for the holder.
    function claimHolderPayFor(bytes32 taskId, uint32 round, uint8 holder) external;

    /// @notice Credits a relay for the attestations and shares that it brought. Anyone may call it for the relay.
    function claimRelayPayFor(bytes32 taskId, uint32 round, address relay) external;

    function phaseOf(bytes32 taskId, uint32 round) external view returns (ILearningTypes.Phase);

    function deadlinesOf(bytes32 taskId, uint32 round) external view returns (Deadlines memory);

    function progressOf(bytes32 taskId, uint32 round) external view returns (Progress memory);

    /// @return mask bitmap by enrolment index of the devices marked by at least `threshold` holders; 0 until fixed
    /// @return count how many they are
    /// @return totalWeight S, the sum of their weights
    function includedSet(bytes32 taskId, uint32 round)
        external
        view
        returns (uint256 mask, uint16 count, uint64 totalWeight);

    /// @return mask bitmap by enrolment index of the devices whose update was proven not to be what was committed
    function excludedSet(bytes32 taskId, uint32 round) external view returns (uint256 mask);

    function candidateOf(bytes32 taskId, uint32 round, uint8 slot) external view returns (Candidate memory);

    function openingOf(bytes32 taskId, uint32 round, uint8 index) external view returns (PostedOpening memory);

    function attestationOf(bytes32 taskId, uint32 round, uint8 holder) external view returns (address who, uint256 mask);

    function shareOf(bytes32 taskId, uint32 round, uint8 holder) external view returns (address who, bytes32 commitment);

    /// @notice What a round has come to, from times, counts and the verdict.
    /// @return outcome Open while undecided
    /// @return header of the block that closes the round, given its parent
    /// @return result digest of the new model or gradient; 0 where there is none
    /// @return resultSize its size in bytes
    /// @return opened whether an opening exists, so that devices, holders and relays are paid
    function outcomeOf(bytes32 taskId, uint32 round)
        external
        view
        returns (ILearningTypes.Outcome outcome, bytes32 header, bytes32 result, uint32 resultSize, bool opened);

    /// @return wei still owed out of the round's pot by this contract and by the panel, at most
    function entitlementsOf(bytes32 taskId, uint32 round) external view returns (uint256);
}
