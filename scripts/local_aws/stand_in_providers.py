"""Stand-ins for the Terraform providers hashicorp/archive and hashicorp/external.

These are NOT the real providers. They serve where no registry and no mirror has the real ones,
so that the project's tests and its local AWS still run: Terraform starts this file as a provider
(`providers.py` writes the executables), and the PyPI package `tf` speaks Terraform's protocol.

They hold what this project's modules use, `data "archive_file"` on a folder and
`data "external"`, and there they do what archive 2.7.1 and external 2.3.5 do, message by message:

- archive_file walks the folder in byte order, follows links, drops empty folders, gives every
  member the time 2049-01-01 (Go's zero time in a ZIP) and the mode it has on disk, or
  `output_file_mode`. Deflate differs between implementations, so the ZIP's bytes are not those
  of the real provider; its members, their content, modes and times are.
- external kills its program with SIGKILL, and nothing that the program started, when Terraform
  is interrupted.

One thing they do that real providers do not: they end when Terraform is killed.

    python stand_in_providers.py archive | external
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf import runner
from tf.iface import DataSource, Provider
from tf.schema import Attribute, Schema
from tf.types import List, Map, Number, String

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# What Go's archive/zip writes for the zero time: year 1 does not fit the field, and wraps.
_ZERO_TIME = (2049, 1, 1, 0, 0, 0)
_MSDOS_READ_ONLY = 0x01


class Refusal(Exception):  # noqa: N818 - an answer of the provider, not a failure of it
    """What Terraform shows instead of a result: a summary, a detail, the attribute at fault."""

    def __init__(self, summary: str, detail: str, attribute: str | None = None) -> None:
        super().__init__(summary, detail)
        self.summary = summary
        self.detail = detail
        self.attribute = attribute


# --- archive ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One file of an archive: its path in it, the file that it is read from, its Unix mode."""

    name: str
    path: Path
    mode: int


def members(source: Path) -> Iterator[Member]:
    """Yield the files under `source` in the order in which archive_file writes them.

    Raises OSError for a dangling link, a link back to a folder that holds it, and a file that
    cannot be read.
    """
    yield from _walk(source, prefix="", above=())


def _walk(folder: Path, *, prefix: str, above: tuple[Path, ...]) -> Iterator[Member]:
    real = folder.resolve(strict=True)
    if real in above:
        raise OSError(f"{folder}: a link to a folder that it is in")
    for name in sorted(os.listdir(folder), key=os.fsencode):  # noqa: PTH208 - names, in bytes
        path = folder / name
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            yield from _walk(path, prefix=f"{prefix}{name}/", above=(*above, real))
        else:
            yield Member(name=prefix + name, path=path, mode=info.st_mode)


def zip_folder(source: Path, *, file_mode: int | None = None) -> bytes:
    """Return a ZIP of the files under `source`, the same bytes for the same files.

    Raises Refusal where archive_file refuses.
    """
    if not source.exists():
        raise _archive_refusal(f"could not archive missing directory: {source}")
    if not source.is_dir():
        raise _archive_refusal(f"could not archive directory that is a file: {source}")
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members(source):
                mode = member.mode if file_mode is None else stat.S_IFREG | file_mode
                entry = zipfile.ZipInfo(member.name, _ZERO_TIME)
                entry.create_system = 3  # Unix
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = mode << 16
                if not mode & stat.S_IWUSR:
                    entry.external_attr |= _MSDOS_READ_ONLY
                archive.writestr(entry, member.path.read_bytes())
            if not archive.filelist:
                raise _archive_refusal("archive has not been created as it would be empty")
    except OSError as error:
        raise _archive_refusal(f"error encountered during file walk: {error}") from error
    return buffer.getvalue()


def _archive_refusal(cause: str) -> Refusal:
    return Refusal(
        "Archive creation error", f"error creating archive: error archiving directory: {cause}"
    )


def file_mode(text: str | None) -> int | None:
    """Return the permission bits that `output_file_mode` names, e.g. 0o644 for "0644"."""
    if not text:
        return None
    try:
        # Go's base 0: a leading zero is octal.
        return int(text, 8) if text.startswith("0") and text.isdigit() else int(text, 0)
    except ValueError:
        raise _archive_refusal(f"error parsing output_file_mode value: {text}") from None


