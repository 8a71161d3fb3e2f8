"""`python -m deployment`."""

from __future__ import annotations

import sys

from deployment.cli import main

sys.exit(main())
