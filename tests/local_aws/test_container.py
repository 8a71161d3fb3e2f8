"""Functions that are container images, deployed and invoked as at AWS."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from local_aws.containers import Containers
from local_aws.docker import Docker
from local_aws.runtime import machine_architecture
from local_aws.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_engine import Engine
    from local_aws.registry import Registry

    from .conftest import PushImage

SOURCE = """\
import os, socket, sys, time

print("init")

def handler(event, context):
    match event.get("do"):
        case "print":
            print("one"); print("two", file=sys.stderr); print("no newline", end="")
        case "raise":
            raise ValueError("wröng")
        case "exit":
            sys.exit(3)
        case "sleep":
            time.sleep(event["s"])
        case "meet":
            with socket.create_connection(("127.0.0.1", event["port"])) as others:
                others.recv(1)
        case "see":
            return {
                "environment": dict(os.environ),
                "memory": context.memory_limit_in_mb,
                "name": context.function_name,
                "log_stream": context.log_stream_name,
                "log_group": context.log_group_name,
                "left": context.get_remaining_time_in_millis(),
                "folder": os.getcwd(),
            }
        case "write":
            return [written(path) for path in ("/var/task/x", "/etc/x", "/tmp/x")]
        case "fill":
            with open("/tmp/full", "wb") as file:
                file.write(bytes(event["mb"] * 1024 * 1024))
    return event

def other(event, context):
    return "other"

def written(path):
    try:
        with open(path, "w") as file:
            file.write("x")
    except OSError as error:
        return error.strerror
    return "written"
"""


@dataclass
class Aws:
    """A LocalAws with containers, and what functions printed."""

    local: LocalAws
    image: str
    role: str = ""
    lines: list[str] = field(default_factory=list)
    prefix: str = "image"
    names: Iterator[int] = field(default_factory=count)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.local.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20),
        )

    def create(self, **more: Any) -> str:
        """Create a function of the image and return its name."""
        name = f"{self.prefix}-{next(self.names)}"
        self.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Role": self.role,
                "PackageType": "Image",
                "Code": {"ImageUri": self.image},
                "Architectures": [machine_architecture()],
                "Timeout": 20,
                **more,
            }
        )
        return name

    def invoke(self, name: str, **event: Any) -> tuple[Any, str]:
        """Return what the function answered, and the kind of its error."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read()), answer.get("FunctionError", "")


@pytest.fixture(scope="module")
def aws(
    registry: Registry, push_image: PushImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aws]:
    image = push_image(SOURCE, repository="functions")
    lines: list[str] = []
    with (
        Docker() as docker,
        LocalAws(
            tmp_path_factory.mktemp("local-aws"),
            function_environment={"FROM_OUTSIDE": "yes"},
            log=lines.append,
            containers=Containers(docker=docker, registry=registry),
        ) as local,
    ):
        made = Aws(local=local, image=image, lines=lines)
        made.role = made.client("iam").create_role(
            RoleName="functions",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
        )["Role"]["Arn"]
        yield made


def test_it_answers_what_the_handler_returns(aws: Aws) -> None:
    name = aws.create()
    assert aws.invoke(name, text="ünïcödé 🐍") == ({"text": "ünïcödé 🐍"}, "")
    assert aws.invoke(name, text="again") == ({"text": "again"}, "")
    assert aws.lines.count(f"{name} | init") == 1  # the same container


def test_an_exception_is_a_function_error(aws: Aws) -> None:
    error, kind = aws.invoke(aws.create(), do="raise")
    assert kind == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "wröng")


def test_a_crash_is_a_function_error_and_the_next_event_gets_a_new_container(aws: Aws) -> None:
    name = aws.create()
    error, kind = aws.invoke(name, do="exit")
    assert kind == "Unhandled"
    assert error["errorType"] == "Runtime.ExitError"
    assert aws.invoke(name, well="again") == ({"well": "again"}, "")


