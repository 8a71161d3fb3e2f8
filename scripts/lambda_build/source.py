"""Reading a source folder: which of its files belong into a package, and what each is."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_build.cache import sha256_of
from lambda_build.errors import SourceError
from lambda_build.secret_files import secret_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# What never helps a running function, in gitignore's syntax. A folder's own `.lambdaignore` comes
# after these, so `!README.md` brings a file back. Of the syntax these are names, with `*` at most.
CLUTTER = [
    ".git/",
    ".hg/",
    ".svn/",
    "__pycache__/",
    "*.pyc",
    "*.pyo",
    "*.pyd",
    ".venv/",
    "venv/",
    "node_modules/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    ".nox/",
    ".hypothesis/",
    ".idea/",
    ".vscode/",
    ".DS_Store",
    "*.swp",
    "*~",
    ".terraform/",
    "lambda_packages/",
]

# What never enters a package unless it is asked for by name.
SECRETS = [
    ".env",
    ".env.*",
    ".netrc",
    ".pypirc",
    ".aws/",
    ".ssh/",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "*.pfx",
    "*.p12",
    ".git-credentials",
    ".pgpass",
    "*.tfstate",
    "*.tfstate.*",
]

_NEVER = [*CLUTTER, *SECRETS]

# What a function folder holds for the build and for people, at its top.
_FUNCTION_ONLY = """\
/function.json
/requirements*.txt
/requirements*.in
/requirements*.lock
/pyproject.toml
/pyproject.*.lock
/uv.lock
/uv.toml
/pip.conf
/pylock.toml
/pylock.*.toml
/.lambdaignore
/.gitignore
/.dockerignore
/Dockerfile
/README*
/tests/
/*.egg-info/
""".splitlines()

DEFAULTS = [*_NEVER, *_FUNCTION_ONLY]

IGNORE_FILE = ".lambdaignore"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file that goes into a package as it is."""

    path: str  # below the source folder, with `/`
    file: Path
    size: int
    executable: bool
    sha256: str


def read_function_source(
    root: Path, *, requirements: Path | None = None, outputs: Sequence[Path] = ()
) -> tuple[SourceFile, ...]:
    """Return the files of a function's folder that belong into its package, sorted by path.

    `.lambdaignore` in the folder and sensible defaults say what does not, `requirements` among
    them, whatever they are called; neither do `outputs`, which the build itself writes. Raises
    SourceError for what cannot be packaged: dangling links, links out of the folder, unreadable
    files, devices, and secrets that nobody asked for.
    """
    own = _lines_of(root / IGNORE_FILE)
    defaults = [*DEFAULTS, *_as_pattern(requirements, root)]
    files = _read(root, defaults, own, frozenset(path.resolve() for path in outputs))
    _refuse_secrets(root, files, own)
    return files


def _as_pattern(file: Path | None, root: Path) -> list[str]:
    """Return a pattern for one file of a folder; none where its name would not be plain in it."""
    if file is None or not file.is_relative_to(root):
        return []
    path = file.relative_to(root).as_posix()
    return [f"/{path}"] if re.fullmatch(r"[\w./+-]+", path) else []


def read_project_source(root: Path) -> tuple[SourceFile, ...]:
    """Return the files of a Python project's folder that its build may need, sorted by path."""
    return _read(root, [*_NEVER, "*.egg-info/", "/build/", "/dist/"], [], frozenset())


def tree_digest(files: Sequence[SourceFile]) -> str:
    """Return the digest of names, contents and executable bits: equal for equal trees."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.sha256}\0{file.executable:d}\n".encode())
    return digest.hexdigest()


def _read(
    root: Path, defaults: Sequence[str], own: Sequence[str], outputs: frozenset[Path]
) -> tuple[SourceFile, ...]:
    if not root.is_dir():
        raise SourceError(f"{root} is no folder; the source of a function is one")
    try:
        is_ignored = _matching([*defaults, *own]) if own else _named(defaults)
    except (ValueError, re.error) as error:
        raise SourceError(_not_understood(root / IGNORE_FILE, own)) from error
    walk = _Walk(root=root.resolve(), shown=root, is_ignored=is_ignored, outputs=outputs)
    return tuple(sorted(walk.files(walk.root, "", ()), key=lambda file: file.path))


def _matching(patterns: Iterable[str]) -> Callable[[str], object]:
    """Return what tells whether patterns match a path, a folder's with `/` at its end."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import

    return GitIgnoreSpec.from_lines(patterns).match_file


def _not_understood(file: Path, lines: Iterable[str]) -> str:
    """Return what is wrong with the first line that is no pattern."""
    for number, line in enumerate(lines, start=1):
        try:
            _matching([line])
        except (ValueError, re.error) as error:
            return (
                f"{file} is not understood, line {number}: {line}\n{error}\n"
                "Its lines are patterns as in .gitignore; a backslash before a character has it "
                "mean itself."
            )
    return f"{file} is not understood"


def _named(patterns: Iterable[str]) -> Callable[[str], object]:
    """Return what tells the same, of patterns that are names, and paths in no matching folder.

    Importing pathspec and making its patterns takes 14 ms; this takes one.
    """
    at_top: list[str] = []
    anywhere: list[str] = []
    for pattern in patterns:
        name = re.escape(pattern.removeprefix("/")).replace(r"\*", "[^/]*")
        name += "" if pattern.endswith("/") else "/?"
        (at_top if pattern.startswith("/") else anywhere).append(name)
    names = "|".join([*at_top, f"(?:.*/)?(?:{'|'.join(anywhere)})"])
    return re.compile(names, re.DOTALL).fullmatch


