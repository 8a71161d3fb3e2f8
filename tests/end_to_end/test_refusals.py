"""What cannot be built is refused at plan, in words that survive Terraform's own output.

Terraform wraps what a program said at 78 columns, except for lines that start with spaces. So each
refusal is looked at as its reader sees it: the thing, the cause, and a command to paste, whole.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest
from build.tiny import Index, found_in, make_function, make_wheel, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from applied_stack import AppliedStack, Run


class Plan(Protocol):
    """Plan a function's package; the keywords stand in its query instead of the usual values."""

    def __call__(self, source: Path, **query: str) -> Run:
        """Return what Terraform said."""


@pytest.fixture
def plan(applied_stack: AppliedStack, build_alone: Path, tmp_path: Path) -> Plan:
    """Plan the build of a folder, with caches of the test's own."""

    def run(source: Path, **query: str) -> Run:
        asked = {
            "name": "hello",
            "source": os.fspath(source),
            "requirements": "requirements.txt",
            "runtime": "python3.11",
            "architecture": "x86_64",
            "handler": "index.handler",
            "output_dir": os.fspath(tmp_path / "packages"),
            "archive_above_bytes": "1000000",
            **query,
        }
        return applied_stack.run(
            "plan",
            root=build_alone,
            input=False,
            var={"query": asked},
            variables={
                "LAMBDA_BUILD_CACHE": os.fspath(tmp_path / "cache"),
                "UV_HTTP_RETRIES": "0",
            },
        )

    return run


def _refused(run: Run, *said: str) -> str:
    """Return what a refused plan said, its lines joined; every part of `said` is in it."""
    assert run.exit_code == 1, run.output
    joined = " ".join(run.output.split())
    for part in said:
        assert part in joined, run.output
    assert "Traceback" not in joined
    return run.output


def test_a_missing_requirements_file_is_named(plan: Plan, tmp_path: Path) -> None:
    make_function(tmp_path / "hello", requirements=None)
    output = _refused(plan(tmp_path / "hello"), "requirements.txt does not exist")
    assert '    requirements = ""' in output


def test_the_resolvers_reason_is_shown(plan: Plan, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "one", requires=["two>=2"])
    make_wheel(tmp_path / "wheels", "two", "1.0")
    make_function(tmp_path / "hello", found_in("../wheels", "one", "two==1.0"))
    _refused(plan(tmp_path / "hello"), "one depend on two>=2", "require two==1.0", "unsatisfiable")


def test_a_wheel_that_is_not_the_locked_one_shows_both_hashes(plan: Plan, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", "one")
    function = make_function(tmp_path / "hello", found_in("../wheels", "one"))
    _lock(function)
    wheel.unlink()
    make_wheel(tmp_path / "wheels", "one", files={"one/__init__.py": "evil = True\n"})
    output = _refused(plan(tmp_path / "hello"), "is not the file that was locked")
    assert output.count("    sha256:") == 2
    assert "    make lock" in output


def test_a_package_without_a_wheel_for_the_target_is_named(plan: Plan, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "one", tag="cp311-cp311-manylinux_2_28_x86_64")
    make_function(tmp_path / "hello", found_in("../wheels", "one"))
    _refused(plan(tmp_path / "hello"), "one", "python3.11-x86_64", "wheel")


def test_an_index_out_of_reach_is_told_apart(plan: Plan, tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        url = index.url
    make_function(tmp_path / "hello", f"--index-url {url}\none\n")
    _refused(plan(tmp_path / "hello"), "the package index did not answer", "run the command again")


def test_a_warm_cache_needs_no_index(plan: Plan, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "one")
    with Index(tmp_path / "wheels") as index:
        function = make_function(tmp_path / "hello", f"--index-url {index.url}\none\n")
        _lock(function)
        assert plan(tmp_path / "hello").exit_code == 0
    again = plan(tmp_path / "hello", output_dir=os.fspath(tmp_path / "elsewhere"))
    assert again.exit_code == 0, again.output


def test_an_output_that_cannot_be_written_is_named(plan: Plan, tmp_path: Path) -> None:
    make_function(tmp_path / "hello")
    write_tree(tmp_path, {"file": "a file, where a folder is needed"})
    run = plan(tmp_path / "hello", output_dir=os.fspath(tmp_path / "file/packages"))
    _refused(run, "cannot be written", "Not a directory")


def test_a_handler_that_is_not_there_is_told_with_what_is(plan: Plan, tmp_path: Path) -> None:
    make_function(tmp_path / "hello")
    run = plan(tmp_path / "hello", handler="app.main")
    _refused(run, "The handler is app.main, and the package has no app.py", "index.py")


def test_an_unsupported_runtime_is_told_with_the_choices(plan: Plan, tmp_path: Path) -> None:
    make_function(tmp_path / "hello")
    run = plan(tmp_path / "hello", runtime="python3.8")
    _refused(run, "'python3.8' is no runtime", "python3.11, python3.12, python3.13, python3.14")


def _lock(function: object) -> None:
    from lambda_build.locking import lock_function  # noqa: PLC0415 - used by two tests only

    lock_function(function)  # type: ignore[arg-type]
