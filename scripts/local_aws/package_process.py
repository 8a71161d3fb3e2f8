"""The emulator as a process of this machine, for functions that are ZIP archives.

What differs from Lambda: the code lies in a folder of its own, not in /var/task (LAMBDA_TASK_ROOT
tells where), and /tmp is the machine's (TMPDIR, and so `tempfile`, is the environment's own).
`invoke_zip` is the whole of it for an archive in a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from local_aws.emulator import (
    Emulator,
    Function,
    Result,
    environment_defaults,
    new_log_stream,
    reserved_variables,
    start,
)
from local_aws.package import Package, unpack
from local_aws.runtime import Runtime, provide_runtime
from local_aws.spawn import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_START_LIMIT_S = 10
_END_LIMIT_S = 2

# How this machine reaches the network is no part of a function's configuration.
_FROM_THE_MACHINE = (
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"),
)


def start_package(
    function: Function,
    package: Package,
    runtime: Runtime,
    *,
    work_dir: Path,
    environment: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda _line: None,
) -> Emulator:
    """Return the function in an environment that has started.

    `environment` is added to the function's own. Raises EmulatorError when it does not come up.
    """
    sandbox = _Process(function, package, runtime, work_dir, environment or {})
    return Emulator(function, sandbox, log=log)


class _Process:
    """A Sandbox: the emulator, with a session of its own, and a folder for its /tmp."""

    def __init__(
        self,
        function: Function,
        package: Package,
        runtime: Runtime,
        work_dir: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.log_stream = new_log_stream(function)
        self._scratch = TemporaryDirectory(dir=work_dir, prefix="environment-")
        scratch = Path(self._scratch.name)
        command = _command(function, runtime, self.log_stream)
        try:
            self.port, self.process = start(
                lambda addresses: spawn(
                    [str(runtime.emulator), *addresses, *command],
                    cwd=package.task,
                    environment={
                        **_environment(function, package, runtime, scratch),
                        **environment,
                    },
                    stderr=scratch / "emulator.log",
                ),
                _listens,
                scratch / "emulator.log",
            )
        except BaseException:
            self._scratch.cleanup()
            raise

    def end(self, *, grace_s: float) -> None:
        if grace_s:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_s)
        # The runtime has a process group of its own, but the emulator's session. Again, until
        # none is found: a process may have been starting another.
        deadline = time.monotonic() + _END_LIMIT_S
        while (members := _session(self.process.pid)) and time.monotonic() < deadline:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()  # or it would stay a zombie, and be found again
            time.sleep(0.005)
        self.process.wait(_END_LIMIT_S)

    def clean(self) -> None:
        self._scratch.cleanup()


def invoke_zip(  # noqa: PLR0913  each is a setting of the function
    archive: Path,
    handler: str,
    event: object,
    *,
    layers: Sequence[Path] = (),
    runtime: str = "python3.11",
    timeout_s: int = 30,
    memory_mb: int = 128,
    variables: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda _line: None,
) -> Result:
    """Return what the function in that archive makes of the event, in the real emulator.

    Nothing of AWS is there: no mock, no credentials, no role.
    """
    function = Function(
        handler=handler,
        runtime=runtime,
        timeout_s=timeout_s,
        memory_mb=memory_mb,
        variables=variables or {},
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lambda-")))
        package = unpack(archive.read_bytes(), [layer.read_bytes() for layer in layers], folder)
        emulator = stack.enter_context(
            start_package(
                function,
                package,
                provide_runtime(runtime, function.architecture),
                work_dir=folder,
                log=log,
            )
        )
        return emulator.invoke(json.dumps(event).encode())


def _command(function: Function, runtime: Runtime, log_stream: str) -> list[str]:
    return [
        # -B: /var/task is read-only on Lambda, so no .pyc is ever written there. -P: the folder
        # of the bootstrap is not where modules are looked for.
        *(str(runtime.python), "-B", "-P", str(_BOOTSTRAP), function.handler),
        f"AWS_LAMBDA_LOG_GROUP_NAME={function.log_group or f'/aws/lambda/{function.name}'}",
        f"AWS_LAMBDA_LOG_STREAM_NAME={log_stream}",
    ]


def _environment(
    function: Function, package: Package, runtime: Runtime, scratch: Path
) -> dict[str, str]:
    """Return the environment variables that Lambda sets: "Defined runtime environment variables".

    Nothing else of this process's environment is handed on, except the way to the network.
    """
    minor = function.runtime.removeprefix("python")
    opt = package.opt
    layers = [opt / "python" / "lib" / f"python{minor}" / "site-packages", opt / "python"]
    temporary = scratch / "tmp"
    temporary.mkdir(exist_ok=True)  # a second attempt
    network = {name: os.environ[name] for name in _FROM_THE_MACHINE if name in os.environ}
    defaults = {
        **network,
        **environment_defaults(),
        "HOME": str(temporary),
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": _joined(":", package.task, package.task / "lib", opt / "lib"),
        "PATH": _joined(":", runtime.python.parent, "/usr/local/bin:/usr/bin:/bin", opt / "bin"),
        "TMPDIR": str(temporary),
    }
    reserved = {
        **reserved_variables(function),
        "PYTHONPATH": _joined(":", function.variables.get("PYTHONPATH"), *layers),
        "_HANDLER": function.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "LAMBDA_RUNTIME_DIR": str(runtime.python.parent.parent),
        "LAMBDA_TASK_ROOT": str(package.task),
    }
    return {**defaults, **function.variables, **reserved}


def _joined(separator: str, *parts: str | Path | None) -> str:
    return separator.join(str(part) for part in parts if part)


def _listens(process: subprocess.Popen[bytes], *ports: int) -> bool:
    """Wait until the process itself listens on the ports; False if it ends instead.

    Connecting would not tell: another program may have taken a port meanwhile, and answer.
    """
    deadline = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if set(ports) <= _listening_ports(process.pid):
            return True
        time.sleep(0.002)
    return False


def _listening_ports(pid: int) -> set[int]:
    # proc(5), /proc/net/tcp: number local_address remote_address state … inode
    sockets = set()
    with suppress(FileNotFoundError):  # it has ended, or closed one meanwhile
        sockets = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    return {int(row[1].partition(":")[2], 16) for row in listening}


def _session(pid: int) -> list[int]:
    """Return the living processes of the session that `pid` leads, itself included."""
    members = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError, ValueError):  # it may have ended meanwhile
            # proc(5): pid (name) state parent group session …; the name may hold anything
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[3] == str(pid) and fields[0] != "Z":
                members.append(int(folder.name))
    return members
