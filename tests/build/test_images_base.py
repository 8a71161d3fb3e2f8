"""The base image of a function decides its glibc, and with it wheels, lock and checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, write_tree
from build.tiny_elf import make_elf
from lambda_build.checks.findings import Severity
from lambda_build.checks.libraries import check_libraries
from lambda_build.errors import UsageError
from lambda_build.function import folder_function, image_target, read_function
from lambda_build.images.reference import Reference
from lambda_build.layout import lay_out, wheel_members
from lambda_build.lock import lock_command, lock_path
from lambda_build.wheel import rank, read_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.checks.findings import Finding
    from lambda_build.function import Function
    from lambda_build.target import Target

AMAZON_LINUX = "public.ecr.aws/amazonlinux/amazonlinux:2023"


def described(folder: Path, **said: object) -> Function:
    write_tree(folder, {"function.json": json.dumps({"dependencies": "image", **said})})
    return read_function(folder)


@pytest.mark.parametrize(
    ("runtime", "base", "glibc"),
    [
        ("python3.11", None, "2.26"),
        ("python3.12", None, "2.34"),
        ("python3.11", "public.ecr.aws/lambda/python:3.11", "2.26"),
        ("python3.11", "public.ecr.aws/lambda/python:3.11.2025.10.2.15", "2.26"),
        ("python3.11", "amazon/aws-lambda-python:3.11-x86_64", "2.26"),
        ("python3.11", f"public.ecr.aws/lambda/python@sha256:{'a' * 64}", "2.26"),
        ("python3.14", "public.ecr.aws/lambda/python:3.14", "2.34"),
        ("python3.11", AMAZON_LINUX, "2.34"),
        ("python3.11", f"{AMAZON_LINUX}@sha256:{'a' * 64}", "2.34"),
        ("python3.11", "amazonlinux:2023.6.20241010.0", "2.34"),
        ("python3.13", "amazonlinux:2", "2.26"),
        ("python3.11", "1234.dkr.ecr.eu-west-1.amazonaws.com/public/amazonlinux:2023", "2.34"),
    ],
)
def test_the_glibc_follows_from_the_runtime_and_aws_s_base(
    tmp_path: Path, runtime: str, base: str | None, glibc: str
) -> None:
    said = {"runtime": runtime} | ({"base_image": base} if base else {})
    assert described(tmp_path, **said).target.glibc == glibc


@pytest.mark.parametrize("base", ["debian:12", "amazonlinux:latest", "example.com/python:3.11"])
def test_another_base_has_to_say_its_glibc(tmp_path: Path, base: str) -> None:
    with pytest.raises(UsageError, match="nothing tells which glibc the base image") as refused:
        described(tmp_path, base_image=base)
    assert f"docker run --rm --entrypoint ldd {base} --version" in str(refused.value)
    assert described(tmp_path, base_image=base, glibc="2.36").target.glibc == "2.36"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"glibc": "new"}, "it is a version"),
        ({"glibc": "2.3"}, "it is a version from 2.17 on"),
        ({"base_image": "https://x.test/y"}, "names no image"),
        ({"base_image": "public.ecr.aws/lambda/python:3.12"}, "has Python 3.12, and the runtime"),
        ({"base_image": AMAZON_LINUX, "provided": ["boto3"]}, "nothing tells that the base image"),
        ({"provided": ["layer:boto3"]}, "images have no layers"),
        ({"dependencies": "zip", "base_image": AMAZON_LINUX}, '"dependencies": "image"'),
        ({"dependencies": "layer"}, "'zip' or the 'image', and not in 'layer'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, said: dict[str, object], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        described(tmp_path, **said)


def test_aws_s_image_of_the_runtime_holds_what_the_runtime_holds(tmp_path: Path) -> None:
    assert described(tmp_path, provided=["boto3"]).provided == ("boto3",)


def test_a_mirror_of_the_described_base_is_taken_for_it(tmp_path: Path) -> None:
    described(tmp_path, base_image=AMAZON_LINUX)
    target = image_target(tmp_path, "python3.11", "x86_64", base_image="mirror.test/al:newest")
    assert (target.system, target.glibc) == ("mirror.test/al:newest", "2.34")
    # "" is AWS's own image, whatever is described.
    assert image_target(tmp_path, "python3.11", "x86_64", base_image="").glibc == "2.26"


def test_a_base_that_nobody_describes_is_taken_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing tells which glibc"):
        image_target(tmp_path, "python3.12", "x86_64", base_image="python:3.12-slim-bullseye")


def test_a_base_whose_glibc_is_told_is_not_taken_for_aws_s(tmp_path: Path) -> None:
    described(tmp_path, glibc="2.31")
    target = image_target(tmp_path, "python3.11", "x86_64", base_image="python:3.11-bullseye")
    assert target.glibc == "2.31"
    assert target.base is not None
    assert not target.base.is_runtime


def test_one_word_makes_an_image_of_a_function_with_the_lock_that_it_has(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    as_zip = lock_path(requirements, described(tmp_path, dependencies="zip").target)
    assert lock_path(requirements, described(tmp_path).target) == as_zip


def test_a_newer_system_under_the_same_python_has_a_lock_of_its_own(tmp_path: Path) -> None:
    target = described(tmp_path, base_image=AMAZON_LINUX).target
    path = lock_path(tmp_path / "requirements.txt", target)
    assert path.name == "requirements.python3.11-x86_64-glibc2.34.lock"
    assert lock_command(path).endswith(f"lock --source {tmp_path} --glibc 2.34")
    again = folder_function(
        tmp_path,
        requirements=None,
        has_requirements=True,
        runtime=None,
        architecture=None,
        handler=None,
        glibc="2.34",
    )
    assert lock_path(tmp_path / "requirements.txt", again.target) == path
    wheel = "one-1.0-cp311-cp311-manylinux_2_34_x86_64.whl"
    assert rank(wheel, target) is not None
    assert rank(wheel, described(tmp_path).target) is None
    assert target.uv_platform == "x86_64-manylinux_2_34"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("debian", "docker.io", "library/debian", "latest", ""),
        ("me/app:1", "docker.io", "me/app", "1", ""),
        ("localhost/app", "localhost", "app", "latest", ""),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000", "a/b", "c", ""),
        (f"x.test/a@sha256:{'0' * 64}", "x.test", "a", "", f"sha256:{'0' * 64}"),
    ],
)
def test_a_reference_is_read_by_docker_s_rules(
    text: str, registry: str, repository: str, tag: str, digest: str
) -> None:
    found = Reference.parse(text)
    assert (found.registry, found.repository, found.tag, found.digest) == (
        *(registry, repository, tag),
        digest,
    )


@pytest.mark.parametrize("text", ["", "Debian", "a b", "x.test/", "a@sha256:12", "--all"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no image"):
        Reference.parse(text)


def findings(folder: Path, target: Target, elf: bytes) -> list[Finding]:
    wheel = make_wheel(folder / "wheels", files={"one/native.so": elf})
    layout = lay_out(wheel_members(read_wheel(wheel, wheel.name, "0" * 64)))
    return list(check_libraries(layout, target))


@pytest.mark.parametrize(
    ("dockerfile", "severity"),
    [
        (None, Severity.ERROR),
        ("FROM scratch\n# libgomp\n", Severity.WARNING),
        ("FROM scratch\nRUN dnf install -y libgomp\n", None),
        ("FROM scratch\nRUN apt-get install --yes libgomp1\n", None),
    ],
)
def test_a_library_that_a_dockerfile_installs_is_not_missed(
    tmp_path: Path, dockerfile: str | None, severity: Severity | None
) -> None:
    if dockerfile is not None:
        write_tree(tmp_path / "f", {"Dockerfile": dockerfile})
    target = described(tmp_path / "f", base_image=AMAZON_LINUX).target
    found = findings(tmp_path, target, make_elf(needed=["libgomp.so.1"]))
    assert [one.severity for one in found] == ([] if severity is None else [severity])


def test_a_library_newer_than_the_base_is_refused_with_the_base_s_name(tmp_path: Path) -> None:
    target = described(tmp_path / "f", base_image="debian:12", glibc="2.36").target
    elf = make_elf(needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.38"]})
    [found] = findings(tmp_path, target, elf)
    assert "debian:12 has glibc 2.36" in found.cause
    fine = make_elf(needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.36"]})
    assert findings(tmp_path, target, fine) == []
