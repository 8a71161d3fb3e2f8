"""One function carried both ways, measured in turns: `python -m benchmarks.zip_or_container`.

chat is built as a ZIP and as an image, changed, started in the emulator, and deployed to the local
AWS, from a root for each way that holds nothing else. The result is for
docs/guides/zip-or-container.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambda_build.build import package
from lambda_build.cache import Cache
from lambda_build.docker import docker, inspect_image
from lambda_build.function import folder_function
from lambda_build.images.image import build_image
from local_aws import alone
from local_aws.alone import Alone
from local_aws.asked import asked, event_for
from local_aws.containers import start_containers
from local_aws.providers import find_providers
from local_aws.server import LocalAws
from local_aws.terraform import Terraform

from benchmarks.machine import load_average, machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lambda_build.function import Function
    from local_aws.registry import Registry

_PROJECT = Path(__file__).resolve().parents[2]
_FUNCTION = "chat"
_EVENT = event_for(asked("/chat/health"))
_ZIP, _IMAGE = "zip_function", "container_function"
_OWN_LAYERS = 2  # dependencies, and source: images/default.Dockerfile
_ROOT = """\
module "this" {{
  source  = "./modules/{module}"
  name    = "compared-{short}"
  package = {{
    source     = "../backend/{function}"
    output_dir = "lambda_packages"
    {base_image}
  }}
}}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """A way to carry the function, and what was measured of it: seconds, by what was done."""

    name: str
    build: Callable[[], str]  # returns the artefact
    function: Function
    terraform: Terraform
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long something took."""
        began = time.monotonic()
        yield
        self.seconds.setdefault(what, []).append(time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zip_or_container")
    parser.add_argument("--repetitions", type=int, default=5, help="(default: 5)")
    parser.add_argument("--base-image", default="", help="in place of AWS's own")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="compared-") as folder:
        print(_measured(Path(folder), options.repetitions, options.base_image))
    return 0


def _measured(folder: Path, repetitions: int, base_image: str) -> str:
    shutil.copytree(_PROJECT / "backend", folder / "backend")
    source = folder / "backend" / _FUNCTION
    with (
        start_containers(folder / "local") as containers,
        LocalAws(folder / "local", containers=containers) as aws,
        _images_removed("compared", f"{containers.registry.address}/compared-container"),
    ):
        providers = find_providers(folder / "local")
        ways = [
            _zip_way(folder, source, {**aws.environment, **providers.environment}),
            _image_way(folder, source, {**aws.environment, **providers.environment}, base_image),
        ]
        for way in ways:
            _say(f"{way.name}: built, and deployed a first time")
            way.build()
            way.terraform.init()
            way.terraform.apply()
        for number in range(repetitions):
            _say(f"repetition {number + 1}, load {load_average():.1f}")
            _repeat(ways, source, number)
        sizes = _sizes(ways, containers.registry)
    return _table(ways, sizes, repetitions)


def _repeat(ways: Sequence[_Way], source: Path, number: int) -> None:
    """Measure each step in each way, one way after the other."""
    steps = (_build_changed, _build_again, _answer, _deploy_changed, _plan)
    for position, step in enumerate(steps):
        if step in {_build_changed, _deploy_changed}:
            with (source / "index.py").open("a", encoding="utf-8") as file:
                file.write(f"# change {number}.{position}\n")
        for way in ways:
            step(way)


def _build_changed(way: _Way) -> None:
    with way.timed("build, one line changed"):
        way.build()


def _build_again(way: _Way) -> None:
    with way.timed("build, nothing changed"):
        way.build()


def _answer(way: _Way) -> None:
    built = Alone(source=way.function, artefact=way.build())
    with ExitStack() as exits:
        with way.timed("environment made (ZIP unpacked; container started)"):
            emulator = exits.enter_context(alone.started(built))
        for what in ("first answer, with init", "second answer"):
            with way.timed(what):
                result = emulator.invoke(_EVENT)
            if result.function_error:
                raise RuntimeError(result.payload)


def _deploy_changed(way: _Way) -> None:
    with way.timed("`terraform apply`, one line changed"):
        way.terraform.apply()


def _plan(way: _Way) -> None:
    with way.timed("`terraform plan`, nothing changed"):
        if way.terraform.has_changes():
            raise RuntimeError(way.name)


def _zip_way(folder: Path, source: Path, environment: Mapping[str, str]) -> _Way:
    function = _function(source, None)
    output = folder / "built" / "function.zip"
    output.parent.mkdir()
    return _Way(
        name="ZIP",
        build=lambda: str(package(function, output, Cache.default()).path),
        function=function,
        terraform=_terraform(folder, _ZIP, "", environment),
    )


def _image_way(folder: Path, source: Path, environment: Mapping[str, str], base_image: str) -> _Way:
    function = replace(_function(source, base_image), name="compared")
    return _Way(
        name="container",
        build=lambda: build_image(function, folder / "built", Cache.default()).reference,
        function=function,
        terraform=_terraform(
            folder, _IMAGE, f'base_image = "{base_image}"' if base_image else "", environment
        ),
    )


def _function(source: Path, base_image: str | None) -> Function:
    return folder_function(
        source,
        requirements=None,
        has_requirements=True,
        runtime=None,
        architecture=None,
        handler=None,
        base_image=base_image,
    )


def _terraform(
    folder: Path, module: str, base_image: str, environment: Mapping[str, str]
) -> Terraform:
    root = folder / module
    root.mkdir()
    (root / "modules").symlink_to(_PROJECT / "terraform" / "modules")
    text = _ROOT.format(
        module=module,
        short=module.partition("_")[0],
        function=_FUNCTION,
        base_image=base_image,
    )
    (root / "main.tf").write_text(text, encoding="utf-8")
    return Terraform(directory=root, environment=environment)


def _sizes(ways: Sequence[_Way], registry: Registry) -> dict[str, list[str]]:
    packed, image = (way.build() for way in ways)
    facts = package(ways[0].function, Path(packed), Cache.default())
    found = inspect_image(image)
    if found is None:
        raise RuntimeError(image)
    repository = "compared-container"
    manifest = registry.manifest(repository, registry.tags(repository)[0])
    if manifest is None:
        raise RuntimeError(repository)
    layers = [int(layer["size"]) for layer in json.loads(manifest.content)["layers"]]
    own = sum(layers[-_OWN_LAYERS:])
    return {
        "sent to AWS": [
            _mb(facts.zipped_bytes or 0),
            f"{_mb(own)}, the first time {_mb(sum(layers))} with the base",
        ],
        "sent for one changed line": [_mb(facts.zipped_bytes or 0), _mb(layers[-1])],
        "unpacked": [_mb(facts.unzipped_bytes), f"{_mb(found['Size'])} with the base"],
    }


@contextmanager
def _images_removed(*names: str) -> Iterator[None]:
    """Leave no image of these names in Docker."""
    try:
        yield
    finally:
        for name in names:
            options = ("--format", "{{.Repository}}:{{.Tag}}", name)
            if tagged := docker("image", "ls", *options).stdout.split():
                docker("image", "rm", *tagged)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _table(ways: Sequence[_Way], sizes: Mapping[str, list[str]], repetitions: int) -> str:
    ran = f"load {load_average():.1f} at the end; medians of {repetitions}, in turns"
    lines = [
        f"{', '.join(machine().values())}; {ran}",
        "",
        f"| {_FUNCTION} | {' | '.join(way.name for way in ways)} |",
        f"| --- |{' --- |' * len(ways)}",
        *(f"| {what} | {' | '.join(figures)} |" for what, figures in sizes.items()),
    ]
    for what in ways[0].seconds:
        figures = [_duration(median(way.seconds[what])) for way in ways]
        lines.append(f"| {what} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
