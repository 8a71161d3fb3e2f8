"""Calls terraform-aws-lambda's package.py as its module does, without Terraform's own time.

    _terraform_aws_lambda.py PACKAGE.PY SOURCE ARTIFACTS FILE.zip

The module's `external` asks it to prepare; `null_resource` has it build when the name that it
gives the ZIP is a new one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_RUNTIME = "python3.11"


def _main(program: str, source: str, artifacts: str, archive: str) -> None:
    folder = os.fspath(Path.cwd())
    query = {
        "paths": json.dumps({"module": folder, "root": folder, "cwd": folder}),
        "artifacts_dir": artifacts,
        "runtime": _RUNTIME,
        "source_path": source,
        "hash_extra": "",
        "hash_internal": json.dumps([""]),
        "recreate_missing_package": "true",
        "quiet": "true",
    }
    prepare = [sys.executable, program, "prepare"]
    said = subprocess.run(
        prepare, input=json.dumps(query), stdout=subprocess.PIPE, text=True, check=True
    )
    answer = json.loads(said.stdout)
    if not Path(answer["filename"]).exists():
        build = [sys.executable, program, "build", "--timestamp", answer["timestamp"]]
        subprocess.run([*build, answer["build_plan_filename"]], check=True)
    Path(archive).unlink(missing_ok=True)
    os.link(answer["filename"], archive)


if __name__ == "__main__":
    _main(*sys.argv[1:])
