"""One request's way to a function and back, with what passes at each hop, and when.

    HTTP ─► HTTP API ─► emulator ─► Runtime API ─► awslambdaric ─► handler ─► Mangum ─► FastAPI ─► …

Each hop is noted where it happens: the first ones here, the Runtime API by a recorder that stands
between (recorder.py), and what is in the function's Python by that Python (hooks/sitecustomize.py).
A hop that a function does not have is not told.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from local_aws import alone
from local_aws.alone import Hooks
from local_aws.asked import event_for
from local_aws.errors import LocalAwsError
from local_aws.front import read_request, reply, status_line
from local_aws.trace.recorder import Exchange, Recorder
from local_aws.web import WebServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from local_aws.alone import Alone
    from local_aws.emulator import Emulator
    from local_aws.front.event import Request
    from local_aws.front.reply import Reply

_HOOKS = Path(__file__).with_name("hooks")
_TIMEOUT_S = 120
_TOLD_S = 3.0
_RUNTIME_HEADERS = "lambda-runtime-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """Something that a request passes, and passes again on its way back.

    Times are milliseconds since the request was sent. `given` and `gave` are lines of text.
    """

    name: str
    what: str
    began_ms: float
    took_ms: float
    given: tuple[str, ...] = ()
    gave: tuple[str, ...] = ()
    inner: tuple[Hop, ...] = ()

    @property
    def own_ms(self) -> float:
        """Return the time that was not spent in the hops that it contains."""
        return self.took_ms - sum(hop.took_ms for hop in self.inner)

    def walk(self) -> Iterator[Hop]:
        """Yield this hop and all that it contains, in the request's order."""
        yield self
        for hop in self.inner:
            yield from hop.walk()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A request's whole way; `failure` is why the reply is no answer of the function, or empty."""

    hop: Hop
    failure: str
    log: str


def trace_request(
    built: Alone, request: Request, *, log: Callable[[str], None] = lambda _line: None
) -> Trace:
    """Send the request to the function, in a fresh emulator, and return its way.

    Raises PayloadTooLargeError, and what starting the function raises.
    """
    with Recorder() as recorder:
        hooks = Hooks(folder=_HOOKS, variables={"LOCAL_AWS_TRACE": recorder.address})
        with alone.started(built, hooks=hooks, log=log) as emulator:
            front = _Front(emulator)
            with WebServer(front, what="the traced HTTP API") as server:
                sent = _send(request, server.url)
            if front.noted.error:
                raise front.noted.error
            told = recorder.hops(wait_s=0 if emulator.closed else _TOLD_S)
        return _Way(built, sent, front, recorder.exchanges, recorder.started_ns, told).trace()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    request: Request
    status: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    began_ns: int
    ended_ns: int


