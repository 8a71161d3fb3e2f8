"""How soon a function answers first from its image, beside images that pip installs into.

Every image is of one function on one base, by the function's own Dockerfile; what differs is who
puts the dependencies there. Each round starts a new container of each, in turns.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_build.cache import Cache
from lambda_build.docker import Containers, docker, inspect_image, last_lines, network_options
from lambda_build.errors import ImageError, LambdaBuildError
from lambda_build.function import folder_function
from lambda_build.images import emulator
from lambda_build.images.image import build_image
from lambda_build.lock import lock_path
from local_aws.asked import asked, event_for
from local_aws.emulator import start

from benchmarks.environments import PIP, environment
from benchmarks.machine import load_average, machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambda_build.function import Function

_PROJECT = Path(__file__).resolve().parents[2]
_DOCS = _PROJECT / "docs" / "benchmarks"
_ROUNDS = 10
_LIMIT_S = 60
_MEMORY_MB = 1769  # one vCPU: "Configure Lambda function memory"
_TICKS_PER_S = 100  # of the times in /proc, on every Linux that Lambda has machines for

_OURS, _PIP, _PIP_WITHOUT_BYTECODE = "lambda-build", "pip install", "pip install --no-compile"
_EVENT = event_for(asked("/inference", body='{"url": "https://example.com/"}'))

# What a person leaves out of an image.
_NOT_COPIED = (
    "training",
    "*.md",
    "requirements*",
    "Dockerfile",
    "function.json",
    ".*",
    "__pycache__",
)

# pip's own stage stays out of its image, so its size is not charged for pip.
_WITH_PIP = """\
FROM system AS packages
COPY . /build
ARG COMPILE
RUN export PYTHONPATH=/build/pip; set -x; \\
    python3.11 -m pip install --no-cache-dir ${COMPILE} --target /packages --require-hashes \\
        --requirement /build/requirements.lock && \\
    python3.11 -m pip install --no-cache-dir ${COMPILE} --target /packages --no-deps /build/shared

FROM system
"""


@dataclass(kw_only=True, slots=True)
class Measured:
    """An image, and what its first answers took; filled while it is measured."""

    reference: str
    size: int  # bytes, all layers
    wall_s: list[float] = field(default_factory=list)  # from the request to the answer
    cpu_s: list[float] = field(default_factory=list)  # of the function's process, until then


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """One run."""

    started: str  # UTC, ISO 8601
    machine: Mapping[str, str]
    load: tuple[float, float]  # the load average before and after
    base_image: str
    rounds: int
    images: Mapping[str, Measured]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write docs/benchmarks/images.md and .json, and return the exit code."""
    options = _parser().parse_args(arguments)
    started, load = datetime.now(UTC), load_average()
    try:
        function = folder_function(
            _PROJECT / "backend" / "inference",
            requirements=None,
            has_requirements=True,
            runtime=None,
            architecture=None,
            handler=None,
            base_image=options.base_image,
        )
        images = _images(function)
        _measure(images, options.rounds)
    except LambdaBuildError as error:
        _say(f"benchmarks: {error}")
        return error.exit_code
    results = Results(
        started=started.isoformat(timespec="minutes"),
        machine=machine(),
        load=(load, load_average()),
        base_image=function.target.system,
        rounds=options.rounds,
        images=images,
    )
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    (output / "images.json").write_text(f"{json.dumps(asdict(results), indent=1)}\n", "utf-8")
    (output / "images.md").write_text(_table(results), "utf-8")
    print(output / "images.md")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.images",
        description="Measures how soon backend/inference answers first from its image, beside the "
        "same by pip install with and without bytecode, and writes docs/benchmarks/images.md.",
    )
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help=f"(default: {_ROUNDS})")
    parser.add_argument("--base-image", metavar="IMAGE", help="(default: that of function.json)")
    parser.add_argument(
        "--output", type=Path, default=_DOCS, metavar="DIR", help="(default: docs/benchmarks)"
    )
    return parser


# The images


