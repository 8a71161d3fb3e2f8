"""The README's requests, sent to a local AWS that is up, and what has to come back."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from local_aws.invocation import CONTAINER_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from types_boto3_lambda import LambdaClient

    from local_aws.up import Up

_TIMEOUT_S = 60.0
_JSON = {"content-type": "application/json"}
_HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


class CheckError(Exception):
    """What a check found instead of what had to be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a check went; `failure` is empty when it went well, or was not made: `why_not` tells."""

    name: str
    failure: str
    seconds: float
    why_not: str = ""


def check(up: Up) -> Iterator[Outcome]:
    """Yield the outcome of each check, as soon as it is known."""
    checks = dict(_CHECKS)
    if any(each.runtime == CONTAINER_IMAGE for each in up.aws.functions()):
        if up.containers_off:
            for name in _CONTAINER_CHECKS:
                yield Outcome(name=name, failure="", seconds=0.0, why_not=up.containers_off)
        else:
            checks |= _CONTAINER_CHECKS
    for name, run in checks.items():
        started = time.monotonic()
        try:
            run(up)
            failure = ""
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what is told)
            failure = str(error) or repr(error)
        yield Outcome(name=name, failure=failure, seconds=time.monotonic() - started)


def left_behind() -> Outcome:
    """Return whether this process still has child processes; only Linux can tell."""
    children: list[str] = []
    for file in Path("/proc/self/task").glob("*/children"):
        children += file.read_text(encoding="utf-8").split()
    names = [Path("/proc", pid, "comm") for pid in children]
    said = ", ".join(name.read_text(encoding="utf-8").strip() for name in names if name.exists())
    failure = f"still there: {said}" if said else ""
    return Outcome(name="no process is left behind", failure=failure, seconds=0.0)


def _runnable(up: Up) -> None:
    functions = [
        each
        for each in up.aws.functions()
        if not (up.containers_off and each.runtime == CONTAINER_IMAGE)
    ]
    obstacles = [f"{each.name}: {each.obstacle}" for each in functions if each.obstacle]
    if obstacles or not functions:
        raise CheckError("\n".join(obstacles) or "the stack has no function")


def _health(up: Up) -> None:
    status, answer = _request(up, "GET", "/chat/health")
    _expect(status, 200, answer)
    if "boto3" not in json.dumps(answer):
        raise CheckError(f"the answer does not tell boto3's version: {answer}")


def _chat(up: Up) -> None:
    status, answer = _request(up, "POST", "/chat", json.dumps(_HELLO))
    _expect(status, 200, answer)
    _expect_answer(up, answer)


def _malformed(up: Up) -> None:
    status, answer = _request(up, "POST", "/chat", '{"messages": [')
    _expect(status, 400, answer)


def _unknown(up: Up) -> None:
    status, answer = _request(up, "GET", "/no/such/route")
    _expect(status, 404, answer)


def _invoke(up: Up) -> None:
    event = {
        "version": "2.0",
        "routeKey": "POST /chat",
        "rawPath": "/chat",
        "headers": _JSON,
        "requestContext": {"http": {"method": "POST", "path": "/chat"}, "requestId": "smoke"},
        "body": json.dumps(_HELLO),
        "isBase64Encoded": False,
    }
    answer = _lambda(up).invoke(
        FunctionName=up.stack.outputs()["chat_function_alias_arn"],
        Payload=json.dumps(event).encode(),
    )
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CheckError(f"the function failed: {payload}")
    _expect(payload.get("statusCode"), 200, payload)
    _expect_answer(up, json.loads(payload["body"]))


def _inference(up: Up) -> None:
    url = "https://example.com/"
    for path in ("/inference", "/inference/"):
        status, answer = _request(up, "POST", path, json.dumps({"url": url}))
        _expect(status, 200, answer)
        (result,) = answer["results"]
        if result["url"] != url or not 0 <= result["probability"] <= 1:
            raise CheckError(f"no probability of {url}: {answer}")


def _inference_health(up: Up) -> None:
    status, answer = _request(up, "GET", "/inference/health")
    _expect(status, 200, answer)


def _plan(up: Up) -> None:
    if up.stack.has_changes():
        raise CheckError("it would change what was just applied; the changes are listed above")


_CHECKS: dict[str, Callable[[Up], None]] = {
    "every function can run on this machine": _runnable,
    "GET /chat/health answers 200": _health,
    "POST /chat answers 200": _chat,
    "POST /chat with a malformed body answers 400": _malformed,
    "a route that is not there answers 404": _unknown,
    "lambda.invoke by boto3 runs the alias": _invoke,
    "a second terraform plan is empty": _plan,
}


_CONTAINER_CHECKS: dict[str, Callable[[Up], None]] = {
    "POST /inference and /inference/ answer 200, from a container": _inference,
    "GET /inference/health answers 200": _inference_health,
}


def _request(up: Up, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    url = urlsplit(up.front.served()[0].url if up.front.served() else up.front.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, f"{url.path}{path}", body, _JSON if body else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _lambda(up: Up) -> LambdaClient:
    settings = up.aws.environment
    client: LambdaClient = boto3.client(
        "lambda",
        endpoint_url=up.aws.endpoint_url,
        region_name=settings["AWS_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1}),
    )
    return client


def _expect(status: object, wanted: int, answer: object) -> None:
    if status != wanted:
        raise CheckError(f"{status} instead of {wanted}: {answer}")


def _expect_answer(up: Up, answer: Any) -> None:
    content = answer["message"]["content"]
    if answer["message"]["role"] != "assistant" or not content:
        raise CheckError(f"no message of the assistant: {answer}")
    if up.stand_in and "stand-in" not in content:
        raise CheckError(f"the answer is not the stand-in's: {answer}")
