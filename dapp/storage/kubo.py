"""A store behind the RPC of a kubo node. The only file that knows ``ipfshttpclient``, which its authors left: replacing
it means replacing this file.

Nothing that the node says is believed. What it gives back is hashed here, what it stores must come out under the CID
that we computed, and no answer is read beyond what was announced or what an answer of its kind needs. A node that does
not answer is asked again, three times 15 seconds in all; one that answers with other bytes is named instead.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

# The client would else put its own layer into requests, which urllib3 is about to refuse; it only picks IPv4 or IPv6.
os.environ["PY_IPFS_HTTP_CLIENT_PATCH_REQUESTS"] = "no"

from ipfshttpclient.exceptions import Error as ClientError
from ipfshttpclient.exceptions import ErrorResponse
from ipfshttpclient.http_requests import ClientSync
from ipfshttpclient.multipart import stream_bytes
from requests import Response
from urllib3.exceptions import HTTPError

from dapp.crypto.cid import CHUNK, LINKS, cid_v1, digest
from dapp.errors import BlobError, BlobUnavailable, SettingsError, StoreFull, StoreUnavailable
from dapp.storage.blobs import Blob, check_content, check_request
from dapp.types import Digest

TIMEOUT = 15.0
"""Seconds without a byte after which an attempt is given up."""
TRIES = 3
SLOWEST = 64 * 1024
"""Bytes a second below which a node that does send something is given up too."""
PIECE = 64 * 1024
"""Bytes read or sent at a time."""
ANSWER = 64 * 1024
"""The most bytes of an answer that is no blob."""

_PAUSE = 0.5
_NAMES = {"cid-version": 1, "raw-leaves": True, "chunker": f"size-{CHUNK}", "max-file-links": LINKS, "pin": True}
"""How `dapp.crypto.cid` names files, said in full: a node's own defaults may be others."""


class KuboStore:
    """A `BlobStore` on a kubo node.

    Args:
        url: of the node's RPC, for example ``http://127.0.0.1:5001``; may hold ``user:password@`` and a path.
        timeout: seconds without a byte after which an attempt is given up.
        tries: attempts until the node counts as not there.

    Raises:
        SettingsError: this is no URL of HTTP.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT, tries: int = TRIES) -> None:
        parts = _parts(url)
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        """Where the node is, without the password."""
        self._timeout, self._tries = timeout, tries
        self._calls = _Calls(parts, timeout)

    def put(self, data: bytes) -> Blob:
        """See `BlobStore.put`.

        Raises:
            BlobError: the node stored something else.
            StoreUnavailable: the node does not answer.
        """
        blob = Blob(digest(data), len(data))
        try:
            answer = self._json("add", _NAMES, data=data)
        except _RefusedError as error:
            raise StoreFull(
                f"the store at {self.address} did not take blob {blob.cid}: {error}",
                help="See in the node's log why; most often its disk is full or not writable.",
            ) from error
        if answer.get("Hash") != blob.cid:
            raise BlobError(
                f"the store at {self.address} stored {answer.get('Hash')} where {blob.cid} was sent",
                help="The node changed the bytes or is no kubo: use another one.",
            )
        return blob

    def get(self, digest: Digest, size: int, *, cap: int) -> bytes:
        """See `BlobStore.get`. Stops reading at the first piece after `size` bytes."""
        check_request(size, cap)
        cid = cid_v1(digest, size)
        try:
            data = self._ask("cat", {"arg": cid, "length": size + 1} | self._bounded(), cap=size, tries=self._tries)
        except _RefusedError as error:
            raise self._unavailable(cid, error) from error
        if len(data) < size:  # how a node ends whose peers do not have the rest either
            raise self._unavailable(cid, f"only {len(data):,} of {size:,} bytes came")
        try:
            check_content(data, digest, size)
        except BlobError as error:
            raise BlobError(f"the store at {self.address}: {error}", help=error.help) from error
        return data

    def has(self, digest: Digest, size: int) -> bool:
        """See `BlobStore.has`: whether the node itself holds all blocks. Its peers are not asked.

        Raises:
            StoreUnavailable: the node does not answer.
        """
        path = f"/ipfs/{cid_v1(digest, size)}"
        try:
            found = self._json("files/stat", {"arg": path, "with-local": True, "offline": True}, tries=1)
        except _RefusedError:
            return False
        return found.get("Local") is True and found.get("Size") == size

    def pin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.pin`. A blob that only a peer of the node has is fetched by it.

        Raises:
            StoreUnavailable: the node does not answer.
        """
        cid = cid_v1(digest, size)
        try:
            self._json("pin/add", {"arg": cid} | self._bounded())
        except _RefusedError as error:
            raise self._unavailable(cid, error) from error

    def unpin(self, digest: Digest, size: int) -> None:
        """See `BlobStore.unpin`.

        Raises:
            StoreUnavailable: the node does not answer.
        """
        with suppress(_RefusedError):  # it was not pinned
            self._json("pin/rm", {"arg": cid_v1(digest, size)})

    def version(self) -> str:
        """The node's version, for example 0.43.0.

        Raises:
            StoreUnavailable: nothing answers there, or no kubo.
        """
        try:
            return str(self._json("version", {})["Version"])
        except (_RefusedError, KeyError) as error:
            raise self._silent(f"its version is not to be had: {error}") from error

    def _bounded(self) -> dict[str, str]:
        """Has the node itself give up a search, so that it says so before we lose patience."""
        return {"timeout": f"{self._timeout * 0.9:.1f}s"}

    def _json(
        self, command: str, options: Mapping[str, object], *, data: bytes | None = None, tries: int | None = None
    ) -> dict[str, Any]:
        """The answer of a command that gives one JSON object."""
        text = self._ask(command, options, cap=ANSWER, data=data, tries=tries or self._tries)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._silent(f"what it answers to {command} is not kubo's")
        return answer

    def _ask(
        self, command: str, options: Mapping[str, object], *, cap: int, tries: int, data: bytes | None = None
    ) -> bytes:
        """The bytes of an answer, at most ``cap`` + 1 of them.

        Raises:
            _RefusedError: the node answered with an error of its own.
            StoreUnavailable: it did not answer in any of the tries.
        """
        reason = ""
        for attempt in range(tries):
            time.sleep(_PAUSE * attempt)
            try:
                return self._once(command, options, cap, data)
            except ErrorResponse as error:
                raise _RefusedError(str(error.args[-1])) from error
            except (ClientError, HTTPError, OSError) as error:  # requests' own errors are OSErrors
                reason = _cause(error)
        raise self._silent(f"{reason} (asked {tries} times, {self._timeout:g} s each)")

    def _once(self, command: str, options: Mapping[str, object], cap: int, data: bytes | None) -> bytes:
        deadline = time.monotonic() + self._timeout + (cap + len(data or b"")) / SLOWEST
        with self._calls.post(command, options, data, deadline) as response:
            return _read(response, cap, deadline)

    def _unavailable(self, cid: str, reason: object) -> BlobUnavailable:
        return BlobUnavailable(
            f"the store at {self.address} does not give blob {cid}: {reason}",
            help="Ask its owner to publish it, or look for the same CID on another store.",
        )

    def _silent(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"no store at {self.address}: {reason}",
            help="Is a kubo daemon running there, and is this the address of its RPC? `cairn up` starts one here.",
        )


