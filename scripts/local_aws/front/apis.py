"""The HTTP APIs that Terraform made, as the mock's apigatewayv2 tells them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.front.cors import Cors
from local_aws.front.event import Stage
from local_aws.front.routes import DEFAULT, Integration, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from types_boto3_apigatewayv2 import ApiGatewayV2Client

# A route that was just made shows up after this time; a request costs no look-up meanwhile.
_FRESH_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpApi:
    """An HTTP API."""

    id: str
    name: str
    routes: tuple[Route, ...]
    stages: tuple[Stage, ...]
    cors: Cors | None

    def stage_of(self, path: str) -> tuple[Stage, str] | None:
        """Return the stage that a path names (else `$default`) and the path below it."""
        first, _, rest = path.removeprefix("/").partition("/")
        stages = {stage.name: stage for stage in self.stages}
        if first != DEFAULT and first in stages:
            return stages[first], f"/{rest}"
        return (stages[DEFAULT], path) if DEFAULT in stages else None


def choose(apis: Sequence[HttpApi], *, host: str, path: str) -> tuple[HttpApi, str] | None:
    """Return the API that a request is for, and the request's path in it.

    `http://API_ID.…/path` as on AWS, or `/API_ID/path`; a single API answers every request.
    """
    by_id = {api.id: api for api in apis}
    label = host.partition(".")[0]
    if label in by_id:
        return by_id[label], path
    first, _, rest = path.removeprefix("/").partition("/")
    if first in by_id:
        return by_id[first], f"/{rest}"
    return (apis[0], path) if len(apis) == 1 else None


class HttpApis:
    """The HTTP APIs at this moment, read again when what is known is older than a second."""

    def __init__(
        self, client: ApiGatewayV2Client, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, tuple[HttpApi, ...]] | None = None

    def now(self) -> tuple[HttpApi, ...]:
        """Return the HTTP APIs, in the order of their names."""
        with self._lock:
            if self._known is None or self._clock() - self._known[0] > _FRESH_S:
                self._known = (self._clock(), self._read())
            return self._known[1]

    def _read(self) -> tuple[HttpApi, ...]:
        apis = [
            self._api(api)
            for api in self._client.get_apis().get("Items", [])
            if api["ProtocolType"] == "HTTP"
        ]
        return tuple(sorted(apis, key=lambda api: (api.name, api.id)))

    def _api(self, api: Any) -> HttpApi:
        # The mock knows no pages: each list is whole.
        api_id = api["ApiId"]
        integrations = {
            integration["IntegrationId"]: _integration(integration)
            for integration in self._client.get_integrations(ApiId=api_id)["Items"]
        }
        return HttpApi(
            id=api_id,
            name=api["Name"],
            routes=tuple(
                Route(
                    key=route["RouteKey"],
                    integration=integrations.get(
                        route.get("Target", "").removeprefix("integrations/")
                    ),
                    authorization=route.get("AuthorizationType") or "NONE",
                )
                for route in self._client.get_routes(ApiId=api_id)["Items"]
            ),
            stages=tuple(
                Stage(name=stage["StageName"], variables=stage.get("StageVariables", {}))
                for stage in self._client.get_stages(ApiId=api_id)["Items"]
            ),
            cors=_cors(api.get("CorsConfiguration")),
        )


def _integration(integration: Any) -> Integration:
    return Integration(
        uri=integration.get("IntegrationUri", ""),
        kind=integration["IntegrationType"],
        payload_format=integration.get("PayloadFormatVersion") or "1.0",
        timeout_s=(integration.get("TimeoutInMillis") or 30_000) / 1000,
    )


def _cors(configuration: Mapping[str, Any] | None) -> Cors | None:
    if not configuration:
        return None
    return Cors(
        # Origins are compared as browsers write them, in lower case.
        allow_origins=tuple(origin.lower() for origin in configuration.get("AllowOrigins", ())),
        allow_methods=tuple(configuration.get("AllowMethods", ())),
        allow_headers=tuple(configuration.get("AllowHeaders", ())),
        expose_headers=tuple(configuration.get("ExposeHeaders", ())),
        max_age_s=configuration.get("MaxAge"),
        allow_credentials=bool(configuration.get("AllowCredentials", False)),
    )
