"""A folder from anywhere, packaged on the command line, runs in the emulator."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from local_aws.package_process import invoke_zip

if TYPE_CHECKING:
    from pathlib import Path

_APP = """\
import sys

import markupsafe

def handler(event, context):
    return {
        "escaped": str(markupsafe.escape(event["text"])),
        "native": type(markupsafe._speedups).__name__,
        "where": markupsafe.__file__,
        "flags": sys.flags.optimize,
    }
"""


def test_a_folder_outside_the_project_runs_in_the_emulator_with_its_requirements(
    project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "anybody's folder"
    source.mkdir()
    (source / "app.py").write_text(_APP, "utf-8")
    (source / "requirements.txt").write_text("markupsafe==3.0.2\n", "utf-8")
    output = tmp_path / "app.zip"
    packaged = subprocess.run(
        [
            *(project / ".venv/bin/lambda-build", "package", "--source", source),
            *("--handler", "app.handler", "--output", output, "--json"),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert json.loads(packaged.stdout)[0]["packages"] == {"markupsafe": "3.0.2"}
    assert "make the lock" in packaged.stderr.lower()
    result = invoke_zip(output, "app.handler", {"text": "<b>"})
    payload = json.loads(result.payload)
    assert payload["escaped"] == "&lt;b&gt;"
    assert payload["native"] == "module"
    assert payload["where"].endswith("/markupsafe/__init__.py")
