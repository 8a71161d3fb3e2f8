"""What Lambda has already is resolved with the rest, and left out of the package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from build.tiny import HANDLER, bytes_in, found_in, make_function, make_wheel, names_in
from lambda_build.build import package
from lambda_build.cache import Cache
from lambda_build.errors import ImportsError, UsageError
from lambda_build.lock import read_lock
from lambda_build.locking import lock_function
from lambda_build.provided import LISTED_ON, read_provided, runtime_modules
from lambda_build.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambda_build.build import Artefact

from dataclasses import replace


@pytest.fixture
def sdk(wheels: Path) -> Path:
    """Wheels that need each other as the SDK's do, and one that needs a part of them."""
    make_wheel(wheels, "boto3", requires=["botocore", "s3transfer"])
    make_wheel(wheels, "s3transfer", requires=["botocore"])
    make_wheel(wheels, "botocore", requires=["jmespath", "urllib3"])
    make_wheel(wheels, "jmespath")
    make_wheel(wheels, "urllib3")
    make_wheel(wheels, "requests", requires=["urllib3", "boto3; extra == 'aws'"])
    return wheels


def build(
    root: Path, provided: Sequence[str], *requirements: str, text: str = ""
) -> tuple[Artefact, dict[str, Any]]:
    function = make_function(
        root / "f", found_in("../wheels", *requirements), files={"index.py": text + HANDLER}
    )
    function = replace(function, provided=read_provided(provided, function.target, "it"))
    lock_function(function)
    artefact = package(function, root / "f.zip", Cache.default())
    return artefact, json.loads((root / "f.manifest.json").read_text())


def tops(archive: Path) -> set[str]:
    return {name.partition("/")[0] for name in names_in(archive) if "dist-info" not in name}


def test_a_provided_package_is_left_out_with_what_nobody_else_needs(
    tmp_path: Path, sdk: Path
) -> None:
    artefact, manifest = build(tmp_path, ["boto3"], "boto3", "requests", text="import boto3\n")
    assert tops(artefact.path) >= {"requests", "urllib3"}
    assert not tops(artefact.path) & {"boto3", "botocore", "s3transfer", "jmespath"}
    assert artefact.packages == {"requests": "1.0", "urllib3": "1.0"}
    left_out = ["boto3", "botocore", "jmespath", "s3transfer"]
    assert manifest["provided"] == left_out
    assert json.loads(bytes_in(artefact.path, "lambda_build.json"))["provided"] == left_out
    assert [row["name"] for row in manifest["sbom"]["components"]] == ["requests", "urllib3"]


def test_the_lock_holds_what_is_provided_too(tmp_path: Path, sdk: Path) -> None:
    build(tmp_path, ["boto3"], "boto3")
    lock = read_lock(tmp_path / "f" / "requirements.python3.11-x86_64.lock")
    assert {pin.name for pin in lock.pins} >= {"boto3", "botocore", "jmespath"}


def test_what_an_extra_needs_is_left_out_likewise(tmp_path: Path, sdk: Path) -> None:
    artefact, _ = build(tmp_path, ["boto3"], "requests[aws]")
    assert artefact.packages == {"requests": "1.0", "urllib3": "1.0"}


def test_a_provided_package_need_not_be_required(tmp_path: Path, sdk: Path) -> None:
    text = "import boto3, botocore.config, dateutil\n"
    artefact, _ = build(tmp_path, ["boto3"], "jmespath", text=text)
    assert artefact.packages == {"jmespath": "1.0"}
    with pytest.raises(ImportsError, match="boto3 is neither in the requirements nor"):
        build(tmp_path, [], "jmespath", text=text)


def test_a_package_that_a_layer_brings_is_left_out(tmp_path: Path, sdk: Path) -> None:
    names = ["layer:requests", "layer:Some.Thing"]
    artefact, manifest = build(
        tmp_path, names, "requests", text="import requests, urllib3, some_thing\n"
    )
    assert artefact.packages == {}
    assert manifest["provided"] == ["requests", "some-thing", "urllib3"]


def test_what_is_half_the_runtimes_is_worth_a_warning(tmp_path: Path, sdk: Path) -> None:
    artefact, _ = build(tmp_path, ["boto3"], "boto3", "urllib3")
    assert artefact.warnings == (
        (
            "f: boto3 is the runtime's, and will use the package's urllib3 1.0; AWS tests its own "
            "only. Package boto3 as well, or declare these as provided."
        ),
    )
    again, _ = build(tmp_path, ["boto3"], "boto3", "urllib3")
    assert (again.built, again.warnings) == (False, artefact.warnings)
    artefact, _ = build(tmp_path, ["botocore"], "boto3")
    assert any(
        "boto3 1.0 is packaged, and will use the runtime's botocore" in said
        for said in artefact.warnings
    )


def test_a_version_that_the_runtime_need_not_have_is_worth_a_warning(
    tmp_path: Path, sdk: Path
) -> None:
    artefact, _ = build(tmp_path, ["boto3"], "boto3==1.0")
    (warning,) = artefact.warnings
    assert "asks for boto3==1.0 and gets the runtime's" in warning
    for harmless in ("boto3>=1.0", "boto3==1.0 ; python_version < '3.0'"):
        assert build(tmp_path, ["boto3"], harmless)[0].warnings == ()
    assert build(tmp_path, ["layer:boto3"], "boto3==1.0")[0].warnings == ()


def test_what_is_provided_is_an_input_of_the_digest(tmp_path: Path, sdk: Path) -> None:
    digests = {build(tmp_path, names, "boto3")[0].digest for names in ([], ["boto3"], ["botocore"])}
    assert len(digests) == 3


def test_only_what_the_runtime_holds_can_be_provided() -> None:
    assert read_provided(["Boto3", "python_dateutil"], Target(), "it") == (
        "boto3",
        "python-dateutil",
    )
    with pytest.raises(UsageError, match="it declares 'numpy' as provided") as refused:
        read_provided(["numpy"], Target(), "it")
    assert f"It holds (as of {LISTED_ON}): awslambdaric, boto3, botocore," in str(refused.value)
    assert '"layer:numpy"' in str(refused.value)


def test_every_package_of_the_runtime_has_its_modules() -> None:
    assert runtime_modules(Target()) >= {"boto3", "dateutil", "snapshot_restore_py", "six"}


def test_an_extra_that_a_package_does_not_have_is_said(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "one", extras={"Real_One": ["two"], "more": []})
    make_wheel(wheels, "two")
    artefact, _ = build(tmp_path, [], "one[real-one,fake]", "two[x]; python_version < '3'")
    assert artefact.packages == {"one": "1.0", "two": "1.0"}
    assert artefact.warnings == (
        "f: one 1.0 has no extra 'fake', so asking for it brings nothing. It has: Real_One, more.",
    )
