"""Archives that others make: by pip or uv and `zip`, and ZIPs that are written by hand."""

from __future__ import annotations

import shutil
import stat
import subprocess
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from build.tiny import HANDLER, make_wheel
from lambda_build.interpreters import find_interpreter
from lambda_build.uv import uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from build.tiny import Content

Installer = Literal["pip", "uv"]

# One requires two; each has a module in a folder, and two has a script and a data file.
WHEELS: Mapping[str, Mapping[str, Content]] = {
    "one": {"one/__init__.py": "import two\n", "one/sub/__init__.py": "", "one/sub/a.py": "A = 1"},
    "two": {
        "two/__init__.py": "VERSION = '1.0'\n",
        "two/py.typed": "",
        "two/table.json": "{}",
        "two-1.0.data/scripts/two-tool": "#!python\nprint('two')\n",
        "two-1.0.data/purelib/two_more.py": "MORE = 1\n",
        "two-1.0.dist-info/entry_points.txt": "[console_scripts]\ntwo = two:main\n",
    },
}


def write_wheels(folder: Path) -> Path:
    """Write the wheels that the archives are made of."""
    make_wheel(folder, "one", files=WHEELS["one"], requires=["two>=1", "boto3"])
    make_wheel(folder, "two", files=WHEELS["two"])
    return folder


def install(tool: Installer, wheels: Path, target: Path, *names: str) -> Path:
    """Install wheels into a folder, without an index, as a Lambda function's guide says to."""
    wanted = names or ("one", "two")
    options = ("--no-index", "--no-deps", "--find-links", wheels, "--target", target)
    if tool == "uv":
        done = uv("pip", "install", "--python-version", "3.11", *options, *wanted)
    else:
        python = find_interpreter("3.11")
        assert python is not None
        done = subprocess.run(
            [python, "-I", "-m", "pip", "install", "--no-compile", *options, *wanted],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    (target / "index.py").write_text(f"import one\n{HANDLER}")
    return target


def zipped(folder: Path, file: Path | None = None) -> Path:
    """Zip a folder with Info-ZIP's `zip`, links kept, or with Python where there is none."""
    archive = file or folder.with_suffix(".zip")
    archive.unlink(missing_ok=True)
    if shutil.which("zip"):
        subprocess.run(["zip", "-q", "-r", "-y", archive, "."], cwd=folder, check=True, timeout=60)
        return archive
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink():
                link = zipfile.ZipInfo(name)
                link.external_attr = (stat.S_IFLNK | 0o777) << 16
                opened.writestr(link, str(path.readlink()))
            else:
                opened.write(path, name)
    return archive


@dataclass(kw_only=True)
class ZipRecipe:
    """A ZIP written by hand: whatever a tool, or somebody malicious, may write."""

    files: Mapping[str, Content] = field(default_factory=lambda: {"index.py": HANDLER})
    modes: Mapping[str, int] = field(default_factory=dict)  # with the kind of file
    system: int = 3
    method: int = zipfile.ZIP_DEFLATED
    date: tuple[int, int, int, int, int, int] = (2026, 1, 2, 3, 4, 6)
    comment: bytes = b""
    extra: bytes = b""

    def write(self, file: Path) -> Path:
        """Write the ZIP, and return its file."""
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in self.files.items():
                info = zipfile.ZipInfo(name, self.date)
                info.create_system = self.system
                info.compress_type = self.method
                info.extra = self.extra
                mode = self.modes.get(name, 0o40755 if name.endswith("/") else 0o100644)
                info.external_attr = mode << 16
                data = content.encode() if isinstance(content, str) else content
                archive.writestr(info, data, self.method)
            archive.comment = self.comment
        return file


def replace_name(file: Path, old: bytes, new: bytes) -> Path:
    """Give a member another name of the same length, where no tool would write it."""
    assert len(old) == len(new)
    data = file.read_bytes()
    assert data.count(old) == 2
    file.write_bytes(data.replace(old, new))
    return file
