"""Lambda's Invoke, answered as AWS answers it, by functions that really run.

Invocation ──► version in the mock ──► pool of environments ──► Answer
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import LambdaClientError

from local_aws import deployed
from local_aws.container import start_image
from local_aws.deployed import Deployed, Reference
from local_aws.emulator import PAYLOAD_LIMIT, Result
from local_aws.errors import (
    LocalAwsError,
    PayloadTooLargeError,
    RuntimeUnavailableError,
    TooManyRequestsError,
)
from local_aws.package import Package, unpack
from local_aws.package_process import start_package
from local_aws.pool import Environment, Pool
from local_aws.runtime import emulator_alone, obstacle, other_machine, provide_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from moto.awslambda.models import LambdaFunction

    from local_aws.docker import Docker

ASYNCHRONOUS_PAYLOAD_LIMIT = 1_048_576  # bytes: "Lambda quotas"
ENVIRONMENTS = 4
"""How many environments of one version run at once; further invocations wait. AWS would start
more, up to the account's limit, and this machine would be out of memory."""
IDLE_S = 300
CONTAINER_IMAGE = "container image"
"""What is listed as the runtime of a function that brings its own."""
_THROTTLED_S = 0.2  # between two attempts to run an event that was throttled
_TAIL = 4096  # bytes of log that LogType=Tail gives

Log = Callable[[str], None]