def _images(function: Function) -> dict[str, Measured]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
        ours = build_image(function, Path(work) / "packages", Cache.default())
        context = Path(work) / "pip"
        _write_context(context, function)
        return {
            _OURS: Measured(reference=ours.reference, size=ours.size),
            _PIP: _pip_installed(context, function, "--compile"),
            _PIP_WITHOUT_BYTECODE: _pip_installed(context, function, "--no-compile"),
        }


def _write_context(context: Path, function: Function) -> None:
    """Write what Docker builds the peers from: the same lock, source, emulator and Dockerfile."""
    if function.requirements is None:
        raise TypeError(function)
    ignored = shutil.ignore_patterns(*_NOT_COPIED)
    shutil.copytree(function.source, context / "source", ignore=ignored)
    shutil.copytree(function.source.parent / "shared", context / "shared")
    shutil.copy(lock_path(function.requirements, function.target), context / "requirements.lock")
    program = emulator.provide_emulator(function.target.architecture, Cache.default())
    shutil.copy(program, context)
    python = environment(Cache.default().root / "benchmarks", "pip", PIP)
    (pip,) = python.parents[1].glob("lib/python*/site-packages/pip")
    shutil.copytree(pip, context / "pip" / "pip")
    dockerfile = (function.source / "Dockerfile").read_text("utf-8")
    for before, after in (
        ("FROM ${BASE_IMAGE}", "FROM ${BASE_IMAGE} AS system"),
        ("WORKDIR /var/task", f"{_WITH_PIP}WORKDIR /var/task"),
        ("COPY dependencies/ /var/task/", "COPY --from=packages /packages /var/task/"),
    ):
        if dockerfile.count(before) != 1:
            raise ImageError(f"{function.source / 'Dockerfile'} has not one line {before!r}")
        dockerfile = dockerfile.replace(before, after)
    (context / "Dockerfile").write_text(dockerfile, "utf-8")


def _pip_installed(context: Path, function: Function, compile_option: str) -> Measured:
    reference = f"benchmark-{function.name}:pip{compile_option}"
    _say(f"building {reference}")
    built = docker(
        *("build", "--tag", reference, *network_options()),
        *("--build-arg", f"BASE_IMAGE={function.target.system}"),
        *("--build-arg", f"HANDLER={function.handler}"),
        *("--build-arg", f"COMPILE={compile_option}"),
        context,
        timeout_s=1800,
    )
    found = None if built.returncode else inspect_image(reference)
    if found is None:
        raise ImageError(f"docker cannot build {reference}:\n{last_lines(built.stderr)}")
    return Measured(reference=reference, size=found["Size"])


# The rounds


def _measure(images: Mapping[str, Measured], rounds: int) -> None:
    """Take the times of every image in turns; the first round reads the disk, and counts not."""
    order = list(images)
    with Containers("benchmarks") as containers:
        for number in range(rounds + 1):
            for name in order:
                wall_s, cpu_s = _first_answer(images[name].reference, containers)
                _say(f"round {number}: {name}: {wall_s:.2f} s, of processors {cpu_s:.2f} s")
                if number:
                    images[name].wall_s.append(wall_s)
                    images[name].cpu_s.append(cpu_s)
            # Who goes first changes: nobody always follows the one that left the machine busy.
            order.append(order.pop(0))


def _first_answer(reference: str, containers: Containers) -> tuple[float, float]:
    """Return the seconds until a new container's first answer, and those of its processors."""
    name = f"benchmark-{uuid.uuid4().hex}"
    options = (
        *("--network=host", f"--env=AWS_LAMBDA_FUNCTION_MEMORY_SIZE={_MEMORY_MB}"),
        "--entrypoint=aws-lambda-rie",
    )
    with tempfile.NamedTemporaryFile() as said:

        def spawn(addresses: list[str]) -> subprocess.Popen[bytes]:
            words = ["docker", *containers.run_words(name), *options, reference, *addresses]
            return subprocess.Popen([*words, "/var/task/entry.sh"], stdout=said, stderr=said)

        try:
            port, process = start(spawn, _listens, Path(said.name))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT_S)
            connection.connect()
            began = time.perf_counter()
            # The emulator starts the function now: as Lambda, init and answer together.
            connection.request("POST", "/2015-03-31/functions/function/invocations", _EVENT)
            answer = json.loads(connection.getresponse().read())
            wall_s = time.perf_counter() - began
            connection.close()
            if answer.get("statusCode") != http.client.OK:
                raise ImageError(f"{reference} answers {answer}")
            cpu_s = _processor_seconds(name)
        finally:
            containers.end(name)
        process.wait(_LIMIT_S)
        return wall_s, cpu_s


