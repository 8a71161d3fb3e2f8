"""The suite itself: a folder of tests that is not collected is a check that silently never runs."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from workers import OF_THE_STACK, ON_THE_STACK

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config, project: Path) -> None:
    passed_over = [str(pattern) for pattern in pytestconfig.getini("norecursedirs")]
    folders = {file.parent for file in (project / "tests").rglob("test_*.py")}
    hidden = [
        folder
        for folder in folders
        for part in folder.relative_to(project).parts
        if any(fnmatch(part, pattern) for pattern in passed_over)
    ]
    assert folders
    assert hidden == []


def test_all_tests_on_the_stack_go_to_one_worker(request: pytest.FixtureRequest) -> None:
    # Else it is applied in both. A run of a part of the tests looks at that part.
    modules = {
        item.nodeid.partition("::")[0]
        for item in request.session.items
        if OF_THE_STACK & set(getattr(item, "fixturenames", ()))
    }
    assert modules <= ON_THE_STACK


def test_every_module_on_the_stack_is_there(project: Path) -> None:
    assert [module for module in ON_THE_STACK if not (project / module).is_file()] == []
