"""Terraform, killed without a word when its apply says STAND_IN_KILL_AT: a runner that is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

terraform, *arguments = sys.argv[1:]
if "apply" not in arguments:
    os.execv(terraform, [terraform, *arguments])  # noqa: S606 - no shell is wanted
with subprocess.Popen(
    [terraform, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
) as process:
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if os.environ["STAND_IN_KILL_AT"] in line:
            os.killpg(process.pid, signal.SIGKILL)
sys.exit(process.returncode)
