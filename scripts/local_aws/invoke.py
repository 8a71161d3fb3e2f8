"""One request to one function, by an event that is made here: of the stack that runs, or alone."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import alone, instance
from local_aws.errors import LocalAwsError
from local_aws.front import reply
from local_aws.front.functions import Clients
from local_aws.server import REGION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_aws.front.reply import Reply

_TIMEOUT_S = 900.0  # the longest that a function may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Invoked:
    """What became of an invocation.

    `reply` is what an HTTP API would answer; `failure` is why that is no answer of the function,
    or empty; `log` is what the function printed.
    """

    reply: Reply
    failure: str
    log: str


def invoke(
    name: str, event: bytes, *, project: Path, work_dir: Path, say: Callable[[str], None]
) -> Invoked:
    """Return what the project's function makes of an event.

    It is that of the local AWS of `work_dir` if one runs and has it; else it is built, and run by
    itself. `say` gets which.
    """
    function = alone.find(project, name)
    running = instance.running(work_dir)
    if running and running.endpoint_url:
        if arn := _deployed(name, work_dir):
            say(f"{name} of the local AWS that runs ({running})")
            return _invoke_deployed(arn, event, running.endpoint_url)
        say(f"the local AWS that runs has no {name}")
    elif running:
        say("the local AWS is still starting")
    built = alone.build(function, project, say)
    say(f"{name} by itself, from {built.artefact}")
    with alone.started(built) as emulator:
        result = emulator.invoke(event)
    return _invoked(result.payload, failed=bool(result.function_error), log=result.log)


def _deployed(name: str, work_dir: Path) -> str | None:
    """Return the ARN of the alias that the stack calls, as its outputs in the state tell."""
    try:
        state = json.loads((work_dir / "terraform" / "terraform.tfstate").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    arn = state.get("outputs", {}).get(f"{name}_function_alias_arn")
    return str(arn["value"]) if arn else None


def _invoke_deployed(arn: str, event: bytes, endpoint_url: str) -> Invoked:
    client = Clients(endpoint_url, REGION).functions(timeout_s=_TIMEOUT_S)
    try:
        answer = client.invoke(FunctionName=arn, Payload=event, LogType="Tail")
        payload = answer["Payload"].read()
    except (BotoCoreError, ClientError) as error:
        raise LocalAwsError(f"the local AWS does not invoke {arn}: {error}") from error
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    return _invoked(payload, failed="FunctionError" in answer, log=log)


def _invoked(payload: bytes, *, failed: bool, log: str) -> Invoked:
    made = reply.from_function_error(payload) if failed else reply.from_payload(payload)
    return Invoked(reply=made, failure=made.why, log=log)
