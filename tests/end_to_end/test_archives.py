"""The two ways to a ZIP, archive_file and lambda-build, hold the same package."""

from __future__ import annotations

import importlib.util
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest
from lambda_build.build import package
from lambda_build.cache import Cache
from lambda_build.function import read_function
from lambda_build.interpreters import find_interpreter

if TYPE_CHECKING:
    from pathlib import Path

    from applied_stack import AppliedStack

# PEP 552: bit 0 says that a .pyc is checked by hash, bit 1 that it is checked at all.
_UNCHECKED_HASH = 0b01

_ACCEPTED = """\
import importlib.util, marshal, sys, types, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in archive.namelist():
        if name.endswith(".pyc"):
            data = archive.read(name)
            assert data[:4] == importlib.util.MAGIC_NUMBER, name
            assert type(marshal.loads(data[16:])) is types.CodeType, name
"""


@pytest.fixture
def deployed_zip(applied_stack: AppliedStack) -> Path:
    """The ZIP that archive_file wrote and Terraform uploaded."""
    return applied_stack.root / str(applied_stack.outputs["chat_package"]["path"])


def test_archive_file_and_lambda_build_write_the_same_members(
    deployed_zip: Path, project: Path, tmp_path: Path
) -> None:
    function = read_function(project / "backend/chat")
    package(function, tmp_path / "chat.zip", Cache.default())
    assert _members(deployed_zip) == _members(tmp_path / "chat.zip")


def test_no_bytecode_is_stale_after_archive_file(deployed_zip: Path) -> None:
    with zipfile.ZipFile(deployed_zip) as archive:
        names = set(archive.namelist())
        compiled = [name for name in names if name.endswith(".pyc")]
        for name in compiled:
            assert int.from_bytes(archive.read(name)[4:8], "little") == _UNCHECKED_HASH, name
    sources = {name for name in names if name.endswith(".py")}
    assert {importlib.util.source_from_cache(name) for name in compiled} <= sources
    assert len(compiled) > 0.9 * len(sources)


def test_the_targets_python_accepts_every_pyc(deployed_zip: Path) -> None:
    python = find_interpreter("3.11")
    assert python is not None
    asked = subprocess.run(
        [python, "-I", "-c", _ACCEPTED, deployed_zip], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr


def _members(file: Path) -> dict[str, tuple[int, int]]:
    """Return each member's CRC-32 and mode, by its name."""
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {
            info.filename: (info.CRC, info.external_attr >> 16 & 0o777)
            for info in archive.infolist()
            if not info.is_dir()
        }
