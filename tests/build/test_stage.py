"""A staged folder holds what the archive would, costs what changed, and shows tampering."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, tree_of, write_tree
from lambda_build.folders import staged_tree
from lambda_build.layout import Layout, lay_out, source_members, wheel_members
from lambda_build.manifest import file_rows
from lambda_build.source import read_function_source
from lambda_build.stage import StagedTree, is_intact, stage
from lambda_build.wheel import read_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=[0o000, 0o022, 0o077])
def any_umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def layout(folder: Path, text: str = "handler = 1\n") -> Layout:
    write_tree(folder / "src", {"index.py": text, "bin/tool": "#!/bin/sh\n", "deep/er/a": ""})
    (folder / "src/bin/tool").chmod(0o755)
    wheel = make_wheel(folder / "wheels")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return lay_out(
        source_members(read_function_source(folder / "src")),
        wheel_members(read_wheel(wheel, wheel.name, digest)),
    )


def staged(folder: Path, found: Layout, previous: StagedTree | None = None) -> StagedTree:
    folder.mkdir()
    stage(found, folder, previous)
    return staged_tree({"files": file_rows(found)}, folder)


def inodes(tree: StagedTree) -> dict[str, int]:
    return {path: (tree.folder / path).stat().st_ino for path in tree.files}


def test_modes_and_times_are_fixed_under_any_umask(tmp_path: Path, any_umask: int) -> None:
    tree = staged(tmp_path / "staged", layout(tmp_path))
    modes = {path: mode for path, (mode, _) in tree_of(tree.folder).items()}
    assert modes.pop("bin/tool") == 0o755
    assert set(modes.values()) == {0o644}
    everything = [tree.folder, *tree.folder.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in everything if path.is_dir()} == {0o755}
    assert {path.stat().st_mtime for path in everything if path.is_file()} == {315532800}


def test_unchanged_files_are_linked_to_and_changed_ones_written(tmp_path: Path) -> None:
    first = staged(tmp_path / "first", layout(tmp_path))
    second = staged(tmp_path / "second", layout(tmp_path, "handler = 2\n"), first)
    differing = {path for path, inode in inodes(second).items() if inode != inodes(first)[path]}
    assert differing == {"index.py"}
    assert (first.folder / "index.py").read_text() == "handler = 1\n"
    assert (second.folder / "index.py").read_text() == "handler = 2\n"


def test_a_file_whose_mode_changed_is_written_again(tmp_path: Path) -> None:
    first = staged(tmp_path / "first", layout(tmp_path))
    found = layout(tmp_path)
    (tmp_path / "src/index.py").chmod(0o755)
    changed = lay_out(
        source_members(read_function_source(tmp_path / "src")),
        [member for member in found.members if member.origin != "source"],
    )
    second = staged(tmp_path / "second", changed, first)
    assert (first.folder / "index.py").stat().st_mode & 0o777 == 0o644
    assert (second.folder / "index.py").stat().st_mode & 0o777 == 0o755


def test_a_folder_is_intact_until_anything_in_it_changes(tmp_path: Path) -> None:
    found = layout(tmp_path)
    assert is_intact(staged(tmp_path / "staged", found))


@pytest.mark.parametrize("harm", ["edit", "truncate", "remove", "add", "mode", "link", "all"])
def test_each_kind_of_tampering_shows(tmp_path: Path, harm: str) -> None:
    tree = staged(tmp_path / "staged", layout(tmp_path))
    file = tree.folder / "index.py"
    match harm:
        case "edit":
            file.write_text("handler = 3\n")
        case "truncate":  # as a power cut may leave it
            os.truncate(file, 0)
            os.utime(file, (315532800, 315532800))
        case "remove":
            file.unlink()
        case "add":
            (tree.folder / "deep" / "new.py").touch()
        case "mode":
            file.chmod(0o600)
        case "link":
            file.rename(tmp_path / "elsewhere.py")
            file.symlink_to(tmp_path / "elsewhere.py")
        case _:
            tree.folder.rename(tmp_path / "gone")
    assert not is_intact(tree)


def test_a_tampered_file_is_not_linked_to(tmp_path: Path) -> None:
    found = layout(tmp_path)
    first = staged(tmp_path / "first", found)
    (first.folder / "index.py").write_text("handler = 3\n")
    os.truncate(first.folder / "bin/tool", 0)
    os.utime(first.folder / "bin/tool", (315532800, 315532800))
    second = staged(tmp_path / "second", found, first)
    assert (second.folder / "index.py").read_text() == "handler = 1\n"
    assert (second.folder / "bin/tool").read_text() == "#!/bin/sh\n"


def test_a_previous_folder_that_is_gone_costs_writing_only(tmp_path: Path) -> None:
    found = layout(tmp_path)
    first = staged(tmp_path / "first", found)
    first.folder.rename(tmp_path / "gone")
    assert is_intact(staged(tmp_path / "second", found, first))
