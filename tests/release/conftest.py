"""Functions in moto that were published several times, and a clock that nobody waits for."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from lambda_release.aws import Aws
from lambda_release.clock import FakeClock
from lambda_release.functions import Function
from lambda_release.release import Watch, release
from local_aws import moto_gaps
from local_aws.emulator import Result
from moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_release.alias import Alias
    from moto.awslambda.models import LambdaFunction

WATCH = Watch(seconds=60, interval_s=20)
NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)

_numbers = itertools.count()


class KilledError(BaseException):
    """What a killed process does: nothing more."""


class Wire:
    """Sees every call to AWS, by its number from 1; `before` and `after` may raise."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.before: Callable[[int, str], None] = lambda _number, _call: None
        self.after: Callable[[int, str], None] = lambda _number, _call: None

    def watch(self, client: Any) -> None:
        client.meta.events.register("before-call", self._before)
        client.meta.events.register("after-call", self._after)

    def _before(self, model: Any, **_more: Any) -> None:
        self.calls.append(model.name)
        self.before(len(self.calls), model.name)

    def _after(self, model: Any, **_more: Any) -> None:
        self.after(len(self.calls), model.name)

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    @contextmanager
    def ends(self, error: BaseException, *, at: int, when: str, for_good: bool) -> Iterator[None]:
        """Raise at a call's begin or end; at all later calls too, if that is for good."""

        def end(number: int, _call: str) -> None:
            if number == at or (for_good and number > at):
                raise error

        self.calls.clear()
        setattr(self, when, end)
        yield
        self.reset()


@dataclass(kw_only=True)
class World:
    """Two functions of a stack, with everything that a release asks and does."""

    aws: Aws
    wire: Wire
    role: str
    clock: FakeClock = field(default_factory=lambda: FakeClock(time=NOON))
    functions: list[Function] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What versions answer instead of 200, by name and version; an exception's text, if a str."""

    def add(self, key: str, *, image: bool = False, alarms: int = 1, versions: int = 2) -> Function:
        """Add a function whose first version is live."""
        number = next(_numbers)
        name = f"{key}-{number}"
        names = tuple(f"{name}-alarm-{each}" for each in range(alarms))
        event = {"rawPath": f"/{key}/health"}
        function = Function(key=key, name=name, alias="live", check=event, alarms=names)
        code: Any = (
            {"ImageUri": f"any/image@sha256:{number:064}"} if image else {"ZipFile": _zip(0)}
        )
        more: Any = (
            {"PackageType": "Image"} if image else {"Runtime": "python3.12", "Handler": "index.h"}
        )
        self.aws.functions.create_function(FunctionName=name, Role=self.role, Code=code, **more)
        for _ in range(versions):
            self.publish(function, image=image)
        if versions:
            self.aws.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for alarm in names:
            self.alarm(alarm)
            self.ring(alarm, state="OK")
        self.functions.append(function)
        return function

    def publish(self, function: Function, *, image: bool = False) -> str:
        """Publish another version."""
        more: Any = (
            {"ImageUri": f"any/image@sha256:{next(_numbers):064}"}
            if image
            else {"ZipFile": _zip(next(_numbers))}
        )
        told = self.aws.functions.update_function_code(
            FunctionName=function.name, Publish=True, **more
        )
        return told["Version"]

    def alarm(self, name: str) -> None:
        self.aws.metrics.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )

    def ring(self, alarm: str, *, state: Any = "ALARM") -> None:
        self.aws.metrics.set_alarm_state(
            AlarmName=alarm, StateValue=state, StateReason="1 datapoint was 3"
        )

    def count(self, function: Function, version: str, metric: str, value: float) -> None:
        """Publish a metric as Lambda does for a version behind a weighted alias."""
        self.aws.metrics.put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {
                    "MetricName": metric,
                    "Value": value,
                    "Timestamp": self.clock.now(),
                    "Dimensions": [
                        {"Name": "FunctionName", "Value": function.name},
                        {"Name": "Resource", "Value": f"{function.name}:live"},
                        {"Name": "ExecutedVersion", "Value": version},
                    ],
                }
            ],
        )

    def move(self, function: Function, version: str, **weights: float) -> None:
        """Move the alias as somebody else does."""
        self.aws.functions.update_alias(
            FunctionName=function.name,
            Name="live",
            FunctionVersion=version,
            RoutingConfig={
                "AdditionalVersionWeights": {
                    key.strip("v"): value for key, value in weights.items()
                }
            },
            Description="moved by somebody else",
        )

    def alias(self, function: Function) -> Alias:
        return self.aws.alias(function)

    def serves(self, function: Function) -> tuple[str, dict[str, float]]:
        """Return the alias's version and weights."""
        alias = self.alias(function)
        return alias.version, dict(alias.weights)

    def release(self, **options: Any) -> list[str]:
        return release(self.functions, self.aws, self.clock, self.said.append, WATCH, **options)

    def run(self, version: LambdaFunction, event: bytes) -> Result:
        """Run a version of a function; its answer is 200 if the test says nothing else."""
        number = str(version.version)
        good = {"statusCode": 200, "body": json.dumps({"asked": json.loads(event)})}
        answer = self.answers.get((version.function_name, number), good)
        failed = isinstance(answer, str)
        return Result(
            payload=json.dumps({"errorMessage": answer} if failed else answer).encode(),
            function_error="Unhandled" if failed else "",
            log="",
            request_id="1",
            version=number,
            duration_ms=1,
        )


def _zip(content: object) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("index.py", f"# {content}")
    return archive.getvalue()


@pytest.fixture(scope="module")
def mocked() -> Iterator[tuple[Aws, Wire, str]]:
    """An AWS in this process, its clients, and a role; clients take a while to make."""
    moto_gaps.apply()
    with mock_aws():
        session = boto3.Session(
            aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1"
        )
        aws, wire = Aws(session), Wire()
        wire.watch(aws.functions)
        wire.watch(aws.metrics)
        document = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = session.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)
        yield aws, wire, role["Role"]["Arn"]


@pytest.fixture
def make_world(mocked: tuple[Aws, Wire, str]) -> Iterator[Callable[[], World]]:
    """Makes worlds without any function in them."""
    aws, wire, role = mocked
    worlds: list[World] = []

    def make() -> World:
        wire.reset()
        worlds.append(World(aws=aws, wire=wire, role=role))
        return worlds[-1]

    def run(version: LambdaFunction, event: bytes) -> Result:
        return worlds[-1].run(version, event)

    with moto_gaps.functions_run_by(run):
        yield make
    wire.reset()


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    """A world without any function in it."""
    return make_world()
