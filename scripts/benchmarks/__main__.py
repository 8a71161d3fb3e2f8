"""`python -m benchmarks` measures, and writes the table and the plot."""

from benchmarks.cli import main

raise SystemExit(main())
