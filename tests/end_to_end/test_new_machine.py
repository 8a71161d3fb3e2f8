"""What the README promises to somebody who has just cloned the project."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 1500


def _make(target: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )


def test_one_command_goes_from_a_clean_checkout_to_answered_requests(
    checkout: Path, image_variables: dict[str, str]
) -> None:
    smoke = _make("smoke", checkout, **image_variables)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert "POST /chat answers 200" in smoke.stdout
    from_a_container = "POST /inference and /inference/ answer 200, from a container"
    told = "✓ {} (" if image_variables else "- {}: not checked"
    assert told.format(from_a_container) in smoke.stdout
    assert "a second terraform plan is empty" in smoke.stdout
    assert "hashicorp/external:" in smoke.stderr, "it says which providers were used"

    made = (checkout / ".venv/.ready").stat().st_mtime_ns
    assert _make("setup", checkout).returncode == 0
    assert (checkout / ".venv/.ready").stat().st_mtime_ns == made, "nothing is made twice"

    down = _make("down", checkout)
    assert down.returncode == 0, down.stderr
