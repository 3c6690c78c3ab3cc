"""JSON-RPC over HTTP on loopback, answered by a function: for what nodes and the networks before them may do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

Answer = Callable[[str, list[Any]], Any]
"""A method's result; raises :class:`Refused` for an error."""


class Refused(Exception):
    """The error object of an answer."""

    def __init__(self, message: str, code: int = -32000, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


@dataclass(eq=False)
class Http(Exception):
    """Another HTTP answer than 200 with JSON-RPC."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Served:
    """A server that runs; ``requests`` are the HTTP requests so far, each as its methods."""

    url: str
    requests: list[list[str]]


def forward(url: str, method: str, params: list[Any]) -> Any:
    """Another node's answer."""
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    said = requests.post(url, json=call, timeout=30).json()
    if "error" in said:
        error = said["error"]
        raise Refused(error["message"], error.get("code", 0), error.get("data"))
    return said["result"]


@contextmanager
def serve(answer: Answer, before: Callable[[], None] = lambda: None) -> Iterator[Served]:
    """Serves until the block ends. ``before`` is called for every HTTP request, and may raise :class:`Http`."""

    def one(call: dict[str, Any]) -> dict[str, Any]:
        frame = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return frame | {"result": answer(call["method"], call["params"])}
        except Refused as refused:
            return frame | {"error": refused.error}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls = body if isinstance(body, list) else [body]
            served.requests.append([call["method"] for call in calls])
            try:
                before()
                answers = [one(call) for call in calls]
                self.reply(Http(200, {}, json.dumps(answers if isinstance(body, list) else answers[0]).encode()))
            except Http as http:
                self.reply(http)

        def reply(self, http: Http) -> None:
            try:
                self.send_response(http.status)
                for name, value in {"Content-Length": str(len(http.body)), **http.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(http.body)
            except OSError:  # who asked has given up
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_port}", [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
