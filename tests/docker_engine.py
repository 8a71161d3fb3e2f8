"""Docker for the tests: the engine of this machine, else one of Debian's packages.

    .venv/bin/python tests/docker_engine.py

starts such an engine with the base images in it, prints what a shell needs to use it, and ends it
with Ctrl-C or when its stdin is closed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambda_build.process import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_READY_S = 120
_END_S = 60

_PROGRAMS = {"dockerd": "docker.io", "docker": "docker.io", "unshare": "util-linux"}


class NoDockerError(Exception):
    """There is no engine here and none can be started; the message says what is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """A Docker engine that answers. `host` is for DOCKER_HOST; empty: docker's own default."""

    host: str
    description: str

    @property
    def environment(self) -> dict[str, str]:
        """What a child process needs to use it."""
        return {**os.environ, "DOCKER_HOST": self.host} if self.host else dict(os.environ)

    def docker(self, *arguments: str | Path, timeout_s: float = 1200) -> str:
        """Run docker with this engine and return what it printed; an error tells it all."""
        return run(["docker", *arguments], timeout_s=timeout_s, environment=self.environment)


@contextmanager
def engine() -> Iterator[Engine]:
    """Give the engine that answers here, else start one that lasts as long as this.

    Raises NoDockerError.
    """
    found = _answering(os.environ.get("DOCKER_HOST", ""))
    if found:
        yield found
        return
    with _started() as started:
        yield started


def _answering(host: str) -> Engine | None:
    if not shutil.which("docker"):
        return None
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    try:
        version = run(words, timeout_s=20, environment=environment).strip()
    except (RuntimeError, subprocess.TimeoutExpired):
        return None
    return Engine(host=host, description=f"Docker {version} at {host or 'its default address'}")


@contextmanager
def _started() -> Iterator[Engine]:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoDockerError(
            "no Docker engine answers, and only root on Linux can start one: start yours, or "
            "name it by DOCKER_HOST"
        )
    require(_PROGRAMS, "no Docker engine answers, and one cannot be started")
    with ExitStack() as exits:
        # Not in pytest's folder: the name of a socket has 107 bytes at most.
        folder = TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True)
        home = Path(exits.enter_context(folder))
        host = f"unix://{home}/docker.sock"
        log = home / "dockerd.log"
        with log.open("wb") as said:
            daemon = subprocess.Popen(
                [
                    # In a process and mount namespace of its own: however it ends, the kernel ends
                    # its containers and drops their mounts, so that nothing is left behind.
                    *("unshare", "--fork", "--pid", "--mount-proc", "--kill-child"),
                    *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none"),
                    *("--data-root", home / "data", "--exec-root", home / "exec"),
                    *("-H", host, "-p", home / "pid"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  it calls prctl and nothing else
            )
        exits.callback(_end, daemon)
        yield _when_ready(daemon, host, log)


def _when_ready(daemon: subprocess.Popen[bytes], host: str, log: Path) -> Engine:
    deadline = time.monotonic() + _READY_S
    while daemon.poll() is None and time.monotonic() < deadline:
        found = _answering(host) if Path(host.removeprefix("unix://")).exists() else None
        if found:
            version = found.description.split()[1]
            return Engine(host=host, description=f"Docker {version} of Debian's packages")
        time.sleep(0.05)
    raise NoDockerError(f"dockerd does not start:\n{log.read_text(errors='replace')[-2000:]}")


def _end(daemon: subprocess.Popen[bytes]) -> None:
    # The kernel kills all that is in its namespace, containers too.
    daemon.kill()
    daemon.wait(_END_S)
    time.sleep(0.2)  # until their mounts are gone, which removing the folder would stumble over


def require(programs: Mapping[str, str], what: str) -> None:
    """Raise NoDockerError if a program is missing, with the packages that bring it."""
    missing = sorted({package for name, package in programs.items() if not shutil.which(name)})
    if missing:
        raise NoDockerError(f"{what}. Install:\n    apt-get install {' '.join(missing)}")


def run(
    words: Sequence[str | Path],
    *,
    timeout_s: float = 1200,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what a program printed; raises RuntimeError with all it said when it fails."""
    ended = subprocess.run(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if ended.returncode:
        command = " ".join(str(word) for word in words)
        raise RuntimeError(f"{command} failed:\n{ended.stdout[-2000:]}{ended.stderr[-4000:]}")
    return ended.stdout


def main() -> None:
    """Serve an engine with the base images until nobody wants it any more."""
    from base_images import provide_base_images  # noqa: PLC0415  it imports this

    with suppress(KeyboardInterrupt), _started() as started:
        images = provide_base_images(started)
        print(f"export DOCKER_HOST={started.host}", flush=True)
        print(f"# {started.description}; {images.description}:", flush=True)
        print(f"# {images.amazon_linux} {images.lambda_python}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
