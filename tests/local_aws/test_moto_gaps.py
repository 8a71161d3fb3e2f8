from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from local_aws import moto_gaps
from local_aws.server import LocalAws
from moto.awslambda.models import LambdaFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import MakeZip


class Aws:
    """A LocalAws, and what functions of it printed."""

    def __init__(self, local: LocalAws, lines: list[str], archive: bytes) -> None:
        self.local = local
        self.lines = lines
        self.archive = archive
        document = json.dumps({"Version": "2012-10-17", "Statement": []})
        self.role = self.client("iam").create_role(
            RoleName="functions", AssumeRolePolicyDocument=document
        )["Role"]["Arn"]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.local.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def create(self, name: str, **more: Any) -> Any:
        """Create a function and return what AWS says of it afterwards."""
        functions = self.client("lambda")
        functions.create_function(
            FunctionName=name,
            Role=self.role,
            Runtime="python3.12",
            Handler="index.handler",
            Code={"ZipFile": self.archive},
            **more,
        )
        return functions.get_function_configuration(FunctionName=name)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, make_zip: MakeZip) -> Iterator[Aws]:
    lines: list[str] = []
    source = "def handler(event, context): print(event['Records'][0]['Sns']['Message'])"
    with LocalAws(tmp_path_factory.mktemp("local-aws"), log=lines.append) as local:
        yield Aws(local, lines, make_zip({"index.py": source}))


def test_a_function_s_dead_letter_queue_is_returned_and_updated(aws: Aws) -> None:
    queue = "arn:aws:sqs:us-east-1:123456789012:dead"
    configuration = aws.create("dead-letters", DeadLetterConfig={"TargetArn": queue})
    assert configuration["DeadLetterConfig"] == {"TargetArn": queue}
    updated = aws.client("lambda").update_function_configuration(
        FunctionName="dead-letters", DeadLetterConfig={"TargetArn": f"{queue}-2"}
    )
    assert updated["DeadLetterConfig"] == {"TargetArn": f"{queue}-2"}
    removed = aws.client("lambda").update_function_configuration(
        FunctionName="dead-letters", DeadLetterConfig={"TargetArn": ""}
    )
    assert "DeadLetterConfig" not in removed


def test_a_function_s_logging_has_aws_s_defaults(aws: Aws) -> None:
    assert aws.create("plain")["LoggingConfig"] == {
        "LogFormat": "Text",
        "LogGroup": "/aws/lambda/plain",
    }


def test_a_function_s_logging_is_returned_as_it_was_set(aws: Aws) -> None:
    configuration = aws.create(
        "logs", LoggingConfig={"LogFormat": "JSON", "LogGroup": "g", "SystemLogLevel": "WARN"}
    )
    assert configuration["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": "g",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "WARN",
    }


def test_snap_start_is_on_for_published_versions_only(aws: Aws) -> None:
    latest = aws.create("snap", SnapStart={"ApplyOn": "PublishedVersions"})
    version = aws.client("lambda").publish_version(FunctionName="snap")
    assert latest["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    assert version["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}


def test_a_version_keeps_what_it_was_published_with(aws: Aws) -> None:
    aws.create("history", LoggingConfig={"LogGroup": "before"})
    functions = aws.client("lambda")
    functions.publish_version(FunctionName="history")
    functions.update_function_configuration(
        FunctionName="history", LoggingConfig={"LogGroup": "after"}
    )
    version = functions.get_function_configuration(FunctionName="history", Qualifier="1")
    assert version["LoggingConfig"]["LogGroup"] == "before"


def test_an_event_source_mapping_on_an_alias_names_the_alias(aws: Aws) -> None:
    aws.create("mapped", Publish=True)
    functions, queues = aws.client("lambda"), aws.client("sqs")
    alias = functions.create_alias(FunctionName="mapped", Name="live", FunctionVersion="1")
    url = queues.create_queue(QueueName="work")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    created = functions.create_event_source_mapping(
        FunctionName=alias["AliasArn"], EventSourceArn=attributes["Attributes"]["QueueArn"]
    )
    read = functions.get_event_source_mapping(UUID=created["UUID"])
    assert {created["FunctionArn"], read["FunctionArn"]} == {alias["AliasArn"]}


def test_a_function_that_another_service_invokes_runs(aws: Aws) -> None:
    arn = aws.create("notified")["FunctionArn"]
    topics = aws.client("sns")
    topic = topics.create_topic(Name="news")["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    topics.publish(TopicArn=topic, Message="extra, extra")
    assert "notified | extra, extra" in aws.lines


def test_the_corrections_are_made_once() -> None:
    moto_gaps.apply()
    corrected = LambdaFunction.get_configuration
    moto_gaps.apply()
    assert LambdaFunction.get_configuration is corrected


def test_every_correction_says_when_it_was_needed() -> None:
    for correction in moto_gaps.CORRECTIONS:
        assert "Seen 20" in str(correction.__doc__), correction
        assert "with moto " in str(correction.__doc__), correction
