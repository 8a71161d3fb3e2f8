"""What a package should not hold: secrets, leftovers of tools, and bytecode that is not its own."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lambda_build.checks.findings import Finding, Severity, shown
from lambda_build.source import CLUTTER, SECRETS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from lambda_build.inspection.reader import Entry
    from lambda_build.target import Target

# A .pyc file's head (PEP 552): magic number, flags, then a hash of the source or its time and size.
_PYC_HEAD = 16
_BY_HASH, _CHECKED = 1, 2

# Times in a ZIP are somebody's local time, to two seconds.
_LARGEST_OFFSET_S, _OFFSET_STEP_S, _STEP_S = 14 * 3600, 900, 2
_TIME_FIELD = b"UT"  # Info-ZIP's extra field 0x5455: seconds since 1970


def check_secrets(entries: Mapping[str, Entry], owned: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the files that are secrets, by name or content; what a wheel was published with is not.

    `owned` says which paths belong to a distribution.
    """
    own = [path for path in entries if path not in owned]
    found = dict.fromkeys(_matching(SECRETS, own))
    found.update(dict.fromkeys(path for path in own if entries[path].secret))
    if found:
        first, *others = found
        yield Finding(
            code="secret",
            thing=first,
            others=tuple(others),
            cause=(
                f"{shown(first)} is {entries[first].secret or 'a secret'}, and whoever may read "
                "the function can read it."
            ),
            next_step=(
                "If the ZIP was uploaded, replace the secret. Keep it in AWS Secrets Manager or "
                "Parameter Store, and the file out of the ZIP."
            ),
        )


def check_clutter(entries: Mapping[str, Entry], owned: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what version control, editors, caches and tests left behind, a folder at a time."""
    own = [path for path in entries if path not in owned and not path.endswith((".pyc", ".pyo"))]
    counts: dict[str, int] = defaultdict(int)
    for path in _matching([*CLUTTER, "/tests/", "/test/"], own):
        counts[_folder_of(path)] += 1
    if counts:
        first, *others = counts
        yield Finding(
            code="leftover",
            severity=Severity.WARNING,
            thing=first,
            others=tuple(others),
            cause=(
                f"{shown(first)} never helps a running function "
                f"({sum(counts.values())} such files)."
            ),
            next_step="Leave it out of the ZIP; lambda-build package does so by itself.",
        )


def check_bytecode(
    entries: Mapping[str, Entry], published: Collection[str], target: Target
) -> Iterator[Finding]:
    """Yield bytecode that the target's Python does not take, or should not.

    What is `published` in a wheel is its author's business, as one file of numpy's is.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for path, entry in entries.items():
        if path.endswith(".pyc") and path not in published:
            code = _judged(path, entry, entries, target)
            if code is not None:
                found[code].append(path)
    for code, (severity, cause, next_step) in _BYTECODE.items():
        if found[code]:
            first, *others = found[code]
            yield Finding(
                code=code,
                severity=severity,
                thing=first,
                others=tuple(others),
                cause=f"{shown(first)} {cause.format(python=target.python)}",
                next_step=next_step.format(python=target.python),
            )


_COMPILE = (
    "Compile by hash, or leave bytecode out:\n"
    "    python{python} -m compileall --invalidation-mode unchecked-hash FOLDER"
)
_BYTECODE = {
    "bytecode-wrong": (
        Severity.ERROR,
        "is not what its source compiles to, and Python {python} runs it without looking.",
        _COMPILE,
    ),
    "bytecode-only": (
        Severity.ERROR,
        "is of another Python than {python} and has no source beside it: importing it fails.",
        "Package the source, or compile it with Python {python}.",
    ),
    "bytecode-stale": (
        Severity.WARNING,
        "is older or newer than its source, so Python {python} compiles the source at every start.",
        _COMPILE,
    ),
    "bytecode-by-time": (
        Severity.WARNING,
        "is checked by its source's time, which unpacking may change: then it is in vain.",
        _COMPILE,
    ),
    "bytecode-other-python": (
        Severity.WARNING,
        "is for another Python than {python}, which never reads it.",
        _COMPILE,
    ),
    "bytecode-without-source": (
        Severity.WARNING,
        "has no source, so Python {python} never reads it.",
        "Remove it.",
    ),
}


def _judged(path: str, entry: Entry, entries: Mapping[str, Entry], target: Target) -> str | None:
    """Return the code of what is wrong with a .pyc file, if anything is."""
    folder, _, name = path.rpartition("/")
    is_cached = folder == "__pycache__" or folder.endswith("/__pycache__")
    magic = entry.head[:4] == target.pyc_magic.to_bytes(4, "little")
    whole = len(entry.head) >= _PYC_HEAD
    if not is_cached:
        has_source = path.removesuffix("c") in entries
        if magic and whole:
            return None
        return "bytecode-other-python" if has_source else "bytecode-only"
    stem, _, tag = name.removesuffix(".pyc").partition(".")
    if not (magic and whole) or not tag.startswith(f"cpython-{target.python.replace('.', '')}"):
        return "bytecode-other-python"
    above = folder.removesuffix("__pycache__")
    source = entries.get(f"{above}{stem}.py")
    return "bytecode-without-source" if source is None else _compared(entry.head, source)


def _compared(head: bytes, source: Entry) -> str | None:
    flags = int.from_bytes(head[4:8], "little")
    if flags & _BY_HASH:
        if head[8:16] == source.source_hash:
            return None
        return "bytecode-stale" if flags & _CHECKED else "bytecode-wrong"
    time, size = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
    if size != source.info.file_size & 0xFFFF_FFFF or not _is_time_of(time, source):
        return "bytecode-stale"
    return "bytecode-by-time"


def _is_time_of(seconds: int, source: Entry) -> bool:
    exact = _exact_time(source.info.extra)
    if exact is not None:
        return exact == seconds
    difference = abs(_local_time(source) - seconds)
    off = difference % _OFFSET_STEP_S
    return difference <= _LARGEST_OFFSET_S + _STEP_S and (
        off <= _STEP_S or off >= _OFFSET_STEP_S - _STEP_S
    )


def _local_time(source: Entry) -> int:
    year, month, day, hour, minute, second = source.info.date_time
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:  # a ZIP may say the 31st of February
        return 0
    return int(moment.timestamp())


def _exact_time(extra: bytes) -> int | None:
    while len(extra) >= 4:  # noqa: PLR2004 - an id and a length
        size = int.from_bytes(extra[2:4], "little")
        if extra[:2] == _TIME_FIELD and size >= 5 and extra[4] & 1:  # noqa: PLR2004 - flags, time
            return int.from_bytes(extra[5:9], "little")
        extra = extra[4 + size :]
    return None


def _matching(patterns: list[str], paths: list[str]) -> Iterator[str]:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import

    yield from sorted(GitIgnoreSpec.from_lines(patterns).match_files(paths))


def _folder_of(path: str) -> str:
    """Return the topmost folder that is a leftover as a whole; else the path itself."""
    folders = {
        pattern.strip("/") for pattern in [*CLUTTER, "/tests/", "/test/"] if pattern.endswith("/")
    }
    parts = path.split("/")
    for depth, part in enumerate(parts[:-1], 1):
        if part in folders:
            return "/".join(parts[:depth]) + "/"
    return path
