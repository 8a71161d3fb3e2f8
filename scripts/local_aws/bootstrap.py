"""Starts awslambdaric for the emulator, as /var/runtime/bootstrap does on Lambda.

    python -B -P bootstrap.py HANDLER [NAME=VALUE …]

Runs with the function's Python, so it needs the standard library and awslambdaric only. The
variables are those that the emulator overwrites with values of its own.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Become the runtime: serve invocations until the emulator ends."""
    handler, *variables = arguments
    _die_with_emulator()
    os.environ.update(dict(variable.split("=", 1) for variable in variables))
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


def _die_with_emulator() -> None:
    # The emulator gives the runtime a process group of its own and asks for no signal: killed
    # with SIGKILL, it would leave a function that is at work running on.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it was killed before we asked
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
