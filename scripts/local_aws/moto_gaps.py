"""Where moto differs from AWS in what this stack uses, corrected from outside.

Each correction is a function that says what AWS does and what moto does, with the date and the
version of moto in which it was last seen. `apply()` makes them all; importing makes none. A test
for each asserts what AWS does, so that a correction which moto has made superfluous can go and
its test can stay.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import EventSourceMapping, LambdaFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_aws.emulator import Result

Run = Callable[[LambdaFunction, bytes], "Result"]

_lock = threading.Lock()
_applied: list[Callable[[], None]] = []
_runners: list[Run] = []


def apply() -> None:
    """Make every correction in this process; a second time does nothing."""
    with _lock:
        for correction in CORRECTIONS:
            if correction not in _applied:
                correction()
                _applied.append(correction)


@contextmanager
def functions_run_by(run: Run) -> Iterator[None]:
    """Have the functions that moto itself invokes run by `run`; the last one given wins."""
    _runners.append(run)
    try:
        yield
    finally:
        _runners.remove(run)


def lambda_configuration() -> None:
    """Return the parts of a function's configuration that moto forgets.

    AWS returns DeadLetterConfig, LoggingConfig (with its defaults) and SnapStart as they were
    set, so Terraform sees no drift. moto drops the first two and answers "None" for SnapStart.
    Seen 2026-11-21 with moto 5.2.5.
    """
    forgotten = ("DeadLetterConfig", "LoggingConfig", "SnapStart")
    initialise = LambdaFunction.__init__
    get = LambdaFunction.get_configuration
    update = LambdaFunction.update_configuration

    def remember(
        self: Any, account_id: str, spec: dict[str, Any], *more: Any, **named: Any
    ) -> None:
        initialise(self, account_id, spec, *more, **named)
        self.remembered = {key: copy.deepcopy(spec[key]) for key in forgotten if spec.get(key)}

    def update_configuration(self: Any, changes: dict[str, Any]) -> dict[str, Any]:
        given = {key: copy.deepcopy(changes[key]) for key in forgotten if key in changes}
        # A new dict: published versions share the old one with the function they came from.
        self.remembered = {**self.remembered, **given}
        return update(self, changes)

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  moto's signature
        configuration = get(self, on_create)
        remembered = self.remembered
        if remembered.get("DeadLetterConfig", {}).get("TargetArn"):
            configuration["DeadLetterConfig"] = remembered["DeadLetterConfig"]
        logging = {"LogFormat": "Text", **remembered.get("LoggingConfig", {})}
        levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
        configuration["LoggingConfig"] = {
            "LogGroup": f"/aws/lambda/{self.function_name}",
            **(levels if logging["LogFormat"] == "JSON" else {}),
            **logging,
        }
        if snap_start := remembered.get("SnapStart"):
            published = str(self.version).isdecimal()
            on = snap_start.get("ApplyOn") == "PublishedVersions" and published
            configuration["SnapStart"] = {
                **snap_start,
                "OptimizationStatus": "On" if on else "Off",
            }
        return configuration

    _replace(
        LambdaFunction,
        __init__=remember,
        update_configuration=update_configuration,
        get_configuration=get_configuration,
    )


def event_source_mapping_on_an_alias() -> None:
    """Return an event source mapping's function as it was named.

    AWS returns the alias's ARN when the mapping was made with it; moto resolves it, and returns
    the ARN of the version that the alias meant, which Terraform would replace each time.
    Seen 2026-11-21 with moto 5.2.5.
    """
    get = EventSourceMapping.get_configuration

    def get_configuration(self: Any) -> dict[str, Any]:
        configuration = get(self)
        if str(self.function_name).startswith("arn:"):
            configuration["FunctionArn"] = self.function_name
        return configuration

    _replace(EventSourceMapping, get_configuration=get_configuration)


def invocations_by_the_mock() -> None:
    """Run functions that another of moto's services invokes (SNS, S3 notifications, log filters).

    AWS runs the function; moto starts a container with Docker, or fails. Where no runner has
    been given, it still does. Seen 2026-11-21 with moto 5.2.5.
    """
    by_docker = LambdaFunction.invoke

    def invoke(
        self: LambdaFunction,
        body: str | bytes,
        request_headers: Any,
        response_headers: MutableMapping[str, str],
    ) -> str | bytes:
        if not _runners:
            return by_docker(self, body, request_headers, response_headers)  # type: ignore[arg-type]
        result = _runners[-1](self, body.encode() if isinstance(body, str) else body)
        if result.function_error:
            response_headers["x-amz-function-error"] = result.function_error
        return result.payload

    _replace(LambdaFunction, invoke=invoke)


CORRECTIONS = (lambda_configuration, event_source_mapping_on_an_alias, invocations_by_the_mock)


def _replace(owner: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(owner, name, method)
