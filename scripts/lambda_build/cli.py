"""The command line: parse, call, print. Results go to stdout, progress and refusals to stderr."""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import logging
import os
import signal
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeAlias

from lambda_build.cache import begin_no_more, remove_unfinished
from lambda_build.errors import LambdaBuildError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_build.build import Artefact
    from lambda_build.function import Function
    from lambda_build.lock import Lock

    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

_EXAMPLES = """\
examples:
  lambda-build package                    every function of this project, into lambda_packages/
  lambda-build package chat               one of them
  lambda-build package --source src --handler app.handler --output app.zip
                                          any folder in the world, with its requirements.txt
  lambda-build package --source src --architecture arm64 --runtime python3.13 --output app.zip
  lambda-build image                      the functions that are container images, with Docker
  lambda-build lock                       choose versions, and write them down with their hashes
  lambda-build lock --upgrade chat        choose the newest ones
  lambda-build verify app.zip             what is wrong with a ZIP, whoever made it
  lambda-build diff old.zip new.zip       what differs: packages, versions, files

exit codes: 0 done, 2 usage, 3 requirements, 4 lock, 5 resolution, 6 network, 7 hash, 8 wheel,
  9 source, 10 handler, 11 conflict, 12 size, 13 output, 14 tool, 15 imports, 16 verification,
  17 docker, 18 image, 19 registry, 20 plan, 130 interrupted; of diff also 1: they differ
"""

_VERIFY_EXAMPLES = """\
examples:
  lambda-build verify lambda_packages/chat.zip
                                          a ZIP of this tool: it says what it was built for
  lambda-build verify app.zip --runtime python3.13 --architecture arm64 --handler app.handler
                                          a ZIP of pip, uv, sam or Lambda's console
  lambda-build verify app.zip --layer numpy.zip --layer shared.zip
                                          with the layers that it has, in Lambda's order
  lambda-build verify app.zip --json | jq '.findings[] | select(.severity == "error")'

exit codes: 0 no error was found, 2 usage, 16 errors were found
"""

_DIFF_EXAMPLES = """\
examples:
  lambda-build diff old.zip new.zip
  lambda-build diff old.zip new.zip --json | jq .packages

exit codes: 0 the content is the same, 1 it differs, 2 usage, 16 a ZIP cannot be read
"""


