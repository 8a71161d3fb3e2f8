"""Reading requirements files, in pip's format and in full.

pip's documentation, "Requirements File Format", is the source of every rule here: continuation
lines, comments, `-r` and `-c` relative to the file that names them, options, `--hash`, local
paths. What is kept is what was written: the resolver sees the same words.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement

from lambda_build.errors import HashMismatchError, RequirementsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_COMMENT = re.compile(r"(^|\s+)#.*$")
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
_REQUIREMENT_OPTION = re.compile(r"\s+--(?:hash|config-settings?|global-option)\b.*$")
_HASH = re.compile(r"--hash[= ](?P<algorithm>\w+):(?P<value>[0-9a-fA-F]+)(?!\S)")
_HASH_OPTION = re.compile(r"\s--hash\b")
# What an address may end with: `….whl#sha256=…`.
_FRAGMENT_HASH = re.compile(r"#(?:\S*&)?(?P<algorithm>sha256)=(?P<value>[0-9a-fA-F]+)")
_PATH_EXTRAS = re.compile(r"^(?P<path>.+?)(?P<extras>\[[^\]]*\])?$")
_NAMED_PATH = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<path>(?:file:|\.|/).*)$"
)
_EDITABLE = re.compile(r"^(-e|--editable)(?:\s*=?\s*)(?P<path>\S.*)$")
_REPOSITORY = re.compile(r"(?:^|@\s*)(?:git|hg|svn|bzr)\+")
_PROJECT_FILES = ("pyproject.toml", "setup.py")
_WHEEL_ADDRESS = re.compile(r"^(?P<url>https?://\S+)(?P<rest>.*)$")

# pip's options in a requirements file, by their long names; those of `_VALUED` take a value.
_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
    "--pypi-url": "--index-url",
}
_VALUED = {
    "--requirement",
    "--constraint",
    "--editable",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--no-binary",
    "--only-binary",
    "--trusted-host",
    "--use-feature",
}
_FLAGS = {"--no-index", "--pre", "--prefer-binary", "--require-hashes"}
# What uv understands in a file; of the others, `--pre` is said on its command line, and the rest
# changes nothing where only wheels are taken.
_PASSED_ON = {"--index-url", "--extra-index-url", "--find-links", "--no-index", "--require-hashes"}

# uv's variables for the same, and what stands between several values.
_INDEX_VARIABLES = {
    "--index-url": ("UV_DEFAULT_INDEX", " "),
    "--extra-index-url": ("UV_INDEX", " "),
    "--find-links": ("UV_FIND_LINKS", ","),
    "--no-index": ("UV_NO_INDEX", ""),
}

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A logical line of a requirements file: continued lines joined, the comment gone."""

    text: str
    file: Path
    number: int

    def __str__(self) -> str:
        # Of a file of another format the line is not known.
        where = f", line {self.number}" if self.file.suffix not in {".toml", ".lock"} else ""
        return f"{self.file}{where}: {self.text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """An option of a requirements file, under its long name; `value` is None for a flag."""

    line: Line
    name: str
    value: str | None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name} {self.value}"

    def absolute(self) -> str:
        """Return the option with a path that means the same from any folder."""
        if self.name != "--find-links" or self.value is None or "://" in self.value:
            return str(self)
        named = self.line.file.parent / _path_of(self.value)
        if not named.exists():
            raise RequirementsError(
                f"{self.line}\n{named} does not exist; a path is relative to the file that names it"
            )
        return f"{self.name} {named.resolve().as_uri()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A requirement that an index answers, e.g. `boto3>=1.34.0 ; python_version >= '3.11'`."""

    line: Line
    requirement: Requirement
    sha256s: frozenset[str]

    @property
    def url(self) -> str | None:
        """The address that the requirement names, for use only: credentials may be in it."""
        url = self.requirement.url
        return None if url is None else expand_variables(url)


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A requirement that a folder or a wheel on this machine answers: source of the function."""

    line: Line
    path: Path
    extras: str
    marker: Marker | None

    def __str__(self) -> str:
        marker = "" if self.marker is None else f" ; {self.marker}"
        return f"{self.path.as_uri()}{self.extras}{marker}"

    @property
    def metadata_digest(self) -> str:
        """The digest of what the project asks for; the lock has to answer that, too."""
        if self.path.is_file():
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        project = self._table() or {"dynamic": ["dependencies"]}
        if {"dependencies", "optional-dependencies"} & set(project.get("dynamic", [])):
            # What a backend reads them from: itself, or files such as requirements.txt.
            wanted: object = {
                file.name: _text_or_none(file)
                for file in sorted(self.path.iterdir())
                if file.name == "setup.py" or file.suffix in {".toml", ".cfg", ".txt", ".in"}
            }
        else:
            wanted = [project.get("dependencies", []), project.get("optional-dependencies", {})]
        return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()

    @property
    def is_told_by_its_backend(self) -> bool:
        """Whether only the project's build backend knows what it is called or asks for."""
        if self.path.is_file():
            return False
        project = self._table()
        told = {"version", "dependencies", "optional-dependencies"}
        return not {"name", "version"} <= project.keys() or bool(
            told & set(project.get("dynamic", []))
        )

    def _table(self) -> dict[str, Any]:
        """Return `[project]` of a folder's pyproject.toml; nothing where there is none."""
        import tomllib  # noqa: PLC0415 - slow, and needed for paths only

        try:
            table = tomllib.loads((self.path / "pyproject.toml").read_text("utf-8"))["project"]
        except (OSError, KeyError, ValueError):
            return {}
        return table if isinstance(table, dict) else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """Everything that a requirements file asks for, with the files that it names."""

    file: Path
    packages: tuple[Package, ...]
    projects: tuple[Project, ...]
    constraints: tuple[Package, ...]
    options: tuple[Option, ...]

    @property
    def digest(self) -> str:
        """The digest of what is asked for: the same for other comments, folders or line ends."""
        asked = {
            "packages": [_squeezed(package.line.text) for package in self.packages],
            "projects": [
                [_squeezed(project.line.text), project.metadata_digest] for project in self.projects
            ],
            "constraints": [_squeezed(package.line.text) for package in self.constraints],
            "options": [str(option) for option in self.options],
        }
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    @property
    def prereleases(self) -> bool:
        """Whether `--pre` is among the options."""
        return any(option.name == "--pre" for option in self.options)

    @property
    def requires_hashes(self) -> bool:
        """Whether `--require-hashes` is among the options."""
        return any(option.name == "--require-hashes" for option in self.options)

    @property
    def unset_variables(self) -> tuple[str, ...]:
        """The variables that options name as `${NAME}`, and that the environment does not have."""
        named = {
            match["name"]
            for option in self.options
            for match in _VARIABLE.finditer(option.value or "")
        }
        return tuple(sorted(name for name in named if not os.environ.get(name)))

    def projects_on(self, markers: Mapping[str, str]) -> tuple[Project, ...]:
        """Return the path requirements whose markers hold in that environment (PEP 508)."""
        return tuple(
            project
            for project in self.projects
            if project.marker is None or project.marker.evaluate(dict(markers))
        )

    def text(self) -> str:
        """Return one flat requirements file that asks for the same, with absolute paths."""
        lines = [
            self.options_text(),
            *(f"{_without_options(package.line.text)}\n" for package in self.packages),
            *(f"{project}\n" for project in self.projects),
        ]
        return "".join(lines)

    def options_text(self) -> str:
        """Return the options that say where packages are, as lines of a requirements file."""
        passed = [option for option in self.options if option.name in _PASSED_ON]
        return "".join(f"{option.absolute()}\n" for option in passed)

    def index_environment(self) -> dict[str, str]:
        """Return the same as uv's variables, to build with: credentials may be in them."""
        values: dict[str, list[str]] = {}
        for option in self.options:
            if option.name in _INDEX_VARIABLES:
                text = option.absolute().partition(" ")[2]
                values.setdefault(option.name, []).append(expand_variables(text))
        return {
            variable: separator.join(values[name]) or "1"
            for name, (variable, separator) in _INDEX_VARIABLES.items()
            if name in values
        }

    def constraints_text(self) -> str:
        """Return one flat constraints file that holds every constraint."""
        return "".join(f"{_without_options(package.line.text)}\n" for package in self.constraints)


