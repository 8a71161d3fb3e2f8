"""The command line of the benchmark: measure, then write results, table and plot."""

from __future__ import annotations

import argparse
import compileall
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import lambda_build
from lambda_build.errors import LambdaBuildError
from lambda_build.process import run

from benchmarks.environments import PEERS, PLOT, environment
from benchmarks.machine import machine
from benchmarks.report import table
from benchmarks.results import Results, read_results, write_results
from benchmarks.run import Plan, measure
from benchmarks.tools import (
    OURS_SMALLEST,
    LambdaBuild,
    PipZip,
    SamBuild,
    TerraformAwsLambda,
    Tool,
    UvZip,
)
from benchmarks.workloads import workloads

if TYPE_CHECKING:
    from collections.abc import Sequence

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
_QUICK_WORKLOAD = "fastapi"
_LIMIT_S = 900


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 when a tool failed."""
    options = _parser().parse_args(arguments)
    # As for Ctrl-C: what is being measured ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cache: Path = options.cache.expanduser().absolute()
    docs: Path = options.output or (cache / "quick" if options.quick else _DOCS)
    for folder in (cache, docs):
        folder.mkdir(parents=True, exist_ok=True)
    file = docs / "build.json"
    # As it is once it has run; peers are compiled when they are installed.
    compileall.compile_dir(lambda_build.__path__[0], quiet=1)
    try:
        if not options.table_only:
            with tempfile.TemporaryDirectory(prefix="work-", dir=cache) as work:
                _measure(_plan(options, cache, Path(work)), file)
        results = read_results(file)
        (docs / "build.md").write_text(table(results), "utf-8")
        _plot(file, docs, cache)
    except LambdaBuildError as error:
        _say(f"benchmarks: {error}")
        return error.exit_code
    print(docs / "build.md")
    failed = [
        f"{workload.name}: {name}: {tool.failed}"
        for workload in results.workloads
        for name, tool in [*workload.tools.items(), (OURS_SMALLEST, workload.smallest)]
        if tool.failed
    ]
    for line in failed:
        _say(f"benchmarks: {line}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures lambda-build beside uv + zip, pip + zip and sam build, in turns, and "
        "writes docs/benchmarks/build.md with its plot and data. Takes about 40 minutes.",
    )
    parser.add_argument("--quick", action="store_true", help="once, one workload, into the cache")
    parser.add_argument("--repetitions", type=int, default=5, help="how often (default: 5)")
    parser.add_argument(
        "--workload",
        action="append",
        metavar="NAME",
        help="only this one (may be repeated); what was measured of the others stays",
    )
    parser.add_argument(
        "--terraform-aws-lambda",
        type=Path,
        metavar="PACKAGE.PY",
        help="that module's package.py, to be measured as well",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=home / "lambda-build-benchmarks",
        help="where peers are installed and builds run (default: in the user's cache folder)",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: docs/benchmarks")
    parser.add_argument(
        "--table-only", action="store_true", help="make table and plot of build.json again"
    )
    return parser


def _measure(plan: Plan, file: Path) -> None:
    """Write what is measured, workload by workload, so that a run may be in parts."""
    versions = {tool.name: tool.version for tool in plan.tools}
    results = Results(machine=machine(), versions=versions, workloads=[])
    with suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or of another version
        results = replace(results, workloads=read_results(file).workloads)
    for workload in measure(plan):
        results = results.having(workload)
        write_results(results, file)


def _plan(options: argparse.Namespace, cache: Path, work: Path) -> Plan:
    python = environment(cache, "peers", PEERS)
    tools: list[Tool] = [
        LambdaBuild(has_bytecode=False),
        UvZip(),
        PipZip(python=python),
        SamBuild(python=python),
    ]
    if options.terraform_aws_lambda:
        program = options.terraform_aws_lambda.absolute()
        tools.append(TerraformAwsLambda(python=python, program=program))
    tools.append(LambdaBuild(has_bytecode=True))
    names = options.workload or ([_QUICK_WORKLOAD] if options.quick else [])
    return Plan(
        tools=tools,
        smallest=LambdaBuild(is_smallest=True),
        workloads=[each for each in workloads() if not names or each.name in names],
        repetitions=1 if options.quick else options.repetitions,
        limit_s=_LIMIT_S,
        work=work,
        say=_say,
    )


def _plot(results: Path, docs: Path, cache: Path) -> None:
    program = Path(__file__).with_name("_plot.py")
    said = run([environment(cache, "plot", PLOT), program, results, docs / "build.svg"])
    if said.returncode:
        _say(f"benchmarks: there is no plot:\n{said.stderr}")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
