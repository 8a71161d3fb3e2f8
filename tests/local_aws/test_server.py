from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from local_aws import invocation, package_process
from local_aws.emulator import PAYLOAD_LIMIT
from local_aws.errors import PortTakenError
from local_aws.runtime import machine_architecture
from local_aws.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import MakeZip

ECHO = "def handler(event, context): return event"
LAYER = "python/helper.py"


@dataclass
class Aws:
    """A LocalAws under test, boto3's clients for it, and what functions printed."""

    local: LocalAws
    make_zip: MakeZip
    prefix: str = "function"
    lines: list[str] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=count)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,
                endpoint_url=self.local.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20),
            )
        return self.clients[service]

    def create(self, source: str, **more: Any) -> str:
        """Create a function of one file and return its name."""
        name = f"{self.prefix}-{next(self.names)}"
        self.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Role": self.role(),
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Timeout": 60,  # init counts against it here, and the machine may be busy
                "Code": {"ZipFile": self.make_zip({"index.py": source})},
                **more,
            }
        )
        return name

    def role(self) -> str:
        iam = self.client("iam")
        try:
            arn = iam.get_role(RoleName="functions")["Role"]["Arn"]
        except ClientError:
            document = json.dumps({"Version": "2012-10-17", "Statement": []})
            arn = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=document)["Role"][
                "Arn"
            ]
        return str(arn)

    def update(self, name: str, source: str) -> None:
        archive = self.make_zip({"index.py": source})
        self.client("lambda").update_function_code(FunctionName=name, ZipFile=archive)

    def invoke(self, name: str, event: object = None, **more: Any) -> Any:
        """Return Invoke's answer, with its payload read as `value`."""
        payload = json.dumps(event).encode()
        answer = self.client("lambda").invoke(**{"FunctionName": name, "Payload": payload, **more})
        body = answer["Payload"].read()
        return {**answer, "value": json.loads(body) if body else None}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, make_zip: MakeZip) -> Iterator[Aws]:
    lines: list[str] = []
    local = LocalAws(
        tmp_path_factory.mktemp("local-aws"),
        function_environment={"FROM_OUTSIDE": "yes"},
        log=lines.append,
        retry_delays_s=(0.01, 0.01),
    )
    with local:
        yield Aws(local=local, make_zip=make_zip, lines=lines)


# What runs


def test_an_invocation_answers_what_the_function_returns(aws: Aws) -> None:
    answer = aws.invoke(aws.create(ECHO), {"name": "Zoë"})
    assert (answer["StatusCode"], answer["value"]) == (200, {"name": "Zoë"})
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert "LogResult" not in answer


def test_an_invocation_without_a_payload_sends_an_empty_object(aws: Aws) -> None:
    assert aws.invoke(aws.create(ECHO), Payload=b"")["value"] == {}


def test_a_function_s_failure_is_marked(aws: Aws) -> None:
    name = aws.create("def handler(event, context): raise KeyError('colour')")
    answer = aws.invoke(name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert answer["value"]["errorType"] == "KeyError"


def test_after_a_crash_the_next_invocation_starts_afresh(aws: Aws) -> None:
    name = aws.create(
        "import os\nseen = []\n"
        "def handler(event, context):\n"
        "    seen.append(event)\n"
        "    if event == 'crash': os._exit(1)\n"
        "    return seen"
    )
    assert aws.invoke(name, 1)["value"] == [1]
    assert aws.invoke(name, "crash")["value"]["errorType"] == "Runtime.ExitError"
    assert aws.invoke(name, 2)["value"] == [2]


def test_after_a_time_out_the_next_invocation_starts_afresh(aws: Aws) -> None:
    name = aws.create(
        "import time\ndef handler(event, context):\n"
        "    if event: time.sleep(event)\n    return 'on'",
        Timeout=3,  # in which the next environment starts, too
    )
    answer = aws.invoke(name, 30)
    assert (answer["FunctionError"], answer["value"]["errorType"]) == (
        "Unhandled",
        "Sandbox.Timedout",
    )
    assert aws.invoke(name, 0)["value"] == "on"


def test_updated_code_is_what_runs_next(aws: Aws) -> None:
    name = aws.create("def handler(event, context): return 'old'")
    assert aws.invoke(name)["value"] == "old"
    aws.update(name, "def handler(event, context): return 'new'")
    assert aws.invoke(name)["value"] == "new"


def test_updated_configuration_is_what_runs_next(aws: Aws) -> None:
    name = aws.create("import os\ndef handler(event, context): return os.environ.get('COLOUR')")
    assert aws.invoke(name)["value"] is None
    aws.client("lambda").update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOUR": "red"}}
    )
    assert aws.invoke(name)["value"] == "red"


