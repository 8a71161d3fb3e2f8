from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from lambda_release.errors import AwsError
from lambda_release.pin import pin

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import World


def test_a_function_is_pinned_to_what_is_live_whatever_is_published(
    world: World, tmp_path: Path
) -> None:
    world.add("chat", versions=3)
    file = tmp_path / "release.tfvars.json"
    assert pin(world.functions, world.aws, file) == ["chat: version 1"]
    assert json.loads(file.read_text()) == {"release": {"chat": {"version": "1"}}}


def test_a_share_is_pinned_by_its_version(world: World, tmp_path: Path) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "1", v2=0.1)
    file = tmp_path / "release.tfvars.json"
    assert pin(world.functions, world.aws, file) == ["chat: version 1, 10 % version 2"]
    assert json.loads(file.read_text())["release"]["chat"] == {
        "version": "1",
        "additional_version_weights": {"2": 0.1},
    }


def test_before_the_first_apply_nothing_is_pinned(world: World, tmp_path: Path) -> None:
    file = tmp_path / "release.tfvars.json"
    assert pin([], world.aws, file) == []
    assert json.loads(file.read_text()) == {"release": {}}


def test_a_function_that_is_not_there_is_left_out(world: World, tmp_path: Path) -> None:
    world.add("chat")
    gone = world.add("inference")
    world.aws.functions.delete_function(FunctionName=gone.name)
    file = tmp_path / "release.tfvars.json"
    assert pin(world.functions, world.aws, file)[1] == "inference: not there yet"
    assert json.loads(file.read_text())["release"].keys() == {"chat"}


def test_where_aws_cannot_be_asked_the_file_stays_as_it_was(world: World, tmp_path: Path) -> None:
    world.add("chat")
    file = tmp_path / "release.tfvars.json"
    file.write_text("before")

    def away(_number: int, _call: str) -> None:
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415

        raise NoCredentialsError

    world.wire.before = away
    with pytest.raises(AwsError, match="Unable to locate credentials"):
        pin(world.functions, world.aws, file)
    assert file.read_text() == "before"
