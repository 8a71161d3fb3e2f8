"""What only a build backend knows of a path requirement is asked of it; nothing is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build.tiny import BACKEND, found_in, make_function, make_wheel, project_tree, write_tree
from lambda_build.build import package
from lambda_build.errors import ToolError, WheelError
from lambda_build.locking import lock_function
from lambda_build.requirements import read_requirements

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.cache import Cache

_READS = 'name, version = project["name"], project["version"]'
_KNOWS = 'name, version = "proj", "3.1"\n    project["dependencies"] = ["one; extra != \'x\'"]'
assert _READS in BACKEND
KNOWING = BACKEND.replace(_READS, _KNOWS).replace(')["project"]', ').get("project", {})')
_SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.mark.parametrize(
    "table",
    [
        '[project]\nname = "proj"\ndynamic = ["version"]\n',
        '[project]\nname = "proj"\nversion = "3.1"\ndynamic = ["dependencies"]\n',
        "",
    ],
    ids=["its version", "its dependencies", "everything"],
)
def test_a_folder_of_which_only_its_backend_knows(
    tmp_path: Path, wheels: Path, cache: Cache, table: str
) -> None:
    make_wheel(wheels)
    folder = project_tree(tmp_path / "lib")
    write_tree(folder, {"pyproject.toml": table + _SYSTEM, "backend.py": KNOWING})
    before = {path.name for path in folder.rglob("*")}
    function = make_function(tmp_path / "f", found_in("../wheels", "../lib"))
    assert package(function, tmp_path / "a.zip", cache).packages == {"one": "1.0", "proj": "3.1"}
    _, lock, _ = lock_function(function)
    assert [pin.name for pin in lock.pins] == ["one"]
    assert package(function, tmp_path / "a.zip", cache).warnings == ()
    assert {path.name for path in folder.rglob("*")} == before


def test_a_file_that_a_backend_may_read_its_dependencies_from_makes_the_lock_stale(
    tmp_path: Path,
) -> None:
    folder = project_tree(tmp_path / "lib")
    table = '[project]\nname = "proj"\nversion = "1"\ndynamic = ["dependencies"]\n'
    write_tree(folder, {"pyproject.toml": table, "needs.txt": "one\n", "latin.txt": b"\xff"})
    file = write_tree(tmp_path, {"requirements.txt": "./lib\n"}) / "requirements.txt"
    before = read_requirements(file).digest
    write_tree(folder, {"proj/__init__.py": "# another line\n"})
    assert read_requirements(file).digest == before
    write_tree(folder, {"needs.txt": "two\n"})
    assert read_requirements(file).digest != before


def test_a_backend_that_fails_while_it_is_asked_is_quoted_with_the_line(
    tmp_path: Path, cache: Cache
) -> None:
    folder = project_tree(tmp_path / "lib")
    write_tree(folder, {"pyproject.toml": _SYSTEM, "backend.py": "raise ValueError('boom')\n"})
    function = make_function(tmp_path / "f", "--no-index\n../lib\n")
    with pytest.raises(ToolError, match=r"line 2: \.\./lib\n[^$]*boom"):
        package(function, tmp_path / "a.zip", cache)


def test_a_wheel_that_is_named_and_does_not_run_is_refused_as_a_wheel(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    wheel = make_wheel(wheels, tag="cp311-cp311-musllinux_1_2_x86_64")
    function = make_function(tmp_path / "f", f"--no-index\n../wheels/{wheel.name}\n")
    with pytest.raises(WheelError) as refused:
        package(function, tmp_path / "a.zip", cache)
    assert "let the index choose it:\n    one==1.0" in str(refused.value)
    assert "instead of the folder" not in str(refused.value)
