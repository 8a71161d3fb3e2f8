"""The READMEs' examples are run, and what they list is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.lambda_events import http_event
from chat import conversation, model
from inference.model import load_model
from inference.requests import MAX_URLS
from inference.url import MAX_URL_CHARACTERS
from lambda_shared import errors, events
from lambda_shared.invocation import FakeContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import pytest
    from backend.converse_server import ConverseServer

BACKEND = Path(__file__).parents[2] / "backend"
CHAT = (BACKEND / "chat" / "README.md").read_text(encoding="utf-8")
INFERENCE = (BACKEND / "inference" / "README.md").read_text(encoding="utf-8")
SHARED = (BACKEND / "shared" / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def shape(value: object) -> object:
    """The names and types in a JSON value."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value)


def codes(*modules: ModuleType) -> dict[str, int]:
    kinds = [kind for module in modules for kind in vars(module).values() if is_error(kind)]
    return {kind.code: int(kind.status) for kind in kinds}


def is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.HttpError) and hasattr(kind, "code")


def test_the_chat_examples_are_answered_in_the_shape_that_is_shown(
    new_environment: Callable[[str], ModuleType],
    bedrock: ConverseServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BEDROCK_MODEL_ID", "eu.amazon.nova-lite-v1:0")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    handler = new_environment("chat").handler

    def answer(method: str, path: str, body: str | None = None) -> Any:
        return json.loads(handler(http_event(method, path, body), FakeContext())["body"])

    (sent,) = re.findall(r"-d '(.*?)'", blocks(CHAT, "sh")[0], flags=re.DOTALL)
    chat, health, refusal = map(json.loads, blocks(CHAT, "json"))
    assert shape(answer("POST", "/chat", sent)) == shape(chat)
    assert shape(answer("GET", "/chat/health") | {"lock": "none here"}) == shape(health)
    assert shape(answer("POST", "/chat", '{"messages": [{}]}')) == shape(refusal)


def test_the_limits_that_are_listed_are_those_that_are_kept() -> None:
    for limit in (
        conversation.MAX_MESSAGES,
        conversation.MAX_CONTENT_CHARACTERS,
        conversation.MAX_MAX_TOKENS,
    ):
        assert f" {limit:,}" in CHAT
    assert f" {conversation.MAX_BODY_BYTES // 2**20} MiB" in CHAT


def test_every_error_of_chat_is_listed_with_its_status() -> None:
    listed = {
        code: int(status)
        for cells, names in re.findall(r"^\| ([45][\d, ]+) \| (`.*?`) \|", CHAT, re.MULTILINE)
        for status, code in zip(cells.split(", "), re.findall(r"`(\w+)`", names), strict=True)
    }
    known = codes(errors, events, model) | {"internal_error": 500}
    assert listed.items() <= known.items()
    of_chat = {code for code in codes(model) if code not in codes(errors)}
    assert of_chat | {"unsupported_event", "internal_error"} <= set(listed)


def test_the_inference_examples_are_answered_as_they_are_shown(
    inference: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")

    def answer(method: str, path: str, body: str | None = None) -> Any:
        event = http_event(method, path, body)
        return json.loads(inference.handler(event, FakeContext())["body"])

    (sent,) = re.findall(r"-d '(.*?)'", blocks(INFERENCE, "sh")[0], flags=re.DOTALL)
    judged, health, refusal = map(json.loads, blocks(INFERENCE, "json"))
    assert answer("POST", "/inference", sent) == judged
    told = answer("GET", "/inference/health")
    assert told == health | {"python": told["python"], "lock": None}
    refused = answer("POST", "/inference", '{"urls": ["https://a.example/", "example.com"]}')
    assert refused["error"] == refusal["error"]
    assert shape(refused) == shape(refusal)


def test_the_figures_of_inference_are_those_of_its_card() -> None:
    held_out = load_model().card["held_out"]
    figures = [
        float(text) for text in re.findall(r"^\| .* \| ([\d.]+) \|$", INFERENCE, re.MULTILINE)
    ]
    assert figures == [held_out[name] for name in ("auc", "precision", "recall", "false_alarms")]
    assert f"at most {MAX_URL_CHARACTERS:,} characters" in INFERENCE
    assert f"1 to {MAX_URLS} of these" in INFERENCE


def test_the_shared_librarys_example_is_a_function() -> None:
    (example,) = blocks(SHARED, "python")
    namespace: dict[str, Any] = {}
    exec(example, namespace)  # noqa: S102 — our own README
    reply = namespace["handler"](http_event("GET", "/hello"), FakeContext())
    assert json.loads(reply["body"]) == {"message": "Hello!"}
