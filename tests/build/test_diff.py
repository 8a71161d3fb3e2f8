"""What differs between two ZIPs is said by package, by file, and where only bytes differ."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.foreign import ZipRecipe
from build.test_cli import in_process
from build.tiny import HANDLER, found_in, make_function, make_wheel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lambda_build.build import package
from lambda_build.errors import LambdaBuildError, UsageError, VerificationError
from lambda_build.inspection.diff import Difference, compare

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.cache import Cache


def difference(folder: Path, before: ZipRecipe, after: ZipRecipe) -> Difference:
    return compare(before.write(folder / "a.zip"), after.write(folder / "b.zip"))


def changes(found: Difference) -> dict[str, str]:
    return {
        change.path: f"{change.kind} {change.what}".strip().removeprefix("changed ")
        for change in found.files
    }


def test_packages_are_named_with_both_versions(tmp_path: Path, wheels: Path, cache: Cache) -> None:
    for name, version in (("one", "1.0"), ("one", "2.0"), ("two", "1.0"), ("six", "1.0")):
        make_wheel(wheels, name, version)
    files = []
    for label, wanted in (("a", ("one==1.0", "two", "six")), ("b", ("one==2.0", "six"))):
        function = make_function(tmp_path / label / "f", found_in("../../wheels", *wanted))
        files.append(package(function, tmp_path / f"{label}.zip", cache).path)
    found = compare(*files)
    assert [(change.name, change.before, change.after) for change in found.packages] == [
        ("one", "1.0", "2.0"),
        ("two", "1.0", None),
    ]
    assert {change.owner for change in found.files} == {"one", "two", "own files"}
    assert changes(found)["one/__init__.py"] == "content"
    assert changes(found)["two/__init__.py"] == "removed"
    # lambda_build.json says the versions, so it differs; bytecode is counted apart.
    own = [change.path for change in found.files if change.owner == "own files"]
    assert own == ["lambda_build.json"]
    assert found.bytecode == {"changed": 1, "removed": 1}


def test_files_are_added_removed_and_changed_in_content_and_mode(tmp_path: Path) -> None:
    before = ZipRecipe(files={"same": "1", "gone": "1", "text": "1", "tool": "1", "both": "1"})
    after = ZipRecipe(
        files={"same": "1", "new": "1", "text": "2", "tool": "1", "both": "22"},
        modes={"tool": 0o100755, "both": 0o100755},
    )
    found = difference(tmp_path, before, after)
    assert changes(found) == {
        "both": "content, mode 0644 → 0755",
        "gone": "removed",
        "new": "added",
        "text": "content",
        "tool": "mode 0644 → 0755",
    }
    assert found.unzipped_bytes == (5, 6)


def test_a_zip_without_modes_differs_in_no_mode(tmp_path: Path) -> None:
    windows = ZipRecipe(modes={"index.py": 0}, system=0)
    assert difference(tmp_path, ZipRecipe(), windows).is_same


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (ZipRecipe(date=(1980, 1, 1, 0, 0, 0)), "times"),
        (ZipRecipe(files={"b": "1" * 99, "index.py": HANDLER}), "order"),
        (ZipRecipe(method=zipfile.ZIP_STORED), "compression"),
        (ZipRecipe(comment=b"by hand"), "comments or extra fields"),
        (ZipRecipe(extra=b"\0\0\0\0"), "comments or extra fields"),
        (ZipRecipe(system=19), "how the ZIP was written"),
    ],
)
def test_why_the_same_content_has_other_bytes_is_said(
    tmp_path: Path, other: ZipRecipe, reason: str
) -> None:
    files = other.files if "b" in other.files else {"index.py": HANDLER}
    first = ZipRecipe(files=dict(sorted(files.items(), reverse=True)))
    found = difference(tmp_path, first, other)
    assert found.is_same
    assert not found.same_bytes
    assert found.reasons == (reason,)


def test_entries_for_folders_are_no_content(tmp_path: Path) -> None:
    files = {"a/b": "1", "index.py": HANDLER}
    found = difference(tmp_path, ZipRecipe(files=files), ZipRecipe(files={"a/": "", **files}))
    assert (found.is_same, found.reasons) == (True, ("entries for folders",))


def test_bytecode_is_counted_apart(tmp_path: Path) -> None:
    before = ZipRecipe(files={"a.pyc": "1", "b.pyc": "1", "c.pyc": "1"})
    after = ZipRecipe(files={"a.pyc": "2", "b.pyc": "2", "d.pyc": "1"})
    found = difference(tmp_path, before, after)
    assert (found.files, found.is_same) == ((), False)
    assert found.bytecode == {"added": 1, "changed": 2, "removed": 1}


def test_what_cannot_be_read_whole_is_not_compared(tmp_path: Path) -> None:
    good = ZipRecipe().write(tmp_path / "a.zip")
    with pytest.raises(UsageError, match="cannot be read"):
        compare(good, tmp_path / "none.zip")
    (tmp_path / "b.zip").write_bytes(good.read_bytes()[:-30])
    with pytest.raises(VerificationError, match="no whole ZIP"):
        compare(good, tmp_path / "b.zip")


def test_a_zip_bomb_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_build.inspection.reader.LARGEST_UNZIPPED_BYTES", 10)
    file = ZipRecipe().write(tmp_path / "a.zip")
    with pytest.raises(VerificationError, match="more than Lambda takes"):
        compare(file, file)


@given(
    changed=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    kept=st.integers(0, 2000),
)
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_mutated_zip_is_compared_or_refused(
    tmp_path: Path, changed: list[tuple[int, int]], kept: int
) -> None:
    good = ZipRecipe(files={"index.py": HANDLER, "a-1.dist-info/RECORD": "a,,"})
    data = bytearray(good.write(tmp_path / "a.zip").read_bytes())
    for where, what in changed:
        data[where % len(data)] = what
    (tmp_path / "b.zip").write_bytes(data[:kept] if kept < len(data) else data)
    try:
        compare(tmp_path / "a.zip", tmp_path / "b.zip")
    except LambdaBuildError as error:
        assert "b.zip" in str(error)  # noqa: PT017 - a refusal is one of two right answers


# The command


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *options: str,
) -> tuple[int, str, str]:
    return in_process(folder, monkeypatch, capsys, "diff", "a.zip", "b.zip", *options)


METADATA = {
    "one.py": "1",
    "one-1.0.dist-info/METADATA": "Name: one\nVersion: 1.0\n",
    "one-1.0.dist-info/RECORD": "one.py,,\n",
}


def test_the_command_says_what_differs_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ZipRecipe(files={"index.py": "1", **METADATA}).write(tmp_path / "a.zip")
    ZipRecipe(files={"index.py": "22", "a.pyc": ""}).write(tmp_path / "b.zip")
    said = (
        "- one 1.0\n"
        "one: 3 files\n"
        "    removed one-1.0.dist-info/METADATA\n"
        "    removed one-1.0.dist-info/RECORD\n"
        "    removed one.py\n"
        "own files: 1 file\n"
        "    changed index.py  (content)\n"
        "bytecode: 1 added\n"
        "unzipped: 0.0 MB → 0.0 MB (-32 bytes)\n"
    )
    assert run(tmp_path, monkeypatch, capsys) == (1, said, "")


def test_the_command_exits_with_0_for_the_same_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ZipRecipe().write(tmp_path / "a.zip")
    ZipRecipe().write(tmp_path / "b.zip")
    assert run(tmp_path, monkeypatch, capsys)[:2] == (0, "the same content, byte for byte\n")
    ZipRecipe(date=(2001, 1, 1, 0, 0, 0)).write(tmp_path / "b.zip")
    said = "the same content, other bytes: times\n"
    assert run(tmp_path, monkeypatch, capsys)[:2] == (0, said)


def test_the_command_prints_json_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ZipRecipe(files={}).write(tmp_path / "a.zip")
    ZipRecipe(files={f"{number:02}": "" for number in range(30)}).write(tmp_path / "b.zip")
    code, out, _ = run(tmp_path, monkeypatch, capsys, "--json")
    assert code == 1
    assert len(json.loads(out)["files"]) == 30
    assert "    and 10 more, which --json lists" in run(tmp_path, monkeypatch, capsys)[1]
