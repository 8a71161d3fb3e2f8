from __future__ import annotations

import hashlib
import json
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from local_aws import moto_gaps
from local_aws.server import LocalAws
from moto.awslambda.models import LambdaFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_engine import Engine
    from local_aws.registry import Registry

    from .conftest import MakeZip, PushImage


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


def test_an_alias_is_updated_for_the_revision_that_was_read_only(aws: Aws) -> None:
    aws.create("moved", Publish=True)
    functions = aws.client("lambda")
    read = functions.create_alias(FunctionName="moved", Name="live", FunctionVersion="1")
    alias: Any = {"FunctionName": "moved", "Name": "live"}
    moved = functions.update_alias(**alias, Description="mine", RevisionId=read["RevisionId"])
    assert moved["RevisionId"] != read["RevisionId"]
    with pytest.raises(functions.exceptions.PreconditionFailedException):
        functions.update_alias(**alias, Description="theirs", RevisionId=read["RevisionId"])
    assert functions.get_alias(**alias)["Description"] == "mine"


def test_an_alias_whose_weights_are_taken_away_has_no_routing(aws: Aws) -> None:
    aws.create("weighed", Publish=True)
    functions = aws.client("lambda")
    alias: Any = {"FunctionName": "weighed", "Name": "live"}
    functions.create_alias(**alias, FunctionVersion="1")
    weighed = functions.update_alias(
        **alias, RoutingConfig={"AdditionalVersionWeights": {"$LATEST": 0.1}}
    )
    assert weighed["RoutingConfig"] == {"AdditionalVersionWeights": {"$LATEST": 0.1}}
    functions.update_alias(**alias, RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in functions.get_alias(**alias)


def test_a_permission_on_an_alias_stays_when_the_alias_moves(aws: Aws, make_zip: MakeZip) -> None:
    aws.create("granted", Publish=True)
    functions = aws.client("lambda")
    functions.create_alias(FunctionName="granted", Name="live", FunctionVersion="1")
    functions.add_permission(
        FunctionName="granted",
        Qualifier="live",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    functions.update_function_code(
        FunctionName="granted", ZipFile=make_zip({"index.py": "# another"}), Publish=True
    )
    functions.update_alias(FunctionName="granted", Name="live", FunctionVersion="2")
    policy = functions.get_policy(FunctionName="granted", Qualifier="live")["Policy"]
    assert json.loads(policy)["Statement"][0]["Resource"].endswith(":function:granted:live")


def test_a_function_that_another_service_invokes_runs(aws: Aws) -> None:
    arn = aws.create("notified")["FunctionArn"]
    topics = aws.client("sns")
    topic = topics.create_topic(Name="news")["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    topics.publish(TopicArn=topic, Message="extra, extra")
    assert "notified | extra, extra" in aws.lines


def image_function(aws: Aws, name: str, uri: str, **more: Any) -> Any:
    """Create a function of an image and return what AWS says of it afterwards."""
    functions = aws.client("lambda")
    functions.create_function(
        FunctionName=name, Role=aws.role, PackageType="Image", Code={"ImageUri": uri}, **more
    )
    return functions.get_function(FunctionName=name)


def test_an_image_function_without_image_configuration_returns_none(aws: Aws) -> None:
    created = image_function(aws, "unconfigured", f"any/image@sha256:{'0' * 64}")
    assert "ImageConfigResponse" not in created["Configuration"]


def test_an_image_configuration_is_returned_as_it_was_set_and_updated(aws: Aws) -> None:
    config: Any = {"Command": ["index.other"]}
    created = image_function(aws, "configured", f"any/image@sha256:{'0' * 64}", ImageConfig=config)
    assert created["Configuration"]["ImageConfigResponse"] == {"ImageConfig": config}
    changed = {"EntryPoint": ["/a"], "WorkingDirectory": "/b"}
    updated = aws.client("lambda").update_function_configuration(
        FunctionName="configured", ImageConfig=changed
    )
    assert updated["ImageConfigResponse"] == {"ImageConfig": changed}
    removed = aws.client("lambda").update_function_configuration(
        FunctionName="configured", ImageConfig={}
    )
    assert "ImageConfigResponse" not in removed


def test_without_a_registry_a_repository_is_at_aws(aws: Aws) -> None:
    created = aws.client("ecr").create_repository(repositoryName="at-aws")["repository"]
    assert created["repositoryUri"] == "123456789012.dkr.ecr.us-east-1.amazonaws.com/at-aws"


@pytest.fixture
def ecr(aws: Aws, registry: Registry) -> Iterator[Any]:
    """ECR's client, while the registry is ECR's."""
    with moto_gaps.images_held_by(registry):
        yield aws.client("ecr")


def test_a_repository_s_address_is_the_registry_s(ecr: Any, registry: Registry) -> None:
    created = ecr.create_repository(repositoryName="a/b")["repository"]
    (described,) = ecr.describe_repositories(repositoryNames=["a/b"])["repositories"]
    uris = {created["repositoryUri"], described["repositoryUri"]}
    assert uris == {f"{registry.address}/a/b"}


def test_what_docker_pushed_is_described_with_docker_s_digest(
    ecr: Any, push_image: PushImage, docker_engine: Engine
) -> None:
    ecr.create_repository(repositoryName="described")
    assert ecr.describe_images(repositoryName="described")["imageDetails"] == []
    uri = push_image("# described", repository="described", tag="v1")
    repo_digests = docker_engine.docker(
        *("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}'),
        uri,
    )
    digest = uri.partition("@")[2]
    assert digest in repo_digests
    wanted: Any = [{"imageTag": "v1"}]
    (described,) = ecr.describe_images(repositoryName="described", imageIds=wanted)["imageDetails"]
    assert (described["imageDigest"], described["imageTags"]) == (digest, ["v1"])
    (got,) = ecr.batch_get_image(repositoryName="described", imageIds=wanted)["images"]
    assert got["imageId"]["imageDigest"] == digest
    assert f"sha256:{hashlib.sha256(got['imageManifest'].encode()).hexdigest()}" == digest
    (listed,) = ecr.list_images(repositoryName="described")["imageIds"]
    assert listed["imageDigest"] == digest


def test_what_was_not_pushed_is_not_found(ecr: Any) -> None:
    ecr.create_repository(repositoryName="empty")
    with pytest.raises(ecr.exceptions.ImageNotFoundException):
        ecr.describe_images(repositoryName="empty", imageIds=[{"imageTag": "v1"}])
    answer = ecr.batch_get_image(repositoryName="empty", imageIds=[{"imageTag": "v1"}])
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"


def test_a_tag_that_was_moved_leaves_its_image_untagged(ecr: Any, push_image: PushImage) -> None:
    ecr.create_repository(repositoryName="moved")
    before = push_image("# before", repository="moved").partition("@")[2]
    ecr.describe_images(repositoryName="moved")
    after = push_image("# after", repository="moved").partition("@")[2]
    details = ecr.describe_images(repositoryName="moved")["imageDetails"]
    tags = {image["imageDigest"]: image.get("imageTags") for image in details}
    assert tags == {before: None, after: ["latest"]}


def test_an_image_that_ecr_deletes_is_gone_from_the_registry(
    ecr: Any, registry: Registry, push_image: PushImage
) -> None:
    ecr.create_repository(repositoryName="deleting")
    digest = push_image("# deleting", repository="deleting").partition("@")[2]
    ecr.batch_delete_image(repositoryName="deleting", imageIds=[{"imageDigest": digest}])
    assert registry.manifest("deleting", digest) is None
    assert ecr.describe_images(repositoryName="deleting")["imageDetails"] == []


def test_a_repository_is_deleted_with_its_images_only_when_forced(
    ecr: Any, registry: Registry, push_image: PushImage
) -> None:
    ecr.create_repository(repositoryName="forced")
    digest = push_image("# forced", repository="forced").partition("@")[2]
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="forced")
    ecr.delete_repository(repositoryName="forced", force=True)
    assert registry.manifest("forced", digest) is None


def test_an_image_function_has_the_image_s_digest(
    aws: Aws, ecr: Any, push_image: PushImage
) -> None:
    uri = push_image("# code", repository="group/code", tag="v1")
    name, _, digest = uri.partition("@")
    by_digest = image_function(aws, "by-digest", uri)
    by_tag = image_function(aws, "by-tag", f"{name}:v1")
    assert by_digest["Code"]["ImageUri"] == uri
    assert by_tag["Code"] == {**by_tag["Code"], "ResolvedImageUri": uri}
    assert by_digest["Configuration"]["CodeSha256"] == digest.removeprefix("sha256:")
    assert by_tag["Configuration"]["CodeSha256"] == digest.removeprefix("sha256:")


def test_an_image_that_is_not_there_is_refused_and_changes_nothing(
    aws: Aws, ecr: Any, push_image: PushImage
) -> None:
    uri = push_image("# refused", repository="refused")
    functions = aws.client("lambda")
    image_function(aws, "refused", uri)
    for wrong in (
        f"{uri.partition('@')[0]}:other",
        f"another.invalid/image@{uri.partition('@')[2]}",
    ):
        with pytest.raises(functions.exceptions.InvalidParameterValueException, match=wrong):
            functions.update_function_code(FunctionName="refused", ImageUri=wrong)
    assert functions.get_function(FunctionName="refused")["Code"]["ImageUri"] == uri


def test_a_list_of_images_for_several_machines_is_refused(
    aws: Aws, ecr: Any, registry: Registry, push_image: PushImage
) -> None:
    uri = push_image("# list", repository="list")
    image = registry.manifest("list", uri.partition("@")[2])
    assert image is not None
    entry = {"mediaType": image.media_type, "size": len(image.content), "digest": image.digest}
    entry_for = {**entry, "platform": {"architecture": "amd64", "os": "linux"}}
    media_type = "application/vnd.docker.distribution.manifest.list.v2+json"
    content = {"schemaVersion": 2, "mediaType": media_type, "manifests": [entry_for]}
    request = urllib.request.Request(
        f"http://{registry.address}/v2/list/manifests/several",
        json.dumps(content).encode(),
        {"Content-Type": media_type},
        method="PUT",
    )
    urllib.request.urlopen(request).close()
    name = uri.partition("@")[0]
    with pytest.raises(
        aws.client("lambda").exceptions.InvalidParameterValueException, match="not supported"
    ):
        image_function(aws, "list", f"{name}:several")


def test_a_published_version_keeps_its_image(aws: Aws, ecr: Any, push_image: PushImage) -> None:
    before = push_image("# version 1", repository="versions")
    after = push_image("# version 2", repository="versions")
    functions = aws.client("lambda")
    image_function(aws, "versions", before, Publish=True)
    functions.update_function_code(FunctionName="versions", ImageUri=after)
    version = functions.get_function(FunctionName="versions", Qualifier="1")
    latest = functions.get_function(FunctionName="versions")
    assert (version["Code"]["ImageUri"], latest["Code"]["ImageUri"]) == (before, after)


def test_a_bucket_that_asks_for_tls_answers_and_a_denial_without_a_condition_holds(
    aws: Aws,
) -> None:
    buckets = aws.client("s3")
    buckets.create_bucket(Bucket="asked")
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}
    only_tls = {**denial, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    kept = {**denial, "Action": "s3:DeleteObject"}
    policy = {"Version": "2012-10-17", "Statement": [only_tls, kept]}
    buckets.put_bucket_policy(Bucket="asked", Policy=json.dumps(policy))
    buckets.put_object(Bucket="asked", Key="key", Body=b"held")
    with pytest.raises(buckets.exceptions.ClientError, match="Forbidden"):
        buckets.delete_object(Bucket="asked", Key="key")
    assert buckets.get_object(Bucket="asked", Key="key")["Body"].read() == b"held"


def test_the_corrections_are_made_once() -> None:
    moto_gaps.apply()
    corrected = LambdaFunction.get_configuration
    moto_gaps.apply()
    assert LambdaFunction.get_configuration is corrected


def test_every_correction_says_when_it_was_needed() -> None:
    for correction in moto_gaps.CORRECTIONS:
        assert "Seen 20" in str(correction.__doc__), correction
        assert "with moto " in str(correction.__doc__), correction
