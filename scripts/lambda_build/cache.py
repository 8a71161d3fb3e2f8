"""Files that are shared by builds at once: found by content, written aside, renamed into place."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_build.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

# What is not yet what it will be named. Such a file outlives its writer only when that is killed.
_ASIDE = ".aside"
_ABANDONED_S = 24 * 3600

# What this process removes when it is told to end: files and folders that are not yet what they
# will be named, temporary folders, and the files of locks that it holds.
_unfinished: set[Path] = set()
_ending = threading.Event()
_SETTLING_S = 0.02  # making a file takes a hundredth of that

# A file system's clock ticks: two changes within a tick have one time, and the second may be
# missed. Linux ticks every 10 ms at most; what ticks slower (NFS, FAT) has whole seconds.
_TICK_NS = 40_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """A folder of wheels, bytecode and resolutions, each named by what it was made from.

    Nothing in it is ever changed: a file is there whole, or it is not there.
    """

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """Return $LAMBDA_BUILD_CACHE, else the `lambda-build` folder of the user's caches."""
        named = os.environ.get("LAMBDA_BUILD_CACHE")
        home = os.environ.get("XDG_CACHE_HOME")
        try:
            if named:
                return cls(root=Path(named).expanduser().absolute())
            folder = Path(home) if home else Path.home() / ".cache"
        except RuntimeError as error:  # a user without a home
            raise OutputError(
                f"there is no folder to keep wheels in: {error}\n"
                "Name one, e.g.:\n    export LAMBDA_BUILD_CACHE=/tmp/lambda-build"
            ) from error
        return cls(root=folder / "lambda-build")

    def sweep(self) -> None:
        """Remove what killed builds left behind a day ago or earlier."""
        for folder, _, _ in os.walk(self.root):
            if Path(folder).is_relative_to(self.root / "environments"):
                continue
            sweep(Path(folder), older_than_s=_ABANDONED_S)

    def wheel(self, sha256: str) -> Path:
        """Return where the wheel with that hash belongs."""
        return self.root / "wheels" / f"{sha256}.whl"

    def source_distribution(self, sha256: str) -> Path:
        """Return where the source distribution with that hash belongs."""
        return self.root / "sources" / sha256

    def members(self, sha256: str) -> Path:
        """Return where it belongs what the wheel with that hash holds."""
        return self.root / "members" / f"{sha256}.json"

    def output(self, path: Path) -> Path:
        """Return where it belongs what is known of an artefact, which is not in the cache."""
        named = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
        return self.root / "outputs" / f"{named}.json"

    def resolution(self, digest: str) -> Path:
        """Return where the resolution of requirements with that digest belongs."""
        return self.root / "resolutions" / f"{digest}.lock"

    def built(self, digest: str) -> Path:
        """Return where it belongs which wheel was built from what has that digest."""
        return self.root / "projects" / f"{digest}.json"

    def built_wheel(self, sha256: str) -> Path:
        """Return where the wheel with that hash belongs, which was built here."""
        return self.root / "projects" / f"{sha256}.whl"

    def native(self, digest: str) -> Path:
        """Return where what the native files with those hashes say of themselves belongs."""
        return self.root / "native" / f"{digest}.json"

    def bytecode(self, python: str, digest: str) -> Path:
        """Return where the bytecode that this exact Python makes of those modules belongs."""
        return self.root / "bytecode" / python / f"{digest}.zip"


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well.

    Whoever reads `path` sees the old file, or the whole new one, also when the writer is killed.
    Raises OutputError when the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = _begun(path)
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    try:
        yield aside
        aside.chmod(0o644)
        _settle(aside)
        aside.replace(path)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        aside.unlink(missing_ok=True)
        _unfinished.discard(aside)


def keep_text(path: Path, text: str) -> None:
    """Write a text that `kept_text` gives back, as long as nobody changes it."""
    with written_aside(path) as aside:
        aside.write_text(f"{_checksum(text)}\n{text}", "utf-8")


