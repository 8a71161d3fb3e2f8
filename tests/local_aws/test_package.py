from __future__ import annotations

import io
import os
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest
from local_aws import package
from local_aws.errors import PackageError
from local_aws.package import unpack

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeZip


def test_the_code_and_the_layers_have_a_folder_each(make_zip: MakeZip, tmp_path: Path) -> None:
    code = make_zip({"index.py": "1", "sub/module.py": "2"})
    unpacked = unpack(code, [make_zip({"python/one.py": "3"})], tmp_path / "function")
    assert (unpacked.task / "sub" / "module.py").read_text() == "2"
    assert (unpacked.opt / "python" / "one.py").read_text() == "3"
    assert not (unpacked.task / "python").exists()


def test_of_two_layers_with_the_same_path_the_later_wins(make_zip: MakeZip, tmp_path: Path) -> None:
    layers = [make_zip({"python/a.py": "1", "python/b.py": "1"}), make_zip({"python/a.py": "2"})]
    unpacked = unpack(make_zip({}), layers, tmp_path)
    assert (unpacked.opt / "python" / "a.py").read_text() == "2"
    assert (unpacked.opt / "python" / "b.py").read_text() == "1"


@pytest.mark.parametrize("mode", [0o755, 0o644, 0o600])
def test_a_file_has_the_mode_that_the_archive_gives_it(
    make_zip: MakeZip, tmp_path: Path, mode: int
) -> None:
    unpacked = unpack(make_zip({"tool": ""}, mode=mode), [], tmp_path)
    assert stat.S_IMODE((unpacked.task / "tool").stat().st_mode) == mode


def test_a_file_without_a_mode_can_be_read(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        member = zipfile.ZipInfo("index.py")
        member.create_system = 0  # made on Windows
        member.external_attr = 0x20
        opened.writestr(member, "")
    unpacked = unpack(archive.getvalue(), [], tmp_path)
    assert stat.S_IMODE((unpacked.task / "index.py").stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    unpacked = unpack(_with_link("lib.so", "lib.so.1"), [], tmp_path)
    assert os.readlink(unpacked.task / "lib.so") == "lib.so.1"  # noqa: PTH115  as it is written


def test_a_later_layer_replaces_a_link_and_not_what_it_points_to(
    make_zip: MakeZip, tmp_path: Path
) -> None:
    layers = [make_zip({"b": "1"}), _with_link("a", "b"), make_zip({"a": "2"})]
    opt = unpack(make_zip({}), layers, tmp_path).opt
    assert [(opt / name).read_text() for name in ("a", "b")] == ["2", "1"]


@pytest.mark.parametrize("name", ["../outside.py", "sub/../../outside.py", "/tmp/outside.py"])  # noqa: S108
def test_a_path_that_leads_outside_is_refused(make_zip: MakeZip, tmp_path: Path, name: str) -> None:
    with pytest.raises(PackageError, match="outside the package"):
        unpack(make_zip({name: "x"}), [], tmp_path / "function")
    assert not (tmp_path / "outside.py").exists()


def test_nothing_is_written_through_a_link_that_leads_outside(tmp_path: Path) -> None:
    archive = io.BytesIO(_with_link("folder", str(tmp_path)))
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("folder/outside.py", "x")
    with pytest.raises(PackageError, match="outside the package"):
        unpack(archive.getvalue(), [], tmp_path / "function")
    assert not (tmp_path / "outside.py").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="Could not unzip uploaded file"):
        unpack(b"no archive", [], tmp_path)


def test_more_than_lambda_unzips_is_refused_counting_the_layers(
    make_zip: MakeZip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "_UNZIPPED_LIMIT", 20)
    unpack(make_zip({"a": "x" * 10}), [make_zip({"b": "x" * 10})], tmp_path / "fits")
    with pytest.raises(PackageError, match="smaller than 262144000 bytes"):
        unpack(make_zip({"a": "x" * 10}), [make_zip({"b": "x" * 11})], tmp_path / "too-large")


def _with_link(name: str, target: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        member = zipfile.ZipInfo(name)
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(member, target)
    return archive.getvalue()
