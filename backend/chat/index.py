"""The chat function's handler. It only adapts: what it does is in the package `chat`."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chat.bedrock import BedrockModel
from chat.conversation import parse_conversation
from chat.health import report_health
from chat.settings import ChatSettings
from lambda_shared.answers import Answer
from lambda_shared.http_api import serve
from lambda_shared.settings import read_settings

if TYPE_CHECKING:
    from chat.model import ChatModel
    from lambda_shared.events import HttpRequest
    from lambda_shared.invocation import Deadline, LambdaContext


def handler(event: object, context: LambdaContext) -> dict[str, object]:
    """The reply to an HTTP API event (payload format 2.0), or to whatever else is sent here."""
    return serve(event, context, {"POST /chat": _chat, "GET /chat/health": _health})


def _chat(request: HttpRequest, deadline: Deadline) -> Answer:
    conversation = parse_conversation(request.body)
    return Answer(body=_model().reply_to(conversation, deadline).to_json())


def _health(_request: HttpRequest, _deadline: Deadline) -> Answer:
    return Answer(body=report_health(os.environ, package=Path(__file__).parent))


@cache
def _model() -> ChatModel:
    # Once per environment, at its first conversation: health answers without a model, also when
    # the settings are wrong.
    settings = read_settings(ChatSettings, os.environ)
    return BedrockModel(settings.bedrock_model_id)
