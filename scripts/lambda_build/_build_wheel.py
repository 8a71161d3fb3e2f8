"""Builds a wheel with the Python that runs this: a program, not a module of lambda_build.

It runs in a container, under the image's Python with nothing but its standard library, and pip
where the build backend comes in wheels. It is told on stdin, as JSON,

    {"source": {"filename", "data"}, "requires": [text, …], "wheels": {filename: data, …}}

where data is in base64 and `wheels` are what `requires` asks for. It prints {"filename", "data"},
or {"needs": [text, …]}: what the backend asks for besides. What that prints goes to stderr.
"""

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

# Calls one hook of a backend (PEP 517), in the folder of the source, in a process of its own.
_HOOK = """
import importlib, json, os, pathlib, sys, tomllib
hook, answer, *arguments = sys.argv[1:]
try:
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text("utf-8"))
except FileNotFoundError:
    project = {}
system = project.get("build-system", {})
sys.path[:0] = [os.path.abspath(path) for path in system.get("backend-path", [])]
name, _, attributes = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
backend = importlib.import_module(name)
for attribute in attributes.split(".") if attributes else []:
    backend = getattr(backend, attribute)
call = getattr(backend, hook, None)
pathlib.Path(answer).write_text(json.dumps(call(*arguments) if call else []))
"""


def _unpacked(source: dict[str, str], folder: Path) -> Path:
    """Unpack an archive, and return the one folder that is in it."""
    data = io.BytesIO(base64.b64decode(source["data"]))
    folder.mkdir()
    if source["filename"].endswith(".zip"):
        with zipfile.ZipFile(data) as archive:
            archive.extractall(folder)  # noqa: S202 - in a container that is thrown away
    else:
        # Patch releases of Python 3.11 before the fourth have no filters.
        filtered: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        with tarfile.open(fileobj=data) as tar:
            tar.extractall(folder, **filtered)  # noqa: S202 - as above
    return next(path for path in sorted(folder.iterdir()) if path.is_dir())


def _environment(wheels: dict[str, str], folder: Path) -> Path:
    """Make a virtual environment of these wheels and nothing else, and return its Python."""
    environment = folder / "environment"
    python = environment / "bin" / "python"
    _run([sys.executable, "-m", "venv", "--without-pip", environment])
    files = []
    for filename, data in wheels.items():
        file = folder / filename
        file.write_bytes(base64.b64decode(data))
        files.append(file)
    if files:
        quietly = ("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile")
        _run(
            [
                *(sys.executable, "-m", "pip", "--python", python, "install", *quietly),
                *("--root-user-action=ignore", "--no-index", "--no-deps", *files),
            ]
        )
    return python


def _run(words: list[Any], **more: Any) -> None:
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=2, check=False, **more)
    if ended.returncode:
        sys.exit(1)  # it has said why


def _main() -> None:
    asked = json.load(sys.stdin)
    folder = Path(tempfile.mkdtemp())
    source = _unpacked(asked["source"], folder / "source")
    python = _environment(asked["wheels"], folder)
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": path, "PYTHONNOUSERSITE": "1"}
    answer = folder / "answer.json"

    def call(hook: str, *arguments: Path) -> Any:
        words = [python, "-P", "-c", _HOOK, hook, answer, *arguments]
        _run(words, cwd=source, env=environment)
        return json.loads(answer.read_text())

    needs = [text for text in call("get_requires_for_build_wheel") if text not in asked["requires"]]
    if needs:
        json.dump({"needs": needs}, sys.stdout)
        return
    output = folder / "output"
    output.mkdir()
    filename = call("build_wheel", output)
    data = base64.b64encode((output / filename).read_bytes()).decode()
    json.dump({"filename": filename, "data": data}, sys.stdout)


if __name__ == "__main__":
    _main()
