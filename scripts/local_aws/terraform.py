"""The one door to Terraform: argument lists, time limits, progress as it happens, no leftovers."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_build.process import die_with_parent

from local_aws.errors import TerraformError
from local_aws.interrupts import held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

_DOWNLOAD_S = 900.0  # the AWS provider is 150 MB
_APPLY_S = 1200.0  # the provider itself waits 25 s for each queue and 55 s for a lifecycle
_PLAN_S = 600.0
# How long Terraform may take to end its providers after Ctrl-C, before everything is killed.
_GRACE_S = 10.0

_CHANGES = 2  # plan -detailed-exitcode

# These would change what the arguments mean, where the state lies, or bring the credentials of a
# real account.
_DISTURBING = ("TF_CLI_ARGS", "TF_DATA_DIR", "TF_WORKSPACE", "TF_REATTACH_PROVIDERS", "AWS_")


def find_terraform() -> str:
    """Return Terraform's path; raises TerraformError, which says what to install."""
    found = shutil.which("terraform")
    if found is None:
        raise TerraformError(
            "terraform is not on PATH. Install Terraform 1.11 or later, then try again:\n"
            "    https://developer.hashicorp.com/terraform/install"
        )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Terraform:
    """Terraform in the root module `directory`.

    `environment` is added to this process's, less what would disturb; `say` gets a line for a
    person whenever something happened.
    """

    directory: Path
    environment: Mapping[str, str]
    say: Callable[[str], None] = field(default=lambda _line: None)

    def init(self) -> None:
        """Install providers and modules."""
        self._run("init", timeout_s=_DOWNLOAD_S)

    def apply(self) -> None:
        """Make everything that the configuration wants."""
        self._run(
            *("apply", "-auto-approve", "-parallelism=20", "-lock-timeout=60s", "-json"),
            timeout_s=_APPLY_S,
        )

    def has_changes(self) -> bool:
        """Return whether a plan would change anything; `say` gets what."""
        code = self._run(
            *("plan", "-detailed-exitcode", "-parallelism=20", "-lock-timeout=60s", "-json"),
            timeout_s=_PLAN_S,
            accepted=(0, _CHANGES),
        )
        return code == _CHANGES

    def destroy(self) -> None:
        """Remove everything, by a plan that reads no data source: no package is built for it."""
        plan = "destroy.tfplan"
        self._run(
            *("plan", "-destroy", "-refresh=false", f"-out={plan}", "-lock-timeout=60s", "-json"),
            timeout_s=_PLAN_S,
        )
        self._run(
            "apply", "-parallelism=20", "-lock-timeout=60s", "-json", plan, timeout_s=_APPLY_S
        )

    def outputs(self) -> dict[str, Any]:
        """Return the root module's outputs."""
        lines: list[str] = []
        self._run("output", "-json", timeout_s=60, on_line=lines.append)
        # A warning about the user's CLI configuration may stand before the JSON.
        text = "\n".join(itertools.dropwhile(lambda line: not line.startswith("{"), lines))
        return {name: output["value"] for name, output in json.loads(text).items()}

    def _run(
        self,
        *arguments: str,
        timeout_s: float,
        accepted: tuple[int, ...] = (0,),
        on_line: Callable[[str], None] | None = None,
    ) -> int:
        """Run Terraform to its end and return its exit code; raises TerraformError."""
        command, *options = arguments
        common = () if command == "output" else ("-input=false",)
        words = [find_terraform(), command, "-no-color", *common, *options]
        report = _Report(self.say, planning=command == "plan")
        with _running(words, self.directory, self._environment(), timeout_s) as (process, expired):
            for line in _lines(process):
                (on_line or report.line)(line)
            code = process.wait()
        if expired.is_set():
            raise TerraformError(f"terraform {command} took longer than {timeout_s:.0f} s")
        if code not in accepted:
            raise TerraformError(f"terraform {command} failed:\n{report.errors()}")
        return code

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(_DISTURBING)
        }
        return {**kept, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", **self.environment}


class _Report:
    """Turns Terraform's messages into lines for a person, and keeps its errors."""

    def __init__(self, say: Callable[[str], None], *, planning: bool) -> None:
        self._say = say
        self._planning = planning
        self._errors: list[str] = []
        self._plain: list[str] = []

    def line(self, line: str) -> None:
        """Take a line: a JSON message of `-json`, or plain text."""
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._plain.append(line)
            return
        match message.get("type"):
            case "diagnostic":
                self._diagnostic(message["diagnostic"])
            case "apply_complete" | "apply_progress" | "apply_errored":
                self._event(message["type"], message["hook"])
            case "planned_change" if self._planning:
                self._say(message["@message"])
            case "change_summary":
                self._say(message["@message"])

    def errors(self) -> str:
        """Return what went wrong; the plain output's end when Terraform did not tell it apart."""
        return "\n".join(self._errors or self._plain[-40:]).strip() or "it said nothing"

    def _event(self, kind: str, hook: Mapping[str, Any]) -> None:
        action, seconds = hook["action"], hook["elapsed_seconds"]
        if kind == "apply_complete" and action == "read" and not seconds:
            return  # a data source that had nothing to do
        outcome = {"apply_complete": "", "apply_progress": " …", "apply_errored": " failed"}[kind]
        self._say(f"{hook['resource']['addr']}: {action}{outcome} ({seconds:.0f} s)")

    def _diagnostic(self, diagnostic: Mapping[str, Any]) -> None:
        text = f"{diagnostic['summary']}\n{diagnostic.get('detail', '')}".strip()
        if where := diagnostic.get("address"):
            text = f"{where}: {text}"
        if place := diagnostic.get("range"):
            text = f"{place['filename']}:{place['start']['line']}: {text}"
        if diagnostic["severity"] == "error":
            self._errors.append(text)
        else:
            self._say(f"warning: {text}")


@contextlib.contextmanager
def _running(
    words: list[str], directory: Path, environment: Mapping[str, str], timeout_s: float
) -> Iterator[tuple[subprocess.Popen[str], threading.Event]]:
    """Run a program in a session of its own; on the way out nothing of that session is left.

    In a session of its own, because Ctrl-C would otherwise reach the providers and the builds
    before Terraform could end them in order.
    """
    with contextlib.ExitStack() as ending:
        with held():
            process = subprocess.Popen(
                words,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 (it calls prctl and nothing else)
            )
            ending.push(functools.partial(_end, process))
        expired = threading.Event()
        timer = threading.Timer(timeout_s, _expire, (process, expired))
        timer.daemon = True
        timer.start()
        ending.callback(timer.cancel)
        yield process, expired


def _end(
    process: subprocess.Popen[str],
    kind: type[BaseException] | None,
    _error: BaseException | None,
    _traceback: TracebackType | None,
) -> None:
    """End Terraform, in order if it is interrupted, and all that it started."""
    try:
        if kind is not None:
            _interrupt(process)
    finally:
        # Builds that an external data source started, and stand-in providers, outlive Terraform
        # when it is killed.
        _kill(process)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _expire(process: subprocess.Popen[str], expired: threading.Event) -> None:
    expired.set()
    _kill(process)


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    for line in process.stdout or ():
        yield line.rstrip("\n")


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Ask Terraform to stop, as Ctrl-C does, and give it a little time to."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGINT)
        process.wait(_GRACE_S)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
