"""Ctrl-C, at a moment when everything that a plan starts is running."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from applied_stack import AppliedStack

_LIMIT_S = 60


@pytest.fixture
def silent_index() -> Iterator[tuple[str, threading.Event]]:
    """A package index that takes connections and never answers, and whether it got one."""
    asked = threading.Event()
    connections = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connections.append(server.accept()[0])
                asked.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple", asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.close()


def test_ctrl_c_during_a_plan_leaves_no_process_behind(
    applied_stack: AppliedStack,
    build_alone: Path,
    silent_index: tuple[str, threading.Event],
    tmp_path: Path,
) -> None:
    url, asked = silent_index
    (tmp_path / "requirements.txt").write_text(f"--index-url {url}\nanything\n", "utf-8")
    (tmp_path / "index.py").write_text("def handler(event, context): ...\n", "utf-8")
    query = {
        "name": "slow",
        "source": os.fspath(tmp_path),
        "requirements": "requirements.txt",
        "runtime": "python3.11",
        "architecture": "x86_64",
        "handler": "index.handler",
        "output_dir": os.fspath(tmp_path / "packages"),
        "archive_above_bytes": "1000000",
    }
    mark = uuid.uuid4().hex
    plan = subprocess.Popen(
        ["terraform", "plan", "-input=false", f"-var=query={json.dumps(query)}"],
        cwd=build_alone,
        env={**os.environ, **applied_stack.environment, "MARK": mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # As a terminal does: Ctrl-C reaches the whole foreground group.
        start_new_session=True,
    )
    try:
        assert asked.wait(_LIMIT_S), "the resolver never asked the index"
        assert len(_marked(mark)) > 2, "Terraform, a provider, the build and uv should be running"
        os.killpg(plan.pid, signal.SIGINT)
        plan.wait(_LIMIT_S)
        until = time.monotonic() + _LIMIT_S
        while (left := _marked(mark)) and time.monotonic() < until:
            time.sleep(0.05)
        assert left == []
    finally:
        with suppress(ProcessLookupError):
            os.killpg(plan.pid, signal.SIGKILL)
        plan.wait()


def _marked(mark: str) -> list[str]:
    """Return the command lines of the processes that carry a mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"MARK={mark}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text("utf-8").replace("\0", " "))
    return found
