"""A small server that speaks what the store uses of kubo's RPC, over real sockets, and lies where it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from urllib.parse import parse_qs, urlsplit

from dapp.storage import Blob

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One command. ``server.lies`` holds the commands that are not answered as a kubo does."""

    protocol_version = "HTTP/1.1"
    server: LyingKubo

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        self.command_name = url.path.removeprefix("/api/v0/")
        self.options = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.authorization = self.headers.get("Authorization")
        self.sent = self._body()
        self.server.asked.append(self.command_name)
        try:
            self.server.lies.get(self.command_name, honest)(self)
        except OSError:  # the store hung up
            self.server.hung_up.set()
            self.close_connection = True

    def say(self, content: bytes, status: int = 200, length: int | None = None) -> None:
        """Answers; ``length`` is what is announced, if another than the content's."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        if length is not None:
            self.close_connection = True

    def tell(self, answer: object, status: int = 200) -> None:
        self.say(json.dumps(answer).encode() + b"\n", status)

    def stream(self, pieces: Iterator[bytes], status: int = 200) -> None:
        """Answers piece by piece, with no end announced."""
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
            self.server.streamed += len(piece)
        self.wfile.write(b"0\r\n\r\n")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


class LyingKubo(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.blobs: dict[str, bytes] = {}
        self.pins: set[str] = set()
        self.lies: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.streamed = 0
        self.hung_up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def lying_kubo() -> Iterator[LyingKubo]:
    server = LyingKubo()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def honest(request: Request) -> None:
    """What a kubo answers."""
    server, options = request.server, request.options
    cid = options.get("arg", "").removeprefix("/ipfs/")
    match request.command_name:
        case "version":
            request.tell({"Version": "0.43.0"})
        case "add":
            data = _file_of(request.headers, request.sent)
            name = _name(data)
            server.blobs[name] = data
            server.pins.add(name)
            request.tell({"Name": name, "Hash": name, "Size": str(len(data))})
        case _ if cid not in server.blobs:
            forgets(request)
        case "cat":
            request.say(server.blobs[cid][: int(options["length"])])
        case "files/stat":
            request.tell({"Hash": cid, "Size": len(server.blobs[cid]), "Type": "file", "Local": True})
        case "pin/add":
            server.pins.add(cid)
            request.tell({"Pins": [cid]})
        case "pin/rm" if cid in server.pins:
            server.pins.remove(cid)
            request.tell({"Pins": [cid]})
        case _:
            request.tell({"Message": "not pinned or pinned indirectly", "Code": 0, "Type": "error"}, 500)


def forgets(request: Request) -> None:
    message = "block was not found locally (offline): ipld: could not find " + request.options.get("arg", "")
    request.tell({"Message": message, "Code": 0, "Type": "error"}, 500)


def gives(content: bytes, *, length: int | None = None) -> Answer:
    """Other bytes; with ``length``, that many are promised."""
    return lambda request: request.say(content, length=length)


def hangs(request: Request) -> None:
    time.sleep(30)


def hangs_after(content: bytes, length: int) -> Answer:
    """The first bytes, and then silence."""

    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(content)
        request.wfile.flush()
        time.sleep(30)

    return answer


def never_ends(request: Request) -> None:
    request.stream(repeat(bytes(16 * 1024)))


def fails_without_end(request: Request) -> None:
    request.stream(repeat(bytes(16 * 1024)), 500)


def drips(request: Request) -> None:
    """A byte now and then: never silent for long, never done."""
    request.stream(_drops())


def drips_of(length: int) -> Answer:
    """The same, with a length announced."""

    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        for drop in _drops():
            request.wfile.write(drop)
            request.wfile.flush()

    return answer


def _drops() -> Iterator[bytes]:
    while True:
        time.sleep(0.05)
        yield b"x"


def _file_of(headers: Message, body: bytes) -> bytes:
    boundary = headers["Content-Type"].partition('boundary="')[2].partition('"')[0].encode()
    part = body.split(b"--" + boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _name(data: bytes) -> str:
    from dapp.crypto.cid import digest

    return Blob(digest(data), len(data)).cid
