"""An image goes from one environment's repository to the next one's, by its digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import pytest
from lambda_build.errors import ImageError, PlanError, RegistryError, UsageError
from lambda_build.images.promotion import promote_image, read_promoted
from lambda_build.images.reference import Reference
from lambda_build.images.terraform import PROMOTED, VARIABLE, push_planned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_engine import Engine
    from local_aws.registry import Registry

TAG = "a" * 64
DIGEST = f"sha256:{'0' * 64}"


class PushTiny(Protocol):
    def __call__(self, repository: str, text: str, *, tag: str = TAG) -> Reference: ...


@pytest.fixture
def push_tiny(docker_engine: Engine, registry: Registry, tmp_path: Path) -> Iterator[PushTiny]:
    """Pushes an image that holds a text and nothing else; returns it by digest."""
    names = []

    def push(repository: str, text: str, *, tag: str = TAG) -> Reference:
        (tmp_path / "text").write_text(text, "utf-8")
        (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY text /\n", "utf-8")
        name = f"{registry.address}/{repository}"
        docker_engine.docker("build", "--quiet", "--tag", f"{name}:{tag}", tmp_path)
        docker_engine.docker("push", "--quiet", f"{name}:{tag}")
        names.append(f"{name}:{tag}")
        pushed = registry.manifest(repository, tag)
        assert pushed is not None
        # As on another machine, which has nothing of it.
        docker_engine.docker("image", "rm", "--force", f"{name}:{tag}")
        return Reference.parse(f"{name}@{pushed.digest}")

    yield push
    left = docker_engine.docker("image", "ls", "--quiet", f"{registry.address}/*/promotion")
    for image in set(left.split()):
        docker_engine.docker("image", "rm", "--force", image)


def test_an_image_keeps_its_digest_and_is_not_built(
    push_tiny: PushTiny, registry: Registry
) -> None:
    source = push_tiny("staging/promotion", "one")
    production = f"{registry.address}/production/promotion"
    # As Terraform says it at apply; there is no source of any function.
    planned = {"name": "inference", "tag": TAG, "repository_url": production}
    rest = dict.fromkeys(
        ("source", "requirements", "runtime", "architecture", "handler", "base_image"), "x"
    )

    pushed = push_planned(
        {
            VARIABLE: json.dumps({**rest, **planned, "output_dir": "x"}),
            PROMOTED: json.dumps({"inference": str(source)}),
        }
    )

    assert pushed.reference == f"{production}@{source.digest}"
    assert not pushed.was_there
    assert pushed.promoted
    found = registry.manifest("production/promotion", TAG)
    assert found is not None
    assert found.digest == source.digest
    assert promote_image(source, production, TAG, None).was_there


def test_an_image_of_something_else_than_was_planned_is_not_promoted(
    push_tiny: PushTiny, registry: Registry
) -> None:
    source = push_tiny("older/promotion", "one", tag="b" * 64)
    target = f"{registry.address}/newer/promotion"

    with pytest.raises(PlanError, match="not made of what was planned"):
        promote_image(source, target, TAG, None)

    assert registry.tags("newer/promotion") == []


def test_another_image_under_the_planned_tag_is_refused(
    push_tiny: PushTiny, registry: Registry
) -> None:
    source = push_tiny("tested/promotion", "one")
    push_tiny("taken/promotion", "two")

    with pytest.raises(ImageError, match="batch-delete-image --repository-name taken/promotion"):
        promote_image(source, f"{registry.address}/taken/promotion", TAG, None)


def test_an_image_that_is_in_no_repository_is_refused(registry: Registry) -> None:
    source = Reference.parse(f"{registry.address}/never/promotion@{DIGEST}")

    with pytest.raises(PlanError, match="not there"):
        promote_image(source, f"{registry.address}/next/promotion", TAG, None)


def test_a_registry_that_does_not_answer_is_told() -> None:
    source = Reference.parse(f"127.0.0.1:9/never/promotion@{DIGEST}")

    with pytest.raises(RegistryError, match="cannot be asked"):
        promote_image(source, "127.0.0.1:9/next/promotion", TAG, None)


@pytest.mark.parametrize("text", ["", "{}", '{"another": "x"}'])
def test_a_function_that_is_not_promoted_is_built(text: str) -> None:
    assert read_promoted(text, "inference", "X") is None


@pytest.mark.parametrize("text", ["[]", "{", '{"inference": "host.example/name:tag"}'])
def test_what_names_no_image_by_digest_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_promoted(text, "inference", "X")
