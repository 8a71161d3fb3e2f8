"""Which modules a package holds, as the import system would find them from /var/task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_build.layout import read_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambda_build.layout import Member

# A module that has one of these makes modules that no file shows, as six.py does `six.moves`.
_MAKES_MODULES = (b"sys.modules", b"meta_path", b"__path__", b"pkgutil")


class Modules:
    """The modules, packages and namespace packages (PEP 420) among some members, by dotted name."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._files: dict[str, Member] = {}
        self._folders: set[str] = set()
        self._makers: dict[str, bool] = {}
        for member in members:
            self._add(member)

    def _add(self, member: Member) -> None:
        folder, _, file = member.path.rpartition("/")
        if "." in folder or "__pycache__" in folder:
            return
        dotted = folder.replace("/", ".")
        if dotted and dotted not in self._folders:
            parts = dotted.split(".")
            self._folders |= {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        stem, dot, suffix = file.partition(".")
        if not dot or not (suffix in {"py", "pyc"} or suffix == "so" or suffix.endswith(".so")):
            return
        name = ".".join(filter(None, (dotted, "" if stem == "__init__" else stem)))
        # A package hides a module of its name.
        if name and (stem == "__init__" or name not in self._files):
            self._files[name] = member

    def find(self, name: str) -> Member | None:
        """Return the file of a module or of a package; None for a namespace and for nothing."""
        return self._files.get(name)

    def has(self, name: str) -> bool:
        """Return whether there is a module, a package or a namespace of that name."""
        return name in self._files or name in self._folders

    def is_namespace(self, name: str) -> bool:
        """Return whether it is a folder that no file makes a package of."""
        return name in self._folders and name not in self._files

    def missing(self, name: str) -> str | None:
        """Return the first part of a dotted name that is not there; None when all of it is."""
        parts = name.split(".")
        nearest: Member | None = None
        for depth in range(1, len(parts) + 1):
            prefix = ".".join(parts[:depth])
            found = self._files.get(prefix)
            # Below a plain module there is nothing, whatever folder has its name.
            if not self.has(prefix) or (nearest and found and not _is_package(nearest)):
                return None if nearest and self._makes_modules(nearest) else prefix
            nearest = found or nearest
        return None

    def _makes_modules(self, member: Member) -> bool:
        """Return whether a module may hold modules that no file shows."""
        if member.path not in self._makers:
            self._makers[member.path] = not member.path.endswith(".py") or any(
                mark in read_content(member.content) for mark in _MAKES_MODULES
            )
        return self._makers[member.path]


def _is_package(member: Member) -> bool:
    return member.path.rpartition("/")[2].startswith("__init__.")
