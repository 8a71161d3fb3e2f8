"""One execution environment: AWS's Runtime Interface Emulator with awslambdaric inside.

`Emulator` runs one function version, one invocation at a time, and knows what the emulator's
answers mean. `invoke_zip` is the whole of it for an archive in a file.

What differs from Lambda, because the emulator differs:
- `context.invoked_function_arn` is always arn:aws:lambda:us-east-1:012345678912:function:NAME.
- Init counts against the function's timeout; Lambda gives it 10 seconds of its own.
- The code lies in a folder of its own, not in /var/task (LAMBDA_TASK_ROOT tells where), and
  /tmp is the machine's (TMPDIR, and so `tempfile`, is the environment's own).
"""

from __future__ import annotations

import http.client
import json
import math
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from lambda_build.process import die_with_parent

from local_aws.errors import EmulatorError, PayloadTooLargeError
from local_aws.package import Package, unpack
from local_aws.runtime import Runtime, machine_architecture, provide_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

PAYLOAD_LIMIT: Final = 6_291_456  # bytes of a synchronous event: "Lambda quotas"

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_INVOCATION_PATH = "/2015-03-31/functions/function/invocations"  # it answers to no other name
_START_LIMIT_S = 10
_END_LIMIT_S = 2
_INIT_LIMIT_S = 10

# How this machine reaches the network is no part of a function's configuration.
_FROM_THE_MACHINE = (
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"),
)


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