def test_a_time_out_is_a_function_error_and_ends_the_container(
    aws: Aws, docker_engine: Engine
) -> None:
    name = aws.create(Timeout=1)
    before = running(docker_engine)
    began = time.monotonic()
    error, kind = aws.invoke(name, do="sleep", s=30)
    assert time.monotonic() - began < 25  # and not the 30 that it sleeps
    assert kind == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in error["errorMessage"]
    assert running(docker_engine) <= before


def test_its_lines_go_to_the_log_in_lambda_s_frame(aws: Aws) -> None:
    aws.client("logs").create_log_group(logGroupName="lines")
    name = aws.create(LoggingConfig={"LogGroup": "lines"})
    aws.invoke(name, do="print")
    events = aws.client("logs").filter_log_events(logGroupName="lines")["events"]
    messages = [event["message"] for event in events]
    assert messages[0].startswith("START RequestId: ")
    assert messages[1:5] == ["init", "one", "two", "no newline"]
    assert messages[5].startswith("END RequestId: ")
    assert "Memory Size: 128 MB" in messages[6]
    assert f"{name} | two" in aws.lines


def test_it_sees_what_lambda_sets_and_the_function_s_own_variables(aws: Aws) -> None:
    name = aws.create(
        MemorySize=256,
        Timeout=60,
        Environment={"Variables": {"MINE": "two\nlines = 'x'", "PATH_": "$HOME"}},
    )
    seen, _ = aws.invoke(name, do="see")
    environment = seen.pop("environment")
    assert seen["name"] == name
    assert int(seen["memory"]) == 256
    assert 30_000 < seen["left"] <= 60_000
    assert seen["log_group"] == f"/aws/lambda/{name}"
    assert "[$LATEST]" in seen["log_stream"]
    assert environment["MINE"] == "two\nlines = 'x'"
    assert environment["PATH_"] == "$HOME"
    assert environment["FROM_OUTSIDE"] == "yes"
    assert environment["AWS_ENDPOINT_URL"] == aws.local.endpoint_url
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["LAMBDA_TASK_ROOT"] == "/var/task"  # the image's


def test_nothing_of_this_machine_s_environment_is_seen(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "secret")
    seen, _ = aws.invoke(aws.create(), do="see")
    assert "OF_THIS_MACHINE" not in seen["environment"]


def test_only_tmp_can_be_written(aws: Aws) -> None:
    refused = "Read-only file system"
    assert aws.invoke(aws.create(), do="write") == ([refused, refused, "written"], "")


def test_tmp_is_as_large_as_the_function_s_storage(aws: Aws) -> None:
    error, _ = aws.invoke(aws.create(), do="fill", mb=513)
    assert "No space left on device" in error["errorMessage"]


def test_the_configured_command_and_folder_replace_the_image_s(aws: Aws) -> None:
    name = aws.create(ImageConfig={"Command": ["index.other"]})
    assert aws.invoke(name) == ("other", "")
    name = aws.create(ImageConfig={"WorkingDirectory": "/usr"})
    seen, _ = aws.invoke(name, do="see")
    assert seen["folder"] == "/usr"


def test_the_configured_entry_point_replaces_the_image_s_and_keeps_its_command(aws: Aws) -> None:
    script = "export ENTERED=yes; exec /lambda-entrypoint.sh $0"
    name = aws.create(ImageConfig={"EntryPoint": ["/bin/sh", "-c", script]})
    seen, _ = aws.invoke(name, do="see")
    assert seen["environment"]["ENTERED"] == "yes"
    assert seen["environment"]["_HANDLER"] == "index.handler"


def test_a_changed_configuration_gets_a_new_container(aws: Aws) -> None:
    name = aws.create()
    assert aws.invoke(name) == ({}, "")
    aws.client("lambda").update_function_configuration(
        FunctionName=name, ImageConfig={"Command": ["index.other"]}
    )
    assert aws.invoke(name) == ("other", "")


def test_a_version_keeps_its_image(aws: Aws, push_image: PushImage) -> None:
    name = aws.create(Publish=True)
    changed = push_image("def handler(event, context): return 'new'", repository="functions-2")
    aws.client("lambda").update_function_code(FunctionName=name, ImageUri=changed)
    assert aws.invoke(name) == ("new", "")
    assert aws.invoke(f"{name}:1", a=1) == ({"a": 1}, "")