def read_requirements(file: Path) -> Requirements:
    """Return what a requirements file asks for.

    Raises RequirementsError when it, or a file that it names, is missing or not understood; the
    message names file and line. HashMismatchError for a local wheel without the `--hash` it has.
    """
    reader = _Reader()
    reader.read(file, constraint=False, including=())
    return reader.read_so_far(file)


def read_lines(file: Path, lines: Iterable[str], constraints: Iterable[str] = ()) -> Requirements:
    """Return what these requirements ask for, which a file of another format holds."""
    reader = _Reader()
    for is_constraint, texts in ((False, lines), (True, constraints)):
        for number, text in enumerate(texts, start=1):
            reader.take(Line(text=text, file=file, number=number), constraint=is_constraint)
    return reader.read_so_far(file)


def expand_variables(text: str) -> str:
    """Return a text with `${NAME}` replaced from the environment, where it is set, as pip does.

    What was written is what is hashed and shown; this is for opening files and addresses.
    """
    return _VARIABLE.sub(lambda match: os.environ.get(match["name"]) or match[0], text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """Collects what a requirements file and the files that it names ask for."""

    packages: list[Package] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    constraints: list[Package] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)

    def read(self, file: Path, *, constraint: bool, including: tuple[Path, ...]) -> None:
        if file.resolve() in including:
            chain = " → ".join(path.name for path in (*including, file))
            raise RequirementsError(f"{file} includes itself: {chain}")
        for number, text in _logical_lines(_read(file, including)):
            line = Line(text=text, file=file, number=number)
            if not text.startswith("-"):
                self.take(line, constraint=constraint)
                continue
            for option in _options(line):
                if option.name in {"--requirement", "--constraint"}:
                    # As in pip, `-r` in a constraints file names requirements.
                    self.read(
                        _included(option),
                        constraint=option.name == "--constraint",
                        including=(*including, file.resolve()),
                    )
                elif option.name == "--editable":
                    self.projects.append(_editable(option))
                else:
                    _refuse_sources(option)
                    self.options.append(option)

    def read_so_far(self, file: Path) -> Requirements:
        return Requirements(
            file=file,
            packages=tuple(self.packages),
            projects=tuple(self.projects),
            constraints=tuple(self.constraints),
            options=tuple(self.options),
        )

    def take(self, line: Line, *, constraint: bool) -> None:
        project = _project(line)
        if not constraint and project is not None:
            self.projects.append(project)
        elif not constraint:
            self.packages.append(_package(line))
        elif project is None:
            self.constraints.append(_package(line))
        else:
            raise RequirementsError(f"{line}\nis a path; a constraint names a package's versions")


