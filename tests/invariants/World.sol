// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {IPaillierSum} from "../../contracts/crypto/IPaillierSum.sol";
import {IEscrow} from "../../contracts/escrow/IEscrow.sol";
import {ILearning, ILearningTypes} from "../../contracts/learning/ILearning.sol";
import {IMining} from "../../contracts/mining/IMining.sol";
import {ISeed} from "../../contracts/randomness/ISeed.sol";
import {IVerification} from "../../contracts/verification/IVerification.sol";
import {vm} from "./Vm.sol";

/// @title World
/// @notice The contracts, from the artifacts that are deployed everywhere, and a cast of people with keys.
abstract contract World is ILearningTypes {
    uint256 internal constant DEVICES = 5;
    uint256 internal constant HOLDERS = 3;
    uint256 internal constant THRESHOLD = 2;
    uint256 internal constant EDGES = 4;
    uint256 internal constant VERIFIERS = 7;
    uint256 internal constant STAKE = 1 ether;
    uint256 internal constant ACTIVATION_DELAY = 60;
    uint256 internal constant COOL_DOWN = 30 minutes;
    uint32 internal constant WINDOW = 120;
    uint64 internal constant FAR = type(uint64).max;
    uint256 internal constant MIN_VOTER_PAY = 100;
    uint256 internal constant ADMISSION_KEY = 0xad;
    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;
    address internal constant REQUESTER = address(0x4e9);
    address internal constant STRANGER = address(0x573);

    IEscrow internal escrow;
    ILearning internal learning;
    IMining internal mining;
    IVerification internal verification;
    ISeed internal seed;
    IPaillierSum internal paillierSum;

    address[] internal devices;
    address[] internal holders;
    address[] internal edges;
    address[] internal verifiers;
    /// @dev Everybody to whom the contracts can owe anything.
    address[] internal people;

    constructor() {
        address[6] memory to;
        for (uint256 i = 0; i < to.length; ++i) {
            to[i] = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + i);
        }
        address[] memory consumers = new address[](1);
        consumers[0] = to[2];
        escrow = IEscrow(_deploy("Escrow", abi.encode(to[1], to[2], to[3])));
        learning = ILearning(_deploy("Learning", abi.encode(to[0], to[2], 512, 60)));
        mining = IMining(_deploy("Mining", abi.encode(to[1], to[3], to[0], to[5])));
        verification = IVerification(
            _deploy(
                "Verification",
                abi.encode(
                    to[0], to[4], consumers, STAKE, STAKE / 3, ACTIVATION_DELAY, COOL_DOWN, 3, 60, MIN_VOTER_PAY
                )
            )
        );
        seed = ISeed(_deploy("PrevrandaoSeed", abi.encode(2)));
        paillierSum = IPaillierSum(_deploy("PaillierSum", abi.encode(to[1], to[2])));

        for (uint256 i = 0; i < DEVICES; ++i) devices.push(_person(_deviceKey(i)));
        for (uint256 i = 0; i < HOLDERS; ++i) holders.push(_person(_holderKey(i)));
        for (uint256 i = 0; i < EDGES; ++i) edges.push(_person(0xed00 + i));
        for (uint256 i = 0; i < VERIFIERS; ++i) verifiers.push(_person(0x5e00 + i));
        people.push(REQUESTER);
        people.push(STRANGER);
        people.push(BURN);
        vm.deal(REQUESTER, 1e6 ether);
        vm.deal(STRANGER, 1e6 ether);
    }

    function _deploy(string memory name, bytes memory arguments) private returns (address deployed) {
        bytes memory code =
            bytes.concat(vm.getCode(string.concat("dapp/chain/abi/", name, ".json")), arguments);
        assembly {
            deployed := create(0, add(code, 32), mload(code))
        }
        require(deployed != address(0), name);
    }

    function _person(uint256 key) private returns (address person) {
        person = vm.addr(key);
        people.push(person);
        vm.deal(person, 1e6 ether);
    }

    function _deviceKey(uint256 index) internal pure returns (uint256) {
        return 0xde00 + index;
    }

    function _holderKey(uint256 index) internal pure returns (uint256) {
        return 0x4000 + index;
    }

    // Terms

    function _terms() internal view returns (Terms memory terms) {
        terms.windows =
            Windows(WINDOW, WINDOW, WINDOW, WINDOW, 60, WINDOW, WINDOW, WINDOW, WINDOW, WINDOW, WINDOW);
        terms.cohort = Cohort(vm.addr(ADMISSION_KEY), 3, uint16(DEVICES), 100, 400, 1 << 20);
        terms.learning = LearningTerms(bytes32("strategy"), 100, bytes32("model"), 1000, 4, true, 0);
        terms.encoding = Encoding(16, Weighting.Edge, 1e9, 1e10, 10, 91);
        terms.key = Key(bytes32("key"), 700, 512, uint8(HOLDERS), uint8(THRESHOLD), _holdersRoot());
        terms.panel = Panel(3, 6667);
        terms.mining = MiningTerms(3, 0);
        // Odd amounts, so that what is rounded shows.
        terms.money = Money(1 ether + 7, 5003, 701, 307, 23, 11, 0.5 ether, 0.25 ether + 2);
    }

    /// @dev From the commit's begin to the last attempt's last reveal.
    function _longestRound() internal pure returns (uint256) {
        return 7 * uint256(WINDOW) + 60 + 3 * 3 * uint256(WINDOW);
    }

    // Merkle tree over three holders: (0, 1), 2

    function _leaf(uint256 index) private view returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(index, holders[index]))));
    }

    function _holdersRoot() private view returns (bytes32) {
        return Hashes.commutativeKeccak256(Hashes.commutativeKeccak256(_leaf(0), _leaf(1)), _leaf(2));
    }

    function _branch(uint256 index) internal view returns (bytes32[] memory branch) {
        if (index == 2) {
            branch = new bytes32[](1);
            branch[0] = Hashes.commutativeKeccak256(_leaf(0), _leaf(1));
        } else {
            branch = new bytes32[](2);
            branch[0] = _leaf(1 - index);
            branch[1] = _leaf(2);
        }
    }

    // Signatures

    function _sign(uint256 key, string memory name, address contract_, bytes32 structHash)
        internal
        view
        returns (bytes memory)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                contract_
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        return abi.encodePacked(r, s, v);
    }

    /// @dev A header of which only what a seed reads says anything.
    function _header(uint256 number, bytes32 prevrandao) internal pure returns (bytes memory) {
        bytes memory word = abi.encodePacked(hex"a0", bytes32(0));
        bytes memory fields = bytes.concat(word, word, hex"80", word, word, word, hex"80", hex"80");
        fields = bytes.concat(
            fields, hex"84", bytes4(uint32(number)), hex"80", hex"80", hex"80", hex"80", hex"a0", prevrandao
        );
        return bytes.concat(hex"f8", bytes1(uint8(fields.length)), fields);
    }
}
