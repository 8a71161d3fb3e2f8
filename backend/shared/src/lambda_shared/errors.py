"""The errors that a caller may see, each with the HTTP status that it is answered with.

HttpError                     the root; never raised itself
├── BadRequestError           400  the caller's request breaks a rule; names the field
├── NotFoundError             404  no such path
├── MethodNotAllowedError     405  the path is there, for other methods
├── ContentTooLargeError      413  the body is larger than is taken
├── TooManyRequestsError      429  later, says Retry-After
├── BadGatewayError           502  what stands behind the function failed, or refused it
├── ServiceUnavailableError   503  what stands behind it is away; Retry-After
└── GatewayTimeoutError       504  what stands behind it did not answer in time

Every other exception is answered with 500 and the request id, and nothing else.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from lambda_shared.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping


class HttpError(Exception):
    """An error with two readers: `message` is for the caller, `note` is for the operator.

    `message` is answered, so it holds no ARN, no account and nothing of another program's
    errors. `note` goes to the log only: what failed, why, and what to do about it.
    """

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        retry_after_s: int | None = None,
        note: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s
        self.note = note

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that belong to the status."""
        return {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}


class BadRequestError(HttpError):
    """The request breaks a rule that the caller can keep."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid_request"


class NotFoundError(HttpError):
    """There is nothing at the path."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class MethodNotAllowedError(HttpError):
    """The path takes other methods: `allowed`."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        """Allow, which RFC 9110 asks of every 405."""
        return {"allow": ", ".join(self.allowed)}


class ContentTooLargeError(HttpError):
    """The body is larger than is taken."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "content_too_large"


class TooManyRequestsError(HttpError):
    """A limit was reached, and it passes."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"


class BadGatewayError(HttpError):
    """What stands behind the function failed, or refused it."""

    status = HTTPStatus.BAD_GATEWAY
    code = "bad_gateway"


class ServiceUnavailableError(HttpError):
    """What stands behind the function is away, and comes back."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "service_unavailable"


class GatewayTimeoutError(HttpError):
    """What stands behind the function did not answer in time."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "gateway_timeout"


def answer_error(error: Exception, *, request_id: str) -> Answer:
    """The answer to an error: safe to show, and the request id to find the rest in the log by."""
    if not isinstance(error, HttpError):
        status, headers = HTTPStatus.INTERNAL_SERVER_ERROR, dict[str, str]()
        shown = {
            "code": "internal_error",
            "message": "The request failed; its log has the reason under the request id.",
        }
    else:
        status, headers = error.status, dict(error.headers)
        shown = {"code": error.code, "message": error.message}
        if error.field is not None:
            shown["field"] = error.field
    return Answer(status=status, headers=headers, body={"error": shown, "request_id": request_id})
