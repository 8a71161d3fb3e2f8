"""The page that says what was measured, made from the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.run import Scenario
from benchmarks.tools import OURS, OURS_SMALLEST, OURS_WITHOUT_BYTECODE

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
    return f"{machine}. Versions: {versions}."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Goal:
    """Something that is wanted of a workload, and what was measured; None: nothing was."""

    wanted: str
    workload: str
    measured: str
    is_met: bool | None


def _goals(results: Results) -> Iterator[str]:
    goals = [goal for workload in results.workloads for goal in _goals_of(workload)]
    judged = [goal for goal in goals if goal.is_met is not None]
    missed = [goal for goal in judged if not goal.is_met]
    yield "## Goals"
    yield ""
    yield f"{len(judged) - len(missed)} of {len(judged)} are met.{' Missed:' if missed else ''}"
    yield ""
    for goal in missed:
        yield f"- {goal.wanted}, {goal.workload}: {goal.measured}"
    if missed:
        yield ""
    yield _row("goal", "workload", "measured", "met")
    yield _row(*["---"] * 4)
    said = {True: "yes", False: "**no**", None: ""}
    for goal in goals:
        yield _row(goal.wanted, goal.workload, goal.measured, said[goal.is_met])
    yield ""


def _goals_of(workload: WorkloadResults) -> Iterator[_Goal]:
    yield from _ratio_goals(workload)
    for name in (OURS_WITHOUT_BYTECODE, OURS):
        no_op = _median(workload, name, Scenario.NO_OP)
        yield _Goal(
            wanted=f"no-op at most {_NO_OP_GOAL_S} s ({name})",
            workload=workload.name,
            measured=_NOT_MEASURED if no_op is None else f"{no_op:.3f} s",
            is_met=None if no_op is None else no_op <= _NO_OP_GOAL_S,
        )
    size = workload.tools[OURS_WITHOUT_BYTECODE].size
    ratio = size.zipped_bytes / workload.zlib_bytes if size and workload.zlib_bytes else None
    yield _Goal(
        wanted="size at most 1 % over zlib -6",
        workload=workload.name,
        measured=_NOT_MEASURED if ratio is None else f"{ratio - 1:+.2%}",
        is_met=None if ratio is None else ratio <= _SIZE_GOAL,
    )
    small, best = workload.smallest.size, _smallest_peer(workload)
    yield _Goal(
        wanted="`--smallest` smaller than every peer",
        workload=workload.name,
        measured=f"{small.zipped_bytes / best[0] - 1:+.2%} ({best[1]})"
        if small and best
        else _NOT_MEASURED,
        is_met=small.zipped_bytes < best[0] if small and best else None,
    )


def _ratio_goals(workload: WorkloadResults) -> Iterator[_Goal]:
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
            measured, is_met = _NOT_MEASURED, None
        else:
            name, seconds = best
            measured = f"{seconds / ours:.1f} times ({ours:.2f} s; {name}: {seconds:.2f} s)"
            is_met = seconds / ours >= wanted
        yield _Goal(wanted=said, workload=workload.name, measured=measured, is_met=is_met)


def _peers(workload: WorkloadResults) -> list[str]:
    return [name for name in workload.tools if name not in {OURS, OURS_WITHOUT_BYTECODE}]


def _smallest_peer(workload: WorkloadResults) -> tuple[int, str] | None:
    sizes = [
        (size.zipped_bytes, name)
        for name in _peers(workload)
        if (size := workload.tools[name].size) is not None
    ]
    return min(sizes, default=None)


def _workload(workload: WorkloadResults) -> Iterator[str]:
    yield f"## {workload.name}"
    yield ""
    before, after = workload.load
    yield (
        "requirements.txt: "
        + ", ".join(f"`{line}`" for line in workload.requirements)
        + f". Measured {workload.started[:16].replace('T', ' ')} UTC, repetitions: "
        f"{workload.repetitions}, load average {before:.1f} before and {after:.1f} after."
    )
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
    yield _row(OURS_SMALLEST, *_sizes(workload.smallest, None))
    yield ""
    took = workload.smallest.median_s(Scenario.CLEAN)
    if took is not None:
        yield f"`--smallest` took {took:.1f} s with an empty cache."
        yield ""
    for name, tool in [*workload.tools.items(), (OURS_SMALLEST, workload.smallest)]:
        if tool.failed:
            yield f"{name} failed: `{tool.failed.splitlines()[0]}`"
            yield ""


def _ratios(workload: WorkloadResults) -> Iterator[str]:
    for scenario in Scenario:
        ours = _median(workload, OURS_WITHOUT_BYTECODE, scenario)
        best = workload.best_peer(scenario, _peers(workload))
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
