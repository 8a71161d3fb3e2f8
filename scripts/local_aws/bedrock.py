"""A stand-in for Amazon Bedrock's Converse API: no model, and it says so in every answer.

The same request gets the same answer, whose text tells how many messages came and repeats the
end of the last one. Tokens are counted as four characters each, and `maxTokens` cuts the answer.
A model id of `stand-in.` and the name of an error, such as `stand-in.ThrottlingException`,
answers that error: so the way that a function takes with each can be seen.
Source: "Converse", in the Amazon Bedrock API Reference.

The variable LOCAL_AWS_BEDROCK_ENDPOINT_URL names another endpoint instead, such as
`https://bedrock-runtime.eu-west-1.amazonaws.com`: see `function_environment`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

import boto3
from botocore.exceptions import BotoCoreError
from werkzeug.wrappers import Request, Response

from local_aws.errors import CredentialsError
from local_aws.web import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ENDPOINT_VARIABLE = "LOCAL_AWS_BEDROCK_ENDPOINT_URL"
PROVOKED = "stand-in."

_REGION = re.compile(r"bedrock-runtime(?:-fips)?\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d)\.")

# The errors of Converse, and the status of each.
_STATUS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_CHARACTERS_PER_TOKEN = 4
_REPEATED = 80


class ConverseError(Exception):
    """An error of Converse, by its name there."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = _STATUS[code]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """What a Converse request says, as far as the stand-in reads it."""

    texts: tuple[str, ...]
    system: tuple[str, ...]
    max_tokens: int | None


class BedrockStandIn:
    """Serves Converse at `endpoint_url`, from `__enter__` to `__exit__`."""

    def __init__(self, *, port: int = 0) -> None:
        self._server = WebServer(_application, what="the stand-in for Bedrock", port=port)

    @property
    def endpoint_url(self) -> str:
        """Return `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL_BEDROCK_RUNTIME."""
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()


def function_environment(endpoint_url: str) -> dict[str, str]:
    """Return the variables with which functions reach the Bedrock endpoint at that URL.

    For one of AWS these are the credentials of whoever starts the local AWS, as boto3 finds them
    (temporary ones end at their time: start it again), and the endpoint's region, which then is
    the functions' region for everything. Calls to other services still go to the mock, which
    looks at no credentials. An endpoint elsewhere gets no credentials but the mock's.
    """
    variables = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": endpoint_url}
    host = urlsplit(endpoint_url).hostname or ""
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return variables
    try:
        credentials = boto3.Session().get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    except BotoCoreError as error:
        raise _no_credentials(endpoint_url, str(error)) from error
    if frozen is None:
        raise _no_credentials(endpoint_url, "none were found")
    variables |= {
        "AWS_ACCESS_KEY_ID": frozen.access_key or "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
        "AWS_SESSION_TOKEN": frozen.token or "",
    }
    if found := _REGION.search(host):
        variables |= {"AWS_REGION": found["region"], "AWS_DEFAULT_REGION": found["region"]}
    return variables


def _no_credentials(endpoint_url: str, cause: str) -> CredentialsError:
    return CredentialsError(
        f"{ENDPOINT_VARIABLE} names {endpoint_url}, which needs AWS credentials: {cause}.\n"
        "Sign in (or set AWS_PROFILE) and look who you are:\n"
        "    aws sts get-caller-identity\n"
        "or take the stand-in:\n"
        f"    unset {ENDPOINT_VARIABLE}"
    )


def converse(model_id: str, body: bytes) -> dict[str, Any]:
    """Return the answer to a Converse request; raises ConverseError as Bedrock would."""
    if model_id.startswith(PROVOKED):
        code = model_id.removeprefix(PROVOKED)
        if code not in _STATUS:
            raise ConverseError(
                "ValidationException", f"{code!r} is no error of Converse: {', '.join(_STATUS)}"
            )
        raise ConverseError(code, f"The stand-in for Bedrock was asked for a {code}.")
    conversation = read(body)
    text = _answer(conversation)
    limit = conversation.max_tokens
    cut = limit is not None and _tokens(text) > limit
    if cut and limit is not None:
        text = text[: limit * _CHARACTERS_PER_TOKEN]
    spent = sum(_tokens(part) for part in (*conversation.system, *conversation.texts))
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "max_tokens" if cut else "end_turn",
        "usage": {
            "inputTokens": spent,
            "outputTokens": _tokens(text),
            "totalTokens": spent + _tokens(text),
        },
        "metrics": {"latencyMs": 1},
    }


def read(body: bytes) -> Conversation:
    """Return what a request says; a malformed one is a ValidationException."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise _invalid(f"The request is not JSON: {error}") from error
    messages = _list(request, "messages")
    if not messages or not isinstance(messages[0], dict) or messages[0].get("role") != "user":
        raise _invalid("A conversation must start with a user message. Try again with one.")
    return Conversation(
        texts=tuple(_message(number, message, messages) for number, message in enumerate(messages)),
        system=tuple(str(block.get("text", "")) for block in _list(request, "system")),
        max_tokens=_max_tokens(request.get("inferenceConfig") or {}),
    )


def _message(number: int, message: Mapping[str, Any], messages: list[Any]) -> str:
    if not isinstance(message, dict) or message.get("role") not in {"user", "assistant"}:
        raise _invalid(f"messages.{number}.role is neither user nor assistant.")
    if number and message["role"] == messages[number - 1]["role"]:
        raise _invalid(
            "A conversation must alternate between user and assistant roles. "
            f"messages.{number} repeats {message['role']}."
        )
    blocks = _list(message, "content")
    if not blocks:
        raise _invalid(f"The content field at messages.{number} is empty.")
    for position, block in enumerate(blocks):
        if isinstance(block, dict) and "text" in block and not str(block["text"]).strip():
            raise _invalid(
                "The text field in the ContentBlock object at "
                f"messages.{number}.content.{position} is blank."
            )
    return "\n".join(str(block["text"]) for block in blocks if "text" in block)


def _max_tokens(config: Mapping[str, Any]) -> int | None:
    temperature = config.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise _invalid("inferenceConfig.temperature is not between 0 and 1.")
    limit = config.get("maxTokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise _invalid("inferenceConfig.maxTokens is less than 1.")
    return limit


def _answer(conversation: Conversation) -> str:
    count, last = len(conversation.texts), conversation.texts[-1]
    repeated = last if len(last) <= _REPEATED else f"…{last[-_REPEATED:]}"
    return (
        "I am a stand-in for Amazon Bedrock on this machine, not a model. "
        f"I got {count} message{'s' * (count > 1)}; the last, of {len(last)} "
        f"character{'s' * (len(last) != 1)}, says: {repeated}"
    )


def _list(value: object, name: str) -> list[Any]:
    found = value.get(name, []) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise _invalid(f"{name} is not a list.")
    return found


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _invalid(message: str) -> ConverseError:
    return ConverseError("ValidationException", message)


def _application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    response = _respond(Request(environ), environ["REQUEST_URI"].partition("?")[0])
    return response(environ, start_response)


def _respond(request: Request, path: str) -> Response:
    # The id is one segment, percent-encoded: an inference profile's ARN holds a slash.
    match [unquote(part) for part in path.split("/")]:
        case ["", "model", model_id, "converse"] if request.method == "POST":
            pass
        case _:
            return _json(
                {"message": f"The stand-in for Bedrock only knows Converse, not {path}."},
                HTTPStatus.NOT_FOUND,
                error="UnknownOperationException",
            )
    try:
        return _json(converse(model_id, request.get_data()), HTTPStatus.OK)
    except ConverseError as error:
        return _json({"message": str(error)}, error.status, error=error.code)


def _json(value: Mapping[str, Any], status: int, *, error: str = "") -> Response:
    return Response(
        json.dumps(value, ensure_ascii=False),
        status,
        headers={"x-amzn-ErrorType": error} if error else {},
        content_type="application/json",
    )
