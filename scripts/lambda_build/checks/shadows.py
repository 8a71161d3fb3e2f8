"""Finding modules that hide each other, and `.pth` files, which nothing reads on Lambda."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lambda_build.checks.findings import Finding, Severity
from lambda_build.checks.modules import Modules
from lambda_build.checks.standard_library import standard_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_build.layout import Layout, Member
    from lambda_build.target import Target


def hidden_modules(layout: Layout, target: Target) -> Iterator[Finding]:
    """Yield the modules that have the name of a dependency's, or of the standard library's."""
    yield from _standard(layout, target)
    own_members = [member for member in layout.members if member.origin == "source"]
    source = Modules(own_members)
    # Of the others only those that have a top-level name of the source's: few of thousands.
    tops = {_top(member) for member in own_members}
    others = Modules(
        member for member in layout.members if member.origin != "source" and _top(member) in tops
    )
    said: set[str] = set()
    for member in own_members:
        if _is_python(member.path):
            for name in _prefixes(member.path):
                own, other = source.find(name), others.find(name)
                if not own and not other:
                    continue  # a folder, which several may share (PEP 420)
                if others.has(name) and name not in said:
                    said.add(name)
                    yield _both(name, member, other, own)
                break


def path_files(layout: Layout) -> Iterator[Finding]:
    """Yield the `.pth` files: Python's `site` reads them in site-packages, not in /var/task."""
    for member in layout.members:
        # Those that only declare a namespace package declare what Python has by itself (PEP 420).
        if "/" in member.path or not member.path.endswith(".pth"):
            continue
        if not member.path.endswith("-nspkg.pth"):
            yield _warning(
                "path-file",
                member.path,
                f"{member.path} (from {member.origin}) does nothing on Lambda, which reads no "
                ".pth files in /var/task.",
            )


def _standard(layout: Layout, target: Target) -> Iterator[Finding]:
    names = standard_library(target.python)
    said = set()
    for member in layout.members:
        folder, _, file = member.path.partition("/")
        top = (folder if file else member.path).partition(".")[0]
        is_module = file.startswith("__init__.") or not file
        if not is_module or top not in names or top in said or not _is_python(member.path):
            continue
        said.add(top)
        what = f"{member.path} (from {member.origin}) has the name of the standard library's {top}"
        yield _warning(
            "shadowed-module",
            member.path,
            f"{what}, which Python finds first: rename it."
            if top in sys.builtin_module_names
            else f"{what}: an import gets whichever was found first. Rename it.",
        )


def _both(name: str, member: Member, other: Member | None, own: Member | None) -> Finding:
    if other is not None and (own is None or _wins(other, own)):
        shown = own or member
        cause = f"{other.path} (from {other.origin}) hides {shown.path} of the source: rename it."
        if own is None:
            cause = f"{shown.path} of the source lies in {name}, a package of {other.origin}."
        return _warning("shadowed-module", shown.path, cause)
    path = own.path if own else member.path
    whose = f"{other.path} (from {other.origin})" if other else f"the dependencies' {name}"
    return _warning("shadowed-module", path, f"{path} of the source hides {whose}: rename it.")


def _wins(one: Member, other: Member) -> bool:
    """Return whether a package stands against a module: Python takes the package."""
    return "/__init__." in one.path and "/__init__." not in other.path


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split("/")
    for depth in range(1, len(parts)):
        yield ".".join(parts[:depth])
    stem = parts[-1].partition(".")[0]
    if stem != "__init__":
        yield ".".join((*parts[:-1], stem))


def _top(member: Member) -> str:
    return member.path.partition("/")[0].partition(".")[0]


def _is_python(path: str) -> bool:
    return path.endswith((".py", ".so"))


def _warning(code: str, thing: str, cause: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, thing=thing, cause=cause)