class InvocationType(StrEnum):
    """How a caller waits: for the result, for nothing, or to see whether it would be allowed."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """A request to Invoke."""

    function: str
    event: bytes
    region: str
    qualifier: str | None = None
    type: InvocationType = InvocationType.REQUEST_RESPONSE
    log_tail: bool = False
    client_context: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer of Invoke, as it goes over HTTP."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Invoker:
    """Runs the functions that the mock holds; a context of its own for each local AWS.

    `environment` is added to every function's process, `log` gets their lines with the
    function's name before each, and `folder` holds the unpacked packages.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        log: Log,
        docker: Docker | str,
        retry_delays_s: Sequence[float] = (1, 2),
    ) -> None:
        """Run nothing yet; failed events are run again after `retry_delays_s` (AWS: minutes).

        `docker` runs container images, or is why nothing does.
        """
        self._folder = folder
        self._docker = docker
        self._environment = environment
        self._log = log
        self._retry_delays_s = retry_delays_s
        self._lock = threading.Lock()
        self._unpacking = threading.Lock()
        self._pools: dict[tuple[str, str, str], tuple[Deployed, Pool]] = {}
        self._running: Counter[tuple[str, str]] = Counter()
        self._closing = threading.Event()
        threading.Thread(target=self._end_idle, name="end-idle-functions", daemon=True).start()

    def answer(self, invocation: Invocation) -> Answer:
        """Return what Lambda answers."""
        request_id = str(uuid.uuid4())
        try:
            answer = self._answer(invocation, request_id)
        except LambdaClientError as error:  # the mock knows no such function, version or alias
            answer = _refusal(error.code, str(error.error_type), str(error.message))
        except PayloadTooLargeError as error:
            answer = _refusal(413, "RequestTooLargeException", str(error))
        except TooManyRequestsError as error:
            answer = _refusal(429, "TooManyRequestsException", "Rate Exceeded.", Reason=str(error))
        return Answer(
            status=answer.status,
            headers={"x-amzn-RequestId": request_id, **answer.headers},
            body=answer.body,
        )

    def run_for_mock(self, version: LambdaFunction, event: bytes) -> Result:
        """Return what the version makes of an event that the mock itself sends it (SNS, S3 …)."""
        reference = Reference(region=version.region, name=version.function_name, qualifier=None)
        return self._run(reference, deployed.describe(version), event or b"{}", str(uuid.uuid4()))

    def close(self) -> None:
        """End every environment."""
        self._closing.set()
        with self._lock:
            pools = [pool for _, pool in self._pools.values()]
            self._pools.clear()
        threads = [threading.Thread(target=pool.close) for pool in pools]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _answer(self, invocation: Invocation, request_id: str) -> Answer:
        reference = Reference.parse(
            invocation.function, invocation.qualifier, region=invocation.region
        )
        if reference is None:
            return _refusal(
                HTTPStatus.BAD_REQUEST,
                "InvalidParameterValueException",
                f"The derived qualifier from the function name {invocation.function!r} does not "
                f"match the specified qualifier {invocation.qualifier!r}.",
            )
        version = deployed.describe(deployed.find(reference))
        if error := _event_error(invocation.event):
            return _refusal(
                HTTPStatus.BAD_REQUEST,
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            )
        match invocation.type:
            case InvocationType.DRY_RUN:
                return Answer(status=HTTPStatus.NO_CONTENT)
            case InvocationType.EVENT:
                _refuse_above(ASYNCHRONOUS_PAYLOAD_LIMIT, invocation.event)
                threading.Thread(
                    target=self._run_event,
                    args=(reference, invocation, request_id),
                    name=f"event-{request_id}",
                    daemon=True,
                ).start()
                return Answer(status=HTTPStatus.ACCEPTED)
            case InvocationType.REQUEST_RESPONSE:
                _refuse_above(PAYLOAD_LIMIT, invocation.event)
                result = self._run(
                    reference, version, invocation.event, request_id, invocation.client_context
                )
                return _success(result, log_tail=invocation.log_tail)

    def _run_event(self, reference: Reference, invocation: Invocation, request_id: str) -> None:
        attempts = 1 + deployed.retry_attempts(reference.region, reference.name)
        delays = [0.0, *self._retry_delays_s][:attempts]
        for delay_s in delays:
            if self._closing.wait(delay_s):
                return
            try:
                result = self._run_when_free(reference, invocation, request_id)
            except (LocalAwsError, LambdaClientError) as error:
                self._log(f"{reference.name} | the event {request_id} was not run: {error}")
                continue
            if not result.function_error or self._closing.is_set():
                return
        self._log(
            f"{reference.name} | the event {request_id} is given up after {len(delays)} attempts"
        )

    def _run_when_free(
        self, reference: Reference, invocation: Invocation, request_id: str
    ) -> Result:
        while True:  # AWS gives up after 6 hours
            # Found anew: an alias may have moved on, or the function be gone.
            version = deployed.describe(deployed.find(reference))
            try:
                return self._run(
                    reference, version, invocation.event, request_id, invocation.client_context
                )
            except TooManyRequestsError:
                if self._closing.wait(_THROTTLED_S):
                    raise

    def _run(
        self,
        reference: Reference,
        version: Deployed,
        event: bytes,
        request_id: str,
        client_context: str = "",
    ) -> Result:
        function = version.function
        with self._reserved(function.region, function.name):
            try:
                with self._pool(version).environment() as environment:
                    result = environment.invoke(
                        event, request_id=request_id, client_context=client_context
                    )
                    stream = environment.log_stream
            except (TooManyRequestsError, PayloadTooLargeError):
                raise
            except LocalAwsError as error:
                self._log(f"{function.name} | {error}")
                return _not_run(version, request_id, error)
        deployed.put_logs(function, stream, result.log.splitlines())
        deployed.put_metrics(reference, result)
        return result

    @contextmanager
    def _reserved(self, region: str, name: str) -> Iterator[None]:
        """Count an invocation against the function's reserved concurrency."""
        limit = deployed.reserved_concurrency(region, name)
        with self._lock:
            if limit is not None and self._running[region, name] >= limit:
                raise TooManyRequestsError("ReservedFunctionConcurrentInvocationLimitExceeded")
            self._running[region, name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[region, name] -= 1

    def _pool(self, version: Deployed) -> Pool:
        """Return the version's pool; if it has been changed since, a new one."""
        key = (version.function.region, version.function.name, version.function.version)
        with self._lock:
            if self._closing.is_set():
                raise LocalAwsError("the local AWS is stopping")
            before, pool = self._pools.get(key, (None, None))
            if pool is not None and before == version:
                return pool
            new = Pool(lambda: self._start(version), size=ENVIRONMENTS)
            self._pools[key] = (version, new)
        if pool is not None:
            pool.drain()
        return new

    def functions(self) -> list[Listed]:
        """Return every function that the mock holds, sorted by region and name."""
        return [
            Listed(
                name=each.function.name,
                region=each.function.region,
                runtime=each.function.runtime or CONTAINER_IMAGE,
                obstacle=_obstacle(each, self._docker),
            )
            for each in deployed.all_functions()
        ]

    def bring_images(self) -> list[LocalAwsError]:
        """Have ready what images need to run; return what went wrong with some."""
        failures: list[LocalAwsError] = []
        if isinstance(self._docker, str):
            return failures
        for each in deployed.all_functions():
            if each.package_type == "Image" and _obstacle(each, self._docker) is None:
                try:
                    emulator_alone(each.function.architecture)
                    self._docker.bring(each.image.uri)
                except LocalAwsError as error:
                    failures.append(error)
        return failures

    def _start(self, version: Deployed) -> Environment:
        if reason := _obstacle(version, self._docker):
            raise RuntimeUnavailableError(reason)
        function = version.function
        log = partial(self._log_line, function.name)
        if version.package_type == "Image" and not isinstance(self._docker, str):
            return start_image(
                function,
                version.image,
                self._docker,
                work_dir=self._folder,
                environment=self._environment,
                log=log,
            )
        return start_package(
            function,
            self._package(version),
            provide_runtime(function.runtime, function.architecture),
            work_dir=self._folder,
            environment=self._environment,
            log=log,
        )

    def _log_line(self, name: str, line: str) -> None:
        self._log(f"{name} | {line}")

    def _package(self, version: Deployed) -> Package:
        """Return the version's package, unpacked once for all environments with that code."""
        parts = json.dumps([version.code_digest, *(layer.arn for layer in version.layers)])
        folder = self._folder / hashlib.sha256(parts.encode()).hexdigest()[:32]
        with self._unpacking:
            if not folder.exists():
                aside = folder.with_suffix(".making")
                shutil.rmtree(aside, ignore_errors=True)  # of an attempt that failed
                unpack(version.code, version.layer_archives(), aside)
                aside.rename(folder)
        return Package(task=folder / "task", opt=folder / "opt")

    def _end_idle(self) -> None:
        while not self._closing.wait(IDLE_S / 10):
            with self._lock:
                pools = [pool for _, pool in self._pools.values()]
            for pool in pools:
                pool.end_idle(IDLE_S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A function that is deployed, and why this machine cannot run it, if it cannot."""

    name: str
    region: str
    runtime: str
    obstacle: str | None


def _obstacle(version: Deployed, docker: Docker | str) -> str | None:
    match version.package_type:
        case "Image" if isinstance(docker, str):
            return (
                f"{version.function.name} is a container image, which needs Docker and a "
                f"registry to run: {docker}"
            )
        case "Image":
            return other_machine(version.function.architecture)
        case "Zip":
            return obstacle(version.function.runtime, version.function.architecture)


def _success(result: Result, *, log_tail: bool) -> Answer:
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": result.version}
    if result.function_error:
        headers["X-Amz-Function-Error"] = result.function_error
    if log_tail:
        tail = result.log.encode()[-_TAIL:]
        headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
    return Answer(status=HTTPStatus.OK, headers=headers, body=result.payload)


def _refusal(status: int, error: str, message: str, **more: str) -> Answer:
    body: dict[str, Any] = {"Type": "User", "Message": message, "message": message, **more}
    return Answer(
        status=status,
        headers={"Content-Type": "application/json", "x-amzn-ErrorType": error},
        body=json.dumps(body).encode(),
    )


def _not_run(version: Deployed, request_id: str, error: LocalAwsError) -> Result:
    """Return the failure of an environment that could not be had, as a function's error."""
    kind = f"LocalAws.{type(error).__name__.removesuffix('Error')}"
    return Result(
        payload=json.dumps({"errorType": kind, "errorMessage": str(error)}).encode(),
        function_error="Unhandled",
        log=f"{error}\n",
        request_id=request_id,
        version=version.function.version,
        duration_ms=0,
    )


def _event_error(event: bytes) -> str:
    try:
        json.loads(event or b"{}")
    except ValueError as error:
        return str(error)
    return ""


def _refuse_above(limit: int, event: bytes) -> None:
    if len(event) > limit:
        raise PayloadTooLargeError(
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        )
