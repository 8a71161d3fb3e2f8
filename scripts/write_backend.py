"""Write the files that say where Terraform's state lies; `make bootstrap` runs it.

    terraform -chdir=terraform/bootstrap output -json backend_files |
        python3 scripts/write_backend.py terraform

Not by Terraform: that would take a provider more, and a file that somebody has deleted would be a
change in everybody's plan.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Write the files of stdin's JSON, content by path, into `folder`; says which are new."""
    files: dict[str, str] = json.load(sys.stdin)
    for name, content in sorted(files.items()):
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        path.write_text(content, encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
