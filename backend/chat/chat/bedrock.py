"""Amazon Bedrock's Converse API: the only place that knows boto3.

How a slow model is cut off before Lambda's own time-out. A botocore client cannot do it: its
timeouts are fixed when it is made; they bound one wait on the socket and not the call, so a
server that sends a byte now and then keeps it waiting for ever; name resolution has none; and
every retry starts anew, after a read timeout too. (A time limit for one request, botocore's
`context["read_timeout"]`, came in August 2026, is not documented, and older versions ignore it.)
So the call runs in a thread of its own, and is waited for until the deadline and no longer:
measured in the runtime emulator with a time-out of 3 s, a silent server and one that drips a
byte every 50 ms are both answered for with 504 after 2.50 s, which is the deadline.

The thread that nobody waits for any more costs nothing while Lambda holds the environment, and
ends when the server falls silent for the client's read timeout. It must not retry, since each
attempt is billed: botocore's `before-send` event comes before every one, and refuses late ones.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from chat.conversation import Conversation, Message, Reply, Role, Usage
from chat.model import (
    ConversationTooLargeError,
    ModelAccessDeniedError,
    ModelFailedError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelThrottledError,
    ModelTimeoutError,
    ModelUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.exceptions import BotoCoreError, ClientError
    from lambda_shared.errors import HttpError
    from lambda_shared.invocation import Deadline
    from types_boto3_bedrock_runtime import BedrockRuntimeClient
    from types_boto3_bedrock_runtime.type_defs import (
        ConverseRequestTypeDef,
        ConverseResponseTypeDef,
        InferenceConfigurationTypeDef,
    )

    from chat.settings import ModelId

_CONNECT_TIMEOUT_S: Final = 3
# No deadline is further away (an HTTP API waits 30 s), so this one ends abandoned calls only.
_READ_TIMEOUT_S: Final = 30
# A connection that was kept while Lambda held the environment is often dead when it goes on:
# one more attempt hides that. More would take the caller's time; it has Retry-After for that.
_ATTEMPTS: Final = 2
# What models say when a conversation does not fit: Anthropic's, Amazon's and others' words.
_TOO_LONG: Final = (
    "too long",
    "too many total text bytes",
    "exceed context limit",
    "maximum context length",
)
# What Bedrock says when the id is wrong, or is not the one to call the model by.
_NO_SUCH_MODEL: Final = ("model identifier", "on-demand throughput", "inference profile")

_logger = logging.getLogger(__name__)
_deadline: ContextVar[Deadline] = ContextVar("deadline")
_Result = TypeVar("_Result")


class BedrockModel:
    """A model on Bedrock; the client is made at its first conversation and kept."""

    def __init__(self, model_id: ModelId) -> None:
        self._model_id = model_id

    def reply_to(self, conversation: Conversation, deadline: Deadline) -> Reply:
        """What the model says next; see `chat.model.ChatModel`."""
        request = _converse_request(self._model_id, conversation)
        client = self._client
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 — see _client

        try:
            response = _call_until(deadline, lambda: client.converse(**request))
        except _DeadlineError as error:
            raise self._timeout("no answer before the deadline") from error
        except ClientError as error:
            raise self._refusal(error) from error
        except BotoCoreError as error:
            raise self._breakdown(error) from error
        except Exception as error:
            # botocore's parsers raise whatever they stumble over.
            raise ModelFailedError(
                note=f"Bedrock's answer for model {self._model_id} cannot be read: {error!r}"
            ) from error
        reply = self._reply(response)
        _logger.info(
            "Bedrock replied",
            extra={
                "model": self._model_id,
                "stop_reason": reply.stop_reason,
                "input_tokens": reply.usage.input_tokens,
                "output_tokens": reply.usage.output_tokens,
                "latency_ms": response.get("metrics", {}).get("latencyMs"),
                "attempts": 1 + response["ResponseMetadata"].get("RetryAttempts", 0),
            },
        )
        return reply

    @cached_property
    def _client(self) -> BedrockRuntimeClient:
        # boto3 is imported here and not at the top: with its client it costs three times what
        # everything else does (130 ms and 40, with valid bytecode). The first conversation pays
        # for it in either case; at the top every cold start would, as billed init, health and
        # refused requests too, and a package whose boto3 is broken could not even tell so.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        # At DEBUG botocore logs whole requests and responses: what people say does not belong
        # into logs, and LOG_LEVEL=DEBUG must not change that. At INFO it has nothing to tell.
        logging.getLogger("botocore").setLevel(logging.WARNING)
        client: BedrockRuntimeClient = boto3.client(
            "bedrock-runtime",
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ),
        )
        client.meta.events.register("before-send.bedrock-runtime.Converse", _refuse_late_attempt)
        return client

    def _refusal(self, error: ClientError) -> HttpError:  # noqa: PLR0911 — a table of errors
        """What an error answer of Bedrock means to the caller and to the operator.

        Each error of Converse has an HTTP status of its own, save two (botocore's service model
        of bedrock-runtime; "Troubleshooting Amazon Bedrock API Error Codes"). A status also
        covers what comes from elsewhere, such as expired credentials and proxies.
        """
        code = error.response["Error"].get("Code", "")
        said = error.response["Error"].get("Message", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        because = f"model {self._model_id}: {code} (HTTP {status}): {said.rstrip('.')}"
        match status, code:
            case 400, "ValidationException":
                return self._invalid(said, because)
            case 401 | 403, _:
                return ModelAccessDeniedError(
                    note=f"Bedrock denies access to {because}. Allow the function's role "
                    "bedrock:InvokeModel on the model (with an inference profile: on the "
                    "profile, and on its models in every region that it names), and see that "
                    "the account has access to the model in this region (Bedrock console, "
                    "Model access)."
                )
            case 404, _:
                return self._unknown(because)
            case 408 | 504, _:
                return self._timeout(because)
            case 429, "ModelNotReadyException":
                return ModelUnavailableError(
                    note=f"Bedrock is still loading {because}. It passes by itself."
                )
            case 429, _:
                return ModelThrottledError(
                    note=f"Bedrock throttles {because}. If it goes on, ask for higher quotas of "
                    "requests and tokens per minute (Service Quotas console, Amazon Bedrock), "
                    "or take a cross-region inference profile."
                )
            case 503, _:
                return ModelUnavailableError(
                    note=f"Bedrock is unavailable for {because}. It passes by itself; see the "
                    "AWS Health Dashboard if it does not."
                )
            case _:
                return ModelFailedError(
                    note=f"Bedrock failed for {because}. If it goes on, try another model or "
                    "see the AWS Health Dashboard."
                )

    def _invalid(self, said: str, because: str) -> HttpError:
        """Converse has one code for all that is invalid, so only its message tells whose it is."""
        words = said.casefold()
        if any(each in words for each in _TOO_LONG):
            return ConversationTooLargeError(field="messages", note=f"Refused by {because}")
        if "maximum tokens" in words:
            return ConversationTooLargeError(field="max_tokens", note=f"Refused by {because}")
        if any(each in words for each in _NO_SUCH_MODEL):
            return self._unknown(because)
        return ModelRefusedError(
            note=f"Bedrock refused the request for {because}. Not every model takes a system "
            "prompt, a temperature and every max_tokens: see whether it does, and whether the "
            "account may use it."
        )

    def _unknown(self, because: str) -> HttpError:
        return ModelNotFoundError(
            note=f"Bedrock does not know {because}. Set BEDROCK_MODEL_ID to a model that "
            "Converse supports in this region, or to an inference profile where the model has no "
            "on-demand throughput; to list them:  aws bedrock list-inference-profiles"
        )

    def _timeout(self, because: str) -> HttpError:
        return ModelTimeoutError(
            note=f"Bedrock took too long for model {self._model_id}: {because}. Take a faster "
            "model or a lower max_tokens, or give the function a longer time-out (an HTTP API "
            "waits 30 seconds at most)."
        )

    def _breakdown(self, error: BotoCoreError) -> HttpError:
        """What it means that no answer of Bedrock came, or none that botocore understands."""
        from botocore.exceptions import (  # noqa: PLC0415 — see _client
            ConnectionClosedError,
            ConnectTimeoutError,
            EndpointConnectionError,
            HTTPClientError,
            ReadTimeoutError,
        )

        match error:
            case ReadTimeoutError():
                return self._timeout(str(error).rstrip("."))
            case (
                EndpointConnectionError()
                | ConnectTimeoutError()
                | ConnectionClosedError()
                | HTTPClientError()
            ):
                return ModelUnavailableError(
                    note=f"Bedrock cannot be reached: {str(error).rstrip('.')}. In a VPC the "
                    "function needs an interface endpoint for bedrock-runtime or a NAT gateway; "
                    "elsewhere see that the region has Bedrock."
                )
            case _:
                # Credentials, region, parameters: the function is set up wrongly.
                raise error

    def _reply(self, response: ConverseResponseTypeDef) -> Reply:
        """The reply in Converse's answer: its text, without reasoning and other kinds of blocks.

        Several blocks of text are one text in pieces. There may be none, when the tokens ran
        out or a guardrail stepped in: `stop_reason` says which.
        """
        try:
            blocks = response["output"]["message"]["content"]
            usage = response["usage"]
            return Reply(
                message=Message(
                    role=Role.ASSISTANT,
                    content="".join(block["text"] for block in blocks if "text" in block),
                ),
                model=self._model_id.public_name,
                stop_reason=response["stopReason"],
                usage=Usage(
                    input_tokens=usage["inputTokens"],
                    output_tokens=usage["outputTokens"],
                    total_tokens=usage["totalTokens"],
                ),
            )
        except (KeyError, TypeError) as error:
            raise ModelFailedError(
                note=f"Bedrock's answer for model {self._model_id} is not Converse's: "
                f"{error!r} is missing"
            ) from error


def _converse_request(model_id: ModelId, conversation: Conversation) -> ConverseRequestTypeDef:
    request: ConverseRequestTypeDef = {
        "modelId": model_id,
        "messages": [
            {"role": message.role.value, "content": [{"text": message.content}]}
            for message in conversation.messages
        ],
    }
    if conversation.system is not None:
        request["system"] = [{"text": conversation.system}]
    limits: InferenceConfigurationTypeDef = {}
    if conversation.max_tokens is not None:
        limits["maxTokens"] = conversation.max_tokens
    if conversation.temperature is not None:
        limits["temperature"] = conversation.temperature
    if limits:
        request["inferenceConfig"] = limits
    return request


class _DeadlineError(Exception):
    """The deadline has passed."""


def _call_until(deadline: Deadline, call: Callable[[], _Result]) -> _Result:
    """What `call` returns or raises, if it does so by the deadline.

    Raises:
        _DeadlineError: It did not; it goes on in its thread, and what comes of it is dropped.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 — it is raised where it is waited for
            future.set_exception(error)

    # The context carries the request id to botocore's log lines, and the deadline to its events.
    context = copy_context()
    context.run(_deadline.set, deadline)
    threading.Thread(target=context.run, args=(run,), name="converse", daemon=True).start()
    try:
        return future.result(timeout=deadline.seconds_left())
    except TimeoutError:
        raise _DeadlineError from None


def _refuse_late_attempt(**_event: object) -> None:
    if _deadline.get().seconds_left() <= 0:
        raise _DeadlineError
