"""A loopback HTTP server that speaks Bedrock's Converse, well or badly, to the real botocore."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What the server does with a request."""

    status: int = 200
    body: bytes = b""
    error_type: str | None = None
    silent: bool = False
    """Takes the request and says nothing until it hangs up."""
    dripping: bool = False
    """Sends a byte of the body every 50 ms, for ever."""
    hangs_up: bool = False
    """Closes the connection instead of answering."""


def converse_response(*blocks: dict[str, Any], stop_reason: str = "end_turn") -> Response:
    """Converse's answer with these blocks of content."""
    body = {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18},
        "metrics": {"latencyMs": 42},
    }
    return Response(body=json.dumps(body).encode())


def converse_error(status: int, error_type: str, message: str) -> Response:
    """Converse's error answer, as botocore's service model of bedrock-runtime has it."""
    body = json.dumps({"message": message}).encode()
    return Response(status=status, error_type=error_type, body=body)


@dataclass(kw_only=True, slots=True)
class Request:
    """A request that the server got: the model id of its path, and its body."""

    model_id: str
    body: dict[str, Any]


@dataclass(kw_only=True, slots=True)
class ConverseServer:
    """`respond_with` says what it does; `requests` tells what it was asked."""

    requests: list[Request] = field(default_factory=list)
    _responses: deque[Response] = field(default_factory=lambda: deque([Response()]))
    _released: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def respond_with(self, *responses: Response) -> None:
        """Respond in this order, and go on with the last one."""
        self._responses = deque(responses)

    def hang_up(self) -> None:
        """Close the connections that were kept waiting."""
        self._released.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.hang_up()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next(self) -> Response:
        return self._responses.popleft() if len(self._responses) > 1 else self._responses[0]

    def _handler(server: ConverseServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 — it has its own self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet, or the other end waits 40 ms

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                model_id = unquote(self.path.removeprefix("/model/").removesuffix("/converse"))
                server.requests.append(Request(model_id=model_id, body=json.loads(body)))
                response = server._next()
                if response.silent:
                    server._released.wait()
                if response.silent or response.hangs_up:
                    self.close_connection = True
                    return
                self.send_response(response.status)
                self.send_header("content-type", "application/json")
                if response.error_type:
                    self.send_header("x-amzn-errortype", response.error_type)
                if response.dripping:
                    self._drip()
                    return
                self.send_header("content-length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)

            def _drip(self) -> None:
                self.close_connection = True
                self.send_header("connection", "close")
                self.end_headers()
                while not server._released.wait(0.05):
                    try:
                        self.wfile.write(b" ")
                        self.wfile.flush()
                    except OSError:
                        return

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base's name
                pass

        return Handler
