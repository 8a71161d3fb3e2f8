"""What the README promises to somebody who has just cloned the project."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 400


def _make(target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )


def test_one_command_goes_from_a_clean_checkout_to_answered_requests(checkout: Path) -> None:
    smoke = _make("smoke", checkout)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert "POST /chat answers 200" in smoke.stdout
    assert "a second terraform plan is empty" in smoke.stdout
    assert "hashicorp/external:" in smoke.stderr, "it says which providers were used"

    made = (checkout / ".venv/.ready").stat().st_mtime_ns
    assert _make("setup", checkout).returncode == 0
    assert (checkout / ".venv/.ready").stat().st_mtime_ns == made, "nothing is made twice"

    down = _make("down", checkout)
    assert down.returncode == 0, down.stderr
