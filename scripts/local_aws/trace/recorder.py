"""What stands between the runtime client and the emulator's Runtime API, and notes what passes.

awslambdaric ── GET /2018-06-01/runtime/invocation/next ──► recorder ──► emulator
hooks        ── POST /trace/start, /trace/hops ───────────► recorder
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

_NEXT = "/invocation/next"
_TRACE = "/trace/"
_START = "/trace/start"
# What concerns one connection only.
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "expect"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A request to the Runtime API, and its answer; times are monotonic nanoseconds."""

    method: str
    path: str
    body: bytes
    asked_ns: int
    status: int
    headers: Mapping[str, str]
    answer: bytes
    answered_ns: int

    @property
    def is_next(self) -> bool:
        """Whether it asked for an invocation."""
        return self.path.endswith(_NEXT)


class Recorder:
    """Listens at `address` from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="trace-recorder", daemon=True
        )

    @property
    def address(self) -> str:
        """Return `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def started_ns(self) -> int | None:
        """Return when the function's Python had started, or None if it never did."""
        return self._server.started_ns

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """Return what passed to the Runtime API and back, in the order of the answers."""
        return tuple(self._server.exchanges)

    def hops(self, *, wait_s: float) -> Sequence[Mapping[str, Any]]:
        """Return what the hooks noted: they tell it after the reply, a crashed function never."""
        self._server.told.wait(wait_s)
        return tuple(self._server.hops)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """What was noted, and where the Runtime API is, as soon as that is known."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self.runtime_api = ""
        self.started_ns: int | None = None
        self.exchanges: list[Exchange] = []
        self.hops: list[dict[str, Any]] = []
        self.told = threading.Event()

    def note(self, path: str, content: Any) -> None:
        """Take what the hooks tell."""
        if path == _START:
            self.runtime_api, self.started_ns = content["runtime_api"], content["at_ns"]
        else:
            self.hops += content
            self.told.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the client keeps its connection
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        body = self._body()
        if self.path.startswith(_TRACE):
            self.server.note(self.path, json.loads(body))
            self._answer(HTTPStatus.OK, {}, b"")
        else:
            self._pass_on(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _pass_on(self, body: bytes) -> None:
        asked_ns = time.monotonic_ns()
        connection = http.client.HTTPConnection(self.server.runtime_api)
        # It waits until there is an invocation, and is cut off when the function has ended.
        with suppress(OSError, http.client.HTTPException):
            connection.request(self.command, self.path, body, _end_to_end(self.headers.items()))
            answer = connection.getresponse()
            exchange = Exchange(
                method=self.command,
                path=self.path,
                body=body,
                asked_ns=asked_ns,
                status=answer.status,
                headers=_end_to_end(answer.getheaders()),
                answer=answer.read(),
                answered_ns=time.monotonic_ns(),
            )
            self.server.exchanges.append(exchange)
            self._answer(exchange.status, exchange.headers, exchange.answer)
        connection.close()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its name there)
        """Say nothing."""


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _HOP_BY_HOP}