def read_archive_file(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write the ZIP that `config` asks for and return the data source's attributes."""
    if config["type"] != "zip":
        raise Refusal(
            "Archive creation error",
            f"error creating archive: archive type not supported: {config['type']}\n\n"
            "This is the project's stand-in for hashicorp/archive: it makes zip only.",
        )
    output = Path(config["output_path"])
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal("Output path error", f"error creating output path: {error}") from error
    content = zip_folder(
        Path(config["source_dir"]), file_mode=file_mode(config.get("output_file_mode"))
    )
    try:
        output.write_bytes(content)
    except OSError as error:
        raise _archive_refusal(str(error)) from error

    def digest(algorithm: str) -> bytes:
        return hashlib.new(algorithm, content, usedforsecurity=False).digest()

    return {
        **config,
        "id": digest("sha1").hex(),
        "output_size": len(content),
        "output_md5": digest("md5").hex(),
        "output_sha": digest("sha1").hex(),
        "output_sha256": digest("sha256").hex(),
        "output_sha512": digest("sha512").hex(),
        "output_base64sha256": base64.b64encode(digest("sha256")).decode(),
        "output_base64sha512": base64.b64encode(digest("sha512")).decode(),
    }


# --- external --------------------------------------------------------------------------------


class Programs:
    """The external programs that run now, so that an interrupt can kill them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(
        self, arguments: Sequence[str], *, stdin: bytes, cwd: str | None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, as long as that takes, and return what it said."""
        with self._lock:
            program = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
            )
            self._running.add(program)
        try:
            stdout, stderr = program.communicate(stdin)
        finally:
            with self._lock:
                self._running.discard(program)
        return subprocess.CompletedProcess(arguments, program.returncode, stdout, stderr)

    def kill(self) -> None:
        """Kill every running program with SIGKILL, as the real provider does."""
        with self._lock:
            for program in self._running:
                program.kill()


def read_external(config: Mapping[str, Any], programs: Programs) -> dict[str, Any]:
    """Run the program that `config` asks for and return the data source's attributes."""
    words = [word for word in config["program"] if word]
    if not words:
        raise Refusal(
            "External Program Missing",
            "The data source was configured without a program to execute. Verify the "
            "configuration contains at least one non-empty value.",
            "program",
        )
    path = _look_up(words[0])
    query = {key: text for key, text in (config.get("query") or {}).items() if text is not None}
    try:
        ended = programs.run(
            [path, *words[1:]],
            stdin=json.dumps(query, sort_keys=True, separators=(",", ":")).encode(),
            cwd=config.get("working_dir") or None,
        )
    except OSError as error:
        raise _execution_refusal(path, state=f"fork/exec {path}: {error.strerror}") from error
    if ended.returncode:
        raise _execution_refusal(
            path, state=_state(ended.returncode), stderr=ended.stderr.decode(errors="replace")
        )
    return {**config, "id": "-", "result": _result(path, ended.stdout)}


def _look_up(program: str) -> str:
    if path := shutil.which(program):
        return path
    if "/" not in program:
        cause = "executable file not found in $PATH"
    elif Path(program).exists():
        cause = "permission denied"
    else:
        cause = f"stat {program}: no such file or directory"
    raise Refusal(
        "External Program Lookup Failed",
        "The data source received an unexpected error while attempting to parse the query. The "
        "data source received an unexpected error while attempting to find the program.\n\n"
        "The program must be accessible according to the platform where Terraform is running.\n\n"
        f"\nPlatform: {sys.platform}\nProgram: {program}\n"
        f'Error: exec: "{program}": {cause}',
        "program",
    )


def _execution_refusal(path: str, *, state: str, stderr: str = "") -> Refusal:
    said = "The data source received an unexpected error while attempting to execute the program."
    if stderr:
        detail = f"{said}\n\nProgram: {path}\nError Message: {stderr}\nState: {state}"
    else:
        detail = (
            f"{said}\n\nThe program was executed, however it returned no additional error "
            f"messaging.\n\nProgram: {path}\nState: {state}"
        )
    return Refusal("External Program Execution Failed", detail, "program")


def _state(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    return f"signal: {(signal.strsignal(-returncode) or str(-returncode)).lower()}"


def _result(path: str, stdout: bytes) -> dict[str, str]:
    try:
        return _strings(stdout.decode(errors="replace"))
    except ValueError as error:
        raise Refusal(
            "Unexpected External Program Results",
            "The data source received unexpected results after executing the program.\n\n"
            "Program output must be a JSON encoded map of string keys and string values.\n\n"
            "If the error is unclear, the output can be viewed by enabling Terraform's logging "
            "at TRACE level. Terraform documentation on logging: "
            "https://www.terraform.io/internals/debugging\n"
            f"\nProgram: {path}\nResult Error: {error}",
            "program",
        ) from error


def _strings(text: str) -> dict[str, str]:
    """Return a JSON map of strings, or raise ValueError in the words of Go's encoding/json."""
    if not text.strip():
        raise ValueError("unexpected end of JSON input")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text):
            raise ValueError("unexpected end of JSON input") from None
        where = "after top-level value" if error.msg == "Extra data" else "looking for a value"
        if not text[: error.pos].strip():
            where = "looking for beginning of value"
        raise ValueError(f"invalid character '{text[error.pos]}' {where}") from None
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - ValueError is what json raises for every other fault
            f"json: cannot unmarshal {_kind(value)} into Go value of type map[string]string"
        )
    for member in value.values():
        if member is not None and not isinstance(member, str):
            raise ValueError(f"json: cannot unmarshal {_kind(member)} into Go value of type string")
    return {key: member or "" for key, member in value.items()}


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "null"


