"""Every .pyc is accepted by the target's Python as it is, and is the same each time."""

from __future__ import annotations

import _imp
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.tiny import make_wheel, set_times, write_tree
from lambda_build import bytecode
from lambda_build.bytecode import Bytecode, Compiler, compile_members, find_compiler
from lambda_build.cache import Cache
from lambda_build.errors import SourceError, ToolError
from lambda_build.interpreters import find_interpreter
from lambda_build.layout import lay_out, read_content, source_members, wheel_members
from lambda_build.source import read_function_source
from lambda_build.stage import stage
from lambda_build.target import Runtime, Target
from lambda_build.wheel import read_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambda_build.layout import Member

PYTHONS = [Target(runtime=runtime).python for runtime in Runtime]
HERE = [python for python in PYTHONS if find_interpreter(python)]

# Sets, code in code, long strings, constants that are interned: what made bytecode differ.
MODULES = {
    "index.py": "from pkg import value\n\ndef handler(e, c):\n    return value in {'a', 'b'}\n",
    "pkg/__init__.py": "value = 'a'\nnames = frozenset({'x', 'y', 'z', 1, None, b'b'})\n",
    "pkg/deep/mod.py": "class A:\n    def f(self):\n        return lambda: {'p', 'q', 'value'}\n",
    "with space/ünï.py": "x = 'ü'\n",
    "empty.py": "",
}


def sources(folder: Path, files: Mapping[str, str | bytes]) -> list[Member]:
    return source_members(read_function_source(write_tree(folder, files)))


def compiler_of(python: str) -> Compiler:
    compiler = find_compiler(python)
    if compiler is None:
        pytest.skip(f"no Python {python} on this machine")
    return compiler


def contents(compiled: Bytecode) -> dict[str, bytes]:
    return {member.path: read_content(member.content) for member in compiled.members}


def test_a_python_is_here_to_test_with() -> None:
    assert HERE


