"""A conversation and the reply to it, and the rules that a request for one must keep."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NoReturn

from lambda_shared.errors import BadRequestError, ContentTooLargeError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# The longest contexts on Bedrock are about a million tokens, some 4 bytes each; Lambda takes
# 6 MB with everything around it, and a body that is not text to the API is base64.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_MESSAGES: Final = 1_000
MAX_CONTENT_CHARACTERS: Final = 1_000_000
# The highest that any model on Bedrock takes; each model has its own limit below it.
MAX_MAX_TOKENS: Final = 128_000
_LONGEST_NAME_SHOWN: Final = 40


class Role(StrEnum):
    """Who says a message."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What one side says."""

    role: Role
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """Messages that begin and end with the user's, and take turns in between."""

    messages: tuple[Message, ...]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The tokens that a reply took, as the model's service counts them for the bill."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the model says next; `stop_reason` is Converse's stopReason, as it is."""

    message: Message
    model: str
    stop_reason: str
    usage: Usage

    def to_json(self) -> dict[str, object]:
        """The body of the answer to POST /chat."""
        return asdict(self)


def parse_conversation(body: bytes) -> Conversation:
    """The conversation that the body of POST /chat asks to continue.

    Raises:
        BadRequestError: A rule is broken; names the field, such as `messages[2].role`.
        ContentTooLargeError: The body is larger than MAX_BODY_BYTES.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ContentTooLargeError(
            f"The body has {len(body):,} bytes; at most {MAX_BODY_BYTES:,} are taken."
        )
    request = _object(_load(body), "body")
    _refuse_unknown(request, ("messages", "system", "max_tokens", "temperature"), "")
    return Conversation(
        messages=_messages(request.get("messages")),
        system=_text(request["system"], "system") if "system" in request else None,
        max_tokens=_max_tokens(request["max_tokens"]) if "max_tokens" in request else None,
        temperature=_temperature(request["temperature"]) if "temperature" in request else None,
    )


def _load(body: bytes) -> object:
    if not body:
        _refuse("body", 'is missing; send {"messages": [{"role": "user", "content": "…"}]}')
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        _refuse("body", f"is not UTF-8 (byte {error.start:,})")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        _refuse("body", f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")
    except (ValueError, RecursionError):
        # A number of more than 4,300 digits, or nesting deeper than Python's stack.
        _refuse("body", "is not JSON that can be read: a number or the nesting is too large")


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list):
        _refuse("messages", "must be a list of messages")
    if not value:
        _refuse("messages", "must hold at least one message")
    if len(value) > MAX_MESSAGES:
        _refuse("messages", f"has {len(value):,} messages; at most {MAX_MESSAGES:,} are taken")
    messages = tuple(_message(each, position) for position, each in enumerate(value))
    if messages[-1].role is not Role.USER:
        _refuse(f"messages[{len(messages) - 1}].role", 'must be "user": the model answers the user')
    return messages


def _message(value: object, position: int) -> Message:
    name = f"messages[{position}]"
    message = _object(value, name)
    _refuse_unknown(message, ("role", "content"), f"{name}.")
    role = message.get("role")
    if role not in tuple(Role):
        _refuse(f"{name}.role", 'must be "user" or "assistant"')
    expected = Role.ASSISTANT if position % 2 else Role.USER
    if role != expected:
        _refuse(f"{name}.role", f'must be "{expected}": the user begins, and the two take turns')
    return Message(role=expected, content=_text(message.get("content"), f"{name}.content"))


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        _refuse(name, "must be text")
    if not value.strip():
        _refuse(name, "must not be empty")
    if len(value) > MAX_CONTENT_CHARACTERS:
        _refuse(
            name,
            f"has {len(value):,} characters; at most {MAX_CONTENT_CHARACTERS:,} are taken",
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(name, "holds half of a surrogate pair, which is no character")
    return value


def _max_tokens(value: object) -> int:
    # In Python True is an int.
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse("max_tokens", "must be a whole number")
    if not 1 <= value <= MAX_MAX_TOKENS:
        _refuse("max_tokens", f"must be from 1 to {MAX_MAX_TOKENS:,}")
    return value


def _temperature(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        _refuse("temperature", "must be a number")
    if not 0 <= value <= 1:
        _refuse("temperature", "must be from 0 to 1")
    return float(value)


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        _refuse(name, "must be a JSON object")
    return value


def _refuse_unknown(value: Mapping[str, object], known: Collection[str], prefix: str) -> None:
    # A misspelt "temprature" that is ignored costs somebody an afternoon.
    for name in value:
        if name not in known:
            _refuse(
                f"{prefix}{name[:_LONGEST_NAME_SHOWN]}",
                f"is not known; {', '.join(known)} are",
            )


def _refuse_constant(name: str) -> NoReturn:
    _refuse("body", f"is not JSON: {name} is no JSON number")


def _refuse(field: str, rule: str) -> NoReturn:
    raise BadRequestError(f"{field} {rule}.", field=field)
