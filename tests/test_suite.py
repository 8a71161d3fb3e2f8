"""The suite itself: a folder of tests that is not collected is a check that silently never runs."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

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
