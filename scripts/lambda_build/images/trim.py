"""What an image's packages leave out: what only their makers, and compilers, have a use for.

A ZIP holds its wheels whole, because its members are copied compressed as they are. An image is
pulled, so what is not in it is not waited for. Left out are

- test folders, except what a module outside of them imports (numpy.testing imported
  numpy._core.tests for years);
- `.pyi` stubs, except where a package reads its own when it is imported (lazy_loader does so);
- Cython's sources, and libraries to be linked with (`.a`).

Metadata (`.dist-info`), licences, headers and data stay: packages read them, or compile with them.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from lambda_build.cache import keep_text, kept_text
from lambda_build.checks.import_statements import read_imports
from lambda_build.checks.modules import Modules
from lambda_build.errors import OutputError
from lambda_build.layout import read_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lambda_build.cache import Cache
    from lambda_build.checks.import_statements import Import
    from lambda_build.layout import Member
    from lambda_build.target import Target

# Raised when something else is left out: it is part of an image's digest.
FORMAT = 2

_TEST_FOLDERS = {"test", "tests"}
# What makes a folder of that name one of tests: pytest's and unittest's names.
_TEST_MODULE = re.compile(r"test_.+\.py|.+_test\.py|conftest\.py")

# An import that may be of a test folder: read in full then, by its syntax.
_MENTION = re.compile(
    rb"^[ \t]*(?:from[ \t]+[\w.]*\btests?\b"
    rb"|(?:from[ \t]+[\w.]+[ \t]+)?import\b(?:[ \t]*\([^)]*|[^\n(]*)\btests?\b)"
    rb"|(?:import_module|__import__)\([^)]*\btests?\b",
    re.MULTILINE,
)
# How a package comes to read its own stubs: PEP 562 by way of lazy_loader, or by itself. Looked for
# in the syntax then, because comments and docstrings speak of stubs as well.
_STUB_MENTION = re.compile(rb"attach_stub|\.pyi\b")

_STUB = ".pyi"
_COMPILERS = (".pyx", ".pxd", ".pxi", ".pyx.tp", ".pxd.tp", ".pxi.in", ".pyx.in", ".a")


def trimmed(groups: Sequence[Sequence[Member]], target: Target, cache: Cache) -> list[list[Member]]:
    """Return the members of each wheel less what an image leaves out."""
    digest = hashlib.sha256(f"{FORMAT}\0{target.python}\n".encode())
    for group in groups:
        for member in group:
            digest.update(f"{member.path}\0{member.sha256}\n".encode())
    place = cache.root / "trimmed" / f"{digest.hexdigest()}.json"
    text = kept_text(place)
    if text is None:
        dropped = _dropped(groups, target.python)
        with suppress(OutputError):  # a cache that is read only costs time
            keep_text(place, json.dumps(sorted(dropped)))
    else:
        dropped = set(json.loads(text))
    return [[member for member in group if member.path not in dropped] for group in groups]


def _dropped(groups: Sequence[Sequence[Member]], python: str) -> set[str]:
    everything = [member for group in groups for member in group]
    folders = _test_folders(everything)
    in_tests = {member.path for member in everything if _folder_of(member.path, folders)}
    tests = in_tests - _imported_tests(everything, in_tests, folders, python)
    others = [[member for member in group if member.path not in tests] for group in groups]
    return tests | {path for group in others for path in _for_compilers(group)}


def _test_folders(members: Iterable[Member]) -> set[str]:
    """Return the outermost folders that hold a package's tests."""
    folders = set()
    for member in members:
        *parts, name = member.path.split("/")
        if _TEST_MODULE.fullmatch(name):
            depth = next((n for n, part in enumerate(parts, start=1) if part in _TEST_FOLDERS), 0)
            if depth:
                folders.add("/".join(parts[:depth]))
    return folders


def _folder_of(path: str, folders: set[str]) -> str | None:
    """Return the test folder that a file is in, if any."""
    parts = path.split("/")
    names = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return next((name for name in names if name in folders), None)


def _imported_tests(
    members: Sequence[Member], in_tests: set[str], folders: set[str], python: str
) -> set[str]:
    """Return the files of test folders that modules outside of them need."""
    modules = Modules(members)
    waiting = [
        member
        for member in members
        if member.path.endswith(".py") and member.path not in in_tests and _mentions_tests(member)
    ]
    seen: set[str] = set()
    while waiting:
        member = waiting.pop()
        for found in read_imports(read_content(member.content), python).imports:
            for name in _names(found, member.path):
                reached = modules.find(name)
                if reached and reached.path in in_tests and reached.path not in seen:
                    seen.add(reached.path)
                    waiting.append(reached)
    # What is beside a module that is needed may be what it reads.
    kept = {_folder_of(path, folders) for path in seen}
    data = {
        path for path in in_tests if not path.endswith(".py") and _folder_of(path, folders) in kept
    }
    return seen | data


def _mentions_tests(member: Member) -> bool:
    return _MENTION.search(read_content(member.content)) is not None


def _names(found: Import, path: str) -> Iterator[str]:
    """Yield the dotted names of the modules that an import runs, packages on the way included."""
    package = path.split("/")[:-1]
    base = package[: len(package) - found.level + 1] if found.level else []
    parts = [*base, *found.module.split(".")] if found.module else base
    yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    yield from (".".join([*parts, name]) for name in found.names)


def _for_compilers(group: Sequence[Member]) -> Iterator[str]:
    """Yield the files of a wheel that no running Python reads."""
    stubs = [member.path for member in group if member.path.endswith(_STUB)]
    if stubs and not any(
        _reads_stubs(read_content(member.content))
        for member in group
        if member.path.endswith(".py")
    ):
        yield from stubs
    yield from (member.path for member in group if member.path.endswith(_COMPILERS))


def _reads_stubs(module: bytes) -> bool:
    if not _STUB_MENTION.search(module):
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # its author's, not this build's
            tree = ast.parse(module)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    return any(_names_stubs(node) for node in ast.walk(tree) if node not in said)


def _names_stubs(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return ".pyi" in text
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name == "attach_stub"
        case _:
            return False
