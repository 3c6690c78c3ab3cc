"""Ready-made results in place of heavy work, for histories in which the money and the phases are what matters.

The machines, the chain, the contracts, every transaction and every wei are real. What is not: an update, a sum, a share
or an opening is a few bytes that say what they stand for, so nothing is trained, encrypted or recomputed. A job still
fails, refuses and abstains where the real one does for want of a blob.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dapp.crypto import cid, merkle
from dapp.device.training import TrainAndEncrypt
from dapp.errors import BlobUnavailable, CryptoError
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Blobs, Effect, Input, Job, RandomBits, Result, Work
from dapp.protocol.work import (
    MISSING,
    AggregateMade,
    CheckUpdates,
    Examination,
    Examine,
    FormAggregate,
    MakeShare,
    OpeningMade,
    OpenSum,
    RoundSum,
    ShareMade,
    UpdateMade,
    header_of,
)
from dapp.runtime.node import Step
from dapp.storage import Blob
from dapp.types import Digest


def ready_made(step: Step[Any]) -> Step[Any]:
    """The same machine, whose heavy work is ready-made."""

    def stood_in(state: Any, input: Input) -> tuple[Any, tuple[Effect, ...]]:
        after, effects = step(state, input)
        return after, tuple(Work(e.duty, ReadyMade(e.job)) if isinstance(e, Work) else e for e in effects)

    return stood_in


@dataclass(frozen=True)
class ReadyMade:
    """What a job would come to."""

    job: Job

    @property
    def needs(self) -> tuple[BlobRef, ...]:
        return self.job.needs

    @property
    def label(self) -> str:
        return self.job.label

    def run(self, blobs: Blobs, random: RandomBits) -> Result:
        match self.job:
            case TrainAndEncrypt(number=number, enrolment=enrolment):
                ref, blob = _named(f"update of {enrolment.index} in {number}")
                return Result(UpdateMade(ref.digest, ref.size, _root(blob), 1, 0, 1.0, 0.5, 0.0, 0.0), (blob,))
            case CheckUpdates(commits=commits):
                return Result({c.index: "" if blobs[c.update] else MISSING for c in commits})
            case FormAggregate(facts=facts, sum_=sum_, edge=edge):
                ref, blob = self._product(sum_, blobs)
                header = header_of(facts, sum_, ref, _root(blob), edge, 0)
                return Result(AggregateMade(ref, _root(blob), 0, header), (blob,))
            case MakeShare(sum_=sum_, candidate_roots=roots, share=share):
                if _root(self._product(sum_, blobs)[1]) not in roots:
                    return Result(ShareMade(None))
                ref, blob = _named(f"share {share.index} in {sum_.number}")
                return Result(ShareMade(ref), (blob,))
            case OpenSum(facts=facts, sum_=sum_, shares=shares):
                usable = [share.holder for share in shares if blobs[share.blob]]
                if len(usable) < facts.terms.key.threshold:
                    raise CryptoError("too few shares are to be had")
                used = sum(1 << holder for holder in usable[: facts.terms.key.threshold])
                (opening, opened), (model, trained) = _named(f"opening {sum_.number}"), _named(f"model {sum_.number}")
                return Result(OpeningMade(opening, model, used, 0, 1.0), (opened, trained))
            case Examine(sum_=sum_, candidates=candidates, openings=openings):
                root = _root(self._product(sum_, blobs)[1])
                valid = sum(1 << c.slot for c in candidates if c.root == root and blobs[c.aggregate])
                right = sum(1 << o.index for o in openings if blobs[o.blob] and blobs[o.model])
                invalid = sum(1 << c.slot for c in candidates) & ~valid
                wrong = sum(1 << o.index for o in openings) & ~right
                return Result(Examination(valid, invalid, right, wrong, root, (), 1.0))
        raise AssertionError(f"no ready-made result for {self.job}")

    @staticmethod
    def _product(sum_: RoundSum, blobs: Blobs) -> tuple[BlobRef, bytes]:
        if any(blobs[update] is None for update in sum_.updates):
            raise BlobUnavailable("an included update is not to be had")
        return _named(f"sum over {sum_.included:b} in {sum_.number}")


def _named(text: str) -> tuple[BlobRef, bytes]:
    blob = text.encode()
    return BlobRef(cid.digest(blob), len(blob)), blob


def _root(blob: bytes) -> bytes:
    return merkle.keccak256(blob)


@dataclass
class Memory:
    """A store that forgets when told to, so that a history leaves nothing for the next."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> Blob:
        blob = Blob(cid.digest(data), len(data))
        self.blobs[blob.digest] = data
        return blob

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        if digest not in self.blobs:
            raise BlobUnavailable(f"nobody put {digest.hex()}")
        return self.blobs[digest]

    def has(self, digest: Digest, size: int) -> bool:
        return digest in self.blobs

    def pin(self, digest: Digest, size: int) -> None:
        self.get(digest, size, cap=size)

    def unpin(self, digest: Digest, size: int) -> None:
        """Nothing is collected here."""
