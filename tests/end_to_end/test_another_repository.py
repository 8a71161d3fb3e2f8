"""The module, used from somebody else's repository with `source = "git::…"`."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from build.tiny import write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from applied_stack import AppliedStack

_ROOT = """\
terraform {{
  required_providers {{
    archive  = {{ source = "hashicorp/archive" }}
    aws      = {{ source = "hashicorp/aws" }}
    external = {{ source = "hashicorp/external" }}
  }}
}}

module "hello" {{
  source = "git::{project}//terraform/modules/zip_function"

  name    = "hello"
  handler = "app.handler"
  package = {{
    source = "${{path.root}}/../src"
  }}
}}

output "function" {{
  value = module.hello.function
}}
"""

_APP = """\
import markupsafe

def handler(event, context):
    return str(markupsafe.escape(event["text"]))
"""


def test_the_module_works_from_another_repository_with_python3_alone(
    applied_stack: AppliedStack, project: Path, tmp_path: Path
) -> None:
    # A clone has what is committed, and no environment: the module has to bring one.
    origin = tmp_path / "project.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", project, origin], check=True)
    root = write_tree(
        tmp_path / "theirs",
        {
            "terraform/main.tf": _ROOT.format(project=origin.as_uri()),
            "src/app.py": _APP,
            "src/requirements.txt": "markupsafe==3.0.2\n",
        },
    )
    variables = {"LAMBDA_BUILD_CACHE": os.fspath(tmp_path / "cache")}

    def terraform(command: str, **options: object) -> str:
        run = applied_stack.run(
            command, root=root / "terraform", input=False, variables=variables, **options
        )
        assert run.exit_code == 0, run.output
        return run.output

    terraform("init")
    applied = terraform("apply", auto_approve=True)
    assert "Check block assertion failed" in applied, "a missing lock is said, as a warning"
    assert "make the lock" in " ".join(applied.split()).lower()
    try:
        invoked = applied_stack.boto3("lambda").invoke(
            FunctionName="hello:live", Payload=json.dumps({"text": "<b>"})
        )
        assert json.loads(invoked["Payload"].read()) == "&lt;b&gt;"
        assert "No changes" in terraform("plan")
    finally:
        terraform("destroy", auto_approve=True)
