"""Reading a ZIP that anyone made into the values that the build uses. Nothing is unpacked.

What unpacking it would leave is a `Layout`; what could not be unpacked, or read by Lambda's user,
is a list of findings. Reading is bounded by what Lambda takes, so a ZIP bomb is only counted.
"""

from __future__ import annotations

import _imp
import hashlib
import io
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambda_build.checks.check import LARGEST_UNZIPPED_BYTES
from lambda_build.checks.findings import Finding, Severity, shown
from lambda_build.errors import UsageError
from lambda_build.layout import InZip, Layout, Member
from lambda_build.manifest import RECORD_FILE
from lambda_build.secret_files import may_hold_secret, secret_of
from lambda_build.wheel import BROKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_CHUNK = 1 << 20
_HEAD = 128
_LARGEST_DIRECTORY_BYTES = 64 << 20  # 400,000 files; Lambda takes no archive with so many
_LONGEST_NAME_BYTES = 255  # of ext4 and of overlayfs
_LARGEST_TEXT_BYTES = 8 << 20
_MOST_LINKS = 8

# What is kept of a ZIP while it is read once.
_TOLD = (".dist-info/METADATA", ".dist-info/RECORD", ".dist-info/WHEEL", RECORD_FILE)

_UNIX_SYSTEMS = {3, 19}  # Unix and macOS (APPNOTE.TXT, 4.4.2)
_UTF8 = 1 << 11
_ENCRYPTED = 1
_UNICODE_PATH = b"\x75\x70"  # Info-ZIP's extra field 0x7075
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

_OTHERS_READ, _OTHERS_ENTER = 0o4, 0o5


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A member of a ZIP, as it is there."""

    name: str  # folders without their last `/`
    info: zipfile.ZipInfo
    kind: int  # stat.S_IFREG, S_IFDIR or S_IFLNK
    mode: int | None  # the permission bits; None where the ZIP was made without any
    sha256: str = ""
    head: bytes = b""  # the first bytes
    text: bytes = b""  # a link's target, a distribution's metadata
    secret: str = ""  # what secret its content is, in words for a person
    source_hash: bytes = b""  # of a module, as the target's bytecode holds it (PEP 552)


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A ZIP that was read: what unpacking it leaves, and what is wrong with it as a ZIP."""

    file: Path
    zipped_bytes: int
    entries: Mapping[str, Entry]  # files and resolved links, by path; the last of a name
    unzipped_bytes: int
    is_read: bool  # False: larger than Lambda takes, so only its directory was read
    findings: tuple[Finding, ...]

    def layout(self, origins: Mapping[str, str]) -> Layout:
        """Return the files as the build's values; `origins` says where each comes from."""
        return Layout(
            members=tuple(
                Member(
                    path=path,
                    executable=bool((entry.mode or 0) & stat.S_IXUSR),
                    size=entry.info.file_size,
                    sha256=entry.sha256,
                    origin=origins.get(path, "source"),
                    content=InZip(file=self.file, info=entry.info),
                )
                for path, entry in sorted(self.entries.items())
            )
        )


