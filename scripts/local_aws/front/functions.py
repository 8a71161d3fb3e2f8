"""The functions that routes call, through the mock's Lambda API, as API Gateway calls them."""

from __future__ import annotations

import json
import logging
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from local_aws.front import reply
from local_aws.front.event import Request, Stage, event
from local_aws.front.permission import permits, source_arn
from local_aws.front.reply import Reply, message

if TYPE_CHECKING:
    from types_boto3_apigatewayv2 import ApiGatewayV2Client
    from types_boto3_lambda import LambdaClient

    from local_aws.front.apis import HttpApi
    from local_aws.front.routes import Match, Route

# "Lambda quotas", in the Lambda guide.
_EVENT_LIMIT = 6 * 1024 * 1024

_POLICY_TIMEOUT_S = 30.0

_INTERNAL = HTTPStatus.INTERNAL_SERVER_ERROR

_log = logging.getLogger(__name__)


class _RefusedError(Exception):
    """Why a request is not handed to its function; the caller only learns of an error."""


class Functions:
    """Calls the functions that routes name."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def call(self, api: HttpApi, stage: Stage, found: Match, request: Request) -> Reply:
        """Return what becomes of a request whose route is known."""
        try:
            arn, timeout_s = _target(found.route)
            source = source_arn(
                arn, api_id=api.id, stage=stage.name, method=request.method, route=found.route
            )
            self._check_permission(arn, source)
        except _RefusedError as error:
            return message(_INTERNAL, why=str(error))
        payload = json.dumps(
            event(request, found, api_id=api.id, account_id=arn.split(":")[4], stage=stage)
        ).encode()
        if len(payload) > _EVENT_LIMIT:
            return message(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why="the event is over Lambda's 6 MB"
            )
        return self._invoked(arn, payload, timeout_s)

    def _check_permission(self, arn: str, source: str) -> None:
        name, qualifier = _name_and_qualifier(arn)
        policy = self._policy(name, qualifier)
        if not permits(policy, function_arn=arn, source_arn=source):
            wanted = f' and qualifier = "{qualifier}"' if qualifier else ""
            raise _RefusedError(
                f"the policy of {arn} does not let apigateway.amazonaws.com invoke it for "
                f"{source}: an aws_lambda_permission with that source_arn{wanted} is missing"
            )

    def _policy(self, name: str, qualifier: str | None) -> str | None:
        client = self._clients.functions(timeout_s=_POLICY_TIMEOUT_S)
        try:
            if qualifier is None:
                return client.get_policy(FunctionName=name)["Policy"]
            return client.get_policy(FunctionName=name, Qualifier=qualifier)["Policy"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise _RefusedError(f"the policy of {name} cannot be read: {error}") from error
        except BotoCoreError as error:
            raise _RefusedError(f"the local AWS cannot be reached: {error}") from error

    def _invoked(self, arn: str, payload: bytes, timeout_s: float) -> Reply:
        try:
            answer = self._clients.functions(timeout_s=timeout_s).invoke(
                FunctionName=arn, Payload=payload
            )
            result = answer["Payload"].read()
        except ReadTimeoutError:
            return message(
                HTTPStatus.SERVICE_UNAVAILABLE,
                why=f"no answer within the integration's {timeout_s:g} s",
            )
        except ClientError as error:
            return _invoke_refused(error)
        except BotoCoreError as error:
            return message(_INTERNAL, why=f"the local AWS cannot be reached: {error}")
        if answer.get("FunctionError"):
            return reply.from_function_error(result)
        return reply.from_payload(result)


class Clients:
    """Clients of the mock, made on first use."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._session = boto3.Session(
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 (the mock checks none)
            region_name=region,
        )
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._functions: dict[float, LambdaClient] = {}

    def api_gateway(self) -> ApiGatewayV2Client:
        """Return a client of apigatewayv2."""
        client: ApiGatewayV2Client = self._session.client(
            "apigatewayv2", endpoint_url=self._endpoint_url, config=Config(proxies={})
        )
        return client

    def functions(self, *, timeout_s: float) -> LambdaClient:
        """Return a client of lambda that waits so long for an answer, and never asks twice."""
        with self._lock:
            if timeout_s not in self._functions:
                self._functions[timeout_s] = self._session.client(
                    "lambda",
                    endpoint_url=self._endpoint_url,
                    config=Config(
                        proxies={},  # it is on this machine, whatever HTTP_PROXY says
                        read_timeout=timeout_s,
                        retries={"total_max_attempts": 1},
                        max_pool_connections=64,
                    ),
                )
            return self._functions[timeout_s]


def _target(route: Route) -> tuple[str, float]:
    """Return the ARN that a route calls, and how long it may take."""
    integration = route.integration
    if integration is None:
        raise _RefusedError(f"{route.key} has no integration")
    arn = integration.function_arn
    if integration.kind != "AWS_PROXY" or arn is None:
        raise _RefusedError(
            f"{route.key} has a {integration.kind} integration; only Lambda functions run here"
        )
    if integration.payload_format != "2.0":
        raise _RefusedError(
            f"{route.key} wants payload format {integration.payload_format}; only 2.0 is made here"
        )
    if route.authorization != "NONE":
        _log.warning("%s wants %s, which is not checked here", route.key, route.authorization)
    return arn, integration.timeout_s


def _name_and_qualifier(arn: str) -> tuple[str, str | None]:
    parts = arn.split(":")
    return parts[6], parts[7] if len(parts) > 7 else None  # noqa: PLR2004 (an ARN's eighth part)


def _invoke_refused(error: ClientError) -> Reply:
    match error.response["Error"]["Code"]:
        case "TooManyRequestsException":
            # Not in AWS's guides: what HTTP APIs were seen to answer; REST APIs say 500.
            return message(HTTPStatus.SERVICE_UNAVAILABLE, why="Lambda throttled the function")
        case "RequestTooLargeException" | "RequestEntityTooLargeException":
            return message(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why=str(error))
        case _:
            return message(_INTERNAL, why=f"Lambda refused the invocation: {error}")
