"""Finding the imports that would fail on Lambda, by reading the source: nothing is imported.

An import resolves to a file of the package, to the standard library of the target's Python, or to
what is declared as provided. What the import's surroundings say is believed: a branch for another
Python, another operating system or a type checker is not taken, and inside `try: … except
ImportError` a missing module is worth a warning only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambda_build.cache import keep_text, kept_text
from lambda_build.checks.findings import Finding, Severity
from lambda_build.checks.import_statements import FORMAT, from_json, read_imports, to_json
from lambda_build.checks.modules import Modules
from lambda_build.checks.standard_library import elsewhere, has_submodule, standard_library
from lambda_build.errors import ImportsError, OutputError
from lambda_build.layout import read_verified
from lambda_build.provided import module_package

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from lambda_build.cache import Cache
    from lambda_build.checks.import_statements import Import, ModuleImports
    from lambda_build.layout import Layout, Member
    from lambda_build.target import Target

# What starts the source's modules where a package brings AWS's runtime client itself, as images do.
_CLIENT = "awslambdaric.__main__"

# What the packages are called whose modules have another name.
_REQUIREMENTS = {
    "attr": "attrs",
    "aws_lambda_powertools": "aws-lambda-powertools",
    "aws_xray_sdk": "aws-xray-sdk",
    "audioop": "audioop-lts",
    "asynchat": "pyasynchat",
    "asyncore": "pyasyncore",
    "bs4": "beautifulsoup4",
    "cgi": "legacy-cgi",
    "cgitb": "legacy-cgi",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "github": "PyGithub",
    "google.auth": "google-auth",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "google.genai": "google-genai",
    "google.protobuf": "protobuf",
    "googleapiclient": "google-api-python-client",
    "grpc": "grpcio",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "kafka": "kafka-python",
    "ldap": "python-ldap",
    "magic": "python-magic",
    "memcache": "python-memcached",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python",
    "nacl": "PyNaCl",
    "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slack_sdk": "slack-sdk",
    "slugify": "python-slugify",
    "socks": "PySocks",
    "telegram": "python-telegram-bot",
    "telnetlib": "standard-telnetlib",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}

_OWN_OR_RUNTIMES = """\
Lambda's runtime holds one, of a version that changes without notice. Either take your own, in the \
requirements:
    {package}
or declare that the runtime's is relied on:
    "provided": ["{package}"]  in function.json,  --provided {package}  on the command line,
    provided = ["{package}"]  in the package of a Terraform module"""

_WAYS_OUT = """\
Is this requirement missing?
    {requirement}
A file that Lambda never runs is left out by .lambdaignore; a module that may be missing is \
imported inside `try: … except ImportError`; one that a layer brings is declared:
    "provided": ["layer:{requirement}"]  in function.json,  --provided layer:{requirement}  on the \
command line,
    provided = ["layer:{requirement}"]  in the package of a Terraform module"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Missing:
    """An import of a file that would fail."""

    member: Member
    written: Import
    name: str  # the module that is not there; "" for a relative import that leaves its package
    is_warning: bool


def failing_imports(
    layout: Layout,
    target: Target,
    *,
    provided: Collection[str] = (),
    projects: Collection[str] = (),
    handler: str | None = None,
    cache: Cache | None = None,
) -> Iterator[Finding]:
    """Yield the imports of the function's own source that would fail on Lambda.

    `provided` are the top-level modules that Lambda has, and `projects` the origins whose code is
    the function's own as well: of theirs, the modules that the source reaches. What was read of a
    file is kept in `cache` by the file's hash.
    """
    check = _Check(layout, target, frozenset(provided), cache)
    missing = check.run(frozenset(projects), handler)
    for found in missing:
        yield check.finding(found)


def reached_modules(layout: Layout, target: Target, *, cache: Cache) -> frozenset[str]:
    """Return the paths of the modules that the function's source may import, itself among them.

    An import by a name that is only known when it runs is not seen.
    """
    return _Check(layout, target, frozenset(), cache).reached()


