"""False names: somebody announces another's digest with another size. The true blob must stay what it is to everybody
who reads both, whoever of the two spoke first."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from stage import Stage

from dapp.crypto.typed_data import UpdateCommit
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Effect, Hand, Input, Publish, Result, Tick, Transact, Work
from dapp.protocol.enums import Outcome
from dapp.protocol.machine import ask
from dapp.protocol.records import Opening
from dapp.protocol.view import RoundView, Share, bits
from dapp.protocol.work import AggregateMade, Examine, FormAggregate, OpeningMade, OpenSum, judged_sum
from dapp.runtime.node import Step
from dapp.simulation.faults import lying
from dapp.types import Address

VICTIM, SHADOW = 0, 4
"""A device, and one that commits its digest."""
HONEST, CHEAT = 0, 1
"""Edges, in the first round; in the second the other one cheats."""


def beside(ref: BlobRef) -> BlobRef:
    """Another's digest, another size: a blob that nobody can have."""
    return replace(ref, size=ref.size + 1)


def named_after_an_update(job: FormAggregate, honest: Result) -> Result:
    """The right root, and as its blob the first update's digest; in the first round."""
    made: AggregateMade = honest.value
    return Result(replace(made, blob=beside(job.sum_.updates[0])), honest.blobs) if not job.sum_.number else honest


