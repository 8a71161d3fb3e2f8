"""Which packages Terraform gets as a ZIP, and which as a folder for its archive_file."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from build.tiny import HANDLER, make_function, members_of, tree_of
from lambda_build import terraform

QUERY = {
    "name": "hello",
    "source": "../backend/chat",
    "requirements": "",
    "runtime": "python3.11",
    "architecture": "x86_64",
    "handler": "index.handler",
    "output_dir": "../packages",
}
ZIP = Path("../packages/hello_function.zip")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root module, the working directory, with a function beside it."""
    make_function(tmp_path / "backend" / "chat", requirements=None)
    (tmp_path / "terraform").mkdir()
    monkeypatch.chdir(tmp_path / "terraform")
    return tmp_path


def ask(archive_above_bytes: int, **changes: str) -> dict[str, str]:
    query = {**QUERY, "archive_above_bytes": str(archive_above_bytes), **changes}
    return terraform.answer(json.dumps(query))


def test_a_package_of_at_most_the_size_is_a_folder() -> None:
    size = int(ask(10**9)["unzipped_bytes"])
    answer = ask(size)
    assert Path(answer["source_dir"]).is_dir()
    assert (answer["archive"], answer["archive_sha256"], answer["archive_bytes"]) == ("", "", "")
    assert not ZIP.exists()


def test_a_larger_package_is_a_zip_with_its_hash_and_no_folder() -> None:
    answer = ask(0)
    assert answer["source_dir"] == ""
    assert answer["archive"] == str(ZIP)
    written = ZIP.read_bytes()
    assert answer["archive_sha256"] == base64.b64encode(hashlib.sha256(written).digest()).decode()
    assert answer["archive_bytes"] == str(len(written))
    assert not list(Path("../packages").rglob("index.py"))


def test_one_byte_over_the_size_is_larger() -> None:
    size = int(ask(0)["unzipped_bytes"])
    assert ask(size - 1)["archive"]
    assert ask(size)["source_dir"]


def test_both_ways_hold_the_same_under_the_same_digest() -> None:
    folder, archive = ask(10**9), ask(0)
    assert members_of(ZIP) == tree_of(Path(folder["source_dir"]))
    for fact in ("digest", "lock", "unzipped_bytes", "warnings"):
        assert archive[fact] == folder[fact]


def test_a_zip_that_is_there_is_not_written_again() -> None:
    first = ask(0)
    before = ZIP.stat()
    assert ask(0) == first
    assert (ZIP.stat().st_ino, ZIP.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_other_code_makes_another_zip_at_the_same_path(root: Path) -> None:
    first = ask(0)
    (root / "backend/chat/index.py").write_text(f"{HANDLER}# more\n")
    second = ask(0)
    assert second["archive"] == first["archive"]
    assert second["archive_sha256"] != first["archive_sha256"]
    assert second["digest"] != first["digest"]


def test_what_archive_file_wrote_there_is_not_taken_for_the_builds() -> None:
    first = ask(0)
    written = ZIP.read_bytes()
    ask(10**9)
    # archive_file writes over the file, as its own does not know that there is one.
    ZIP.write_bytes(b"of archive_file")
    assert not list(ZIP.parent.glob("*.json")), "a manifest of a ZIP that is not that one"
    assert ask(0) == first
    assert ZIP.read_bytes() == written


def test_a_package_that_grows_and_shrinks_changes_sides(root: Path) -> None:
    size = int(ask(10**9)["unzipped_bytes"])
    small = ask(size)
    (root / "backend/chat/data.txt").write_text("grown")
    grown = ask(size)
    assert (grown["source_dir"], grown["archive"]) == ("", str(ZIP))
    (root / "backend/chat/data.txt").unlink()
    assert ask(size) == small


def test_an_output_folder_inside_the_source_is_no_source() -> None:
    inside = {"output_dir": "../backend/chat/packages"}
    outside = ask(0)
    first = ask(0, **inside)
    assert ask(0, **inside) == first
    assert ask(10**9, **inside)["digest"] == first["digest"] == outside["digest"]
