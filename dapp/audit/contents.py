"""Opens every blob that the events name and recomputes what it claims: updates and their proofs, ciphertext products,
shares, openings, weighted means, stopping tests, models, and whether the panels judged them rightly."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dapp.audit.rules.mining import winner
from dapp.audit.world import World
from dapp.crypto import merkle, packing
from dapp.crypto.cid import cid_v1
from dapp.crypto.leverage import allowed, openable
from dapp.crypto.paillier import MIN_BITS, PublicKey
from dapp.crypto.sealed import vote_evidence
from dapp.crypto.threshold import ThresholdKey
from dapp.errors import AuditError, BlobError, BlobUnavailable, CairnError
from dapp.learning import strategy
from dapp.learning.vectors import weights_of
from dapp.protocol.blobs import BlobRef, KeyBlob
from dapp.protocol.enums import CandidateState, Status
from dapp.protocol.machine import Facts
from dapp.protocol.records import Ballot
from dapp.protocol.view import Panel, RoundView, bits
from dapp.protocol.work import MISSING, Examination, Examine, check_update, read_share
from dapp.storage import BlobStore

SAYS_NOTHING = Ballot(0, 0, 0, 0)


@dataclass(slots=True)
class Contents:
    """The blobs of a replayed run.

    Attributes:
        min_key_bits: shortest modulus that is no lie; less than 2,048 for tests only.
        findings: faults that the protocol dealt with, a sentence each: no lie, since nothing was built on them.
    """

    world: World
    store: BlobStore
    min_key_bits: int = MIN_BITS
    findings: list[str] = field(default_factory=list)
    examined: dict[int, Examination] = field(default_factory=dict)

    # Reading

    def read(self, ref: BlobRef, what: str) -> bytes:
        """A blob that the outcome rests on.

        Raises:
            AuditError: it is missing, truncated or damaged; names its CID and what it is needed for.
        """
        data = self.look_for(ref, what)
        if data is None:
            raise AuditError(
                f"{what}: blob {cid_v1(ref.digest, ref.size)} is missing",
                help="Put it into the run's store folder; whoever published it can give it again.",
            )
        return data

    def look_for(self, ref: BlobRef, what: str) -> bytes | None:
        """A blob that nobody had to publish in the end, or None; a larger one than the terms let anybody read, too.

        Raises:
            AuditError: it is there and is not what its name says.
        """
        if ref.size > self._cap:
            return None
        try:
            data = self.store.get(ref.digest, ref.size, cap=self._cap)
        except BlobUnavailable:
            return None
        except BlobError as error:
            raise AuditError(f"{what}: {error}", help=error.help) from error
        self.world.checks["blobs"] += 1
        return data

    @property
    def _cap(self) -> int:
        terms = self.world.terms
        sizes = terms.cohort.max_update_bytes, terms.learning.model_size, terms.learning.strategy_size, terms.key.size
        return 2 * max(sizes)

    # The terms

    def facts(self) -> Facts:
        """The task's constants, its key read from the blob that the terms name.

        Raises:
            AuditError: a blob of the terms is not what they say.
        """
        world, terms = self.world, self.world.terms
        learning, key = terms.learning, terms.key
        content = self.read(BlobRef(learning.strategy_digest, learning.strategy_size), "the terms' strategy")
        model = self.read(BlobRef(learning.model_digest, learning.model_size), "the terms' first model")
        blob = self.read(BlobRef(key.digest, key.size), "the terms' key")
        with _lies("the requester's terms"):
            strategy.parse(content)
            count = len(weights_of(model))
            said = KeyBlob.decode(blob)
            public = PublicKey(int.from_bytes(said.n, "big"))
            public.check(allow_small=self.min_key_bits < MIN_BITS)
        _must("the requester's terms", public.bits == key.bits, f"the key has {public.bits} bits, not {key.bits}")
        holders = (said.threshold, said.holders) == (key.threshold, key.holders)
        _must("the requester's terms", holders, f"the key is {said.threshold} of {said.holders}")
        facts = Facts(
            chain_id=world.deployment.chain_id,
            learning=world.deployment.learning,
            mining=world.deployment.mining,
            verification=world.deployment.verification,
            task_id=world.task_id,
            terms=terms,
            key=ThresholdKey(public, key.threshold, key.holders),
        )
        needed = packing.ciphertext_count(count + 1, facts.encoding)
        fits = (terms.encoding.slots, terms.encoding.ciphertexts) == (facts.encoding.slots, needed)
        _must(
            "the requester's terms", fits, f"{count:,} weights and a loss do not make {needed} ciphertexts as they say"
        )
        if len(world.holders) == key.holders:
            root = merkle.root([merkle.holder_leaf(i, world.holders[i]) for i in range(key.holders)])
            _must("the requester's terms", root == key.holders_root, "the holders who took part are not those named")
        world.checks["terms"] += 6
        return facts

    # A round

    def updates(self, facts: Facts, round_: RoundView) -> None:
        """Every attested update: a set that includes a bad one is a lie of all who marked it.

        An update that is bad, or not to be had, and that fewer than t holders marked, changed nothing: a finding, and
        so is a mark of less than t holders under it.
        """
        where = f"round {round_.number}"
        marks = {i: [a.holder for a in round_.attestations.values() if a.mask >> i & 1] for i in round_.commits}
        for index, commit in sorted(round_.commits.items()):
            who = f"{where}: device {index} (0x{commit.device.hex()})"
            included = bool((round_.included or 0) >> index & 1)
            what = f"{who}'s update"
            data = self.read(commit.update, what) if included else self.look_for(commit.update, what)
            reason = MISSING
            if data is not None:
                try:
                    check_update(facts, round_.number, commit, data)
                except CairnError as error:
                    reason = str(error)
                else:
                    reason = ""
            self.world.checks["updates"] += 1
            if reason and included:
                raise AuditError(
                    f"{what} {_name(commit.update)} is bad, and holders {marks[index]} attested it: {reason}",
                    help="The sum of this round rests on an update that was not valid.",
                )
            if reason == MISSING and round_.included is None:
                continue  # its device may still publish it, or no longer needs to
            if reason:
                marked = f"; holders {marks[index]} attested it all the same" if marks[index] else ""
                self.findings.append(f"{who} was not included: {reason}{marked}")
            elif not included and round_.included is not None:
                self.findings.append(f"{who} was not included: only {len(marks[index])} holders attested it in time")

    def sums(self, facts: Facts, round_: RoundView) -> None:
        """Candidates and openings against the product over the included set, and the panels' words against both."""
        job = Examine.of(facts, self.world.view, round_, round_.opened_candidates, round_.openings)
        said = self.world.verdict(round_)
        quorum = said[1] if said and said[0] == Status.DECIDED else SAYS_NOTHING
        where = f"round {round_.number}"
        blobs = {ref: self.look_for(ref, where) for ref in dict.fromkeys(job.needs)}
        with _lies(where):
            found: Examination = job.run(blobs, secrets.randbits).value
        self.examined[round_.number] = found
        reasons = dict(reason.split(": ", 1) for reason in found.reasons)
        for candidate in round_.opened_candidates:
            ref = candidate.aggregate
            assert ref is not None, "an opened candidate has an aggregate"
            thing = f"candidate {candidate.slot} of edge 0x{candidate.edge.hex()}, aggregate {_name(ref)}"
            reason = reasons.get(f"candidate {candidate.slot}", "")
            self._judged(where, thing, reason, quorum.valid, quorum.invalid, candidate.slot, "valid", "invalid")
            self.world.checks["sums"] += 1
        for posted in round_.openings:
            thing = f"opening {posted.index} of 0x{posted.poster.hex()}, {_name(posted.blob)}"
            reason = reasons.get(f"opening {posted.index}", "")
            self._judged(where, thing, reason, quorum.right, quorum.wrong, posted.index, "right", "wrong")
            self.world.checks["openings"] += 1

    def proven(self, round_: RoundView) -> None:
        """What was proven wrong on chain, where the replay has seen the proof."""
        where = f"round {round_.number}"
        for candidate in round_.candidates.values():
            if candidate.state == CandidateState.STRUCK:
                edge = f"0x{candidate.edge.hex()}"
                self.findings.append(f"{where}: the sum of edge {edge} was proven wrong on chain and struck out")
        for index in bits(round_.excluded):
            self.findings.append(f"{where}: device {index} was proven to have published another update than committed")

    def _judged(
        self, where: str, thing: str, reason: str, good: int, bad: int, place: int, praise: str, blame: str
    ) -> None:
        """What a panel decided about a candidate or an opening must be what it is."""
        if reason and good >> place & 1:
            raise AuditError(
                f"{where}: the panel of verifiers called {thing} {praise}, and it is {blame}: {reason}",
                help="Either the panel was captured, or a blob in the store is not the one that the panel saw.",
            )
        if not reason and bad >> place & 1:
            raise AuditError(
                f"{where}: the panel of verifiers called {thing} {blame}, and it is {praise}",
                help="Either the panel was captured, or it could not have a blob that was published later.",
            )
        if reason:
            self.findings.append(f"{where}: {thing} is {blame}: {reason}")

    def shares(self, facts: Facts, round_: RoundView) -> None:
        """The leverage rule, and every share's form; that those to be paid open the sum is the opening's to show."""
        if not round_.shares:
            return
        where, least = f"round {round_.number}", self.world.terms.cohort.min_devices
        included = frozenset(bits(round_.included or 0))
        names = ", ".join(str(holder) for holder in sorted(round_.shares))
        asked = (
            frozenset(bits(r.included or 0))
            for r in self.world.view.rounds[: round_.number]
            if r.shares and (r.base, r.kind) == (round_.base, round_.kind)
        )
        lever = allowed(openable(asked, least), included, least)
        who = f"{where}: holders {names}"
        told = f"shared for a set that lets sums on this model be combined into fewer than {least} devices"
        if len(round_.shares) < facts.key.threshold and not lever:
            self.findings.append(f"{who} {told}; too few to open it")
        else:
            _must(who, lever, told)
        weights = [e.weight for e in self.world.view.enrolments.values() if e.index in included]
        _must(
            who, 2 * max(weights) <= round_.total_weight, "shared for a set with a device of more than half the weight"
        )
        self.world.checks["shares"] += 2
        won = winner(self.world, round_)
        used = won[1].opening.used_shares if won else 0
        for holder, share in sorted(round_.shares.items()):
            what = f"{where}: holder {holder}'s share"
            needed = bool(used >> holder & 1)
            data = self.read(share.blob, what) if needed else self.look_for(share.blob, what)
            reason = MISSING
            if data is not None:
                try:
                    read_share(facts, round_.number, holder, data)
                    reason = ""
                except CairnError as error:
                    reason = str(error)
            if reason:
                _must(
                    what, not needed, f"the opening that closed the round was paid to use {_name(share.blob)}: {reason}"
                )
                self.findings.append(f"{what} {_name(share.blob)} was not used: {reason}")
            self.world.checks["shares"] += 1

    def votes(self, round_: RoundView) -> None:
        """Who voted must have computed the sum; who contradicts the truth and was overruled is a finding."""
        found = self.examined.get(round_.number)
        if found is None:
            return
        for panel in round_.panels:
            for vote in panel.votes.values():
                if vote.ballot is None or vote.ballot == SAYS_NOTHING:
                    continue
                who = f"round {round_.number}: verifier 0x{vote.voter.hex()} on seat {vote.seat}"
                evidence = vote_evidence(found.root, round_.key, vote.voter)
                _must(who, vote.evidence == evidence, "its evidence shows that it voted without computing the sum")
                self._overruled(who, panel, vote.ballot, found)
                self.world.checks["votes"] += 1

    def _overruled(self, who: str, panel: Panel, ballot: Ballot, found: Examination) -> None:
        wrong = ballot.valid & found.invalid | ballot.invalid & found.valid
        wrong |= (ballot.right & found.wrong | ballot.wrong & found.right) << 8
        if wrong:
            self.findings.append(f"{who} voted against what is true in attempt {panel.attempt}")

    def models(self, final: bytes | None) -> None:
        """From the last model back to the first: each is what the round before made, and all are to be had.

        Args:
            final: the file that the run gives out as its last model.
        """
        view, terms = self.world.view, self.world.terms.learning
        assert view.model is not None, "a task has a first model"
        expected = view.model
        for round_ in reversed(view.rounds):
            if round_.result is not None:
                what = f"round {round_.number}: the {round_.kind.name.lower()} that the round made"
                self.read(round_.result, what)
            made = round_.result is not None and round_.kind.name == "UPDATE"
            if made:
                _must(f"round {round_.number}", round_.result == expected, f"its model is not {_name(expected)}")
                expected = round_.base
            else:
                _must(f"round {round_.number}", round_.base == expected, f"it does not build on {_name(expected)}")
            self.world.checks["models"] += 1
        _must(
            "the first model", expected == BlobRef(terms.model_digest, terms.model_size), "it is not that of the terms"
        )
        if final is not None:
            last = self.read(view.model, "the last model")
            _must("model.safetensors", final == last, f"it is not the last model, {_name(view.model)}")
            self.world.checks["models"] += 1


def _name(ref: BlobRef) -> str:
    return cid_v1(ref.digest, ref.size)


def _must(who: str, holds: bool, what: str) -> None:
    if not holds:
        raise AuditError(f"{who}: {what}", help="What the events and blobs claim is not so.")


@contextmanager
def _lies(who: str) -> Iterator[None]:
    """Whatever is wrong with somebody's blob is a lie of theirs."""
    try:
        yield
    except AuditError:
        raise
    except CairnError as error:
        raise AuditError(f"{who}: {error}", help=error.help) from error