@pytest.mark.parametrize("python", HERE)
def test_the_targets_python_takes_every_pyc_and_never_looks_at_the_source(
    tmp_path: Path, cache: Cache, python: str
) -> None:
    compiler = compiler_of(python)
    members = sources(tmp_path / "src", MODULES)
    compiled = compile_members(members, compiler, cache)
    assert compiled.failed == ()
    assert len(compiled.members) == len(MODULES)
    (tmp_path / "task").mkdir()
    stage(lay_out(members, compiled.members), tmp_path / "task")
    # With another time and other bytes, only bytecode that is unchecked still says what it said.
    for path in (tmp_path / "task").rglob("*.py"):
        path.write_text("raise RuntimeError('the source was run')\n")
    set_times(tmp_path / "task", 1_700_000_000)
    program = (
        "import sys, json, importlib; sys.path.insert(0, sys.argv[1])\n"
        "names = ['index', 'pkg', 'pkg.deep.mod', 'empty', 'with space.ünï']\n"
        "modules = [importlib.import_module(name) for name in names]\n"
        "assert modules[0].handler({}, None) is True\n"
        "print(json.dumps([m.__spec__.cached for m in modules]))\n"
    )
    options = ("-B", "-I", "-X", "utf8", "-c", program)
    command = [os.fspath(compiler.executable), *options, os.fspath(tmp_path / "task")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    cached = {path.rpartition("task/")[2] for path in json.loads(said.stdout)}
    assert cached == set(contents(compiled))


@pytest.mark.parametrize("python", HERE)
def test_every_pyc_is_flagged_unchecked_and_names_its_source(
    tmp_path: Path, cache: Cache, python: str
) -> None:
    compiler = compiler_of(python)
    compiled = compile_members(sources(tmp_path / "src", MODULES), compiler, cache)
    program = "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"
    ask = [os.fspath(compiler.executable), "-c", program]
    said = subprocess.run(ask, capture_output=True, text=True, check=True)
    magic = bytes.fromhex(said.stdout)
    for path, data in contents(compiled).items():
        folder, _, name = path.rpartition("__pycache__/")
        source = MODULES[folder + name.replace(f".cpython-{python.replace('.', '')}.pyc", ".py")]
        assert data[:4] == magic
        assert data[4:8] == b"\1\0\0\0"  # PEP 552: a hash, which is not checked
        assert data[8:16] == _imp.source_hash(int.from_bytes(magic, "little"), source.encode())


@pytest.mark.parametrize("python", HERE)
def test_bytecode_does_not_depend_on_folder_hash_seed_or_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    compiler = compiler_of(python)
    made = []
    for number in ("0", "1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", number)
        monkeypatch.setenv("PYTHONOPTIMIZE", number)
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", number)
        members = sources(tmp_path / (number * 20), MODULES)
        cache = Cache(root=tmp_path / f"cache-{number}")
        made.append(contents(compile_members(members, compiler, cache)))
    alone: dict[str, bytes] = {}
    for member in sources(tmp_path / "alone", MODULES):
        alone |= contents(compile_members([member], compiler, Cache(root=tmp_path / "one by one")))
    assert made[0] == made[1] == made[2] == alone


def test_a_wheels_modules_are_compiled_where_they_lie(tmp_path: Path, cache: Cache) -> None:
    file = make_wheel(tmp_path, files={"one/a.py": "x = 1\n", "one/data.txt": ""})
    members = wheel_members(read_wheel(file, file.name, ""))
    compiled = compile_members(members, compiler_of(HERE[0]), cache)
    tag = f"cpython-{HERE[0].replace('.', '')}"
    assert [member.path for member in compiled.members] == [f"one/__pycache__/a.{tag}.pyc"]
    [member] = compiled.members
    data = read_content(member.content)
    assert (member.size, member.mode) == (len(data), 0o644)
    assert member.sha256 == hashlib.sha256(data).hexdigest()


def test_the_same_modules_are_compiled_once(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = compiler_of(HERE[0])
    members = sources(tmp_path / "src", MODULES)
    first = contents(compile_members(members, compiler, cache))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(bytecode, "run", refuse)
    assert contents(compile_members(members, compiler, cache)) == first
    with pytest.raises(AssertionError, match="compiled again"):
        compile_members(members, Compiler(executable=compiler.executable, version="x"), cache)
    with pytest.raises(AssertionError, match="compiled again"):
        compile_members(members, compiler, cache, prefix="/opt/python")


@pytest.mark.parametrize("harm", ["truncate", "edit", "no report", "report"])
def test_bytecode_that_was_damaged_in_the_cache_is_made_again(
    tmp_path: Path, cache: Cache, harm: str
) -> None:
    compiler = compiler_of(HERE[0])
    members = sources(tmp_path / "src", MODULES)
    first = contents(compile_members(members, compiler, cache))
    [file] = cache.root.rglob("*.zip")
    match harm:
        case "truncate":
            file.write_bytes(file.read_bytes()[:-30])
        case "edit":
            file.write_bytes(file.read_bytes().replace(b"\0", b"\1", 1))
        case "no report":
            file.with_suffix(".json").unlink()
        case _:
            file.with_suffix(".json").write_text('{"zip": "x"')
    assert contents(compile_members(members, compiler, cache)) == first
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None


def test_what_is_no_python_is_reported_and_the_rest_compiled(tmp_path: Path, cache: Cache) -> None:
    files: dict[str, str | bytes] = {
        "a.py": "x = 1\n",
        "b.py": "def (:\n",
        "c.py": b"\0",
        "d.py": b"# coding: no\n",
    }
    compiled = compile_members(sources(tmp_path / "src", files), compiler_of(HERE[0]), cache)
    assert [path for path, _ in compiled.failed] == ["b.py", "c.py", "d.py"]
    assert len(compiled.members) == 1


def test_modules_that_changed_meanwhile_are_not_kept_under_their_old_hash(
    tmp_path: Path, cache: Cache
) -> None:
    members = sources(tmp_path / "src", {"a.py": "x = 1\n", "b.py": ""})
    (tmp_path / "src/a.py").write_text("x = 2\n")
    with pytest.raises(SourceError, match=r"^a\.py \(from source\) was changed while it was"):
        compile_members(members, compiler_of(HERE[0]), cache)
    assert not list(cache.root.rglob("*.json"))


def test_a_python_that_fails_is_named_with_what_it_said(tmp_path: Path, cache: Cache) -> None:
    broken = tmp_path / "python3.11"
    broken.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    broken.chmod(0o755)
    compiler = Compiler(executable=broken, version="3.11.0")
    with pytest.raises(ToolError, match=r"python3\.11 cannot compile .*\nbroken"):
        compile_members(sources(tmp_path / "src", MODULES), compiler, cache)


def test_no_modules_give_no_bytecode(cache: Cache) -> None:
    assert compile_members([], compiler_of(HERE[0]), cache) == Bytecode(members=(), failed=())


def test_the_running_python_is_found_outside_its_environment() -> None:
    running = "{}.{}".format(*sys.version_info[:2])
    found = find_interpreter(running)
    assert found is not None
    ask = [os.fspath(found), "-c", "import sys; print(sys.prefix == sys.base_prefix)"]
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "True\n"
    assert find_interpreter("3.1") is None
