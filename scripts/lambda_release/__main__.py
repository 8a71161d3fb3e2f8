"""`python -m lambda_release`."""

from __future__ import annotations

import sys

from lambda_release.cli import main

if __name__ == "__main__":
    sys.exit(main())