def test_code_that_was_put_into_s3_runs(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="a.zip", Body=aws.make_zip({"index.py": ECHO}))
    name = aws.create("", Code={"S3Bucket": "packages", "S3Key": "a.zip"})
    assert aws.invoke(name, "from S3")["value"] == "from S3"


def test_a_function_s_layers_are_there(aws: Aws) -> None:
    arns = [
        aws.client("lambda").publish_layer_version(
            LayerName=f"layer-{number}",
            Content={"ZipFile": aws.make_zip({LAYER: f"number = {number}"})},
        )["LayerVersionArn"]
        for number in (1, 2)
    ]
    source = "import helper\ndef handler(event, context): return helper.number"
    assert aws.invoke(aws.create(source, Layers=arns))["value"] == 2
    assert aws.invoke(aws.create(source, Layers=arns[::-1]))["value"] == 1


def test_a_layer_that_has_been_deleted_is_named(aws: Aws) -> None:
    functions = aws.client("lambda")
    layer = functions.publish_layer_version(
        LayerName="gone", Content={"ZipFile": aws.make_zip({LAYER: ""})}
    )
    name = aws.create(ECHO, Layers=[layer["LayerVersionArn"]])
    functions.delete_layer_version(LayerName="gone", VersionNumber=layer["Version"])
    message = aws.invoke(name)["value"]["errorMessage"]
    assert f"the layer version {layer['LayerVersionArn']} has been deleted" in message


def test_the_environments_of_replaced_code_are_ended(aws: Aws) -> None:
    name = aws.create("import os\ndef handler(event, context): return os.getpid()")
    runtime = Path("/proc", str(aws.invoke(name)["value"]))
    assert runtime.exists()
    aws.update(name, ECHO)
    aws.invoke(name)
    _wait_until(lambda: not runtime.exists())  # until whoever adopted it has looked


def test_the_client_context_reaches_the_function(aws: Aws) -> None:
    name = aws.create("def handler(event, context): return context.client_context.custom")
    client_context = base64.b64encode(b'{"custom": {"trip": "out"}}').decode()
    assert aws.invoke(name, ClientContext=client_context)["value"] == {"trip": "out"}


def test_a_function_reaches_the_mock_while_it_is_being_invoked(aws: Aws) -> None:
    # It has no boto3, as no function has that does not bring it: so by plain HTTP.
    name = aws.create(
        "import os, urllib.request\n"
        "def handler(event, context):\n"
        "    url = os.environ['AWS_ENDPOINT_URL'] + '/shared/greeting'\n"
        "    return [urllib.request.urlopen(url).read().decode(), os.environ['FROM_OUTSIDE']]"
    )
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="shared", ACL="public-read")
    s3.put_object(Bucket="shared", Key="greeting", Body=b"hello", ACL="public-read")
    assert aws.invoke(name)["value"] == ["hello", "yes"]


# Versions and aliases


@pytest.fixture(scope="module")
def released(aws: Aws) -> str:
    """A function with version 1 (alias `live`) and version 2, and other code since."""
    name = aws.create("def handler(event, context): return 'one'", Publish=True)
    aws.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    aws.update(name, "def handler(event, context): return 'two'")
    aws.client("lambda").publish_version(FunctionName=name)
    aws.update(name, "def handler(event, context): return 'latest'")
    return name


@pytest.mark.parametrize(
    ("qualifier", "value", "version"),
    [
        (None, "latest", "$LATEST"),
        ("$LATEST", "latest", "$LATEST"),
        ("1", "one", "1"),
        ("2", "two", "2"),
        ("live", "one", "1"),
    ],
)
@pytest.mark.parametrize("form", ["parameter", "name", "partial ARN", "ARN"])
def test_a_qualifier_chooses_the_version(
    aws: Aws, released: str, form: str, qualifier: str | None, value: str, version: str
) -> None:
    suffix = f":{qualifier}" if qualifier else ""
    parameters: dict[str, dict[str, str]] = {
        "parameter": {"FunctionName": released, **({"Qualifier": qualifier} if qualifier else {})},
        "name": {"FunctionName": f"{released}{suffix}"},
        "partial ARN": {"FunctionName": f"123456789012:function:{released}{suffix}"},
        "ARN": {
            "FunctionName": f"arn:aws:lambda:us-east-1:123456789012:function:{released}{suffix}"
        },
    }
    answer = aws.invoke("", **parameters[form])
    assert (answer["value"], answer["ExecutedVersion"]) == (value, version)


