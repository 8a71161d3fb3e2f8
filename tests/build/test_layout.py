"""A layout names each file of a package once, and refuses what would hide something."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from lambda_build.errors import ConflictError, SourceError
from lambda_build.layout import InFile, InMemory, Layout, Member, lay_out, read_verified
from lambda_build.layout import source_members as members_of_source
from lambda_build.source import read_function_source

if TYPE_CHECKING:
    from pathlib import Path


def member(path: str, text: str = "", origin: str = "source") -> Member:
    data = text.encode()
    return Member(
        path=path,
        executable=False,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        origin=origin,
        content=InMemory(data=data),
    )


def paths(layout: Layout) -> list[str]:
    return [found.path for found in layout.members]


def test_members_are_sorted_by_path_whatever_their_origin() -> None:
    layout = lay_out([member("b"), member("c/a")], [member("a", "12"), member("c-d")])
    assert paths(layout) == ["a", "b", "c-d", "c/a"]
    assert layout.size == 2


def test_one_path_with_one_content_is_fine() -> None:
    layout = lay_out([member("ns/__init__.py", "", "one 1")], [member("ns/__init__.py", "", "two")])
    assert [(m.path, m.origin) for m in layout.members] == [("ns/__init__.py", "one 1")]


def test_one_path_with_two_contents_names_both_origins() -> None:
    with pytest.raises(ConflictError, match=r"^a\.py is in source and in one 1, with different"):
        lay_out([member("a.py", "1")], [member("a.py", "2", "one 1")])


def test_a_file_cannot_be_a_folder_as_well() -> None:
    with pytest.raises(ConflictError, match=r"^a/b is a file in source and a folder in one 1"):
        lay_out([member("a/b")], [member("a/b/c/d.py", "", "one 1")])


def test_a_member_is_found_by_its_path() -> None:
    layout = lay_out([member("a"), member("b")])
    assert layout.find("b") == member("b")
    assert layout.find("c") is None


def test_a_file_that_changed_after_it_was_hashed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("first")
    [found] = members_of_source(read_function_source(tmp_path))
    assert found.content == InFile(file=tmp_path / "index.py")
    assert read_verified(found) == b"first"
    (tmp_path / "index.py").write_text("other")
    with pytest.raises(SourceError, match=r"^index\.py \(from source\) was changed while it was"):
        read_verified(found)
