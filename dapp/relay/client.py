"""The other side of an edge's door: hands messages in, and uses the doors as a store of blobs.

A door is a stranger too. Every call ends in time, whatever the door does, reads no more than it asked for, follows no
redirection, and takes no byte for granted: blobs are checked against their names. To be called outside of event loops.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from dapp.crypto import cid
from dapp.errors import BlobError, BlobUnavailable, CairnError, StoreUnavailable
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed
from dapp.relay.errors import DoorRefused, DoorUnavailable
from dapp.relay.wire import (
    ANSWER_SECONDS,
    BYTES,
    CBOR,
    MAX_TERMS,
    MESSAGES,
    TERMS,
    DoorTerms,
    Letter,
    Place,
    blob_path,
    seconds_for,
)
from dapp.storage.blobs import Blob, check_content, check_request
from dapp.types import Digest, TaskId

TRIES = 3
"""How often a door that does not answer is asked for one blob."""
_MAX_ANSWER = 8 * 1024
_MAX_SHOWN = 300
_PAUSE = 0.5
"""Seconds before the doors that did not answer are tried again, times the tries so far."""
_OTHERWISE_LATER = (408, 425, 429)
"""Refusals of the moment; so is everything from 500 on."""


class DoorClient:
    """One door, as a device or a holder uses it.

    Args:
        url: such as ``http://edge.example:8600``.
        place: where its messages are good.
        answer_seconds: that the door has for an answer.
    """

    def __init__(self, url: str, place: Place, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._place, self._seconds = place, answer_seconds

    def terms(self) -> DoorTerms:
        """What the door says of itself.

        Raises:
            DoorRefused: whoever is there is no door of Cairn's.
            DoorUnavailable: nobody answers.
        """
        body = asyncio.run(_ask(self.url, "GET", TERMS, most=MAX_TERMS, seconds=self._seconds))
        try:
            return DoorTerms.decode(body)
        except BlobError as error:
            raise DoorRefused(f"{self.url} is no door of an edge: {error}", help="Check the address.") from error

    def check_terms(self, task_id: TaskId) -> DoorTerms:
        """The door's terms, if it is a door to this task at this place.

        Raises:
            DoorRefused: it is of another chain, of other contracts, or does not serve the task.
            DoorUnavailable: nobody answers.
        """
        terms = self.terms()
        terms.check(self._place, task_id, self.url)
        return terms

    def hand_in(self, handed: Handed) -> None:
        """Hands a message in to be relayed. That the door took it does not say that it will be relayed.

        Raises:
            BlobError: the message does not fit its types.
            DoorRefused: the door does not take it, and why.
            DoorUnavailable: nobody answers, or the door is too busy.
        """
        letter = Letter(handed, self._place.chain_id, self._place.taker(handed.message)).encode()
        asyncio.run(_ask(self.url, "POST", MESSAGES, letter, kind=CBOR, seconds=self._seconds))


class DoorStore:
    """A :class:`~dapp.storage.BlobStore` over the doors of edges, for who has no store of its own.

    Reading tries one door after the other, the one that gave last first. Writing offers the blob to all, so that one
    door that drops it censors nobody; a door takes it only once the chain or an accepted message names it.

    Args:
        urls: the doors.
        answer_seconds: that a door has for an answer, besides what the size of a blob takes.
    """

    def __init__(self, urls: Sequence[str], *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._seconds = answer_seconds

    def put(self, data: bytes) -> Blob:
        """Offers a blob to every door; those that have it already do not read it again.

        Raises:
            BlobUnavailable: no door took it; what each says is in the message.
            StoreUnavailable: none took it, but one may do so later, which did not answer.
        """
        blob = Blob(cid.digest(data), len(data))
        reasons: dict[str, str] = {}
        waiting = self._urls
        for count in range(TRIES):
            time.sleep(_PAUSE * count)
            errors = asyncio.run(self._offer(waiting, blob, data))
            if None in errors.values():
                return blob
            reasons |= {url: str(error) for url, error in errors.items()}
            waiting = tuple(url for url, error in errors.items() if isinstance(error, DoorUnavailable))
            if not waiting:
                break
        raise (StoreUnavailable if waiting else BlobUnavailable)(
            f"no door took blob {blob.cid} of {blob.size:,} bytes: {_listed(reasons)}",
            help="Where nobody named the blob yet, its name must be handed in or on chain first; else add a door.",
        )

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`; what a door gives that is not the blob is as good as nothing.

        Raises:
            BlobError: `size` is over `cap`; nobody is asked.
            BlobUnavailable: no door gives it; what each says is in the message.
            StoreUnavailable: none gives it, but one may have it, which did not answer.
        """
        check_request(size, cap)
        blob = Blob(digest, size)
        reasons: dict[str, str] = {}
        waiting = list(self._urls)
        for count in range(TRIES):
            time.sleep(_PAUSE * count)
            for url in tuple(waiting):
                try:
                    data = asyncio.run(_ask(url, "GET", _path(blob), most=size, seconds=self._seconds))
                    check_content(data, digest, size)
                except DoorUnavailable as error:
                    reasons[url] = str(error)
                except (DoorRefused, BlobError) as error:
                    reasons[url] = f"the door at {url}: {error}" if isinstance(error, BlobError) else str(error)
                    waiting.remove(url)
                else:
                    self._urls = (url, *(each for each in self._urls if each != url))
                    return data
            if not waiting:
                break
        raise (StoreUnavailable if waiting else BlobUnavailable)(
            f"no door gives blob {blob.cid}: {_listed(reasons)}",
            help="Ask its owner to publish it, or add the door of another edge.",
        )

    def has(self, digest: Digest, size: int) -> bool:
        """Whether a door says that it has the blob.

        Raises:
            StoreUnavailable: no door answers.
        """
        silent: dict[str, str] = {}
        for url in self._urls:
            try:
                asyncio.run(_ask(url, "HEAD", _path(Blob(digest, size)), seconds=self._seconds))
            except DoorUnavailable as error:
                silent[url] = str(error)
            except DoorRefused:
                continue
            else:
                return True
        if len(silent) == len(self._urls):
            raise StoreUnavailable(f"no door answers: {_listed(silent)}", help="Check the addresses of the doors.")
        return False

    def pin(self, digest: Digest, size: int) -> None:
        """Does nothing: what an edge's store keeps is the edge's business."""

    def unpin(self, digest: Digest, size: int) -> None:
        """Does nothing; see `pin`."""

    async def _offer(self, urls: Sequence[str], blob: Blob, data: bytes) -> Mapping[str, CairnError | None]:
        """What kept each door from taking a blob; None where it has it now."""

        async def to(url: str) -> CairnError | None:
            try:
                await _ask(url, "PUT", _path(blob), data, kind=BYTES, seconds=self._seconds)
            except CairnError as error:
                return error
            return None

        return dict(zip(urls, await asyncio.gather(*map(to, urls)), strict=True))


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes

    @property
    def reason(self) -> str:
        """What the door says of it, fit to be shown."""
        try:
            said = json.loads(self.body)["error"]
        except (ValueError, LookupError, TypeError, RecursionError):
            said = ""
        shown = "".join(letter if letter.isprintable() else "?" for letter in str(said)[:_MAX_SHOWN])
        return shown or f"HTTP status {self.status}"


