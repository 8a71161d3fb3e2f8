"""Modules that hide each other, and files that do nothing on Lambda, are worth a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build.test_imports import layout
from lambda_build.checks.findings import refuse
from lambda_build.checks.shadows import hidden_modules, path_files
from lambda_build.target import Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def hidden(
    folder: Path,
    files: Mapping[str, str | bytes],
    wheels: Mapping[str, Mapping[str, str | bytes]] | None = None,
    runtime: Runtime = Runtime.PYTHON3_11,
) -> list[str]:
    found = layout(folder, {"index.py": "", **files}, wheels)
    return refuse(hidden_modules(found, Target(runtime=runtime)))


@pytest.mark.parametrize(
    ("path", "module"),
    [("json.py", "json"), ("random.py", "random"), ("email/__init__.py", "email")],
)
def test_source_with_a_name_of_the_standard_library_is_named(
    tmp_path: Path, path: str, module: str
) -> None:
    [said] = hidden(tmp_path, {path: ""})
    assert said == (
        f"{path} (from source) has the name of the standard library's {module}: an import gets "
        "whichever was found first. Rename it."
    )


def test_the_standard_library_is_the_targets(tmp_path: Path) -> None:
    assert hidden(tmp_path, {"annotationlib.py": ""}) == []
    assert hidden(tmp_path, {"annotationlib.py": ""}, runtime=Runtime.PYTHON3_14)


def test_a_dependency_that_hides_the_standard_library_is_named(tmp_path: Path) -> None:
    [said] = hidden(tmp_path, {}, {"enum34": {"enum/__init__.py": ""}})
    assert said.startswith("enum/__init__.py (from enum34 1.0) has the name of the standard")


def test_data_and_modules_further_down_hide_nothing(tmp_path: Path) -> None:
    files = {"json/data.txt": "", "app/json.py": "", "app/one.py": "", "random.txt": ""}
    assert hidden(tmp_path, files, {"one": {"one/__init__.py": ""}}) == []


def test_source_that_hides_a_dependency_names_both(tmp_path: Path) -> None:
    [said] = hidden(tmp_path, {"six/__init__.py": ""}, {"six": {"six.py": ""}})
    assert said == "six/__init__.py of the source hides six.py (from six 1.0): rename it."


def test_source_that_a_dependency_hides_names_both(tmp_path: Path) -> None:
    [said] = hidden(tmp_path, {"one.py": ""}, {"one": {"one/__init__.py": ""}})
    assert said == "one/__init__.py (from one 1.0) hides one.py of the source: rename it."


def test_source_inside_a_dependencys_package_is_named_once(tmp_path: Path) -> None:
    files = {"boto3/a.py": "", "boto3/b.py": ""}
    [said] = hidden(tmp_path, files, {"boto3": {"boto3/__init__.py": ""}})
    assert said == "boto3/a.py of the source lies in boto3, a package of boto3 1.0."


def test_a_namespace_that_several_share_hides_nothing(tmp_path: Path) -> None:
    wheels = {"one": {"google/one/__init__.py": ""}, "two": {"google/two.py": ""}}
    assert hidden(tmp_path, {"google/own/__init__.py": "", "google/b.py": ""}, wheels) == []
    [said] = hidden(tmp_path / "b", {"google/two/__init__.py": ""}, wheels)
    assert (
        said
        == "google/two/__init__.py of the source hides google/two.py (from two 1.0): rename it."
    )


def test_path_files_do_nothing_on_lambda(tmp_path: Path) -> None:
    files = {"own.pth": "lib", "deep/no.pth": "x"}
    wheels = {"one": {"one.pth": "import one", "one-1.0-nspkg.pth": "import types"}}
    said = refuse(path_files(layout(tmp_path, files, wheels)))
    end = "does nothing on Lambda, which reads no .pth files in /var/task."
    assert said == [f"one.pth (from one 1.0) {end}", f"own.pth (from source) {end}"]
