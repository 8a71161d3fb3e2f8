"""The page that says what was measured, made from the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.run import Scenario
from benchmarks.tools import OURS, OURS_WITHOUT_BYTECODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results import Results, ToolResults, WorkloadResults

_UV = "uv + zip"
_SAM = "sam build"
_NOT_MEASURED = "-"
_NO_OP_GOAL_S = 0.15
_SIZE_GOAL = 1.01

_HOW = """\
## How

- Every tool builds in turns with the others, in the order of the columns: with empty caches; with
  its caches but without its output; again, with nothing changed; again, with one line of the source
  changed. Then caches and output are removed, and another tool goes first. Each has its own caches.
- Seconds are of whole processes, by a monotonic clock: the median, with the fastest and the slowest
  in brackets, then the seconds of all processors together. Whether each ZIP holds the source as it
  is then is checked after each build, outside of the time.
- Where a choice is left, a peer gets the faster one. All get the locked versions, so none resolves
  anything; uv and pip get the lock itself, with its hashes. uv keeps what it has installed already;
  pip installs into an empty folder, because it does not renew one. `sam build` runs with
  `--cached`, its cache of built functions counts as a cache, and its own code makes its ZIP.
- No peer packs bytecode, so it is lambda-build without bytecode that is compared with them. What
  the bytecode costs is a row of its own.
- Memory is the most that all processes of a build held at once (the sum of their proportional set
  sizes, looked at every 5 ms), in a run of its own.
- `zlib -6` is the size of the same files when zlib compresses each at level 6.

