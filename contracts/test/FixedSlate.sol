// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISlate, IVerificationTypes} from "../verification/IVerification.sol";

/// @title FixedSlate
/// @notice For tests only: a consumer whose slates anybody puts, with the rule by which Mining decides.
contract FixedSlate is ISlate {
    mapping(bytes32 caseKey => Slate) private _slates;

    function put(bytes32 caseKey, Slate calldata slate) external {
        _slates[caseKey] = slate;
    }

    /// @inheritdoc ISlate
    function slateOf(bytes32 caseKey) external view returns (Slate memory) {
        return _slates[caseKey];
    }

    /// @inheritdoc ISlate
    function decides(bytes32 caseKey, IVerificationTypes.Ballot calldata quorum) external view returns (bool) {
        Slate storage slate = _slates[caseKey];
        if (quorum.invalid == slate.candidates) return true;
        return quorum.valid != 0 && (quorum.right != 0 || quorum.wrong == slate.openings);
    }
}