class _Check:
    """One package's imports, each against everything that is there."""

    def __init__(
        self, layout: Layout, target: Target, provided: frozenset[str], cache: Cache | None
    ) -> None:
        self._layout = layout
        self._modules = Modules(layout.members)
        self._python = target.python
        self._standard = standard_library(target.python)
        self._provided = provided
        self._cache = cache

    def run(self, projects: frozenset[str], handler: str | None) -> list[_Missing]:
        """Return the imports that would fail, by path and line."""
        own = [member for member in self._layout.members if member.path.endswith(".py")]
        waiting = [member for member in own if member.origin == "source"]
        seen = {member.path for member in waiting}
        edges: list[tuple[str, str, bool]] = []
        missing: list[_Missing] = []
        path_is_changed = False
        while waiting:
            member = waiting.pop()
            read = self._read(member)
            path_is_changed = path_is_changed or read.changes_path
            for found in self._live(read.imports, member):
                missing.extend(self._missing(found, member))
                for target in self._reached(found, member):
                    edges.append((member.path, target.path, found.guard is not None))
                    if target.origin in projects and target.path not in seen:
                        seen.add(target.path)
                        waiting.append(target)
        optional = _optional(edges, handler)
        return sorted(
            (
                replace(found, is_warning=found.is_warning or found.member.path in optional)
                for found in missing
                if not path_is_changed or self._stays(found)
            ),
            key=lambda found: (found.member.path, found.written.line, found.name),
        )

    def reached(self) -> frozenset[str]:
        """Return the paths of the source's modules, and of all that they may import."""
        client = self._modules.find(_CLIENT)
        waiting = [
            member
            for member in self._layout.members
            if member.origin == "source" or member is client
        ]
        seen = {member.path for member in waiting}
        while waiting:
            member = waiting.pop()
            if not member.path.endswith(".py"):
                continue
            for found in self._live(self._read(member).imports, member):
                for target in self._reached(found, member):
                    if target.path not in seen:
                        seen.add(target.path)
                        waiting.append(target)
        return frozenset(seen)

    def finding(self, missing: _Missing) -> Finding:
        """Return what is to be said of an import that would fail."""
        written, member = missing.written, missing.member
        where = f"{member.path}, line {written.line}"
        if member.origin != "source":
            where = f"{where} (from {member.origin})"
        if missing.is_warning:
            return Finding(
                code="optional-import",
                severity=Severity.WARNING,
                thing=where,
                cause=f"{where}: `{written}` finds no {missing.name} on Lambda.",
            )
        cause, next_step = self._explained(missing)
        return Finding(
            code="import",
            thing=f"{where} ({missing.name or written})",
            cause=f"{where}: `{written}` fails on Lambda: {cause}.",
            next_step=next_step,
            error=ImportsError,
        )

    def _explained(self, missing: _Missing) -> tuple[str, str]:
        written, name = missing.written, missing.name
        top = name.partition(".")[0]
        folder = missing.member.path.rpartition("/")[0]
        if not name:
            return (
                "it leads out of the package that the file is in",
                "Write it with the whole name, as seen from the source folder.",
            )
        if written.level or self._is_own(name):
            return (
                f"there is no {name} in the source",
                "Mend the name, or see whether .lambdaignore leaves the file out.",
            )
        package = module_package(top)
        if package is not None:
            return (
                f"{package} is neither in the requirements nor declared as provided",
                _OWN_OR_RUNTIMES.format(package=package),
            )
        if folder and self._modules.has(f"{folder.replace('/', '.')}.{top}"):
            return (
                f"{top} is in {folder}/, which is no folder that Lambda imports from",
                f"Write:\n    from {folder.replace('/', '.')} import {top}",
            )
        was = elsewhere(name)
        requirement = _requirement(_absolute(written, missing.member) or name)
        there = self._origin_of(requirement)
        if there is not None:
            return (
                f"{there} is in the package and has no {name}",
                "Mend the name, or choose a version that has it.",
            )
        return (
            f"{was}, and the package has none" if was else f"the package has no {name}",
            _WAYS_OUT.format(requirement=requirement),
        )

    def _read(self, member: Member) -> ModuleImports:
        if self._cache is None:
            return read_imports(read_verified(member), self._python)
        place = self._cache.root / "imports" / self._python / f"{member.sha256}.{FORMAT}.json"
        text = kept_text(place)
        if text is not None:
            return from_json(text)
        read = read_imports(read_verified(member), self._python)
        with suppress(OutputError):  # a cache that is read only costs time
            keep_text(place, to_json(read))
        return read

    def _live(self, imports: Sequence[Import], member: Member) -> list[Import]:
        """Return the imports that may be reached, given what is there and what is not."""
        failing, tried = set(), set()
        for found in imports:
            if found.guard is not None and not found.is_call:
                tried.add(found.guard)
                if any(self._missing(found, member)):
                    failing.add(found.guard)
        return [
            found
            for found in imports
            if not any(fallback in tried - failing for fallback in found.fallbacks)
            and not any(success in failing for success in found.successes)
            and not (found.needs and self._first_missing(found.needs))
        ]

    def _missing(self, found: Import, member: Member) -> Iterator[_Missing]:
        is_warning = found.guard is not None or found.is_call
        name = _absolute(found, member)
        if name is None:
            yield _Missing(member=member, written=found, name="", is_warning=is_warning)
            return
        first = self._first_missing(name)
        if first is not None:
            yield _Missing(member=member, written=found, name=first, is_warning=is_warning)
        elif self._is_only_namespace(name):
            # Nothing but modules can be imported from a namespace package.
            for below in found.names:
                full = f"{name}.{below}"
                if below != "*" and self._first_missing(full) is not None:
                    yield _Missing(member=member, written=found, name=full, is_warning=is_warning)

    def _first_missing(self, name: str) -> str | None:
        if not name:
            return None
        first = self._modules.missing(name)
        top = name.partition(".")[0]
        if first is None or top in self._provided:
            return None
        if top in self._standard and not self._modules.find(top):
            return None if has_submodule(name, self._python) else name
        return first

    def _is_only_namespace(self, name: str) -> bool:
        top = name.partition(".")[0]
        return self._modules.is_namespace(name) and not (
            top in self._provided or (top in self._standard and not self._modules.find(top))
        )

    def _reached(self, found: Import, member: Member) -> Iterator[Member]:
        """Yield the files that an import runs: the packages on the way, the module, submodules."""
        name = _absolute(found, member)
        if not name:
            return
        parts = name.split(".")
        names = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        for each in (*names, *(f"{name}.{below}" for below in found.names)):
            target = self._modules.find(each)
            if target is not None and target.path != member.path:
                yield target

    def _stays(self, missing: _Missing) -> bool:
        """Return whether an import fails also where the source adds folders to sys.path."""
        top = missing.name.partition(".")[0]
        return not top or not any(
            f"/{top}." in member.path or f"/{top}/" in member.path
            for member in self._layout.members
        )

    def _is_own(self, name: str) -> bool:
        """Return whether a module's outermost package is the function's own."""
        top = name.partition(".")[0]
        prefixes = (f"{top}/", f"{top}.")
        return name != top and any(
            member.origin == "source" and member.path.startswith(prefixes)
            for member in self._layout.members
        )

    def _origin_of(self, requirement: str) -> str | None:
        wanted = re.sub(r"[-_.]+", "-", requirement).lower()
        origins = {member.origin for member in self._layout.members}
        return next((one for one in sorted(origins) if one.partition(" ")[0] == wanted), None)


