"""One execution environment: AWS's Runtime Interface Emulator with a runtime client inside.

`Emulator` runs one function version, one invocation at a time, and knows what the emulator's
answers mean. Where it runs is a `Sandbox`: package_process.py makes one of a ZIP's package,
container.py one of a container image.

What differs from Lambda, because the emulator differs:
- `context.invoked_function_arn` is always arn:aws:lambda:us-east-1:012345678912:function:NAME.
- Init counts against the function's timeout; Lambda gives it 10 seconds of its own.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import re
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from local_aws.errors import EmulatorError, PayloadTooLargeError
from local_aws.runtime import machine_architecture

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

PAYLOAD_LIMIT: Final = 6_291_456  # bytes of a synchronous event: "Lambda quotas"

_INVOCATION_PATH = "/2015-03-31/functions/function/invocations"  # it answers to no other name
_END_LIMIT_S = 2
_INIT_LIMIT_S = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function version's configuration, as far as its environment sees it."""

    handler: str
    runtime: str = "python3.11"
    architecture: str = field(default_factory=machine_architecture)
    name: str = "function"
    version: str = "$LATEST"
    memory_mb: int = 128
    timeout_s: int = 3
    ephemeral_storage_mb: int = 512
    region: str = "us-east-1"
    log_group: str = ""
    log_format: str = "Text"
    log_level: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What an invocation came to.

    `function_error` is empty, or Lambda's word for a function's own failure ("Unhandled"); the
    payload then holds errorType and errorMessage. `log` has the START, END and REPORT lines.
    """

    payload: bytes
    function_error: str
    log: str
    request_id: str
    version: str
    duration_ms: float

    def value(self) -> object:
        """Return the payload as Python sees its JSON."""
        return json.loads(self.payload)


class Sandbox(Protocol):
    """Where an emulator runs: a process of this machine, or a container.

    `process` prints what the function prints, and ends when the emulator does; `port` is the
    emulator's, on 127.0.0.1.
    """

    log_stream: str
    port: int
    process: subprocess.Popen[bytes]

    def end(self, *, grace_s: float) -> None:
        """End every process in it and wait for them; with some grace they may end by themselves."""

    def clean(self) -> None:
        """Remove what it made on this machine."""


class Emulator:
    """An execution environment of one function version; a context manager.

    One invocation at a time: the caller sees to it. After a crash or a time-out it is `closed`,
    and another must take its place.
    """

    def __init__(
        self,
        function: Function,
        sandbox: Sandbox,
        *,
        log: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Take over a sandbox in which the emulator listens; `log` gets the function's lines."""
        self.log_stream = sandbox.log_stream
        self._function = function
        self._sandbox = sandbox
        self._closing = threading.Lock()
        self._closed = False
        self._output = _Output(sandbox.process, log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it has ended, by itself or by `close`."""
        return self._closed or self._sandbox.process.poll() is not None

    def invoke(self, event: bytes, *, request_id: str = "", client_context: str = "") -> Result:
        """Return what the function makes of the event (JSON; nothing stands for `{}`).

        Raises PayloadTooLargeError: the emulator would cut a larger event and say nothing.
        """
        if len(event) > PAYLOAD_LIMIT:
            raise PayloadTooLargeError(
                f"Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction "
                "operation"
            )
        request_id = request_id or str(uuid.uuid4())
        self._output.begin(request_id, self._function.version)
        began = time.monotonic()
        outcome = self._outcome(event or b"{}", request_id, client_context)
        # Ending a function that timed out takes the emulator 0.1 s, which Lambda does not count.
        duration_ms = 1000 * min(time.monotonic() - began, self._function.timeout_s)
        if outcome.environment_lost:
            self._sandbox.end(grace_s=0)  # also closes its output, so that no line is missed
        log = self._output.end(_closing_lines(self._function, request_id, outcome, duration_ms))
        if outcome.environment_lost:
            self.close()
        return Result(
            payload=outcome.payload,
            function_error="Unhandled" if outcome.error else "",
            log=log,
            request_id=request_id,
            version=self._function.version,
            duration_ms=duration_ms,
        )

    def close(self) -> None:
        """End it and every process of the function; a second time does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._sandbox.end(grace_s=_END_LIMIT_S)
        self._output.join()
        self._sandbox.clean()

    def _outcome(self, event: bytes, request_id: str, client_context: str) -> _Outcome:
        limit = self._function.timeout_s + _INIT_LIMIT_S
        connection = http.client.HTTPConnection("127.0.0.1", self._sandbox.port, timeout=limit)
        headers = {"Content-Type": "application/json", "X-Amzn-RequestId": request_id}
        if client_context:
            headers["X-Amz-Client-Context"] = client_context
        try:
            connection.request("POST", _INVOCATION_PATH, event, headers)
            answer = connection.getresponse()
            return _outcome(answer.status, answer.read(), request_id)
        except (OSError, http.client.HTTPException) as error:
            return _failure("Sandbox.Failure", request_id, f"The emulator ended: {error}")
        finally:
            connection.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    payload: bytes
    error: str = ""  # errorType, where the function failed
    message: str = ""
    environment_lost: bool = False


def _outcome(status: int, body: bytes, request_id: str) -> _Outcome:
    """Return what the emulator's answer means; it has no header that would tell.

    An error that awslambdaric reported, a value that the function returned and a time-out all
    come as 200. A time-out's body is no JSON, so no function can return it. An error has
    exactly awslambdaric's four members, and names this very request.
    """
    if status != http.HTTPStatus.OK:
        error = _members(body)
        return _Outcome(
            payload=body,
            error=str(error.get("errorType", "Sandbox.Failure")),
            message=str(error.get("errorMessage", "")),
            environment_lost=True,
        )
    if re.fullmatch(rb"Task timed out after [\d.]+ seconds", body):
        return _failure("Sandbox.Timedout", request_id, body.decode())
    if b'"errorMessage"' in body[:20]:  # cheap: most answers need not be parsed
        error = _members(body)
        known = error.keys() == {"errorMessage", "errorType", "requestId", "stackTrace"}
        if known and error["requestId"] == request_id:
            return _Outcome(payload=body, error=str(error["errorType"]))
    return _Outcome(payload=body)


def _members(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _failure(error: str, request_id: str, message: str) -> _Outcome:
    """Return a failure of the environment in Lambda's words for it."""
    text = f"RequestId: {request_id} Error: {message}"
    payload = json.dumps({"errorType": error, "errorMessage": text}).encode()
    return _Outcome(payload=payload, error=error, message=text, environment_lost=True)


def _closing_lines(
    function: Function, request_id: str, outcome: _Outcome, duration_ms: float
) -> list[str]:
    """Return the lines that Lambda ends an invocation with.

    The emulator's own are dropped: they are missing after a crash, and tell a memory and an
    init duration that were never measured.
    """
    status = ""
    reason = []
    if outcome.error == "Sandbox.Timedout":
        status = "\tStatus: timeout"
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        reason = [f"{now} {request_id} {outcome.message.partition(' Error: ')[2]}"]
    elif outcome.environment_lost:
        status = f"\tStatus: error\tError Type: {outcome.error}"
        reason = [outcome.message, outcome.error]
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\t"
        f"Billed Duration: {math.ceil(duration_ms)} ms\t"
        f"Memory Size: {function.memory_mb} MB{status}"
    )
    return [*reason, f"END RequestId: {request_id}", report]


class _Output:
    """What the function prints, cut into invocations."""

    def __init__(self, process: subprocess.Popen[bytes], log: Callable[[str], None]) -> None:
        self._process = process
        self._log = log
        self._lines: list[str] = []
        self._request_id = ""
        self._emulators_own: tuple[str, ...] = ()
        self._complete = threading.Event()
        self._thread = threading.Thread(target=self._read, name="emulator-output", daemon=True)
        self._thread.start()

    def begin(self, request_id: str, version: str) -> None:
        self._complete.clear()
        self._request_id = request_id
        self._emulators_own = tuple(
            f"{word} RequestId: {request_id}" for word in ("START", "REPORT")
        )
        self._add(f"START RequestId: {request_id} Version: {version}")

    def end(self, closing_lines: list[str]) -> str:
        # The emulator writes END before it answers, but this thread may not have read it yet.
        self._complete.wait(_END_LIMIT_S)
        for line in closing_lines:
            self._add(line)
        lines, self._lines = self._lines, []
        return "".join(f"{line}\n" for line in lines)

    def join(self) -> None:
        self._thread.join(_END_LIMIT_S)

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\n")
                # What a function prints last may lack its newline, so END may stand mid-line.
                text, ended, _ = line.partition(f"END RequestId: {self._request_id}")
                if text and not text.startswith(self._emulators_own):
                    # awslambdaric writes an error's lines as one, with carriage returns.
                    self._add(text.replace("\r", "\n"))
                if ended:
                    self._complete.set()
        self._complete.set()

    def _add(self, line: str) -> None:
        self._lines.append(line)
        for part in line.split("\n"):
            self._log(part)


def environment_defaults() -> dict[str, str]:
    """Return the variables that Lambda sets and a function may replace, on any file system."""
    no_proxy = [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]
    return {
        "NO_PROXY": ",".join(name for name in no_proxy if name),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TZ": ":UTC",
    }


def reserved_variables(function: Function) -> dict[str, str]:
    """Return the variables that a function cannot replace: "Defined runtime environment …"."""
    return {
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_s),  # for the emulator
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "AWS_REGION": function.region,
    }


def new_log_stream(function: Function) -> str:
    """Return a name as Lambda gives them: day, version, and what tells environments apart."""
    now = datetime.now(UTC)
    return f"{now:%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"


def start(
    spawn: Callable[[list[str]], subprocess.Popen[bytes]],
    listens: Callable[[subprocess.Popen[bytes], int, int], bool],
    said: Path,
) -> tuple[int, subprocess.Popen[bytes]]:
    """Return the port and the process of an emulator that listens; raises EmulatorError.

    `spawn` gets the emulator's arguments; `listens` waits until it does, or False; `said` is a
    file with what it complained about.
    """
    for _attempt in range(3):  # another program may take a port between choosing and using it
        port, runtime_port = _free_ports()
        process = spawn(
            [
                *("--log-level", "error"),
                *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
            ]
        )
        if listens(process, port, runtime_port):
            return port, process
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    text = said.read_text(encoding="utf-8", errors="replace").strip()
    raise EmulatorError(
        f"the Runtime Interface Emulator did not start: {text or 'it said nothing'}"
    )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:  # open together, so that they differ
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