```sh
make bench-build
```
"""


def table(results: Results) -> str:
    """Return the page as markdown."""
    lines = [
        "# How fast packages are built",
        "",
        "Made by `make bench-build` from what it measured, [build.json](build.json).",
        "",
        "![Seconds of each tool in each scenario](build.svg)",
        "",
        _circumstances(results),
        "",
        *_goals(results),
        *(line for workload in results.workloads for line in _workload(workload)),
        _HOW,
    ]
    return "\n".join(lines)


def _circumstances(results: Results) -> str:
    machine = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    versions = "; ".join(dict.fromkeys(results.versions.values()))
    before, after = results.load
    return (
        f"{results.started[:10]}, repetitions: {results.repetitions}. {machine}. Load average "
        f"{before:.1f} before and {after:.1f} after. Versions: {versions}."
    )


def _goals(results: Results) -> Iterator[str]:
    yield "## Goals"
    yield ""
    yield "| goal | workload | measured | met |"
    yield "| --- | --- | --- | --- |"
    for workload in results.workloads:
        yield from _ratio_goals(workload)
        for name in (OURS_WITHOUT_BYTECODE, OURS):
            no_op = _median(workload, name, Scenario.NO_OP)
            if no_op is not None:
                met = "yes" if no_op <= _NO_OP_GOAL_S else "**no**"
                yield f"| no-op at most {_NO_OP_GOAL_S} s ({name}) | {workload.name} | {no_op:.2f} s | {met} |"  # noqa: E501
        size = workload.tools[OURS_WITHOUT_BYTECODE].size
        if size and workload.zlib_bytes:
            ratio = size.zipped_bytes / workload.zlib_bytes
            met = "yes" if ratio <= _SIZE_GOAL else "**no**"
            yield f"| size at most 1 % over zlib -6 | {workload.name} | {ratio - 1:+.2%} | {met} |"
    yield ""


def _ratio_goals(workload: WorkloadResults) -> Iterator[str]:
    warm = {"fastapi": 5.0, "scikit_learn": 10.0}.get(workload.name)
    goals: list[tuple[str, Scenario, list[str], float]] = [
        ("clean cache: no slower than uv + zip", Scenario.CLEAN, [_UV], 1.0),
        (
            "one changed line: 10 times faster than uv + zip and sam",
            Scenario.CHANGED,
            [_UV, _SAM],
            10.0,
        ),
    ]
    if warm is not None:
        goals.insert(
            1, (f"warm cache: {warm:.0f} times faster than uv + zip", Scenario.WARM, [_UV], warm)
        )
    for said, scenario, peers, wanted in goals:
        ours = _median(workload, OURS_WITHOUT_BYTECODE, scenario)
        best = workload.best_peer(scenario, peers)
        if ours is None or best is None:
            yield f"| {said} | {workload.name} | {_NOT_MEASURED} | |"
            continue
        name, seconds = best
        ratio = seconds / ours
        met = "yes" if ratio >= wanted else "**no**"
        yield f"| {said} | {workload.name} | {ratio:.1f} times ({name}: {seconds:.2f} s) | {met} |"


def _workload(workload: WorkloadResults) -> Iterator[str]:
    yield f"## {workload.name}"
    yield ""
    yield "requirements.txt: " + ", ".join(f"`{line}`" for line in workload.requirements)
    yield ""
    yield _row("seconds: clock; processors", *Scenario)
    yield _row(*["---"] * (1 + len(Scenario)))
    for name, tool in workload.tools.items():
        yield _row(name, *(_seconds(tool, scenario) for scenario in Scenario))
    yield _row("**against the best peer**", *_ratios(workload))
    yield _row("what bytecode adds", *_added(workload))
    yield ""
    yield _row("size and memory", "ZIP", "unzipped", "files", "ZIP, zlib -6", *_memory_names())
    yield _row(*["---"] * (5 + len(_memory_names())))
    for name, tool in workload.tools.items():
        yield _row(name, *_sizes(tool, workload if name == OURS_WITHOUT_BYTECODE else None))
    yield ""
    for name, tool in workload.tools.items():
        if tool.failed:
            yield f"{name} failed: `{tool.failed.splitlines()[0]}`"
            yield ""


def _ratios(workload: WorkloadResults) -> Iterator[str]:
    peers = [name for name in workload.tools if name not in {OURS, OURS_WITHOUT_BYTECODE}]
    for scenario in Scenario:
        ours = _median(workload, OURS_WITHOUT_BYTECODE, scenario)
        best = workload.best_peer(scenario, peers)
        if ours is None or best is None:
            yield _NOT_MEASURED
        else:
            yield f"**{best[1] / ours:.1f} times** as fast ({best[0]})"


def _added(workload: WorkloadResults) -> Iterator[str]:
    for scenario in Scenario:
        without = _median(workload, OURS_WITHOUT_BYTECODE, scenario)
        having = _median(workload, OURS, scenario)
        if without is None or having is None:
            yield _NOT_MEASURED
        else:
            yield f"{having - without:+.2f}"


def _seconds(tool: ToolResults, scenario: Scenario) -> str:
    walls, median, cpu = (
        tool.walls_s(scenario),
        tool.median_s(scenario),
        tool.median_cpu_s(scenario),
    )
    if median is None or cpu is None:
        return "failed" if tool.failed else _NOT_MEASURED
    spread = f" ({walls[0]:.2f} to {walls[-1]:.2f})" if len(walls) > 1 else ""
    return f"{median:.2f}{spread}; {cpu:.2f}"


def _sizes(tool: ToolResults, compared: WorkloadResults | None) -> Iterator[str]:
    if tool.size is None:
        yield from [_NOT_MEASURED] * 4
    else:
        yield f"{tool.size.zipped_bytes / 1e6:.2f} MB"
        yield f"{tool.size.unzipped_bytes / 1e6:.1f} MB"
        yield str(tool.size.files)
        yield f"{compared.zlib_bytes / 1e6:.2f} MB" if compared else ""
    for scenario in Scenario:
        held = tool.peak_bytes.get(scenario)
        yield _NOT_MEASURED if held is None else f"{held / 1e6:.0f} MB"


def _memory_names() -> list[str]:
    return [f"memory, {scenario}" for scenario in Scenario]


def _median(workload: WorkloadResults, name: str, scenario: Scenario) -> float | None:
    return workload.tools[name].median_s(scenario)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