def _absolute(found: Import, member: Member) -> str | None:
    """Return an import's whole name; None for a relative one that leaves its package."""
    if not found.level:
        return found.module
    package = member.path.split("/")[:-1]
    if found.level > len(package):
        return None
    kept = package[: len(package) - found.level + 1]
    return ".".join(filter(None, (*kept, found.module)))


def _optional(edges: Iterable[tuple[str, str, bool]], handler: str | None) -> set[str]:
    """Return the files that are run only by imports that may fail: so may theirs."""
    importers: dict[str, list[tuple[str, bool]]] = {}
    for importer, imported, is_guarded in edges:
        importers.setdefault(imported, []).append((importer, is_guarded))
    module = (handler or "").rpartition(".")[0].replace(".", "/")
    required = {f"{module}.py", f"{module}/__init__.py"}
    optional: set[str] = set()
    while True:
        more = {
            path
            for path, by in importers.items()
            if path not in required and all(guarded or one in optional for one, guarded in by)
        }
        if more == optional:
            return optional
        optional = more


def _requirement(name: str) -> str:
    """Return what the package is called, most likely, that brings a module."""
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        known = _REQUIREMENTS.get(".".join(parts[:depth]))
        if known is not None:
            return known
    # Whoever shares a namespace names packages after the whole of it.
    return "-".join(parts[:3]) if parts[0] in {"google", "azure"} else parts[0]
