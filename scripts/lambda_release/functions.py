"""The functions that can be released, as Terraform tells them by its output `functions`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_release.errors import OutputsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LIMIT_S = 120  # the state may be in S3
_ROUTE = re.compile(r"(?P<method>[A-Z]+) (?P<path>/\S*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function of the stack, by its `key` there.

    `check` is an event that a version answers well if it works; None: there is none. `alarms` are
    names of alarms in CloudWatch, composite ones included.
    """

    key: str
    name: str
    alias: str
    check: Mapping[str, Any] | None
    alarms: tuple[str, ...]

    def make(self, target: str, version: str = "") -> str:
        """Return the command that releases it or rolls it back, where it is that this one runs."""
        words = {
            "FUNCTION": self.key,
            "VERSION": version,
            # make hands it on, and the workflow sets it.
            "ENVIRONMENT": os.environ.get("ENVIRONMENT", ""),
        }
        return " ".join(
            ["make", target, *(f"{name}={word}" for name, word in words.items() if word)]
        )


def read_outputs(terraform_dir: Path, file: Path | None) -> dict[str, Any]:
    """Return what `terraform output -json` tells; from a file that holds it, if one is given."""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise OutputsError(f"{file} cannot be read: {error.strerror}") from error
    else:
        text = _terraform_output(terraform_dir)
    try:
        outputs = json.loads(text)
        return {name: output["value"] for name, output in outputs.items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise OutputsError(
            f"{file or 'what terraform told'} is not what `terraform output -json` writes: {error}"
        ) from error


def functions_of(outputs: Mapping[str, Any]) -> list[Function]:
    """Return the functions, sorted by their keys; none without that output.

    A stack that was never applied has none, nor has one whose first apply failed on the way:
    Terraform writes each output when all that it is made of is there.
    """
    try:
        told = outputs.get("functions", {})
        return [_function(key, each) for key, each in sorted(told.items())]
    except (AttributeError, KeyError, TypeError) as error:
        raise OutputsError(
            f"the output `functions` is not a map of objects with function_name, alias_name, check "
            f"and alarms, as terraform/release.tf has it: {error!r}"
        ) from error


def chosen(functions: Sequence[Function], names: Sequence[str]) -> list[Function]:
    """Return the functions with these keys or names, in that order; all if none is named."""
    if not names:
        return list(functions)
    known = {name: each for each in functions for name in (each.key, each.name)}
    for name in names:
        if name not in known:
            there = ", ".join(each.key for each in functions) or "none"
            raise UsageError(f"there is no function {name}; those that were applied are: {there}")
    return list({known[name].key: known[name] for name in names}.values())


def _terraform_output(terraform_dir: Path) -> str:
    command = ["terraform", f"-chdir={terraform_dir}", "output", "-json", "-no-color"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except FileNotFoundError as error:
        raise OutputsError(
            "terraform is not on PATH, and what can be released is in its state. Install it, or "
            "give what `terraform output -json` wrote with --outputs FILE"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise OutputsError(f"{' '.join(command)} took longer than {_LIMIT_S} s") from error
    if done.returncode:
        raise OutputsError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout[max(done.stdout.find("{"), 0) :]  # a warning may stand before it


def _function(key: str, told: Mapping[str, Any]) -> Function:
    return Function(
        key=key,
        name=told["function_name"],
        alias=told["alias_name"],
        check=_check(key, told.get("check")),
        alarms=tuple(sorted(told["alarms"])),
    )


def _check(key: str, told: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not told:
        return None
    if event := told.get("event"):
        return dict(event)
    route = _ROUTE.fullmatch(told["route"])
    if not route:
        raise OutputsError(
            f"the check of {key} is the route {told['route']!r}, and a route is a method and a "
            "path, such as GET /health. Write it like that in terraform/release.tf"
        )
    return _http_event(route["method"], route["path"])


def _http_event(method: str, path: str) -> dict[str, Any]:
    """Return an HTTP API's event, payload format 2.0, for a request without a body."""
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "lambda-release.invalid", "user-agent": "lambda-release"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "lambda-release",
            "domainName": "lambda-release.invalid",
            "domainPrefix": "lambda-release",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "lambda-release",
            },
            "requestId": "lambda-release",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "01/Jan/1970:00:00:00 +0000",
            "timeEpoch": 0,
        },
        "isBase64Encoded": False,
    }
