"""The command line: `local-aws up`, `smoke`, `down`, `invoke`, `trace-request`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from lambda_build.errors import LambdaBuildError

from local_aws import instance
from local_aws.errors import LocalAwsError
from local_aws.interrupts import interruptible
from local_aws.providers import ProvidersNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local_aws.smoke import Outcome
    from local_aws.up import Up

    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

_PROJECT = Path(__file__).resolve().parents[2]
_API_PORT = 8000
_AWS_PORT = 4566  # where tools look for an AWS on this machine

_FAILED = 1
_INTERRUPTED = 130  # 128 and SIGINT, as a shell says

_EXAMPLES = """\
examples:
  local-aws up                     HTTP APIs at port 8000, AWS at 4566, until Ctrl-C
  local-aws up --port 0 --aws-port 0
                                   at free ports
  local-aws smoke                  up at free ports, the README's requests, down
  local-aws down                   stop it from another terminal
  local-aws invoke chat --path /chat/health
  local-aws invoke inference --path /inference --body '{"url": "https://example.com/"}'
                                   one request to one function, of the stack that runs or alone
  local-aws trace-request          a request's way to the handler and back: payloads and times

environment:
  LOCAL_AWS_BEDROCK_ENDPOINT_URL   a Bedrock endpoint in place of the stand-in, such as
                                   https://bedrock-runtime.us-east-1.amazonaws.com
  TERRAFORM_PROVIDER_MIRROR        a directory of Terraform providers (holding
                                   registry.terraform.io), where the registry is out of reach
  TF_VAR_…                         the stack's variables
  NO_COLOR                         no colours
"""

_INVOKE_EXAMPLES = """\
examples:
  local-aws invoke chat --path /chat/health
  local-aws invoke inference --path /inference --body '{"url": "https://example.com/"}'
  local-aws invoke chat --path /chat --method PUT --header 'content-type: text/plain' --body no

exit codes: 0 the function answered, whatever the status; 1 it failed, or could not be run; 2 usage
"""


_TRACE_EXAMPLES = """\
examples:
  local-aws trace-request
  local-aws trace-request chat --path /chat/health

exit codes: 0 the function answered, whatever the status; 1 it failed, or could not be run; 2 usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(sys.stdout, sys.stderr)
    try:
        code: int = options.command(options, console)
    except (LocalAwsError, LambdaBuildError, ProvidersNotFoundError) as error:
        console.say(f"{console.red('error:')} {error}")
        return _FAILED
    except KeyboardInterrupt:
        console.say("stopped")
        return _INTERRUPTED
    return code


class Console:
    """Results to stdout, progress to stderr; lines of several threads stay whole."""

    def __init__(self, results: TextIO, progress: TextIO) -> None:
        self._results = results
        self._progress = progress
        self._lock = threading.Lock()

    def result(self, text: str) -> None:
        """Print a result."""
        self._print(self._results, text)

    def say(self, text: str) -> None:
        """Print progress."""
        self._print(self._progress, text)

    def step(self, text: str) -> None:
        """Print a step, its further lines indented."""
        self.say(f"  {text}".replace("\n", "\n    "))

    def green(self, text: str) -> str:
        """Return the text in green, where colours are wanted."""
        return self._coloured("32", text, self._results)

    def red(self, text: str) -> str:
        """Return the text in red, where colours are wanted."""
        return self._coloured("31", text, self._progress)

    def bold(self, text: str) -> str:
        """Return the text in bold, where colours are wanted."""
        return self._coloured("1", text, self._results)

    def faint(self, text: str) -> str:
        """Return the text in faint letters, where colours are wanted."""
        return self._coloured("2", text, self._results)

    def _print(self, stream: TextIO, text: str) -> None:
        with self._lock:
            print(text, file=stream, flush=True)

    @staticmethod
    def _coloured(code: str, text: str, stream: TextIO) -> str:
        wanted = stream.isatty() and not os.environ.get("NO_COLOR")
        return f"\033[{code}m{text}\033[0m" if wanted else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local-aws",
        description="AWS on this machine: the stack of terraform/, and its functions for real.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    up = commands.add_parser("up", help="start it, list what is ready, show logs until Ctrl-C")
    up.set_defaults(command=_up)
    up.add_argument(
        "--port",
        type=_port,
        default=_API_PORT,
        help=f"of the HTTP APIs (default {_API_PORT}; 0: a free one)",
    )
    up.add_argument(
        "--aws-port",
        type=_port,
        default=_AWS_PORT,
        help=f"of the AWS endpoint (default {_AWS_PORT}; 0: a free one)",
    )
    smoke = commands.add_parser("smoke", help="start it, send the README's requests, stop it")
    smoke.set_defaults(command=_smoke, port=0, aws_port=0)
    down = commands.add_parser("down", help="stop the one that runs")
    down.set_defaults(command=_down)
    for command in (up, smoke, down, _add_invoke(commands), _add_trace(commands)):
        command.add_argument(
            "--project",
            type=Path,
            default=_PROJECT,
            help="folder that holds terraform/ and backend/ (default: this project)",
        )
        command.add_argument(
            "--work-dir",
            type=Path,
            help="folder for all that it makes (default: PROJECT/.local_aws)",
        )
    return parser