async def _ask(
    url: str,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    kind: str = BYTES,
    most: int = _MAX_ANSWER,
    seconds: float = ANSWER_SECONDS,
) -> bytes:
    """The body of a success, of at most ``most`` bytes.

    Raises:
        DoorRefused: the door answers no, or with more than was asked for.
        DoorUnavailable: no answer in time, none that is HTTP, or the door cannot now.
    """
    size = max(most, len(body))
    timeout = aiohttp.ClientTimeout(total=seconds_for(size, seconds), sock_connect=seconds, sock_read=seconds)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout,
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            session.request(
                method,
                url + path,
                data=body or None,
                headers={"Content-Type": kind} if body else None,
                # A door says whether it wants a blob before it is sent.
                expect100=method == "PUT",
                allow_redirects=False,
            ) as response,
        ):
            good = 200 <= response.status < 300
            answer = _Answer(response.status, await _read(response, most if good else _MAX_ANSWER, url))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        said = "it did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise DoorUnavailable(
            f"the door at {url} cannot be used: {said}", help="Check the address, or try the door of another edge."
        ) from error
    if good:
        return answer.body
    if answer.status >= 500 or answer.status in _OTHERWISE_LATER:
        raise DoorUnavailable(f"the door at {url} cannot now: {answer.reason}", help="Try again in a while.")
    raise DoorRefused(f"the door at {url} refuses: {answer.reason}", help="Try the door of another edge.")


async def _read(response: aiohttp.ClientResponse, most: int, url: str) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most:
            raise DoorRefused(
                f"the door at {url} sends more than the {most:,} bytes asked for", help="Try the door of another edge."
            )
    return bytes(body)


def _path(blob: Blob) -> str:
    return blob_path(BlobRef(blob.digest, blob.size))


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(reasons.values()) or "there is no door"
