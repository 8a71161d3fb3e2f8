"""A function's archives, unpacked as Lambda unpacks them: into /var/task and /opt."""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_aws.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_UNZIPPED_LIMIT = 262_144_000  # bytes, function and layers together: "Lambda quotas"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """The folders that stand for /var/task (the code) and /opt (the layers)."""

    task: Path
    opt: Path


def unpack(code: bytes, layers: Sequence[bytes], folder: Path) -> Package:
    """Return the function's code and its layers unpacked below `folder`.

    Layers share one tree, in order: where two hold the same path, the later one wins. Modes
    come from the archive. Raises PackageError when an archive is broken, reaches out of its
    folder, or all of them together are larger than Lambda allows.
    """
    package = Package(task=folder / "task", opt=folder / "opt")
    room = _UNZIPPED_LIMIT
    for archive, target in [(code, package.task), *((layer, package.opt) for layer in layers)]:
        target.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                room -= sum(member.file_size for member in opened.infolist())
                if room < 0:
                    raise PackageError(
                        "Unzipped size must be smaller than 262144000 bytes, function and "
                        "layers together: leave packages out, or deploy a container image"
                    )
                for member in opened.infolist():
                    _unpack_member(opened, member, target)
        except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError) as error:
            raise PackageError(f"Could not unzip uploaded file: {error}") from error
    package.opt.mkdir(exist_ok=True)
    return package


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path) -> None:
    path = root / member.filename
    # Resolved, because an earlier member may be a link that leads out of the folder.
    if not path.parent.resolve().is_relative_to(root.resolve()) or ".." in path.parts:
        raise PackageError(f"{member.filename!r} would be unpacked outside the package")
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        path.symlink_to(archive.read(member).decode())
        return
    with archive.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    path.chmod(stat.S_IMODE(mode) & 0o777 or 0o644)  # 0: made where there are no modes
