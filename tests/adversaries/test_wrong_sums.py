"""Wrong sums: an edge seals something else than the product of the included updates, and has the panel on its side; or
somebody wants an honest edge's bond."""

from __future__ import annotations

from dataclasses import replace
from secrets import randbits

import pytest
from evm import ETHER, Refused
from house import House
from stage import Stage
from sums import Sums

from dapp.crypto import merkle
from dapp.errors import BlobError
from dapp.protocol.blobs import AggregateBlob
from dapp.protocol.enums import CandidateState, Outcome
from dapp.protocol.records import Ballot
from dapp.protocol.watcher import Findings, FindLies
from dapp.protocol.work import FormAggregate, judged_sum


@pytest.fixture
def lied(house: House) -> Sums:
    sums = Sums.start(house)
    right = sums.right()
    return sums.judged([right[0] * (1 + sums.public.n) % sums.public.n_squared, *right[1:]])


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.build(tmp_path_factory.mktemp("honest")).play()


def test_defended_a_whole_panel_cannot_save_a_sum_that_is_proven_wrong(lied: Sums) -> None:
    lied.advance("challenge_end")
    lied.share(range(lied.terms.key.threshold))
    lied.post_opening(lied.house.edges[0])
    lied.advance("opening_end")
    lied.vote(Ballot(1, 0, 1, 0))
    lied.strike(0)
    lied.close()
    assert lied.round.outcome == Outcome.NOT_OPENED
    assert lied.round.result == bytes(32)


def test_the_attack_works_where_nobody_proves_it(lied: Sums) -> None:
    """Holders who share for a wrong sum, and a panel that likes it: the model is theirs."""
    lied.advance("challenge_end")
    lied.share(range(lied.terms.key.threshold))
    lied.post_opening(lied.house.edges[0])
    lied.advance("opening_end")
    lied.vote(Ballot(1, 0, 1, 0))
    lied.close()
    assert lied.round.outcome == Outcome.ACCEPTED


def test_bounded_a_liar_that_reports_itself_saves_half_of_its_bond(lied: Sums) -> None:
    edge = lied.house.edges[0]
    before = lied.house.credit(edge)
    lied.strike(0, by=edge)
    assert lied.house.credit(edge) - before == ETHER // 2


def test_known_gap_who_copies_a_proof_may_be_paid_for_it(lied: Sums) -> None:
    """The liar is struck out all the same."""
    arguments = lied.proof(0)
    copyist, author = lied.house.edges[1:3]
    lied.house.paillier_sum.send(copyist, "strikeOut", *arguments)
    with pytest.raises(Refused, match="MiningUnknownCandidate"):
        lied.house.paillier_sum.send(author, "strikeOut", *arguments)
    assert lied.house.credit(copyist) == ETHER // 2
    assert lied.candidate(0).state == CandidateState.STRUCK


def test_known_gap_a_root_of_which_nobody_has_a_leaf_is_left_to_the_panel(honest: Stage) -> None:
    (round_,) = honest.rounds
    (candidate,) = round_.candidates.values()
    job = FindLies(honest.world.facts, judged_sum(honest.view, round_), (replace(candidate, root=bytes(32)),))
    found: Findings = job.run(honest.node("edge", 0).fetch(job.needs), randbits).value
    assert found.proofs == ()
    assert [(slot, "do not have the root" in reason) for slot, reason in found.unprovable] == [(0, True)]


def test_defended_no_edge_vouches_for_a_sum_over_an_update_with_a_false_root(honest: Stage) -> None:
    """t holders that mark such an update could otherwise have a right sum struck out."""
    (round_,) = honest.rounds
    edge = honest.node("edge", 0)
    sum_ = judged_sum(honest.view, round_)
    first, *others = sum_.contributions
    false = replace(first, commit=replace(first.commit, root=merkle.keccak256(b"another")))
    job = FormAggregate(honest.world.facts, replace(sum_, contributions=(false, *others)), edge.state.me)
    with pytest.raises(BlobError, match="device 0 does not have the root it committed to"):
        job.run(edge.fetch(job.needs), randbits)


def test_defended_bytes_that_are_no_sum_at_all_stop_no_watcher(honest: Stage) -> None:
    (round_,) = honest.rounds
    (candidate,) = round_.candidates.values()
    job = FindLies(honest.world.facts, judged_sum(honest.view, round_), (replace(candidate, root=bytes(32)),))
    blobs = dict(honest.node("edge", 0).fetch(job.needs))
    shorn = AggregateBlob(honest.world.facts.task_id, round_.number, b"\1\2\3").encode()
    for junk in (b"", b"\xa0", b"\xff" * 64, shorn, None):
        found: Findings = job.run({**blobs, candidate.aggregate: junk}, randbits).value
        assert (found.proofs, len(found.unprovable)) == ((), 1)