class _RefusedError(Exception):
    """The node answered with an error of its own, in its words."""


class _Calls(ClientSync):  # type: ignore[misc]
    """The client's own calls, one connection each, of which only as much of an answer is read as we say."""

    def __init__(self, parts: SplitResult, timeout: float) -> None:
        auth = (parts.username, parts.password or "") if parts.username is not None else None
        super().__init__(_multiaddr(parts), f"{parts.path.rstrip('/')}/api/v0", auth=auth, timeout=timeout)

    @contextmanager
    def post(
        self, command: str, options: Mapping[str, object], data: bytes | None, deadline: float
    ) -> Iterator[Response]:
        """Sends a command, with ``data`` as a file; the answer is still to be read."""
        body, headers = (None, {}) if data is None else stream_bytes(data, chunk_size=PIECE)
        closables, _ = self._request(
            "POST",
            command,
            [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in options.items()],
            auth=None,
            data=None if body is None else _in_time(body, deadline),
            headers={**headers, "Accept-Encoding": "identity"},
            timeout=None,
            chunk_size=PIECE,
        )
        try:
            yield closables[0]
        finally:
            for closable in closables:
                closable.close()

    def _do_raise_for_status(self, response: Response) -> None:
        """As the client does it, but the error is not read beyond what an error needs."""
        if response.ok:
            return
        text = _read(response, ANSWER, time.monotonic() + TIMEOUT)
        with suppress(ValueError, KeyError, TypeError):
            raise ErrorResponse(str(json.loads(text)["Message"]), None)
        response.raise_for_status()


def _read(response: Response, cap: int, deadline: float) -> bytes:
    """The answer, up to one byte more than ``cap``, as it comes in."""
    answer = bytearray()
    while len(answer) <= cap and (piece := response.raw.read1(PIECE, decode_content=False)):
        answer += piece
        if time.monotonic() > deadline:
            raise TimeoutError("too slow")
    return bytes(answer[: cap + 1])


def _in_time(pieces: Iterable[bytes], deadline: float) -> Iterator[bytes]:
    """The pieces, as long as they go out in time: a node that takes a byte now and then would hold us for ever."""
    for piece in pieces:
        if time.monotonic() > deadline:
            raise TimeoutError("too slow")
        yield piece


def _cause(error: BaseException) -> str:
    """What lies under the wrappings of three libraries, in words: "Connection refused", "timed out"."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    with suppress(ValueError):  # a port that is no number
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    shown = re.sub("//.*@", "//", url)  # without a password
    raise SettingsError(
        f"{shown!r} is not the address of a kubo node", help="Give the URL of its RPC, such as http://127.0.0.1:5001."
    )


def _multiaddr(parts: SplitResult) -> str:
    """The address as ``ipfshttpclient`` wants it."""
    host = parts.hostname or ""
    kind = "ip6" if ":" in host else "ip4" if host.replace(".", "").isdecimal() else "dns"
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"/{kind}/{host}/tcp/{port}/{parts.scheme}"
