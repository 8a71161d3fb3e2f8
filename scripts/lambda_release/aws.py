"""The one door to AWS: Lambda's aliases and versions, CloudWatch's alarms and metrics."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambda_release.alias import Alias
from lambda_release.errors import AwsError, ConflictError, LambdaReleaseError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.type_defs import AliasConfigurationResponseTypeDef

    from lambda_release.functions import Function

# botocore waits longer after each throttled attempt: 20 s at most, about a minute for all.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=90,  # a synthetic request is slower than any other call
    retries={"mode": "standard", "total_max_attempts": 8},
)
_PERIOD_S = 60  # in which Lambda publishes its metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """What a version made of an event."""

    version: str
    function_error: str
    payload: Any
    duration_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Requests:
    """How many requests a version got by its alias, and how many of them failed."""

    count: int
    errors: int


class Aws:
    """AWS as a release needs it; its clients are made on first use."""

    def __init__(self, session: boto3.Session | None = None) -> None:
        self._session = session

    @cached_property
    def functions(self) -> LambdaClient:
        """Return the client of Lambda."""
        client: LambdaClient = (self._session or boto3.Session()).client("lambda", config=_CONFIG)
        return client

    @cached_property
    def metrics(self) -> CloudWatchClient:
        """Return the client of CloudWatch."""
        client: CloudWatchClient = (self._session or boto3.Session()).client(
            "cloudwatch", config=_CONFIG
        )
        return client

    def alias(self, function: Function) -> Alias:
        """Return what the function's alias serves."""
        with _asking(f"the alias {function.alias} of {function.name}"):
            return _alias(self.functions.get_alias(FunctionName=function.name, Name=function.alias))

    def move(self, function: Function, found: Alias, to: Alias) -> Alias:
        """Have the alias serve something else than was found, and return it.

        ConflictError if somebody else has moved it since.
        """
        try:
            with _asking(f"the alias {function.alias} of {function.name}"):
                return _alias(
                    self.functions.update_alias(
                        FunctionName=function.name,
                        Name=function.alias,
                        FunctionVersion=to.version,
                        RoutingConfig={"AdditionalVersionWeights": dict(to.weights)},
                        Description=to.description,
                        RevisionId=found.revision,
                    )
                )
        except ConflictError:
            # An answer may have been lost, and the call repeated: then it was this one.
            now = self.alias(function)
            if same(now, to):
                return now
            raise

    def newest_version(self, function: Function) -> str:
        """Return the version that was published last."""
        return self.versions(function)[-1]

    def versions(self, function: Function) -> list[str]:
        """Return the published versions, the newest one last."""
        with _asking(f"the function {function.name}"):
            pages = self.functions.get_paginator("list_versions_by_function").paginate(
                FunctionName=function.name
            )
            numbers = [each["Version"] for page in pages for each in page["Versions"]]
        published = sorted((each for each in numbers if each.isdecimal()), key=int)
        if not published:
            raise NotFoundError(
                f"{function.name} has no published version. Apply the stack, which publishes one"
            )
        return published

    def state(self, function: Function, version: str) -> tuple[str, str]:
        """Return a version's state (Active, Pending, Inactive, Failed), and its reason."""
        with _asking(f"version {version} of {function.name}"):
            told = self.functions.get_function_configuration(
                FunctionName=function.name, Qualifier=version
            )
        return told.get("State", "Active"), told.get("StateReason", "")

    def invoke(self, function: Function, version: str, event: Mapping[str, Any]) -> Invocation:
        """Return what a version makes of an event, past the alias."""
        started = time.perf_counter()
        with _asking(f"version {version} of {function.name}"):
            answer = self.functions.invoke(
                # Not Qualifier=, which moto ignores; AWS takes both.
                FunctionName=f"{function.name}:{version}",
                Payload=json.dumps(event),
            )
            payload = answer["Payload"].read()
        return Invocation(
            version=answer.get("ExecutedVersion", ""),
            function_error=answer.get("FunctionError", ""),
            payload=_json(payload),
            duration_ms=(time.perf_counter() - started) * 1000,
        )

    def wake(self, function: Function, version: str) -> None:
        """Have Lambda bring back a version that it has put away; that call itself fails."""
        with suppress(AwsError), _asking(f"version {version} of {function.name}"):
            self.functions.invoke(
                FunctionName=f"{function.name}:{version}", InvocationType="Event", Payload=b"{}"
            )

    def ringing(self, alarms: Sequence[str]) -> dict[str, str]:
        """Return those alarms that ring, with why; NotFoundError if there is no such alarm."""
        states: dict[str, tuple[str, str]] = {}
        with _asking("alarms"):
            for start in range(0, len(alarms), 100):  # CloudWatch API reference, "DescribeAlarms"
                told = self.metrics.describe_alarms(
                    AlarmNames=list(alarms[start : start + 100]),
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=100,
                )
                for each in (*told.get("MetricAlarms", []), *told.get("CompositeAlarms", [])):
                    states[each["AlarmName"]] = (each["StateValue"], each.get("StateReason", ""))
        if missing := [name for name in alarms if name not in states]:
            raise NotFoundError(
                f"there is no alarm {', '.join(missing)} to watch. Apply the stack, which makes "
                "its alarms, then try again"
            )
        return {name: why for name, (state, why) in states.items() if state == "ALARM"}

    def requests(
        self, function: Function, version: str, since: datetime, until: datetime
    ) -> Requests:
        """Return what came to a version by the alias in that time, in whole minutes."""
        # AWS Lambda developer guide, "Types of metrics for Lambda functions": what a version did
        # for a weighted alias has these three dimensions, and no fewer.
        dimensions = [
            {"Name": "FunctionName", "Value": function.name},
            {"Name": "Resource", "Value": f"{function.name}:{function.alias}"},
            {"Name": "ExecutedVersion", "Value": version},
        ]
        queries: Any = [
            _sum(identifier, metric, dimensions)
            for identifier, metric in (("requests", "Invocations"), ("errors", "Errors"))
        ]
        sums = {"requests": 0.0, "errors": 0.0}
        with _asking(f"metrics of {function.name}"):
            pages = self.metrics.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries,
                StartTime=since.replace(second=0, microsecond=0),
                EndTime=until + timedelta(seconds=_PERIOD_S),
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    sums[result["Id"]] += sum(result["Values"])
        return Requests(count=round(sums["requests"]), errors=round(sums["errors"]))