@dataclass(frozen=True, kw_only=True, slots=True)
class _Walk:
    root: Path
    shown: Path  # as it was given: messages name files below it
    is_ignored: Callable[[str], object]
    outputs: frozenset[Path]

    def files(self, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[SourceFile]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise SourceError(f"{self.shown / prefix} cannot be read: {error.strerror}") from error
        for entry in entries:
            path = prefix + entry.name
            file = self._resolved(entry, path)
            if file is None:
                continue
            if not file.is_dir():
                yield _source_file(file, path, self.shown / path)
            elif file in above:
                raise SourceError(
                    f"{self.shown / path} is a link to a folder that it stands in.\n"
                    f"Remove it, or name it in {IGNORE_FILE}."
                )
            else:
                yield from self.files(file, f"{path}/", (*above, folder))

    def _resolved(self, entry: os.DirEntry[str], path: str) -> Path | None:
        """Return what an entry is, behind links; None when it does not belong into a package."""
        file = Path(entry.path)
        target = Path(os.path.realpath(file)) if entry.is_symlink() else file
        if self.is_ignored(f"{path}/" if target.is_dir() else path):
            return None
        if entry.is_symlink():
            if not target.exists():  # nor does it when links lead in a circle
                raise SourceError(
                    f"{self.shown / path} is a link to {file.readlink()}, which does not exist.\n"
                    f"Mend the link, or name it in {IGNORE_FILE}."
                )
            if not target.is_relative_to(self.root):
                raise SourceError(
                    f"{self.shown / path} is a link out of the source folder, to "
                    f"{file.readlink()}.\n"
                    f"Copy what it names, or name it in {IGNORE_FILE}."
                )
        return None if target in self.outputs else target


def _refuse_secrets(root: Path, files: Sequence[SourceFile], own: Sequence[str]) -> None:
    # Only a pattern of its own can have brought back what is a secret by its name.
    is_named_so = _matching(SECRETS) if own else None
    for file in files:
        kind = secret_in(file.file, file.path, file.size)
        if kind is None and is_named_so is not None and is_named_so(file.path):
            kind = "secrets, by its name"
        if kind is not None and not _is_asked_for(file.path, own):
            raise SourceError(
                f"{root / file.path} holds {kind}, and whoever may read the function could read "
                "it.\nKeep it in AWS Secrets Manager or Parameter Store, and leave the file out, "
                f"in {IGNORE_FILE}:\n    /{file.path}\n"
                f"or, where it belongs into the package, ask for it by name:\n    !/{file.path}"
            )


def _is_asked_for(path: str, own: Sequence[str]) -> bool:
    """Return whether `.lambdaignore` brings a file back by its name, and not by a wildcard only."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import

    patterns = GitIgnoreSpec.from_lines(
        line for line in own if line.rstrip("/").rpartition("/")[2].strip("!* ")
    )
    return patterns.check_file(path).include is False


def _source_file(file: Path, path: str, shown: Path) -> SourceFile:
    try:
        path.encode()
        # As `verify` has it; Lambda's own way with such names is written down nowhere.
        if "\\" in path or ":" in path[1:3]:
            raise SourceError(
                f"{shown} has a name that some readers of ZIPs take for a folder or a drive.\n"
                f"Rename it, or name it in {IGNORE_FILE}."
            )
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(
                f"{shown} is neither a file nor a folder (a socket, pipe or device).\n"
                f"Remove it, or name it in {IGNORE_FILE}."
            )
        return SourceFile(
            path=path,
            file=file,
            size=status.st_size,
            executable=bool(status.st_mode & stat.S_IXUSR),
            sha256=sha256_of(file),
        )
    except UnicodeEncodeError:
        raise SourceError(
            f"{path!r} is no UTF-8 name, and a ZIP's names are.\n"
            f"Rename it, or name it in {IGNORE_FILE}."
        ) from None
    except OSError as error:
        raise SourceError(f"{shown} cannot be read: {error.strerror}") from error


def _lines_of(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
