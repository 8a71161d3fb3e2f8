"""What the chat needs of a language model, and a fake one for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lambda_shared.errors import (
    BadGatewayError,
    BadRequestError,
    GatewayTimeoutError,
    ServiceUnavailableError,
    TooManyRequestsError,
)

from chat.conversation import Conversation, Message, Reply, Role, Usage

if TYPE_CHECKING:
    from lambda_shared.invocation import Deadline


class ChatModel(Protocol):
    """A language model that answers conversations."""

    def reply_to(self, conversation: Conversation, deadline: Deadline) -> Reply:
        """What the model says next, before the deadline.

        Raises:
            ConversationTooLargeError: The model takes no conversation, or answer, as long as this.
            ModelThrottledError: Too many requests, or tokens, for the account's quota.
            ModelTimeoutError: The model did not answer before the deadline.
            ModelAccessDeniedError: The function may not use the model.
            ModelNotFoundError: There is no such model here.
            ModelRefusedError: The model does not take such a request.
            ModelFailedError: The model, or its service, failed or answered nonsense.
            ModelUnavailableError: The model cannot be reached now.
        """
        ...


_ASK_OPERATOR = "The service's operator finds the reason in its log, under the request id."


class ConversationTooLargeError(BadRequestError):
    """The model takes no conversation, or answer, as long as this."""

    code = "conversation_too_large"

    def __init__(self, *, field: str, note: str) -> None:
        super().__init__(f"{field} is more than the model takes.", field=field, note=note)


class ModelThrottledError(TooManyRequestsError):
    """Too many requests, or tokens, for the account's quota."""

    code = "model_throttled"

    def __init__(self, *, note: str) -> None:
        # Bedrock's quotas are per minute: the caller need not wait for a whole one.
        super().__init__("The model is busy; try again later.", retry_after_s=10, note=note)


class ModelTimeoutError(GatewayTimeoutError):
    """The model did not answer in time."""

    code = "model_timeout"

    def __init__(self, *, note: str) -> None:
        message = "The model did not answer in time; ask for less, or set a lower max_tokens."
        super().__init__(message, note=note)


class ModelAccessDeniedError(BadGatewayError):
    """The function may not use the model."""

    code = "model_access_denied"

    def __init__(self, *, note: str) -> None:
        super().__init__(f"The service may not use its model. {_ASK_OPERATOR}", note=note)


class ModelNotFoundError(BadGatewayError):
    """There is no such model here, or it cannot be used in this way."""

    code = "model_not_found"

    def __init__(self, *, note: str) -> None:
        super().__init__(f"The service's model does not exist. {_ASK_OPERATOR}", note=note)


class ModelRefusedError(BadGatewayError):
    """The model does not take such a request, and Bedrock does not say whose fault it is."""

    code = "model_refused"

    def __init__(self, *, note: str) -> None:
        message = "The model refused the request; it may not take system, temperature or max_tokens"
        super().__init__(f"{message}. {_ASK_OPERATOR}", note=note)


class ModelFailedError(BadGatewayError):
    """The model, or its service, failed or answered nonsense."""

    code = "model_failed"

    def __init__(self, *, note: str) -> None:
        super().__init__(f"The model failed. {_ASK_OPERATOR}", note=note)


class ModelUnavailableError(ServiceUnavailableError):
    """The model cannot be reached now."""

    code = "model_unavailable"

    def __init__(self, *, note: str) -> None:
        message = "The model cannot be reached; try again later."
        super().__init__(message, retry_after_s=10, note=note)


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeModel:
    """A model that repeats what it was told last, and remembers what it was asked."""

    asked: list[Conversation] = field(default_factory=list)

    def reply_to(self, conversation: Conversation, deadline: Deadline) -> Reply:
        """The last message, as the assistant's."""
        del deadline  # it is never late
        self.asked.append(conversation)
        content = conversation.messages[-1].content
        return Reply(
            message=Message(role=Role.ASSISTANT, content=content),
            model="fake",
            stop_reason="end_turn",
            usage=Usage(input_tokens=1, output_tokens=1, total_tokens=2),
        )
