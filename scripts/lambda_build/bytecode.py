"""Bytecode that the target's Python accepts as it is, compiled once and kept.

Lambda never writes a `.pyc`, and a `.pyc` that is checked by time is stale in a ZIP whose times
are normalised; `unchecked-hash` ones (PEP 552) are always taken. Importing FastAPI and Mangum
takes 0.36 of the instructions with them (docs/surprises.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_build.cache import Cache, keep_facts, kept_facts, sha256_of, written_aside
from lambda_build.errors import ToolError
from lambda_build.interpreters import find_version
from lambda_build.layout import InFile, InZip, Member, changed_meanwhile
from lambda_build.process import run
from lambda_build.zip_member import info_of, info_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambda_build.function import Function

_PROGRAM = Path(__file__).with_name("_compile_modules.py")
_FORMAT = 2  # raised when the program changes what it writes, or what is kept of it


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiler:
    """A Python of the target's minor version on this machine."""

    executable: Path
    version: str  # e.g. 3.11.7: another patch release compiles a few files differently


@dataclass(frozen=True, kw_only=True, slots=True)
class Bytecode:
    """The members that compiling some modules made, and the modules that it could not compile."""

    members: tuple[Member, ...]
    failed: tuple[tuple[str, str], ...]


def find_compiler(python: str) -> Compiler | None:
    """Return a Python of that minor version (`3.11`) with its full version, if there is one."""
    found = find_version(python)
    return None if found is None else Compiler(executable=found[0], version=found[1])


def no_compiler(function: Function) -> str:
    """Return the warning that a package has no bytecode for want of a Python."""
    python = function.target.python
    return (
        f"{function.name}: no Python {python} on this machine, so the package has no bytecode and "
        f"starts slower. Install one, e.g.: uv python install {python}"
    )


def compile_members(
    members: Sequence[Member], compiler: Compiler, cache: Cache, prefix: str = "/var/task"
) -> Bytecode:
    """Return the bytecode of the modules among `members`; `prefix` is where Lambda mounts them.

    Compiled once for the same modules, Python and prefix.
    """
    modules = [member for member in members if member.path.endswith(".py")]
    digest = _digest(modules, prefix)
    output = cache.bytecode(compiler.version, digest)
    report = output.with_suffix(".json")
    said = kept_facts(report, output)
    if said is None:
        with written_aside(output) as aside:
            said = json.loads(_compile(modules, compiler, prefix, aside))
            # Kept under the hash of what was to be compiled: nothing else may get there.
            for member in modules:
                if member.path in said["changed"]:
                    raise changed_meanwhile(member)
            sha256 = sha256_of(aside)
            said["members"] = list(_rows(aside, said.pop("sha256")))
        keep_facts(report, output, sha256, said)
    return Bytecode(
        members=tuple(_member(output, *row) for row in said["members"]),
        failed=tuple((path, reason) for path, reason in said["failed"]),
    )


def _compile(modules: Sequence[Member], compiler: Compiler, prefix: str, output: Path) -> str:
    plan = {
        "output": os.fspath(output),
        "prefix": prefix,
        "modules": [_module(member) for member in modules],
    }
    result = run(
        [compiler.executable, "-s", "-S", "-P", "-B", "-W", "ignore", _PROGRAM],
        # No PYTHON* variable of the user's; a fixed seed, because sets are written in hash order.
        environment={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"},
        stdin=json.dumps(plan),
    )
    if result.returncode:
        raise ToolError(
            f"{compiler.executable} cannot compile the package's modules:\n{result.stderr.strip()}"
        )
    return result.stdout


def _module(member: Member) -> dict[str, str | None]:
    match member.content:
        case InFile(file=file):
            name = None
        case InZip(file=file, info=info):
            name = info.filename
        case _:
            raise TypeError(member.content)
    module = {"path": member.path, "file": os.fspath(file), "member": name}
    return {**module, "sha256": member.sha256}


def _digest(modules: Sequence[Member], prefix: str) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\0{prefix}\n".encode())
    for member in modules:
        digest.update(f"{member.path}\0{member.sha256}\n".encode())
    return digest.hexdigest()


def _rows(file: Path, sha256: Mapping[str, str]) -> Iterator[list[str | int]]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            yield [sha256[info.filename], *info_row(info)]


def _member(file: Path, sha256: str, *row: Any) -> Member:
    info = info_of(row)
    return Member(
        path=info.filename,
        executable=False,
        size=info.file_size,
        sha256=sha256,
        origin="bytecode",
        content=InZip(file=file, info=info),
    )