_ROOM = "Make room on the disk, or name another folder for temporary files: export TMPDIR=/var/tmp"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the program with its exit code."""
    # A build makes ten thousands of records, and hardly any garbage that counting references does
    # not find: looking for it took 20 of 300 ms, and 1.1 of 7.1 s where imports are first read.
    gc.set_threshold(100_000)
    # Nor any that is worth finding when Python ends, which looks through all of them: 15 ms of a
    # no-op, 20 of a changed line. What is frozen is not looked at.
    atexit.register(gc.freeze)
    end = partial(_end, process=os.getpid())
    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        options = _parser().parse_args(arguments)
        _report_progress(verbose=options.verbose)
        options.run(options)
    except LambdaBuildError as error:
        _say(f"{_red('lambda-build:')} {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a disk that is full, where no step expected it: a temporary folder
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{_red('lambda-build:')} {where}{error.strerror or error}\n{_ROOM}")
        sys.exit(OutputError.exit_code)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lambda-build",
        description="Builds Lambda packages in which requirements.txt is honoured.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    package = commands.add_parser(
        "package",
        help="build ZIPs",
        description="Builds the ZIPs of this project's functions, or of any folder.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_function(package)
    package.add_argument("--output", type=Path, metavar="FILE.zip", help="with --source: the ZIP")
    package.add_argument(
        "--smallest",
        action="store_true",
        help="compress everything anew, as small as it gets: takes minutes for a large package",
    )
    package.add_argument("--json", action="store_true", help="print the results as JSON")
    package.set_defaults(run=_package)

    lock = commands.add_parser(
        "lock",
        help="choose versions and write them down",
        description="Resolves requirements.txt for the function's target and writes the lock.",
    )
    _add_function(lock)
    lock.add_argument("--upgrade", action="store_true", help="choose the newest versions anew")
    lock.set_defaults(run=_lock)

    terraform = commands.add_parser(
        "terraform",
        help='answer Terraform\'s data "external"',
        description="Reads a query as JSON from stdin, stages the package, prints JSON.",
    )
    terraform.set_defaults(run=_terraform)
    verify, diff = _add_verify(commands), _add_diff(commands)
    for command in (package, lock, terraform, verify, diff, *_add_images(commands)):
        command.add_argument("--verbose", action="store_true", help="say what is run")
    return parser


def _add_images(commands: _Commands) -> tuple[argparse.ArgumentParser, ...]:
    image = commands.add_parser(
        "image",
        help="build container images",
        description="Builds the images of this project's functions, or of any folder, into the "
        "local Docker engine.",
    )
    _add_function(image)
    image.add_argument("--json", action="store_true", help="print the results as JSON")
    image.set_defaults(run=_image)
    plan = commands.add_parser(
        "terraform-image",
        help='answer Terraform\'s data "external" of an image; needs no Docker',
        description="Reads a query as JSON from stdin, prints the digest of the image's inputs.",
    )
    plan.set_defaults(run=_terraform_image)
    push = commands.add_parser(
        "push-image",
        help="for Terraform's local-exec: build the planned image, and push it",
        description="Reads what was planned from LAMBDA_BUILD_IMAGE; pushes what is not there.",
    )
    push.set_defaults(run=_push_image)
    return image, plan, push


def _add_verify(commands: _Commands) -> argparse.ArgumentParser:
    verify = commands.add_parser(
        "verify",
        help="say what is wrong with a ZIP",
        description="Checks everything that a build promises on a ZIP that anyone made.",
        epilog=_VERIFY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("zip", type=Path, metavar="ZIP", help="a function's package")
    verify.add_argument("--runtime", help="as deployed (default: as built, else python3.11)")
    verify.add_argument("--architecture", help="as deployed (default: as built, else x86_64)")
    verify.add_argument("--handler", metavar="MODULE.FUNCTION", help="(default: as built)")
    verify.add_argument(
        "--layer",
        type=Path,
        action="append",
        default=[],
        metavar="ZIP",
        help="a layer that the function has; in order, and as often as needed",
    )
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    verify.set_defaults(run=_verify)
    return verify


def _add_diff(commands: _Commands) -> argparse.ArgumentParser:
    diff = commands.add_parser(
        "diff",
        help="say what differs between two ZIPs",
        description="Says what differs between two ZIPs, by package, version and file.",
        epilog=_DIFF_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    diff.add_argument("before", type=Path, metavar="A.zip")
    diff.add_argument("after", type=Path, metavar="B.zip")
    diff.add_argument("--json", action="store_true", help="print the difference as JSON")
    diff.set_defaults(run=_diff)
    return diff


def _add_function(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="a function of this project")
    command.add_argument("--source", type=Path, metavar="DIR", help="a folder instead")
    command.add_argument(
        "--requirements",
        type=Path,
        metavar="FILE",
        help="with --source: what names its packages: also pyproject.toml, uv.lock or pylock.toml "
        "(default: DIR/requirements.txt)",
    )
    command.add_argument(
        "--no-requirements", action="store_true", help="with --source: it has no requirements"
    )
    command.add_argument("--runtime", help="with --source: python3.11 (default) to python3.14")
    command.add_argument("--architecture", help="with --source: x86_64 (default) or arm64")
    command.add_argument(
        "--handler", metavar="MODULE.FUNCTION", help="with --source: check that it is there"
    )
    command.add_argument(
        "--provided",
        action="append",
        default=[],
        metavar="NAME",
        help="with --source: a package that is left out because the runtime holds it, e.g. boto3; "
        "layer:NAME for one that a layer brings (repeatable)",
    )
    command.add_argument(
        "--base-image",
        metavar="IMAGE",
        help='with --source: it is a container image on this one (AWS\'s own: "")',
    )
    command.add_argument("--glibc", help="with --source: which the base image has, e.g. 2.36")
    command.add_argument(
        "--build-in-docker",
        action="store_true",
        help="compile packages with native code that have no wheels in a container like the "
        "runtime (image: AWS SAM's, or LAMBDA_BUILD_DOCKER_IMAGE)",
    )


def _package(options: argparse.Namespace) -> None:
    from lambda_build.build import package  # noqa: PLC0415 - --help needs none of it
    from lambda_build.cache import Cache  # noqa: PLC0415

    if options.source and not options.output:
        raise UsageError("--source needs --output FILE.zip")
    if options.output and not options.source:
        raise UsageError("--output goes with --source; functions go into lambda_packages/")
    artefacts = []
    for function in _packaged(options):
        output = options.output or Path("lambda_packages", f"{function.name}.zip")
        artefact = package(function, output, Cache.default(), smallest=options.smallest)
        for warning in artefact.warnings:
            _say(f"{_yellow('warning:')} {warning}")
        artefacts.append(artefact)
        if not options.json:
            print(_row(artefact), flush=True)
    if options.json:
        print(json.dumps([_as_json(artefact) for artefact in artefacts], indent=2))


def _packaged(options: argparse.Namespace) -> list[Function]:
    """Return the functions that are carried as ZIPs, and say which are not."""
    functions = _functions(options)
    images = [function for function in functions if function.target.base is not None]
    if images and (options.names or options.source):
        raise UsageError(
            f"{images[0].name} is a container image, and no ZIP. Build it with Docker:\n"
            f"    make image FUNCTION={images[0].name}"
        )
    for function in images:
        _say(f"{function.name}: a container image; make image builds it")
    return [function for function in functions if function.target.base is None]


def _image(options: argparse.Namespace) -> None:
    from lambda_build.cache import Cache  # noqa: PLC0415 - --help needs none of it
    from lambda_build.images.image import build_image  # noqa: PLC0415

    images = []
    for function in _imaged(options):
        image = build_image(function, Path("lambda_packages"), Cache.default())
        for warning in image.warnings:
            _say(f"{_yellow('warning:')} {warning}")
        images.append(image)
        if not options.json:
            done = "built" if image.built else "unchanged"
            print(f"{image.reference}  {image.size / 1e6:.1f} MB  {done}", flush=True)
    if options.json:
        print(json.dumps([asdict(image) | {"reference": image.reference} for image in images]))


def _imaged(options: argparse.Namespace) -> list[Function]:
    """Return the functions that are carried as images; one that is named has to be."""
    functions = _functions(options)
    if options.source and functions[0].target.base is None:
        options.base_image = ""  # it is not said on what, so on AWS's own
        functions = _functions(options)
    zips = [function for function in functions if function.target.base is None]
    if zips and options.names:
        raise UsageError(
            f"{zips[0].name} is carried as a ZIP. To make a container image of it, say so in "
            f'{zips[0].source / "function.json"}:\n    "dependencies": "image"'
        )
    if len(zips) == len(functions):
        _say("no function of this project is a container image")
    return [function for function in functions if function.target.base is not None]


def _terraform_image(_: argparse.Namespace) -> None:
    from lambda_build.images.terraform import plan_image  # noqa: PLC0415 - --help needs none of it

    _answer(plan_image)


def _push_image(_: argparse.Namespace) -> None:
    from lambda_build.images.terraform import push_planned  # noqa: PLC0415 - as above

    pushed = push_planned()
    for warning in pushed.warnings:
        _say(f"{_yellow('warning:')} {warning}")
    done = "promoted" if pushed.promoted else "pushed"
    print(f"{pushed.reference}  {'was there' if pushed.was_there else done}")


def _lock(options: argparse.Namespace) -> None:
    from lambda_build.locking import (  # noqa: PLC0415 - --help needs none of it
        built_later,
        fallen_back,
        lock_function,
    )

    for function in _functions(options):
        path, lock, old = lock_function(function, upgrade=options.upgrade)
        print(f"{path}: {_changes(lock, old)}")
        for line in fallen_back(function, lock, old, upgrade=options.upgrade):
            print(f"  {line}")
        for line in built_later(lock, in_docker=function.build_in_docker):
            _say(f"{_yellow('warning:')} {function.name}: {line}")


def _terraform(_: argparse.Namespace) -> None:
    from lambda_build import terraform  # noqa: PLC0415 - --help needs none of it

    _answer(terraform.answer)


def _answer(answers: Callable[[str], dict[str, str]]) -> None:
    """Answer the query on stdin on stdout, and let nothing else get there."""
    # Terraform takes stdout as the answer: whatever else is printed must not get there.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with answer:
        json.dump(answers(sys.stdin.read()), answer)


def _verify(options: argparse.Namespace) -> None:
    from lambda_build.errors import VerificationError  # noqa: PLC0415 - as above
    from lambda_build.inspection.reports import report_json, report_lines, summary  # noqa: PLC0415
    from lambda_build.inspection.verify import verify  # noqa: PLC0415

    report = verify(
        options.zip,
        runtime=options.runtime,
        architecture=options.architecture,
        handler=options.handler,
        layers=options.layer,
    )
    if options.json:
        print(json.dumps(report_json(report), indent=2))
    else:
        for line in report_lines(report, _painted):
            print(line)
    if report.errors:
        raise VerificationError(f"{summary(report)}; it would not work on Lambda")


def _painted(text: str, severity: str) -> str:
    return _coloured(text, 31 if severity == "error" else 33, sys.stdout)


def _diff(options: argparse.Namespace) -> None:
    from lambda_build.inspection.diff import compare  # noqa: PLC0415 - --help needs none of it
    from lambda_build.inspection.reports import difference_json, difference_lines  # noqa: PLC0415

    difference = compare(options.before, options.after)
    if options.json:
        print(json.dumps(difference_json(difference), indent=2))
    else:
        for line in difference_lines(difference):
            print(line)
    if not difference.is_same:
        sys.stdout.flush()
        sys.exit(1)


def _functions(options: argparse.Namespace) -> list[Function]:
    from lambda_build.function import find_functions, folder_function  # noqa: PLC0415

    if options.source is None:
        flags = (
            "requirements",
            "no_requirements",
            "runtime",
            "architecture",
            "handler",
            "provided",
            "base_image",
            "glibc",
        )
        for name in flags:
            if getattr(options, name):
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} goes with --source; functions say it in function.json")
        functions = find_functions(Path(), options.names)
        if options.build_in_docker:
            return [replace(function, build_in_docker=True) for function in functions]
        return functions
    if options.requirements and options.no_requirements:
        raise UsageError("--requirements and --no-requirements do not go together")
    if options.names:
        raise UsageError(f"--source is instead of names, and there is {options.names[0]}")
    return [
        folder_function(
            options.source,
            requirements=None if options.no_requirements else options.requirements,
            has_requirements=not options.no_requirements,
            runtime=options.runtime,
            architecture=options.architecture,
            handler=options.handler,
            provided=options.provided,
            base_image=options.base_image,
            glibc=options.glibc,
            build_in_docker=options.build_in_docker,
        )
    ]


def _row(artefact: Artefact) -> str:
    size = f"{(artefact.zipped_bytes or 0) / 1e6:.1f} MB"
    what = f"{len(artefact.packages)} packages, {artefact.files} files"
    unzipped = f"{artefact.unzipped_bytes / 1e6:.1f} MB unzipped"
    done = "built" if artefact.built else "unchanged"
    return f"{artefact.path}  {size} ({unzipped}, {what})  {done}"


def _as_json(artefact: Artefact) -> dict[str, object]:
    return {
        "name": artefact.name,
        "path": os.fspath(artefact.path),
        "digest": artefact.digest,
        "lock": artefact.lock,
        "packages": dict(artefact.packages),
        "unzipped_bytes": artefact.unzipped_bytes,
        "zipped_bytes": artefact.zipped_bytes,
        "files": artefact.files,
        "built": artefact.built,
        "warnings": list(artefact.warnings),
    }


def _changes(lock: Lock, old: Lock | None) -> str:
    if lock == old:
        return "unchanged"
    new_versions = {pin.name: pin.version for pin in lock.pins}
    old_versions = {pin.name: pin.version for pin in old.pins} if old else {}
    said = []
    for name in sorted(new_versions.keys() | old_versions.keys()):
        before, after = old_versions.get(name), new_versions.get(name)
        if before is None:
            said.append(f"+{name} {after}")
        elif after is None:
            said.append(f"-{name}")
        elif before != after:
            said.append(f"{name} {before} → {after}")
    return ", ".join(said) or "written again, with the same versions"


def _report_progress(*, verbose: bool) -> None:
    watched = sys.stderr.isatty()
    level = logging.DEBUG if verbose else logging.INFO if watched else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _red(text: str) -> str:
    return _coloured(text, 31)


def _yellow(text: str) -> str:
    return _coloured(text, 33)


def _coloured(text: str, colour: int, stream: TextIO | None = None) -> str:
    if os.environ.get("NO_COLOR") or not (stream or sys.stderr).isatty():
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def _end(number: int, _: object, *, process: int) -> NoReturn:
    """End now, from wherever the program is, with nothing half-made left behind.

    Not by an exception: raised inside a thread pool's own locks it would leave the pool waiting
    for itself, and a thread that waits for a slow server would be waited for.
    """
    if os.getpid() == process:  # not in a child that is just being started
        begin_no_more()
        remove_unfinished()
        if number == signal.SIGINT:
            os.write(2, b"lambda-build: interrupted; nothing half-made was left behind\n")
    os._exit(128 + number)
