from __future__ import annotations

import json
from typing import Any

import pytest
from chat.conversation import (
    MAX_BODY_BYTES,
    MAX_CONTENT_CHARACTERS,
    MAX_MAX_TOKENS,
    MAX_MESSAGES,
    Conversation,
    Message,
    Role,
    parse_conversation,
)
from hypothesis import example, given
from hypothesis import strategies as st
from lambda_shared.errors import BadRequestError, ContentTooLargeError

USER = {"role": "user", "content": "Hello"}
ASSISTANT = {"role": "assistant", "content": "Hi"}


def parse(request: object) -> Conversation:
    return parse_conversation(json.dumps(request).encode())


def refused(request: object) -> tuple[str | None, str]:
    with pytest.raises(BadRequestError) as caught:
        parse(request)
    return caught.value.field, caught.value.message


def test_a_conversation_is_read_from_json() -> None:
    request = {
        "messages": [USER, ASSISTANT, USER],
        "system": "Be brief.",
        "max_tokens": 100,
        "temperature": 0.5,
    }
    hello = Message(role=Role.USER, content="Hello")
    assert parse(request) == Conversation(
        messages=(hello, Message(role=Role.ASSISTANT, content="Hi"), hello),
        system="Be brief.",
        max_tokens=100,
        temperature=0.5,
    )


def test_all_but_the_messages_may_be_left_out() -> None:
    assert parse({"messages": [USER]}) == Conversation(
        messages=(Message(role=Role.USER, content="Hello"),)
    )


@pytest.mark.parametrize(
    "accepted",
    [
        {"max_tokens": 1},
        {"max_tokens": MAX_MAX_TOKENS},
        {"temperature": 0},
        {"temperature": 1},
        {"temperature": 0.0},
        {"system": "x" * MAX_CONTENT_CHARACTERS},
    ],
)
def test_values_at_the_limits_are_taken(accepted: dict[str, object]) -> None:
    parse({"messages": [USER], **accepted})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is missing"),
        (b"{", "is not JSON: Expecting property name"),
        (b"\xff{}", "is not UTF-8 (byte 0)"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"temperature": NaN}', "NaN"),
        (b'{"temperature": -Infinity}', "-Infinity"),
        (b"[" * 100_000, "nesting"),
        (b"9" * 5_000, "number"),
    ],
)
def test_a_body_that_is_no_json_object_names_the_body(body: bytes, why: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_conversation(body)
    assert caught.value.field == "body"
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        (None, "messages"),
        ("Hello", "messages"),
        ({}, "messages"),
        ([], "messages"),
        ([USER, ASSISTANT] * (MAX_MESSAGES // 2) + [USER], "messages"),
        (["Hello"], "messages[0]"),
        ([None], "messages[0]"),
        ([USER, []], "messages[1]"),
        ([{"content": "Hello"}], "messages[0].role"),
        ([{"role": "system", "content": "Hello"}], "messages[0].role"),
        ([{"role": "User", "content": "Hello"}], "messages[0].role"),
        ([{"role": None, "content": "Hello"}], "messages[0].role"),
        ([{"role": ["user"], "content": "Hello"}], "messages[0].role"),
        ([ASSISTANT], "messages[0].role"),
        ([ASSISTANT, USER], "messages[0].role"),
        ([USER, USER], "messages[1].role"),
        ([USER, ASSISTANT, ASSISTANT], "messages[2].role"),
        ([USER, ASSISTANT], "messages[1].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": ""}], "messages[0].content"),
        ([{"role": "user", "content": " \n\t"}], "messages[0].content"),
        ([{"role": "user", "content": 7}], "messages[0].content"),
        ([{"role": "user", "content": ["Hello"]}], "messages[0].content"),
        ([{"role": "user", "content": "\ud83c"}], "messages[0].content"),
        (
            [{"role": "user", "content": "x" * (MAX_CONTENT_CHARACTERS + 1)}],
            "messages[0].content",
        ),
        ([USER, {**ASSISTANT, "name": "x"}, USER], "messages[1].name"),
    ],
)
def test_a_broken_rule_of_messages_names_the_field(messages: object, field: str) -> None:
    named, message = refused({"messages": messages})
    assert named == field
    assert message.startswith(field)


def test_messages_that_are_not_there_are_named() -> None:
    assert refused({})[0] == "messages"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("system", ""),
        ("system", None),
        ("system", ["text"]),
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("max_tokens", MAX_MAX_TOKENS + 1),
        ("max_tokens", 10**400),
        ("max_tokens", True),
        ("max_tokens", 5.0),
        ("max_tokens", "5"),
        ("max_tokens", None),
        ("temperature", -0.01),
        ("temperature", 1.01),
        ("temperature", 10**400),
        ("temperature", False),
        ("temperature", "0.5"),
        ("temperature", None),
        ("temprature", 0.5),
        ("stream", True),
    ],
)
def test_a_wrong_or_unknown_field_is_named(field: str, value: object) -> None:
    assert refused({"messages": [USER], field: value})[0] == field


def test_a_number_that_is_infinite_in_python_is_refused() -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_conversation(
            b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}'
        )
    assert caught.value.field == "temperature"


def test_a_very_long_unknown_name_is_not_repeated_whole() -> None:
    field, message = refused({"x" * 100_000: 1})
    assert field is not None
    assert len(field) < 100
    assert len(message) < 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(ContentTooLargeError):
        parse_conversation(b"[" * (MAX_BODY_BYTES + 1))


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_messages = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "system"]) | _anything,
            "content": st.text() | _anything,
            "name": _anything,
        },
    )
    | _anything,
    max_size=4,
)
_requests = st.fixed_dictionaries(
    {},
    optional={
        "messages": _messages | _anything,
        "system": st.text() | _anything,
        "max_tokens": st.integers() | _anything,
        "temperature": st.floats() | _anything,
        "stream": _anything,
    },
)


def _keeps_the_rules(conversation: Conversation) -> bool:
    roles = [message.role for message in conversation.messages]
    return (
        roles == [Role.ASSISTANT if turn % 2 else Role.USER for turn in range(len(roles))]
        and roles[-1] is Role.USER
        and all(message.content.strip() for message in conversation.messages)
        and type(conversation.max_tokens) in {int, type(None)}
        and type(conversation.temperature) in {float, type(None)}
    )


def outcome_of(body: bytes) -> Conversation | BadRequestError:
    try:
        return parse_conversation(body)
    except BadRequestError as error:
        return error


@given(_requests)
def test_any_json_is_a_conversation_that_keeps_the_rules_or_is_refused_by_field(
    request: dict[str, Any],
) -> None:
    outcome = outcome_of(json.dumps(request).encode())
    if isinstance(outcome, Conversation):
        assert _keeps_the_rules(outcome)
    else:
        assert outcome.field


@given(st.binary())
@example(b'{"messages": [{"role": "user", "content": "\\ud800"}]}')
def test_any_bytes_are_a_conversation_or_are_refused_by_field(body: bytes) -> None:
    outcome = outcome_of(body)
    assert isinstance(outcome, Conversation) or outcome.field


@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), min_size=1
    ).filter(lambda texts: len(texts) % 2 == 1)
)
def test_every_conversation_that_keeps_the_rules_is_taken_as_it_is(texts: list[str]) -> None:
    roles = ["assistant" if turn % 2 else "user" for turn in range(len(texts))]
    conversation = parse(
        {"messages": [{"role": role, "content": text} for role, text in zip(roles, texts)]}  # noqa: B905 — as long by construction
    )
    assert [message.content for message in conversation.messages] == texts