def read_archive(file: Path, magic: int) -> Archive:
    """Return what a ZIP holds; one that is damaged, or none at all, gives findings.

    `magic` is the number of the target Python's bytecode. UsageError when there is no such file.
    """
    try:
        size = file.stat().st_size
        opened = Bounded(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    with opened:
        try:
            with zipfile.ZipFile(opened) as archive:
                return _read(file, size, archive, magic)
        except BROKEN as error:
            finding = Finding(
                code="not-a-zip",
                thing=file.name,
                cause=f"{shown(file.name)} is no whole ZIP: {shown(str(error))}.",
                next_step="Make it again, or download it again.",
            )
            return Archive(
                file=file,
                zipped_bytes=size,
                entries={},
                unzipped_bytes=0,
                is_read=False,
                findings=(finding,),
            )


class Bounded(io.FileIO):
    """A file of which nobody reads a large part at once: zipfile takes a directory whole."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file; BadZipFile for a piece that is larger than any directory."""
        if size is not None and size > _LARGEST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is larger than any package's")
        return super().read(size) or b""


def _read(file: Path, size: int, archive: zipfile.ZipFile, magic: int) -> Archive:
    entries = [_entry(info) for info in archive.infolist()]
    unzipped = sum(entry.info.file_size for entry in entries)
    is_read = unzipped <= LARGEST_UNZIPPED_BYTES
    findings = list(_structure(entries))
    unsafe = {id(entry) for entry in entries if not _is_safe(entry)}
    whole: dict[str, Entry] = {}
    damaged: dict[str, list[str]] = {}
    for entry in entries:
        if id(entry) in unsafe or entry.kind == stat.S_IFDIR or _is_closed(entry):
            continue
        if not is_read:
            whole[entry.name] = entry
            continue
        try:
            whole[entry.name] = _hashed(archive, entry, magic)
        except BROKEN as error:
            reason = str(error).replace(repr(entry.info.orig_filename), "it")
            damaged.setdefault(reason, []).append(entry.name)
    for reason, names in damaged.items():
        findings.extend(
            _about(
                "damaged",
                names,
                f"is damaged ({shown(reason)})",
                "Make the ZIP again, or download it again.",
            )
        )
    resolved, broken_links = _without_links(whole)
    return Archive(
        file=file,
        zipped_bytes=size,
        entries=resolved,
        unzipped_bytes=unzipped,
        is_read=is_read,
        findings=(*findings, *broken_links),
    )


def _is_flagged(info: zipfile.ZipInfo) -> bool:
    flagged = info.flag_bits & _UTF8 or _UNICODE_PATH in info.extra
    return bool(flagged) or info.orig_filename.isascii()


def _is_utf8(info: zipfile.ZipInfo) -> bool:
    try:
        info.orig_filename.encode("cp437").decode()
    except UnicodeError:
        return False
    return True


def _name(info: zipfile.ZipInfo) -> str:
    # Info-ZIP 3 on Linux writes a name's bytes as they are, without a flag; zipfile then reads
    # them as IBM's code page 437, and other programs as what they are.
    if not info.flag_bits & _UTF8 and _is_utf8(info):
        return info.filename.encode("cp437").decode()
    return info.filename


def _entry(info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if info.filename.endswith("/"):
        kind = stat.S_IFDIR
    elif kind == stat.S_IFDIR or not kind:
        kind = stat.S_IFREG
    return Entry(
        name=_name(info).rstrip("/") or info.filename,
        info=info,
        kind=kind,
        mode=stat.S_IMODE(mode) if info.create_system in _UNIX_SYSTEMS else None,
    )


def _hashed(archive: zipfile.ZipFile, entry: Entry, magic: int) -> Entry:
    """Return the entry with what its content says; whatever is broken in it is raised."""
    digest, head, size, kept = hashlib.sha256(), b"", 0, io.BytesIO()
    is_module = entry.name.endswith(".py")
    is_told = entry.kind == stat.S_IFLNK or entry.name.endswith(_TOLD)
    is_suspect = may_hold_secret(entry.name, entry.info.file_size)
    with archive.open(entry.info) as content:
        while piece := content.read(_CHUNK):
            head = head or piece[:_HEAD]
            size += len(piece)
            digest.update(piece)
            if is_module or ((is_told or is_suspect) and kept.tell() < _LARGEST_TEXT_BYTES):
                kept.write(piece)
    # zipfile stops where a member ends, and does not mind when that is too early.
    if size != entry.info.file_size:
        raise zipfile.BadZipFile("it ends too early")
    data = kept.getvalue()
    return replace(
        entry,
        sha256=digest.hexdigest(),
        head=head,
        text=data if is_told else b"",
        secret=(secret_of(data) or "") if is_suspect else "",
        source_hash=_imp.source_hash(magic, data) if is_module else b"",
    )


def _without_links(entries: Mapping[str, Entry]) -> tuple[dict[str, Entry], list[Finding]]:
    """Return the files, links replaced by what they lead to, and the links that lead nowhere."""
    files = {path: entry for path, entry in entries.items() if entry.kind != stat.S_IFLNK}
    folders = {path.rpartition("/")[0] for path in files}
    findings = []
    for path, entry in entries.items():
        if entry.kind != stat.S_IFLNK:
            continue
        found = _led_to(path, entries)
        if found is not None and found in files:
            files[path] = files[found]
        elif entry.sha256 and not any(f"{folder}/".startswith(f"{found}/") for folder in folders):
            said = shown(entry.text.decode(errors="replace"))
            findings.append(
                Finding(
                    code="link",
                    thing=path,
                    cause=f"{shown(path)} is a link to {said}, which is not in the ZIP.",
                    next_step="Package what it names instead of the link.",
                )
            )
    return files, findings


def _led_to(path: str, entries: Mapping[str, Entry]) -> str | None:
    for _ in range(_MOST_LINKS):
        entry = entries.get(path)
        if entry is None or entry.kind != stat.S_IFLNK:
            return path
        joined = _joined(path.rpartition("/")[0], entry.text.decode(errors="replace"))
        if joined is None:
            return None
        path = joined
    return None


def _joined(folder: str, link: str) -> str | None:
    parts = [] if not folder else folder.split("/")
    if link.startswith("/"):
        return None
    for part in link.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _is_safe(entry: Entry) -> bool:
    name = entry.name
    if {"", ".", ".."} & set(name.split("/")) or "\\" in name or ":" in name[1:3]:
        return False
    # zipfile cuts a name at its first NUL.
    return "\0" not in entry.info.orig_filename and entry.kind in {
        stat.S_IFREG,
        stat.S_IFDIR,
        stat.S_IFLNK,
    }


def _is_closed(entry: Entry) -> bool:
    return bool(entry.info.flag_bits & _ENCRYPTED) or entry.info.compress_type not in _METHODS


def _structure(entries: list[Entry]) -> Iterator[Finding]:
    """Yield what is wrong with names, kinds, modes and methods: what a directory tells."""
    unsafe = [entry for entry in entries if not _is_safe(entry)]
    safe = [entry for entry in entries if _is_safe(entry)]
    yield from _unsafe(unsafe)
    yield from _names(safe)
    yield from _modes(safe)
    yield from _methods(safe)


def _unsafe(entries: list[Entry]) -> Iterator[Finding]:
    for kind, cause in (
        (True, "would be written outside the package"),
        (False, "is neither a file nor a folder nor a link"),
    ):
        names = [
            entry.info.orig_filename
            for entry in entries
            if (entry.kind in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}) is kind
        ]
        yield from _about(
            "unsafe-name" if kind else "special-file",
            names,
            cause,
            "Make the ZIP from inside the folder, with names relative to it.",
        )


def _names(entries: list[Entry]) -> Iterator[Finding]:
    names = [entry.name for entry in entries]
    yield from _about(
        "duplicate-name",
        _repeated(names),
        "is in the ZIP more than once; which one is run depends on who unpacks it",
        "Make the ZIP anew: `zip` and Python's zipfile add to one that is there.",
    )
    yield from _about(
        "case-collision",
        _collisions(set(names)),
        "differs from another name in case only; on macOS and Windows one hides the other",
        "Rename one of the two.",
        Severity.WARNING,
    )
    files = {entry.name for entry in entries if entry.kind == stat.S_IFREG}
    folders = {parent for name in names for parent in _parents(name)}
    yield from _about(
        "file-and-folder", sorted(files & folders), "is a file and also a folder", "Rename one."
    )
    unflagged = [entry for entry in entries if not _is_flagged(entry.info)]
    for is_utf8, severity, cause in (
        (True, Severity.WARNING, "so it depends on who unpacks it under which name"),
        (False, Severity.ERROR, "and is not UTF-8, so it is unpacked under another name"),
    ):
        yield from _about(
            "name-not-utf8",
            [entry.name for entry in unflagged if _is_utf8(entry.info) is is_utf8],
            f"is named without the ZIP's UTF-8 flag, {cause}",
            "Make the ZIP with a tool that sets the flag: lambda-build, or Python's zipfile.",
            severity,
        )
    yield from _about(
        "name-too-long",
        [
            name
            for name in names
            if any(
                len(part.encode(errors="replace")) > _LONGEST_NAME_BYTES for part in name.split("/")
            )
        ],
        f"has a part of more than {_LONGEST_NAME_BYTES} bytes, which no file system takes",
        "Give it a shorter name.",
    )


def _modes(entries: list[Entry]) -> Iterator[Finding]:
    # AWS, "Troubleshoot deployment issues in Lambda": 644 for files, 755 for folders and what is
    # executed. The function runs as another user than the one that owns the files.
    yield from _about(
        "unreadable-file",
        [
            f"{entry.name} ({entry.mode:04o})"
            for entry in entries
            if entry.kind == stat.S_IFREG
            and entry.mode is not None
            and not entry.mode & _OTHERS_READ
        ],
        "cannot be read by Lambda's user",
        "Give it the mode 0644:\n    chmod -R u=rwX,go=rX FOLDER",
    )
    yield from _about(
        "unreadable-folder",
        [
            f"{entry.name}/ ({entry.mode:04o})"
            for entry in entries
            if entry.kind == stat.S_IFDIR
            and entry.mode is not None
            and entry.mode & _OTHERS_ENTER != _OTHERS_ENTER
        ],
        "cannot be entered by Lambda's user",
        "Give it the mode 0755:\n    chmod -R u=rwX,go=rX FOLDER",
    )


def _methods(entries: list[Entry]) -> Iterator[Finding]:
    yield from _about(
        "encrypted",
        [entry.name for entry in entries if entry.info.flag_bits & _ENCRYPTED],
        "is encrypted",
        "Make the ZIP without a password.",
    )
    yield from _about(
        "compression-method",
        [entry.name for entry in entries if entry.info.compress_type not in _METHODS],
        "is compressed with another method than deflate, which few programs unpack",
        "Make the ZIP with deflate.",
        Severity.WARNING,
    )


def _about(
    code: str,
    names: Iterable[str],
    cause: str,
    next_step: str,
    severity: Severity = Severity.ERROR,
) -> Iterator[Finding]:
    """Yield one finding of several names, where there is any."""
    found = tuple(names)
    if found:
        yield Finding(
            code=code,
            severity=severity,
            thing=found[0],
            others=found[1:],
            cause=f"{shown(found[0])} {cause}.",
            next_step=next_step,
        )


def _repeated(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _collisions(names: set[str]) -> list[str]:
    everything = sorted(names | {parent for name in names for parent in _parents(name)})
    by_folded: dict[str, str] = {}
    return [name for name in everything if by_folded.setdefault(name.casefold(), name) != name]


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name
