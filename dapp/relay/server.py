"""An edge's HTTP door: takes signed messages and the blobs that they name, and gives out what is in the edge's store.

Written for strangers. Whatever is sent is bounded before it is read, a connection carries one request and has a
deadline, rates are held by address, and only blobs that the chain or an accepted message names are kept. The door
decides nothing: ``take`` does, and whoever fetches a blob checks it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from dapp.crypto import cid
from dapp.errors import BlobError, BlobUnavailable, CairnError, Rejected, StoreFull
from dapp.protocol.blobs import BlobRef
from dapp.protocol.effects import Handed
from dapp.protocol.relayed import blob_of
from dapp.relay.errors import DoorBlocked
from dapp.relay.limits import Bucket, Limits, Visitor, Visitors, network
from dapp.relay.wire import BLOB, BYTES, JSON, MAX_MESSAGE, MESSAGES, TERMS, DoorTerms, Letter, seconds_for
from dapp.storage import BlobStore
from dapp.types import Digest

T = TypeVar("T")

MOST_NAMES = 4096
"""Blobs that are remembered from accepted messages until the chain names them."""
_PIECE = 64 * 1024
_LINGER = 2.0
"""Seconds in which the rest of a refused body is read and dropped, so that its sender gets to read why."""
_BUSY = 2
"""Seconds after which to knock again where all places are taken."""

_ELSEWHERE = "Use the door of another edge, or try again."

_log = logging.getLogger("dapp.relay")
_http_log = logging.getLogger("dapp.relay.http")
_http_log.setLevel(logging.CRITICAL)  # broken HTTP is a stranger's business; ours is caught and logged here


class _RefusalError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, error: str, help: str = "", retry_after: float = 0) -> None:
        super().__init__(error)
        self.status, self.error, self.help, self.retry_after = status, error, help, retry_after


class DoorServer:
    """The door, in a thread of its own. A context manager: entering starts it, leaving stops it.

    Args:
        host: address to listen at.
        port: 0 takes a free one; see ``port``.
        terms: what it tells of itself. May be replaced while it runs; addresses that it knows keep their rates.
        take: hands a message on to the edge. Called one at a time from the door's thread: it must be quick, and must
            read the signature (``dapp.protocol.relayed.refusal``), since an accepted message may name a blob to keep.
            Raises ``Rejected`` with the reason where the edge does not take it, ``Retryable`` where it cannot now.
        named: whether the chain names a blob. Called as ``take`` is.
        store: called from several threads.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        terms: DoorTerms,
        take: Callable[[Handed], None],
        named: Callable[[BlobRef], bool],
        store: BlobStore,
        limits: Limits = Limits(),
    ) -> None:
        self.host, self.port, self.terms = host, port, terms
        self._take, self._named, self._store, self._limits = take, named, store, limits
        self._names: OrderedDict[tuple[object, ...], BlobRef] = OrderedDict()
        self._visitors = Visitors(self._visitor, limits.addresses)
        self._lines, self._unlogged = Bucket(limits.log_lines, limits.log_lines), 0
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is; known once it is started."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def start(self) -> None:
        """Returns when the door is open.

        Raises:
            DoorBlocked: the port is in use, or the address is not this machine's.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listening = socket.create_server((self.host, self.port), family=family)
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise DoorBlocked(
                f"the door at {self.url} cannot be opened: {reason}",
                help="Stop the program that listens there, or choose another port (0 takes a free one).",
            ) from error
        self.port = listening.getsockname()[1]
        self._loop, self._stopping = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="door", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the door is closed, and what was being stored is stored. Stopping twice changes nothing."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # The loop

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        limits = self._limits
        self._transfers = asyncio.Semaphore(limits.transfers)
        http = web.Server(
            self._answer,
            keepalive_timeout=limits.answer_seconds,
            lingering_time=_LINGER,
            access_log=None,
            logger=_http_log,
            auto_decompress=False,
            max_line_size=1024,
            max_field_size=4096,
            max_headers=64,
        )
        with ThreadPoolExecutor(limits.transfers, "door-store") as self._pool:
            server = await asyncio.get_running_loop().create_server(
                lambda: _Gate(http, limits, self._note), sock=listening
            )
            async with server:
                await self._stopping.wait()
                server.close()
                await http.shutdown(1.0)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """An answer to whatever was sent; the connection ends with it."""
        response: web.StreamResponse
        try:
            visitor = self._visitors.of(request.remote or "0.0.0.0")  # noqa: S104
            _pass(visitor.requests, 1, "requests")
            response = await self._dispatch(request, visitor)
        except _RefusalError as refusal:
            self._note(f"refused {request.method[:8]} {request.path[:100]!r} of {request.remote}: {refusal}")
            response = _refused(refusal)
        except ConnectionError:
            raise
        except TimeoutError:
            self._note(f"gave up {request.method[:8]} {request.path[:100]!r} of {request.remote}: too slow")
            response = _refused(_RefusalError(408, "this took too long", "Try again over a faster line."))
        except CairnError as error:
            self._note(f"cannot answer {request.method[:8]} {request.path[:100]!r} of {request.remote}: {error}")
            response = _refused(_RefusalError(503, "this edge cannot now", _ELSEWHERE, _BUSY))
        except Exception as error:
            self._note(f"failed to answer {request.method[:8]} {request.path[:100]!r} of {request.remote}", error)
            response = _refused(_RefusalError(500, "the door failed to answer; its log says why"))
        response.force_close()
        return response

    async def _dispatch(self, request: web.BaseRequest, visitor: Visitor) -> web.StreamResponse:
        if (request.method, request.path) == ("GET", TERMS):
            return web.Response(body=self.terms.encode(), content_type=JSON)
        if (request.method, request.path) == ("POST", MESSAGES):
            return await self._message(request)
        found = BLOB.fullmatch(request.path)
        if found is None:
            if request.path in (TERMS, MESSAGES):
                raise _RefusalError(405, f"{request.method[:8]} is not what this address is for")
            raise _RefusalError(
                404, "there is nothing at this address", f"A door has {TERMS}, {MESSAGES} and /v1/blobs."
            )
        ref = BlobRef(Digest(bytes.fromhex(found[1])), int(found[2]))
        if ref.size > self.terms.max_blob_bytes:
            most = self.terms.max_blob_bytes
            raise _RefusalError(413, f"a blob of {ref.size:,} bytes, where at most {most:,} pass this door")
        match request.method:
            case "HEAD":
                async with self._transfer(visitor):
                    there = await self._in_thread(lambda: self._store.has(ref.digest, ref.size))
                return web.Response(status=200 if there else 404)
            case "GET":
                _pass(visitor.bytes, ref.size, "bytes")
                return await self._give(request, ref, visitor)
            case "PUT":
                return await self._keep(request, ref, visitor)
        raise _RefusalError(405, f"{request.method[:8]} is not what a blob is for")

    # Messages

    async def _message(self, request: web.BaseRequest) -> web.Response:
        length = _length(request)
        if length > MAX_MESSAGE:
            raise _RefusalError(413, f"a message of {length:,} bytes; none has more than {MAX_MESSAGE:,}")
        try:
            letter = Letter.decode(await self._read(request, length))
        except BlobError as error:
            raise _RefusalError(400, str(error), "Send what `dapp.relay.wire.Letter` encodes.") from error
        message, place = letter.handed.message, self.terms.place
        if (letter.chain_id, letter.contract) != (place.chain_id, place.taker(message)):
            raise _RefusalError(
                409,
                f"a message for contract 0x{letter.contract.hex()} on chain {letter.chain_id}, at a door to "
                f"0x{place.taker(message).hex()} on chain {place.chain_id}",
                "Look for a door to your own chain.",
            )
        if message.task_id not in self.terms.tasks:
            raise _RefusalError(409, f"a message of task 0x{message.task_id.hex()}, which this door does not serve")
        try:
            self._take(letter.handed)
        except Rejected as error:
            raise _RefusalError(409, f"not taken: {error}", error.help) from error
        except CairnError as error:
            raise _RefusalError(503, f"not taken now: {error}", error.help, _BUSY) from error
        self._remember(letter.handed)
        return web.Response(status=202)

    def _remember(self, handed: Handed) -> None:
        """One name a sender and round: who signs many messages fills no disk."""
        ref, message = blob_of(handed.message), handed.message
        if ref is not None:
            who = getattr(message, "device", None) or getattr(message, "holder", None)
            key = (type(message), message.task_id, getattr(message, "round", None), who)
            self._names.setdefault(key, ref)
            if len(self._names) > MOST_NAMES:
                self._names.popitem(last=False)

    # Blobs

    def _is_named(self, ref: BlobRef) -> bool:
        """Whether the chain, or an accepted message, names a blob."""
        return ref in self._names.values() or self._named(ref)

    async def _keep(self, request: web.BaseRequest, ref: BlobRef, visitor: Visitor) -> web.Response:
        length = _length(request)
        if length != ref.size:
            raise _RefusalError(400, f"{length:,} bytes are announced for a blob of {ref.size:,}")
        if not self._is_named(ref):
            raise _RefusalError(
                409,
                f"nobody named this blob of {ref.size:,} bytes: neither the chain nor an accepted message",
                "Hand the message in first, or wait until the chain shows it.",
            )
        async with self._transfer(visitor):
            if await self._in_thread(lambda: self._store.has(ref.digest, ref.size)):
                return web.Response(status=200)
            _pass(visitor.bytes, ref.size, "bytes")
            data = await self._read(request, ref.size)
            if not await self._in_thread(lambda: cid.digest(data) == ref.digest):
                raise _RefusalError(400, "these bytes have another digest", "Nothing was kept: send the blob again.")
            try:
                await self._in_thread(lambda: self._store.put(data))
            except StoreFull as error:
                _log.error("the door at %s keeps no more blobs: %s", self.url, error)
                raise _RefusalError(507, "this edge's store is full", _ELSEWHERE) from error
        return web.Response(status=201)

    async def _give(self, request: web.BaseRequest, ref: BlobRef, visitor: Visitor) -> web.StreamResponse:
        """What the store has; of what it has not itself, its peers are asked only where it matters to a task: a search
        takes long, and a stranger's for anything would keep all places."""
        named = self._is_named(ref)
        async with self._transfer(visitor):
            try:
                if not named and not await self._in_thread(lambda: self._store.has(ref.digest, ref.size)):
                    raise BlobUnavailable("nobody named it")
                data = await self._in_thread(lambda: self._store.get(ref.digest, ref.size, cap=ref.size))
            except (BlobUnavailable, BlobError) as error:
                raise _RefusalError(404, "this edge's store does not have it", _ELSEWHERE) from error
            headers = {"Content-Type": BYTES, "X-Content-Type-Options": "nosniff"}
            response = web.StreamResponse(headers=headers)
            response.content_length = ref.size
            response.force_close()
            try:
                async with asyncio.timeout(seconds_for(ref.size, self._limits.answer_seconds)):
                    await response.prepare(request)
                    for start in range(0, ref.size, _PIECE):
                        await response.write(data[start : start + _PIECE])
                    await response.write_eof()
            except TimeoutError as error:
                if request.transport is not None:
                    request.transport.abort()
                self._note(f"gave up GET {request.path!r} of {request.remote}: it reads too slowly")
                raise ConnectionError("aborted") from error
        return response

    @asynccontextmanager
    async def _transfer(self, visitor: Visitor) -> AsyncIterator[None]:
        """One of the places for blobs in passing, for which to wait a little."""
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await visitor.transfers.acquire()
                try:
                    await self._transfers.acquire()
                except BaseException:
                    visitor.transfers.release()
                    raise
        except TimeoutError as error:
            raise _RefusalError(503, "too many blobs are passing", "Try again in a moment.", _BUSY) from error
        try:
            yield
        finally:
            self._transfers.release()
            visitor.transfers.release()

    # Bits

    async def _read(self, request: web.BaseRequest, length: int) -> bytes:
        """A body of so many bytes, which may be sent from now on."""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with asyncio.timeout(seconds_for(length, self._limits.answer_seconds)):
            try:
                return await request.content.readexactly(length) if length else b""
            except (asyncio.IncompleteReadError, web.RequestPayloadError) as error:
                raise _RefusalError(400, f"the {length:,} bytes that were announced did not arrive whole") from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _visitor(self) -> Visitor:
        terms = self.terms
        burst = max(terms.bytes_per_minute, terms.max_blob_bytes)
        return Visitor(
            Bucket(terms.requests_per_minute, terms.requests_per_minute),
            Bucket(terms.bytes_per_minute, burst),
            asyncio.Semaphore(self._limits.transfers_per_address),
        )

    def _note(self, line: str, error: Exception | None = None) -> None:
        """A line for the log, unless it had too many of late."""
        if self._lines.take(1):
            self._unlogged += 1
            return
        if self._unlogged:
            _log.warning("%d more were refused", self._unlogged)
            self._unlogged = 0
        _log.warning("%s", line, exc_info=error)