def test_several_run_at_once(aws: Aws) -> None:
    # Each waits for the others: one after the other, they would time out.
    name = aws.create()
    with ThreadPoolExecutor(3) as threads, socket.create_server(("127.0.0.1", 0)) as meeting:
        meeting.settimeout(60)
        port = meeting.getsockname()[1]
        runs = [threads.submit(aws.invoke, name, do="meet", port=port, n=n) for n in range(3)]
        for came in [meeting.accept()[0] for _ in runs]:
            came.close()
        assert [run.result()[0]["n"] for run in runs] == [0, 1, 2]


def test_an_image_that_is_gone_from_the_registry_is_an_error_that_names_it(
    aws: Aws, docker_engine: Engine, registry: Registry, push_image: PushImage
) -> None:
    uri = push_image("# gone", repository="gone")
    name = aws.create(Code={"ImageUri": uri})
    registry.delete("gone", uri.partition("@")[2])
    docker_engine.docker("rmi", "--force", uri, f"{uri.partition('@')[0]}:latest")
    error, kind = aws.invoke(name)
    assert kind == "Unhandled"
    assert error["errorType"] == "LocalAws.Image"
    assert uri in error["errorMessage"]


def test_an_image_that_does_not_start_is_an_error_that_says_why(aws: Aws) -> None:
    name = aws.create(ImageConfig={"WorkingDirectory": "/etc/passwd"})
    error, kind = aws.invoke(name)
    assert kind == "Unhandled"
    assert error["errorType"] == "LocalAws.Emulator"
    assert "/etc/passwd" in error["errorMessage"]


def test_a_function_for_another_machine_says_how_to_run_it_here(aws: Aws) -> None:
    other = "arm64" if machine_architecture() == "x86_64" else "x86_64"
    name = aws.create(Architectures=[other])
    error, _ = aws.invoke(name)
    assert error["errorType"] == "LocalAws.RuntimeUnavailable"
    assert f"the function is built for {other} and this machine is" in error["errorMessage"]
    assert {each.name: each.obstacle for each in aws.local.functions()}[name]


def test_deploying_an_image_that_was_never_pushed_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        aws.create(Code={"ImageUri": f"{aws.image.partition('@')[0]}@sha256:{'0' * 64}"})


def test_images_are_brought_before_the_first_request(
    aws: Aws, docker_engine: Engine, push_image: PushImage
) -> None:
    uri = push_image("# brought", repository="brought")
    docker_engine.docker("rmi", "--force", uri, f"{uri.partition('@')[0]}:latest")
    aws.create(Code={"ImageUri": uri})
    failures = aws.local.bring_images()
    assert docker_engine.docker("image", "inspect", uri)
    assert all("/gone@" in str(error) for error in failures)  # another test's


def test_stopping_ends_every_container_also_one_at_work(
    docker_engine: Engine, registry: Registry, push_image: PushImage, tmp_path: Any
) -> None:
    image = push_image(SOURCE, repository="functions")
    before = running(docker_engine)
    with Docker() as docker:
        containers = Containers(docker=docker, registry=registry)
        with LocalAws(tmp_path, containers=containers) as local, ThreadPoolExecutor(1) as thread:
            aws = Aws(local=local, image=image, prefix="stopping")
            aws.role = aws.client("iam").create_role(
                RoleName="stopping", AssumeRolePolicyDocument="{}"
            )["Role"]["Arn"]
            busy, idle = aws.create(), aws.create()
            aws.invoke(idle)
            thread.submit(aws.invoke, busy, do="sleep", s=60)
            deadline = time.monotonic() + 60
            while len(running(docker_engine) - before) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(0.3)  # until it is at work
            local._invoker.close()
            assert running(docker_engine) <= before
    assert [path.name for path in tmp_path.iterdir()] == []


def running(engine: Engine) -> set[str]:
    return set(engine.docker("ps", "--quiet", "--filter", "name=local-aws-").split())
