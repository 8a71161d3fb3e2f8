"""Reading requirements files, in pip's format and in full.

pip's documentation, "Requirements File Format", is the source of every rule here: continuation
lines, comments, `-r` and `-c` relative to the file that names them, options, `--hash`, local
paths. What is kept is what was written: the resolver sees the same words.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from lambda_build.errors import RequirementsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"^(-r|-c|--requirement|--constraint)(?:\s*=?\s*)(?P<file>\S.*)$")
_EDITABLE = re.compile(r"^(-e|--editable)(?:\s*=?\s*)(?P<path>\S.*)$")
_FIND_LINKS = re.compile(r"^(-f|--find-links)(?:\s*=?\s*)(?P<path>\S.*)$")
_REQUIREMENT_OPTION = re.compile(r"\s+--(?:hash|config-settings?|global-option)\b.*$")
_HASH = re.compile(r"--hash[= ](?P<algorithm>\w+):(?P<value>[0-9a-fA-F]+)")
_PATH_EXTRAS = re.compile(r"^(?P<path>.*?)(?P<extras>\[[^\]]*\])?$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A logical line of a requirements file: continued lines joined, the comment gone."""

    text: str
    file: Path
    number: int
    constraint: bool = False

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}: {self.text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A requirement that an index answers, e.g. `boto3>=1.34.0 ; python_version >= '3.11'`."""

    line: Line
    requirement: Requirement
    sha256s: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A requirement that a folder or a wheel on this machine answers: source of the function."""

    line: Line
    path: Path
    extras: str

    @property
    def metadata_digest(self) -> str:
        """The digest of what the project asks for; the lock has to answer that, too."""
        if self.path.is_file():
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        try:
            project = tomllib.loads((self.path / "pyproject.toml").read_text("utf-8"))["project"]
        except (OSError, KeyError, tomllib.TOMLDecodeError):
            project = {"dynamic": ["dependencies"]}
        if "dependencies" in project.get("dynamic", []):
            names = ("pyproject.toml", "setup.py", "setup.cfg")
            wanted: object = [_text_or_none(self.path / name) for name in names]
        else:
            wanted = [project.get("dependencies", []), project.get("optional-dependencies", {})]
        return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """Everything that a requirements file asks for, with the files that it names."""

    file: Path
    packages: tuple[Package, ...]
    projects: tuple[Project, ...]
    constraints: tuple[Line, ...]
    options: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The digest of what is asked for: the same for other comments, folders or line ends."""
        asked = {
            "packages": [_squeezed(package.line.text) for package in self.packages],
            "projects": [
                [_squeezed(project.line.text), project.metadata_digest] for project in self.projects
            ],
            "constraints": [_squeezed(line.text) for line in self.constraints],
            "options": list(self.options),
        }
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def text(self) -> str:
        """Return one flat requirements file that asks for the same, with absolute paths."""
        lines = [*self._absolute_options()]
        lines += [package.line.text for package in self.packages]
        lines += [f"{project.path}{project.extras}" for project in self.projects]
        return "".join(f"{line}\n" for line in lines)

    def constraints_text(self) -> str:
        """Return one flat constraints file that holds every constraint."""
        return "".join(f"{line.text}\n" for line in self.constraints)

    def _absolute_options(self) -> Iterator[str]:
        for option in self.options:
            match = _FIND_LINKS.match(option)
            if match and "://" not in match["path"]:
                yield f"--find-links {(self.file.parent / match['path']).resolve()}"
            else:
                yield option


def read_requirements(file: Path) -> Requirements:
    """Return what a requirements file asks for.

    Raises RequirementsError when it, or a file that it names, is missing or not understood; the
    message names file and line.
    """
    if not file.is_file():
        raise RequirementsError(
            f"{file} does not exist.\n"
            "Make it (it may be empty), or say that the function has no requirements:\n"
            "    requirements = null  in Terraform,  --no-requirements  on the command line"
        )
    packages: list[Package] = []
    projects: list[Project] = []
    constraints: list[Line] = []
    options: list[str] = []
    for line in _lines(file, constraint=False, including=()):
        if line.constraint:
            constraints.append(line)
        elif (project := _project(line)) is not None:
            projects.append(project)
        elif line.text.startswith("-"):
            options.append(_squeezed(line.text))
        else:
            packages.append(_package(line))
    return Requirements(
        file=file,
        packages=tuple(packages),
        projects=tuple(projects),
        constraints=tuple(constraints),
        options=tuple(options),
    )


def _lines(file: Path, *, constraint: bool, including: tuple[Path, ...]) -> Iterator[Line]:
    if file.resolve() in including:
        chain = " → ".join(path.name for path in (*including, file))
        raise RequirementsError(f"{file} includes itself: {chain}")
    for number, text in _logical_lines(_read(file, including)):
        include = _INCLUDE.match(text)
        if include:
            yield from _lines(
                file.parent / include["file"].strip("'\""),
                constraint=constraint or include[1] in {"-c", "--constraint"},
                including=(*including, file.resolve()),
            )
        else:
            yield Line(text=text, file=file, number=number, constraint=constraint)


def _read(file: Path, including: tuple[Path, ...]) -> str:
    try:
        return file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise RequirementsError(
            f"{file} does not exist; {including[-1] if including else 'the build'} names it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequirementsError(f"{file} cannot be read: {error}") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join lines that end in a backslash, then drop comments: in pip's order, by pip's rules."""
    parts: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if not parts:
            start = number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            parts.append(line.rstrip("\\"))
            continue
        # A comment line ends a continuation; the space lets it be seen as a comment.
        parts.append(f" {line}" if line.startswith("#") else line)
        joined = _COMMENT.sub("", "".join(parts)).strip()
        parts = []
        if joined:
            yield start, joined


def _project(line: Line) -> Project | None:
    editable = _EDITABLE.match(line.text)
    text = editable["path"].strip("'\"") if editable else line.text
    location, _, _marker = text.partition(" ;")
    match = _PATH_EXTRAS.match(location.strip())
    if match is None or not (editable or _looks_like_a_path(match["path"], line.file)):
        return None
    path = (line.file.parent / _without_scheme(match["path"])).resolve()
    if not path.exists():
        raise RequirementsError(
            f"{line}\n{path} does not exist; a path is relative to the file that names it"
        )
    if path.is_file() and path.suffix != ".whl":
        raise RequirementsError(f"{line}\n{path} is neither a folder nor a wheel")
    return Project(line=line, path=path, extras=match["extras"] or "")


def _looks_like_a_path(text: str, file: Path) -> bool:
    # pip: a requirement is local when it starts with a dot, holds a separator and is no URL, or
    # when it is the name of a wheel file.
    if text.startswith(("-", "file:")):
        return text.startswith("file:")
    if "://" in text or " @ " in text or "@" in text.partition("/")[0]:
        return False
    return text.startswith((".", "/")) or (
        "/" in text.partition(";")[0] and (file.parent / text).exists()
    )


def _without_scheme(text: str) -> str:
    return unquote(urlsplit(text).path) if text.startswith("file:") else text


def _package(line: Line) -> Package:
    text = _REQUIREMENT_OPTION.sub("", line.text)
    if text.startswith(("http://", "https://")):  # a wheel's address, whose name says the package
        text = f"{text.rpartition('/')[2].partition('-')[0]} @ {text}"
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise RequirementsError(f"{line}\nis not a requirement: {error}") from error
    hashes = {match["algorithm"]: match["value"] for match in _HASH.finditer(line.text)}
    if hashes and "sha256" not in hashes:
        raise RequirementsError(f"{line}\nhas no sha256 hash; wheels are verified by SHA-256")
    return Package(
        line=line,
        requirement=requirement,
        sha256s=frozenset(
            match["value"].lower()
            for match in _HASH.finditer(line.text)
            if match["algorithm"] == "sha256"
        ),
    )


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _text_or_none(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None
