"""The command line: `lambda-release pin`, `release` and `rollback`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_release.aws import Aws
from lambda_release.clock import SystemClock
from lambda_release.errors import LambdaReleaseError, OutputsError, UsageError
from lambda_release.functions import Function, chosen, functions_of, read_outputs
from lambda_release.pin import pin
from lambda_release.release import Watch, release
from lambda_release.rollback import roll_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambda_release.clock import Clock

_TERRAFORM = Path(__file__).resolve().parents[2] / "terraform"
_INTERRUPTED = 128  # and the signal's number, as a shell says

_EXAMPLES = """\
examples:
  lambda-release pin && terraform plan -var-file=release.tfvars.json
                                   plan without moving any alias
  lambda-release release           the newest version of every function, watched
  lambda-release release chat --watch-s 600
  lambda-release rollback chat     the version before, at once

exit codes:
  0 done, or nothing to do    2 wrong usage    3 Terraform's outputs    4 not in AWS
  5 a check failed            6 an alarm rings already (neither is released)
  7 taken back: an alarm or an error while the version was watched
  8 somebody else moved the alias meanwhile    9 AWS refuses or does not answer
  130, 143 interrupted, and taken back

environment:
  AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …   as for every AWS tool
  NO_COLOR                                       no colours
"""


def main(
    arguments: Sequence[str] | None = None, *, aws: Aws | None = None, clock: Clock | None = None
) -> int:
    """Run the command and return its exit code; with another AWS or clock, if one is given."""
    options = _parser().parse_args(arguments)
    clock = clock or SystemClock()
    console = _Console(clock)
    try:
        with _interruptible():
            functions = functions_of(read_outputs(options.terraform, options.outputs))
            for line in options.command(options, functions, aws or Aws(), clock, console):
                print(line)
    except LambdaReleaseError as error:
        console.error(str(error))
        return error.exit_code
    except _Interrupted as error:
        console.error("interrupted; what was begun is taken back")
        return _INTERRUPTED + error.signal
    return 0


class _Console:
    """Progress to stderr, each line with its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def say(self, text: str) -> None:
        """Print a step."""
        print(f"{self._clock.now():%H:%M:%S}  {text}", file=sys.stderr, flush=True)

    def error(self, text: str) -> None:
        """Print what ended it."""
        wanted = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        word = "\033[31merror:\033[0m" if wanted else "error:"
        print(f"{word} {text}", file=sys.stderr, flush=True)


class _Interrupted(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let the first signal that ends programs raise; taking back is not interrupted by another."""
    ends = [
        each
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(each) is not signal.SIG_IGN  # that is what nohup is for
    ]

    def stop(number: int, _frame: object) -> None:
        for each in ends:
            signal.signal(each, signal.SIG_IGN)
        raise _Interrupted(number)

    before = {each: signal.signal(each, stop) for each in ends}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lambda-release",
        description="Moves the alias `live` of the stack's functions to another version.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    pinning = commands.add_parser(
        "pin", help="write what is live as Terraform variables, so that an apply leaves it"
    )
    pinning.set_defaults(command=_pin)
    pinning.add_argument(
        "--output",
        type=Path,
        help="variables file to write (default: release.tfvars.json in the Terraform folder)",
    )

    releasing = commands.add_parser(
        "release", help="check the newest versions, give them 10 %%, watch, give them all"
    )
    releasing.set_defaults(command=_release)
    releasing.add_argument(
        "functions", nargs="*", metavar="FUNCTION", help="such as chat (default: all)"
    )
    releasing.add_argument(
        "--version", type=_version, help="of the one function that is named (default: the newest)"
    )
    releasing.add_argument(
        "--watch-s",
        type=_seconds,
        default=300.0,
        help="how long versions are watched at 10 %% (default 300; metrics are a minute late)",
    )
    releasing.add_argument(
        "--interval-s", type=_seconds, default=15.0, help="how often (default 15)"
    )

    rolling = commands.add_parser("rollback", help="move back to a version, at once")
    rolling.set_defaults(command=_rollback)
    rolling.add_argument("functions", nargs=1, metavar="FUNCTION", help="such as chat")
    rolling.add_argument("--version", type=_version, help="to move to (default: the one before)")

    for command in (pinning, releasing, rolling):
        command.add_argument(
            "--terraform",
            type=Path,
            default=_TERRAFORM,
            help="folder of the root module, whose outputs say what there is (default: terraform/)",
        )
        command.add_argument(
            "--outputs",
            type=Path,
            metavar="FILE",
            help="what `terraform output -json` wrote, instead of running it",
        )
    return parser


def _version(text: str) -> str:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no published version: 1 and up")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 86400:  # noqa: PLR2004  a day
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _pin(
    options: argparse.Namespace,
    functions: list[Function],
    aws: Aws,
    _clock: Clock,
    console: _Console,
) -> list[str]:
    file = options.output or options.terraform / "release.tfvars.json"
    lines = pin(functions, aws, file)
    if lines:
        console.say(f"{file} says what is live")
    else:
        console.say(
            "there is no output `functions` yet, so nothing is pinned: an apply moves each alias "
            "to its newest version"
        )
    return lines


def _release(
    options: argparse.Namespace,
    functions: list[Function],
    aws: Aws,
    clock: Clock,
    console: _Console,
) -> list[str]:
    wanted = _wanted(options, functions)
    if options.version and len(options.functions) != 1:
        raise UsageError("--version is of one function: name it, e.g. release chat --version 7")
    watch = Watch(seconds=options.watch_s, interval_s=options.interval_s)
    return release(wanted, aws, clock, console.say, watch, version=options.version)


def _rollback(
    options: argparse.Namespace,
    functions: list[Function],
    aws: Aws,
    clock: Clock,
    console: _Console,
) -> list[str]:
    (function,) = _wanted(options, functions)
    return [roll_back(function, aws, clock, console.say, version=options.version)]


def _wanted(options: argparse.Namespace, functions: list[Function]) -> list[Function]:
    if not functions:
        raise OutputsError(
            f"{options.outputs or options.terraform} tells of no functions: nothing was applied, "
            "or not to its end, or not with this state. Run `terraform init` and `terraform apply` "
            "there first"
        )
    return chosen(functions, options.functions)


if __name__ == "__main__":
    sys.exit(main())
