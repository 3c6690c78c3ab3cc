// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Escrow} from "../../contracts/escrow/Escrow.sol";
import {vm} from "./Svm.sol";

/// @title Hydra
/// @notice Takes ether, and uses the moment to ask for more.
contract Hydra {
    Escrow private immutable ESCROW;
    address private immutable FRIEND;

    constructor(Escrow escrow, address friend) {
        ESCROW = escrow;
        FRIEND = friend;
    }

    receive() external payable {
        try ESCROW.withdraw() {} catch {}
        try ESCROW.withdrawFor(FRIEND) {} catch {}
    }
}

/// @title EscrowTest
/// @notice Proven for every amount: from any state that pots and people can be in, a call of anybody changes each counter
/// by what it changes in the pots and the credit that it counts, and the balance by the same. A fresh escrow is solvent
/// to the wei; so it is after any number of calls. Pots and people are alike: it is enough to say which are the same.
contract EscrowTest {
    address private constant LEARNING = address(0x1ea);
    address private constant MINING = address(0x319);
    address private constant VERIFICATION = address(0x7e4);
    bytes32 private constant POT = "pot";
    bytes32 private constant OTHER = "other";
    address private constant ALICE = address(0xa11ce);
    address private constant BOB = address(0xb0b);

    struct Books {
        uint256 pots;
        uint256 credit;
        uint256 balance;
        uint256 pot;
        uint256 other;
        uint256 alice;
        uint256 hydra;
    }

    Escrow private escrow;
    Hydra private hydra;

    function setUp() public {
        escrow = new Escrow(LEARNING, MINING, VERIFICATION);
        hydra = new Hydra(escrow, ALICE);
    }

    /// @dev Any state: so much lies in two pots, so much is owed to a person and to a contract that calls back.
    function _reach(uint96 pot, uint96 other, uint96 alice, uint96 hydras) private returns (Books memory) {
        _fund(POT, uint256(pot) + alice);
        _fund(OTHER, uint256(other) + hydras);
        vm.prank(LEARNING);
        escrow.pay(POT, ALICE, alice, "owed");
        vm.prank(MINING);
        escrow.pay(OTHER, address(hydra), hydras, "owed");
        Books memory b = _books();
        assert(b.balance == b.pots + b.credit);
        return b;
    }

    function _fund(bytes32 pot, uint256 amount) private {
        vm.deal(address(this), amount);
        escrow.fund{value: amount}(pot);
    }

    function _books() private view returns (Books memory) {
        return Books(
            escrow.totalPots(),
            escrow.totalCredit(),
            address(escrow).balance,
            escrow.potOf(POT),
            escrow.potOf(OTHER),
            escrow.creditOf(ALICE),
            escrow.creditOf(address(hydra))
        );
    }

    function _protocol(address caller) private pure returns (bool) {
        return caller == LEARNING || caller == MINING || caller == VERIFICATION;
    }

    function check_solventAfterFunding(uint96 pot, uint96 other, uint96 alice, uint96 hydras, uint96 value) public {
        Books memory b = _reach(pot, other, alice, hydras);
        _fund(POT, value);
        Books memory a = _books();
        assert(a.pot == b.pot + value && a.pots == b.pots + value && a.balance == b.balance + value);
        assert(a.other == b.other && a.credit == b.credit && a.alice == b.alice && a.hydra == b.hydra);
    }

    function check_solventAfterPaying(
        uint96 pot,
        uint96 other,
        uint96 alice,
        uint96 hydras,
        address caller,
        uint256 amount
    ) public {
        Books memory b = _reach(pot, other, alice, hydras);
        vm.prank(caller);
        try escrow.pay(POT, ALICE, amount, "pay") {
            Books memory a = _books();
            assert(_protocol(caller) && amount <= b.pot);
            assert(a.pot == b.pot - amount && a.pots == b.pots - amount);
            assert(a.alice == b.alice + amount && a.credit == b.credit + amount);
            assert(a.other == b.other && a.hydra == b.hydra && a.balance == b.balance);
        } catch {
            assert(!_protocol(caller) || amount > b.pot);
        }
    }

    function check_solventAfterMoving(
        uint96 pot,
        uint96 other,
        uint96 alice,
        uint96 hydras,
        address caller,
        bool same,
        uint256 amount
    ) public {
        Books memory b = _reach(pot, other, alice, hydras);
        vm.prank(caller);
        try escrow.move(POT, same ? POT : OTHER, amount) {
            Books memory a = _books();
            assert(_protocol(caller) && amount <= b.pot);
            assert(a.pot == (same ? b.pot : b.pot - amount) && a.other == (same ? b.other : b.other + amount));
            assert(a.pots == b.pots && a.credit == b.credit && a.balance == b.balance);
        } catch {
            assert(!_protocol(caller) || amount > b.pot);
        }
    }

    function check_solventAfterAPersonWithdraws(uint96 pot, uint96 other, uint96 alice, uint96 hydras, uint8 how)
        public
    {
        Books memory b = _reach(pot, other, alice, hydras);
        address to = how == 0 ? BOB : ALICE;
        uint256 before = to.balance;
        vm.prank(how == 1 ? BOB : ALICE);
        (bool done,) = address(escrow).call(
            how == 0
                ? abi.encodeCall(escrow.withdrawTo, (BOB))
                : how == 1 ? abi.encodeCall(escrow.withdrawFor, (ALICE)) : abi.encodeCall(escrow.withdraw, ())
        );
        Books memory a = _books();
        assert(done == (b.alice != 0));
        assert(a.alice == 0 && to.balance == before + b.alice);
        assert(a.credit == b.credit - b.alice && a.balance == b.balance - b.alice);
        assert(a.pots == b.pots && a.hydra == b.hydra);
    }

    /// @dev While it is paid it asks for its own again and for another's: it gets neither.
    function check_solventAfterAContractThatCallsBackWithdraws(uint96 pot, uint96 other, uint96 alice, uint96 hydras)
        public
    {
        Books memory b = _reach(pot, other, alice, hydras);
        vm.prank(BOB);
        (bool done,) = address(escrow).call(abi.encodeCall(escrow.withdrawFor, (address(hydra))));
        Books memory a = _books();
        assert(done == (b.hydra != 0));
        assert(a.hydra == 0 && address(hydra).balance == b.hydra);
        assert(a.alice == b.alice && a.credit == b.credit - b.hydra);
        assert(a.balance == b.balance - b.hydra && a.pots == b.pots);
    }
}