def _included(option: Option) -> Path:
    value = expand_variables(option.value or "")
    if "://" in value:
        raise RequirementsError(
            f"{option.line}\nis not on this machine, and may change without anybody noticing.\n"
            "Copy the file beside this one, and name the copy."
        )
    return option.line.file.parent / value


def _refuse_sources(option: Option) -> None:
    if option.name == "--no-binary" and option.value != ":none:":
        raise RequirementsError(
            f"{option.line}\nasks for packages to be built here, and only wheels are packaged: "
            "what is built here might not run on Lambda.\nRemove the option."
        )


def _options(line: Line) -> Iterator[Option]:
    """Yield the options of a line: `--name value`, `--name=value`, `-nvalue`, quoted as in sh."""
    editable = _EDITABLE.match(line.text)
    if editable:  # a marker may follow, whose quotes count
        yield Option(line=line, name="--editable", value=editable["path"])
        return
    try:
        words = iter(shlex.split(line.text))
    except ValueError as error:
        raise RequirementsError(f"{line}\nis not understood: {error}") from error
    for word in words:
        name, equals, given = word.partition("=")
        if word[:2] in _SHORT:
            name, equals, given = word[:2], word[2:], word[2:].removeprefix("=")
        name = _SHORT.get(name, name)
        if name in _VALUED:
            value = given if equals else next(words, None)
            if not value:
                raise RequirementsError(f"{line}\n{name} needs a value")
            yield Option(line=line, name=name, value=value)
        elif name in _FLAGS:
            yield Option(line=line, name=name, value=None)
        else:
            raise RequirementsError(
                f"{line}\n{name} is no option of a requirements file; known are "
                f"{', '.join(sorted(_VALUED | _FLAGS))}"
            )


def _read(file: Path, including: tuple[Path, ...]) -> str:
    """Return a file's text: by its byte order mark, its coding comment (PEP 263), or as UTF-8."""
    try:
        data = file.read_bytes()
        for mark, encoding in _BYTE_ORDER_MARKS.items():
            if data.startswith(mark):
                return data.removeprefix(mark).decode(encoding)
        for first in data.splitlines()[:2]:
            if first.startswith(b"#") and (coding := _CODING.search(first)):
                return data.decode(coding[1].decode())
        return data.decode()
    except FileNotFoundError:
        raise RequirementsError(
            f"{file} does not exist; {including[-1] if including else 'the build'} names it"
        ) from None
    except (OSError, UnicodeDecodeError, LookupError) as error:
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


def _editable(option: Option) -> Project:
    line = replace(option.line, text=f"-e {option.value}")
    _refuse_repository(line)
    location, extras, marker = _split(line, option.value or "")
    return _at(line, location, extras, marker)