def _send(request: Request, url: str) -> _Sent:
    to = urlsplit(url)
    began_ns = time.monotonic_ns()
    connection = http.client.HTTPConnection(str(to.hostname), to.port, timeout=_TIMEOUT_S)
    try:
        connection.putrequest(
            request.method, _target(request), skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers:
            connection.putheader(name, value)
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        body = answer.read()
        ended_ns = time.monotonic_ns()
    finally:
        connection.close()
    return _Sent(
        request=request,
        status=f"{answer.status} {answer.reason}".strip(),
        headers=answer.getheaders(),
        body=body,
        began_ns=began_ns,
        ended_ns=ended_ns,
    )


def _target(request: Request) -> str:
    return request.path + (f"?{request.query}" if request.query else "")


@dataclass(kw_only=True, slots=True)
class _Noted:
    event: bytes = b""
    payload: bytes = b""
    reply: Reply | None = None
    log: str = ""
    error: LocalAwsError | None = None
    times_ns: dict[str, int] = field(default_factory=dict)


class _Front:
    """An HTTP API with one function and a route for whatever comes, as a WSGI application."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.noted = _Noted()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        noted, times = self.noted, self.noted.times_ns
        times["began"] = time.monotonic_ns()
        noted.event = event_for(read_request(environ, secrets.token_hex(12)))
        times["invoked"] = time.monotonic_ns()
        try:
            result = self._emulator.invoke(noted.event)
        except LocalAwsError as error:
            noted.error = error  # for who sent the request: this is a thread of the server's
            return Response(status=500)(environ, start_response)
        times["answered"] = time.monotonic_ns()
        noted.payload, noted.log = result.payload, result.log
        made = reply.from_function_error if result.function_error else reply.from_payload
        noted.reply = made(result.payload)
        times["ended"] = time.monotonic_ns()
        status = status_line(noted.reply.status)
        return Response(noted.reply.body, status, noted.reply.headers)(environ, start_response)


class _Way:
    """What was noted in three places, put together."""

    def __init__(
        self,
        built: Alone,
        sent: _Sent,
        front: _Front,
        exchanges: Sequence[Exchange],
        started_ns: int | None,
        told: Sequence[Mapping[str, Any]],
    ) -> None:
        self._built = built
        self._sent = sent
        self._front = front.noted
        self._exchanges = exchanges
        self._started_ns = started_ns
        self._told = told

    def trace(self) -> Trace:
        made = self._front.reply
        return Trace(
            hop=self._http(), failure=made.why if made else "no reply", log=self._front.log
        )

    def _http(self) -> Hop:
        sent = self._sent
        request = sent.request
        kept = [f"{name}: {value}" for name, value in request.headers if name == "content-type"]
        return self._hop(
            "HTTP",
            f"{request.method} {_target(request)} {request.protocol}",
            sent.began_ns,
            sent.ended_ns,
            given=(*kept, *_text(request.body)),
            gave=(
                f"{sent.status}, content-type: {dict(sent.headers).get('content-type', 'none')}",
                *_text(sent.body),
            ),
            inner=(self._http_api(),),
        )

    def _http_api(self) -> Hop:
        times = self._front.times_ns
        return self._hop(
            "HTTP API",
            "makes an event of it, payload format 2.0",
            times["began"],
            times["ended"],
            given=_text(self._front.event),
            gave=("makes a reply of what came back",),
            inner=(self._emulator(times["invoked"], times["answered"]),),
        )

    def _emulator(self, began_ns: int, ended_ns: int) -> Hop:
        return self._hop(
            "Emulator",
            "POST /2015-03-31/functions/function/invocations",
            began_ns,
            ended_ns,
            gave=_text(self._front.payload),
            inner=(*self._init(), *self._runtime_api(ended_ns)),
        )

    def _init(self) -> tuple[Hop, ...]:
        first = next((each for each in self._exchanges if each.is_next), None)
        if self._started_ns is None or first is None:
            return ()
        module = (self._built.source.handler or "").rpartition(".")[0]
        return (
            self._hop(
                "Init",
                f"Python has started; imports awslambdaric and {module}",
                self._started_ns,
                first.asked_ns,
            ),
        )

    def _runtime_api(self, ended_ns: int) -> tuple[Hop, ...]:
        asked = next((each for each in self._exchanges if each.is_next), None)
        if asked is None:
            return ()
        posted = next((each for each in self._exchanges if each.method == "POST"), None)
        headers = [
            f"{name}: {value}"
            for name, value in asked.headers.items()
            if name.lower().startswith(_RUNTIME_HEADERS)
        ]
        gave: tuple[str, ...] = ("nothing was posted",)
        if posted:
            gave = (f"{_shortened(posted)} → {posted.status}", *_text(posted.body))
        return (
            self._hop(
                "Runtime API",
                f"{asked.method} {asked.path} → {asked.status}",
                asked.answered_ns,
                # When it was sent: from then on the emulator may answer.
                posted.asked_ns if posted else ended_ns,
                given=(*headers, f"and the event, {len(asked.answer):,} bytes"),
                gave=gave,
                inner=self._inside(list(self._told)),
            ),
        )

    def _inside(self, told: list[Mapping[str, Any]]) -> tuple[Hop, ...]:
        """Return what the function's Python noted: each contains the ones that began after it."""
        if not told:
            return ()
        first, *rest = sorted(told, key=lambda hop: int(hop["began_ns"]))
        within = [hop for hop in rest if hop["began_ns"] <= first["ended_ns"]]
        raised = first.get("raised")
        return (
            self._hop(
                str(first["name"]),
                str(first["what"]),
                int(first["began_ns"]),
                int(first["ended_ns"]),
                given=_values(first["given"]),
                gave=(f"raised {raised}",) if raised else _values(first["gave"]),
                inner=self._inside(within),
            ),
            *self._inside(rest[len(within) :]),
        )

    def _hop(
        self,
        name: str,
        what: str,
        began_ns: int,
        ended_ns: int,
        *,
        given: tuple[str, ...] = (),
        gave: tuple[str, ...] = (),
        inner: tuple[Hop, ...] = (),
    ) -> Hop:
        return Hop(
            name=name,
            what=what,
            began_ms=(began_ns - self._sent.began_ns) / 1e6,
            took_ms=(ended_ns - began_ns) / 1e6,
            given=given,
            gave=gave,
            inner=inner,
        )


def _shortened(posted: Exchange) -> str:
    """Return the request's line, in which the invocation's id is cut: it was told before."""
    path = re.sub(r"(?<=/invocation/)([\w]{8})[\w-]+", r"\1…", posted.path)
    return f"{posted.method} {path}"


def _text(content: bytes) -> tuple[str, ...]:
    return (content.decode(errors="replace"),) if content else ()


def _values(value: object) -> tuple[str, ...]:
    """Return a line for each message of ASGI, or for another value."""
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(each, dict) and "type" in each for each in value):
        return tuple(json.dumps(each, ensure_ascii=False) for each in value)
    return (json.dumps(value, ensure_ascii=False),)
