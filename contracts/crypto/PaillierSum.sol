// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {ILearning, ILearningTypes} from "../learning/ILearning.sol";
import {IMining, IMiningTypes} from "../mining/IMining.sol";
import {IPaillierSum} from "./IPaillierSum.sol";
import {Modular} from "./Modular.sol";

/// @title PaillierSum
contract PaillierSum is IPaillierSum {
    using Modular for Modular.Ring;

    /// @notice Most devices in one transaction.
    uint256 public constant MAX_FACTORS = 32;

    ILearning public immutable LEARNING;
    IMining public immutable MINING;

    mapping(bytes32 id => bytes32) private _partials;

    constructor(ILearning learning, IMining mining) {
        LEARNING = learning;
        MINING = mining;
    }

    /// @inheritdoc IPaillierSum
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    /// @inheritdoc IPaillierSum
    function multiply(ProofFacts calldata facts, uint32 position, Partial calldata before, Factor[] calldata factors)
        external
    {
        Modular.Ring memory ring = _ringOf(facts);
        (uint256 remaining, uint256 product) = _multiply(ring, facts, position, before, factors);
        bytes32 commitment = _commitment(remaining, ring.read(product));
        _partials[_partialId(msg.sender, facts.taskId, facts.round, position)] = commitment;
        emit ProductAdvanced(facts.taskId, facts.round, msg.sender, position, remaining, commitment);
    }

    /// @inheritdoc IPaillierSum
    function strikeOut(
        ProofFacts calldata facts,
        uint32 position,
        uint8 slot,
        Leaf calldata candidate,
        Partial calldata before,
        Factor[] calldata factors
    ) external {
        Modular.Ring memory ring = _ringOf(facts);
        IMiningTypes.Candidate memory judged = MINING.candidateOf(facts.taskId, facts.round, slot);
        _checkLeaf(facts, position, candidate, judged.root, judged.edge);
        if (!_isImpossible(ring, facts, position, candidate)) {
            (uint256 remaining, uint256 product) = _multiply(ring, facts, position, before, factors);
            if (remaining != 0) revert PaillierSumIncomplete(remaining);
            ring.load(ring.base, candidate.ciphertext);
            if (keccak256(ring.read(ring.base)) == keccak256(ring.read(product))) revert PaillierSumHolds(judged.edge);
        }
        MINING.strikeOut(facts.taskId, facts.round, slot, msg.sender);
    }

    /// @inheritdoc IPaillierSum
    function excludeUpdate(
        ProofFacts calldata facts,
        address device,
        ILearningTypes.Update calldata update,
        bytes calldata blob
    ) external {
        _checkFacts(facts);
        _checkCommit(facts, device, update);
        bytes32 digest = sha256(blob);
        // The root block of a file of several chunks has the file's digest, but never its size.
        if (digest != update.digest || blob.length != update.size) revert PaillierSumWrongBlob(digest, update.digest);
        uint256 width = 2 * facts.n.length;
        uint256 length = width * facts.terms.encoding.ciphertexts;
        // A valid update ends with its ciphertexts, as many as the terms say.
        if (blob.length >= length && _rootOf(blob[blob.length - length:], width) == update.root) {
            revert PaillierSumHolds(device);
        }
        (uint16 index,) = LEARNING.enrolmentOf(facts.taskId, device);
        MINING.excludeUpdate(facts.taskId, facts.round, device, index - 1, msg.sender);
    }

    /// @inheritdoc IPaillierSum
    function partialOf(address by, bytes32 taskId, uint32 round, uint32 position)
        external
        view
        returns (bytes32 commitment)
    {
        return _partials[_partialId(by, taskId, round, position)];
    }

    // --- the product ---

    /// @return remaining bitmap of the included devices that are still to come
    /// @return product place of the product of all others
    function _multiply(
        Modular.Ring memory ring,
        ProofFacts calldata facts,
        uint32 position,
        Partial calldata before,
        Factor[] calldata factors
    ) private view returns (uint256 remaining, uint256 product) {
        if (factors.length > MAX_FACTORS) revert PaillierSumTooManyFactors(factors.length, MAX_FACTORS);
        bool begun = before.product.length != 0;
        product = ring.zero();
        if (begun) {
            bytes32 actual = _commitment(before.remaining, before.product);
            bytes32 expected = _partials[_partialId(msg.sender, facts.taskId, facts.round, position)];
            if (actual != expected) revert PaillierSumWrongPartial(actual, expected);
            remaining = before.remaining;
            ring.load(product, before.product);
        } else {
            (remaining,,) = MINING.includedSet(facts.taskId, facts.round);
            if (remaining == 0) revert PaillierSumNotFixed(facts.taskId, facts.round);
            // Nothing times nothing would be kept as 0, which convicts every candidate.
            if (factors.length == 0) revert PaillierSumIncomplete(remaining);
        }
        bool weighs = facts.terms.encoding.weighting == ILearningTypes.Weighting.Edge;
        uint256 raised = ring.zero();
        for (uint256 i = 0; i < factors.length; ++i) {
            Factor calldata factor = factors[i];
            (uint256 bit, uint256 weight) = _checkFactor(facts, position, factor, remaining);
            remaining ^= bit;
            ring.load(ring.base, factor.leaf.ciphertext);
            if (begun) {
                ring.power(weighs ? weight : 1, raised);
                ring.multiply(product, raised, product);
            } else {
                ring.power(weighs ? weight : 1, product);
                begun = true;
            }
        }
    }

    /// @return bit of the device, which is still to be multiplied in
    /// @return weight s_k
    function _checkFactor(ProofFacts calldata facts, uint32 position, Factor calldata factor, uint256 remaining)
        private
        view
        returns (uint256 bit, uint256 weight)
    {
        uint256 index;
        (index, weight) = LEARNING.enrolmentOf(facts.taskId, factor.device);
        if (index != 0) bit = 1 << (index - 1);
        if (remaining & bit == 0) revert PaillierSumNotIncluded(factor.device);
        _checkCommit(facts, factor.device, factor.update);
        _checkLeaf(facts, position, factor.leaf, factor.update.root, factor.device);
    }

    function _checkCommit(ProofFacts calldata facts, address device, ILearningTypes.Update calldata update) private view {
        bytes32 committed = LEARNING.updateOf(facts.taskId, facts.round, device);
        if (committed != keccak256(abi.encode(update))) revert PaillierSumNotCommitted(device);
    }

    // --- Merkle trees ---

    /// @dev Only leaves of the one right length are taken: a leaf as long as two hashes could be an inner node.
    function _checkLeaf(ProofFacts calldata facts, uint32 position, Leaf calldata leaf, bytes32 root, address owner)
        private
        pure
    {
        bytes32 hash = keccak256(abi.encodePacked(position, leaf.ciphertext));
        if (leaf.ciphertext.length != 2 * facts.n.length || !MerkleProof.verifyCalldata(leaf.branch, root, hash)) {
            revert PaillierSumBadLeaf(owner, position);
        }
    }

    /// @return whether no right sum has such a leaf, whatever the updates are
    function _isImpossible(
        Modular.Ring memory ring,
        ProofFacts calldata facts,
        uint32 position,
        Leaf calldata candidate
    ) private pure returns (bool) {
        uint256 count = facts.terms.encoding.ciphertexts;
        if (position >= count || candidate.branch.length != _branchLength(position, count)) return true;
        ring.load(ring.base, candidate.ciphertext);
        return !ring.isReduced(ring.base);
    }

    /// @dev A node without a sibling moves up as it is.
    function _branchLength(uint256 index, uint256 count) private pure returns (uint256 length) {
        for (; count > 1; count = (count + 1) / 2) {
            if ((index | 1) < count) ++length; // a right node has a left one, a left node may be alone
            index /= 2;
        }
    }

    /// @return root over ciphertexts of `width` bytes one after the other
    function _rootOf(bytes calldata ciphertexts, uint256 width) private pure returns (bytes32 root) {
        uint256 count = ciphertexts.length / width;
        bytes32[] memory level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            level[i] = keccak256(abi.encodePacked(uint32(i), ciphertexts[i * width:(i + 1) * width]));
        }
        for (; count > 1; count = (count + 1) / 2) {
            for (uint256 i = 0; i < count; i += 2) {
                (bytes32 a, bytes32 b) = (level[i], i + 1 < count ? level[i + 1] : bytes32(0));
                if (i + 1 < count) a = keccak256(a < b ? abi.encodePacked(a, b) : abi.encodePacked(b, a));
                level[i / 2] = a;
            }
        }
        return level[0];
    }

    // --- the task's facts ---

    function _ringOf(ProofFacts calldata facts) private view returns (Modular.Ring memory) {
        _checkFacts(facts);
        return Modular.ofSquare(facts.n);
    }

    function _checkFacts(ProofFacts calldata facts) private view {
        bytes32 terms = keccak256(abi.encode(facts.terms));
        bytes32 expected = LEARNING.taskOf(facts.taskId).termsDigest;
        if (terms != expected) revert PaillierSumWrongTerms(terms, expected);
        ILearningTypes.Key calldata key = facts.terms.key;
        bytes32 digest = sha256(_keyBlob(facts.n, key.threshold, key.holders));
        // An even n, or one that is spelt with leading zeros, is nobody's key.
        bool odd = facts.n.length != 0 && facts.n[0] != 0 && uint8(facts.n[facts.n.length - 1]) & 1 == 1;
        if (digest != key.digest || !odd) revert PaillierSumWrongKey(digest, key.digest);
    }

    /// @dev The one blob that the key of these terms can be: {n, kind, holders, version, threshold} in canonical CBOR,
    /// field by field as dapp.protocol.blobs writes it. To rebuild it is to read it strictly. Each field tells its length.
    function _keyBlob(bytes calldata n, uint8 threshold, uint8 holders) private pure returns (bytes memory) {
        // slither-disable-next-line encode-packed-collision
        return abi.encodePacked(
            hex"a5616e",
            n.length < 0x100 ? abi.encodePacked(hex"58", uint8(n.length)) : abi.encodePacked(hex"59", uint16(n.length)),
            n,
            hex"646b696e64636b657967686f6c64657273",
            _unsigned(holders),
            hex"6776657273696f6e01697468726573686f6c64",
            _unsigned(threshold)
        );
    }

    function _unsigned(uint8 value) private pure returns (bytes memory) {
        return value < 24 ? abi.encodePacked(value) : abi.encodePacked(hex"18", value);
    }

    // --- partial products ---

    function _partialId(address by, bytes32 taskId, uint32 round, uint32 position) private pure returns (bytes32) {
        return keccak256(abi.encode(by, taskId, round, position));
    }

    function _commitment(uint256 remaining, bytes memory product) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(remaining, product));
    }
}
