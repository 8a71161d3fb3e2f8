"""Tiny wheels, folders, functions and an index: what the tests of the build are made of."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from lambda_build.cache import Cache, sha256_of
from lambda_build.function import Function
from lambda_build.target import Architecture, Runtime, Target

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Content: TypeAlias = str | bytes

HANDLER = "def handler(event, context):\n    return 'answer'\n"

# A build backend that needs nothing but the standard library, so no build reaches for a network.
BACKEND = """\
import base64, hashlib, pathlib, tomllib, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    metadata += "".join(f"Requires-Dist: {x}\\n" for x in project.get("dependencies", []))
    members = {f"{path}": path.read_bytes() for path in sorted(pathlib.Path(name).rglob("*.py"))}
    members[f"{info}/METADATA"] = metadata.encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    rows = []
    filename = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, filename), "w") as wheel:
        for path, data in members.items():
            wheel.writestr(zipfile.ZipInfo(path), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(data)}\\n")
        rows.append(f"{info}/RECORD,,\\n")
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join(rows))
    return filename
"""


def write_tree(root: Path, files: Mapping[str, Content]) -> Path:
    """Write files below a folder, by their paths, and return the folder."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    root.mkdir(parents=True, exist_ok=True)
    return root


def project_tree(
    root: Path, name: str = "proj", *, version: str = "1.0", dependencies: Sequence[str] = ()
) -> Path:
    """Write a Python project whose backend is beside it, and return its folder."""
    wanted = ", ".join(f'"{text}"' for text in dependencies)
    return write_tree(
        root,
        {
            "pyproject.toml": (
                f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = [{wanted}]\n'
                '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            ),
            "backend.py": BACKEND,
            f"{name}/__init__.py": f"NAME = {name!r}\n",
        },
    )


@dataclass(kw_only=True)
class WheelRecipe:
    """A valid wheel, until something of it is broken on purpose."""

    name: str = "one"
    version: str = "1.0"
    tag: str = "py3-none-any"
    requires: Sequence[str] = ()
    extras: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, Content] | None = None  # by default, a package with a version
    executable: Iterable[str] = ()
    links: Iterable[str] = ()
    recorded: Mapping[str, Content] = field(default_factory=dict)  # as RECORD has them
    unrecorded: Iterable[str] = ()
    extra_rows: str = ""
    record: bool = True
    algorithm: str = "sha256"
    dist_info: str | None = None
    twice: Iterable[str] = ()
    compression: int = zipfile.ZIP_DEFLATED

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-{self.tag}.whl"

    @property
    def info(self) -> str:
        return self.dist_info or f"{self.name}-{self.version}.dist-info"

    def write(self, folder: Path) -> Path:
        """Write the wheel into a folder, and return its file."""
        folder.mkdir(parents=True, exist_ok=True)
        members = self._members()
        file = folder / self.filename
        with zipfile.ZipFile(file, "w", self.compression) as archive:
            for name, data in members.items():
                archive.writestr(self._entry(name), data)
            for name in self.twice:
                archive.NameToInfo.pop(name)
                archive.writestr(self._entry(name), members[name])
            if self.record:
                archive.writestr(self._entry(f"{self.info}/RECORD"), self._record(members))
        return file

    def _members(self) -> dict[str, bytes]:
        files = self.files
        if files is None:
            files = {f"{self.name}/__init__.py": f"__version__ = {self.version!r}\n"}
        metadata = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        metadata += "".join(f"Requires-Dist: {text}\n" for text in self.requires)
        for extra, texts in self.extras.items():
            metadata += f"Provides-Extra: {extra}\n"
            metadata += "".join(f'Requires-Dist: {text}; extra == "{extra}"\n' for text in texts)
        tag = self.tag.split(".")[0] if "." not in self.tag.split("-")[0] else "py3-none-any"
        wheel = f"Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: {tag}\n"
        told = {**files, f"{self.info}/METADATA": metadata, f"{self.info}/WHEEL": wheel}
        return {name: _bytes(content) for name, content in told.items()}

    def _record(self, members: Mapping[str, bytes]) -> str:
        rows = []
        for name, data in members.items():
            if name in set(self.unrecorded):
                continue
            told = _bytes(self.recorded.get(name, data))
            hashed = hashlib.new(self.algorithm, told).digest()
            digest = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
            rows.append(f"{name},{self.algorithm}={digest},{len(told)}\n")
        return f"{''.join(rows)}{self.extra_rows}{self.info}/RECORD,,\n"

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
        entry.compress_type = self.compression
        mode = 0o100755 if name in set(self.executable) else 0o100644
        entry.external_attr = (0o120777 if name in set(self.links) else mode) << 16
        return entry


def make_wheel(folder: Path, name: str = "one", version: str = "1.0", **recipe: object) -> Path:
    """Write a wheel into a folder, and return its file."""
    return WheelRecipe(name=name, version=version, **recipe).write(folder)  # type: ignore[arg-type]