class _Gate(asyncio.Protocol):
    """Lets a connection in to the HTTP server, unless there are too many."""

    def __init__(self, http: web.Server, limits: Limits, note: Callable[[str], None]) -> None:
        self._http, self._limits, self._note = http, limits, note

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        open_now = self._http.connections
        peer = _peer(transport.get_extra_info("peername"))
        same = sum(_peer(each.peername) == peer for each in open_now)
        if len(open_now) >= self._limits.connections or same >= self._limits.connections_per_address:
            self._note(f"refused a connection of {peer}: {len(open_now)} are open, {same} of them from there")
            transport.abort()
            return
        inside = self._http()
        transport.set_protocol(inside)
        inside.connection_made(transport)


def _peer(peername: object) -> str:
    return network(str(peername[0])) if isinstance(peername, tuple) else ""


def _pass(bucket: Bucket, amount: int, what: str) -> None:
    if wait := bucket.take(amount):
        raise _RefusalError(429, f"too many {what} from your address", f"Try again in {math.ceil(wait)} s.", wait)


def _length(request: web.BaseRequest) -> int:
    if request.content_length is None:
        raise _RefusalError(411, "the length is not announced", "Send Content-Length.")
    return request.content_length


def _refused(refusal: _RefusalError) -> web.Response:
    headers = {"Retry-After": str(math.ceil(refusal.retry_after))} if refusal.retry_after else None
    body = json.dumps({"error": refusal.error, "help": refusal.help})
    return web.Response(status=refusal.status, text=body, content_type=JSON, headers=headers)