class Emulator:
    """An execution environment of one function version; a context manager.

    It is started by being made. One invocation at a time: the caller sees to it. After a crash
    or a time-out it is `closed`, and another must take its place.
    """

    def __init__(
        self,
        function: Function,
        package: Package,
        runtime: Runtime,
        *,
        work_dir: Path,
        environment: Mapping[str, str] | None = None,
        log: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Start it; `environment` is added to the function's own, `log` gets its lines.

        Raises EmulatorError when it does not come up.
        """
        now = datetime.now(UTC)
        self.log_stream = f"{now:%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._function = function
        self._scratch = TemporaryDirectory(dir=work_dir, prefix="environment-")
        self._closing = threading.Lock()
        self._closed = False
        try:
            self._port, self._process = _start(
                _command(function, runtime, self.log_stream),
                cwd=package.task,
                environment={
                    **_environment(function, package, runtime, Path(self._scratch.name)),
                    **(environment or {}),
                },
                stderr=Path(self._scratch.name, "emulator.log"),
            )
        except BaseException:
            self._scratch.cleanup()
            raise
        self._output = _Output(self._process, log)

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
        return self._closed or self._process.poll() is not None

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
            self._end(grace_s=0)  # also closes its output, so that no line is missed
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
        self._end(grace_s=_END_LIMIT_S)
        self._output.join()
        self._scratch.cleanup()

    def _outcome(self, event: bytes, request_id: str, client_context: str) -> _Outcome:
        limit = self._function.timeout_s + _INIT_LIMIT_S
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=limit)
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

    def _end(self, *, grace_s: float) -> None:
        if grace_s:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        # The runtime has a process group of its own, but the emulator's session. Again, until
        # none is found: a process may have been starting another.
        deadline = time.monotonic() + _END_LIMIT_S
        while (members := _session(self._process.pid)) and time.monotonic() < deadline:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.poll()  # or it would stay a zombie, and be found again
            time.sleep(0.005)
        self._process.wait(_END_LIMIT_S)


def invoke_zip(  # noqa: PLR0913  each is a setting of the function
    archive: Path,
    handler: str,
    event: object,
    *,
    layers: Sequence[Path] = (),
    runtime: str = "python3.11",
    timeout_s: int = 30,
    memory_mb: int = 128,
    variables: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda _line: None,
) -> Result:
    """Return what the function in that archive makes of the event, in the real emulator.

    Nothing of AWS is there: no mock, no credentials, no role.
    """
    function = Function(
        handler=handler,
        runtime=runtime,
        timeout_s=timeout_s,
        memory_mb=memory_mb,
        variables=variables or {},
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lambda-")))
        package = unpack(archive.read_bytes(), [layer.read_bytes() for layer in layers], folder)
        emulator = stack.enter_context(
            Emulator(
                function,
                package,
                provide_runtime(runtime, function.architecture),
                work_dir=folder,
                log=log,
            )
        )
        return emulator.invoke(json.dumps(event).encode())


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


def _command(function: Function, runtime: Runtime, log_stream: str) -> list[str]:
    # Its two addresses are added where they are known.
    return [
        *(str(runtime.emulator), "--log-level", "error"),
        # -B: /var/task is read-only on Lambda, so no .pyc is ever written there. -P: the folder
        # of the bootstrap is not where modules are looked for.
        *(str(runtime.python), "-B", "-P", str(_BOOTSTRAP), function.handler),
        f"AWS_LAMBDA_LOG_GROUP_NAME={function.log_group or f'/aws/lambda/{function.name}'}",
        f"AWS_LAMBDA_LOG_STREAM_NAME={log_stream}",
    ]


def _environment(
    function: Function, package: Package, runtime: Runtime, scratch: Path
) -> dict[str, str]:
    """Return the environment variables that Lambda sets: "Defined runtime environment variables".

    Nothing else of this process's environment is handed on, except the way to the network.
    """
    minor = function.runtime.removeprefix("python")
    opt = package.opt
    layers = [opt / "python" / "lib" / f"python{minor}" / "site-packages", opt / "python"]
    temporary = scratch / "tmp"
    temporary.mkdir()
    network = {name: os.environ[name] for name in _FROM_THE_MACHINE if name in os.environ}
    defaults = {
        **network,
        "NO_PROXY": _joined(",", os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(temporary),
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": _joined(":", package.task, package.task / "lib", opt / "lib"),
        "PATH": _joined(":", runtime.python.parent, "/usr/local/bin:/usr/bin:/bin", opt / "bin"),
        "TMPDIR": str(temporary),
        "TZ": ":UTC",
    }
    reserved = {
        "PYTHONPATH": _joined(":", function.variables.get("PYTHONPATH"), *layers),
        "_HANDLER": function.handler,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_s),  # for the emulator
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "AWS_REGION": function.region,
        "LAMBDA_RUNTIME_DIR": str(runtime.python.parent.parent),
        "LAMBDA_TASK_ROOT": str(package.task),
    }
    return {**defaults, **function.variables, **reserved}


def _joined(separator: str, *parts: str | Path | None) -> str:
    return separator.join(str(part) for part in parts if part)


def _start(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], stderr: Path
) -> tuple[int, subprocess.Popen[bytes]]:
    """Return the port of a started emulator that listens, and its process."""
    for _attempt in range(3):  # another program may take a port between choosing and using it
        port, runtime_port = _free_ports()
        addresses = [
            *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
        ]
        words = [command[0], *addresses, *command[1:]]
        process = _parent().submit(_spawn, words, cwd, environment, stderr).result()
        if _listens(process, {port, runtime_port}):
            return port, process
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    said = stderr.read_text(encoding="utf-8", errors="replace").strip()
    raise EmulatorError(
        f"the Runtime Interface Emulator did not start: {said or 'it said nothing'}"
    )


@cache
def _parent() -> ThreadPoolExecutor:
    # PDEATHSIG counts the thread that made the process as its parent: made in the thread of a
    # web request, an emulator would be killed when the request has been answered. This one
    # lives as long as the program.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator-parent")


def _spawn(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], stderr: Path
) -> subprocess.Popen[bytes]:
    with stderr.open("ab") as said:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  it calls prctl and nothing else
        )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:  # open together, so that they differ
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _listens(process: subprocess.Popen[bytes], ports: set[int]) -> bool:
    """Wait until the process itself listens on the ports; False if it ends instead.

    Connecting would not tell: another program may have taken a port meanwhile, and answer.
    """
    deadline = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if ports <= _listening_ports(process.pid):
            return True
        time.sleep(0.002)
    return False


def _listening_ports(pid: int) -> set[int]:
    # proc(5), /proc/net/tcp: number local_address remote_address state … inode
    sockets = set()
    with suppress(FileNotFoundError):  # it has ended, or closed one meanwhile
        sockets = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    return {int(row[1].partition(":")[2], 16) for row in listening}


def _session(pid: int) -> list[int]:
    """Return the living processes of the session that `pid` leads, itself included."""
    members = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError, ValueError):  # it may have ended meanwhile
            # proc(5): pid (name) state parent group session …; the name may hold anything
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[3] == str(pid) and fields[0] != "Z":
                members.append(int(folder.name))
    return members