def make_function(
    root: Path,
    requirements: str | None = "",
    *,
    files: Mapping[str, Content] | None = None,
    runtime: Runtime = Runtime.PYTHON3_11,
    architecture: Architecture = Architecture.X86_64,
    handler: str | None = "index.handler",
) -> Function:
    """Write a function's folder; its wheels are in `wheels` beside it, and no index is asked."""
    write_tree(root, {"index.py": HANDLER} if files is None else files)
    if requirements is not None:
        (root / "requirements.txt").write_text(requirements)
    return Function(
        name=root.name,
        source=root,
        requirements=None if requirements is None else root / "requirements.txt",
        target=Target(runtime=runtime, architecture=architecture),
        handler=handler,
    )


def found_in(folder: str, *requirements: str) -> str:
    """Return a requirements file that finds its wheels in a folder, and nowhere else."""
    return "".join(f"{line}\n" for line in ("--no-index", f"--find-links {folder}", *requirements))


def names_in(archive: Path) -> list[str]:
    """Return the names of a ZIP's members, in their order."""
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def bytes_in(archive: Path, name: str) -> bytes:
    """Return a ZIP's member."""
    with zipfile.ZipFile(archive) as opened:
        return opened.read(name)


def tree_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file below a folder: its permission bits and its bytes."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def members_of(archive: Path) -> dict[str, tuple[int, bytes]]:
    """Return every member of a ZIP: its permission bits and its bytes."""
    with zipfile.ZipFile(archive) as opened:
        return {
            info.filename: (info.external_attr >> 16 & 0o777, opened.read(info))
            for info in opened.infolist()
        }


def default_cache() -> Cache:
    """Return the cache that the test's environment names."""
    return Cache.default()


Fault = Literal["404", "401", "500", "garbage", "truncated", "slow", "other"]


@dataclass
class Index:
    """A simple index (PEP 503) of a folder of wheels, on a loopback port, with faults on demand."""

    wheels: Path
    faults: dict[Literal["page", "file"], Fault] = field(default_factory=dict)
    credentials: str | None = None
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                index._answer(self, body=False)

            def do_GET(self) -> None:
                index._answer(self, body=True)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        self._root = f"/{uuid.uuid4().hex}"  # no cache of any client has heard of it
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port: from now on nothing answers there."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """From now on, answer by HTTPS only."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    def __str__(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{self._root}"

    @property
    def url(self) -> str:
        """The address that `--index-url` takes."""
        return f"{self}/simple/"

    def file_url(self, filename: str) -> str:
        """The address of a wheel."""
        return f"{self}/files/{filename}"

    def _answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        self.requests.append(request.path)
        _, kind, name = request.path.removeprefix(self._root).partition("?")[0].split("/", 2)
        fault = self.faults.get("page" if kind == "simple" else "file")
        if self.credentials and not self._is_authorised(request):
            fault = "401"
        if fault in {"404", "401", "500"}:
            request.send_error(int(fault))
            return
        data = self._page(name.strip("/")) if kind == "simple" else self._file(name)
        if data is None:
            request.send_error(404)
            return
        if fault == "garbage":
            data = b"\x00\xff this is no page and no wheel"
        if fault == "other":
            data = bytes(len(data))
        request.send_response(200)
        request.send_header("Content-Type", "text/html" if kind == "simple" else "binary/zip")
        request.send_header("Content-Length", str(len(data)))
        request.send_header("Cache-Control", "no-store")
        request.end_headers()
        if not body:
            return
        if fault in {"truncated", "slow"}:
            request.wfile.write(data[: len(data) // 2])
            request.wfile.flush()
            if fault == "slow":
                self._stopping.wait(60)
            request.close_connection = True
            return
        request.wfile.write(data)

    def _is_authorised(self, request: BaseHTTPRequestHandler) -> bool:
        sent = request.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(sent).decode() == self.credentials

    def _page(self, name: str) -> bytes | None:
        files = sorted(self.wheels.glob(f"{name.replace('-', '_')}-*.whl"))
        rows = [
            f'<a href="../../files/{file.name}#sha256={sha256_of(file)}">{file.name}</a>'
            for file in files
        ]
        return "\n".join(rows).encode() if rows else None

    def _file(self, name: str) -> bytes | None:
        try:
            return (self.wheels / name).read_bytes()
        except OSError:
            return None


def until(true: object, *, within_s: float = 60) -> None:
    """Wait until a callable answers true; an error when it does not do so in time."""
    assert callable(true)
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s} s: {true}")
        time.sleep(0.005)


def set_times(root: Path, seconds: float) -> None:
    """Give every file below a folder one time."""
    for path in root.rglob("*"):
        os.utime(path, (seconds, seconds))


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