def same(one: Alias, other: Alias) -> bool:
    """Return whether both say the same of an alias, whatever its revision."""
    return (one.version, dict(one.weights), one.description) == (
        other.version,
        dict(other.weights),
        other.description,
    )


def _alias(told: AliasConfigurationResponseTypeDef) -> Alias:
    routing = told.get("RoutingConfig") or {}
    weights: Mapping[str, float] = routing.get("AdditionalVersionWeights") or {}
    return Alias(
        version=told["FunctionVersion"],
        weights={version: weight for version, weight in sorted(weights.items()) if weight},
        description=told.get("Description", ""),
        revision=told["RevisionId"],
    )


def _sum(identifier: str, metric: str, dimensions: Any) -> MetricDataQueryTypeDef:
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": dimensions,
            },
            "Period": _PERIOD_S,
            "Stat": "Sum",
        },
    }


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn AWS's errors into ours, which say what was asked for."""
    try:
        yield
    except LambdaReleaseError:
        raise
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            raise NotFoundError(
                f"{what} is not in AWS: {error.response['Error'].get('Message', code)}. If account "
                "and region are right, apply the stack first"
            ) from error
        if code == "PreconditionFailedException":
            raise ConflictError(
                f"{what} was moved by somebody else meanwhile, and is left as they set it. See "
                "what it serves, then start again if that is still wanted"
            ) from error
        raise AwsError(f"AWS refuses, asked for {what}: {error}") from error
    except BotoCoreError as error:
        raise AwsError(f"AWS cannot be asked for {what}: {error}") from error