def test_an_alias_that_moves_takes_its_callers_along(aws: Aws) -> None:
    name = aws.create("def handler(event, context): return 'one'", Publish=True)
    functions = aws.client("lambda")
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    aws.update(name, "def handler(event, context): return 'two'")
    functions.publish_version(FunctionName=name)
    assert aws.invoke(name, Qualifier="live")["value"] == "one"
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert aws.invoke(name, Qualifier="live")["value"] == "two"


def test_an_alias_with_weights_sends_some_to_the_other_version(aws: Aws, released: str) -> None:
    aws.client("lambda").create_alias(
        FunctionName=released,
        Name="canary",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    answers = {aws.invoke(released, Qualifier="canary")["value"] for _ in range(40)}
    assert answers == {"one", "two"}


def test_invocations_are_counted_by_function_by_alias_and_by_the_version_behind_it(
    aws: Aws,
) -> None:
    name = aws.create("def handler(event, context): return 'one'", Publish=True)
    functions = aws.client("lambda")
    aws.update(name, "def handler(event, context): 1 / 0")
    functions.publish_version(FunctionName=name)
    alias: Any = {"FunctionName": name, "Name": "live"}
    functions.create_alias(**alias, FunctionVersion="1")
    aws.invoke(name, Qualifier="live")
    functions.update_alias(**alias, RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    aws.invoke(name, Qualifier="live")

    def total(metric: str, **dimensions: str) -> float:
        now = datetime.now(UTC)
        metric_stat = {
            "Metric": {
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": dimensions[key]} for key in dimensions],
            },
            "Period": 3600,
            "Stat": "Sum",
        }
        # Not get_metric_statistics: moto's counts what has other dimensions beside these, too.
        told = aws.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "it", "MetricStat": metric_stat}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
        )
        values: list[float] = told["MetricDataResults"][0]["Values"]
        return sum(values)

    live = {"FunctionName": name, "Resource": f"{name}:live"}
    assert (total("Invocations", FunctionName=name), total("Errors", FunctionName=name)) == (2, 1)
    assert (total("Invocations", **live), total("Errors", **live)) == (2, 1)
    assert total("Errors", **live, ExecutedVersion="2") == 1
    assert total("Invocations", **live, ExecutedVersion="1") == 0, "the alias had no weights"


# How a caller waits


GATE = (
    "import pathlib, time\n"
    "def handler(event, context):\n"
    "    print('on')\n"
    "    while event and not pathlib.Path(event).exists(): time.sleep(0.01)\n"
    "    print('ran')"
)
"""Ends when there is the file that the event names."""


def test_an_event_is_accepted_at_once_and_run_later(aws: Aws, tmp_path: Path) -> None:
    name = aws.create(GATE)
    gate = tmp_path / "gate"
    answer = aws.invoke(name, str(gate), InvocationType="Event")
    assert (answer["StatusCode"], answer["value"]) == (202, None)
    assert f"{name} | ran" not in aws.lines
    gate.touch()
    _wait_until(lambda: f"{name} | ran" in aws.lines)


def test_an_event_that_fails_is_run_twice_more_under_the_same_request(aws: Aws) -> None:
    name = aws.create("def handler(event, context): print('try of', context.aws_request_id); 1 / 0")
    answer = aws.invoke(name, InvocationType="Event")
    request = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    _wait_until(
        lambda: any(name in line and "given up after 3 attempts" in line for line in aws.lines)
    )
    assert aws.lines.count(f"{name} | try of {request}") == 3


def test_an_event_is_retried_as_often_as_is_configured(aws: Aws) -> None:
    name = aws.create("def handler(event, context): print('try'); 1 / 0")
    aws.client("lambda").put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    aws.invoke(name, InvocationType="Event")
    _wait_until(
        lambda: any(name in line and "given up after 1 attempts" in line for line in aws.lines)
    )
    assert aws.lines.count(f"{name} | try") == 1


def test_events_that_are_throttled_wait_for_their_turn(aws: Aws) -> None:
    name = aws.create(
        "import time\ndef handler(event, context): time.sleep(0.1); print('ran', event)"
    )
    aws.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    for number in range(3):
        aws.invoke(name, number, InvocationType="Event")
    _wait_until(lambda: {f"{name} | ran {number}" for number in range(3)} <= set(aws.lines))


def test_a_dry_run_runs_nothing(aws: Aws) -> None:
    name = aws.create("def handler(event, context): print('ran')")
    answer = aws.invoke(name, InvocationType="DryRun")
    assert (answer["StatusCode"], answer["value"]) == (204, None)
    aws.invoke(name)
    assert aws.lines.count(f"{name} | ran") == 1