def _listens(process: subprocess.Popen[bytes], *ports: int) -> bool:
    end = time.monotonic() + _LIMIT_S
    while process.poll() is None and time.monotonic() < end:
        try:
            for port in ports:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def _processor_seconds(container: str) -> float:
    """Return what the Python processes of a container took: proc(5), /proc/PID/stat."""
    said = docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/stat").stdout
    rows = (line.rpartition(")") for line in said.splitlines())
    ticks = [
        int(values.split()[number])
        for head, _, values in rows
        if "(python" in head
        for number in (11, 12)  # utime and stime, counted from the state
    ]
    return sum(ticks) / _TICKS_PER_S


# The page


def _table(results: Results) -> str:
    words = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    before, after = results.load
    lines = [
        "# How soon an image answers first",
        "",
        "Made by `make bench-image` from what it measured, [images.json](images.json).",
        "",
        f"{results.started[:10]}, rounds: {results.rounds}. {words}.",
        f"Load average {before:.1f} before and {after:.1f} after.",
        f"Base image: `{results.base_image}`.",
        "",
        "| backend/inference by | first answer | processors until then | image |",
        "| --- | --- | --- | --- |",
        *(_row(name, image) for name, image in results.images.items()),
        "",
        "| goal | clock | processors | met |",
        "| --- | --- | --- | --- |",
        *_goals(results.images),
        "",
        _HOW,
    ]
    return "\n".join(lines)


def _row(name: str, image: Measured) -> str:
    cells = (
        f"{statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
        for times in (image.wall_s, image.cpu_s)
    )
    return f"| {name} | {' | '.join(cells)} | {image.size / 1e6:.1f} MB |"


def _goals(images: Mapping[str, Measured]) -> Iterator[str]:
    ours = images[_OURS]
    for name, wanted in ((_PIP, 1.05), (_PIP_WITHOUT_BYTECODE, 0.5)):
        peer = images[name]
        wall, cpu = _ratio(ours.wall_s, peer.wall_s), _ratio(ours.cpu_s, peer.cpu_s)
        met = "yes" if wall <= wanted else "**no**"
        yield f"| first answer at most {wanted} of {name} | {wall:.2f} | {cpu:.2f} | {met} |"
    smallest = min(images[name].size for name in (_PIP, _PIP_WITHOUT_BYTECODE))
    met = "yes" if ours.size < smallest else "**no**"
    yield f"| smaller than both | | | {met} ({(ours.size - smallest) / 1e6:+.1f} MB) |"


def _ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """Return the median of the rounds' ratios: what is measured in one round shares its noise."""
    return statistics.median(own / peer for own, peer in zip(ours, peers, strict=True))


_HOW = """\
## How

- All three images are of the function's own Dockerfile, on one base, from one lock. The peers get
  their packages from `pip install --target` in a stage of its own, so pip is in neither image.
  pip compiles them when it installs them; the source, which pip does not install, stays as it is.
- Each round starts a new container of each image, in turns; another goes first in the next one. A
  first round is not counted. The emulator is in the container, and listens when the clock starts:
  what is measured is Python's start, the imports, the model and the answer, and not Docker's start.
- Seconds are the median, with the fastest and the slowest in brackets. A ratio is the median of the
  rounds' ratios. The processors' seconds are of the function's process alone: a busy machine
  changes them less than the clock's.

```sh
make bench-image
```
"""


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
