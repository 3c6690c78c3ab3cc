// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Messages} from "../../contracts/learning/Messages.sol";
import {IMiningTypes} from "../../contracts/mining/IMining.sol";
import {vm} from "./Vm.sol";
import {World} from "./World.sol";

/// @title Signatures
/// @notice What devices and holders sign, with the struct hashes of the contracts' own library.
abstract contract Signatures is World {
    function _learningSignature(uint256 key, bytes32 structHash) private view returns (bytes memory) {
        return _sign(key, "Cairn Learning", address(learning), structHash);
    }

    function _miningSignature(uint256 key, bytes32 structHash) private view returns (bytes memory) {
        return _sign(key, "Cairn Mining", address(mining), structHash);
    }

    function _ticket(bytes32 task, uint256 device) internal view returns (bytes memory) {
        return _learningSignature(ADMISSION_KEY, Messages.ticket(task, devices[device]));
    }

    function _enrolment(bytes32 task, uint256 i, uint32 weight) internal view returns (SignedEnrolment memory) {
        bytes32 structHash = Messages.enrolment(task, devices[i], weight, bytes32(i), FAR);
        bytes memory signature = _learningSignature(_deviceKey(i), structHash);
        return SignedEnrolment(devices[i], weight, bytes32(i), FAR, _ticket(task, i), signature);
    }

    function _update(bytes32 key, uint256 i) internal pure returns (Update memory) {
        return Update(keccak256(abi.encode("update", key, i)), 5000, keccak256(abi.encode("root", key, i)), 12);
    }

    /// @dev `Messages.update` takes calldata, as the contracts do.
    function updateHash(bytes32 task, uint32 number, address device, Update calldata update)
        external
        pure
        returns (bytes32)
    {
        return Messages.update(task, number, device, update, FAR);
    }

    function _signedUpdate(bytes32 task, uint32 number, bytes32 key, uint256 i)
        internal
        view
        returns (SignedUpdate memory)
    {
        Update memory update = _update(key, i);
        bytes32 structHash = this.updateHash(task, number, devices[i], update);
        return SignedUpdate(devices[i], update, FAR, _learningSignature(_deviceKey(i), structHash));
    }

    function _signedAttestation(bytes32 task, uint32 number, uint8 holder, uint256 mask)
        internal
        view
        returns (IMiningTypes.SignedAttestation memory)
    {
        bytes memory signature =
            _miningSignature(_holderKey(holder), Messages.attestation(task, number, holder, mask, FAR));
        return IMiningTypes.SignedAttestation(holder, mask, FAR, _branch(holder), signature);
    }

    function _signedShare(bytes32 task, uint32 number, uint8 holder, bytes32 digest)
        internal
        view
        returns (IMiningTypes.SignedShare memory)
    {
        bytes memory signature =
            _miningSignature(_holderKey(holder), Messages.share(task, number, holder, digest, 2000, FAR));
        return IMiningTypes.SignedShare(holder, digest, 2000, FAR, _branch(holder), signature);
    }
}