# What it says


def test_the_log_s_tail_is_returned_when_it_is_asked_for(aws: Aws) -> None:
    name = aws.create("def handler(event, context): print('é' * 4000); print('the end')")
    tail = base64.b64decode(aws.invoke(name, LogType="Tail")["LogResult"])
    assert len(tail) == 4096
    lines = tail.decode(errors="replace").splitlines()
    assert lines[1] == "the end"
    assert lines[2].startswith("END RequestId: ")
    assert lines[3].startswith("REPORT RequestId: ")


def test_logs_go_to_the_function_s_log_group(aws: Aws) -> None:
    name = aws.create("def handler(event, context): print('logged')")
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    aws.invoke(name)
    aws.invoke(name)
    (stream,) = logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert "[$LATEST]" in stream["logStreamName"]
    events = logs.get_log_events(
        logGroupName=f"/aws/lambda/{name}", logStreamName=stream["logStreamName"]
    )["events"]
    messages = [event["message"] for event in events]
    assert messages.count("logged") == 2
    assert messages[0].startswith("START RequestId: ")


def test_logs_go_to_the_log_group_that_is_configured(aws: Aws) -> None:
    aws.client("logs").create_log_group(logGroupName="elsewhere")
    name = aws.create(
        "def handler(event, context): return context.log_group_name",
        LoggingConfig={"LogGroup": "elsewhere"},
    )
    assert aws.invoke(name)["value"] == "elsewhere"
    streams = aws.client("logs").describe_log_streams(logGroupName="elsewhere")["logStreams"]
    assert len(streams) == 1


# At once


def test_two_at_once_run_in_two_processes(aws: Aws) -> None:
    # Each waits for the other: one after the other, they would time out.
    name = aws.create(
        "import os, time, pathlib\n"
        "def handler(event, context):\n"
        "    folder = pathlib.Path(event); (folder / str(os.getpid())).touch()\n"
        "    while len(list(folder.iterdir())) < 2: time.sleep(0.01)\n"
        "    return os.getpid()",
    )
    meeting = Path(aws.local._folder, "meeting")
    meeting.mkdir()
    answers = _at_once(2, lambda: aws.invoke(name, str(meeting))["value"])
    assert len(set(answers)) == 2
    assert all(isinstance(answer, int) for answer in answers)


def test_more_at_once_than_there_are_environments_wait(aws: Aws) -> None:
    name = aws.create(
        "import os, time\ndef handler(event, context): time.sleep(0.1); return os.getpid()"
    )
    answers = _at_once(10, lambda: aws.invoke(name)["value"])
    assert len(answers) == 10
    assert len(set(answers)) <= invocation.ENVIRONMENTS


def test_more_at_once_than_are_reserved_are_throttled(aws: Aws, tmp_path: Path) -> None:
    name = aws.create(GATE)
    aws.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    gate = tmp_path / "gate"
    first = threading.Thread(target=aws.invoke, args=(name, str(gate)))
    first.start()
    _wait_until(lambda: f"{name} | on" in aws.lines)
    with pytest.raises(ClientError, match="Rate Exceeded") as refused:
        aws.invoke(name)
    gate.touch()
    first.join()
    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert aws.invoke(name)["StatusCode"] == 200


# What is refused


@pytest.mark.parametrize("function", ["missing", "{name}:missing", "{name}:99"])
def test_what_does_not_exist_is_not_found(aws: Aws, released: str, function: str) -> None:
    with pytest.raises(ClientError, match="Function not found: arn:") as refused:
        aws.invoke(function.format(name=released))
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_region_that_does_not_exist_has_no_functions(aws: Aws) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.invoke("arn:aws:lambda:xx-nowhere-1:123456789012:function:f")


def test_two_qualifiers_that_differ_are_refused(aws: Aws, released: str) -> None:
    with pytest.raises(ClientError, match="does not match the specified qualifier"):
        aws.invoke(f"{released}:live", Qualifier="2")


def test_a_payload_that_is_no_json_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        aws.invoke(aws.create(ECHO), Payload=b"{no")


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("RequestResponse", PAYLOAD_LIMIT),
        ("Event", invocation.ASYNCHRONOUS_PAYLOAD_LIMIT),
    ],
)
def test_a_payload_that_is_too_large_is_refused(aws: Aws, kind: str, limit: int) -> None:
    with pytest.raises(ClientError, match=f"smaller than {limit} bytes") as refused:
        aws.invoke(aws.create(ECHO), "x" * (limit - 1), InvocationType=kind)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_function_that_this_machine_cannot_run_says_why_when_invoked_and_when_listed(
    aws: Aws,
) -> None:
    other = "arm64" if machine_architecture() == "x86_64" else "x86_64"
    name = aws.create(ECHO, Architectures=[other])
    answer = aws.invoke(name)
    assert answer["FunctionError"] == "Unhandled"
    assert answer["value"]["errorType"] == "LocalAws.RuntimeUnavailable"
    assert f"built for {other}" in answer["value"]["errorMessage"]
    (listed,) = [each for each in aws.local.functions() if each.name == name]
    assert listed.obstacle == answer["value"]["errorMessage"]