def _project(line: Line) -> Project | None:
    """Return the path requirement that a line is; None when an index answers it.

    pip: a requirement is local when it begins with a dot or holds a separator, and when it is the
    name of a wheel's file that exists. `NAME @ file:…` is local as well.
    """
    _refuse_repository(line)
    text = _without_options(line.text)
    named = _NAMED_PATH.match(text)
    if named:
        location, _, marker = _split(line, named["path"])
        return _at(line, location, named["extras"] or "", marker)
    if not _is_local(line, text):
        return None
    location, extras, marker = _split(line, text)
    return _at(line, location, extras, marker)


def _is_local(line: Line, text: str) -> bool:
    if text.startswith("file:"):
        return True
    if "://" in text.partition(" ")[0] or "@" in text.partition("/")[0]:
        return False
    location = text.partition(";")[0].strip()
    wheel, extension, _ = location.partition(".whl")
    return (
        location.startswith(".")
        or "/" in location
        or (bool(extension) and (line.file.parent / f"{wheel}.whl").is_file())
    )


def _split(line: Line, text: str) -> tuple[str, str, Marker | None]:
    """Return a path requirement's location, extras and marker."""
    # In an address a semicolon may be a part of it, so there a space tells them apart.
    separator = r"\s;|;\s" if text.startswith("file:") else ";"
    location, *rest = re.split(separator, text, maxsplit=1)
    match = _PATH_EXTRAS.match(location.strip())
    if match is None:
        raise RequirementsError(f"{line}\nis not understood")
    try:
        marker = Marker(rest[0]) if rest else None
    except InvalidMarker as error:
        raise RequirementsError(f"{line}\nis not a requirement: {error}") from error
    return match["path"].strip("'\""), match["extras"] or "", marker


def _at(line: Line, location: str, extras: str, marker: Marker | None) -> Project:
    named = line.file.parent / _path_of(location)
    path = named.resolve()
    if not path.exists():
        raise RequirementsError(
            f"{line}\n{named} does not exist; a path is relative to the file that names it"
        )
    if path.is_file() and path.suffix != ".whl":
        raise RequirementsError(f"{line}\n{named} is neither a folder nor a wheel")
    if path.is_dir() and not any((path / name).is_file() for name in _PROJECT_FILES):
        raise RequirementsError(
            f"{line}\n{named} is no Python project: it has no {' and no '.join(_PROJECT_FILES)}"
        )
    _check_hash(line, path)
    return Project(line=line, path=path, extras=extras, marker=marker)


def _check_hash(line: Line, path: Path) -> None:
    wanted = _sha256s(line)
    if wanted and path.is_file():
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found not in wanted:
            raise HashMismatchError(f"{line}\n{path} has another hash:\n    sha256:{found}")


def _path_of(location: str) -> str:
    location = expand_variables(location)
    return unquote(urlsplit(location).path) if location.startswith("file:") else location


def _refuse_repository(line: Line) -> None:
    if _REPOSITORY.search(line.text.removeprefix("-e ")):
        raise RequirementsError(
            f"{line}\nis a repository, and only wheels and folders are packaged.\n"
            "Check it out and name its folder, or build its wheel and name that."
        )


def _package(line: Line) -> Package:
    text = _without_options(line.text)
    address = _WHEEL_ADDRESS.match(text)
    if address:  # a wheel's address, whose name says the package
        name = unquote(urlsplit(address["url"]).path).rpartition("/")[2].partition("-")[0]
        text = f"{name} @ {text}"
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise RequirementsError(f"{line}\nis not a requirement: {error}") from error
    if requirement.url and not urlsplit(requirement.url).path.endswith(".whl"):
        raise RequirementsError(
            f"{line}\nis not a wheel's address, and only wheels are packaged: what is built here "
            "might not run on Lambda.\nName a wheel (….whl)."
        )
    return Package(line=line, requirement=requirement, sha256s=_sha256s(line))


def _sha256s(line: Line) -> frozenset[str]:
    hashes = [
        (match["algorithm"], match["value"].lower())
        for pattern in (_HASH, _FRAGMENT_HASH)
        for match in pattern.finditer(line.text)
    ]
    sha256s = frozenset(value for algorithm, value in hashes if algorithm == "sha256")
    if len(_HASH_OPTION.findall(line.text)) > len(_HASH.findall(line.text)):
        raise RequirementsError(
            f"{line}\nhas a hash that is none; one is written so:\n    --hash=sha256:HEX"
        )
    if hashes and not sha256s:
        raise RequirementsError(f"{line}\nhas no sha256 hash; wheels are verified by SHA-256")
    return sha256s


def _without_options(text: str) -> str:
    return _REQUIREMENT_OPTION.sub("", text)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _text_or_none(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return None