def publishing_nothing(step: Step[Any]) -> Step[Any]:
    """In the first round, and looking at no opening either."""

    def mute(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        first = after.view.round is not None and not after.view.round.number
        return after, tuple(e for e in effects if not (first and (isinstance(e, Publish) or _about_openings(e))))

    return mute


def _about_openings(effect: Effect) -> bool:
    return isinstance(effect, Work) and effect.duty[0] in ("open", "examine")


def posting_after(step: Step[Any]) -> Step[Any]:
    """In the first round: once there is an opening, one more with its digest, and its model's, and other sizes."""

    def shadowing(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        round_, terms = after.view.round, after.view.terms
        if not isinstance(input, Tick) or round_ is None or round_.number or len(round_.openings) != 1:
            return after, effects
        false = falsely_named(round_.openings[0].opening)
        args = (round_.task_id, round_.number, false, terms.money.opening_bond)
        return after, (*effects, Transact(("false name",), "mining", "post_opening", args))

    return shadowing


def posting_first(step: Step[Any]) -> Step[Any]:
    """In the second round: the right digests and wrong sizes, before anybody else's opening."""

    def lied(effect: Effect) -> Effect:
        if not isinstance(effect, Transact) or effect.duty != ("post opening", 1):
            return effect
        task_id, number, opening, bond = effect.args
        return replace(effect, args=(task_id, number, falsely_named(opening), bond))

    def first(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(map(lied, effects))

    return first


def falsely_named(opening: Opening) -> Opening:
    return replace(opening, size=opening.size + 1, model_size=opening.model_size + 1)


def committing_the_victims(step: Step[Any]) -> Step[Any]:
    """In the first round a device commits the victim's digest and root, with another size, once it can see them."""

    def shadowed(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        view, round_ = after.view, after.view.round
        if not isinstance(input, Tick) or round_ is None or round_.number:
            return after, effects
        kept = tuple(e for e in effects if not isinstance(e, Hand | Publish))
        if VICTIM not in round_.commits or ("shadow", 0) in after.asked:
            return after, kept
        true = round_.commits[VICTIM]
        commit = UpdateCommit(
            task_id=round_.task_id,
            round=0,
            device=after.me,
            digest=true.update.digest,
            size=true.update.size + 1,
            root=true.root,
            compute_millis=1,
            deadline=round_.deadlines(view.terms).commit_end,
        )
        asked, said = ask(after, (Hand(("shadow", 0), commit),))
        return asked, (*kept, *said)

    return shadowed


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Two rounds, five devices, two edges: all the false names at once."""
    stage = Stage.build(tmp_path_factory.mktemp("names"), "rounds=2", "edges=2", "devices=5")
    cheat = stage.node("edge", CHEAT)
    cheat.wrap(lambda step: lying(step, FormAggregate, named_after_an_update))
    cheat.wrap(publishing_nothing)
    cheat.wrap(posting_after)
    stage.node("edge", HONEST).wrap(posting_first)
    stage.node("device", SHADOW).wrap(committing_the_victims)
    return stage.play()


def posters(stage: Stage, round_: RoundView) -> list[int]:
    """The edges that posted openings, in order."""
    edges = [edge.address for edge in stage.world.people.edges]
    return [edges.index(posted.poster) for posted in round_.openings]


def test_defended_an_update_named_after_anothers_is_left_out_and_the_true_one_is_in(stage: Stage) -> None:
    first = stage.rounds[0]
    assert first.commits[SHADOW].update == beside(first.commits[VICTIM].update)
    assert first.included == 0b01111


def test_defended_a_candidate_named_after_an_update_is_invalid_and_the_true_one_wins(stage: Stage) -> None:
    first = stage.rounds[0]
    edges = [edge.address for edge in stage.world.people.edges]
    named = {edges.index(c.edge): c.aggregate for c in first.opened_candidates}
    assert named[CHEAT] == beside(first.included_commits[0].update)
    assert first.outcome == Outcome.ACCEPTED
    assert first.winner is not None
    assert first.winner.edge == edges[HONEST]


@pytest.mark.parametrize(("number", "right"), [(0, 0), (1, 1)], ids=["the true one first", "the false one first"])
def test_defended_of_two_openings_and_models_of_the_same_digest_the_panel_finds_the_true_one(
    stage: Stage, number: int, right: int
) -> None:
    round_ = stage.rounds[number]
    false, true = (round_.openings[i] for i in (1 - right, right))
    assert posters(stage, round_) == [HONEST, CHEAT]
    assert (false.blob, false.model) == (beside(true.blob), beside(true.model))
    assert round_.outcome == Outcome.ACCEPTED
    assert round_.right_opening == true


def test_defended_every_device_takes_up_the_true_model(stage: Stage) -> None:
    assert {node.state.model for node in stage.world.nodes_of("device")} == {stage.view.model}
    assert not any(node.state.refused for node in stage.world.nodes_of("device"))


@pytest.mark.parametrize("holder", [-1, 99], ids=["before it", "after it"])
def test_defended_a_share_named_after_anothers_takes_nothing_from_it(stage: Stage, holder: int) -> None:
    """Before and after the true share in the order in which an opener reads them."""
    facts, round_, edge = stage.world.facts, stage.rounds[0], stage.node("edge", HONEST)
    opening, winner = round_.right_opening, round_.winner
    assert opening is not None
    assert winner is not None
    assert winner.aggregate is not None
    used = [round_.shares[h] for h in bits(opening.opening.used_shares)]
    shadow = Share(holder, Address(bytes(20)), beside(used[0].blob), Address(bytes(20)))
    shares = tuple(sorted((*used, shadow), key=lambda share: share.holder))
    job = OpenSum(facts, judged_sum(stage.view, round_), winner.aggregate, shares)
    made: OpeningMade = job.run(edge.fetch(job.needs), Random(1).getrandbits).value
    assert (made.blob, made.used) == (opening.blob, opening.opening.used_shares)


def test_defended_who_reads_a_blob_under_two_sizes_gets_it_under_the_true_one(stage: Stage) -> None:
    """In both orders, from its own and from the common store, for every blob of a round."""
    round_ = stage.rounds[0]
    for node in (stage.node("edge", HONEST), stage.node("verifier", 0)):
        for ref in Examine.of(stage.world.facts, stage.view, round_, (), round_.openings[:1]).needs:
            for asked in ((ref, beside(ref)), (beside(ref), ref)):
                found = node.fetch(asked)
                assert found[beside(ref)] is None
                assert len(found[ref] or b"") == ref.size