def kept_text(path: Path) -> str | None:
    """Return the text that was kept; None when there is none, or it is not what was written."""
    try:
        checksum, _, text = path.read_bytes().decode("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if checksum == _checksum(text) else None


def keep_facts(place: Path, file: Path, sha256: str, facts: Any) -> None:
    """Write facts about a file with that hash, in JSON's types, for `kept_facts`."""
    keep_text(place, json.dumps({"sha256": sha256, "seen": _seen(file), "facts": facts}))


def kept_facts(place: Path, file: Path, sha256: str | None = None) -> Any:
    """Return the facts about a file; None when there are none, or it does not have that hash.

    Without a hash it has to be the one that it had then. A file that looks as it did is not read;
    one that does not is hashed.
    """
    text = kept_text(place)
    said = None if text is None else json.loads(text)
    if said is None or said["sha256"] != (sha256 or said["sha256"]):
        return None
    seen = _seen(file)
    if seen is None or seen != said["seen"]:
        if not has_sha256(file, said["sha256"]):
            return None
        if seen is not None:
            with suppress(OutputError):  # a cache that is read only costs time
                keep_facts(place, file, said["sha256"], said["facts"])
    return said["facts"]


def _seen(file: Path) -> list[int] | None:
    """Return what changes whenever somebody writes to a file; None where that is not sure.

    Its size, times and inode number. Whoever writes sets both times to now, so to a time of
    modification that is later than the one here: as long as that is older than the time of change,
    by more than a tick. `written_aside` sees to it. (Git's documentation, "racy-git", has the same
    question.)
    """
    try:
        status = file.stat()
    except OSError:
        return None
    if status.st_mtime_ns > status.st_ctime_ns - _TICK_NS // 2:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _settle(file: Path) -> None:
    """Give a file a time of modification that nobody who writes to it later can give it."""
    now = time.time_ns()
    os.utime(file, ns=(now, now - _TICK_NS))


def _checksum(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@contextmanager
def directory_written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that is renamed to it when the block ends well.

    `path` must not exist. When another process made it meanwhile, theirs stays: a folder that is
    named by its content is the same one.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = _begun(path)
        aside.mkdir(0o700)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    try:
        yield aside
        aside.chmod(0o755)
        try:
            aside.rename(path)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _unfinished.discard(aside)


def sweep(folder: Path, of: Path | None = None, *, older_than_s: float = 0) -> None:
    """Remove what killed writers left in a folder: of one path, or of all that are old enough."""
    pattern = f"{_prefix(of)}*{_ASIDE}" if of else f".*{_ASIDE}"
    newest = time.time() - older_than_s
    for path in folder.glob(pattern):
        with suppress(OSError):
            if path.stat().st_mtime <= newest:
                _remove(path)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone when the block ends, and when the process is told to end."""
    import tempfile  # noqa: PLC0415 - slow to import

    place = Path(tempfile.gettempdir(), "lambda-build")
    sweep(place.parent, place, older_than_s=_ABANDONED_S)  # of processes that were killed
    folder = _begun(place)
    folder.mkdir(0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unfinished.discard(folder)


def begin_no_more() -> None:
    """Let no thread begin another file, and let those that are beginning one get it known.

    For a process that is about to end, in the thread that ends it.
    """
    _ending.set()
    time.sleep(_SETTLING_S)


def remove_unfinished() -> None:
    """Remove what this process has not finished: it is about to end without finishing it."""
    for path in list(_unfinished):
        with suppress(OSError):
            _remove(path)


def _begun(path: Path) -> Path:
    """Return the name of an unfinished file beside `path`, known before the file is there."""
    if _ending.is_set():
        threading.Event().wait()  # until the process has ended
    aside = path.with_name(f"{_prefix(path)}{os.urandom(6).hex()}{_ASIDE}")
    _unfinished.add(aside)
    return aside


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.name}."


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock while the block runs; the operating system frees it, come what may.

    Its file is there only as long. Raises OutputError when it cannot be made.
    """
    handle = _acquired(path)
    _unfinished.add(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held, so the file is this one
        _unfinished.discard(path)
        os.close(handle)


def _acquired(path: Path) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(_cannot_write(path.parent, error)) from error
        try:
            _wait_for(handle, path)
            # Whoever held it before has removed the file: then this lock keeps nobody out.
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait_for(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.info("waiting for another build, which holds %s", path)
        fcntl.flock(handle, fcntl.LOCK_EX)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_sha256(path: Path, sha256: str) -> bool:
    """Whether there is a file with that hash; it is read."""
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def _cannot_write(path: Path, error: OSError) -> str:
    # The file that was in the way may be another: a folder above, or one that was read.
    seen = {path, path.parent}
    other = f" ({error.filename})" if error.filename and Path(error.filename) not in seen else ""
    # mkdir's "File exists" is about a file where a folder is needed.
    in_the_way = isinstance(error, FileExistsError)
    reason = os.strerror(errno.ENOTDIR) if in_the_way else error.strerror or error
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    step = "Make room on the disk" if full else "Make its folder writable"
    if path.is_relative_to(Cache.default().root):
        step += ", or keep the cache elsewhere:\n    export LAMBDA_BUILD_CACHE=/path/to/folder"
    else:
        step += ", or choose another one."
    return f"{path} cannot be written: {reason}{other}\n{step}"