# --- Terraform's protocol --------------------------------------------------------------------


def _refused(context: Any, read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return read()
    except Refusal as refusal:
        path = [refusal.attribute] if refusal.attribute else None
        context.diagnostics.add_error(refusal.summary, refusal.detail, path=path)
        return None


class ArchiveFile(DataSource):  # type: ignore[misc]  # tf carries no types
    """`data "archive_file"`, for a folder."""

    def __init__(self, provider: StandIn) -> None:
        del provider

    @classmethod
    def get_name(cls) -> str:
        """Return what follows the provider's prefix in the data source's name."""
        return "file"

    @classmethod
    def get_schema(cls) -> Any:
        """Return the attributes that this project's modules use, and the computed ones."""
        hashes = ("md5", "sha", "sha256", "sha512", "base64sha256", "base64sha512")
        return Schema(
            attributes=[
                Attribute("type", String(), required=True),
                Attribute("source_dir", String(), required=True),
                Attribute("output_path", String(), required=True),
                Attribute("output_file_mode", String(), optional=True),
                Attribute("id", String(), computed=True),
                Attribute("output_size", Number(), computed=True),
                *(Attribute(f"output_{name}", String(), computed=True) for name in hashes),
            ]
        )

    def read(self, ctx: Any, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Write the ZIP and return its attributes, or None and a diagnostic."""
        return _refused(ctx, lambda: read_archive_file(config))


class External(DataSource):  # type: ignore[misc]  # tf carries no types
    """`data "external"`."""

    def __init__(self, provider: StandIn) -> None:
        self._programs = provider.programs

    @classmethod
    def get_name(cls) -> str:
        """Return what follows the provider's prefix in the data source's name: nothing."""
        return ""

    @classmethod
    def get_schema(cls) -> Any:
        """Return the data source's attributes."""
        return Schema(
            attributes=[
                Attribute("program", List(String()), required=True),
                Attribute("query", Map(String()), optional=True),
                Attribute("working_dir", String(), optional=True),
                Attribute("id", String(), computed=True),
                Attribute("result", Map(String()), computed=True),
            ]
        )

    def read(self, ctx: Any, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run the program and return its answer, or None and a diagnostic."""
        return _refused(ctx, lambda: read_external(config, self._programs))


class StandIn(Provider):  # type: ignore[misc]  # tf carries no types
    """A provider of data sources only, without any configuration."""

    def __init__(self, name: str, prefix: str, data_source: type) -> None:
        self.programs = Programs()
        self._name = name
        self._prefix = prefix
        self._data_source = data_source

    def get_model_prefix(self) -> str:
        """Return what the names of its data sources start with."""
        return self._prefix

    def full_name(self) -> str:
        """Return the address of the provider that it stands in for."""
        return f"registry.terraform.io/hashicorp/{self._name}"

    def get_provider_schema(self, diags: Any) -> Any:
        """Return an empty schema."""
        del diags
        return Schema()

    def validate_config(self, diags: Any, config: Any) -> None:
        """Accept the empty configuration."""

    def configure_provider(self, diags: Any, config: Any) -> None:
        """Do nothing: there is nothing to configure."""

    def get_data_sources(self) -> list[type]:
        """Return its one data source."""
        return [self._data_source]

    def get_resources(self) -> list[type]:
        """Return no resources."""
        return []


def _end_with(parent: int, end: Callable[[], None]) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    end()


def main(name: str) -> None:
    """Serve the stand-in `archive` or `external` until Terraform is done with it, or dead."""
    stand_ins = {
        "archive": lambda: StandIn("archive", "archive_", ArchiveFile),
        "external": lambda: StandIn("external", "external", External),
    }
    stand_in = stand_ins[name]()
    folder = tempfile.mkdtemp(prefix=f"stand-in-{name}-")

    def end() -> None:
        stand_in.programs.kill()
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
        # Not sys.exit: that would wait for the threads that wait for the programs.
        os._exit(0)

    # Ctrl-C reaches the whole process group: Terraform decides, and asks its providers to stop.
    # A handler, and not SIG_IGN, which the programs would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: end())
    threading.Thread(target=_end_with, args=(os.getppid(), end), daemon=True).start()
    # tf keeps its certificate in the home directory, which may not be writable, and its socket
    # in the temporary directory.
    runner._get_cert_cache_path = lambda: Path(folder, "certificate.json")  # noqa: SLF001
    tempfile.tempdir = folder
    runner.run_provider(stand_in, [name])
    end()


if __name__ == "__main__":
    main(sys.argv[1])
