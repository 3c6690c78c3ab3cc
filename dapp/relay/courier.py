"""Carries what a device or a holder signed to an edge's door, and to the next one until the chain shows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from dapp.crypto.typed_data import Attestation, Enrolment, ShareCommit, UpdateCommit
from dapp.errors import CairnError, Retryable
from dapp.protocol.effects import Handed, Relayed
from dapp.protocol.relayed import is_late, is_on_chain
from dapp.protocol.view import View


class Letterbox(Protocol):
    """A door to hand messages in at; :class:`~dapp.relay.client.DoorClient` is one."""

    @property
    def url(self) -> str:
        """Its address, for people."""

    def hand_in(self, handed: Handed) -> None:
        """Takes a message, or raises CairnError: Retryable where nobody is there, Rejected where it is not taken."""


@dataclass(slots=True)
class _Errand:
    """A message on its way.

    Attributes:
        place: in the line of doors, at which it goes on; past the last, one's own account.
        failures: passes along the line, one after the other, in which nobody took it.
        due: chain time at which it goes on; None while it is being handed in.
        run: gives the place of the door that took it, or None.
    """

    handed: Handed
    place: int = 0
    failures: int = 0
    due: int | None = None
    run: Future[int | None] | None = None


@dataclass(slots=True)
class _Stop:
    """A door in the line, and until when it is passed over because nobody was there."""

    box: Letterbox
    failures: int = 0
    until: int = 0


class Courier:
    """A device's or a holder's way to the chain.

    A message goes to the first door that takes it. An edge may keep it back, so it goes to the next door if the chain
    does not show it ``patience`` seconds later, after the last door to ``own``, and round again until it is too late.
    A door where nobody is is passed over for a while: 1, 2, 4 … seconds, at most ``patience``.

    Doors are tried in a thread of its own; everything else, ``own`` and ``told`` too, happens in the caller's. All
    times are of the chain. Use it as a context manager: leaving closes it.

    Args:
        boxes: the doors, in the order in which they are tried.
        patience: seconds that an edge has to bring a message to the chain.
        own: posts a message from an account of one's own; None where there is no ether for it.
        told: hears, in sentences, what became of each message.
    """

    def __init__(
        self,
        boxes: Sequence[Letterbox],
        *,
        patience: int,
        own: Callable[[Handed], None] | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._line = tuple(_Stop(box) for box in boxes)
        self._patience, self._own, self._told = patience, own, told
        self._errands: dict[Handed, _Errand] = {}
        self._sentences: deque[str] = deque()
        self._now = 0
        self._pool = ThreadPoolExecutor(1, "courier")

    @property
    def pending(self) -> tuple[Handed, ...]:
        """What the chain does not show yet."""
        return tuple(self._errands)

    def hand_in(self, handed: Handed) -> None:
        """Sets off with a message, and does not wait; one that is on its way already is not taken twice."""
        if handed not in self._errands:
            errand = self._errands[handed] = _Errand(handed)
            self._go_on(errand)

    def remind(self, view: View, now: int) -> int | None:
        """Compares with the chain, and goes on with what is due. To be called every turn.

        Args:
            view: what the chain shows.
            now: chain time, in seconds.

        Returns:
            the chain time at which it wants to be reminded next; None if it waits for a door, or for nothing.
        """
        self._now = now
        for errand in tuple(self._errands.values()):
            if is_on_chain(view, errand.handed):
                del self._errands[errand.handed]
            elif is_late(view, errand.handed, now):
                del self._errands[errand.handed]
                self._sentences.append(f"{_what(errand)} did not reach the chain in time")
            else:
                self._look_after(errand)
        while self._sentences:
            self._told(self._sentences.popleft())
        return min((errand.due for errand in self._errands.values() if errand.due is not None), default=None)

    def settle(self, seconds: float) -> bool:
        """Waits until no door is being tried, at most so long; returns whether that is so."""
        runs = [errand.run for errand in self._errands.values() if errand.run is not None]
        return not wait(runs, seconds).not_done

    def close(self) -> None:
        """Ends the thread, once the door that it is at has answered; what is still pending is let go."""
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _go_on(self, errand: _Errand) -> None:
        errand.due = None
        errand.run = self._pool.submit(self._carry, errand, errand.place)

    def _look_after(self, errand: _Errand) -> None:
        if errand.run is not None:
            if not errand.run.done():
                return
            self._was_carried(errand, errand.run.result())
            errand.run = None
        if errand.due is not None and self._now >= errand.due:
            if errand.place == len(self._line) and self._own is not None:
                self._post(errand, self._own)
            else:
                errand.place %= max(len(self._line), 1)
                self._go_on(errand)

    def _was_carried(self, errand: _Errand, taken_at: int | None) -> None:
        if taken_at is not None:
            errand.place, errand.failures = taken_at + 1, 0
            errand.due = self._now + self._patience
        else:
            errand.place = len(self._line)
            errand.failures += 1
            errand.due = self._now + (self._pause(errand.failures) if self._own is None else 0)

    def _post(self, errand: _Errand, own: Callable[[Handed], None]) -> None:
        errand.place = 0
        try:
            own(errand.handed)
        except CairnError as error:
            errand.failures += 1
            errand.due = self._now + self._pause(errand.failures)
            self._sentences.append(f"{_what(errand)} could not be posted from the own account: {error}")
        else:
            errand.failures = 0
            errand.due = self._now + self._patience
            self._sentences.append(f"{_what(errand)} was posted from the own account")

    def _pause(self, failures: int) -> int:
        return min(1 << failures - 1, self._patience)

    def _carry(self, errand: _Errand, start: int) -> int | None:
        """In the courier's thread: the place of the first door, from ``start`` on, that takes a message."""
        for place, stop in enumerate(self._line[start:], start):
            if stop.until > self._now:
                continue
            try:
                stop.box.hand_in(errand.handed)
            except CairnError as error:
                self._sentences.append(f"{_what(errand)} was not handed in: {error}")
                if isinstance(error, Retryable):
                    stop.failures += 1
                    stop.until = self._now + self._pause(stop.failures)
            else:
                self._sentences.append(f"{_what(errand)} was handed in at {stop.box.url}")
                stop.failures = 0
                return place
        return None


def _what(errand: _Errand) -> str:
    message: Relayed = errand.handed.message
    match message:
        case Enrolment():
            return "the enrolment"
        case UpdateCommit(round=number):
            return f"the commit of round {number}"
        case Attestation(round=number):
            return f"the attestation of round {number}"
        case ShareCommit(round=number):
            return f"the share of round {number}"