def test_a_container_image_says_that_it_needs_docker(aws: Aws) -> None:
    name = aws.create(
        "",
        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"},
        PackageType="Image",
    )
    assert "needs Docker" in aws.invoke(name)["value"]["errorMessage"]
    (listed,) = [each for each in aws.local.functions() if each.name == name]
    assert "needs Docker" in str(listed.obstacle)


def test_code_that_is_no_archive_says_so(aws: Aws) -> None:
    name = aws.create("", Code={"ZipFile": b"no archive"})
    for _ in range(2):
        message = aws.invoke(name)["value"]["errorMessage"]
        assert message == "Could not unzip uploaded file: File is not a zip file"


# The server


def test_an_unsigned_request_is_answered(aws: Aws) -> None:
    name = aws.create(ECHO)
    connection = http.client.HTTPConnection("127.0.0.1", int(aws.local.endpoint_url.split(":")[2]))
    connection.request("POST", f"/2015-03-31/functions/{name}/invocations", b"[1]")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"[1]")
    connection.close()


def test_a_kind_of_invocation_that_lambda_does_not_know_is_refused(aws: Aws) -> None:
    name = aws.create(ECHO)
    connection = http.client.HTTPConnection("127.0.0.1", int(aws.local.endpoint_url.split(":")[2]))
    headers = {"X-Amz-Invocation-Type": "Telepathy"}
    connection.request("POST", f"/2015-03-31/functions/{name}/invocations", b"1", headers)
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"Telepathy" in answer.read()
    connection.close()


def test_functions_of_another_region_are_found_there(aws: Aws) -> None:
    elsewhere = boto3.client(
        "lambda",
        endpoint_url=aws.local.endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    elsewhere.create_function(
        FunctionName="elsewhere",
        Role=aws.role(),
        Runtime="python3.11",
        Handler="index.handler",
        Code={
            "ZipFile": aws.make_zip(
                {
                    "index.py": "import os\n"
                    "def handler(event, context): return os.environ['AWS_REGION']"
                }
            )
        },
    )
    assert elsewhere.invoke(FunctionName="elsewhere")["Payload"].read() == b'"eu-west-1"'
    assert ("elsewhere", "eu-west-1") in {
        (each.name, each.region) for each in aws.local.functions()
    }


def test_its_environment_points_boto3_at_it(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.local.environment.items():
        monkeypatch.setenv(name, value)
    identity = boto3.session.Session().client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"


def test_a_taken_port_is_named(aws: Aws, tmp_path: Path) -> None:
    port = int(aws.local.endpoint_url.split(":")[2])
    with pytest.raises(PortTakenError, match=str(port)):
        LocalAws(tmp_path, port=port)


def test_two_at_once_see_the_same_aws(aws: Aws, tmp_path: Path) -> None:
    name = aws.create(ECHO)
    with LocalAws(tmp_path) as other:
        assert name in {each.name for each in other.functions()}
    assert aws.invoke(name, 1)["value"] == 1


def test_stopping_it_leaves_no_process_and_no_files(make_zip: MakeZip, tmp_path: Path) -> None:
    with LocalAws(tmp_path) as local:
        aws = Aws(local=local, make_zip=make_zip, prefix="stopped")
        source = "import time\ndef handler(event, context): time.sleep(event)"
        name = aws.create(source, Timeout=30)
        aws.invoke(name, 0)
        at_work = threading.Thread(target=_swallow, args=(lambda: aws.invoke(name, 30),))
        at_work.start()
        (pool,) = [pool for _, pool in local._invoker._pools.values()]
        _wait_until(lambda: len(pool._busy) == 1)
        sessions = [environment._sandbox.process.pid for environment in pool._busy]  # type: ignore[attr-defined]
    at_work.join(60)
    assert [package_process._session(session) for session in sessions] == [[]]
    assert list(tmp_path.iterdir()) == []


def _at_once(number: int, work: Callable[[], Any]) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def _swallow(work: Callable[[], Any]) -> None:
    try:
        work()
    except Exception:  # noqa: BLE001  its server is stopped, in one way or another
        return


def _wait_until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