def _add_invoke(commands: _Commands) -> argparse.ArgumentParser:
    invoke = commands.add_parser(
        "invoke",
        help="send one request to one function, and print its answer",
        description="Makes a payload 2.0 event of a request, and invokes the function with it: "
        "that of the local AWS if one runs, else one that is built and started by itself. Routes, "
        "permissions and CORS are not looked at: for these, send the request to `local-aws up`.",
        epilog=_INVOKE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    invoke.set_defaults(command=_invoke)
    invoke.add_argument("name", metavar="FUNCTION", help="a folder of backend/, such as chat")
    invoke.add_argument("--path", required=True, help="with its query, such as /chat/health?full=1")
    _add_request(invoke)
    return invoke


def _add_trace(commands: _Commands) -> argparse.ArgumentParser:
    trace = commands.add_parser(
        "trace-request",
        help="send one request, and print each hop with its payload and time",
        description="Builds a function, starts it in a fresh emulator, sends it one request, and "
        "prints what passed from HTTP to the handler and back, with the time of each hop as it was "
        "measured there. docs/guides/request-flow.md explains the hops.",
        epilog=_TRACE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    trace.set_defaults(command=_trace)
    trace.add_argument(
        "name",
        metavar="FUNCTION",
        nargs="?",
        help="a folder of backend/ (default: inference; chat where there is no Docker)",
    )
    trace.add_argument("--path", help="with its query (default: one that the function answers)")
    _add_request(trace)
    return trace


def _add_request(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", help="(default: POST with a body, else GET)")
    command.add_argument("--body", help="the request's body; need not be JSON")
    command.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="may be repeated; a body is application/json unless a header says otherwise",
    )


def _work_dir(options: argparse.Namespace) -> Path:
    work_dir: Path = options.work_dir or options.project / ".local_aws"
    return work_dir.resolve()


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if port not in range(65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return port


def _up(options: argparse.Namespace, console: Console) -> int:
    _log_to(console.say)
    with _running(options, console, log=console.say) as (up, started):
        ready = _ready(up, time.monotonic() - started)
        try:
            console.result(ready)
            threading.Event().wait()
        except KeyboardInterrupt:
            console.say("")  # this is how it is meant to end, so no failure
    return 0


def _smoke(options: argparse.Namespace, console: Console) -> int:
    from local_aws.smoke import check, left_behind  # noqa: PLC0415 (boto3 takes its time)

    logs: list[str] = []
    _log_to(logs.append)
    with _running(options, console, log=logs.append) as (up, _):
        outcomes = [_told(console, outcome) for outcome in check(up)]
    outcomes.append(_told(console, left_behind()))
    failed = [outcome.name for outcome in outcomes if outcome.failure]
    if not failed:
        console.result("all is well")
        return 0
    console.say("\n".join(["what requests and functions logged:", *logs]))
    console.result(f"{len(failed)} of {len(outcomes)} failed")
    return _FAILED


def _invoke(options: argparse.Namespace, console: Console) -> int:
    from local_aws.asked import asked, event_for, told  # noqa: PLC0415 (boto3 takes its time)
    from local_aws.invoke import invoke  # noqa: PLC0415

    request = asked(options.path, method=options.method, body=options.body, headers=options.header)
    with _building(console):
        invoked = invoke(
            options.name,
            event_for(request),
            project=options.project.resolve(),
            work_dir=_work_dir(options),
            say=console.say,
        )
    console.result(told(invoked.reply))
    return _ended(console, invoked.failure, invoked.log)


def _trace(options: argparse.Namespace, console: Console) -> int:
    from local_aws import alone  # noqa: PLC0415 (boto3 takes its time)
    from local_aws.asked import asked  # noqa: PLC0415
    from local_aws.trace import trace_request  # noqa: PLC0415
    from local_aws.trace.choice import choose_function, example_of  # noqa: PLC0415
    from local_aws.trace.render import render  # noqa: PLC0415

    project = options.project.resolve()
    function = choose_function(project, options.name, console.say)
    example = None if options.path else example_of(function)
    request = asked(
        options.path or (example.path if example else ""),
        method=options.method,
        body=options.body or (example.body if example else None),
        headers=options.header,
    )
    with _building(console):
        built = alone.build(function, project, console.say)
        console.say(f"{function.name}, from {built.artefact}, in a fresh emulator")
        trace = trace_request(built, request)
    console.result(render(trace.hop, bold=console.bold, faint=console.faint))
    return _ended(console, trace.failure, trace.log)


def _ended(console: Console, failure: str, log: str) -> int:
    """Return the exit code; of a function that failed, say why, and what it logged."""
    if not failure:
        return 0
    console.say(f"{console.red('error:')} {failure}\nIts log:\n{log.rstrip()}")
    return _FAILED


@contextmanager
def _building(console: Console) -> Iterator[None]:
    """Let Ctrl-C end what this runs, and say what the build reports."""
    with interruptible():
        _log_to(console.say, of="lambda_build", prefix="")
        yield


def _down(options: argparse.Namespace, console: Console) -> int:
    work_dir = _work_dir(options)
    stopped = instance.stop(work_dir)
    console.result(f"stopped: {stopped}" if stopped else f"no local AWS of {work_dir} runs")
    return 0


@contextmanager
def _running(
    options: argparse.Namespace, console: Console, *, log: Callable[[str], None]
) -> Iterator[tuple[Up, float]]:
    """Start the local AWS; whatever ends this, Ctrl-C included, nothing of it is left."""
    from local_aws.up import Settings, up  # noqa: PLC0415 (the mock takes a second to import)

    started = time.monotonic()
    settings = Settings(
        project=options.project.resolve(),
        work_dir=_work_dir(options),
        api_port=options.port,
        aws_port=options.aws_port,
    )
    with instance.claim(settings.work_dir) as claim, interruptible():
        console.say("starting AWS on this machine")
        with up(settings, say=console.step, log=log) as running:
            claim.tell(
                instance.Instance(
                    pid=os.getpid(),
                    api_url=running.front.url,
                    endpoint_url=running.aws.endpoint_url,
                )
            )
            yield running, started
            console.say("stopping")


def _log_to(say: Callable[[str], None], *, of: str = "local_aws", prefix: str = "http | ") -> None:
    """Hand over each request that the front answered, and what the servers complain about."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"{prefix}{record.getMessage()}")

    log = logging.getLogger(of)
    log.addHandler(Lines())
    log.setLevel(logging.INFO)


def _ready(up: Up, seconds: float) -> str:
    """Return what is ready, where, and how to try it."""
    settings = up.aws.environment
    apis = up.front.served()
    lines = [f"Ready after {seconds:.0f} s. It all goes with Ctrl-C.", ""]
    for api in apis:
        lines.append(f"  {'HTTP API':<10} {api.url}  ({api.name})")
        lines += [f"  {'':<10}   {route}" for route in api.routes]
    for function in up.aws.functions():
        lines.append(f"  {'Function':<10} {function.name} ({function.runtime})")
        if function.obstacle:
            lines.append(f"  {'':<10}   cannot run here: {function.obstacle}")
    lines += [
        f"  {'AWS':<10} {up.aws.endpoint_url}  (region {settings['AWS_REGION']}; any credentials)",
        f"  {'Bedrock':<10} {up.bedrock}",
        "",
        "Try:",
        *_requests(apis[0].url if apis else up.front.url),
        *(_container_requests(apis[0].url) if apis and not up.containers_off else ()),
        "    " + " ".join(f"{name}={settings[name]}" for name in _CREDENTIALS) + " \\",
        f"      aws --endpoint-url {up.aws.endpoint_url} lambda list-functions",
        f'    boto3.client("lambda", endpoint_url="{up.aws.endpoint_url}")',
        "",
        "Logs of requests and functions follow. Stop with Ctrl-C, or from elsewhere: make down",
    ]
    return "\n".join(lines)


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


def _requests(url: str) -> list[str]:
    return [
        f"    curl {url}/chat/health",
        f"    curl {url}/chat -H 'content-type: application/json' \\",
        """      -d '{"messages": [{"role": "user", "content": "Hello"}]}'""",
    ]


def _container_requests(url: str) -> list[str]:
    return [
        f"    curl {url}/inference -H 'content-type: application/json' \\",
        """      -d '{"url": "https://myetherwallet-login.com/"}'""",
    ]


def _told(console: Console, outcome: Outcome) -> Outcome:
    if outcome.why_not:
        console.result(f"- {outcome.name}: not checked, {outcome.why_not}".replace("\n", "\n    "))
        return outcome
    mark = console.red("✗") if outcome.failure else console.green("✓")
    console.result(f"{mark} {outcome.name} ({outcome.seconds:.1f} s)")
    if outcome.failure:
        console.result("    " + outcome.failure.replace("\n", "\n    "))
    return outcome


if __name__ == "__main__":
    sys.exit(main())
